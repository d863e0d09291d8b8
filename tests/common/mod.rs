//! What the integration tests share: a codec of their own, written apart from the crate's, and
//! [`Peer`], which feeds wire bytes to a connection and notes what comes out.
//!
//! [`receive`] is how a receiving test feeds bytes: in every split that is affordable, with and
//! without an [`Endpoint`], and it insists that all of them give the same.
#![allow(dead_code, clippy::unwrap_used)]

pub(crate) mod inflate;

use std::cell::Cell;

use websocket_proto::connection::{CloseOutcome, Config, NoEntropy, Role};
use websocket_proto::deflate::{self, Params};
use websocket_proto::endpoint::{self, Endpoint, Received, Status};
use websocket_proto::frame::Rsv;
use websocket_proto::{Assembler, Connection, Event, Input, Message, ProtocolError};

/// The key of RFC 6455 §5.7, which the tests' clients use.
pub(crate) const KEY: [u8; 4] = [0x37, 0xfa, 0x21, 0x3d];

pub(crate) const ROLES: [Role; 2] = [Role::Client, Role::Server];

pub(crate) const fn other(role: Role) -> Role {
    match role {
        Role::Client => Role::Server,
        Role::Server => Role::Client,
    }
}

// ---- a second codec, byte by byte, to compare with --------------------------------------------

/// RFC 6455 §5.3, as it is written there.
pub(crate) fn masked(payload: &[u8], key: [u8; 4]) -> Vec<u8> {
    payload.iter().enumerate().map(|(i, byte)| byte ^ key[i % 4]).collect()
}

/// A header with the first byte `b0` and the shortest length.
pub(crate) fn header(b0: u8, len: u64, key: Option<[u8; 4]>) -> Vec<u8> {
    let mask = if key.is_some() { 0x80 } else { 0 };
    let mut out = vec![b0];
    if len < 126 {
        out.push(mask | u8::try_from(len).unwrap());
    } else if len < 65_536 {
        out.push(mask | 126);
        out.extend(u16::try_from(len).unwrap().to_be_bytes());
    } else {
        out.push(mask | 127);
        out.extend(len.to_be_bytes());
    }
    out.extend(key.unwrap_or_default().iter().take(if key.is_some() { 4 } else { 0 }));
    out
}

/// A frame as it would reach the end with the role `to`: masked if that is the server.
pub(crate) fn frame(to: Role, b0: u8, payload: &[u8]) -> Vec<u8> {
    let key = (to == Role::Server).then_some(KEY);
    let mut out = header(b0, u64::try_from(payload.len()).unwrap(), key);
    out.extend(key.map_or(payload.to_vec(), |key| masked(payload, key)));
    out
}

/// Several frames in a row.
pub(crate) fn frames(to: Role, list: &[(u8, &[u8])]) -> Vec<u8> {
    list.iter().flat_map(|(b0, payload)| frame(to, *b0, payload)).collect()
}

/// The payload of a Close frame.
pub(crate) fn close_body(code: u16, reason: &str) -> Vec<u8> {
    [&code.to_be_bytes(), reason.as_bytes()].concat()
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Frame {
    pub(crate) b0: u8,
    pub(crate) key: Option<[u8; 4]>,
    pub(crate) payload: Vec<u8>,
}

/// Parses what an end has sent; everything must be whole and in its shortest form.
pub(crate) fn parse(mut bytes: &[u8]) -> Vec<Frame> {
    let mut out = Vec::new();
    let take = |bytes: &mut &[u8], n: usize| {
        let (a, b) = bytes.split_at(n);
        *bytes = b;
        a.to_vec()
    };
    while !bytes.is_empty() {
        let head = take(&mut bytes, 2);
        let len = match head[1] & 0x7f {
            126 => {
                let len = u16::from_be_bytes(take(&mut bytes, 2).try_into().unwrap());
                assert!(len > 125, "not the shortest form");
                u64::from(len)
            }
            127 => {
                let len = u64::from_be_bytes(take(&mut bytes, 8).try_into().unwrap());
                assert!(len > 65_535, "not the shortest form");
                len
            }
            len => u64::from(len),
        };
        let key: Option<[u8; 4]> =
            (head[1] & 0x80 != 0).then(|| take(&mut bytes, 4).try_into().unwrap());
        let payload = take(&mut bytes, usize::try_from(len).unwrap());
        let payload = key.map_or(payload.clone(), |key| masked(&payload, key));
        out.push(Frame { b0: head[0], key, payload });
    }
    out
}

/// What `from` has sent, as first bytes and payloads; checks that a client masks each frame with a
/// fresh key and a server none.
pub(crate) fn sent_by(from: Role, bytes: &[u8]) -> Vec<(u8, Vec<u8>)> {
    let frames = parse(bytes);
    let mut keys: Vec<_> = frames.iter().filter_map(|frame| frame.key).collect();
    assert_eq!(keys.len(), if from == Role::Client { frames.len() } else { 0 }, "R5.1");
    keys.sort_unstable();
    keys.dedup();
    assert!(from == Role::Server || keys.len() == frames.len(), "R5.3-2: a key was used twice");
    frames.into_iter().map(|frame| (frame.b0, frame.payload)).collect()
}

// ---- keys -------------------------------------------------------------------------------------

thread_local! {
    static KEYS: Cell<u32> = const { Cell::new(0) };
    static DRY: Cell<bool> = const { Cell::new(false) };
}

/// A key source that counts: the n-th key is `0xDEAD0000 + n`, the first one has n = 1.
pub(crate) fn counting_keys(bytes: &mut [u8]) -> Result<(), NoEntropy> {
    assert_eq!(bytes.len(), 4, "4 bytes for each frame");
    if DRY.get() {
        return Err(NoEntropy);
    }
    KEYS.set(KEYS.get() + 1);
    bytes.copy_from_slice(&key(KEYS.get()));
    Ok(())
}

pub(crate) fn key(n: u32) -> [u8; 4] {
    (0xDEAD_0000 + n).to_be_bytes()
}

/// How many keys have been drawn in this thread.
pub(crate) fn keys_drawn() -> u32 {
    KEYS.get()
}

/// Lets the source of keys run dry, or flow again.
pub(crate) fn set_dry(dry: bool) {
    DRY.set(dry);
}

pub(crate) fn connection(role: Role, config: &Config) -> Connection {
    KEYS.set(0);
    match role {
        Role::Client => Connection::client(config, counting_keys),
        Role::Server => Connection::server(config),
    }
}

pub(crate) fn open(role: Role) -> Connection {
    connection(role, &Config::default())
}

pub(crate) fn endpoint(role: Role) -> Endpoint {
    endpoint_with(role, &endpoint::Config::default())
}

pub(crate) fn endpoint_with(role: Role, config: &endpoint::Config) -> Endpoint {
    Endpoint::new(connection(role, &config.connection), config)
}

// ---- peers ------------------------------------------------------------------------------------

/// What an end has seen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Seen {
    Text(String),
    Binary(Vec<u8>),
    Ping(Vec<u8>),
    Pong(Vec<u8>),
    Close(Option<(u16, String)>),
}

impl Seen {
    pub(crate) fn text(text: &str) -> Self {
        Self::Text(text.into())
    }

    pub(crate) fn binary(bytes: &[u8]) -> Self {
        Self::Binary(bytes.into())
    }

    pub(crate) fn close(code: u16, reason: &str) -> Self {
        Self::Close(Some((code, reason.into())))
    }

    fn is_message(&self) -> bool {
        matches!(self, Self::Text(_) | Self::Binary(_))
    }
}

impl From<Message<'_>> for Seen {
    fn from(message: Message<'_>) -> Self {
        match message {
            Message::Text(text) => Self::Text(text.into()),
            Message::Binary(bytes) => Self::Binary(bytes.into()),
        }
    }
}

/// A connection with an assembler, and what has come out of them.
#[derive(Debug)]
pub(crate) struct Peer {
    pub(crate) role: Role,
    config: Config,
    deflate: Option<(Params, deflate::Config)>,
    pub(crate) connection: Connection,
    assembler: Assembler,
    pub(crate) seen: Vec<Seen>,
    pub(crate) error: Option<ProtocolError>,
    /// Bytes that were transmitted.
    pub(crate) sent: Vec<u8>,
    /// How often `receive` was called.
    pub(crate) calls: usize,
    /// Whether what the protocol has to send is transmitted after every event.
    pub(crate) transmits: bool,
}

impl Peer {
    pub(crate) fn new(role: Role) -> Self {
        Self::with(role, &Config::default())
    }

    pub(crate) fn with(role: Role, config: &Config) -> Self {
        Self {
            role,
            config: config.clone(),
            deflate: None,
            connection: connection(role, config),
            assembler: Assembler::new(),
            seen: Vec::new(),
            error: None,
            sent: Vec::new(),
            calls: 0,
            transmits: true,
        }
    }

    /// With permessage-deflate and these parameters.
    pub(crate) fn with_deflate(
        role: Role,
        config: &Config,
        params: Params,
        deflate: &deflate::Config,
    ) -> Self {
        let mut config = config.clone();
        config.rsv = Rsv::RSV1;
        Self {
            deflate: Some((params, deflate.clone())),
            assembler: Assembler::with_deflate(role, params, deflate, &config),
            ..Self::with(role, &config)
        }
    }

    /// Feeds bytes until they are used up; an error has to stay the same ever after.
    pub(crate) fn feed(&mut self, bytes: &[u8]) {
        let mut bytes = bytes.to_vec();
        let mut input = Input::new(&mut bytes);
        loop {
            self.calls += 1;
            let result = match self.connection.receive(&mut input) {
                Ok(None) => break,
                Ok(Some(Event::Data(piece))) => {
                    assert!(!piece.payload.is_empty() || piece.last, "empty only if last");
                    match self.assembler.push(piece, &mut self.connection) {
                        Ok(message) => Ok(message.map(Seen::from)),
                        Err(error) => Err(error),
                    }
                }
                Ok(Some(Event::Ping(payload))) => Ok(Some(Seen::Ping(payload.to_vec()))),
                Ok(Some(Event::Pong(payload))) => Ok(Some(Seen::Pong(payload.to_vec()))),
                Ok(Some(Event::Close(frame))) => Ok(Some(Seen::Close(
                    frame.map(|frame| (frame.code().into(), frame.reason().to_owned())),
                ))),
                Err(error) => Err(error),
            };
            match result {
                Ok(seen) => {
                    assert_eq!(self.error, None, "R7.1.7-7: an event after the failure");
                    self.seen.extend(seen);
                }
                Err(error) => {
                    assert!(self.error.is_none_or(|first| first == error), "the error changed");
                    self.error = Some(error);
                    break;
                }
            }
            self.transmit();
        }
        self.transmit();
        if self.error.is_none() {
            assert!(input.is_empty(), "everything is consumed");
        }
    }

    fn transmit(&mut self) {
        if self.transmits {
            self.connection.poll_transmit(&mut self.sent).unwrap();
        }
    }

    /// What was transmitted, as first bytes and payloads.
    pub(crate) fn frames(&self) -> Vec<(u8, Vec<u8>)> {
        sent_by(self.role, &self.sent)
    }

    /// The code in the only Close frame that was transmitted.
    pub(crate) fn close_code(&self) -> Option<u16> {
        let closes: Vec<_> = self.frames().into_iter().filter(|(b0, _)| *b0 == 0x88).collect();
        assert!(closes.len() <= 1, "R5.5.1-8: more than one Close");
        let body = closes.into_iter().next()?.1;
        Some(body.first_chunk().map_or(1005, |code| u16::from_be_bytes(*code)))
    }

    pub(crate) fn result(&self) -> (Vec<Seen>, Option<ProtocolError>, Vec<u8>) {
        (self.seen.clone(), self.error, self.sent.clone())
    }

    pub(crate) fn outcome(&self) -> Option<CloseOutcome> {
        self.connection.outcome()
    }
}

/// The places where an input of `len` bytes is split in two: all, or those near both ends and some
/// between.
fn cuts(len: usize) -> Vec<usize> {
    if len <= 150 {
        return (0..=len).collect();
    }
    (0..20).chain((1..8).map(|i| i * len / 8 + i % 3)).chain(len - 20..=len).collect()
}

/// Feeds `bytes` to what `make` makes: all at once, byte by byte, and split in two in many places.
/// All of them have to give the same; gives the one that was fed all at once.
///
/// If `make` gives a peer that has not done anything yet, an [`Endpoint`] has to give the same too.
pub(crate) fn receive_by(make: impl Fn() -> Peer, bytes: &[u8]) -> Peer {
    let whole = {
        let mut peer = make();
        peer.feed(bytes);
        peer
    };
    let agree = |peer: &Peer, how: &dyn Fn() -> String| {
        assert_eq!(peer.seen, whole.seen, "events, {}", how());
        assert_eq!(peer.error, whole.error, "error, {}", how());
        assert_eq!(peer.sent, whole.sent, "output, {}", how());
        assert_eq!(peer.outcome(), whole.outcome(), "outcome, {}", how());
    };
    let mut peer = make();
    bytes.iter().for_each(|byte| peer.feed(&[*byte]));
    agree(&peer, &|| "byte by byte".into());
    for cut in cuts(bytes.len()) {
        let mut peer = make();
        peer.feed(&bytes[..cut]);
        peer.feed(&bytes[cut..]);
        agree(&peer, &|| format!("split at {cut}"));
    }
    let fresh = make();
    if fresh.seen.is_empty() && fresh.sent.is_empty() && fresh.calls == 0 && fresh.transmits {
        let read = [bytes.len().max(1), 1, 7];
        for read_buffer in read {
            agree_endpoint(make(), &whole, bytes, read_buffer);
        }
    }
    whole
}

/// Parameters of permessage-deflate: what stands behind the name.
pub(crate) fn params(parameters: &str) -> Params {
    format!("permessage-deflate{parameters}").parse().unwrap()
}

/// An endpoint with permessage-deflate, which sends however much is queued.
pub(crate) fn deflating(role: Role, parameters: &str, deflate: &deflate::Config) -> Endpoint {
    let mut config = endpoint::Config::default();
    config.high_watermark = usize::MAX;
    config.deflate = Some(deflate.clone());
    Endpoint::with_deflate(connection(role, &config.connection), &config, params(parameters))
}

/// As [`receive_by`], with permessage-deflate.
pub(crate) fn receive_deflate(role: Role, parameters: &str, bytes: &[u8]) -> Peer {
    let (config, deflate) = (Config::default(), deflate::Config::default());
    receive_by(|| Peer::with_deflate(role, &config, params(parameters), &deflate), bytes)
}

/// As [`receive_by`], with the default configuration.
pub(crate) fn receive(role: Role, bytes: &[u8]) -> Peer {
    receive_by(|| Peer::new(role), bytes)
}

/// As [`receive_by`], with this configuration.
pub(crate) fn receive_with(role: Role, config: &Config, bytes: &[u8]) -> Peer {
    receive_by(|| Peer::with(role, config), bytes)
}

fn agree_endpoint(peer: Peer, whole: &Peer, bytes: &[u8], read_buffer: usize) {
    let mut config = endpoint::Config::default();
    config.connection = peer.config;
    config.read_buffer = read_buffer;
    config.high_watermark = usize::MAX;
    let mut run = Run::new(match peer.deflate {
        None => Endpoint::new(peer.connection, &config),
        Some((params, deflate)) => {
            config.deflate = Some(deflate);
            Endpoint::with_deflate(peer.connection, &config, params)
        }
    });
    run.read(bytes, read_buffer);
    // Nothing more comes: text of an unfinished frame is checked now.
    run.endpoint.release();
    run.poll();
    let messages: Vec<_> = whole.seen.iter().filter(|seen| seen.is_message()).cloned().collect();
    assert_eq!(run.messages, messages, "messages, endpoint, reads of {read_buffer}");
    assert_eq!(run.error, whole.error, "error, endpoint, reads of {read_buffer}");
    assert_eq!(queued(&run.endpoint), whole.sent, "output, endpoint, reads of {read_buffer}");
    assert_eq!(run.endpoint.outcome(), whole.outcome(), "outcome, endpoint");
}

/// One read of at most `most` of `bytes`, which are those to come; how many it took.
pub(crate) fn read_some(endpoint: &mut Endpoint, bytes: &mut &[u8], most: usize) -> usize {
    let room = endpoint.read_buf();
    let count = room.len().min(most).min(bytes.len());
    let (now, later) = bytes.split_at(count);
    room[..count].copy_from_slice(now);
    endpoint.advance_read(count);
    *bytes = later;
    count
}

/// Everything that is queued.
pub(crate) fn queued(endpoint: &Endpoint) -> Vec<u8> {
    let bytes = endpoint.chunks().collect::<Vec<_>>().concat();
    assert!(endpoint.chunks().all(|chunk| !chunk.is_empty()), "no chunk is empty");
    assert_eq!(bytes.len(), endpoint.queued());
    bytes
}

/// Writes everything that is queued, and what finds room because of that.
pub(crate) fn drain(endpoint: &mut Endpoint) -> Vec<u8> {
    let mut bytes = Vec::new();
    while endpoint.queued() > 0 {
        bytes.extend(queued(endpoint));
        endpoint.advance_write(endpoint.queued());
    }
    bytes
}

/// An endpoint and what it has received.
#[derive(Debug)]
pub(crate) struct Run {
    pub(crate) endpoint: Endpoint,
    pub(crate) messages: Vec<Seen>,
    pub(crate) error: Option<ProtocolError>,
    pub(crate) closed: bool,
    /// How often it was asked for a message.
    asked: usize,
}

impl Run {
    pub(crate) fn new(endpoint: Endpoint) -> Self {
        Self { endpoint, messages: Vec::new(), error: None, closed: false, asked: 0 }
    }

    /// Does what a read loop does, with reads of at most `most` bytes.
    pub(crate) fn read(&mut self, mut bytes: &[u8], most: usize) {
        while !bytes.is_empty() {
            let count = read_some(&mut self.endpoint, &mut bytes, most);
            assert!(count > 0, "there is room after everything was polled");
            self.poll();
        }
    }

    /// Takes what there is: by `poll` and by `next`, each twice in turns.
    pub(crate) fn poll(&mut self) {
        loop {
            self.asked += 1;
            let status = if self.asked & 2 == 0 { self.endpoint.poll() } else { self.next() };
            match status {
                Ok(Status::Message) => {
                    assert!(!self.closed && self.error.is_none());
                    match self.endpoint.received() {
                        Ok(Received { message, .. }) => self.messages.push(message.into()),
                        Err(error) => self.error = Some(error),
                    }
                }
                Ok(Status::NeedRead) => {
                    assert!(!self.closed && self.error.is_none());
                    break;
                }
                Ok(Status::Closed) => {
                    self.closed = true;
                    break;
                }
                Err(error) => {
                    assert!(self.error.is_none_or(|first| first == error), "the error changed");
                    self.error = Some(error);
                    // The call that fails may leave bytes; the next one discards them.
                    assert_eq!(self.endpoint.poll(), Err(error), "the error stays");
                    break;
                }
            }
        }
    }

    /// `next` in terms of `poll`: what it has lent can be had once more.
    fn next(&mut self) -> Result<Status, ProtocolError> {
        let found = self.endpoint.next()?.is_some();
        Ok(match found {
            true => Status::Message,
            false if self.endpoint.connection().is_receiving() => Status::NeedRead,
            false => Status::Closed,
        })
    }
}
