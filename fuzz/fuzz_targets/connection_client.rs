//! A client's connection with any bytes: any split gives the same, errors are final, the peer
//! understands the output, and memory follows the bytes received.
#![no_main]

use libfuzzer_sys::fuzz_target;
use websocket_proto::connection::Role;
use websocket_proto_fuzz::{Setup, connection, memory};

fuzz_target!(|data: &[u8]| {
    let Some((setup, rest)) = Setup::take(data) else { return };
    let (config, wire) = (setup.config(), setup.wire(Role::Client, rest));
    connection::is_the_same_in_any_split(Role::Client, &config, &wire, setup.split());
    memory::follows_bytes_in_assembler(Role::Client, &config, &wire, setup.split());
});
