"""What the suite has to say about us: expectations.json, and reports held against it."""

import json
from collections import Counter
from fnmatch import fnmatchcase
from pathlib import Path

from suite import Failure

FILE = Path(__file__).resolve().parent / "expectations.json"


class Expectations:
    """Every case of `groups` (its name: how many cases) is OK, in behavior and in close.

    For the cases of `informational` the suite has no right answer, so there it may say so.
    """

    def __init__(self):
        data = json.loads(FILE.read_text())
        self.groups = data["groups"]
        self.informational = set(data["informational"])

    def select(self, suite_cases, patterns):
        """The cases of our groups that a pattern names, by `7.1.6`, `7.1` or `7.*`."""
        ours = [case for case in suite_cases if group(case) in self.groups]
        found = Counter(map(group, ours))
        for name, count in self.groups.items():
            if found[name] != count:
                raise Failure(f"group {name} has {found[name]} cases, {FILE.name} wants {count}")
        if strangers := self.informational.difference(ours):
            raise Failure(f"{FILE.name} names cases of no group: {' '.join(sorted(strangers))}")

        selected = set()
        for pattern in patterns:
            matching = [c for c in ours if fnmatchcase(c, pattern) or c.startswith(pattern + ".")]
            if not matching:
                raise Failure(f"no case {pattern} in the groups {' '.join(self.groups)}")
            selected.update(matching)
        return [case for case in ours if case in selected]

    def deviates(self, case, result):
        """Whether a case's entry in a report (None: it has none) is a failure."""
        accepted = {"OK", "INFORMATIONAL"} if case in self.informational else {"OK"}
        return result is None or not {result["behavior"], result["behaviorClose"]} <= accepted


def group(case):
    return case.split(".")[0]
