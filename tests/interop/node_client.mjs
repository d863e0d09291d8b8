// JavaScript WebSocket clients behind one interface; runs in Node, Deno and Bun. The scenarios, their options and what
// they print are those of python_client.py.
//
//   node_client.mjs KIND echo URL
//   node_client.mjs KIND deflate URL [PARAM[=VALUE]]...
//   node_client.mjs KIND watch URL [NAME=VALUE]...
//
// KIND: ws, websocket, undici (npm packages), or standard (the WebSocket that the runtime brings).

import { deflateOptions } from "./deflate_options.mjs";

const ECHO_LIMIT = 10_000; // ms for a case
const SIZES = [0, 1, 125, 126, 65535, 65536, 1_000_000];
const FRAGMENTS = ["one ", "", "zwölf ", "три"];
const PIPELINED = 10_000;
const CLOSE = [4000, "bye, tschüs"];
const UNICODE = "καλημέρα κόσμε, 你好, 😀, \0 and \uffff";

// The cases of deflate_echoes() in cases.py.
const noise = (length, least, modulus) => {
    let state = 1;
    return Uint8Array.from({ length }, () => least + ((state = (state * 16807) % 2147483647) >> 12) % modulus);
};
const trade = (n) => `{"id":${n},"price":${(n * 37) % 1000},"side":"${n % 3 ? "sell" : "buy"}","venue":"Zürich","note":"auction of ${n % 7}"}`;
const trades = (length) => Array.from({ length }, (_, n) => trade(n));
const REPEATED = new TextDecoder().decode(noise(120, 97, 16)) + "-".repeat(40);
const DEFLATE_FRAGMENTS = [UNICODE.repeat(20), "", REPEATED, "три", UNICODE.repeat(20)];
const deflateEchoes = () => [
    ["repeated", REPEATED],
    ["repeated again", REPEATED],
    ["empty", ""],
    ["small", "hello"],
    ["unicode", UNICODE.repeat(500)],
    ...trades(50).map((text, n) => [`trade ${n}`, text]),
    ["noise", noise(100_000, 0, 256)],
    ["1 MiB of text", trades(14_000).join("").slice(0, 1 << 20)],
    ["1 MiB of zeros", new Uint8Array(1 << 20)],
    ["one byte", new Uint8Array(1)],
    ["empty binary", new Uint8Array()],
    ["repeated at last", REPEATED],
];

const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

class Refused extends Error {}

class Closed extends Error {
    constructor(code, reason) {
        super(`closed ${code} ${reason}`.trim());
        this.outcome = [code, reason];
    }
}

/** What has come and has not been asked for, or the other way round. */
class Inbox {
    items = [];
    waiting = [];

    put(item) {
        const next = this.waiting.shift();
        next ? next(item) : this.items.push(item);
    }

    async take() {
        const item = this.items.length ? this.items.shift() : await new Promise((resolve) => this.waiting.push(resolve));
        if (item instanceof Error) throw item;
        return item;
    }
}

/** The interface of browsers. */
class Standard {
    constructor(WebSocket) {
        this.WebSocket = WebSocket;
    }

    async open(url, subprotocols, origin) {
        const headers = origin ? { Origin: origin } : {};
        await this.opened(new this.WebSocket(url, subprotocols || origin ? { protocols: subprotocols ?? [], headers } : []));
    }

    async opened(ws) {
        this.ws = ws;
        this.inbox = new Inbox();
        ws.binaryType = "arraybuffer";
        ws.onmessage = ({ data }) => this.inbox.put(typeof data === "string" ? data : new Uint8Array(data));
        await new Promise((resolve, reject) => {
            ws.onopen = resolve;
            ws.onerror = () => reject(new Refused("?")); // the status is kept from us, as in browsers
            ws.onclose = ({ code, reason, wasClean }) => {
                reject(new Refused("?"));
                this.inbox.put(new Closed(wasClean || code === 1006 ? code : `${code} unclean`, reason));
            };
        });
        ws.onerror = () => {}; // a close event follows
        this.subprotocol = ws.protocol;
    }

    async send(data) {
        this.ws.send(data);
    }

    receive() {
        return this.inbox.take();
    }

    async close(code, reason) {
        this.ws.close(code, reason);
        return await this.inbox.take().catch((error) => error.outcome ?? Promise.reject(error));
    }
}

class BunClient extends Standard {
    async ping(payload) {
        const pong = new Promise((resolve) => this.ws.addEventListener("pong", resolve, { once: true }));
        this.ws.ping(payload);
        await pong;
    }
}

class Ws extends Standard {
    async open(url, subprotocols, origin) {
        const ws = new this.WebSocket(url, subprotocols ?? [], { origin, ...this.settings });
        const refused = new Promise((_, reject) => {
            ws.on("unexpected-response", (request, response) => {
                reject(new Refused(response.statusCode));
                request.destroy();
            });
        });
        await Promise.race([this.opened(ws), refused]);
    }

    async sendFragments(parts) {
        parts.forEach((part, index) => this.ws.send(part, { fin: index === parts.length - 1 }));
    }

    async ping(payload) {
        const pong = new Promise((resolve) => this.ws.once("pong", resolve));
        this.ws.ping(payload);
        equal((await pong).toString(), payload);
    }
}

class WebSocketNode {
    constructor({ client }) {
        this.client = new client({ fragmentationThreshold: 16 * 1024, maxReceivedFrameSize: 4 << 20 });
    }

    async open(url, subprotocols, origin) {
        this.inbox = new Inbox();
        this.ws = await new Promise((resolve, reject) => {
            this.client.once("connect", resolve);
            this.client.once("httpResponse", (response) => reject(new Refused(response.statusCode)));
            this.client.once("connectFailed", reject);
            this.client.connect(url, subprotocols, origin);
        });
        this.ws.on("message", (message) => this.inbox.put(message.utf8Data ?? message.binaryData));
        this.ws.on("close", (code, reason) => this.inbox.put(new Closed(code, reason)));
        this.ws.on("error", () => {}); // a close event follows
        this.subprotocol = this.ws.protocol;
    }

    async send(data) {
        typeof data === "string" ? this.ws.sendUTF(data) : this.ws.sendBytes(Buffer.from(data));
    }

    async sendFragments(parts) {
        const threshold = this.ws.config.fragmentationThreshold;
        this.ws.config.fragmentationThreshold = 7;
        this.ws.sendUTF(parts.join("")); // split within characters, too
        this.ws.config.fragmentationThreshold = threshold;
    }

    receive() {
        return this.inbox.take();
    }

    async ping(payload) {
        const pong = new Promise((resolve) => this.ws.once("pong", resolve));
        this.ws.ping(payload);
        equal((await pong).toString(), payload);
    }

    async close(code, reason) {
        this.ws.close(code, reason);
        return await this.inbox.take().catch((error) => error.outcome ?? Promise.reject(error));
    }
}

async function make(kind) {
    switch (kind) {
        case "ws":
            return new Ws((await import("ws")).WebSocket);
        case "websocket":
            return new WebSocketNode((await import("websocket")).default);
        case "undici":
            return new Standard((await import("undici")).WebSocket);
        case "standard":
            return new (globalThis.Bun ? BunClient : Standard)(globalThis.WebSocket);
    }
    throw new Error(`no client ${kind}`);
}

function equal(received, wanted) {
    const same = typeof wanted === "string" ? received === wanted : wanted.every((byte, at) => byte === received[at]);
    if (!same || received.length !== wanted.length) {
        throw new Error(`received ${String(received).slice(0, 80)}, not ${String(wanted).slice(0, 80)}`);
    }
}

function echoes() {
    const sizes = SIZES.map((length) => [`binary ${length}`, Uint8Array.from({ length }, (_, at) => at % 251)]);
    return [["text", "hello"], ["unicode", UNICODE], ["empty", ""], ...sizes];
}

async function echo(client, url, messages, fragments) {
    const same = async (data) => {
        await client.send(data);
        equal(await client.receive(), data);
    };
    const cases = messages.map(([name, data]) => [name, () => same(data)]);
    if (client.sendFragments) {
        cases.push(["fragments", async () => {
            await client.sendFragments(fragments);
            equal(await client.receive(), fragments.join(""));
        }]);
    }
    if (fragments === FRAGMENTS) cases.push(["pipelined", async () => {
        for (let number = 0; number < PIPELINED; number++) await client.send(`message ${number}`);
        for (let number = 0; number < PIPELINED; number++) equal(await client.receive(), `message ${number}`);
    }]);
    if (fragments === FRAGMENTS && client.ping) cases.push(["ping", () => client.ping("are you there?")]);
    cases.push(["close", async () => equal((await client.close(...CLOSE)).join(" "), CLOSE.join(" "))]);

    let isOpen = false;
    for (const [name, run] of cases) {
        try {
            if (!isOpen) await limited(client.open(url));
            isOpen = true;
            await limited(run());
            console.log("ok", name);
        } catch (error) {
            console.log(`FAIL ${name}: ${error}`);
            isOpen = false;
        }
    }
}

function limited(promise) {
    const late = sleep(ECHO_LIMIT).then(() => Promise.reject(new Error(`nothing for ${ECHO_LIMIT} ms`)));
    return Promise.race([promise, late]);
}

async function watch(client, url, options) {
    try {
        await client.open(url, options.subprotocols?.split(","), options.origin);
        console.log("open", client.subprotocol || "-");
        if (options.send) await client.send("x".repeat(Number(options.send)));
        if (options.hold) {
            await sleep(Number(options.hold) * 1000);
            await client.send("still here");
            console.log("received", await client.receive());
            throw new Closed(...(await client.close(...CLOSE)));
        }
        console.log("received", await client.receive());
    } catch (error) {
        if (error instanceof Refused) console.log("refused", error.message);
        else if (error instanceof Closed) console.log(error.message);
        else throw error;
    }
}

const args = globalThis.Deno ? Deno.args : process.argv.slice(2);
const [kind, scenario, url, ...rest] = args;
const client = await make(kind);
if (scenario === "echo") await echo(client, url, echoes(), FRAGMENTS);
else if (scenario === "deflate") {
    client.settings = { perMessageDeflate: deflateOptions(rest) }; // where there are settings
    await echo(client, url, deflateEchoes(), DEFLATE_FRAGMENTS);
} else await watch(client, url, Object.fromEntries(rest.map((option) => option.split(/=(.*)/s))));
globalThis.Deno ? Deno.exit() : process.exit();
