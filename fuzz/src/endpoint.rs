//! Any order of calls to an [`Endpoint`] does what a plain model does.
//!
//! The model has one `Vec` for what was read, one for what is to be written, and a
//! [`Connection`]. Every call is made on both, and results, queue and messages
//! are compared after each. In the end the other role decodes what was written.

use std::time::Duration;

use websocket_proto::connection::{Config as ConnectionConfig, Connection, Event, Fragment, Role};
use websocket_proto::endpoint::{Buffers, Config, Endpoint, Received, Status};
use websocket_proto::frame::{Header, OpCode};
use websocket_proto::{
    CloseCode, Input, Kind, Message, OwnedMessage, ProtocolError, SendError, TimeoutError,
};

use crate::connection::{Item, peer_hears};
use crate::{Setup, connect, keys};

const READ_BUFFERS: [usize; 4] = [16 * 1024, 1, 100, 5000];
const WATERMARKS: [usize; 4] = [256 * 1024, 0, 100, 5000];
const SIZES: [usize; 8] = [0, 1, 125, 126, 4095, 4096, 5000, 65_536];

/// What is kept at most, says the documentation.
const MOST: usize = 8 * (128 * 1024 + 80) + 8 * (64 * 1024 + 14) + 2 * (4 * 1024 * 1024 + 128);

/// One of an endpoint that reads so much at once, to be lent.
fn add_to(buffers: &mut Buffers, read_buffer: usize) {
    let mut config = Config::default();
    config.read_buffer = read_buffer;
    let mut endpoint = Endpoint::new(Connection::server(&config.connection), &config);
    let _ = endpoint.read_buf();
    buffers.take_back(&mut endpoint);
}

/// Buffer sizes and timers that the input chooses.
pub fn config(setup: Setup, choice: u8) -> Config {
    let mut config = Config::default();
    config.connection = setup.config();
    config.read_buffer = READ_BUFFERS[usize::from(choice & 3)];
    config.high_watermark = WATERMARKS[usize::from(choice >> 2 & 3)];
    config.low_watermark = config.high_watermark / 4;
    if choice & 16 != 0 {
        config.write_timeout = None;
    }
    config
}

/// Plays `calls`, one byte each, while `wire` arrives; then reads and writes what is left.
pub fn does_what_the_model_does(role: Role, config: &Config, calls: &[u8], wire: &[u8]) {
    keys::reset();
    let mut pair = Pair {
        endpoint: Endpoint::new(connect(role, &config.connection), config),
        model: Model::new(role, config),
        wire,
        now: Duration::ZERO,
        written: Vec::new(),
        parts: None,
        sent: Vec::new(),
        buffers: Buffers::new(),
        dropped: false,
        kept: Vec::new(),
    };
    for &call in calls {
        pair.call(call & 15, usize::from(call >> 4));
        if pair.dropped {
            break;
        }
        pair.compare_queues();
    }
    keys::set_dry(false);
    if !pair.dropped {
        pair.finish();
    }
    pair.drop_kept();
    pair.check_written(role);
}

struct Pair<'w> {
    endpoint: Endpoint,
    model: Model,
    wire: &'w [u8],
    now: Duration,
    written: Vec<u8>,
    /// The message that is being sent in parts.
    parts: Option<(Kind, Vec<u8>)>,
    /// Messages that were taken for sending, in order.
    sent: Vec<(Kind, Vec<u8>)>,
    buffers: Buffers,
    /// Whether output was dropped because the peer does not read.
    dropped: bool,
    /// Messages that were taken, and what they were to be.
    kept: Vec<(OwnedMessage, OwnedMessage)>,
}

impl Pair<'_> {
    fn call(&mut self, call: u8, argument: usize) {
        match call {
            0 | 1 => self.read([1, 2, 3, 7, 100, 4096, 5000, usize::MAX][argument % 8]),
            2 => self.poll(argument),
            3 => self.next(),
            4 => self.send(argument),
            5 => self.send_owned(argument),
            6 => self.send_part(argument),
            7 => self.ping(argument),
            8 if argument < 4 => self.close([1000, 4999, 1005, 1016][argument]),
            8 => self.push_input(argument),
            9 if argument < 8 => {
                self.write([1, 2, 5, 100, 4096, 5000, 70_000, usize::MAX][argument])
            }
            9 => self.send_through(argument),
            10 => assert_eq!(self.endpoint.transmit(), self.model.transmit()),
            11 => {
                let due = self.endpoint.poll_timeout(self.now);
                // Only an endpoint knows that the peer has yet to take something behind its end.
                if self.model.connection.is_over() && !self.model.out.is_empty() {
                    assert!(due.is_some());
                    self.model.write_deadline(self.now);
                } else {
                    assert_eq!(due, self.model.poll_timeout(self.now));
                }
            }
            12 => self.pass([0, 1, 9, 10, 29, 30, 299, 5][argument % 8]),
            13 => {
                if argument % 4 < 2 {
                    self.drop_kept();
                }
                self.release_or_supply(argument);
            }
            14 => keys::set_dry(argument % 4 == 3),
            _ => self.eof(argument),
        }
    }

    fn read(&mut self, most: usize) {
        let buffer = self.endpoint.read_buf();
        self.model.found = None;
        let count = buffer.len().min(most).min(self.wire.len());
        let (now, later) = self.wire.split_at(count);
        buffer[..count].copy_from_slice(now);
        self.endpoint.advance_read(count);
        self.model.unread.extend_from_slice(now);
        self.wire = later;
    }

    fn push_input(&mut self, count: usize) {
        let (now, later) = self.wire.split_at(count.min(self.wire.len()));
        self.endpoint.push_input(now);
        self.model.unread.extend_from_slice(now);
        self.wire = later;
    }

    fn poll(&mut self, argument: usize) {
        let status = self.model.poll();
        assert_eq!(self.endpoint.poll(), status);
        match argument % 4 {
            0 => self.take(),
            1 => {}
            _ => self.received(argument % 4 == 3),
        }
    }

    fn take(&mut self) {
        let expected = self.model.message();
        let taken = self.endpoint.take_message();
        assert_eq!(taken, expected);
        self.model.found = None;
        // Some are kept, and are not to change while more is read.
        self.kept.extend(taken.ok().zip(expected.ok()));
        if self.kept.len() > 3 {
            let (taken, expected) = self.kept.swap_remove(self.sent.len() % 3);
            assert_eq!(taken, expected);
        }
        // What a second call gives is not laid down, and reading ends the life of a message.
        self.read(0);
    }

    /// What they lie in is read to again.
    fn drop_kept(&mut self) {
        for (taken, expected) in self.kept.drain(..) {
            assert_eq!(taken, expected);
        }
    }

    fn received(&mut self, echo: bool) {
        let expected = self.model.message();
        match self.endpoint.received() {
            Ok(Received { message, mut out }) => {
                let expected = expected.expect("as the endpoint");
                assert_eq!(message, expected.as_message());
                if echo {
                    let fed = out.feed(message);
                    assert_eq!(fed, self.model.send(message));
                    if fed.is_ok() {
                        self.sent.push((message.kind(), message.as_bytes().to_vec()));
                    }
                }
            }
            Err(error) => assert_eq!(Err(error), expected.map(drop)),
        }
    }

    fn next(&mut self) {
        let expected = match self.model.poll() {
            Ok(Status::Message) => self.model.message().map(Some),
            Ok(Status::NeedRead | Status::Closed) => Ok(None),
            Err(error) => Err(error),
        };
        assert_eq!(self.endpoint.next().map(|next| next.map(Received::into_owned)), expected);
    }

    fn send(&mut self, argument: usize) {
        let message = payload(argument);
        let result = self.endpoint.send(&message);
        assert_eq!(result, self.model.send(message.as_message()));
        if result.is_ok() {
            self.sent.push((message.kind(), message.as_bytes().to_vec()));
        }
    }

    /// Sends from where the message lies, and writes some of it at once.
    fn send_through(&mut self, argument: usize) {
        let message = payload([0, 5, 8, 14, 15, 10, 13, 3][argument % 8]);
        let expected = self.model.send(message.as_message());
        let (mut most, before) = ([0, 3, usize::MAX, 5000][argument / 2 % 4], self.written.len());
        let result = self.endpoint.send_through(&message, |chunks| {
            assert!(chunks.iter().all(|chunk| !chunk.is_empty()));
            let all = chunks.concat();
            let count = most.min(all.len());
            self.written.extend_from_slice(&all[..count]);
            // More than there was counts as all.
            let said = if count > 0 { most } else { 0 };
            if most < usize::MAX {
                most -= count;
            }
            said
        });
        assert_eq!(result, expected);
        if result.is_err() {
            return;
        }
        let count = self.written.len() - before;
        if count > 0 {
            self.model.advance(count);
        }
        self.sent.push((message.kind(), message.as_bytes().to_vec()));
    }

    fn send_owned(&mut self, argument: usize) {
        let message = payload(argument);
        // A payload that is shared, and one that is not, take different ways.
        let shared = (argument & 2 != 0).then(|| message.clone());
        let result = self.endpoint.send_owned(message).map_err(|unsent| {
            assert_eq!(unsent.message, payload(argument), "what was not sent is given back");
            unsent.error
        });
        let message = shared.unwrap_or_else(|| payload(argument));
        assert_eq!(message, payload(argument), "a shared payload is left alone");
        assert_eq!(result, self.model.send(message.as_message()));
        if result.is_ok() {
            self.sent.push((message.kind(), message.as_bytes().to_vec()));
        }
    }

    fn send_part(&mut self, argument: usize) {
        let message = payload(argument & !2);
        let fragment = if argument & 2 == 0 { Fragment::More } else { Fragment::Last };
        let result = self.endpoint.send_part(&message, fragment);
        assert_eq!(result, self.model.send_part(message.as_message(), fragment));
        if result.is_ok() {
            let (kind, bytes) = self.parts.get_or_insert((message.kind(), Vec::new()));
            assert_eq!(*kind, message.kind(), "all parts are of one type");
            bytes.extend_from_slice(message.as_bytes());
            if fragment == Fragment::Last {
                self.sent.extend(self.parts.take());
            }
        }
    }

    fn ping(&mut self, argument: usize) {
        let payload = &[b'p'; 200][..argument * 13];
        assert_eq!(self.endpoint.ping(payload), self.model.ping(payload));
    }

    fn close(&mut self, code: u16) {
        let code = CloseCode(code);
        assert_eq!(self.endpoint.close(code, "bye"), self.model.close(code, "bye"));
    }

    fn write(&mut self, most: usize) {
        let before = self.written.len();
        for chunk in self.endpoint.chunks() {
            assert!(!chunk.is_empty());
            let room = most.saturating_sub(self.written.len() - before);
            self.written.extend_from_slice(&chunk[..chunk.len().min(room)]);
        }
        let count = self.written.len() - before;
        if count > 0 {
            self.endpoint.advance_write(count);
            self.model.advance(count);
            // What found no room before.
            let _ = self.model.transmit();
        }
    }

    fn pass(&mut self, seconds: u64) {
        self.now += Duration::from_secs(seconds);
        let waited = self.endpoint.queued() > 0;
        let result = self.endpoint.handle_timeout(self.now);
        assert_eq!(result, self.model.handle_timeout(self.now));
        self.dropped |= result == Err(TimeoutError::Write);
        self.dropped |= waited && self.endpoint.queued() == 0;
        if let Some(next) = self.endpoint.poll_timeout(self.now) {
            assert!(next > self.now, "what was due has been done");
        }
        let _ = self.model.poll_timeout(self.now);
    }

    fn release_or_supply(&mut self, argument: usize) {
        if argument < 8 {
            self.model.found = None;
            match argument % 2 {
                0 => self.endpoint.release(),
                _ => self.buffers.take_back(&mut self.endpoint),
            }
            assert!(self.buffers.capacity() <= MOST);
            if self.model.connection.is_receiving() {
                let _ = self.model.check_begun();
            }
        } else {
            if argument % 2 == 1 {
                add_to(&mut self.buffers, SIZES[argument - 8]);
            }
            self.buffers.lend_to(&mut self.endpoint);
        }
    }

    fn eof(&mut self, argument: usize) {
        if argument == 15 {
            if self.model.connection.is_receiving() {
                let _ = self.model.check_begun();
            }
            let expected = self.model.connection.receive_eof();
            assert_eq!(self.endpoint.receive_eof(), expected);
        }
    }

    fn compare_queues(&self) {
        let (endpoint, model) = (&self.endpoint, &self.model);
        assert_eq!(endpoint.queued(), model.out.len());
        let mut rest = &model.out[..];
        for chunk in endpoint.chunks() {
            rest = rest.strip_prefix(chunk).expect("the output that the model has");
        }
        assert!(rest.is_empty());
        assert_eq!(endpoint.is_full(), model.out.len() > model.high);
        assert_eq!(endpoint.outcome(), model.connection.outcome());
        let should_close = model.out.is_empty() && model.connection.should_close_transport();
        assert_eq!(endpoint.should_close_transport(), should_close);
    }

    /// Reads and writes until nothing is left.
    fn finish(&mut self) {
        let mut rounds = 2 * self.wire.len() + self.model.unread.len() + 8;
        while !self.wire.is_empty() || !self.model.unread.is_empty() {
            rounds = rounds.checked_sub(1).expect("every round reads or finds something");
            self.read(usize::MAX);
            self.next();
            self.write(usize::MAX);
        }
        assert_eq!(self.endpoint.transmit(), self.model.transmit());
        self.compare_queues();
        self.write(usize::MAX);
    }

    /// The peer understands what was written, and hears the messages in order: all of them, unless
    /// the write timeout has passed. After that a Close is of use only behind a whole frame.
    fn check_written(mut self, role: Role) {
        let mut closes = false;
        if self.dropped {
            self.endpoint.transmit().expect("keys do not run out");
            closes = self.endpoint.queued() > 0;
            self.written.extend(self.endpoint.chunks().flatten());
        }
        let heard = peer_hears(role, &self.written);
        let closed = matches!(heard.last(), Some(Item::Close(_)));
        assert!(closed || !closes, "a Close is written that the peer cannot see");
        let mut heard = heard.iter().filter_map(|item| match item {
            Item::Message(message) => Some((message.kind(), message.as_bytes().to_vec())),
            _ => None,
        });
        for (index, message) in self.sent.iter().enumerate() {
            match heard.next() {
                Some(heard) => assert_eq!(heard, *message, "message {index}"),
                None => assert!(self.dropped, "message {index} was not sent"),
            }
        }
        assert_eq!(heard.next(), None);
    }
}

/// Bit 0: text or binary; the others: how much.
fn payload(argument: usize) -> OwnedMessage {
    let size = SIZES[argument / 2];
    if argument & 1 == 0 {
        OwnedMessage::Text("t".repeat(size).into())
    } else {
        OwnedMessage::Binary(vec![0xB1; size].into())
    }
}

/// What an endpoint is, without its ways of avoiding copies.
struct Model {
    connection: Connection,
    /// What has come of an unfinished message.
    begun: (Kind, Vec<u8>),
    unread: Vec<u8>,
    /// The beginning of a header whose rest has not come.
    header: Vec<u8>,
    found: Option<Found>,
    out: Vec<u8>,
    /// Whether the transport takes nothing any more.
    abandoned: bool,
    high: usize,
    write_timeout: Option<Duration>,
    waiting_since: Option<Duration>,
}

/// A whole message: its text is checked when it is asked for.
struct Found(Kind, Vec<u8>);

const NOTHING: (Kind, Vec<u8>) = (Kind::Binary, Vec::new());

impl Model {
    fn new(role: Role, config: &Config) -> Self {
        let connection: &ConnectionConfig = &config.connection;
        Self {
            connection: match role {
                Role::Server => Connection::server(connection),
                Role::Client => Connection::client(connection, keys::model),
            },
            begun: NOTHING,
            unread: Vec::new(),
            header: Vec::new(),
            found: None,
            out: Vec::new(),
            abandoned: false,
            high: config.high_watermark,
            write_timeout: config.write_timeout,
            waiting_since: None,
        }
    }

    fn poll(&mut self) -> Result<Status, ProtocolError> {
        self.found = None;
        let mut unread = std::mem::take(&mut self.unread);
        let mut input = Input::new(&mut unread);
        let result = loop {
            let step = self.step(&mut input);
            let _ = self.transmit();
            match step {
                Ok(Some(found)) => {
                    self.found = found;
                    if self.found.is_some() {
                        break Ok(Status::Message);
                    }
                }
                Ok(None) if self.connection.is_receiving() => break Ok(Status::NeedRead),
                Ok(None) => break Ok(Status::Closed),
                Err(error) => break Err(error),
            }
        };
        self.unread = input.as_bytes().to_vec();
        result
    }

    /// `None` when the input is used up.
    fn step(&mut self, input: &mut Input<'_>) -> Result<Option<Option<Found>>, ProtocolError> {
        if self.connection.is_receiving() && !self.goes_on(input.as_bytes()) {
            self.check_begun()?;
        }
        let before = input.as_bytes().to_vec();
        let received = match self.connection.receive(input) {
            Ok(event) => {
                self.note_header(&before, event.is_some());
                event
            }
            Err(error) => {
                self.check_begun()?;
                return Err(error);
            }
        };
        Ok(match received {
            None => None,
            Some(Event::Data(piece)) if piece.first && piece.last => {
                Some(Some(Found(piece.kind, piece.payload.to_vec())))
            }
            Some(Event::Data(piece)) => {
                if piece.first {
                    self.begun = (piece.kind, Vec::new());
                }
                self.begun.1.extend_from_slice(piece.payload);
                if piece.last {
                    let (kind, bytes) = std::mem::replace(&mut self.begun, NOTHING);
                    return Ok(Some(Some(Found(kind, bytes))));
                }
                Some(None)
            }
            Some(Event::Ping(_) | Event::Pong(_) | Event::Close(_)) => Some(None),
        })
    }

    /// The text that has come is checked before anything but more of it, as far as that is known: an
    /// empty fragment is taken together with what is behind it.
    fn goes_on(&self, mut input: &[u8]) -> bool {
        if self.connection.data_remaining() > 0 || input.is_empty() {
            return true;
        }
        if !self.header.is_empty() {
            return false;
        }
        while let Ok(Some((header, len))) = Header::parse(input)
            && (header.opcode, header.fin, header.len) == (OpCode::Continuation, false, 0)
        {
            input = &input[len..];
        }
        input.first().is_none_or(|b0| b0 & 0x0F == 0)
    }

    /// Keeps the beginning of a header that was used up, without the empty fragments before it.
    fn note_header(&mut self, input: &[u8], is_event: bool) {
        if is_event || self.connection.data_remaining() > 0 {
            return self.header.clear();
        }
        self.header.extend_from_slice(input);
        while let Ok(Some((header, len))) = Header::parse(&self.header)
            && header.len == 0
        {
            self.header.drain(..len);
        }
    }

    /// Text that no valid text begins with fails the connection.
    fn check_begun(&mut self) -> Result<(), ProtocolError> {
        let (kind, bytes) = &self.begun;
        let is_bad = str::from_utf8(bytes).is_err_and(|error| error.error_len().is_some());
        if *kind == Kind::Text && is_bad {
            let error = self.connection.fail(ProtocolError::InvalidUtf8);
            let _ = self.transmit();
            return Err(error);
        }
        Ok(())
    }

    fn message(&mut self) -> Result<OwnedMessage, ProtocolError> {
        match &self.found {
            None => Ok(OwnedMessage::Binary(Default::default())),
            Some(Found(Kind::Binary, bytes)) => Ok(bytes.clone().into()),
            Some(Found(Kind::Text, bytes)) => match str::from_utf8(bytes) {
                Ok(text) => Ok(text.into()),
                Err(_) => {
                    let error = self.connection.fail(ProtocolError::InvalidUtf8);
                    let _ = self.transmit();
                    Err(error)
                }
            },
        }
    }

    fn check_room(&self) -> Result<(), SendError> {
        if self.abandoned {
            return Err(SendError::Closed);
        }
        let queued = self.out.len();
        if queued > self.high { Err(SendError::Full { queued }) } else { Ok(()) }
    }

    fn send(&mut self, message: Message<'_>) -> Result<(), SendError> {
        self.check_room()?;
        self.connection.send(message, &mut self.out)
    }

    fn send_part(&mut self, part: Message<'_>, fragment: Fragment) -> Result<(), SendError> {
        self.check_room()?;
        self.connection.send_part(part, fragment, &mut self.out)
    }

    fn ping(&mut self, payload: &[u8]) -> Result<(), SendError> {
        self.check_room()?;
        self.out.extend_from_slice(&self.connection.ping(payload)?);
        Ok(())
    }

    fn close(&mut self, code: CloseCode, reason: &str) -> Result<(), SendError> {
        self.transmit()?;
        self.out.extend_from_slice(&self.connection.close(code, reason)?);
        self.discard();
        Ok(())
    }

    /// Replies wait while the queue is full; a Close does not.
    fn transmit(&mut self) -> Result<(), SendError> {
        if self.connection.is_open() && self.check_room().is_err() {
            return Ok(());
        }
        self.connection.poll_transmit(&mut self.out)?;
        self.discard();
        Ok(())
    }

    /// What is queued for a transport that takes nothing goes nowhere.
    fn discard(&mut self) {
        if self.abandoned {
            self.out.clear();
        }
    }

    fn advance(&mut self, count: usize) {
        self.out.drain(..count);
        self.waiting_since = None;
        if self.out.is_empty() && !self.connection.wants_transmit() {
            self.connection.note_written();
        } else {
            self.connection.note_progress();
        }
    }

    fn write_deadline(&mut self, now: Duration) -> Option<Duration> {
        if self.out.is_empty() {
            self.waiting_since = None;
            return None;
        }
        self.write_timeout.map(|timeout| *self.waiting_since.get_or_insert(now) + timeout)
    }

    fn poll_timeout(&mut self, now: Duration) -> Option<Duration> {
        let protocol = self.connection.poll_timeout(now);
        self.write_deadline(now).into_iter().chain(protocol).min()
    }

    fn handle_timeout(&mut self, now: Duration) -> Result<(), TimeoutError> {
        if self.write_deadline(now).is_some_and(|at| at <= now) {
            // What follows is not modelled: a connection cannot be told of it from outside.
            return Err(TimeoutError::Write);
        }
        let was_over = self.connection.is_over();
        let result = self.connection.handle_timeout(now);
        self.abandoned |= self.connection.is_over() && !was_over;
        self.discard();
        let _ = self.transmit();
        result
    }
}
