//! Hostile compressed messages: the same verdict however they are cut, the one of zlib where there
//! is one, and no message over the limit.
#![no_main]

use libfuzzer_sys::fuzz_target;
use websocket_proto_fuzz::deflate::{self, Terms};

fuzz_target!(|data: &[u8]| {
    let Some((terms, rest)) = Terms::take(data) else { return };
    deflate::is_judged_alike(&terms, rest);
});
