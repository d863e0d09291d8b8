//! A frame header at the start of any bytes: parsing looks at nothing behind the header, gives its
//! verdict once and for all, and encoding gives the same bytes back, which are the fewest.
#![no_main]

use libfuzzer_sys::fuzz_target;
use websocket_proto::frame::{Header, Masking, Order, Rsv, Rules};

fuzz_target!(|data: &[u8]| {
    let Some((&choice, bytes)) = data.split_first() else { return };
    let bytes = &bytes[..bytes.len().min(Header::MAX_LEN + 2)];
    let masking = [Masking::Required, Masking::Forbidden, Masking::Either];
    let rules = match choice % 7 {
        6 => Rules::LENIENT,
        choice => Rules {
            masking: masking[usize::from(choice % 3)],
            rsv: if choice < 3 { Rsv::NONE } else { Rsv::RSV1 },
            order: [Order::Either, Order::First, Order::Continuation][usize::from(bytes.len() % 3)],
        },
    };
    let verdict = Header::parse_with(bytes, rules);
    // As bytes arrive one by one, the verdict stays open and is then given for good.
    let mut open = true;
    for end in 0..=bytes.len() {
        let so_far = Header::parse_with(&bytes[..end], rules);
        assert!(so_far == Ok(None) && open || so_far == verdict);
        open = so_far == Ok(None);
    }
    if let Ok(Some((header, used))) = verdict {
        let encoded = header.encode();
        assert_eq!(encoded[..], bytes[..used], "parsing and encoding is the identity");
        let extended = [(126, 0), (65_536, 2), (u64::MAX, 8)]; // RFC 6455 §5.2: the fewest bytes
        let (_, extended) = extended.iter().find(|(end, _)| header.len < *end).expect("any length");
        assert_eq!(used, 2 + extended + if header.mask.is_some() { 4 } else { 0 });
        assert!(header.len < 1 << 63);
        assert!(!header.opcode.is_control() || header.fin && header.len < 126);
    }
});
