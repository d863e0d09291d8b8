//! What holds for every connection, whatever bytes it is given.

use websocket_proto::connection::{CloseOutcome, Config, Connection, Event, Role};
use websocket_proto::frame::Rsv;
use websocket_proto::{Assembler, Input, Kind, OwnedMessage, ProtocolError};

use crate::{Split, connect, keys, peer_of};

/// Something that a connection gave, in a form that does not depend on the split.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Item {
    /// Pieces of one message with no other event in between, joined.
    Piece {
        kind: Kind,
        rsv: Rsv,
        first: bool,
        last: bool,
        bytes: Vec<u8>,
    },
    Message(OwnedMessage),
    Ping(Vec<u8>),
    Pong(Vec<u8>),
    Close(Option<(u16, String)>),
}

/// Whether the pieces of messages are looked at, or the messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Level {
    Pieces,
    Messages,
}

/// Everything that came of a run.
#[derive(Debug, PartialEq, Eq)]
pub struct Transcript {
    pub items: Vec<Item>,
    pub error: Option<ProtocolError>,
    /// What was transmitted, replies to each event right behind it.
    pub output: Vec<u8>,
    pub outcome: Option<CloseOutcome>,
}

/// Any split gives the same events, messages, output and error; and each run keeps to the rules of
/// [`run`].
pub fn is_the_same_in_any_split(role: Role, config: &Config, wire: &[u8], split: Split) {
    for level in [Level::Pieces, Level::Messages] {
        let whole = run(connect(role, config), level, wire, Split::Whole);
        assert_eq!(whole, run(connect(role, config), level, wire, split), "{split:?}");
        if wire.len() <= 1024 {
            assert_eq!(whole, run(connect(role, config), level, wire, Split::Bytewise));
        }
    }
}

/// Feeds `wire` to a connection, and asserts what holds on the way: each call makes progress, and
/// there are not too many of them; errors stay; one Close frame at most goes out, with nothing
/// behind it; the peer understands the output.
pub fn run(mut connection: Connection, level: Level, wire: &[u8], split: Split) -> Transcript {
    keys::reset();
    let role = connection.role();
    let mut wire = wire.to_vec();
    let (received, mut calls) = (wire.len(), 0);
    let mut assembler = Assembler::new();
    let mut made = Transcript { items: Vec::new(), error: None, output: Vec::new(), outcome: None };
    for piece in split.pieces(&mut wire) {
        let mut input = Input::new(piece);
        loop {
            let before = input.len();
            let result = connection.receive(&mut input);
            calls += 1;
            let event = match result {
                Ok(Some(event)) => event,
                Ok(None) => {
                    assert!(input.is_empty(), "None means that the input is used up");
                    assert_eq!(made.error, None, "an error stays");
                    break;
                }
                Err(error) => {
                    assert_eq!(*made.error.get_or_insert(error), error, "an error stays");
                    break;
                }
            };
            assert!(input.len() < before, "an event takes at least a byte");
            assert_eq!(made.error, None, "nothing comes after an error");
            assert!(
                !matches!(made.items.last(), Some(Item::Close(_))),
                "nothing comes after Close"
            );
            match (event, level) {
                (Event::Data(piece), Level::Messages) => {
                    match assembler.push(piece, &mut connection) {
                        Ok(Some(message)) => made.items.push(Item::Message(message.into_owned())),
                        Ok(None) => {}
                        Err(error) => made.error = Some(error),
                    }
                }
                (event, _) => push(&mut made.items, event),
            }
            transmit(&mut connection, &mut made.output);
        }
        transmit(&mut connection, &mut made.output);
    }
    assert!(calls <= 2 * received + 8, "{calls} calls for {received} bytes");
    stays_ended(&mut connection, &mut made);
    made.outcome = connection.outcome();
    let heard = peer_hears(role, &made.output);
    check_close(&connection, &made, &heard);
    made
}

fn push(items: &mut Vec<Item>, event: Event<'_>) {
    match event {
        Event::Data(piece) => match items.last_mut() {
            Some(Item::Piece { bytes, last, .. }) if !*last && !piece.first => {
                bytes.extend_from_slice(piece.payload);
                *last = piece.last;
            }
            _ => items.push(Item::Piece {
                kind: piece.kind,
                rsv: piece.rsv,
                first: piece.first,
                last: piece.last,
                bytes: piece.payload.to_vec(),
            }),
        },
        Event::Ping(payload) => items.push(Item::Ping(payload.to_vec())),
        Event::Pong(payload) => items.push(Item::Pong(payload.to_vec())),
        Event::Close(frame) => items.push(Item::Close(
            frame.map(|frame| (u16::from(frame.code()), frame.reason().to_owned())),
        )),
    }
}

fn transmit(connection: &mut Connection, output: &mut Vec<u8>) {
    let (before, wanted) = (output.len(), connection.wants_transmit());
    connection.poll_transmit(output).expect("keys do not run out");
    assert_eq!(output.len() > before, wanted, "wants_transmit tells");
    assert!(!connection.wants_transmit(), "poll_transmit gives everything");
}

/// After the end further bytes change nothing; the end of the transport ends what has not ended.
fn stays_ended(connection: &mut Connection, made: &mut Transcript) {
    if !connection.is_receiving() {
        let mut more = *b"\x81\x00\x89\x80\0\0\0\0";
        let again = connection.receive(&mut Input::new(&mut more));
        match made.error {
            Some(error) => assert_eq!(again, Err(error)),
            None => assert_eq!(again, Ok(None)),
        }
        transmit(connection, &mut made.output);
    }
    let clean = connection.receive_eof();
    assert_eq!(connection.receive_eof(), clean, "the end is the same when asked again");
    assert!(connection.should_close_transport());
    let outcome = connection.outcome().expect("the transport has ended");
    let closed = matches!(made.items.last(), Some(Item::Close(_)));
    assert_eq!(outcome.is_clean(), closed, "clean if, and only if, a Close came");
    assert_eq!(clean.is_err(), !closed && made.error.is_none());
    assert!(connection.send("late", &mut Vec::new()).is_err());
    assert!(connection.ping(b"").is_err());
    transmit(connection, &mut made.output);
}

/// What the other role makes of the output, in order.
pub fn peer_hears(role: Role, output: &[u8]) -> Vec<Item> {
    let mut output = output.to_vec();
    let mut input = Input::new(&mut output);
    let mut peer = peer_of(role);
    let mut assembler = Assembler::new();
    let mut items = Vec::new();
    loop {
        let left = input.len();
        match peer.receive(&mut input) {
            Ok(None) => {
                let closed = matches!(items.last(), Some(Item::Close(_)));
                assert!(!closed || left == 0, "{left} bytes were sent after Close");
                return items;
            }
            Ok(Some(Event::Data(piece))) => match assembler.push(piece, &mut peer) {
                Ok(Some(message)) => items.push(Item::Message(message.into_owned())),
                Ok(None) => {}
                Err(error) => panic!("the peer fails on our text: {error}"),
            },
            Ok(Some(event)) => push(&mut items, event),
            Err(error) => panic!("the peer fails on our output: {error}"),
        }
    }
}

/// The Close frame says what happened, and each Ping has had its Pong.
fn check_close(connection: &Connection, made: &Transcript, heard: &[Item]) {
    let answers = made.items.iter().filter_map(|item| match item {
        Item::Ping(payload) => Some(Item::Pong(payload.clone())),
        Item::Close(frame) => Some(Item::Close(frame.clone())),
        Item::Piece { .. } | Item::Message(_) | Item::Pong(_) => None,
    });
    let failure = made
        .error
        .map(|error| Item::Close(Some((u16::from(error.close_code()), error.reason().to_owned()))));
    let expected: Vec<_> = answers.chain(failure).collect();
    assert_eq!(heard, expected);
    assert!(!connection.is_open());
}
