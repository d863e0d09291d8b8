"""The Autobahn suite itself: set it up, and have it test one peer."""

import asyncio
import contextlib
import hashlib
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).resolve().parent
VENV = HERE / ".wstest"
PYTHON = VENV / "bin" / "python"
READY = VENV / "ready.json"  # written last: without it, the set-up did not come to its end
REQUIREMENTS = HERE / "requirements.txt"
PORT_TO_PYTHON3 = HERE / "port_to_python3.py"
REPORTS = HERE / "reports"

START_LIMIT = 30  # seconds until a server must listen
SET_UP_LIMIT = 600  # seconds for one step of the set-up

LIST_CASES = """
import json
from autobahntestsuite.case import Cases
print(json.dumps([case.__name__.removeprefix("Case").replace("_", ".") for case in Cases]))
"""


class Failure(Exception):
    """Something that must be told, in its own words, and ends what was under way."""


# ---------------------------------------------------------------------------------------- processes


@contextlib.asynccontextmanager
async def started(command, log, **options):
    """A process with its output in the file `log`. It never outlives the `with` block."""
    with open(log, "wb") as output:
        try:
            process = await asyncio.create_subprocess_exec(
                *map(str, command),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,  # so that it can be ended together with its children
                **options,
            )
        except OSError as error:
            raise Failure(f"cannot start {command[0]}: {error.strerror}") from error
    try:
        yield process
    finally:
        for end in (signal.SIGTERM, signal.SIGKILL):
            if process.returncode is None:
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(process.pid, end)
                with contextlib.suppress(asyncio.TimeoutError):
                    await asyncio.wait_for(process.wait(), 5)


async def completed(command, log, limit, otherwise, **options):
    """Run a command to its good end, and return its log."""
    async with started(command, log, **options) as process:
        try:
            status = await asyncio.wait_for(process.wait(), limit)
        except asyncio.TimeoutError:
            raise Failure(f"{otherwise}: no end after {limit} s{tail(log)}") from None
    if status != 0:
        raise Failure(f"{otherwise}:{tail(log)}")
    return log


def tail(log, lines=20):
    text = log.read_text(errors="replace").strip().splitlines()[-lines:]
    return "".join(f"\n    | {line}" for line in text or ["(it printed nothing)"])


async def until(condition, process, what, log):
    """Wait until `condition()` is true, while `process` lives."""
    deadline = time.monotonic() + START_LIMIT
    while not (value := condition()):
        if process.returncode is not None:
            raise Failure(f"{what} ended with {process.returncode} before it listened{tail(log)}")
        if time.monotonic() > deadline:
            raise Failure(f"{what} does not listen after {START_LIMIT} s{tail(log)}")
        await asyncio.sleep(0.05)
    return value


# ------------------------------------------------------------------------------------------- set-up


async def set_up():
    """Install the suite, unless that is done, and return the ids of all its cases."""
    version = hashlib.sha256(REQUIREMENTS.read_bytes() + PORT_TO_PYTHON3.read_bytes()).hexdigest()
    with contextlib.suppress(OSError, ValueError):
        ready = json.loads(READY.read_text())
        if ready["version"] == version and PYTHON.exists():
            return ready["cases"]

    print(f"setting the suite up from PyPI, in {os.path.relpath(VENV)}", flush=True)
    try:
        import ensurepip  # noqa: F401
        import venv  # noqa: F401
    except ImportError as error:
        raise Failure(
            f"Python's {error.name} is missing (in Debian: apt install python3-venv)"
        ) from error
    shutil.rmtree(VENV, ignore_errors=True)
    await step("python -m venv failed", sys.executable, "-m", "venv", VENV)
    pip = [PYTHON, "-m", "pip", "install", "-q", "--disable-pip-version-check", "--no-input"]
    await step(
        "the packages of requirements.txt could not be installed from PyPI",
        *pip, "--use-pep517", "--no-deps", "-r", REQUIREMENTS,
    )
    await step("the port to Python 3 failed", PYTHON, PORT_TO_PYTHON3)
    log = await step("the suite does not run", PYTHON, "-c", LIST_CASES)
    ready = {"version": version, "cases": json.loads(log.read_text().splitlines()[-1])}
    unfinished = READY.with_suffix(".tmp")
    unfinished.write_text(json.dumps(ready))
    unfinished.rename(READY)
    return ready["cases"]


async def step(otherwise, *command):
    """One command of the set-up."""
    # Three of the packages come as sources: the pins hold where they are built, too.
    pins = REQUIREMENTS.as_uri()
    environment = dict(os.environ, PIP_CONSTRAINT=pins, PIP_BUILD_CONSTRAINT=pins)
    log = REPORTS / "set-up.log"
    return await completed(command, log, SET_UP_LIMIT, otherwise, env=environment)


# ------------------------------------------------------------------------------------------ testing


@dataclass
class Outcome:
    """What testing one peer came to."""

    cases: dict  # id: its entry in the report's index
    problem: str | None  # what went wrong with the run itself
    seconds: float
    directory: Path

    def verdict(self, case):
        if case not in self.cases:
            return "missing from the report"
        entry = self.cases[case]
        return f"{entry['behavior']}, close {entry['behaviorClose']} ({entry['remoteCloseCode']})"

    def report(self, case):
        return os.path.relpath(self.directory / self.cases[case]["reportfile"])


async def test(peer, command, cases, directory, limit):
    """Have the suite test `command` with `cases`, for at most `limit` seconds."""
    shutil.rmtree(directory, ignore_errors=True)
    directory.mkdir(parents=True)
    spec = {
        "options": {"failByDrop": False},
        "outdir": str(directory),
        "cases": cases,
        "exclude-cases": [],
        "exclude-agent-cases": {},
    }
    begin = time.monotonic()
    problem = None
    try:
        test_peer = {"server": test_server, "client": test_client}[peer.mode]
        await asyncio.wait_for(test_peer(peer, command, spec, directory), limit)
    except asyncio.TimeoutError:
        log = directory / "wstest.log"
        problem = f"not done after {limit} s" + (tail(log, 1) if log.exists() else "")
    except Failure as failure:
        problem = str(failure)
    seconds = time.monotonic() - begin

    results = {}
    with contextlib.suppress(OSError, ValueError):
        results = json.loads((directory / "index.json").read_text()).get(peer.adapter, {})
    if not results and not problem:
        problem = "the report has no case"
    return Outcome(results, problem, seconds, directory)


async def test_server(peer, command, spec, directory):
    """Our server announces its port, fuzzingclient ends when it is through."""
    log = directory / "server.log"
    async with started(command, log) as server:
        announced = lambda: re.search(rb"listening on \S*:(\d+)\s", log.read_bytes())
        port = int((await until(announced, server, "the server", log))[1])
        url = f"ws://127.0.0.1:{port}{peer.path}"
        spec["servers"] = [{"agent": peer.adapter, "url": url}]
        async with wstest("fuzzingclient", spec, directory) as fuzzer:
            if status := await fuzzer.wait():
                raise Failure(f"fuzzingclient ended with {status}{tail(directory / 'wstest.log')}")
        if server.returncode is not None:
            raise Failure(f"the server ended by itself, with {server.returncode}{tail(log)}")


async def test_client(peer, command, spec, directory):
    """fuzzingserver gets a port, our client ends when it is through."""
    port = free_port()
    spec["url"] = f"ws://127.0.0.1:{port}"
    async with wstest("fuzzingserver", spec, directory) as fuzzer:
        listens = lambda: socket_accepts(port)
        await until(listens, fuzzer, "fuzzingserver", directory / "wstest.log")
        log = directory / "client.log"
        command = [str(part).replace("{port}", str(port)) for part in command]
        async with started(command, log) as client:
            if status := await client.wait():
                raise Failure(f"the client ended with {status}{tail(log)}")


def wstest(mode, spec, directory):
    file = directory / "spec.json"
    file.write_text(json.dumps(spec, indent=2))
    program = "from autobahntestsuite.wstest import run; run()"
    # Web port 0: otherwise fuzzingserver also serves HTTP, on every interface.
    command = [PYTHON, "-u", "-c", program, "-m", mode, "-s", file, "--webport", "0"]
    return started(command, directory / "wstest.log")


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def socket_accepts(port):
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0
