"""permessage-deflate: our servers with the clients of others, our client with their servers.

What was agreed on and what is compressed is read from the wire. That a window or a takeover that
was agreed on is kept to shows by the other side being able to decompress.
"""

import contextlib

from cases import DEFLATE_CASES, REPEATED, UNICODE, trade
from checks_client import ask
from harness import lines_of, our_server, started
from wire import tapped

NAME = "permessage-deflate"
LIMITABLE = "client_max_window_bits"
NEITHER = "server_no_context_takeover; client_no_context_takeover"
BITS = range(8, 16)
SERVER_BITS = [f"server_max_window_bits={it}" for it in BITS]
CLIENT_BITS = [f"client_max_window_bits={it}" for it in BITS]
BOTH_BITS = [f"{server}; {client}" for server, client in zip(SERVER_BITS, CLIENT_BITS)]

PLAIN = ("echo", (), "/ws")
TOKIO = ("echo", ("--deflate",), "/ws")
BLOCKING = ("autobahn", ("server", "--adapter", "blocking", "--deflate"), "/")
FORGETTING = ("echo", ("--deflate-no-context-takeover",), "/ws")


def narrow(bits):
    return ("echo", ("--deflate-window-bits", str(bits)), "/ws")


# One of our servers, what the client offers, what the server has to answer.
BY_DEFAULT = [
    (PLAIN, LIMITABLE, None),
    (TOKIO, LIMITABLE, ""),
    (BLOCKING, LIMITABLE, ""),
    (narrow(9), LIMITABLE, "server_max_window_bits=9; client_max_window_bits=9"),
    (FORGETTING, LIMITABLE, NEITHER),
]
PARAMETERS = [
    *((TOKIO, f"{LIMITABLE}; {it}", it) for it in SERVER_BITS),
    *((TOKIO, it, it) for it in CLIENT_BITS[:-1]),
    (TOKIO, CLIENT_BITS[-1], ""),  # 15 says nothing
    *((narrow(bits), LIMITABLE, it) for bits, it in zip(BITS, BOTH_BITS[:-1])),
    (TOKIO, f"server_no_context_takeover; {LIMITABLE}", "server_no_context_takeover"),
    (TOKIO, f"client_no_context_takeover; {LIMITABLE}", "client_no_context_takeover"),
    (BLOCKING, f"{NEITHER}; {LIMITABLE}", NEITHER),
    (
        BLOCKING,
        f"{NEITHER}; server_max_window_bits=10; client_max_window_bits=11",
        f"{NEITHER}; server_max_window_bits=10; client_max_window_bits=11",
    ),
    (
        narrow(11),
        "server_max_window_bits=13; client_max_window_bits=9",
        "server_max_window_bits=11; client_max_window_bits=9",
    ),
]
# zlib does not compress with a window of 8 bits; ws then takes 9, Python's libraries refuse.
COMPRESSIBLE = [it for it in PARAMETERS if "client_max_window_bits=8" not in it[2]]
LARGEST = BOTH_BITS[-1]

# A client: the rows for it.
CLIENTS = {
    "websockets-asyncio": [
        *BY_DEFAULT,
        *COMPRESSIBLE,
        (narrow(9), "server_max_window_bits=12", "server_max_window_bits=9"),  # not to be limited
    ],
    "websockets-sync": BY_DEFAULT,
    "aiohttp": [
        *BY_DEFAULT,
        (TOKIO, f"{LIMITABLE}; server_max_window_bits=10", "server_max_window_bits=10"),
    ],
    # Names both windows in every offer.
    "wsproto": [
        (PLAIN, LARGEST, None),
        (TOKIO, LARGEST, "server_max_window_bits=15"),
        (BLOCKING, f"{NEITHER}; {LARGEST}", f"{NEITHER}; server_max_window_bits=15"),
        (
            TOKIO,
            "server_max_window_bits=9; client_max_window_bits=10",
            "server_max_window_bits=9; client_max_window_bits=10",
        ),
        (narrow(9), LARGEST, "server_max_window_bits=9; client_max_window_bits=9"),
        (FORGETTING, LARGEST, f"{NEITHER}; server_max_window_bits=15"),
    ],
    "ws": [*BY_DEFAULT, *PARAMETERS],
    "bun": BY_DEFAULT,
    "undici": BY_DEFAULT,
    "node": BY_DEFAULT,
    **dict.fromkeys(("websocket-client", "libcurl", "websocket", "deno"), [(TOKIO, None, None)]),
}


async def client_deflate(report, client):
    """Our servers with one client, on each of its rows."""
    for (name, options, path), offer, answer in CLIENTS.get(client.name, ()):
        flags = " ".join(it for it in options if it not in ("server", "--adapter"))
        title = f"{client.name} ({offer or 'no offer'}) -> {name} {flags}".strip()
        async with our_server(name, *options) as (address, _), tapped(address) as wire:
            url = f"ws://{wire.address}{path}"
            lines = await lines_of([*client.command, "deflate", url, *(offer or "").split("; ")])
        offered = parameters(wire.client.extensions)
        report.equal(f"{title}: offer", offered, parameters(element(offer)))
        report.equal(f"{title}: answer", wire.server.extensions, element(answer))
        echoed(report, title, client, lines)
        if answer is None:
            plain = not any(it[0] for it in wire.client.messages() + wire.server.messages())
            report.check(f"{title}: not compressed", None if plain else "RSV1 is set")
        else:
            compressed(report, title, wire.server, "server_no_context_takeover" in answer)


def element(params):
    """The element with these parameters; None: there is none."""
    return "" if params is None else "; ".join(filter(None, (NAME, params)))


def parameters(text):
    return sorted(text.split("; "))


def echoed(report, title, client, lines):
    """One check for all cases, which are many."""
    wanted = [f"ok {case}" for case in DEFLATE_CASES if case not in client.lacks]
    wrong = [line for line in lines if line not in wanted]
    missing = [line for line in wanted if line not in lines]
    problem = (wrong or [f"no {line[3:]}" for line in missing] or [None])[0]
    report.check(f"{title}: {len(wanted)} cases", problem)


def compressed(report, title, ours, forgets):
    """Whether our side compresses what is worth it, and refers to the message before if it may.

    The first two messages are `REPEATED`.
    """
    messages = ours.messages()
    large = [it for it in messages if it[1] > 60_000 or it[0]]
    (first, size, _), (second, again, _) = [*messages, (False, 0, 1), (False, 0, 1)][:2]
    problem = None
    if not (first and second and 0 < size < len(REPEATED)):
        problem = f"not compressed: {messages[:2]}"
    elif forgets != (again == size) or not forgets and again > size / 4:
        problem = f"{size} bytes, and the same again {again}"
    elif len(large) < 3:
        problem = f"only {large} are compressed"
    report.check(f"{title}: our messages are compressed", problem)


# -------------------------------------------------------------------------------------- our client

LINES = [REPEATED, REPEATED, "", "hello", UNICODE.replace("\0", "") * 500, *map(trade, range(50))]
LINES += ["".join(map(trade, range(14_000)))[: 1 << 20], "ж" * 50_000, REPEATED]

DEFLATE = ("--deflate",)
FORGET = ("--deflate-no-context-takeover",)


def window(bits):
    return ("--deflate-window-bits", str(bits))


# A server: its parameters, the options of our client, what the server answers.
SERVERS = {
    "websockets": [
        ("", (), None),
        ("", DEFLATE, "server_max_window_bits=12; client_max_window_bits=12"),  # its default
        ("", FORGET, f"{NEITHER}; server_max_window_bits=12; client_max_window_bits=12"),
        ("", window(9), "server_max_window_bits=9; client_max_window_bits=9"),
        ("server_no_context_takeover", DEFLATE, "server_no_context_takeover"),
        ("client_no_context_takeover", DEFLATE, "client_no_context_takeover"),
        *((it, DEFLATE, it) for it in CLIENT_BITS),
        *((it, DEFLATE, it) for it in SERVER_BITS[1:]),  # zlib does not compress with 8
    ],
    "aiohttp": [
        ("", (), None),
        ("", DEFLATE, ""),
        ("", window(10), "server_max_window_bits=10"),
    ],
    "ws": [
        ("", (), None),
        ("", DEFLATE, ""),
        ("", FORGET, NEITHER),
        *(("", window(bits), it) for bits, it in zip(BITS, BOTH_BITS[:-1])),
        *((it, DEFLATE, it) for it in CLIENT_BITS + SERVER_BITS),
        ("server_no_context_takeover", DEFLATE, "server_no_context_takeover"),
        ("client_no_context_takeover", DEFLATE, "client_no_context_takeover"),
        (
            "client_no_context_takeover; client_max_window_bits=9; server_max_window_bits=10",
            FORGET,
            f"{NEITHER}; server_max_window_bits=10; client_max_window_bits=9",
        ),
    ],
}


async def server_deflate(report, server):
    """Our client with one server, on each of its rows."""
    for params, options, answer in SERVERS[server.name]:
        title = f"client {' '.join(options)} -> {server.name}".replace("  ", " ")
        title += f" ({params})" if params else ""
        async with contextlib.AsyncExitStack() as stack:
            command = [*server.command, *filter(None, params.split("; "))]
            peer = await stack.enter_async_context(started(command))
            line = await peer.wait_for("listening ")
            if line is None:
                report.check(title, "the server does not listen")
                continue
            for path in ("/echo", "/pieces"):
                address = f"127.0.0.1:{line.split()[1]}"
                wire = await stack.enter_async_context(tapped(address))
                received, said, code = await ask([*options, f"ws://{wire.address}{path}"], LINES)
                problem = None if "closed with 1000" in said and code == 0 else said
                if not problem and received != LINES:
                    at = next(at for at, line in enumerate(LINES) if received[at] != line)
                    problem = f"line {at}: {received[at]!r:.80}, not {LINES[at]!r:.80}"
                report.check(f"{title}{path}: {len(LINES)} lines", problem)
            theirs = parameters(wire.server.extensions)
            report.equal(f"{title}: answer", theirs, parameters(element(answer)))
            if answer is None:
                report.equal(f"{title}: offer", wire.client.extensions, "")
            else:
                forgets = "client_no_context_takeover" in answer or options == FORGET
                compressed(report, title, wire.client, forgets)
                flag = any(it[0] for it in wire.server.messages())
                report.check(f"{title}: theirs are compressed", None if flag else "no RSV1")


async def proxied(report, name, clients, address):
    """`echo --deflate` behind a proxy at `address`."""
    for client in clients:
        title = f"{client.name} ({LIMITABLE}) -> {name} -> echo --deflate"
        async with tapped(address) as wire:
            url = f"ws://{wire.address}/ws"
            lines = await lines_of([*client.command, "deflate", url, LIMITABLE])
        report.equal(f"{title}: answer", wire.server.extensions, NAME)
        echoed(report, title, client, lines)
        compressed(report, title, wire.server, False)
    title = f"client --deflate -> {name} -> echo --deflate"
    async with tapped(address) as wire:
        received, said, _ = await ask(["--deflate", f"ws://{wire.address}/ws"], LINES)
    problem = None if received == LINES else said or "not the same"
    report.check(f"{title}: {len(LINES)} lines", problem)
    report.equal(f"{title}: answer", wire.server.extensions, NAME)
    compressed(report, title, wire.client, False)
