// The same as python_server.py, with the npm package ws.

import { createServer } from "node:http";
import { WebSocketServer } from "ws";

const REFUSALS = {
    "/401": 'HTTP/1.1 401 Unauthorized\r\nWWW-Authenticate: Basic realm="interop"\r\n',
    "/302": "HTTP/1.1 302 Found\r\nLocation: /echo\r\n",
};
const MISSING = "HTTP/1.1 404 Not Found\r\n";

const sockets = new WebSocketServer({
    noServer: true,
    perMessageDeflate: true,
    handleProtocols: (offered) => offered.has("chat") && "chat",
});
const server = createServer();
server.on("upgrade", (request, stream, head) => {
    const path = request.url;
    if (!["/echo", "/close", "/vanish"].includes(path)) {
        stream.end(`${REFUSALS[path] ?? MISSING}Connection: close\r\nContent-Length: 3\r\n\r\nno\n`);
        return;
    }
    sockets.handleUpgrade(request, stream, head, (ws) => {
        ws.on("error", () => {});
        ws.on("close", (code) => console.log("closed", code));
        ws.on("message", (data, binary) => {
            if (path === "/close") ws.close(4001, "enough");
            else if (path === "/vanish") ws.terminate();
            else ws.send(data, { binary });
        });
    });
});
server.listen(0, "127.0.0.1", () => console.log("listening", server.address().port));
