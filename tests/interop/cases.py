"""What the clients send, for the driver and the Python clients; the others have the same cases."""

ECHO_LIMIT = 10  # seconds for a case
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


CASES = [*(name for name, _ in echoes()), "fragments", "pipelined", "ping", "close"]
