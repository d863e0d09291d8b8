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

/// Sends everything that `from` has queued to `to`; the messages that arrive are dropped.
fn carry(from: &mut Endpoint, to: &mut Endpoint) {
    let bytes: Vec<u8> = from.chunks().flatten().copied().collect();
    from.advance_write(bytes.len());
    let mut rest = &bytes[..];
    while !rest.is_empty() {
        let room = to.read_buf();
        let count = room.len().min(rest.len());
        room[..count].copy_from_slice(&rest[..count]);
        to.advance_read(count);
        rest = &rest[count..];
        while let Some(Received { .. }) = to.next().expect("valid") {}
    }
}

fn main() {
    println!("| agreed on | memory level | negotiated | after 100 B each way | after 100 KB each way |");
    println!("|---|---:|---:|---:|---:|");
    for (name, params) in [
        ("nothing more", "permessage-deflate"),
        (
            "windows of 12 bits",
            "permessage-deflate; server_max_window_bits=12; client_max_window_bits=12",
        ),
        (
            "windows of 9 bits",
            "permessage-deflate; server_max_window_bits=9; client_max_window_bits=9",
        ),
        ("server_no_context_takeover", "permessage-deflate; server_no_context_takeover"),
        (
            "no context takeover, both",
            "permessage-deflate; server_no_context_takeover; client_no_context_takeover",
        ),
    ] {
        for mem_level in [8, 1] {
            let params: Params = params.parse().expect("valid");
            let mut settings = deflate::Config::default();
            settings.mem_level = mem_level;
            // What goes back is dropped: only what the connection itself holds is counted.
            settings.pool = deflate::Pool::new(0);
            let mut config = Config::default();
            config.deflate = Some(settings);
            let mut client =
                Endpoint::with_deflate(Connection::client(&config.connection, keys), &config, params);
            reset();
            let mut server =
                Endpoint::with_deflate(Connection::server(&config.connection), &config, params);
            let mut figures = vec![counts().live];
            for len in [100, 100_000] {
                let text = "a message like any other; ".repeat(len / 26 + 1);
                client.send(&text[..len]).expect("open");
                carry(&mut client, &mut server);
                server.send(&text[..len]).expect("open");
                carry(&mut server, &mut client);
                // The client's heap is not the server's: only the server's is to be counted.
                client.release();
                drop(server.release());
                figures.push(0);
                let before = counts().live;
                let held = before;
                *figures.last_mut().expect("pushed") = held;
            }
            println!("| {name} | {mem_level} | {} | {} | {} |", figures[0], figures[1], figures[2]);
        }
    }
}
