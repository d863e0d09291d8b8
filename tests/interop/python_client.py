"""One Python WebSocket client after the other behind one interface.

    python_client.py KIND echo URL                      runs the echo cases
    python_client.py KIND deflate URL [PARAM[=VALUE]]... runs those with compression
    python_client.py KIND watch URL [NAME=VALUE]...     opens, and tells what happens

`echo` and `deflate` print a line a case: "ok CASE" or "FAIL CASE: why". What follows the URL of
`deflate` is offered to the server, as far as the client has a setting for it. `watch` prints
"open SUBPROTOCOL" or "refused STATUS", then "received TEXT" and "closed CODE REASON". Its options:
subprotocols=A,B origin=O send=N (a text of N bytes, once open) hold=S (S seconds of silence, then
echo and close).
"""

import asyncio
import contextlib
import itertools
import select
import struct
import sys
import time
from urllib.parse import urlsplit

from cases import (
    CLOSE,
    DEFLATE_FRAGMENTS,
    ECHO_LIMIT,
    FRAGMENTS,
    PIPELINED,
    deflate_echoes,
    echoes,
)


class Refused(Exception):
    """The server answered other than 101. The argument is the status."""


class Closed(Exception):
    """The server closed. The arguments are the code and the reason."""


def websockets_extensions(offer):
    """The setting of websockets for an offer: None is its own."""
    from websockets.extensions.permessage_deflate import ClientPerMessageDeflateFactory

    if offer is None:
        return None
    return [ClientPerMessageDeflateFactory(**{"client_max_window_bits": None, **offer})]


class WebsocketsAsyncio:
    offer = None

    async def open(self, url, subprotocols, origin):
        from websockets.asyncio.client import connect
        from websockets.exceptions import InvalidStatus

        try:
            self.ws = await connect(
                url,
                subprotocols=subprotocols,
                origin=origin,
                extensions=websockets_extensions(self.offer),
                proxy=None,
                max_size=LARGEST,
            )
        except InvalidStatus as error:
            raise Refused(error.response.status_code) from None
        self.subprotocol = self.ws.subprotocol

    async def send(self, data):
        await self.ws.send(data)

    async def send_fragments(self, parts):
        await self.ws.send(parts)

    async def receive(self):
        from websockets.exceptions import ConnectionClosed

        try:
            return await self.ws.recv()
        except ConnectionClosed:
            raise Closed(self.ws.close_code, self.ws.close_reason) from None

    async def ping(self, payload):
        await (await self.ws.ping(payload))

    async def hold(self, seconds):
        await asyncio.sleep(seconds)  # Pings are answered in the background

    async def close(self, code, reason):
        await self.ws.close(code, reason)
        return self.ws.close_code, self.ws.close_reason


class WebsocketsSync:
    offer = None

    def __init__(self):
        self.exit = contextlib.ExitStack()

    async def open(self, url, subprotocols, origin):
        from websockets.exceptions import InvalidStatus
        from websockets.sync.client import connect

        try:
            self.ws = self.exit.enter_context(
                connect(
                    url,
                    subprotocols=subprotocols,
                    origin=origin,
                    extensions=websockets_extensions(self.offer),
                    proxy=None,
                    max_size=LARGEST,
                )
            )
        except InvalidStatus as error:
            raise Refused(error.response.status_code) from None
        self.subprotocol = self.ws.subprotocol

    async def send(self, data):
        self.ws.send(data)

    async def send_fragments(self, parts):
        self.ws.send(parts)

    async def receive(self):
        from websockets.exceptions import ConnectionClosed

        try:
            return self.ws.recv(ECHO_LIMIT)
        except ConnectionClosed:
            raise Closed(self.ws.close_code, self.ws.close_reason) from None

    async def ping(self, payload):
        if not self.ws.ping(payload).wait(ECHO_LIMIT):
            raise TimeoutError

    async def hold(self, seconds):
        time.sleep(seconds)

    async def close(self, code, reason):
        self.ws.close(code, reason)
        return self.ws.close_code, self.ws.close_reason


class WebsocketClient:
    async def open(self, url, subprotocols, origin):
        import websocket

        self.lib = websocket
        try:
            self.ws = websocket.create_connection(
                url, ECHO_LIMIT, subprotocols=subprotocols, origin=origin
            )
        except websocket.WebSocketBadStatusException as error:
            raise Refused(error.status_code) from None
        self.subprotocol = self.ws.getsubprotocol()

    async def send(self, data):
        self.ws.send(data, opcode_of(data))

    async def send_fragments(self, parts):
        abnf = self.lib.ABNF
        for index, part in enumerate(parts):
            opcode = opcode_of(part) if index == 0 else abnf.OPCODE_CONT
            last = int(index == len(parts) - 1)
            self.ws.send_frame(abnf.create_frame(part.encode(), opcode, last))

    def receive_frame(self):
        opcode, data = self.ws.recv_data(control_frame=True)
        if opcode == self.lib.ABNF.OPCODE_CLOSE:
            raise Closed(*unpack_close(data))
        return opcode, data

    async def receive(self):
        while True:
            opcode, data = self.receive_frame()
            if opcode == self.lib.ABNF.OPCODE_TEXT:
                return data.decode()
            if opcode == self.lib.ABNF.OPCODE_BINARY:
                return data

    async def ping(self, payload):
        self.ws.ping(payload)
        while self.receive_frame() != (self.lib.ABNF.OPCODE_PONG, payload):
            pass

    async def hold(self, seconds):
        until = time.monotonic() + seconds
        while (left := until - time.monotonic()) > 0:
            if select.select([self.ws.sock], [], [], left)[0]:
                self.receive_frame()

    async def close(self, code, reason):
        self.ws.send_close(code, reason.encode())
        try:
            await self.receive()
        except Closed as closed:
            self.ws.shutdown()
            return closed.args


class Aiohttp:
    offer = None
    held = None  # a receive that is under way

    async def open(self, url, subprotocols, origin):
        import aiohttp

        self.lib = aiohttp
        self.session = aiohttp.ClientSession()
        try:
            self.ws = await self.session.ws_connect(
                url,
                protocols=subprotocols or (),
                origin=origin,
                autoping=False,
                compress=(self.offer or {}).get("server_max_window_bits", 15),
            )
        except aiohttp.WSServerHandshakeError as error:
            await self.session.close()
            raise Refused(error.status) from None
        self.subprotocol = self.ws.protocol

    async def send(self, data):
        await (self.ws.send_str(data) if isinstance(data, str) else self.ws.send_bytes(data))

    async def receive_frame(self):
        message = await self.ws.receive()
        kinds = self.lib.WSMsgType
        if message.type == kinds.PING:
            await self.ws.pong(message.data)
        if message.type in (kinds.CLOSE, kinds.CLOSING, kinds.CLOSED, kinds.ERROR):
            await self.session.close()
            raise Closed(self.ws.close_code, message.extra)
        return message

    async def receive(self):
        if self.held:
            held, self.held = self.held, None
            return await held
        while True:
            message = await self.receive_frame()
            if message.type in (self.lib.WSMsgType.TEXT, self.lib.WSMsgType.BINARY):
                return message.data

    async def ping(self, payload):
        await self.ws.ping(payload)
        while (await self.receive_frame()).type != self.lib.WSMsgType.PONG:
            pass

    async def hold(self, seconds):
        # Not cancelled at the end of the time: aiohttp takes that for the end of the connection.
        task = asyncio.create_task(self.receive())
        await asyncio.wait([task], timeout=seconds)
        self.held = task

    async def close(self, code, reason):
        await self.ws.close(code=code, message=reason.encode())
        await self.session.close()
        return self.ws.close_code, None  # the reason is not to be had


class Wsproto:
    """Sends messages in odd fragments, a Ping behind the first, and in odd pieces of TCP."""

    SIZES = (1, 0, 2, 125, 126, 0, 65535, 65536)
    offer = None

    async def open(self, url, subprotocols, origin):
        from wsproto import ConnectionType, WSConnection, events
        from wsproto.extensions import PerMessageDeflate

        self.events = events
        self.protocol = WSConnection(ConnectionType.CLIENT)
        self.inbox = []
        self.pieces = itertools.cycle((1, 5, 600, 600, 600))
        url = urlsplit(url)
        self.reader, self.writer = await asyncio.open_connection(url.hostname, url.port)
        await self.write(
            events.Request(
                host=url.netloc,
                target=url.path or "/",
                subprotocols=subprotocols or [],
                extensions=[PerMessageDeflate(**self.offer or {})],
                extra_headers=[(b"Origin", origin.encode())] if origin else [],
            )
        )
        event = await self.receive_event()
        if isinstance(event, events.RejectConnection):
            raise Refused(event.status_code)
        self.subprotocol = event.subprotocol

    async def write(self, event):
        data = self.protocol.send(event)
        # Byte by byte only what is short, and not each of the pipelined: that takes its time.
        size = 16411 if len(data) > 600 else next(self.pieces)
        for at in range(0, len(data), size):
            self.writer.write(data[at : at + size])
            await asyncio.sleep(0)
        await self.writer.drain()

    async def receive_event(self):
        while not self.inbox:
            data = await self.reader.read(65536)
            self.protocol.receive_data(data or None)
            for event in self.protocol.events():
                if isinstance(event, self.events.Ping):
                    await self.write(event.response())
                self.inbox.append(event)
        return self.inbox.pop(0)

    async def send_fragments(self, parts):
        kind = self.events.TextMessage if isinstance(parts[0], str) else self.events.BytesMessage
        for index, part in enumerate(parts):
            await self.write(kind(part, message_finished=index == len(parts) - 1))
            if index == 0 and len(parts) > 1:
                await self.write(self.events.Ping(b"between"))

    async def send(self, data):
        parts, at, sizes = [], 0, itertools.cycle(self.SIZES)
        while at < len(data):
            size = next(sizes)
            parts.append(data[at : at + size])
            at += size
        await self.send_fragments([*parts, data[:0]])

    async def receive(self):
        parts = []
        while True:
            event = await self.receive_event()
            if isinstance(event, self.events.CloseConnection):
                raise Closed(event.code, event.reason)
            if isinstance(event, self.events.Message):
                parts.append(event.data)
                if event.message_finished:
                    return type(event.data)().join(parts)

    async def ping(self, payload):
        await self.write(self.events.Ping(payload))
        while await self.receive_event() != self.events.Pong(payload):
            pass

    async def hold(self, seconds):
        try:
            await asyncio.wait_for(self.receive(), seconds)
        except asyncio.TimeoutError:
            pass

    async def close(self, code, reason):
        await self.write(self.events.CloseConnection(code, reason))
        try:
            await self.receive()
        except Closed as closed:
            if await self.reader.read():
                raise ValueError("bytes behind the Close frame") from None
            self.writer.close()
            return closed.args


class Libcurl:
    async def open(self, url, subprotocols, origin):
        from curl_cffi import CurlError, WebSocket, const

        self.flag = const.CurlWsFlag
        self.ws = WebSocket(autoclose=False)
        headers = {"Origin": origin} if origin else {}
        if subprotocols:
            headers["Sec-WebSocket-Protocol"] = ", ".join(subprotocols)
        answer = []
        options = {const.CurlOpt.HEADERFUNCTION: answer.append}
        try:
            self.ws.connect(url, headers=headers, timeout=ECHO_LIMIT, curl_options=options)
        except CurlError:
            status = self.ws.curl.getinfo(const.CurlInfo.RESPONSE_CODE)
            if status == 0:
                raise
            raise Refused(status) from None
        fields = (line.decode().partition(":") for line in answer)
        chosen = [value.strip() for name, _, value in fields if is_protocol(name)]
        self.subprotocol = chosen[0] if chosen else None

    async def send(self, data):
        flag = self.flag.TEXT if isinstance(data, str) else self.flag.BINARY
        if data:
            self.ws.send(data, flag)
        else:
            self.ws.curl.ws_send(b"", flag)  # WebSocket.send leaves out what is empty

    async def send_fragments(self, parts):
        for part in parts[:-1]:
            self.ws.send(part, self.flag.TEXT | self.flag.CONT)
        self.ws.send(parts[-1], self.flag.TEXT)

    async def receive(self):
        data, flags = self.ws.recv()
        if flags & self.flag.CLOSE:
            raise Closed(*unpack_close(data))
        return data.decode() if flags & self.flag.TEXT else data

    async def ping(self, payload):
        from curl_cffi import CurlECode, CurlError

        self.ws.ping(payload)
        until = time.monotonic() + ECHO_LIMIT
        while time.monotonic() < until:
            try:
                data, frame = self.ws.recv_fragment()
            except CurlError as error:
                if error.code != CurlECode.AGAIN:
                    raise
                time.sleep(0.01)
                continue
            if frame.flags & self.flag.PONG and data == payload:
                return
        raise TimeoutError

    async def hold(self, seconds):
        time.sleep(seconds)  # Pings are not answered: libcurl keeps a Pong until it has more to do

    async def close(self, code, reason):
        self.ws.send(struct.pack("!H", code) + reason.encode(), self.flag.CLOSE)
        try:
            await self.receive()
        except Closed as closed:
            self.ws.terminate()
            return closed.args


CLIENTS = {
    "websockets-asyncio": WebsocketsAsyncio,
    "websockets-sync": WebsocketsSync,
    "websocket-client": WebsocketClient,
    "aiohttp": Aiohttp,
    "wsproto": Wsproto,
    "libcurl": Libcurl,
}


def opcode_of(data):
    return 1 if isinstance(data, str) else 2


def is_protocol(name):
    return name.lower() == "sec-websocket-protocol"


def unpack_close(payload):
    if not payload:
        return 1005, ""
    return struct.unpack("!H", payload[:2])[0], payload[2:].decode()


LARGEST = 4 << 20


async def echo(client, url, offer=None):
    """Each case on the same connection, as long as all goes well; with an offer, those for it."""
    text = FRAGMENTS if offer is None else DEFLATE_FRAGMENTS

    async def same(data):
        await client.send(data)
        equal(await client.receive(), data)

    async def fragments():
        await client.send_fragments(text)
        equal(await client.receive(), "".join(text))

    async def pipelined():
        for number in range(PIPELINED):
            await client.send(f"message {number}")
        for number in range(PIPELINED):
            equal(await client.receive(), f"message {number}")

    async def close():
        code, reason = await client.close(*CLOSE)
        equal((code, CLOSE[1] if reason is None else reason), CLOSE)

    messages = echoes() if offer is None else deflate_echoes()
    cases = [(name, lambda data=data: same(data)) for name, data in messages]
    if hasattr(client, "send_fragments"):
        cases.append(("fragments", fragments))
    if offer is None:
        cases += [("pipelined", pipelined), ("ping", lambda: client.ping(b"are you there?"))]
    else:
        client.offer = offer
    cases.append(("close", close))
    is_open = False
    for name, case in cases:
        try:
            if not is_open:
                await asyncio.wait_for(client.open(url, None, None), ECHO_LIMIT)
                is_open = True
            await asyncio.wait_for(case(), ECHO_LIMIT)
            print("ok", name, flush=True)
        except Exception as error:
            print(f"FAIL {name}: {error!r}"[:300], flush=True)
            is_open = False


def equal(received, wanted):
    if received != wanted:
        raise ValueError(f"received {received!r:.80}, not {wanted!r:.80}")


def deflate_options(params):
    """What the libraries call by the names of the RFC, too: a parameter without value is True."""
    split = (param.partition("=") for param in params if param)
    return {name: int(value) if value else True for name, _, value in split}


async def watch(client, url, options):
    subprotocols = options["subprotocols"].split(",") if "subprotocols" in options else None
    try:
        await client.open(url, subprotocols, options.get("origin"))
        print("open", client.subprotocol or "-", flush=True)
        if "send" in options:
            await client.send("x" * int(options["send"]))
        if "hold" in options:
            await client.hold(float(options["hold"]))
            await client.send("still here")
            print("received", await client.receive(), flush=True)
            code, reason = await client.close(*CLOSE)
            raise Closed(code, reason)
        print("received", await client.receive())
    except Refused as refused:
        print("refused", *refused.args)
    except Closed as closed:
        print("closed", *(part for part in closed.args if part))


if __name__ == "__main__":
    _, kind, scenario, url, *options = sys.argv
    client = CLIENTS[kind]()
    if scenario == "deflate":
        asyncio.run(echo(client, url, deflate_options(options)))
    elif scenario == "echo":
        asyncio.run(echo(client, url))
    else:
        asyncio.run(watch(client, url, dict(option.split("=", 1) for option in options)))
