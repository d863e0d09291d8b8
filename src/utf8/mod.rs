//! UTF-8 validation of text that arrives in pieces (RFC 6455 §5.6, §8.1).

mod short;

use core::fmt;

pub(crate) use self::short::BLOCK;

/// Bytes that are not UTF-8, or text that ends inside a character (RFC 6455 §8.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InvalidUtf8;

impl fmt::Display for InvalidUtf8 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("text is not valid UTF-8 (RFC 6455 §8.1)")
    }
}

impl core::error::Error for InvalidUtf8 {}

/// Checks a whole text at once and lends it as `str`.
///
/// # Errors
///
/// [`InvalidUtf8`] if it is not UTF-8.
#[inline]
pub fn validate(bytes: &[u8]) -> Result<&str, InvalidUtf8> {
    validate_beside(bytes, || None)
}

/// As [`validate`], where there may be `room` beside the text: short text is checked there.
#[inline(always)]
pub(crate) fn validate_beside<'b>(
    bytes: &'b [u8],
    room: impl FnOnce() -> Option<&'b mut [u8; BLOCK]>,
) -> Result<&'b str, InvalidUtf8> {
    // A call for nothing otherwise.
    if bytes.is_empty() {
        return Ok("");
    }
    if bytes.len() >= BLOCK {
        return validate_blocks(bytes);
    }
    match short::ascii(bytes) {
        Some(text) => Ok(text),
        None => short::validate_in(room(), bytes),
    }
}

/// As [`validate`], of a block or more.
#[inline(always)]
pub(crate) fn validate_blocks(bytes: &[u8]) -> Result<&str, InvalidUtf8> {
    simdutf8::basic::from_utf8(bytes).map_err(|_| InvalidUtf8)
}

/// Checks text piece by piece; a character may be split over pieces at any byte.
///
/// Fails at the first byte that no valid text can have at its place, so that a connection is
/// failed while the rest of a long message is still on its way.
///
/// ```
/// use websocket_proto::utf8::Validator;
///
/// let mut text = Validator::default();
/// text.push(b"gr\xc3")?; // the first half of 'ü'
/// assert!(!text.is_complete());
/// text.push(b"\xbcn")?;
/// text.finish()?;
/// assert!(text.push(b"\xff").is_err());
/// # Ok::<(), websocket_proto::utf8::InvalidUtf8>(())
/// ```
#[derive(Clone, Copy, Debug, Default)]
pub struct Validator {
    /// The bytes of a character that has begun, a prefix that some valid character has.
    pending: [u8; 3],
    have: u8,
}

impl Validator {
    /// Checks the next bytes of the text.
    ///
    /// # Errors
    ///
    /// [`InvalidUtf8`] at the first impossible byte. The validator must then not be used further.
    #[inline]
    pub fn push(&mut self, mut bytes: &[u8]) -> Result<(), InvalidUtf8> {
        while self.have > 0 {
            let Some((next, rest)) = bytes.split_first() else { return Ok(()) };
            bytes = rest;
            let [first, second, third] = self.pending;
            let mut character = [first, second, third, 0];
            character[usize::from(self.have)] = *next;
            match core::str::from_utf8(&character[..=usize::from(self.have)]) {
                Ok(_) => self.have = 0,
                Err(error) if error.error_len().is_some() => return Err(InvalidUtf8),
                // Four bytes are a character or an error, so `have` stays within `pending`.
                Err(_) => {
                    self.pending.copy_from_slice(&character[..3]);
                    self.have += 1;
                }
            }
        }
        if bytes.len() < BLOCK && short::is_valid(bytes) {
            return Ok(());
        }
        let Err(error) = simdutf8::compat::from_utf8(bytes) else { return Ok(()) };
        if error.error_len().is_some() {
            return Err(InvalidUtf8);
        }
        let tail = &bytes[error.valid_up_to()..];
        self.pending[..tail.len()].copy_from_slice(tail);
        // An incomplete character is at most three bytes.
        self.have = u8::try_from(tail.len()).unwrap_or(3);
        Ok(())
    }

    /// Whether the text so far ends with a whole character.
    #[inline]
    #[must_use]
    pub fn is_complete(&self) -> bool {
        self.have == 0
    }

    /// Ends the text and makes the validator ready for the next one.
    ///
    /// # Errors
    ///
    /// [`InvalidUtf8`] if it ends inside a character.
    #[inline]
    pub fn finish(&mut self) -> Result<(), InvalidUtf8> {
        if core::mem::take(&mut self.have) == 0 { Ok(()) } else { Err(InvalidUtf8) }
    }
}
