//! Any order of calls to an endpoint, held against a plain model; and its memory while it reads.
//!
//! Behind the setup come a choice of buffer sizes, the number of calls, the calls, and the wire.
#![no_main]

use libfuzzer_sys::fuzz_target;
use websocket_proto_fuzz::{Setup, endpoint, memory};

fuzz_target!(|data: &[u8]| {
    let Some((setup, &[choice, calls, ref rest @ ..])) = Setup::take(data) else { return };
    let Some((calls, rest)) = rest.split_at_checked(usize::from(calls)) else { return };
    let (role, config) = (setup.role(), endpoint::config(setup, choice));
    let wire = setup.wire(role, rest);
    endpoint::does_what_the_model_does(role, &config, calls, &wire);
    memory::follows_bytes_in_endpoint(role, &config, &wire, setup.split());
});
