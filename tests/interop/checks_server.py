"""Our servers, against the clients of others."""

import asyncio
import base64
import contextlib
import os
import re
import shutil
import socket
import time

from cases import CASES, CLOSE
from harness import lines_of, our_server, started

GOOD, BAD = "http://good.example", "http://bad.example"
CLOSED = f"closed {CLOSE[0]} {CLOSE[1]}"

# Name, arguments, path: those that speak HTTP by themselves.
SERVERS = [
    ("echo", (), "/ws"),
    ("by_hand", (), "/"),
    ("mio", (), "/"),
    ("autobahn", ("server", "--adapter", "blocking"), "/"),
]
# And one behind another library that does.
BEHIND = [("axum", (), "/ws")]


async def client_checks(report, client):
    """All that one client can do."""
    for name, options, path in SERVERS + BEHIND:
        async with our_server(name, *options) as (address, _):
            lines = await lines_of([*client.command, "echo", f"ws://{address}{path}"])
        echo_results(report, f"{client.name} -> {name}", client, lines)
    await asyncio.gather(
        negotiation(report, client),
        too_long(report, client),
        shutdown(report, client),
        keep_alive(report, client),
    )


def echo_results(report, name, client, lines):
    failures = dict(line[5:].partition(": ")[::2] for line in lines if line.startswith("FAIL "))
    done = {line[3:] for line in lines if line.startswith("ok ")}
    for case in CASES:
        if case not in client.lacks:
            said = failures.get(case, f"no result; {lines[-1] if lines else 'it said nothing'}")
            report.check(f"{name}: {case}", None if case in done else said)


async def negotiation(report, client):
    options = ("--subprotocol", "a", "--subprotocol", "b", "--allowed-origin", GOOD)
    async with our_server("echo", *options) as (address, _):
        watch = [*client.command, "watch", f"ws://{address}/ws"]
        offer = ["subprotocols=x,b,a", f"origin={GOOD}", "hold=0"]
        accepted = await lines_of([*watch, *offer])
        refused = await lines_of([*watch, f"origin={BAD}"])
    name = f"{client.name} -> echo"
    wanted = ["open b", "received still here", closed_as(client)]
    report.equal(f"{name}: subprotocol and origin", accepted, wanted)
    status = "?" if "status" in client.lacks else "403"
    report.equal(f"{name}: other origin", refused, [f"refused {status}"])


async def too_long(report, client):
    async with our_server("echo", "--max-message", "1000") as (address, _):
        lines = await lines_of([*client.command, "watch", f"ws://{address}/ws", "send=2000"])
    seen = [line.partition(" frame too long")[0] for line in lines]
    report.equal(f"{client.name} -> echo: too long a message", seen, ["open -", "closed 1009"])


async def shutdown(report, client):
    name = f"{client.name} -> echo: SIGINT"
    async with our_server("echo") as (address, server):
        async with started([*client.command, "watch", f"ws://{address}/ws"]) as run:
            opened = await run.line()
            server.interrupt()
            seen = [opened, await run.line()]
            await run.status()
        report.equal(name, seen, ["open -", "closed 1001 the server shuts down"])
        report.equal(f"{name}, exit status", await server.status(), 0)


async def keep_alive(report, client):
    if "keep-alive" in client.lacks:
        return
    async with our_server("echo", *PINGING) as (address, _):
        watch = [*client.command, "watch", f"ws://{address}/ws", "hold=2.6"]
        lines = await lines_of(watch)
    wanted = ["open -", "received still here", closed_as(client)]
    report.equal(f"{client.name} -> echo: keep-alive", lines, wanted)


PINGING = ("--ping-interval", "1", "--ping-timeout", "1")


def closed_as(client):
    return CLOSED.split(" bye")[0] if "reason" in client.lacks else CLOSED


# ------------------------------------------------------------------------------- without a client


async def vanished_client(report):
    """A client that completes the handshake and is silent is pinged and dropped."""
    async with our_server("echo", *PINGING) as (address, _):
        host, port = address.split(":")
        reader, writer = await asyncio.open_connection(host, port)
        key = base64.b64encode(os.urandom(16)).decode()
        writer.write(
            f"GET /ws HTTP/1.1\r\nHost: {address}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            f"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {key}\r\n\r\n".encode()
        )
        await reader.readuntil(b"\r\n\r\n")
        begin = time.monotonic()
        try:
            rest = await asyncio.wait_for(reader.read(-1), 10)
        except asyncio.TimeoutError:
            rest = b""
        seconds = time.monotonic() - begin
        writer.close()
    name = "vanished client -> echo"
    report.check(f"{name}: pinged first", None if rest[:1] == b"\x89" else f"{rest!r}")
    # A second for the Ping, one for the Pong; nobody is waited for who is taken for gone.
    report.check(f"{name}: dropped", None if 1.8 < seconds < 4 else f"after {seconds:.1f} s")


KEY = "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ=="
async def unread_body(report):
    """A refusal is not lost to a reset when more of the request comes than the server reads."""
    for name, options, path in SERVERS:
        async with our_server(name, *options) as (address, _):
            reader, writer = await asyncio.open_connection(*address.split(":"))
            head = f"POST {path} HTTP/1.1\r\nHost: {address}\r\nContent-Length: 60000\r\n\r\n"
            writer.write(head.encode() + bytes(20_000))
            try:
                for _ in range(2):
                    await asyncio.sleep(0.1)
                    writer.write(bytes(20_000))
                    await writer.drain()
                answer = await asyncio.wait_for(reader.read(-1), 10)
                problem = None if answer.startswith(b"HTTP/1.1 426 ") else repr(answer)
            except (OSError, asyncio.TimeoutError) as error:
                problem = repr(error)
            writer.close()
        report.check(f"slow POST -> {name}: answered", problem)


async def hasty_client(report):
    """A client that sends a message with its request, and then more than it reads at first."""
    message, echo, many = MESSAGE, ECHO, 2000
    for name, options, path in SERVERS:
        async with our_server(name, *options) as (address, _):
            reader, writer = await asyncio.open_connection(*address.split(":"), limit=1 << 16)
            head = [f"GET {path} HTTP/1.1", f"Host: {address}", *UPGRADE, "Sec-WebSocket-Version: 13"]
            writer.write("\r\n".join([*head, "\r\n"]).encode() + message)

            async def answer(count):
                read = asyncio.wait_for(reader.readexactly(count * len(echo)), 10)
                return None if await read == echo * count else "another answer"

            try:
                await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 10)
                problem = await answer(1)
                writer.write(message * many)
                # Until the server can write no more.
                await asyncio.sleep(1)
                problem = problem or await answer(many)
            except (OSError, EOFError, asyncio.TimeoutError) as error:
                problem = repr(error)
            writer.close()
        report.check(f"hasty client -> {name}: answered", problem)


async def half_closed_client(report):
    """A client that ends its side while answers wait for it reads all of them."""
    for name, options, path in SERVERS:
        async with our_server(name, *options) as (address, _):
            # Some of these fill the buffers of the system (2.6 MiB on Linux), and not those of the
            # server, which would not read on.
            for count in range(600, 840, 20):
                problem = await asyncio.to_thread(half_close, address, path, count)
                if problem:
                    break
        report.check(f"half-closed client -> {name}: answered", problem)


def half_close(address, path, count):
    try:
        with opened(address, path) as client:
            client.sendall(MESSAGE * count)
            client.shutdown(socket.SHUT_WR)
            # Until the server has seen it.
            time.sleep(0.2)
            seen = b"".join(iter(lambda: client.recv(1 << 16), b""))
    except OSError as error:
        return f"{count} messages: {error!r}"
    # A Close may follow.
    answered = seen.startswith(ECHO * count)
    return None if answered else f"{len(seen) // len(ECHO)} of {count} messages"


async def greedy_client(report):
    """Another is answered while one sends what is no work for it, and a little for the server."""
    for name, options, path in SERVERS:
        async with our_server(name, *options) as (address, _):
            greedy = opened(address, path)
            flood = asyncio.create_task(asyncio.to_thread(send_for_ever, greedy))
            await asyncio.sleep(0.5)
            problem = await asyncio.to_thread(half_close, address, path, 1)
            # Ends the flood.
            greedy.shutdown(socket.SHUT_RDWR)
            await flood
            greedy.close()
        report.check(f"greedy client -> {name}: another is answered", problem)


def send_for_ever(client):
    pongs = b"\x8a\x80\x00\x00\x00\x00" * 100_000
    with contextlib.suppress(OSError):
        while True:
            client.sendall(pongs)


def opened(address, path):
    """A socket behind the handshake, which keeps little of what the server writes."""
    host, port = address.split(":")
    client = socket.socket()
    client.settimeout(10)
    client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    client.connect((host, int(port)))
    head = [f"GET {path} HTTP/1.1", f"Host: {address}", *UPGRADE, "Sec-WebSocket-Version: 13"]
    client.sendall("\r\n".join([*head, "\r\n"]).encode())
    answer = b""
    while not answer.endswith(b"\r\n\r\n"):
        byte = client.recv(1)
        if not byte:
            raise OSError(f"the handshake was answered by {answer!r}")
        answer += byte
    return client


MESSAGE = b"\x82\xfe\x10\x00\x00\x00\x00\x00" + bytes(4096)
ECHO = b"\x82\x7e\x10\x00" + bytes(4096)
UPGRADE = ["Connection: Upgrade", "Upgrade: websocket", KEY]
ASKED = ["Upgrade: websocket", "Connection: Upgrade, close", "Sec-WebSocket-Version: 13"]


async def plain_http(report):
    """What curl sees that speaks HTTP only."""
    if not shutil.which("curl"):
        return report.skip("curl", "there is no command curl")

    async def get(name, url, *options, status, headers=(), body=None):
        lines = await lines_of(["curl", "-sSi", "-m", "5", *options, url], 10)
        head, _, rest = "\n".join(lines).partition("\n\n")
        problem = None
        # A library that others are behind may answer in the version of the request.
        if not re.match(rf"HTTP/1\.[01] {status} \w", head):
            problem = lines[0] if lines else "no answer"
        for line in headers:
            if line.lower() not in head.lower().split("\n"):
                problem = problem or f"no {line} in {head!r}"
        if body is not None and (rest.startswith(body) if body else not rest) is False:
            problem = problem or f"body {rest!r:.80}"
        if "exit status" in rest:
            problem = problem or lines[-1]
        report.check(f"curl -> {name}", problem)

    old = [option for field in [*UPGRADE, "Sec-WebSocket-Version: 8"] for option in ("-H", field)]
    html = ["Content-Type: text/html; charset=utf-8", "Connection: close"]
    async with our_server("echo") as (address, _):
        root, socket = f"http://{address}/", f"http://{address}/ws"
        await get("echo: GET /", root, status=200, headers=html, body="<!DOCTYPE html>")
        await get("echo: HEAD /", root, "-I", status=200, headers=html, body="")
        await get("echo: HTTP/1.0", root, "-0", status=200, headers=html, body="<!DOCTYPE html>")
        await get("echo: GET /nothing", f"{root}nothing", status=404, body="nothing here")
        await get("echo: GET /ws", socket, status=426, headers=ASKED, body="this is")
        await get("echo: POST /", root, "-d", "data", status=405, body="only GET")
        await get("echo: POST /ws", socket, "-d", "data", status=426, headers=ASKED)
        await get("echo: version 8", socket, *old, status=426, headers=ASKED)
    for name, options, path in SERVERS[1:]:
        async with our_server(name, *options) as (address, _):
            url = f"http://{address}{path}"
            await get(f"{name}: GET", url, status=426, headers=ASKED)
            await get(f"{name}: version 8", url, *old, status=426, headers=ASKED)
    asked = [ASKED[0], "Connection: Upgrade", ASKED[2]]
    upgrade = [option for field in [*UPGRADE, ASKED[2]] for option in ("-H", field)]
    for name, options, path in BEHIND:
        async with our_server(name, *options) as (address, _):
            url = f"http://{address}{path}"
            await get(f"{name}: GET", url, status=426, headers=asked)
            await get(f"{name}: version 8", url, *old, status=426, headers=asked)
            await get(f"{name}: HTTP/1.0", url, "-0", *upgrade, status=426, headers=asked)
