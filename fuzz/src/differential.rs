//! The same bytes to this crate and to tungstenite.
//!
//! Where the two differ, RFC 6455 decides. The differences that are tungstenite's are listed in
//! [`excuse`], each with its section; any other is a defect here.

use std::io::{self, Read, Write};

use bytes::Bytes;
use tungstenite::protocol::{Role as TheirRole, WebSocket, WebSocketConfig};
use tungstenite::{Error, Message as TheirMessage, error::ProtocolError as TheirProtocolError};
use websocket_proto::connection::{Config, Role};
use websocket_proto::frame::Rsv;
use websocket_proto::{CloseCode, OwnedMessage, ProtocolError};

use crate::connection::{self, Item, Level};
use crate::{Split, connect};

/// How a run of tungstenite ended.
#[derive(Debug, PartialEq, Eq)]
enum Verdict {
    /// A Close frame came.
    Closed,
    /// The bytes ran out.
    Eof,
    /// The peer broke the protocol; the code that fits.
    Fault(CloseCode),
}

/// Both give the same messages, control frames, Pongs and verdict; this crate reads in `split`.
pub fn agree(role: Role, config: &Config, wire: &[u8], split: Split) {
    let mut config = config.clone();
    // Not in tungstenite: a bound on the number of fragments, and extensions.
    config.frame_allowance = u32::MAX;
    config.rsv = Rsv::NONE;
    // tungstenite's limit on frames holds for control frames too, which RFC 6455 §5.5 limits anyway.
    config.max_frame = config.max_frame.max(125);
    let ours = connection::run(connect(role, &config), Level::Messages, wire, split);
    let (theirs, verdict, output) = run_theirs(role, &config, wire);

    let mut their_items = theirs.iter();
    for item in &ours.items {
        let theirs = their_items.next();
        let same = theirs == Some(item) || theirs.is_some_and(|theirs| registered(item, theirs));
        assert!(same, "we have {item:?}, tungstenite {theirs:?}, then {verdict:?}");
    }
    let more = their_items.as_slice();
    let excused = match (ours.error, more, &verdict) {
        (None, [], Verdict::Closed | Verdict::Eof) => true,
        (Some(error), [], Verdict::Fault(code)) if error.close_code() == *code => true,
        (Some(error), _, _) => excuse(error, more, &verdict),
        (None, _, _) => false,
    };
    assert!(excused, "we end with {:?}, tungstenite with {more:?}, then {verdict:?}", ours.error);

    // tungstenite sends no Close after an error, and answers some Close frames otherwise.
    let ours: Vec<_> = pongs(connection::peer_hears(role, &ours.output));
    let theirs: Vec<_> = pongs(connection::peer_hears(role, &output));
    assert!(theirs.starts_with(&ours), "we answer {ours:?}, tungstenite {theirs:?}");
    assert!(theirs.len() == ours.len() || !more.is_empty());
}

/// Why tungstenite 0.30 may go on, or name another fault, where we end with `error`. It goes on
/// with the items `more` and then to its `verdict`.
fn excuse(error: ProtocolError, more: &[Item], verdict: &Verdict) -> bool {
    use ProtocolError as E;
    match (error, more, verdict) {
        // §5.2: "the minimal number of bytes MUST be used". tungstenite takes any encoding.
        // In a control frame (§5.5: at most 125 bytes) we refuse them at the second byte already.
        (E::NonMinimalLength | E::ControlTooLong, _, _) => true,
        // §7.4: it takes a Close with a bad code for a Close, and answers with 1002.
        (E::InvalidCloseCode(_), [Item::Close(_)], Verdict::Closed) => true,
        // §5.5.1, §7.4, §8.1: a Close with a bad code and a bad reason: either may be named.
        (E::InvalidCloseCode(_), [], Verdict::Fault(CloseCode::INVALID_PAYLOAD)) => true,
        // §5.1 to §5.5: a header with several faults, one of them being too long: either may be
        // named. (A length of 2^63 or more is one of them.)
        (_, [], Verdict::Fault(CloseCode::MESSAGE_TOO_BIG)) => {
            error.close_code() == CloseCode::PROTOCOL_ERROR
        }
        // §7.1.7, §8.1: it judges when the frame is complete, we at the first byte that is wrong.
        (_, [], Verdict::Eof) => true,
        _ => false,
    }
}

/// §7.4.2, IANA registry: tungstenite does not know 1014, which was registered after the RFC.
fn registered(ours: &Item, theirs: &Item) -> bool {
    matches!((ours, theirs), (Item::Close(Some((1014, _))), Item::Close(Some((1002, _)))))
}

fn pongs(mut items: Vec<Item>) -> Vec<Item> {
    items.retain(|item| matches!(item, Item::Pong(_)));
    items
}

/// A transport that has bytes and then ends.
struct Transport<'a> {
    input: &'a [u8],
    output: Vec<u8>,
}

impl Read for Transport<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.input.read(buffer)
    }
}

impl Write for Transport<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.output.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn run_theirs(role: Role, config: &Config, wire: &[u8]) -> (Vec<Item>, Verdict, Vec<u8>) {
    let role = match role {
        Role::Server => TheirRole::Server,
        Role::Client => TheirRole::Client,
    };
    let limit = |limit| Some(usize::try_from(limit).expect("limits are small"));
    let settings = WebSocketConfig::default()
        .read_buffer_size(4096)
        .max_frame_size(limit(config.max_frame))
        .max_message_size(limit(config.max_message));
    let transport = Transport { input: wire, output: Vec::new() };
    let mut socket = WebSocket::from_raw_socket(transport, role, Some(settings));
    let mut items = Vec::new();
    let verdict = loop {
        items.push(match socket.read() {
            Ok(TheirMessage::Text(text)) => Item::Message(OwnedMessage::Text(text.as_str().into())),
            Ok(TheirMessage::Binary(bytes)) => Item::Message(OwnedMessage::Binary(bytes)),
            Ok(TheirMessage::Ping(bytes)) => Item::Ping(Bytes::into(bytes)),
            Ok(TheirMessage::Pong(bytes)) => Item::Pong(Bytes::into(bytes)),
            Ok(TheirMessage::Close(frame)) => {
                let frame = frame.map(|frame| (frame.code.into(), frame.reason.as_str().into()));
                items.push(Item::Close(frame));
                break Verdict::Closed;
            }
            Ok(TheirMessage::Frame(_)) => unreachable!("read gives no frames"),
            Err(error) => break fault(&error),
        });
    };
    (items, verdict, std::mem::take(&mut socket.get_mut().output))
}

fn fault(error: &Error) -> Verdict {
    match error {
        Error::Protocol(TheirProtocolError::ResetWithoutClosingHandshake) => Verdict::Eof,
        Error::Protocol(_) => Verdict::Fault(CloseCode::PROTOCOL_ERROR),
        Error::Capacity(_) => Verdict::Fault(CloseCode::MESSAGE_TOO_BIG),
        Error::Utf8(_) => Verdict::Fault(CloseCode::INVALID_PAYLOAD),
        other => panic!("not expected of tungstenite: {other}"),
    }
}
