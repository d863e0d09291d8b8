//! What holds for the negotiation of permessage-deflate, whatever is offered and answered.
//!
//! Verdicts are compared with those of [`Model`], a reading of RFC 7692 §7.1 that shares only the
//! grammar of the header field with the crate.

use websocket_proto::Input;
use websocket_proto::connection::Role;
use websocket_proto::deflate::{self, Config, NegotiationError, Offer, Params};
use websocket_proto::handshake::{
    Accept, ClientHandshake, ClientRequest, Extension, HandshakeError, Negotiated, ReplyError,
    ServerConfig, ServerHandshake, list_elements, parse_extensions,
};

const NONCE: [u8; 16] = *b"the sample nonce";
const FIELD: &str = "Sec-WebSocket-Extensions";

/// The first seven bytes of an input: two for each of three configurations, and how many the client
/// offers. All zero is all by default, and nothing offered.
#[derive(Debug)]
pub struct Terms {
    server: Config,
    offers: Vec<Config>,
}

impl Terms {
    /// Takes the terms off an input; `None` if it is shorter.
    pub fn take(data: &[u8]) -> Option<(Self, &[u8])> {
        let (&[a, b, c, d, e, f, count], rest) = data.split_first_chunk::<7>()?;
        let mut offers = vec![config(c, d), config(e, f)];
        offers.truncate(usize::from(count) % 3);
        Some((Self { server: config(a, b), offers }, rest))
    }
}

/// Two bits of flags; windows of 15 less four bits each, or of any size, if flag 4 is set.
fn config(flags: u8, bits: u8) -> Config {
    let mut config = Config::default();
    config.server_no_context_takeover = flags & 1 != 0;
    config.client_no_context_takeover = flags & 2 != 0;
    if flags & 4 == 0 {
        config.server_max_window_bits = 15 - (bits & 15);
        config.client_max_window_bits = 15 - (bits >> 4);
    } else {
        config.server_max_window_bits = bits;
        config.client_max_window_bits = bits.rotate_left(4);
    }
    config
}

/// The field lines of `text`, which line feeds divide, as they are in a message: trimmed.
fn lines(text: &[u8]) -> Vec<&[u8]> {
    if text.is_empty() {
        return Vec::new();
    }
    text.split(|byte| *byte == b'\n').map(<[u8]>::trim_ascii).collect()
}

/// A server answers the first offer that is valid, in range and so that a client that made these
/// offers accepts it; the handshake says the same as the functions, and takes no other terms.
pub fn server(terms: &Terms, text: &[u8]) {
    let lines = lines(text);
    let Ok(elements) = parse_extensions(lines.iter().copied()) else { return };
    let valid: Vec<_> = elements.iter().filter_map(Model::offer).collect();
    let answer = deflate::answer(&elements, &terms.server);
    assert_eq!(answer.is_some(), !valid.is_empty(), "{elements:?}");
    let texts = lines.iter().flat_map(|line| list_elements(line)).map(str::from_utf8);
    let offers: Vec<Offer> = texts.filter_map(|text| text.ok()?.parse().ok()).collect();
    assert_eq!(offers.len(), valid.len());
    if let Some(params) = answer {
        let model = check_params(&params);
        assert!(valid[0].allows(&model), "{params} to {elements:?}");
        let text = params.to_string();
        let response = parse_extensions([text.as_bytes()]).expect("an element");
        assert_eq!(deflate::agree(&offers, &response), Ok(Some(params)));
        assert_eq!(deflate::agree(&offers[..1], &response), Ok(Some(params)));
    }
    for offer in &offers {
        assert_eq!(offer.to_string().parse(), Ok(*offer));
    }
    in_handshake(terms, &lines, answer, &valid);
}

/// What goes through the heads of a request and a response.
fn in_handshake(terms: &Terms, lines: &[&[u8]], answer: Option<Params>, valid: &[Model]) {
    let mut head = b"GET / HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
        Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
        .to_vec();
    push_lines(&mut head, lines);
    let mut handshake = ServerHandshake::new(ServerConfig::default());
    // Valid fields alone: control characters and limits are the business of other targets.
    let Ok(Some(request)) = handshake.receive(&mut Input::new(&mut head)) else { return };
    assert_eq!(request.deflate(&terms.server), answer);
    // Terms that another client was offered.
    let other = Offer::new(terms.offers.first().unwrap_or(&terms.server)).to_string();
    let other = parse_extensions([other.as_bytes()]).expect("an offer");
    let other = deflate::answer(&other, &terms.server).expect("every offer of ours is acceptable");
    let mut out = Vec::new();
    match handshake.accept(&request, &Accept::new().deflate(other), &mut out) {
        Ok(negotiated) => {
            assert_eq!(negotiated.deflate(), Some(other));
            let other = check_params(&other);
            assert!(valid.iter().any(|offer| offer.allows(&other)));
        }
        Err(error) => {
            assert_eq!((error, out.len()), (ReplyError::DeflateNotOffered, 0));
            let reply = Accept::new().deflate(answer);
            let negotiated = handshake.accept(&request, &reply, &mut out).expect("valid terms");
            assert_eq!(negotiated.deflate(), answer);
        }
    }
}

/// A client accepts exactly the responses that satisfy one of its offers; the handshake says the
/// same as the functions; and it accepts the answer of any server of this crate.
pub fn client(terms: &Terms, text: &[u8]) {
    let offers: Vec<_> = terms.offers.iter().map(Offer::new).collect();
    let texts: Vec<_> = offers.iter().map(ToString::to_string).collect();
    let ours = texts.join(", ");
    let ours = parse_extensions(Some(ours.as_bytes()).filter(|_| !offers.is_empty()));
    let ours = ours.expect("offers are well-formed");
    let models: Vec<_> = ours.iter().filter_map(Model::offer).collect();
    assert_eq!(models.len(), offers.len());
    let answer = deflate::answer(&ours, &terms.server);
    assert_eq!(answer.is_some(), !offers.is_empty());
    if let Some(params) = answer {
        let text = params.to_string();
        let response = parse_extensions([text.as_bytes()]).expect("an element");
        assert_eq!(deflate::agree(&offers, &response), Ok(Some(params)));
    }

    let lines = lines(text);
    let parsed = parse_extensions(lines.iter().copied());
    let verdict = parsed.as_ref().map(|response| deflate::agree(&offers, response));
    if let (Ok(response), Ok(verdict)) = (&parsed, &verdict) {
        let model: Option<Vec<_>> = response.iter().map(Model::response).collect();
        let expected = match model.as_deref() {
            Some([]) => Some(None),
            Some([one]) if models.iter().any(|offer| offer.is_satisfied_by(one)) => Some(Some(one)),
            Some(_) | None => None,
        };
        let seen = verdict.ok().map(|params| params.as_ref().map(check_params));
        assert_eq!(seen.as_ref().map(Option::as_ref), expected, "{verdict:?} {response:?}");
    }

    let mut head = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\
        Connection: Upgrade\r\nSec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n"
        .to_vec();
    push_lines(&mut head, &lines);
    let request = ClientRequest::new("ws://a/").expect("a valid URL");
    let request = terms.offers.iter().fold(request, ClientRequest::deflate);
    let mut handshake = ClientHandshake::start(&request, NONCE, &mut Vec::new());
    let expected = match verdict {
        Ok(verdict) => verdict.map_err(HandshakeError::from),
        Err(_) => Err(HandshakeError::InvalidField(FIELD)),
    };
    match handshake.receive(&mut Input::new(&mut head)) {
        Err(
            HandshakeError::MalformedHeader
            | HandshakeError::MalformedLineEnd
            | HandshakeError::HeadTooLong { .. }
            | HandshakeError::TooManyHeaders { .. },
        ) => {}
        Err(error) => assert_eq!(Err(error), expected),
        Ok(response) => {
            let response = response.expect("complete");
            assert_eq!(Ok(response.negotiated().and_then(Negotiated::deflate)), expected);
        }
    }
}

fn push_lines(head: &mut Vec<u8>, lines: &[&[u8]]) {
    for line in lines {
        head.extend(FIELD.bytes());
        head.extend(b": ");
        head.extend(*line);
        head.extend(b"\r\n");
    }
    head.extend(b"\r\n");
}

/// Parameters are in range, and what they are written as is read as the same.
fn check_params(params: &Params) -> Model {
    for role in [Role::Server, Role::Client] {
        assert!((8..=15).contains(&params.max_window_bits(role)));
    }
    let text = params.to_string();
    assert_eq!(text.parse(), Ok::<_, NegotiationError>(*params));
    let elements = parse_extensions([text.as_bytes()]).expect("an element");
    let [element] = elements.as_slice() else { panic!("one element") };
    let model = Model::response(element).expect("a valid response");
    assert_eq!(params.no_context_takeover(Role::Server), model.server_takeover.is_some());
    assert_eq!(params.no_context_takeover(Role::Client), model.client_takeover.is_some());
    let bits = |value: &Option<Option<String>>| match value {
        Some(value) => number(value.as_deref()).expect("valid"),
        None => 15,
    };
    assert_eq!(params.max_window_bits(Role::Server), bits(&model.server_bits));
    assert_eq!(params.max_window_bits(Role::Client), bits(&model.client_bits));
    model
}

/// An element of permessage-deflate: each parameter that is there, with its value if it has one.
#[derive(Debug, PartialEq)]
struct Model {
    server_takeover: Option<Option<String>>,
    client_takeover: Option<Option<String>>,
    server_bits: Option<Option<String>>,
    client_bits: Option<Option<String>>,
}

/// RFC 7692 §7.1.2: one of the eight values there are.
fn number(value: Option<&str>) -> Option<u8> {
    (8..=15).find(|bits: &u8| value == Some(bits.to_string().as_str()))
}

impl Model {
    /// An element that is valid in both directions, but for `client_max_window_bits` without value.
    fn offer(element: &Extension<'_>) -> Option<Self> {
        let all: Vec<_> = element.params().collect();
        let find = |wanted: &str| {
            let mut found = all.iter().filter(|(name, _)| *name == wanted);
            found.next().map(|(_, value)| value.map(str::to_owned))
        };
        let model = Self {
            server_takeover: find("server_no_context_takeover"),
            client_takeover: find("client_no_context_takeover"),
            server_bits: find("server_max_window_bits"),
            client_bits: find("client_max_window_bits"),
        };
        let fields = [
            &model.server_takeover,
            &model.client_takeover,
            &model.server_bits,
            &model.client_bits,
        ];
        // Each that is known was found once; what is left over is unknown or a repetition.
        let known = fields.iter().filter(|field| field.is_some()).count();
        let bare = |field: &Option<Option<String>>| !matches!(field, Some(Some(_)));
        let in_range = |value: &Option<String>| number(value.as_deref()).is_some();
        let valid = element.name() == "permessage-deflate"
            && known == all.len()
            && bare(&model.server_takeover)
            && bare(&model.client_takeover)
            && model.server_bits.iter().all(in_range)
            && model.client_bits.iter().flatten().all(|value| number(Some(value)).is_some());
        valid.then_some(model)
    }

    /// An element that is valid in a response: all values are there.
    fn response(element: &Extension<'_>) -> Option<Self> {
        Self::offer(element).filter(|model| model.client_bits != Some(None))
    }

    /// RFC 7692 §7.1, "accepts this offer by including ...".
    fn is_satisfied_by(&self, response: &Self) -> bool {
        let bits = |value: &Option<Option<String>>| number(value.as_ref()?.as_deref());
        (self.server_takeover.is_none() || response.server_takeover.is_some())
            && (self.client_bits.is_some() || response.client_bits.is_none())
            && bits(&self.server_bits)
                .is_none_or(|most| bits(&response.server_bits).is_some_and(|bits| bits <= most))
    }

    /// What a server may answer: the client's hint is its limit, too.
    fn allows(&self, response: &Self) -> bool {
        let bits = |value: &Option<Option<String>>| number(value.as_ref()?.as_deref());
        let (most, answered) = (bits(&self.client_bits), bits(&response.client_bits));
        let within_hint = most.is_none_or(|most| answered.is_none_or(|bits| bits <= most));
        self.is_satisfied_by(response) && within_hint
    }
}
