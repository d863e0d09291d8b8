// The checks of tests/browser/run, which says how to call them.

import { spawn } from "node:child_process";
import { mkdirSync } from "node:fs";
import http from "node:http";
import net from "node:net";
import { chromium } from "playwright-core";

const CHECK_LIMIT = 30_000; // ms, one check
const TOTAL_LIMIT = 240_000; // ms, all of them
const EXIT_LIMIT = 5_000; // ms, from SIGINT to the end of the server

const artifacts = new URL("artifacts/", import.meta.url).pathname;
const command = process.env.ECHO_BINARY ? [process.env.ECHO_BINARY] : process.env.ECHO_SERVER.trim().split(/\s+/);

let passed = 0;
let failed = 0;
const servers = new Set();

// Helpers

function limit(promise, ms, what) {
  let timer;
  const late = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Error(`${what}: not within ${ms} ms`)), ms);
  });
  return Promise.race([promise, late]).finally(() => clearTimeout(timer));
}

async function check(name, body) {
  try {
    await limit(body(), CHECK_LIMIT, "the check");
    passed += 1;
    console.log(`ok - ${name}`);
  } catch (error) {
    failed += 1;
    console.log(`FAILED - ${name}: ${String(error.message ?? error).split("\n").slice(0, 6).join(" | ")}`);
  }
}

function equal(actual, expected, what) {
  const [a, e] = [JSON.stringify(actual), JSON.stringify(expected)];
  if (a !== e) throw new Error(`${what}: ${a}, expected ${e}`);
}

function truth(value, what) {
  if (!value) throw new Error(what);
}

async function startServer(options, listen = "127.0.0.1:0") {
  const child = spawn(command[0], [...command.slice(1), "--listen", listen, ...options], { stdio: ["ignore", "pipe", "pipe"] });
  let output = "";
  const server = { child, output: () => output };
  server.exited = new Promise((resolve) => {
    child.once("exit", (code, signal) => {
      servers.delete(server);
      resolve({ code, signal });
    });
  });
  servers.add(server);
  server.origin = await limit(
    new Promise((resolve, reject) => {
      const read = (chunk) => {
        output += chunk;
        const match = /listening on (http:\/\/127\.0\.0\.1:\d+)/.exec(output);
        if (match) resolve(match[1]);
      };
      child.stdout.on("data", read);
      child.stderr.on("data", read);
      child.once("error", reject);
      child.once("close", (code) => reject(new Error(`the server ended with ${code}: ${output}`)));
    }),
    10_000,
    "the server's line with its address",
  );
  return server;
}

async function stopServer(server, signal = "SIGINT") {
  server.child.kill(signal);
  return limit(server.exited, EXIT_LIMIT, `the server's end after ${signal}`);
}

async function withServer(options, body, listen) {
  const server = await startServer(options, listen);
  try {
    await body(server);
  } finally {
    if (servers.has(server)) {
      server.child.kill("SIGKILL");
      await server.exited;
    }
  }
}

function freePort() {
  return new Promise((resolve, reject) => {
    const probe = net.createServer().once("error", reject).listen(0, "127.0.0.1", () => {
      const { port } = probe.address();
      probe.close(() => resolve(port));
    });
  });
}

function get(url, headers = {}) {
  return limit(
    new Promise((resolve, reject) => {
      const request = http.get(url, { agent: false, headers }, (response) => {
        let body = "";
        response.setEncoding("utf8").on("data", (chunk) => (body += chunk)).on("end", () => resolve({ status: response.statusCode, headers: response.headers, body }));
      });
      request.on("upgrade", (response, socket) => {
        socket.destroy();
        resolve({ status: response.statusCode, headers: response.headers, body: "" });
      });
      request.on("error", reject);
    }),
    5_000,
    `GET ${url}`,
  );
}

const handshake = (origin) => ({
  Connection: "Upgrade", Upgrade: "websocket", "Sec-WebSocket-Version": "13", "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==", Origin: origin,
});

// A tab of its own context, on the page of the server, with what went wrong in it and what it asked for.
async function openPage(browser, server, options = {}) {
  const context = await browser.newContext({ viewport: { width: 1280, height: 800 }, ...options });
  const page = await context.newPage();
  page.setDefaultTimeout(10_000);
  page.faults = [];
  page.requests = [];
  page.on("pageerror", (error) => page.faults.push(String(error)));
  page.on("request", (request) => page.requests.push(request.url()));
  page.answer = await page.goto(server.origin);
  return page;
}

async function withPage(browser, server, options, body) {
  const page = await openPage(browser, server, options);
  try {
    await body(page);
    equal(page.faults, [], "errors of the page's script");
  } finally {
    await page.context().close();
  }
}

const state = (page, pattern) => page.locator("#state").filter({ hasText: pattern }).waitFor();
const rows = (page, direction) => page.locator(`#log [data-direction=${direction}]`);

async function connect(page) {
  await page.click("#connect");
  await state(page, "Connected");
}

// Sends through the page and returns what it logged of the reply: its row is marked when it equals what was sent.
async function echo(page, text, kind = "text") {
  const before = await rows(page, "in").count();
  await page.click(`label[for=as-${kind}]`);
  await page.fill("#message", text);
  await page.click("#send");
  const row = rows(page, "in").nth(before);
  await row.waitFor();
  const reply = await row.evaluate((node) => ({ ...node.dataset, shown: node.querySelector(".data").textContent }));
  equal([reply.kind, Number(reply.bytes), reply.echo], [kind, Buffer.byteLength(text), "same"], "kind, bytes and equality of the reply");
  return reply.shown;
}

async function options(page, values) {
  if (!(await page.locator("#options").evaluate((node) => node.open))) await page.click("#options summary");
  for (const [id, value] of Object.entries(values)) await page.fill(`#${id}`, value);
}

async function lastClose(page) {
  const row = page.locator("#log [data-event=close]").last();
  await row.waitFor();
  return row.evaluate((node) => ({ code: Number(node.dataset.code), clean: node.dataset.clean === "true", text: node.textContent }));
}

// Checks

async function overHttp(server) {
  await check("GET / is the page", async () => {
    const answer = await get(`${server.origin}/`);
    equal(answer.status, 200, "status");
    truth(/^text\/html\b/.test(answer.headers["content-type"]), `content-type ${answer.headers["content-type"]}`);
    truth(answer.body.includes('id="log"'), "no log in the page");
  });
  await check("a plain GET of /ws is told to upgrade (426)", async () => {
    const answer = await get(`${server.origin}/ws`);
    equal(answer.status, 426, "status");
    equal(answer.headers.upgrade?.toLowerCase(), "websocket", "Upgrade");
    equal(answer.headers["sec-websocket-version"], "13", "Sec-WebSocket-Version");
  });
  await check("GET /nope is 404", async () => equal((await get(`${server.origin}/nope`)).status, 404, "status"));
}

async function onePage(page, server) {
  await check("the page loads, and asks only its server", async () => {
    equal(page.answer.status(), 200, "status");
    truth(page.answer.headers()["content-type"].startsWith("text/html"), "not text/html");
    const strangers = page.requests.filter((url) => !url.startsWith(server.origin) && !url.startsWith("data:"));
    equal(strangers, [], "requests elsewhere");
  });
  await check("before connecting: URL from the location, empty state, only Connect to press", async () => {
    equal(await page.inputValue("#url"), `${server.origin.replace("http", "ws")}/ws`, "URL");
    equal(await page.locator("#empty").isVisible(), true, "empty state shown");
    const enabled = await page.evaluate(() => [...document.querySelectorAll("button")].filter((button) => !button.disabled && !button.hidden).map((button) => button.id));
    equal(enabled, ["connect"], "enabled buttons");
  });
  await check("every field has a label", async () => {
    equal(await page.evaluate(() => [...document.querySelectorAll("input, textarea")].filter((field) => !field.labels.length).map((field) => field.id)), [], "fields without");
  });
  await check("connect: state, protocol and extensions; the message field gets the focus", async () => {
    await connect(page);
    equal(await page.textContent("#protocol"), "none", "subprotocol");
    truth((await page.textContent("#extensions")) !== "–", "no extensions said");
    equal(await page.locator("#connect").isDisabled(), true, "Connect disabled");
    equal(await page.evaluate(() => document.activeElement.id), "message", "focus");
  });
  await check("text comes back, with its round trip", async () => {
    equal(await echo(page, "Hello, WebSocket"), "Hello, WebSocket", "shown");
    truth(/\d ?(ms|s)$/.test(await page.textContent("#round-trip")), "no round trip");
  });
  await check("Unicode comes back", async () => {
    const text = "Grüße, Ελλάδα, 日本語, שלום, 👩‍🚀 \u0000\ufeff";
    equal(await echo(page, text), text, "shown");
  });
  await check("an empty message comes back", async () => equal(await echo(page, ""), "empty", "shown"));
  await check("100 KB of text come back; the log shows the beginning", async () => {
    const shown = await echo(page, "0123456789".repeat(10_240));
    truth(shown.length < 1000 && shown.includes("more characters"), `not cut: ${shown.length} characters`);
  });
  await check("binary comes back as binary", async () => {
    truth((await echo(page, "bytes é", "binary")).startsWith("62 79 74 65 73 20 c3 a9"), "not the bytes");
    equal(await echo(page, "", "binary"), "empty", "shown");
  });
  await check("markup stays text", async () => {
    const text = '<img src=x onerror="throw 1"><b>no</b>';
    equal(await echo(page, text), text, "shown");
    equal(await page.locator("#log img").count(), 0, "images in the log");
  });
  await check("Enter sends, Shift+Enter breaks the line", async () => {
    const before = await rows(page, "in").count();
    await page.locator("#message").pressSequentially("one");
    await page.keyboard.press("Shift+Enter");
    await page.keyboard.type("two");
    await page.keyboard.press("Enter");
    await rows(page, "in").nth(before).waitFor();
    equal(await rows(page, "in").nth(before).locator(".data").textContent(), "one\ntwo", "shown");
    equal(await page.inputValue("#message"), "", "message field after it");
  });
  await check("messages of every length form, raw from the browser", async () => {
    const wrong = await page.evaluate(async (url) => {
      const socket = new WebSocket(url);
      socket.binaryType = "arraybuffer";
      await new Promise((resolve, reject) => ([socket.onopen, socket.onerror] = [resolve, reject]));
      const faults = [];
      for (const length of [0, 1, 125, 126, 127, 65535, 65536, 300000]) {
        const bytes = Uint8Array.from({ length }, (_, index) => (index * 31) ^ (index >> 8));
        for (const data of [bytes, "x".repeat(length)]) {
          socket.send(data);
          const reply = await new Promise((resolve) => (socket.onmessage = (event) => resolve(event.data)));
          const same = typeof data === "string" ? reply === data
            : reply instanceof ArrayBuffer && reply.byteLength === length && new Uint8Array(reply).every((byte, index) => byte === data[index]);
          if (!same) faults.push(`${typeof data} of ${length}`);
        }
      }
      socket.close(1000);
      return faults;
    }, await page.inputValue("#url"));
    equal(wrong, [], "not the same");
  });
  await check("Close Socket: 1000, clean", async () => {
    await page.click("#close");
    await state(page, "Closed 1000");
    const { code, clean } = await lastClose(page);
    equal([code, clean], [1000, true], "code and clean");
    equal([await page.locator("#connect").isDisabled(), await page.locator("#close").isDisabled(), await page.locator("#send").isDisabled()], [false, true, true], "Connect, Close, Send disabled");
  });
  await check("reconnect, close with a code and a reason", async () => {
    await connect(page);
    await echo(page, "again");
    await options(page, { code: "4001", reason: "done here" });
    await page.click("#close");
    await state(page, "Closed 4001");
    const { clean, text } = await lastClose(page);
    truth(clean && text.includes("done here"), text);
  });
  await check("a code, reason, subprotocol or URL that cannot be is said beside the field", async () => {
    await connect(page);
    await options(page, { code: "1002", reason: "" });
    await page.click("#close");
    equal(await page.getAttribute("#code", "aria-invalid"), "true", "aria-invalid of the code");
    await options(page, { code: "1000", reason: "r".repeat(124) });
    await page.click("#close");
    equal(await page.getAttribute("#reason", "aria-invalid"), "true", "aria-invalid of the reason");
    await options(page, { reason: "" });
    await page.click("#close");
    await state(page, "Closed 1000");
    await options(page, { subprotocol: "two words" });
    await page.click("#connect");
    equal(await page.getAttribute("#subprotocol", "aria-invalid"), "true", "aria-invalid of the subprotocol");
    await options(page, { subprotocol: "" });
    const url = await page.inputValue("#url");
    for (const bad of ["", "nonsense", "ftp://example.com/", "ws://", `${url}#part`]) {
      await page.fill("#url", bad);
      await page.click("#connect");
      equal([await page.getAttribute("#url", "aria-invalid"), await page.locator("#problem").isVisible()], ["true", true], `URL ${bad}`);
    }
    await page.fill("#url", url);
    equal(await page.locator("#problem").isVisible(), false, "still said after a change");
  });
  await check("a path that is no WebSocket: closed 1006, not clean", async () => {
    const url = await page.inputValue("#url");
    await page.fill("#url", `${server.origin.replace("http", "ws")}/nope`);
    await page.click("#connect");
    await state(page, "Closed 1006");
    equal((await lastClose(page)).clean, false, "clean");
    await page.fill("#url", url);
  });
  await check("the log keeps 500 entries, the newest in sight; Clear log empties it", async () => {
    await connect(page);
    await page.evaluate(() => {
      for (let index = 1; index <= 400; index++) {
        document.getElementById("message").value = `message ${index}`;
        document.getElementById("composer").requestSubmit();
      }
    });
    const last = rows(page, "in").filter({ hasText: /message 400/ });
    await last.waitFor();
    equal(await page.locator("#log > *").count(), 500, "rows");
    await page.waitForFunction(() => { const log = document.getElementById("log"); return log.scrollHeight - log.scrollTop - log.clientHeight < 2; });
    await page.click("#clear");
    equal(await page.locator("#log > *").count(), 0, "rows after Clear log");
    equal(await page.locator("#empty").isVisible(), true, "empty state shown");
  });
}

async function goingAway(browser, server, page) {
  await check("two tabs at once, each with its own replies", async () => {
    const second = await openPage(browser, server);
    page.second = second;
    await connect(second);
    const before = await rows(page, "in").count();
    for (const n of [1, 2, 3]) {
      await Promise.all([echo(page, `first ${n}`), echo(second, `second ${n}`)]);
    }
    equal(await rows(second, "in").locator(".data").allTextContents(), ["second 1", "second 2", "second 3"], "replies of the second");
    equal((await rows(page, "in").locator(".data").allTextContents()).slice(before), ["first 1", "first 2", "first 3"], "replies of the first");
  });
  await check("SIGINT: both tabs are closed with 1001, the server ends with 0", async () => {
    const ended = stopServer(server);
    for (const tab of [page, page.second]) {
      await state(tab, "Closed 1001");
      equal((await lastClose(tab)).clean, true, "clean");
    }
    equal(await ended, { code: 0, signal: null }, "end of the server");
  });
  await check("nobody listens: closed 1006", async () => {
    await page.click("#connect");
    await state(page, "Closed 1006");
    await page.second.context().close();
  });
}

async function otherServers(browser) {
  await check("the server is killed: closed 1006, not clean", () =>
    withServer([], (server) => withPage(browser, server, {}, async (page) => {
      await connect(page);
      await echo(page, "still here");
      await stopServer(server, "SIGKILL");
      await state(page, "Closed 1006");
      equal((await lastClose(page)).clean, false, "clean");
    })));
  await check("--subprotocol chat: of two offered, chat is chosen", () =>
    withServer(["--subprotocol", "chat"], (server) => withPage(browser, server, {}, async (page) => {
      await options(page, { subprotocol: "superchat, chat" });
      await connect(page);
      equal(await page.textContent("#protocol"), "chat", "subprotocol");
      await echo(page, "over chat");
      const chosen = await page.evaluate((url) => new Promise((resolve, reject) => {
        const socket = new WebSocket(url, ["superchat", "chat"]);
        socket.onopen = () => resolve(socket.protocol);
        socket.onerror = () => reject(new Error("no connection"));
      }), await page.inputValue("#url"));
      equal(chosen, "chat", "raw from the browser");
    })));
  await check("--subprotocol chat: none in common, no connection", () =>
    withServer(["--subprotocol", "chat"], (server) => withPage(browser, server, {}, async (page) => {
      await options(page, { subprotocol: "other" });
      await page.click("#connect");
      await state(page, "Closed 1006");
    })));
  await check("--allowed-origin http://example.com: this page is refused (403)", () =>
    withServer(["--allowed-origin", "http://example.com"], (server) => withPage(browser, server, {}, async (page) => {
      const messages = [];
      page.on("console", (message) => messages.push(message.text()));
      await page.click("#connect");
      await state(page, "Closed 1006");
      truth(messages.some((text) => text.includes("403")), `the browser says ${JSON.stringify(messages)}`);
      equal((await get(`${server.origin}/ws`, handshake(server.origin))).status, 403, "this origin");
      equal((await get(`${server.origin}/ws`, handshake("http://example.com"))).status, 101, "the allowed origin");
    })));
  await check("--allowed-origin of the page: it connects", async () => {
    const port = await freePort(); // the origin is needed before the server starts
    const allowed = ["http://example.com", `http://127.0.0.1:${port}`].flatMap((origin) => ["--allowed-origin", origin]);
    await withServer(allowed, (server) => withPage(browser, server, {}, async (page) => {
      await connect(page);
      await echo(page, "allowed");
    }), `127.0.0.1:${port}`);
  });
  await check("--max-message 1000: 1000 bytes pass, 1001 close with 1009", () =>
    withServer(["--max-message", "1000"], (server) => withPage(browser, server, {}, async (page) => {
      await connect(page);
      await echo(page, "m".repeat(1000));
      await page.fill("#message", "m".repeat(1001));
      await page.click("#send");
      await state(page, "Closed 1009");
    })));
  await check("--ping-interval 1 --ping-timeout 1: an idle page stays connected", () =>
    withServer(["--ping-interval", "1", "--ping-timeout", "1"], (server) => withPage(browser, server, {}, async (page) => {
      await connect(page);
      await page.waitForTimeout(3500);
      await echo(page, "awake");
    })));
}

// The same messages for each: what takeover, small windows and the sizes of frames make a difference to.
async function compression(browser) {
  const terms = (bits) => `server_max_window_bits=${bits}; client_max_window_bits=${bits}`;
  for (const [flags, extensions] of [
    [[], ""],
    [["--deflate"], "permessage-deflate"],
    [["--deflate-window-bits", "9"], `permessage-deflate; ${terms(9)}`],
    [["--deflate-window-bits", "8"], `permessage-deflate; ${terms(8)}`],
    [["--deflate-no-context-takeover"], "permessage-deflate; server_no_context_takeover; client_no_context_takeover"],
  ]) {
    await check(`${flags.join(" ") || "no --deflate"}: extensions ${extensions || "none"}, in the browser and on the page; messages come back`, () =>
      withServer(flags, (server) => withPage(browser, server, {}, async (page) => {
        await connect(page);
        equal(await page.textContent("#extensions"), extensions || "none", "on the page");
        for (const text of ["Hello", "Hello", "", "Grüße, Ελλάδα, 日本語, 👩‍🚀", "0123456789".repeat(100_000)]) await echo(page, text);
        await echo(page, "bytes", "binary");
        const seen = await page.evaluate(async (url) => {
          const socket = new WebSocket(url);
          socket.binaryType = "arraybuffer";
          await new Promise((resolve, reject) => ([socket.onopen, socket.onerror] = [resolve, reject]));
          const noise = crypto.getRandomValues(new Uint8Array(60_000));
          const trades = Array.from({ length: 100 }, (_, n) => `{"id":${n},"price":${(n * 37) % 1000},"venue":"Zürich","note":"auction of ${n % 7}"}`);
          const large = Uint8Array.from({ length: 3 << 20 }, (_, at) => (at % 251) ^ (at >> 12));
          const faults = [];
          for (const data of [...trades, noise, trades.join().repeat(150), large, new Uint8Array(), "", noise, ...trades]) {
            socket.send(data);
            const reply = await new Promise((resolve, reject) => {
              socket.onmessage = (event) => resolve(event.data);
              socket.onclose = ({ code, reason }) => reject(new Error(`closed ${code} ${reason}`));
            });
            const same = typeof data === "string" ? reply === data
              : reply instanceof ArrayBuffer && reply.byteLength === data.length && new Uint8Array(reply).every((byte, at) => byte === data[at]);
            if (!same) faults.push(`${typeof data} of ${data.length}`);
          }
          const { extensions } = socket;
          socket.onclose = null;
          socket.close(1000);
          return { extensions, faults };
        }, await page.inputValue("#url"));
        equal(seen, { extensions, faults: [] }, "socket.extensions, and messages that are not the same");
        await page.click("#close");
        await state(page, "Closed 1000");
      })));
  }
}

async function looks(browser) {
  const sizes = { desktop: { width: 1280, height: 800 }, phone: { width: 390, height: 844 } };
  // The longest line of terms that the page has to show.
  await withServer(["--deflate-no-context-takeover", "--deflate-window-bits", "10"], async (server) => {
    for (const [device, viewport] of Object.entries(sizes)) {
      for (const colorScheme of ["light", "dark"]) {
        await check(`screenshots: ${device}, ${colorScheme}`, () =>
          withPage(browser, server, { viewport, colorScheme, deviceScaleFactor: 2 }, async (page) => {
            const shot = (name) => page.screenshot({ path: `${artifacts}${device}-${colorScheme}-${name}.png` });
            await shot("empty");
            await connect(page);
            await echo(page, "Hello, WebSocket");
            await echo(page, "Grüße aus Köln, Καλημέρα, Доброе утро");
            await echo(page, "The quick brown fox jumps over the lazy dog. ".repeat(60));
            await echo(page, "Hello", "binary");
            await echo(page, "");
            await echo(page, '{"id": 7, "kind": "ping"}');
            await page.fill("#message", "A draft");
            await shot("open");
            await page.evaluate(() => (document.getElementById("log").scrollTop = 0));
            await shot("top");
            await options(page, { code: "4001", reason: "done here" });
            await page.click("#close");
            await state(page, "Closed 4001");
            await shot("closed");
          }));
      }
    }
    await check("no sideways scrolling at 320 px", () =>
      withPage(browser, server, { viewport: { width: 320, height: 568 } }, async (page) => {
        await connect(page);
        await echo(page, "w".repeat(5000));
        await echo(page, "w".repeat(5000), "binary");
        await options(page, {});
        const over = await page.evaluate(() => [document.documentElement, document.getElementById("log")].map((node) => node.scrollWidth - node.clientWidth));
        equal(over, [0, 0], "overflow of the page and of the log");
      }));
  });
}

// All of it

process.on("exit", () => {
  for (const server of servers) server.child.kill("SIGKILL");
});

function end() {
  console.log(`${passed} passed, ${failed} failed`);
  process.exit(failed || !passed ? 1 : 0);
}

setTimeout(() => {
  failed += 1;
  console.log(`FAILED - all checks: not within ${TOTAL_LIMIT} ms`);
  end();
}, TOTAL_LIMIT).unref();

mkdirSync(artifacts, { recursive: true });
let browser;
try {
  // A launched browser has a new, temporary profile, and playwright-core ends it with this process.
  browser = await chromium.launch({
    executablePath: process.env.CHROMIUM,
    timeout: 60_000,
    args: ["--headless=new", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync"],
  });
  console.log(`Chromium ${browser.version()}`);
  await withServer([], async (server) => {
    await overHttp(server);
    await withPage(browser, server, {}, async (page) => {
      await onePage(page, server);
      await goingAway(browser, server, page);
      await check("no errors of the page's script", async () => equal(page.faults, [], "errors"));
    });
  });
  await otherServers(browser);
  await compression(browser);
  await looks(browser);
} catch (error) {
  failed += 1;
  console.log(`FAILED - ${error.stack ?? error}`);
} finally {
  if (browser) await limit(browser.close(), 10_000, "the browser's end").catch(() => {});
  end();
}
