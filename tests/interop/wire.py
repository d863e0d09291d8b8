"""A relay that reads along: what two peers have agreed on, and how large their messages are."""

import asyncio
import contextlib
import itertools
from dataclasses import dataclass, field

FIELD = "sec-websocket-extensions"


@dataclass
class Direction:
    """The bytes from one side: the head, then frames."""

    seen: bytearray = field(default_factory=bytearray)

    @property
    def extensions(self):
        """The value of Sec-WebSocket-Extensions, "" without it."""
        head = self.seen.partition(b"\r\n\r\n")[0].decode("latin-1")
        fields = (line.partition(":") for line in head.split("\r\n"))
        return ", ".join(value.strip() for name, _, value in fields if name.lower() == FIELD)

    def messages(self):
        """Whether each data message was compressed (RSV1), its bytes, and its frames."""
        data, at, messages = self.seen, self.seen.find(b"\r\n\r\n") + 4, []
        while at + 2 <= len(data):
            first, second = data[at], data[at + 1]
            masked, size, at = second >> 7, second & 127, at + 2
            if size > 125:
                extended = 2 if size == 126 else 8
                size, at = int.from_bytes(data[at : at + extended], "big"), at + extended
            at += 4 * masked + size
            opcode = first & 15
            if opcode in (1, 2):
                messages.append((bool(first & 0x40), size, 1))
            elif opcode == 0:
                compressed, before, frames = messages.pop()
                messages.append((compressed, before + size, frames + 1))
        return messages


@dataclass
class Wire:
    """One connection, through the relay at `address`."""

    address: str = ""
    client: Direction = field(default_factory=Direction)
    server: Direction = field(default_factory=Direction)


@contextlib.asynccontextmanager
async def tapped(address):
    """A relay to `address`; it reads the first connection along."""
    wire = Wire()
    wires = itertools.chain([wire], iter(Wire, None))
    host, port = address.split(":")

    async def handle(reader, writer):
        read = next(wires)
        other_reader, other_writer = await asyncio.open_connection(host, port)
        await asyncio.gather(
            relay(reader, other_writer, read.client), relay(other_reader, writer, read.server)
        )

    server = await asyncio.start_server(handle, "127.0.0.1", 0)
    async with server:
        wire.address = f"127.0.0.1:{server.sockets[0].getsockname()[1]}"
        yield wire


async def relay(reader, writer, direction):
    with contextlib.suppress(OSError):
        while data := await reader.read(1 << 16):
            direction.seen += data
            writer.write(data)
            await writer.drain()
    writer.close()
