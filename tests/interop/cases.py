"""What the clients send, for the driver and the Python clients; the others have the same cases."""

ECHO_LIMIT = 30  # seconds for a case; the slowest takes 6 on two cores that do nothing else
SIZES = (0, 1, 125, 126, 65535, 65536, 1_000_000)
FRAGMENTS = ["one ", "", "zwölf ", "три"]
PIPELINED = 10_000
CLOSE = (4000, "bye, tschüs")
UNICODE = "καλημέρα κόσμε, 你好, 😀, \0 and \uffff"


def echoes():
    """The cases that are one message: name and data."""
    yield "text", "hello"
    yield "unicode", UNICODE
    yield "empty", ""
    for size in SIZES:
        yield f"binary {size}", bytes(at % 251 for at in range(size))


def noise(count, least, modulus):
    """Numbers of a simple generator that all languages have: hardly to be compressed."""
    state = 1
    for _ in range(count):
        state = state * 16807 % 2147483647
        yield least + (state >> 12) % modulus


# Becomes a little smaller by itself and a lot after itself, also in the smallest window: 256 bytes.
REPEATED = "".join(map(chr, noise(120, 97, 16))) + 40 * "-"
DEFLATE_FRAGMENTS = [UNICODE * 20, "", REPEATED, "три", UNICODE * 20]


def trade(number):
    """What applications send: no two the same, all alike."""
    price = f'"price":{number * 37 % 1000},"side":"{"sell" if number % 3 else "buy"}"'
    return f'{{"id":{number},{price},"venue":"Zürich","note":"auction of {number % 7}"}}'


def deflate_echoes():
    """The cases with compression that are one message: name, data. All use one connection."""
    yield "repeated", REPEATED  # the first two: checks_deflate.py looks at their sizes
    yield "repeated again", REPEATED
    yield "empty", ""
    yield "small", "hello"
    yield "unicode", UNICODE * 500
    for number in range(50):
        yield f"trade {number}", trade(number)
    yield "noise", bytes(noise(100_000, 0, 256))
    yield "1 MiB of text", "".join(map(trade, range(14_000)))[: 1 << 20]
    yield "1 MiB of zeros", bytes(1 << 20)
    yield "one byte", b"\0"
    yield "empty binary", b""
    yield "repeated at last", REPEATED


DEFLATE_CASES = [*(name for name, _ in deflate_echoes()), "fragments", "close"]
CASES = [*(name for name, _ in echoes()), "fragments", "pipelined", "ping", "close"]
