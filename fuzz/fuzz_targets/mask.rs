//! Masking at any alignment, in two steps, is the definition of RFC 6455 §5.3 byte by byte.
#![no_main]

use libfuzzer_sys::fuzz_target;
use websocket_proto::frame::mask::{self, MaskKey};

fuzz_target!(|data: &[u8]| {
    let Some((&[a, b, c, d, start, cut], clear)) = data.split_first_chunk::<6>() else { return };
    let (key, mut masked) = ([a, b, c, d], clear.to_vec());
    let start = usize::from(start).min(clear.len());
    let at = start + usize::from(cut).min(clear.len() - start);
    mask::apply(&mut masked[start..at], MaskKey::new(key));
    mask::apply(&mut masked[at..], MaskKey::new(key).advanced(at - start));
    assert_eq!(masked[..start], clear[..start]);
    for (i, (masked, clear)) in masked[start..].iter().zip(&clear[start..]).enumerate() {
        assert_eq!(*masked, clear ^ key[i % 4]);
    }
});
