//! A client's opening handshake with any bytes: any split gives the same, errors are final, what is
//! accepted keeps to RFC 6455 §4, and memory follows the bytes received.
#![no_main]

use libfuzzer_sys::fuzz_target;
use websocket_proto_fuzz::{Setup, handshake};

fuzz_target!(|data: &[u8]| {
    let Some((setup, wire)) = Setup::take(data) else { return };
    handshake::client(setup, wire);
});
