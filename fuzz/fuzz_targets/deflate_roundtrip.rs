//! Messages of any kind, sent in any way with any parameters of permessage-deflate, arrive at the
//! other end, whatever the sizes of reads.
#![no_main]

use libfuzzer_sys::fuzz_target;
use websocket_proto_fuzz::deflate::{self, Terms};

fuzz_target!(|data: &[u8]| {
    let Some((terms, rest)) = Terms::take(data) else { return };
    deflate::arrives(&terms, rest);
});
