"""Our example `client`, against the servers of others."""

import asyncio
import base64
import contextlib
import hashlib
import re
import time

from harness import EXAMPLES, started

CLIENT = EXAMPLES / "client"
LINES = ["hello", "καλημέρα, 你好, 😀", "", "x" * 100_000, "ж" * 50_000, "the end"]
REFUSALS = {
    "/401": ("401 Unauthorized", "www-authenticate: "),
    "/302": ("302 Found", "location: /echo"),
    "/404": ("404 Not Found", ""),
}
# 20 seconds of silence until it pings, 20 for the Pong, and what the end takes.
VANISH_LIMIT = 50


async def server_checks(report, server):
    """All that is asked of our client with one server."""
    async with started(server.command) as peer:
        line = await peer.wait_for("listening ")
        if line is None:
            return report.check(f"client -> {server.name}", "the server does not listen")
        url = f"ws://127.0.0.1:{line.split()[1]}"
        name = f"client -> {server.name}"
        await echo(report, name, peer, f"{url}/echo")
        await ended_by_server(report, name, peer, url)
        for path, (status, field) in REFUSALS.items():
            _, said, code = await ask([url + path], [])
            shown = status in said and field in said.lower() and code == 1
            report.check(f"{name}: {path[1:]}", None if shown else f"{code} {said!r}")


async def echo(report, name, peer, url):
    received, said, code = await ask(["--subprotocol", "x", "--subprotocol", "chat", url], LINES)
    report.equal(f"{name}: echo", received, LINES)
    report.check(f"{name}: subprotocol", None if "subprotocol chat\n" in said else said)
    report.check(f"{name}: close", None if "closed with 1000" in said and code == 0 else said)
    report.equal(f"{name}: close seen by the server", await peer.line(), "closed 1000")


async def ended_by_server(report, name, peer, url):
    _, said, code = await ask([f"{url}/close"], ["end this"], answers=0)
    problem = None if "closed with 4001" in said and code == 0 else said
    report.check(f"{name}: the server closes", problem)
    report.equal(f"{name}: the server sees its code back", await peer.line(), "closed 4001")
    _, said, code = await ask([f"{url}/vanish"], ["end this"], answers=0)
    report.check(f"{name}: the server vanishes", None if code == 1 and "Error: " in said else said)


async def ask(args, lines, answers=None, limit=15):
    """Run our client, type `lines`, wait for as many answers, end the input.

    Returns its lines, what it said to the user, and its exit status. Without answers to wait for,
    the input ends only with the client.
    """
    pipe = asyncio.subprocess.PIPE
    async with started([CLIENT, *args], stderr=pipe, stdin=pipe) as client:
        received = []
        with contextlib.suppress(ConnectionError):
            await client.write("".join(f"{line}\n" for line in lines))
        for _ in range(len(lines) if answers is None else answers):
            received.append(await client.line())
        if lines and answers is None:
            client.process.stdin.close()
        code = await client.status(limit)
        said = "still running" if code is None else (await client.process.stderr.read()).decode()
        return received, said, code


async def silent_server(report):
    """A server that completes the handshake and is silent: the client gives up by itself."""
    pinged = asyncio.Event()

    async def handle(reader, writer):
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        key = re.search(r"(?i)^sec-websocket-key: *(\S+)", head, re.MULTILINE)[1]
        digest = hashlib.sha1(f"{key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11".encode()).digest()
        writer.write(
            b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            b"Sec-WebSocket-Accept: " + base64.b64encode(digest) + b"\r\n\r\n"
        )
        if (await reader.read(6))[:2] == b"\x89\x80":  # a masked Ping without payload
            pinged.set()
        await reader.read(-1)
        writer.close()

    server = await asyncio.start_server(handle, "127.0.0.1", 0)
    async with server:
        port = server.sockets[0].getsockname()[1]
        begin = time.monotonic()
        _, said, code = await ask([f"ws://127.0.0.1:{port}/"], [], limit=VANISH_LIMIT)
        seconds = time.monotonic() - begin
    report.check("client -> silent server: pings", None if pinged.is_set() else "no Ping came")
    gave_up = code == 1 and "Error: " in said and seconds > 39
    problem = None if gave_up else f"exit status {code} after {seconds:.0f} s, {said!r}"
    report.check("client -> silent server: gives up", problem)
