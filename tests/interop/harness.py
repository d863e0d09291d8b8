"""What all checks use: a count of results, and processes that end when their block does."""

import asyncio
import contextlib
import os
import signal
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
ARTIFACTS = HERE / "artifacts"
EXAMPLES = Path(os.environ["EXAMPLES"])  # the directory with our executables
ELSEWHERE = {"axum": Path(os.environ["AXUM"])}  # those that are not there

START_LIMIT = 15  # seconds until a server says that it listens
RUN_LIMIT = 90  # seconds for one run of a client


class Report:
    """Prints a line a check, and counts."""

    def __init__(self):
        self.passed = self.failed = self.skipped = 0

    def check(self, name, problem=None):
        """One check: without a problem it has passed."""
        if problem:
            self.failed += 1
            print(f"FAILED {name}: {problem}", flush=True)
        else:
            self.passed += 1
            print(f"passed {name}", flush=True)

    def equal(self, name, seen, wanted):
        self.check(name, None if seen == wanted else f"{seen!r:.300}, not {wanted!r:.300}")

    def skip(self, name, reason):
        self.skipped += 1
        print(f"skipped: {name}, because {reason}", flush=True)


class Process:
    """A process whose output is read line by line."""

    def __init__(self, process):
        self.process = process

    async def line(self, limit=START_LIMIT):
        """The next line, or None at the end of the output or when the time is over."""
        try:
            line = await asyncio.wait_for(self.process.stdout.readline(), limit)
        except asyncio.TimeoutError:
            return None
        return line.decode(errors="replace").removesuffix("\n") if line else None

    async def wait_for(self, start, limit=START_LIMIT):
        """The next line that begins with `start`, or None."""
        while (line := await self.line(limit)) is not None:
            if line.startswith(start):
                return line
        return None

    async def write(self, text):
        self.process.stdin.write(text.encode())
        await self.process.stdin.drain()

    def interrupt(self):
        self.process.send_signal(signal.SIGINT)

    async def status(self, limit=START_LIMIT):
        """The exit status, or None when the time is over."""
        with contextlib.suppress(asyncio.TimeoutError):
            return await asyncio.wait_for(self.process.wait(), limit)


@contextlib.asynccontextmanager
async def started(command, stderr=None, stdin=asyncio.subprocess.DEVNULL):
    """A process that does not outlive the block. Its complaints go to artifacts/stderr.log."""
    with open(ARTIFACTS / "stderr.log", "ab") as log:
        process = await asyncio.create_subprocess_exec(
            *map(str, command),
            cwd=HERE,
            stdin=stdin,
            stdout=asyncio.subprocess.PIPE,
            stderr=stderr or log,
            limit=4 << 20,  # a line
        )
    try:
        yield Process(process)
    finally:
        for end in (process.terminate, process.kill):
            if process.returncode is None:
                with contextlib.suppress(ProcessLookupError):
                    end()
                with contextlib.suppress(asyncio.TimeoutError):
                    await asyncio.wait_for(process.wait(), 3)


async def lines_of(command, limit=RUN_LIMIT):
    """Run a command to its end. Returns its lines; the last is the trouble if there was any."""
    async with started(command, stderr=asyncio.subprocess.STDOUT) as run:
        try:
            output, _ = await asyncio.wait_for(run.process.communicate(), limit)
        except asyncio.TimeoutError:
            return [f"no end after {limit} s"]
    lines = output.decode(errors="replace").splitlines()
    if run.process.returncode != 0:
        lines.append(f"exit status {run.process.returncode}: {lines[-1] if lines else ''}")
    return lines


@contextlib.asynccontextmanager
async def our_server(name, *options):
    """One of our examples as a server. Gives its host:port and the process."""
    command = [ELSEWHERE.get(name, EXAMPLES / name), *options, "--listen", "127.0.0.1:0"]
    async with started(command) as server:
        line = await server.wait_for("listening on ")
        if line is None:
            raise RuntimeError(f"{name} does not listen, see {ARTIFACTS / 'stderr.log'}")
        yield line.rpartition("/")[2], server
