"""What the suite has to say about us: expectations.json, and reports held against it."""

import json
from collections import Counter
from fnmatch import fnmatchcase
from pathlib import Path

from suite import Failure

FILE = Path(__file__).resolve().parent / "expectations.json"


class Expectations:
    """Every case of `groups` is OK, in behavior and in close.

    `groups` and `subset` have an entry for each extension: its groups with the number of their
    cases, and patterns for the cases that do when not all are asked for. For the cases of
    `informational` the suite has no right answer, so there it may say so.
    """

    def __init__(self):
        data = json.loads(FILE.read_text())
        self.groups = data["groups"]
        self.subset = data["subset"]
        self.informational = set(data["informational"])

    def of(self, extension, suite_cases):
        """The cases of the groups of an extension."""
        found = Counter(map(group, suite_cases))
        for name, count in self.groups[extension].items():
            if found[name] != count:
                raise Failure(f"group {name} has {found[name]} cases, {FILE.name} wants {count}")
        if strangers := self.informational.difference(suite_cases):
            raise Failure(f"{FILE.name} names cases of no group: {' '.join(sorted(strangers))}")
        return [case for case in suite_cases if group(case) in self.groups[extension]]

    def deviates(self, case, result):
        """Whether a case's entry in a report (None: it has none) is a failure."""
        accepted = {"OK", "INFORMATIONAL"} if case in self.informational else {"OK"}
        return result is None or not {result["behavior"], result["behaviorClose"]} <= accepted


def matching(cases, patterns):
    """The cases that a pattern names, by `7.1.6`, `7.1` or `7.*`."""

    def named(case, pattern):
        return fnmatchcase(case, pattern) or case.startswith(pattern + ".")

    return [case for case in cases if any(named(case, pattern) for pattern in patterns)]


def group(case):
    return case.split(".")[0]
