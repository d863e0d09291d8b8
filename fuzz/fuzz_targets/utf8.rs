//! Text in any split gets the verdict of `str::from_utf8`, at the first byte that is impossible.
#![no_main]

use libfuzzer_sys::fuzz_target;
use websocket_proto::utf8::{self, Validator};
use websocket_proto_fuzz::Split;

fuzz_target!(|data: &[u8]| {
    let Some((&seed, text)) = data.split_first() else { return };
    let expected = str::from_utf8(text);
    assert_eq!(utf8::validate(text).ok(), expected.ok());
    // Where the first byte ends that no valid text has there.
    let bad = expected.err().and_then(|error| {
        let (start, len) = (error.valid_up_to(), error.error_len()?);
        // An error of `len` bytes is noticed at the byte behind them, if that is what is wrong.
        let seen = (start + 1..=text.len())
            .find(|end| str::from_utf8(&text[start..*end]).is_err_and(|e| e.error_len().is_some()));
        assert!(seen.is_some_and(|end| end <= start + len + 1));
        seen
    });
    for split in [Split::Whole, Split::Bytewise, Split::Seeded(u64::from(seed))] {
        let mut bytes = text.to_vec();
        let (mut validator, mut end, mut failed) = (Validator::default(), 0, None);
        for piece in split.pieces(&mut bytes) {
            end += piece.len();
            if validator.push(piece).is_err() {
                failed = Some(end);
                break;
            }
            assert_eq!(validator.is_complete(), str::from_utf8(&text[..end]).is_ok());
        }
        match (failed, bad) {
            (None, None) => assert_eq!(validator.finish().is_ok(), expected.is_ok()),
            (Some(failed), Some(bad)) => {
                assert!(failed >= bad, "no valid text fails");
                assert!(
                    !matches!(split, Split::Bytewise) || failed == bad,
                    "no later than it must"
                );
            }
            (failed, bad) => panic!("failed at {failed:?}, impossible from {bad:?}"),
        }
    }
});
