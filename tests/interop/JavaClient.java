import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.WebSocket;
import java.net.http.WebSocketHandshakeException;
import java.nio.ByteBuffer;
import java.util.Arrays;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.Callable;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionException;
import java.util.concurrent.CompletionStage;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;

/** The client of java.net.http. The scenarios, their options and what is printed are those of python_client.py. */
class JavaClient implements WebSocket.Listener {
    static final int ECHO_LIMIT = 10; // seconds for a case
    static final int[] SIZES = {0, 1, 125, 126, 65535, 65536, 1_000_000};
    static final String[] FRAGMENTS = {"one ", "", "zw\u00f6lf ", "\u0442\u0440\u0438"};
    static final int PIPELINED = 10_000;
    static final Closed CLOSE = new Closed(4000, "bye, tsch\u00fcs");
    static final String UNICODE = "\u03ba\u03b1\u03bb\u03b7, \u4f60\u597d, \ud83d\ude00, \0 and \uffff";

    record Closed(int code, String reason) {}

    record Pong(String payload) {}

    WebSocket ws;
    final BlockingQueue<Object> inbox = new LinkedBlockingQueue<>();
    StringBuilder text = new StringBuilder();
    ByteBuffer binary = ByteBuffer.allocate(1 << 20);

    public CompletionStage<?> onText(WebSocket ws, CharSequence part, boolean last) {
        text.append(part);
        if (last) {
            inbox.add(text.toString());
            text = new StringBuilder();
        }
        ws.request(1);
        return null;
    }

    public CompletionStage<?> onBinary(WebSocket ws, ByteBuffer part, boolean last) {
        binary.put(part);
        if (last) {
            inbox.add(Arrays.copyOf(binary.array(), binary.position()));
            binary.clear();
        }
        ws.request(1);
        return null;
    }

    public CompletionStage<?> onPong(WebSocket ws, ByteBuffer payload) {
        inbox.add(new Pong(new String(payload.array(), payload.position(), payload.remaining())));
        ws.request(1);
        return null;
    }

    public CompletionStage<?> onClose(WebSocket ws, int code, String reason) {
        inbox.add(new Closed(code, reason));
        return null;
    }

    public void onError(WebSocket ws, Throwable error) {
        inbox.add(error);
    }

    void open(String url, String[] subprotocols, String origin) {
        var builder = HttpClient.newHttpClient().newWebSocketBuilder();
        if (subprotocols != null) {
            builder.subprotocols(subprotocols[0], Arrays.copyOfRange(subprotocols, 1, subprotocols.length));
        }
        if (origin != null) {
            builder.header("Origin", origin);
        }
        ws = builder.buildAsync(URI.create(url), this).orTimeout(ECHO_LIMIT, TimeUnit.SECONDS).join();
    }

    static void done(CompletableFuture<?> sending) {
        sending.orTimeout(ECHO_LIMIT, TimeUnit.SECONDS).join();
    }

    Object receive() throws Exception {
        Object item = inbox.poll(ECHO_LIMIT, TimeUnit.SECONDS);
        if (item == null || item instanceof Throwable) {
            throw new Exception("nothing received: " + item);
        }
        return item;
    }

    void expect(Object wanted) throws Exception {
        Object item = receive();
        boolean same = wanted instanceof byte[] bytes
                ? item instanceof byte[] other && Arrays.equals(bytes, other)
                : wanted.equals(item);
        if (!same) {
            throw new Exception("received " + item + ", not " + wanted);
        }
    }

    void echo(String url) {
        Map<String, Callable<Void>> cases = new LinkedHashMap<>();
        Map<String, String> texts = new LinkedHashMap<>();
        texts.put("text", "hello");
        texts.put("unicode", UNICODE);
        texts.put("empty", "");
        texts.forEach((name, data) -> cases.put(name, () -> {
            done(ws.sendText(data, true));
            expect(data);
            return null;
        }));
        for (int size : SIZES) {
            byte[] data = new byte[size];
            for (int at = 0; at < size; at++) {
                data[at] = (byte) (at % 251);
            }
            cases.put("binary " + size, () -> {
                done(ws.sendBinary(ByteBuffer.wrap(data), true));
                expect(data);
                return null;
            });
        }
        cases.put("fragments", () -> {
            for (int at = 0; at < FRAGMENTS.length; at++) {
                done(ws.sendText(FRAGMENTS[at], at == FRAGMENTS.length - 1));
            }
            expect(String.join("", FRAGMENTS));
            return null;
        });
        cases.put("pipelined", () -> {
            for (int number = 0; number < PIPELINED; number++) {
                done(ws.sendText("message " + number, true));
            }
            for (int number = 0; number < PIPELINED; number++) {
                expect("message " + number);
            }
            return null;
        });
        cases.put("ping", () -> {
            done(ws.sendPing(ByteBuffer.wrap("are you there?".getBytes())));
            expect(new Pong("are you there?"));
            return null;
        });
        cases.put("close", () -> {
            close();
            return null;
        });
        boolean[] isOpen = {false};
        cases.forEach((name, run) -> {
            try {
                if (!isOpen[0]) {
                    inbox.clear();
                    open(url, null, null);
                    isOpen[0] = true;
                }
                run.call();
                System.out.println("ok " + name);
            } catch (Exception error) {
                System.out.println("FAIL " + name + ": " + error);
                isOpen[0] = false;
            }
        });
    }

    void close() throws Exception {
        done(ws.sendClose(CLOSE.code, CLOSE.reason));
        expect(CLOSE);
    }

    void watch(String url, Map<String, String> options) throws Exception {
        String subprotocols = options.get("subprotocols");
        try {
            open(url, subprotocols == null ? null : subprotocols.split(","), options.get("origin"));
        } catch (CompletionException error) {
            if (!(error.getCause() instanceof WebSocketHandshakeException refused)) {
                throw error;
            }
            System.out.println("refused " + refused.getResponse().statusCode());
            return;
        }
        System.out.println("open " + (ws.getSubprotocol().isEmpty() ? "-" : ws.getSubprotocol()));
        if (options.containsKey("send")) {
            done(ws.sendText("x".repeat(Integer.parseInt(options.get("send"))), true));
        }
        if (options.containsKey("hold")) {
            Thread.sleep((long) (1000 * Double.parseDouble(options.get("hold"))));
            done(ws.sendText("still here", true));
            System.out.println("received " + receive());
            close();
            System.out.println("closed " + CLOSE.code + " " + CLOSE.reason);
        } else if (receive() instanceof Closed closed) {
            System.out.println(("closed " + closed.code + " " + closed.reason).trim());
        } else {
            System.out.println("received something");
        }
    }

    public static void main(String[] args) throws Exception {
        Map<String, String> options = new HashMap<>();
        for (String option : Arrays.copyOfRange(args, 2, args.length)) {
            options.put(option.split("=", 2)[0], option.split("=", 2)[1]);
        }
        System.setOut(new java.io.PrintStream(System.out, true, "UTF-8"));
        if (args[0].equals("echo")) {
            new JavaClient().echo(args[1]);
        } else {
            new JavaClient().watch(args[1], options);
        }
        System.exit(0);
    }
}
