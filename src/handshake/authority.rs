//! Host and port, as they stand in a URL, a Host field and an origin.

use core::net::Ipv6Addr;

use super::error::UrlError;
use super::headers::parse_digits;

/// `host [":" port]` (RFC 3986 §3.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Authority<'a> {
    pub(super) host: Host<'a>,
    /// `None` as well for the empty port, which RFC 3986 §3.2.3 allows.
    pub(super) port: Option<u16>,
}

/// A host. IPv6 addresses compare as numbers, everything else without regard to ASCII case.
#[derive(Clone, Copy, Debug, Eq)]
pub(super) enum Host<'a> {
    /// A registered name or an IPv4 address.
    Name(&'a str),
    V6(Ipv6Addr),
}

impl PartialEq for Host<'_> {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Name(one), Self::Name(two)) => one.eq_ignore_ascii_case(two),
            (Self::V6(one), Self::V6(two)) => one == two,
            (Self::Name(_), Self::V6(_)) | (Self::V6(_), Self::Name(_)) => false,
        }
    }
}

impl<'a> Authority<'a> {
    pub(super) fn parse(text: &'a str) -> Result<Self, UrlError> {
        if text.contains('@') {
            return Err(UrlError::UserInfo);
        }
        if !text.is_ascii() {
            return Err(UrlError::NonAsciiHost);
        }
        let (host, port) = if let Some(literal) = text.strip_prefix('[') {
            let (address, port) = literal.split_once(']').ok_or(UrlError::InvalidHost)?;
            (Host::V6(address.parse().map_err(|_| UrlError::InvalidHost)?), port)
        } else {
            let (host, port) = text.split_at(text.find(':').unwrap_or(text.len()));
            if host.is_empty() {
                return Err(UrlError::EmptyHost);
            }
            if !is_registered_name(host) {
                return Err(UrlError::InvalidHost);
            }
            (Host::Name(host), port)
        };
        let port = match port.strip_prefix(':') {
            Some("") => None,
            Some(digits) => Some(parse_port(digits)?),
            None if port.is_empty() => None,
            None => return Err(UrlError::InvalidHost),
        };
        Ok(Self { host, port })
    }
}

fn parse_port(digits: &str) -> Result<u16, UrlError> {
    let number = parse_digits(digits.as_bytes()).ok_or(UrlError::InvalidPort)?;
    u16::try_from(number).map_err(|_| UrlError::InvalidPort)
}

/// RFC 3986 §3.2.2, without percent-encoding: that is for names outside the DNS, and a second
/// spelling of a host is a way around checks.
fn is_registered_name(host: &str) -> bool {
    host.bytes().all(is_unreserved_or_sub_delim)
}

/// RFC 3986 §2.2, §2.3: what stands for itself in a host and in a path alike.
pub(super) fn is_unreserved_or_sub_delim(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-._~!$&'()*+,;=".contains(&byte)
}
