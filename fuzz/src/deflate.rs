//! What holds for permessage-deflate, whatever is sent and whatever comes.
//!
//! Both targets begin with [`Terms`]: one byte of takeover and roles, one of windows, and one of
//! levels. All zero is a server with all by default.

use websocket_proto::connection::{Fragment, Role};
use websocket_proto::deflate::{Compression, Config, Params};
use websocket_proto::endpoint::{self, Endpoint, Status};
use websocket_proto::frame::Header;
use websocket_proto::{Kind, Message, Outbound, OwnedMessage, PreparedMessage, ProtocolError};
use zlib_rs::{Inflate, InflateFlush, Status as Zlib};

use crate::{Split, connect, keys};

const LIMITS: [u64; 4] = [1 << 20, 100, 1000, 70_000];
const NO_TAKEOVER: [&str; 2] = ["; server_no_context_takeover", "; client_no_context_takeover"];

/// What two ends have agreed on, and how this one compresses.
#[derive(Debug)]
pub struct Terms {
    pub role: Role,
    pub split: Split,
    params: Params,
    config: Config,
    limit: u64,
}

impl Terms {
    /// Takes the terms off an input; `None` if it is shorter.
    pub fn take(data: &[u8]) -> Option<(Self, &[u8])> {
        let (&[flags, windows, levels, split], rest) = data.split_first_chunk::<4>()?;
        let mut element = "permessage-deflate".to_owned();
        for (i, parameter) in NO_TAKEOVER.iter().enumerate() {
            if flags >> i & 1 != 0 {
                element.push_str(parameter);
            }
        }
        let (server, client) = (15 - (windows & 7), 15 - (windows >> 4 & 7));
        element.push_str(&format!("; server_max_window_bits={server}"));
        element.push_str(&format!("; client_max_window_bits={client}"));
        let mut config = Config::default();
        config.level = levels % 10;
        config.mem_level = 9 - levels / 10 % 9;
        config.max_ratio = (flags & 8 != 0).then_some(20);
        config.threshold = if flags & 16 != 0 { 0 } else { 64 };
        let terms = Self {
            role: if flags & 4 == 0 { Role::Server } else { Role::Client },
            split: Split::Seeded(u64::from(split)),
            params: element.parse().expect("valid"),
            config,
            limit: LIMITS[usize::from(flags >> 6)],
        };
        Some((terms, rest))
    }

    fn endpoint(&self, role: Role, limit: u64) -> Endpoint {
        let mut config = endpoint::Config::default();
        config.connection.max_message = limit;
        config.connection.max_frame = u64::MAX;
        config.connection.frame_allowance = u32::MAX;
        config.high_watermark = usize::MAX;
        config.deflate = Some(self.config.clone());
        Endpoint::with_deflate(connect(role, &config.connection), &config, self.params)
    }
}

fn other(role: Role) -> Role {
    match role {
        Role::Server => Role::Client,
        Role::Client => Role::Server,
    }
}

/// Everything that an endpoint makes of `wire`, and its error; it is released now and then.
fn receive(
    endpoint: &mut Endpoint,
    mut wire: &[u8],
    split: Split,
) -> (Vec<OwnedMessage>, Option<ProtocolError>) {
    let (mut messages, mut sizes) = (Vec::new(), split.sizes());
    while !wire.is_empty() {
        let room = endpoint.read_buf();
        let count = sizes.next().unwrap_or(1).min(room.len()).min(wire.len());
        room[..count].copy_from_slice(&wire[..count]);
        endpoint.advance_read(count);
        wire = &wire[count..];
        loop {
            match endpoint.poll() {
                Ok(Status::Message) => match endpoint.take_message() {
                    Ok(message) => messages.push(message),
                    Err(error) => return (messages, Some(error)),
                },
                Ok(Status::NeedRead | Status::Closed) => break,
                Err(error) => return (messages, Some(error)),
            }
        }
        if count % 3 == 0 {
            endpoint.release();
        }
    }
    (messages, None)
}

/// Whatever is sent arrives, in whatever way it is sent and read.
///
/// Each message is two bytes and a payload: how it is sent, and how long it is. Some repeat what
/// was sent before.
pub fn arrives(terms: &Terms, mut rest: &[u8]) {
    keys::reset();
    let mut sender = terms.endpoint(terms.role, 1 << 30);
    let mut receiver = terms.endpoint(other(terms.role), 1 << 30);
    let (mut sent, mut wire): (Vec<OwnedMessage>, Vec<u8>) = (Vec::new(), Vec::new());
    let mut total = 0;
    while let [how, len, after @ ..] = rest {
        let (fresh, after) = after.split_at(after.len().min(usize::from(*len)));
        rest = after;
        let mut payload = fresh.repeat(1 << (how >> 6 << 1));
        if how & 32 != 0
            && let Some(last) = sent.last()
        {
            payload.extend_from_slice(last.as_bytes());
        }
        total += payload.len();
        if total > 1 << 20 {
            break;
        }
        let message: OwnedMessage = match String::from_utf8(payload) {
            Ok(text) => text.into(),
            Err(error) => error.into_bytes().into(),
        };
        let compression = match how & 3 {
            0 | 1 => Compression::Auto,
            2 => Compression::Always,
            _ => Compression::Never,
        };
        send(&mut sender, &message, how >> 2 & 7, compression, usize::from(*len));
        sent.push(message);
        if how & 3 == 1 {
            sender.release();
        }
        wire.extend(sender.chunks().flatten());
        sender.advance_write(sender.queued());
    }
    let (messages, error) = receive(&mut receiver, &wire, terms.split);
    assert_eq!(error, None);
    assert!(messages == sent, "what arrives is what was sent");
}

fn send(
    sender: &mut Endpoint,
    message: &OwnedMessage,
    how: u8,
    compression: Compression,
    step: usize,
) {
    let outbound = Outbound::from(message).compression(compression);
    match how {
        0 | 1 => sender.send(outbound).expect("open"),
        2 => sender.send_owned(message.clone()).expect("open"),
        3 => {
            let prepared = PreparedMessage::new(message);
            sender.send(Outbound::from(&prepared).compression(compression)).expect("open");
        }
        4 => {
            // Without a key a client sends nothing, and its window stays in step.
            keys::set_dry(true);
            let result = sender.send(outbound);
            keys::set_dry(false);
            if result.is_err() {
                assert_eq!(sender.queued(), 0);
                sender.send(outbound).expect("there is a key");
            }
        }
        _ => {
            let bytes = message.as_bytes();
            let step = step % 50 + 1;
            let (mut at, count) = (0, 2 + step % 3);
            for part in 0..count {
                let last = part + 1 == count;
                let mut end = if last { bytes.len() } else { bytes.len().min(at + part * step) };
                let part = match message {
                    OwnedMessage::Text(text) => {
                        while !text.is_char_boundary(end) {
                            end += 1;
                        }
                        Message::Text(&text[at..end])
                    }
                    OwnedMessage::Binary(bytes) => Message::Binary(&bytes[at..end]),
                };
                at = end;
                let fragment = if last { Fragment::Last } else { Fragment::More };
                let part = Outbound::from(part).compression(compression);
                sender.send_part(part, fragment).expect("open");
                if how == 6 && !last {
                    sender.ping(b"between").expect("open");
                    assert!(sender.send("not now").is_err(), "a message is under way");
                }
            }
        }
    }
}

/// Hostile payloads come to the same however they are cut, and to what zlib makes of them; limits
/// hold.
///
/// Each message is one byte for its size and type, and a payload.
pub fn is_judged_alike(terms: &Terms, mut rest: &[u8]) {
    keys::reset();
    let mut wire = Vec::new();
    let mut model = Model::new(terms);
    while let [head, after @ ..] = rest {
        let (payload, after) = after.split_at(after.len().min(usize::from(*head >> 1)));
        rest = after;
        let kind = if head & 1 == 0 { Kind::Binary } else { Kind::Text };
        let header = Header {
            fin: true,
            rsv: websocket_proto::frame::Rsv::RSV1,
            opcode: kind.opcode(),
            mask: (terms.role == Role::Server)
                .then_some(websocket_proto::frame::mask::MaskKey::new([0; 4])),
            len: u64::try_from(payload.len()).expect("short"),
        };
        wire.extend_from_slice(&header.encode());
        wire.extend_from_slice(payload);
        model.message(kind, payload);
    }
    let mut verdicts = [Split::Whole, Split::Bytewise, terms.split].map(|split| {
        let mut endpoint = terms.endpoint(terms.role, terms.limit);
        let (messages, error) = receive(&mut endpoint, &wire, split);
        for message in &messages {
            let len = u64::try_from(message.as_bytes().len()).expect("fits");
            assert!(len <= terms.limit, "the limit holds");
        }
        let closes = endpoint.chunks().flatten().next().is_some();
        assert_eq!(closes, error.is_some(), "a Close, and nothing else");
        (messages, error)
    });
    let [whole, others @ ..] = &mut verdicts;
    for other in others {
        assert_eq!(whole, other, "whole, and in pieces");
    }
    model.compare(&whole.0, whole.1);
}

/// One inflater of zlib for all, that is given whole payloads.
struct Model<'t> {
    terms: &'t Terms,
    history: Vec<u8>,
    messages: Vec<OwnedMessage>,
    /// Whether nothing has been wrong so far.
    valid: bool,
}

impl<'t> Model<'t> {
    fn new(terms: &'t Terms) -> Self {
        Self { terms, history: Vec::new(), messages: Vec::new(), valid: true }
    }

    fn message(&mut self, kind: Kind, payload: &[u8]) {
        let peer = other(self.terms.role);
        if self.terms.params.no_context_takeover(peer) {
            self.history.clear();
        }
        let Some(output) = self.valid.then(|| self.inflate(payload)).flatten() else {
            self.valid = false;
            return;
        };
        self.history.extend_from_slice(&output);
        match (kind, String::from_utf8(output)) {
            (Kind::Text, Ok(text)) => self.messages.push(text.into()),
            (Kind::Text, Err(_)) => self.valid = false,
            (Kind::Binary, Ok(text)) => self.messages.push(text.into_bytes().into()),
            (Kind::Binary, Err(error)) => self.messages.push(error.into_bytes().into()),
        }
    }

    /// The message, if it ends where it must: all of it at once, a stream behind each final block.
    fn inflate(&self, payload: &[u8]) -> Option<Vec<u8>> {
        let mut output: Vec<u8> = Vec::new();
        let mut input = payload;
        while !input.is_empty() {
            let window = [&self.history[..], &output].concat();
            let window = &window[window.len().saturating_sub(32 * 1024)..];
            let run = |input: &[u8]| {
                let mut zlib = Inflate::new(false, 15);
                zlib.set_dictionary(window).expect("raw");
                let mut out = vec![0; 1 << 21];
                let status = zlib.decompress(input, &mut out, InflateFlush::NoFlush).ok()?;
                let consumed = usize::try_from(zlib.total_in()).expect("fits");
                out.truncate(usize::try_from(zlib.total_out()).expect("fits"));
                Some((status, consumed, out))
            };
            let (status, consumed, out) = run(input)?;
            if status == Zlib::StreamEnd {
                output.extend(out);
                input = &input[consumed..];
                continue;
            }
            // `x` in a stored block, which is its own proof that the tail ended one.
            let tailed = [input, b"\0\0\xff\xff"].concat();
            let (status, consumed, with_tail) = run(&tailed)?;
            if with_tail.len() != out.len() {
                return None;
            }
            if status == Zlib::StreamEnd {
                output.extend(out);
                return (consumed == tailed.len()).then_some(output);
            }
            let proof = [&tailed[..], b"\x01\x01\0\xfe\xffx"].concat();
            let (status, consumed, proven) = run(&proof)?;
            let proven = status == Zlib::StreamEnd
                && consumed == proof.len()
                && proven.strip_suffix(b"x") == Some(&out[..]);
            output.extend(out);
            return proven.then_some(output);
        }
        Some(output)
    }

    fn compare(&self, messages: &[OwnedMessage], error: Option<ProtocolError>) {
        match error {
            None => assert!(self.valid && messages == self.messages, "as zlib has it"),
            Some(ProtocolError::InvalidUtf8) => assert!(!self.valid),
            Some(ProtocolError::InvalidDeflate) => assert!(!self.valid),
            // Limits that zlib does not have.
            Some(
                ProtocolError::MessageTooLong { .. }
                | ProtocolError::TooManyFinalBlocks { .. }
                | ProtocolError::CompressionRatio { .. },
            ) => {}
            Some(error) => panic!("{error}"),
        }
        assert!(self.messages.starts_with(messages), "no message that zlib does not have");
    }
}
