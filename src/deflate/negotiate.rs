//! Negotiation of permessage-deflate (RFC 7692 §5, §7.1) as functions over header values.
//!
//! Owns what an element means, what a server answers to it and whether an answer fits an offer.
//! Leaves the grammar of the field to [`parse_extensions`], and the field itself to the
//! [`handshake`](crate::handshake) or to an HTTP library of the caller's.

use core::error::Error;
use core::fmt;
use core::str::FromStr;

use crate::connection::Role;
use crate::handshake::{Extension, parse_extensions};

use super::Config;

const NAME: &str = "permessage-deflate";
const SERVER_NO_CONTEXT_TAKEOVER: &str = "server_no_context_takeover";
const CLIENT_NO_CONTEXT_TAKEOVER: &str = "client_no_context_takeover";
const SERVER_MAX_WINDOW_BITS: &str = "server_max_window_bits";
const CLIENT_MAX_WINDOW_BITS: &str = "client_max_window_bits";

const MIN_BITS: u8 = 8;
const MAX_BITS: u8 = 15;

/// Answers a client's offers as the server: the parameters to reply with, or `None` to go on
/// without compression (RFC 7692 §5).
///
/// `offers` are the elements of the Sec-WebSocket-Extensions fields of the request, which
/// [`parse_extensions`] gives. The first acceptable one wins, because a client lists its favourite
/// first. An element with an unknown or repeated parameter or a bad value is passed over, as other
/// extensions are; that is no error.
///
/// Within what the client offers, `config` decides:
///
/// - `server_no_context_takeover` and `client_no_context_takeover` are answered if the config says
///   so or the client offered them. The hint of a client that will not keep its window is taken up,
///   because then the server need not either.
/// - `server_max_window_bits` is the smaller of both, and answered if either side named one.
/// - `client_max_window_bits` likewise, but only to a client that offered the parameter. Others may
///   use any window, which is no reason to decline: this crate can inflate with all of them.
///
/// Write the answer's [`Display`](Params) into the Sec-WebSocket-Extensions field of the response.
/// [`Request::deflate`](crate::handshake::Request::deflate) and
/// [`Accept::deflate`](crate::handshake::Accept::deflate) do so in the handshake of this crate.
///
/// ```
/// use websocket_proto::deflate::{self, Config};
/// use websocket_proto::handshake::parse_extensions;
///
/// // From an HTTP library: the lines of Sec-WebSocket-Extensions, in their order.
/// let lines = [&b"permessage-deflate; server_max_window_bits=10, permessage-deflate"[..]];
/// let offers = parse_extensions(lines)?; // an error is answered with 400
///
/// let answer = deflate::answer(&offers, &Config::default()).expect("acceptable");
/// assert_eq!(answer.to_string(), "permessage-deflate; server_max_window_bits=10");
/// # Ok::<(), websocket_proto::handshake::ExtensionSyntaxError>(())
/// ```
pub fn answer<'e, 'a: 'e>(
    offers: impl IntoIterator<Item = &'e Extension<'a>>,
    config: &Config,
) -> Option<Params> {
    // RFC 7692 §7: an element that is at fault is declined, and says nothing about the next.
    let offer = offers.into_iter().find_map(|element| Offer::read(element).ok())?;
    Some(offer.answer(config))
}

/// Judges a server's answer as the client: the agreed parameters, or `None` if there is to be no
/// compression (RFC 7692 §5).
///
/// `offers` is what the client asked for, and `response` the elements of the
/// Sec-WebSocket-Extensions fields of the response, which [`parse_extensions`] gives. A client that
/// has offered further extensions takes their elements out first.
///
/// A `client_max_window_bits` above the client's own hint is accepted (RFC 7692 §7.2.1): a client
/// may use a smaller window than was agreed.
///
/// [`ClientRequest::deflate`](crate::handshake::ClientRequest::deflate) has the handshake of this
/// crate do this.
///
/// # Errors
///
/// If the response has an extension that was not offered, permessage-deflate twice, a parameter
/// that is unknown, repeated or has a bad value, or if it satisfies none of the offers. The client
/// fails the connection.
///
/// ```
/// use websocket_proto::connection::Role;
/// use websocket_proto::deflate::{self, Config, Offer};
/// use websocket_proto::handshake::parse_extensions;
///
/// let mut config = Config::default();
/// config.server_max_window_bits = 10;
/// let offer = Offer::new(&config);
/// assert_eq!(
///     offer.to_string(), // for Sec-WebSocket-Extensions, several with commas between
///     "permessage-deflate; server_max_window_bits=10; client_max_window_bits"
/// );
///
/// // From an HTTP library: the lines of Sec-WebSocket-Extensions, in their order.
/// let lines = [&b"permessage-deflate; server_max_window_bits=9"[..]];
/// let params = deflate::agree(&[offer], &parse_extensions(lines)?)?.expect("accepted");
/// assert_eq!(params.max_window_bits(Role::Server), 9);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn agree<'e, 'a: 'e>(
    offers: &[Offer],
    response: impl IntoIterator<Item = &'e Extension<'a>>,
) -> Result<Option<Params>, NegotiationError> {
    let mut agreed = None;
    for element in response {
        // RFC 6455 §4.1: every extension of the response was in the request.
        if offers.is_empty() {
            return Err(NegotiationError::UnexpectedExtension);
        }
        let params = Params::read(element)?;
        // RFC 7692 §5: the client fails on two extensions that both use RSV1.
        if agreed.replace(params).is_some() {
            return Err(NegotiationError::RepeatedExtension);
        }
    }
    match agreed {
        // RFC 7692 §5: the response need not equal an offer, but satisfies one.
        Some(params) if !offers.iter().any(|offer| offer.is_satisfied_by(&params)) => {
            Err(NegotiationError::UnsatisfiedOffer)
        }
        Some(_) | None => Ok(agreed),
    }
}

/// One element that a client offers (RFC 7692 §7.1).
///
/// It is made of a [`Config`] or parsed from text. Its `Display` is the element, to stand in a
/// Sec-WebSocket-Extensions field.
///
/// ```
/// use websocket_proto::deflate::{Config, Offer};
///
/// let offer = Offer::new(&Config::default());
/// assert_eq!(offer.to_string(), "permessage-deflate; client_max_window_bits");
/// assert_eq!(offer.to_string().parse(), Ok(offer));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Offer {
    server_no_context_takeover: bool,
    client_no_context_takeover: bool,
    server_max_window_bits: Option<u8>,
    client_max_window_bits: ClientWindow,
}

/// What an offer says of `client_max_window_bits` (RFC 7692 §7.1.2.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum ClientWindow {
    /// The response may not have the parameter.
    Unlimitable,
    /// The response may have it.
    Limitable,
    /// The response may have it, and the client says that it will not use more than this.
    Hint(u8),
}

impl Offer {
    /// Offers what a client with this configuration wants.
    ///
    /// `client_max_window_bits` is always offered, so that the server may limit the client's
    /// window, and without a value unless the config has less than 15. Everything else is offered
    /// only if the config asks for it.
    #[must_use]
    pub fn new(config: &Config) -> Self {
        Self {
            server_no_context_takeover: config.server_no_context_takeover,
            client_no_context_takeover: config.client_no_context_takeover,
            server_max_window_bits: below_max(config.server_max_window_bits),
            client_max_window_bits: below_max(config.client_max_window_bits)
                .map_or(ClientWindow::Limitable, ClientWindow::Hint),
        }
    }

    /// Reads an element by the rules for offers, which are those for responses but for one.
    fn read(element: &Extension<'_>) -> Result<Self, NegotiationError> {
        // RFC 6455 §9.1 says nothing of case, so names compare exactly, as subprotocols do.
        if element.name() != NAME {
            return Err(NegotiationError::UnexpectedExtension);
        }
        let (mut server_takeover, mut client_takeover) = (None, None);
        let (mut server_bits, mut client_bits) = (None, None);
        for (name, value) in element.params() {
            match name {
                SERVER_NO_CONTEXT_TAKEOVER => {
                    set(&mut server_takeover, no_value(value), SERVER_NO_CONTEXT_TAKEOVER)?;
                }
                CLIENT_NO_CONTEXT_TAKEOVER => {
                    set(&mut client_takeover, no_value(value), CLIENT_NO_CONTEXT_TAKEOVER)?;
                }
                SERVER_MAX_WINDOW_BITS => {
                    let bits = value.and_then(window_bits);
                    set(&mut server_bits, bits, SERVER_MAX_WINDOW_BITS)?;
                }
                CLIENT_MAX_WINDOW_BITS => {
                    let window = match value {
                        None => Some(ClientWindow::Limitable),
                        Some(value) => window_bits(value).map(ClientWindow::Hint),
                    };
                    set(&mut client_bits, window, CLIENT_MAX_WINDOW_BITS)?;
                }
                // RFC 7692 §7: no others are defined.
                _ => return Err(NegotiationError::UnknownParameter),
            }
        }
        Ok(Self {
            server_no_context_takeover: server_takeover.is_some(),
            client_no_context_takeover: client_takeover.is_some(),
            server_max_window_bits: server_bits,
            client_max_window_bits: client_bits.unwrap_or(ClientWindow::Unlimitable),
        })
    }

    /// What a server with this configuration replies. There is no offer that it has to decline.
    fn answer(&self, config: &Config) -> Params {
        let own_server = below_max(config.server_max_window_bits);
        let own_client = below_max(config.client_max_window_bits);
        Params {
            // RFC 7692 §7.1.1.1: to be answered if offered, and the server's to add.
            server_no_context_takeover: self.server_no_context_takeover
                || config.server_no_context_takeover,
            // RFC 7692 §7.1.1.2: the server's to ask for, whatever the client hinted.
            client_no_context_takeover: self.client_no_context_takeover
                || config.client_no_context_takeover,
            // RFC 7692 §7.1.2.1: to be answered if offered, with no larger value.
            server_max_window_bits: smaller(self.server_max_window_bits, own_server),
            // RFC 7692 §7.1.2.2: not to be answered unless offered. 15 is what its absence means.
            client_max_window_bits: match self.client_max_window_bits {
                ClientWindow::Unlimitable => None,
                ClientWindow::Limitable => own_client,
                ClientWindow::Hint(bits) => smaller(below_max(bits), own_client),
            },
        }
    }

    /// Whether a response with these parameters accepts this offer.
    fn is_satisfied_by(&self, params: &Params) -> bool {
        // RFC 7692 §7.1.1.1: what was demanded of the server is in the response,
        let takeover = !self.server_no_context_takeover || params.server_no_context_takeover;
        // §7.1.2.1: with the same or a smaller value;
        let server_window = match (self.server_max_window_bits, params.server_max_window_bits) {
            (None, _) => true,
            (Some(_), None) => false,
            (Some(most), Some(bits)) => bits <= most,
        };
        // §7.1.2.2: and the client's window is limited only if it may be. More than the hint is
        // fine: by §7.2.1 the client may use any window within it.
        let client_window = match self.client_max_window_bits {
            ClientWindow::Unlimitable => params.client_max_window_bits.is_none(),
            ClientWindow::Limitable | ClientWindow::Hint(_) => true,
        };
        takeover && server_window && client_window
    }
}

impl fmt::Display for Offer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(NAME)?;
        if self.server_no_context_takeover {
            write!(f, "; {SERVER_NO_CONTEXT_TAKEOVER}")?;
        }
        if self.client_no_context_takeover {
            write!(f, "; {CLIENT_NO_CONTEXT_TAKEOVER}")?;
        }
        if let Some(bits) = self.server_max_window_bits {
            write!(f, "; {SERVER_MAX_WINDOW_BITS}={bits}")?;
        }
        match self.client_max_window_bits {
            ClientWindow::Unlimitable => Ok(()),
            ClientWindow::Limitable => write!(f, "; {CLIENT_MAX_WINDOW_BITS}"),
            ClientWindow::Hint(bits) => write!(f, "; {CLIENT_MAX_WINDOW_BITS}={bits}"),
        }
    }
}

/// Reads one element by the rules of RFC 7692 §7.1 for offers.
impl FromStr for Offer {
    type Err = NegotiationError;

    fn from_str(text: &str) -> Result<Self, NegotiationError> {
        single(text, Self::read)
    }
}

/// The parameters that both sides have agreed on (RFC 7692 §7.1).
///
/// [`answer`] gives them to a server and [`agree`] to a client. Their `Display` is the element of
/// the response, which can be parsed as well: that helps where an HTTP library has negotiated, and
/// gives only the text away.
///
/// ```
/// use websocket_proto::connection::Role;
/// use websocket_proto::deflate::Params;
///
/// let element = "permessage-deflate; client_no_context_takeover; server_max_window_bits=10";
/// let params: Params = element.parse()?;
/// assert!(params.no_context_takeover(Role::Client));
/// assert_eq!(params.max_window_bits(Role::Server), 10);
/// assert_eq!(params.max_window_bits(Role::Client), 15); // not mentioned, so unlimited
/// assert_eq!(params.to_string(), element);
/// # Ok::<(), websocket_proto::deflate::NegotiationError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Params {
    server_no_context_takeover: bool,
    client_no_context_takeover: bool,
    /// `None`: not in the response, so 15.
    server_max_window_bits: Option<u8>,
    client_max_window_bits: Option<u8>,
}

impl Params {
    /// Whether the compressor of `role` begins each message with an empty window
    /// (RFC 7692 §7.1.1).
    #[must_use]
    pub const fn no_context_takeover(&self, role: Role) -> bool {
        match role {
            Role::Server => self.server_no_context_takeover,
            Role::Client => self.client_no_context_takeover,
        }
    }

    /// The largest window of the compressor of `role`, as a power of two: 8 to 15 (RFC 7692
    /// §7.1.2). A compressor may use less, and a decompressor has to have room for all of it.
    #[must_use]
    pub fn max_window_bits(&self, role: Role) -> u8 {
        match role {
            Role::Server => self.server_max_window_bits,
            Role::Client => self.client_max_window_bits,
        }
        .unwrap_or(MAX_BITS)
    }

    /// Reads an element of a response.
    fn read(element: &Extension<'_>) -> Result<Self, NegotiationError> {
        let Offer {
            server_no_context_takeover,
            client_no_context_takeover,
            server_max_window_bits,
            client_max_window_bits,
        } = Offer::read(element)?;
        let client_max_window_bits = match client_max_window_bits {
            ClientWindow::Unlimitable => None,
            ClientWindow::Hint(bits) => Some(bits),
            // RFC 7692 §7.1.2.2: in a response the value is required.
            ClientWindow::Limitable => {
                return Err(NegotiationError::InvalidParameter(CLIENT_MAX_WINDOW_BITS));
            }
        };
        Ok(Self {
            server_no_context_takeover,
            client_no_context_takeover,
            server_max_window_bits,
            client_max_window_bits,
        })
    }

    /// Whether a server may accept one of the offers with these parameters, whatever else there is
    /// among the offers.
    pub(crate) fn is_answer_to(&self, offers: &[Extension<'_>]) -> bool {
        let mut offers = offers.iter().filter_map(|element| Offer::read(element).ok());
        // RFC 7692 §7.1.2.2: a server may pass over the hint, but not answer with a larger value.
        // Clients need not mind, and some do.
        let within_hint = |offer: &Offer| match offer.client_max_window_bits {
            ClientWindow::Unlimitable | ClientWindow::Limitable => true,
            ClientWindow::Hint(most) => self.client_max_window_bits.is_none_or(|bits| bits <= most),
        };
        offers.any(|offer| offer.is_satisfied_by(self) && within_hint(&offer))
    }
}

impl fmt::Display for Params {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The offer with the same parameters reads the same.
        let element = Offer {
            server_no_context_takeover: self.server_no_context_takeover,
            client_no_context_takeover: self.client_no_context_takeover,
            server_max_window_bits: self.server_max_window_bits,
            client_max_window_bits: self
                .client_max_window_bits
                .map_or(ClientWindow::Unlimitable, ClientWindow::Hint),
        };
        element.fmt(f)
    }
}

/// Reads one element by the rules of RFC 7692 §7.1 for responses.
impl FromStr for Params {
    type Err = NegotiationError;

    fn from_str(text: &str) -> Result<Self, NegotiationError> {
        single(text, Self::read)
    }
}

/// What is wrong with an element of the peer's, or with the response as a whole.
///
/// Parameter names inside variants are spelled as in RFC 7692.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum NegotiationError {
    /// A text that is to be one element violates the grammar, or is none or several.
    Malformed,
    /// The extension is not permessage-deflate, or was not offered at all.
    UnexpectedExtension,
    /// The response has permessage-deflate more than once.
    RepeatedExtension,
    /// There is a parameter that permessage-deflate does not define.
    UnknownParameter,
    /// A parameter appears more than once.
    RepeatedParameter(&'static str),
    /// A parameter lacks its value, has one that it may not have, or one outside 8 to 15.
    InvalidParameter(&'static str),
    /// The response satisfies none of the offers: it lacks what each of them demands of the
    /// server, has a larger window, or limits that of a client which cannot have it limited.
    UnsatisfiedOffer,
}

impl fmt::Display for NegotiationError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Malformed => "not one extension (RFC 6455 §9.1)",
            Self::UnexpectedExtension => "extension was not offered (RFC 6455 §4.1)",
            Self::RepeatedExtension => "permessage-deflate accepted twice (RFC 7692 §5)",
            Self::UnknownParameter => "unknown parameter of permessage-deflate (RFC 7692 §7)",
            Self::RepeatedParameter(name) => return write!(f, "repeated {name} (RFC 7692 §7)"),
            Self::InvalidParameter(name) => {
                return write!(f, "invalid value of {name} (RFC 7692 §7.1)");
            }
            Self::UnsatisfiedOffer => "response satisfies no offer (RFC 7692 §5)",
        })
    }
}

impl Error for NegotiationError {}

/// The only element of a text.
fn single<T>(
    text: &str,
    read: impl FnOnce(&Extension<'_>) -> Result<T, NegotiationError>,
) -> Result<T, NegotiationError> {
    match parse_extensions([text.as_bytes()]).as_deref() {
        Ok([element]) => read(element),
        Ok(_) | Err(_) => Err(NegotiationError::Malformed),
    }
}

/// Fills in a parameter, whose value is `None` if it is not valid.
fn set<T>(
    slot: &mut Option<T>,
    value: Option<T>,
    name: &'static str,
) -> Result<(), NegotiationError> {
    let value = value.ok_or(NegotiationError::InvalidParameter(name))?;
    // RFC 7692 §7: no parameter appears twice, with whatever values.
    match slot.replace(value) {
        None => Ok(()),
        Some(_) => Err(NegotiationError::RepeatedParameter(name)),
    }
}

/// RFC 7692 §7.1.1: a parameter without a value.
fn no_value(value: Option<&str>) -> Option<()> {
    value.is_none().then_some(())
}

/// RFC 7692 §7.1.2.1: a decimal number from 8 to 15 without leading zeros.
fn window_bits(value: &str) -> Option<u8> {
    match value.as_bytes() {
        [digit @ b'8'..=b'9'] => Some(digit - b'0'),
        [b'1', digit @ b'0'..=b'5'] => Some(10 + (digit - b'0')),
        _ => None,
    }
}

/// A configured window, or `None` if it is the largest, which needs no mention.
fn below_max(bits: u8) -> Option<u8> {
    Some(bits.clamp(MIN_BITS, MAX_BITS)).filter(|bits| *bits < MAX_BITS)
}

/// The smaller of two windows, of which either may not be given.
fn smaller(one: Option<u8>, other: Option<u8>) -> Option<u8> {
    [one, other].into_iter().flatten().min()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_stay_small() {
        assert!(size_of::<NegotiationError>() <= 24);
    }
}
