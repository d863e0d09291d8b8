// The same as python_server.py, with the npm package ws: node_server.mjs [PARAM[=VALUE]]...

import { createServer } from "node:http";
import { WebSocketServer } from "ws";
import { deflateOptions } from "./deflate_options.mjs";

const REFUSALS = {
    "/401": 'HTTP/1.1 401 Unauthorized\r\nWWW-Authenticate: Basic realm="interop"\r\n',
    "/302": "HTTP/1.1 302 Found\r\nLocation: /echo\r\n",
};
const MISSING = "HTTP/1.1 404 Not Found\r\n";

const sockets = new WebSocketServer({
    noServer: true,
    perMessageDeflate: deflateOptions(process.argv.slice(2)),
    handleProtocols: (offered) => offered.has("chat") && "chat",
});
const server = createServer();
server.on("upgrade", (request, stream, head) => {
    const path = request.url;
    if (!["/echo", "/pieces", "/close", "/vanish"].includes(path)) {
        stream.end(`${REFUSALS[path] ?? MISSING}Connection: close\r\nContent-Length: 3\r\n\r\nno\n`);
        return;
    }
    sockets.handleUpgrade(request, stream, head, (ws) => {
        ws.on("error", () => {});
        ws.on("close", (code) => console.log("closed", code));
        ws.on("message", (data, binary) => {
            if (path === "/close") ws.close(4001, "enough");
            else if (path === "/vanish") ws.terminate();
            else if (path === "/pieces") {
                const third = Math.floor(data.length / 3);
                [data.subarray(0, third), "", data.subarray(third)].forEach((part, at) => ws.send(part, { binary, fin: at === 2 }));
            } else ws.send(data, { binary });
        });
    });
});
server.listen(0, "127.0.0.1", () => console.log("listening", server.address().port));
