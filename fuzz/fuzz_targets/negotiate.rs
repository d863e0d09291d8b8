//! Negotiation of permessage-deflate with any header values and configurations: what the server
//! answers is acceptable to a client with these offers, the client accepts what satisfies its own
//! and nothing else, and all that is agreed on is in range.
#![no_main]

use libfuzzer_sys::fuzz_target;
use websocket_proto_fuzz::negotiate::{self, Terms};

fuzz_target!(|data: &[u8]| {
    let Some((terms, text)) = Terms::take(data) else { return };
    negotiate::server(&terms, text);
    negotiate::client(&terms, text);
});
