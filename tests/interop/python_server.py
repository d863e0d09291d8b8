"""A Python WebSocket server to test our client against.

    python_server.py websockets|aiohttp [PARAM[=VALUE]]...

The parameters are those of permessage-deflate that it asks for, where it has a setting; without
them it has its own. It prints "listening PORT", then "closed CODE" for each connection that ends.
By path: /echo echoes and speaks the subprotocol "chat"; /pieces echoes in fragments, if it can;
/close answers the first message with Close 4001 "enough"; /vanish ends the TCP stream at the first
message, without Close; /401 and /302 are answers of HTTP; anything else is 404.
"""

import asyncio
import http
import sys

REFUSALS = {
    "/401": (401, {"WWW-Authenticate": 'Basic realm="interop"'}),
    "/302": (302, {"Location": "/echo"}),
}
PATHS = ("/echo", "/pieces", "/close", "/vanish")
LARGEST = 4 << 20


async def with_websockets(params):
    from websockets.asyncio.server import serve
    from websockets.exceptions import ConnectionClosed
    from websockets.extensions.permessage_deflate import ServerPerMessageDeflateFactory

    def refuse(connection, request):
        if request.path in PATHS:
            return None
        status, headers = REFUSALS.get(request.path, (404, {}))
        response = connection.respond(http.HTTPStatus(status), "no\n")
        response.headers.update(headers)
        return response

    def choose(_, offered):
        return "chat" if "chat" in offered else None

    async def handle(ws):
        try:
            async for message in ws:
                if ws.request.path == "/close":
                    await ws.close(4001, "enough")
                elif ws.request.path == "/vanish":
                    ws.transport.abort()
                elif ws.request.path == "/pieces":
                    third = len(message) // 3
                    await ws.send([message[:third], message[:0], message[third:]])
                else:
                    await ws.send(message)
        except ConnectionClosed:
            pass
        print("closed", ws.close_code, flush=True)

    server = await serve(
        handle,
        "127.0.0.1",
        0,
        process_request=refuse,
        select_subprotocol=choose,
        max_size=LARGEST,
        extensions=[ServerPerMessageDeflateFactory(**params)] if params else None,
    )
    return server.sockets[0].getsockname()[1]


async def with_aiohttp(_):
    from aiohttp import WSMsgType, web

    async def handle(request):
        if request.path not in PATHS:
            status, headers = REFUSALS.get(request.path, (404, {}))
            return web.Response(status=status, headers=headers, text="no\n")
        ws = web.WebSocketResponse(protocols=["chat"], max_msg_size=LARGEST)
        await ws.prepare(request)
        async for message in ws:
            if request.path == "/close":
                await ws.close(code=4001, message=b"enough")
            elif request.path == "/vanish":
                request.transport.abort()
            elif message.type == WSMsgType.TEXT:
                await ws.send_str(message.data)
            else:
                await ws.send_bytes(message.data)
        print("closed", ws.close_code, flush=True)
        return ws

    app = web.Application()
    app.router.add_get("/{path:.*}", handle)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    return runner.addresses[0][1]


async def main(kind, *params):
    split = (param.partition("=") for param in params)
    params = {name: int(value) if value else True for name, _, value in split}
    port = await {"websockets": with_websockets, "aiohttp": with_aiohttp}[kind](params)
    print("listening", port, flush=True)
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
