//! Lines of the cache: copies to places that lie askew to them, and checks of text that does, take
//! longer.

/// How long a line is, in bytes.
pub(crate) const LINE: usize = 64;

/// Where in `buffer` to begin, so that what comes `len` bytes later does so at a line; less than
/// [`LINE`].
pub(crate) fn start(buffer: &[u8], len: usize) -> usize {
    buffer.as_ptr().addr().wrapping_add(len).wrapping_neg() % LINE
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_comes_later_is_at_a_line() {
        let buffer = [0; 5 * LINE];
        for (shift, len) in (0..LINE).flat_map(|shift| (0..3 * LINE).map(move |len| (shift, len))) {
            let buffer = &buffer[shift..];
            let start = start(buffer, len);
            assert!(start < LINE);
            assert_eq!(buffer[start + len..].as_ptr().addr() % LINE, 0, "{shift} {len}");
        }
    }
}
