"""Runs all checks, our servers and our client against the software of others. See README.md."""

import asyncio
import importlib.metadata
import json
import os
import re
import shutil
import signal
import sys
import time
from dataclasses import dataclass

import checks_client
import checks_deflate
import checks_proxy
import checks_server
from harness import ARTIFACTS, HERE, Report, lines_of

AT_A_TIME = 3


@dataclass(frozen=True)
class Counterpart:
    name: str
    command: tuple
    version: str
    # What its interface does not let it do or see: a case, or "status" (of a refusal), "reason"
    # (of the answer to its Close), "keep-alive" (answering Pings while nothing else happens).
    lacks: frozenset = frozenset()


BROWSER_LIKE = frozenset({"fragments", "ping", "status"})

# Name, the package it is in, what it lacks.
PYTHON = [
    ("websockets-asyncio", "websockets", ()),
    ("websockets-sync", "websockets", ()),
    ("websocket-client", "websocket-client", ()),
    ("aiohttp", "aiohttp", ("fragments", "reason")),
    ("wsproto", "wsproto", ()),
    # libcurl keeps the Pong to itself until a data frame comes or is sent.
    ("libcurl", "curl_cffi", ("keep-alive",)),
]

# Name, the npm package, the program that runs it, the kind for node_client.mjs, what it lacks.
NODE = ("node",)
# Of the package deno this part only: not every registry has all the others.
DENO = "linux-x64-glibc"
RUN = ("run", "--allow-all", "--no-lock")
JAVASCRIPT = [
    ("ws", "ws", NODE, "ws", ()),
    ("websocket", "websocket", NODE, "websocket", ()),
    ("undici", "undici", NODE, "undici", BROWSER_LIKE),
    ("bun", "bun", ("node_modules/@oven/*/bin/bun",), "standard", BROWSER_LIKE - {"ping"}),
    ("deno", f"@deno/{DENO}", (f"node_modules/@deno/{DENO}/deno", *RUN), "standard", BROWSER_LIKE),
]


def python(script, kind):
    return (sys.executable, script, kind)


def clients(report):
    """The clients that are there; the others are skipped by name."""
    for name, package, lacks in PYTHON:
        if version := python_version(package):
            command = python("python_client.py", name)
            yield Counterpart(name, command, version, frozenset(lacks))
        else:
            report.skip(name, f"pip did not bring {package}")
    for name, package, (program, *options), kind, lacks in JAVASCRIPT:
        version = npm_version(package)
        program = next((str(it) for it in HERE.glob(program)), None) if "/" in program else program
        if version and program:
            command = (program, *options, "node_client.mjs", kind)
            yield Counterpart(name, command, version, frozenset(lacks))
        else:
            report.skip(name, f"npm did not bring {package}, or not for this machine")


async def runtime_clients(report):
    """The clients that come with a runtime."""
    flag = "--experimental-websocket"  # needed below Node 22
    version = await lines_of(["node", flag, "-p", "WebSocket && process.version"], 10)
    if version[-1].startswith("v"):
        command = ("node", flag, "node_client.mjs", "standard")
        yield Counterpart("node", command, version[-1], BROWSER_LIKE)
    else:
        report.skip("node", "this version has no WebSocket")
    if shutil.which("java") and shutil.which("javac"):
        compile = ["javac", "-encoding", "UTF-8", "-d", ARTIFACTS, "JavaClient.java"]
        trouble = await lines_of(compile)
        if trouble:
            report.check("java: compiled", trouble[-1])
            return
        version = re.search(r'"(.+)"', "\n".join(await lines_of(["java", "-version"])))
        command = ("java", "-XX:TieredStopAtLevel=1", "-cp", str(ARTIFACTS), "JavaClient")
        yield Counterpart("java", command, version[1] if version else "unknown")
    else:
        report.skip("java", "there is no command java or javac")


def servers(report):
    for kind in ("websockets", "aiohttp"):
        if version := python_version(kind):
            yield Counterpart(kind, python("python_server.py", kind), version)
        else:
            report.skip(f"{kind} as server", f"pip did not bring {kind}")
    yield Counterpart("ws", ("node", "node_server.mjs"), npm_version("ws"))


def python_version(package):
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None


def npm_version(package):
    path = HERE / "node_modules" / package / "package.json"
    return json.loads(path.read_text())["version"] if path.exists() else None


async def main():
    ARTIFACTS.mkdir(exist_ok=True)
    (ARTIFACTS / "stderr.log").write_bytes(b"")
    for name in [name for name in os.environ if name.lower().endswith("_proxy")]:
        del os.environ[name]  # all there is to reach is on this machine
    report = Report()
    peers = [*clients(report), *[it async for it in runtime_clients(report)]]
    others = list(servers(report))
    print("clients:", ", ".join(f"{it.name} {it.version}" for it in peers))
    print("servers:", ", ".join(f"{it.name} {it.version}" for it in others), flush=True)

    slots = asyncio.Semaphore(AT_A_TIME)

    async def in_turn(name, check):
        async with slots:
            try:
                await asyncio.wait_for(check, 100)
            except Exception as error:  # one counterpart must not end the run
                report.check(name, f"could not be tested: {error!r}")

    # Takes 40 seconds and no processor: beside all others.
    silent = asyncio.create_task(checks_client.silent_server(report))
    both = [peer for peer in peers if peer.name in ("websockets-asyncio", "ws")]
    await asyncio.gather(
        in_turn("vanished client", checks_server.vanished_client(report)),
        *(in_turn(peer.name, checks_server.client_checks(report, peer)) for peer in peers),
        *(in_turn(peer.name, checks_client.server_checks(report, peer)) for peer in others),
        *(in_turn(peer.name, checks_deflate.client_deflate(report, peer)) for peer in peers),
        *(in_turn(peer.name, checks_deflate.server_deflate(report, peer)) for peer in others),
        in_turn("slow POST", checks_server.unread_body(report)),
        in_turn("hasty client", checks_server.hasty_client(report)),
        in_turn("half-closed client", checks_server.half_closed_client(report)),
        in_turn("greedy client", checks_server.greedy_client(report)),
        in_turn("curl", checks_server.plain_http(report)),
        *(in_turn(it, checks_proxy.proxy_checks(report, it, both)) for it in checks_proxy.PROXIES),
    )
    await silent
    return report


if __name__ == "__main__":
    begin = time.monotonic()
    signal.signal(signal.SIGTERM, lambda *_: signal.raise_signal(signal.SIGINT))
    try:
        report = asyncio.run(main())
    except KeyboardInterrupt:
        sys.exit("interrupted")
    print(f"{time.monotonic() - begin:.0f} s")
    print(f"{report.passed} passed, {report.failed} failed, {report.skipped} skipped")
    sys.exit(report.failed > 0 or report.passed == 0)
