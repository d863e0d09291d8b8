//! Opening handshakes: a browser's request to the 101, and the client's side of it.

use criterion::{Criterion, criterion_group, criterion_main};
use std::hint::black_box;
use websocket_proto::Input;
use websocket_proto::handshake::{
    Accept, ClientHandshake, ClientRequest, ServerConfig, ServerHandshake,
};

const REQUEST: &[u8] = b"GET /chat?room=1 HTTP/1.1\r\n\
    Host: server.example.com\r\n\
    Connection: Upgrade\r\n\
    Pragma: no-cache\r\n\
    Cache-Control: no-cache\r\n\
    User-Agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko)\r\n\
    Upgrade: websocket\r\n\
    Origin: http://example.com\r\n\
    Sec-WebSocket-Version: 13\r\n\
    Accept-Encoding: gzip, deflate, br, zstd\r\n\
    Accept-Language: en-US,en;q=0.9\r\n\
    Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
    Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits\r\n\
    Sec-WebSocket-Protocol: chat, superchat\r\n\r\n";

fn serve(request: &mut [u8], step: usize, out: &mut Vec<u8>) {
    let mut handshake = ServerHandshake::new(ServerConfig::default());
    for piece in request.chunks_mut(step) {
        if let Some(request) = handshake.receive(&mut Input::new(piece)).expect("valid") {
            let subprotocol = request.choose_subprotocol(&["chat"]);
            let reply = Accept::new().subprotocol(subprotocol);
            handshake.accept(&request, &reply, out).expect("valid");
        }
    }
}

fn handshakes(c: &mut Criterion) {
    let mut request = REQUEST.to_vec();
    let mut out = Vec::with_capacity(1024);
    for (name, step) in [("server/whole", usize::MAX), ("server/bytewise", 1)] {
        c.bench_function(&format!("handshake/{name}"), |b| {
            b.iter(|| {
                out.clear();
                serve(black_box(&mut request), step, &mut out);
            });
        });
    }
    let wanted = ClientRequest::new("ws://server.example.com/chat?room=1")
        .expect("a URL")
        .subprotocol("chat")
        .expect("a token");
    let nonce = *b"the sample nonce";
    let mut answer = Vec::new();
    serve(&mut request, usize::MAX, &mut answer);
    c.bench_function("handshake/client", |b| {
        b.iter(|| {
            out.clear();
            let mut handshake = ClientHandshake::start(black_box(&wanted), nonce, &mut out);
            handshake.receive(&mut Input::new(black_box(&mut answer))).expect("valid")
        });
    });
}

criterion_group!(benches, handshakes);
criterion_main!(benches);
