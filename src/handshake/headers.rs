//! Grammar of header fields: tokens, comma-separated lists, and Sec-WebSocket-Extensions.
//!
//! Every parser here goes over its input once, forwards: regular expressions that split such lists
//! have cost other implementations quadratic and exponential time.

use alloc::borrow::Cow;
use alloc::string::String;
use alloc::vec::Vec;
use core::error::Error;
use core::fmt;
use core::str;

use super::error::HeaderError;

/// Whether `text` is a token: one or more of the characters that RFC 9110 §5.6.2 lists.
///
/// Subprotocols, extensions and field names are tokens.
#[must_use]
pub fn is_token(text: &[u8]) -> bool {
    !text.is_empty() && text.iter().copied().all(is_token_byte)
}

/// RFC 9110 §5.6.2: `tchar`.
pub(super) fn is_token_byte(byte: u8) -> bool {
    matches!(byte, b'!' | b'#'..=b'\'' | b'*' | b'+' | b'-' | b'.' | b'0'..=b'9' | b'A'..=b'Z'
        | b'^'..=b'z' | b'|' | b'~')
}

/// RFC 9110 §5.6.3: what optional white space is made of.
pub(super) fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t')
}

/// Removes the optional white space of RFC 9110 §5.6.3 at both ends.
pub(super) fn trim(mut text: &[u8]) -> &[u8] {
    while let [first, rest @ ..] = text
        && is_space(*first)
    {
        text = rest;
    }
    while let [rest @ .., last] = text
        && is_space(*last)
    {
        text = rest;
    }
    text
}

/// The elements of one comma-separated field value, in order and without surrounding white space.
///
/// Empty elements are left out (RFC 9110 §5.6.1). A comma inside a quoted string does not separate.
///
/// ```
/// use websocket_proto::handshake::list_elements;
///
/// let elements: Vec<_> = list_elements(b"keep-alive, ,Upgrade, x=\"a,b\"").collect();
/// assert_eq!(elements, [&b"keep-alive"[..], b"Upgrade", b"x=\"a,b\""]);
/// ```
pub fn list_elements(value: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut rest = value;
    core::iter::from_fn(move || {
        while !rest.is_empty() {
            let end = element_end(rest);
            let element = trim(&rest[..end]);
            rest = rest.get(end + 1..).unwrap_or_default();
            if !element.is_empty() {
                return Some(element);
            }
        }
        None
    })
}

/// Where the first element ends: the first comma outside a quoted string, or the end.
fn element_end(text: &[u8]) -> usize {
    let (mut quoted, mut escaped) = (false, false);
    for (at, byte) in text.iter().enumerate() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if quoted => escaped = true,
            b'"' => quoted = !quoted,
            b',' if !quoted => return at,
            _ => {}
        }
    }
    text.len()
}

/// Whether one of the lines of a list field has the element `token`, in any case (RFC 9110 §7.6.1).
pub(super) fn any_element<'a>(lines: impl Iterator<Item = &'a [u8]>, token: &str) -> bool {
    lines.flat_map(list_elements).any(|element| element.eq_ignore_ascii_case(token.as_bytes()))
}

/// The elements of all lines of a list field as tokens, or `None` if one is no token.
pub(super) fn tokens<'a>(lines: impl Iterator<Item = &'a [u8]>) -> Option<Vec<&'a str>> {
    lines.flat_map(list_elements).map(token).collect()
}

fn token(text: &[u8]) -> Option<&str> {
    if is_token(text) { str::from_utf8(text).ok() } else { None }
}

/// One element of a Sec-WebSocket-Extensions field (RFC 6455 §9.1).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Extension<'a> {
    name: &'a str,
    params: Vec<(&'a str, Option<Cow<'a, str>>)>,
}

impl<'a> Extension<'a> {
    /// The extension token, verbatim.
    #[must_use]
    pub fn name(&self) -> &'a str {
        self.name
    }

    /// The parameters in order: name, and value without quotes and backslashes if there is one.
    pub fn params(&self) -> impl Iterator<Item = (&'a str, Option<&str>)> {
        self.params.iter().map(|(name, value)| (*name, value.as_deref()))
    }
}

/// A Sec-WebSocket-Extensions value violates its grammar (RFC 6455 §9.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ExtensionSyntaxError;

impl fmt::Display for ExtensionSyntaxError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("invalid Sec-WebSocket-Extensions (RFC 6455 §9.1)")
    }
}

impl Error for ExtensionSyntaxError {}

/// Parses the lines of a Sec-WebSocket-Extensions field, as if they were joined with commas.
///
/// White space around `,`, `;` and `=` is tolerated, empty elements are left out, and the order is
/// kept: it is the client's preference, and the order of operations in a response. Lines that hold
/// no element at all are an error; no lines are none.
///
/// # Errors
///
/// If a line violates the grammar of RFC 6455 §9.1. A server answers that with 400 and a client
/// fails the connection.
///
/// ```
/// use websocket_proto::handshake::parse_extensions;
///
/// let line = br#"permessage-deflate; client_max_window_bits; server_max_window_bits="10""#;
/// let offers = parse_extensions([&line[..]])?;
/// let params: Vec<_> = offers[0].params().collect();
/// assert_eq!(offers[0].name(), "permessage-deflate");
/// assert_eq!(
///     params,
///     [("client_max_window_bits", None), ("server_max_window_bits", Some("10"))]
/// );
/// # Ok::<(), websocket_proto::handshake::ExtensionSyntaxError>(())
/// ```
pub fn parse_extensions<'a>(
    lines: impl IntoIterator<Item = &'a [u8]>,
) -> Result<Vec<Extension<'a>>, ExtensionSyntaxError> {
    let mut extensions = Vec::new();
    let mut seen_line = false;
    for line in lines {
        seen_line = true;
        for element in list_elements(line) {
            extensions.push(parse_extension(element).ok_or(ExtensionSyntaxError)?);
        }
    }
    // RFC 6455 §9.1: `1#extension`, at least one.
    if seen_line && extensions.is_empty() { Err(ExtensionSyntaxError) } else { Ok(extensions) }
}

/// RFC 6455 §9.1: `extension-token *( ";" extension-param )`.
fn parse_extension(element: &[u8]) -> Option<Extension<'_>> {
    let (name, mut rest) = take_token(element)?;
    let mut params = Vec::new();
    while !rest.is_empty() {
        rest = trim_start(rest.strip_prefix(b";")?);
        let (name, after) = take_token(rest)?;
        (params, rest) = match after.strip_prefix(b"=") {
            None => (push(params, (name, None)), after),
            Some(after) => {
                let (value, after) = take_value(trim_start(after))?;
                (push(params, (name, Some(value))), after)
            }
        };
    }
    Some(Extension { name, params })
}

fn push<T>(mut list: Vec<T>, item: T) -> Vec<T> {
    list.push(item);
    list
}

fn trim_start(text: &[u8]) -> &[u8] {
    let spaces = text.iter().take_while(|byte| is_space(**byte)).count();
    &text[spaces..]
}

/// A token, and what follows it and its white space.
fn take_token(text: &[u8]) -> Option<(&str, &[u8])> {
    let end = text.iter().take_while(|byte| is_token_byte(**byte)).count();
    let (token, rest) = text.split_at(end);
    if token.is_empty() { None } else { Some((str::from_utf8(token).ok()?, trim_start(rest))) }
}

/// A token or a quoted string whose content is a token, and what follows it.
fn take_value(text: &[u8]) -> Option<(Cow<'_, str>, &[u8])> {
    let Some(quoted) = text.strip_prefix(b"\"") else {
        let (value, rest) = take_token(text)?;
        return Some((Cow::Borrowed(value), rest));
    };
    let mut unescaped: Option<String> = None;
    let mut at = 0;
    loop {
        match *quoted.get(at)? {
            b'"' => break,
            // RFC 9110 §5.6.4: a backslash stands for the octet behind it.
            b'\\' => {
                let before = &quoted[..at];
                let copy = match &mut unescaped {
                    Some(copy) => copy,
                    None => unescaped.insert(String::from(str::from_utf8(before).ok()?)),
                };
                at += 1;
                copy.push(token_char(*quoted.get(at)?)?);
            }
            byte => {
                let char = token_char(byte)?;
                if let Some(copy) = &mut unescaped {
                    copy.push(char);
                }
            }
        }
        at += 1;
    }
    let value = match unescaped {
        Some(copy) => Cow::Owned(copy),
        None => Cow::Borrowed(str::from_utf8(&quoted[..at]).ok()?),
    };
    // RFC 6455 §9.1: the value after unescaping is a token, so it is not empty either.
    if value.is_empty() { None } else { Some((value, trim_start(&quoted[at + 1..]))) }
}

fn token_char(byte: u8) -> Option<char> {
    is_token_byte(byte).then(|| char::from(byte))
}

/// Checks a field that the caller wants sent, so that it can neither inject a line nor override
/// what the handshake says itself.
pub(super) fn check_field(name: &str, value: &str, reserved: &[&str]) -> Result<(), HeaderError> {
    if !is_token(name.as_bytes()) {
        return Err(HeaderError::InvalidName);
    }
    if reserved.iter().any(|field| field.eq_ignore_ascii_case(name)) {
        return Err(HeaderError::Reserved);
    }
    let value = value.as_bytes();
    // RFC 9110 §5.5: no CR, LF, NUL; the other control characters have no business here either.
    let control = value.iter().any(|byte| byte.is_ascii_control() && *byte != b'\t');
    if control || trim(value).len() != value.len() {
        return Err(HeaderError::InvalidValue);
    }
    Ok(())
}

/// A decimal number of digits only, as in Content-Length and ports: `None` for signs and overflow.
pub(super) fn parse_digits(text: &[u8]) -> Option<u64> {
    if text.is_empty() {
        return None;
    }
    text.iter().try_fold(0_u64, |number, byte| {
        let digit = byte.is_ascii_digit().then(|| u64::from(byte - b'0'))?;
        number.checked_mul(10)?.checked_add(digit)
    })
}

#[cfg(test)]
#[path = "headers_tests.rs"]
mod tests;
