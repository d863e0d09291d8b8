//! Heap of a connection that has compressed and decompressed and is idle now:
//! `cargo bench --bench deflate_memory`. Counted by an allocator, so the same on every run.

use counting_alloc::{Counting, counts, reset};
use websocket_proto::connection::{Connection, NoEntropy};
use websocket_proto::deflate::{self, Params};
use websocket_proto::endpoint::{Config, Endpoint, Received};

#[global_allocator]
static ALLOCATOR: Counting = Counting;

fn keys(bytes: &mut [u8]) -> Result<(), NoEntropy> {
    bytes.fill(0x5a);
    Ok(())
}

/// The server's end, and what it holds.
struct Server {
    endpoint: Endpoint,
    heap: i64,
}

impl Server {
    /// Has the server do something, and notes by how much its heap grows.
    fn does<T>(&mut self, what: impl FnOnce(&mut Endpoint) -> T) -> T {
        let before = counts().live;
        let result = what(&mut self.endpoint);
        self.heap += counts().live - before;
        result
    }
}

fn receive(endpoint: &mut Endpoint, mut bytes: &[u8]) {
    while !bytes.is_empty() {
        let room = endpoint.read_buf();
        let count = room.len().min(bytes.len());
        room[..count].copy_from_slice(&bytes[..count]);
        endpoint.advance_read(count);
        bytes = &bytes[count..];
        while let Some(Received { .. }) = endpoint.next().expect("valid") {}
    }
}

/// The bytes of heap that a server's end holds: negotiated, and idle after messages of 100 and of
/// 100,000 bytes in both directions.
fn measure(params: Params, mem_level: u8) -> [i64; 3] {
    let mut settings = deflate::Config::default();
    settings.mem_level = mem_level;
    // What goes back is dropped: only what the connection itself holds is counted.
    settings.pool = deflate::Pool::new(0);
    let mut config = Config::default();
    config.deflate = Some(settings);
    let client = Connection::client(&config.connection, keys);
    let mut client = Endpoint::with_deflate(client, &config, params);
    reset();
    let server = Connection::server(&config.connection);
    let endpoint = Endpoint::with_deflate(server, &config, params);
    let mut server = Server { endpoint, heap: counts().live };
    let mut figures = [server.heap; 3];
    for (figure, len) in figures[1..].iter_mut().zip([100, 100_000]) {
        let text = "a message like any other; ".repeat(len / 26 + 1);
        client.send(&text[..len]).expect("open");
        let bytes = client.chunks().flatten().copied().collect::<Vec<u8>>();
        client.advance_write(bytes.len());
        server.does(|server| {
            receive(server, &bytes);
            server.send(&text[..len]).expect("open");
            let written = server.queued();
            server.advance_write(written);
            server.release();
        });
        *figure = server.heap;
    }
    figures
}

/// Bytes for each of 5,000 connections of a server that have had a message of 100 bytes in both
/// directions and are idle: the endpoint itself, its heap, and its share of the pool.
fn measure_many(params: Params) -> i64 {
    const CONNECTIONS: i64 = 5000;
    let mut config = Config::default();
    config.deflate = Some(deflate::Config::default());
    let text = "a message like any other; ".repeat(4);
    let mut client = Connection::client(&config.connection, keys);
    let mut client_config = config.clone();
    client_config.deflate = Some(deflate::Config::default());
    let mut servers = Vec::new();
    let mut bytes = 0;
    for _ in 0..CONNECTIONS {
        let mut sender = Endpoint::with_deflate(client, &client_config, params);
        sender.send(&text).expect("open");
        let wire = sender.chunks().flatten().copied().collect::<Vec<u8>>();
        client = Connection::client(&config.connection, keys);
        drop(sender);
        reset();
        let connection = Connection::server(&config.connection);
        let mut server = Box::new(Endpoint::with_deflate(connection, &config, params));
        receive(&mut server, &wire);
        server.send(&text).expect("open");
        let written = server.queued();
        server.advance_write(written);
        server.release();
        bytes += counts().live;
        servers.push(server);
    }
    bytes / CONNECTIONS
}

fn main() {
    for (name, parameters) in [
        ("server_no_context_takeover", "; server_no_context_takeover"),
        ("no takeover", "; server_no_context_takeover; client_no_context_takeover"),
    ] {
        let params = format!("permessage-deflate{parameters}").parse().expect("valid");
        let bytes = measure_many(params);
        println!("5,000 idle connections, {name}: {bytes} bytes each, endpoint and pool included");
    }
    println!("\nbytes of heap of an idle connection, server's end\n");
    println!(
        "| agreed on | memory level | negotiated | after 100 B each way | after 100 kB each way |"
    );
    println!("|---|---:|---:|---:|---:|");
    for (name, parameters) in [
        ("nothing more", ""),
        ("windows of 12 bits", "; server_max_window_bits=12; client_max_window_bits=12"),
        ("windows of 9 bits", "; server_max_window_bits=9; client_max_window_bits=9"),
        ("no takeover by the server", "; server_no_context_takeover"),
        ("no takeover", "; server_no_context_takeover; client_no_context_takeover"),
    ] {
        for mem_level in [8, 4, 1] {
            let params = format!("permessage-deflate{parameters}").parse().expect("valid");
            let [negotiated, small, large] = measure(params, mem_level);
            println!("| {name} | {mem_level} | {negotiated} | {small} | {large} |");
        }
    }
}
