//! The same bytes to this crate and to tungstenite 0.30, in both roles. Where they differ RFC 6455
//! decides; what tungstenite does otherwise is a match in `websocket_proto_fuzz::differential`:
//!
//! | tungstenite 0.30 | RFC 6455 |
//! |---|---|
//! | takes lengths that are not in their shortest form, also in control frames | §5.2, §5.5 |
//! | takes a Close with a bad code for a Close, and answers with 1002 | §7.4, §7.1.7 |
//! | names another of several faults in one header or Close frame | §7.1.7 leaves it open |
//! | judges a frame when it is complete, and not before | §7.1.7, §8.1 leave it open |
//! | takes close code 1014 for a bad one | §7.4.2, IANA registry |
#![no_main]

use libfuzzer_sys::fuzz_target;
use websocket_proto_fuzz::{Setup, differential};

fuzz_target!(|data: &[u8]| {
    let Some((setup, rest)) = Setup::take(data) else { return };
    let wire = setup.wire(setup.role(), rest);
    differential::agree(setup.role(), &setup.config(), &wire, setup.split());
});
