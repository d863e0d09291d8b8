//! Frames as bytes, and a transport written by hand, for the tests of the adapters.

#![allow(dead_code, reason = "each test crate uses its part")]

use std::collections::VecDeque;
use std::io::{self, ErrorKind, IoSlice};
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, mpsc};
use std::task::{Context, Poll, Wake, Waker};
use std::thread;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use websocket_proto::Connection;
use websocket_proto::connection::NoEntropy;
use websocket_proto::endpoint::{Config, Endpoint};

pub(crate) const TEXT: u8 = 0x81;
pub(crate) const BINARY: u8 = 0x82;
pub(crate) const CLOSE: u8 = 0x88;
pub(crate) const PING: u8 = 0x89;
pub(crate) const PONG: u8 = 0x8a;

/// How long a test waits for what must come, where time is the machine's.
pub(crate) const PATIENCE: Duration = Duration::from_secs(15);

/// Runs what must end in a thread of its own, so that a hang is a failure.
pub(crate) fn ends<T: Send + 'static>(run: impl FnOnce() -> T + Send + 'static) -> T {
    let (done, wait) = mpsc::channel();
    thread::spawn(move || done.send(run()));
    wait.recv_timeout(PATIENCE).expect("hangs or panics")
}

/// A frame of a server: `first` is the byte with FIN and the opcode.
pub(crate) fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    with_mask(first, 0, &[], payload)
}

/// A frame of a client, masked with zeros.
pub(crate) fn masked(first: u8, payload: &[u8]) -> Vec<u8> {
    with_mask(first, 0x80, &[0; 4], payload)
}

fn with_mask(first: u8, bit: u8, key: &[u8], payload: &[u8]) -> Vec<u8> {
    let mut bytes = vec![first];
    match (u8::try_from(payload.len()), u16::try_from(payload.len())) {
        (Ok(len @ 0..126), _) => bytes.push(bit | len),
        (_, Ok(len)) => {
            bytes.push(bit | 126);
            bytes.extend(len.to_be_bytes());
        }
        _ => {
            bytes.push(bit | 127);
            bytes.extend(u64::try_from(payload.len()).expect("fits").to_be_bytes());
        }
    }
    bytes.extend_from_slice(key);
    bytes.extend_from_slice(payload);
    bytes
}

/// Masking keys that leave the payload readable.
#[allow(clippy::unnecessary_wraps)] // The type is that of a source of keys.
pub(crate) fn zero_keys(bytes: &mut [u8]) -> Result<(), NoEntropy> {
    bytes.fill(0);
    Ok(())
}

pub(crate) fn server(config: &Config) -> Endpoint {
    Endpoint::new(Connection::server(&config.connection), config)
}

pub(crate) fn client(config: &Config) -> Endpoint {
    Endpoint::new(Connection::client(&config.connection, zero_keys), config)
}

/// What a call of the transport is to do instead of its work.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    Error(ErrorKind),
    /// Not ready, but ready again at once.
    Pending,
}

/// Both ends of a transport: what the test has put in and what the adapter has written.
#[derive(Debug)]
pub(crate) struct State {
    pub(crate) input: VecDeque<u8>,
    pub(crate) eof: bool,
    /// What a read gives once the input is used up.
    pub(crate) read_error: Option<ErrorKind>,
    /// What every write gives.
    pub(crate) write_error: Option<ErrorKind>,
    pub(crate) written: Vec<u8>,
    /// How many more bytes are taken before a write has to wait.
    pub(crate) room: usize,
    /// The most that one call moves.
    pub(crate) step: usize,
    /// What the call with this number does; calls count from 0.
    pub(crate) faults: Vec<(usize, Fault)>,
    /// Every other call is not ready at first.
    pub(crate) stutter: bool,
    /// Whether writes go to a buffer that only a flush empties.
    pub(crate) buffering: bool,
    pub(crate) buffered: Vec<u8>,
    pub(crate) flush_waits: bool,
    pub(crate) shutdown_waits: bool,
    pub(crate) calls: usize,
    pub(crate) reads: usize,
    pub(crate) writes: usize,
    pub(crate) flushes: usize,
    pub(crate) shut: bool,
    reader: Option<Waker>,
    writer: Option<Waker>,
}

impl State {
    /// Counts a call, and says what it is to do instead of its work.
    pub(crate) fn call(&mut self) -> Option<Fault> {
        let call = self.calls;
        self.calls += 1;
        assert!(call < 100_000, "the adapter calls the transport without end");
        let fault = self.faults.iter().find(|(at, _)| *at == call).map(|(_, fault)| *fault);
        fault.or_else(|| (self.stutter && call.is_multiple_of(2)).then_some(Fault::Pending))
    }

    pub(crate) fn read(&mut self, room: usize) -> Option<io::Result<Vec<u8>>> {
        self.reads += 1;
        let count = room.min(self.step).min(self.input.len());
        if count > 0 {
            return Some(Ok(self.input.drain(..count).collect()));
        }
        if let Some(kind) = self.read_error {
            return Some(Err(kind.into()));
        }
        self.eof.then(|| Ok(Vec::new()))
    }

    /// `None` if nothing is taken now.
    pub(crate) fn write(&mut self, slices: &[IoSlice<'_>]) -> Option<io::Result<usize>> {
        self.writes += 1;
        if let Some(kind) = self.write_error {
            return Some(Err(kind.into()));
        }
        assert!(!self.shut, "a write after the shutdown");
        let mut left = self.step.min(self.room);
        let mut total = 0;
        for slice in slices {
            let count = slice.len().min(left);
            let sink = if self.buffering { &mut self.buffered } else { &mut self.written };
            sink.extend_from_slice(&slice[..count]);
            left -= count;
            total += count;
        }
        self.room -= total;
        (total > 0).then_some(Ok(total))
    }

    pub(crate) fn flush(&mut self) {
        self.flushes += 1;
        let buffered = std::mem::take(&mut self.buffered);
        self.written.extend(buffered);
    }
}

/// A transport without a peer; clones share it, so one is the test's to look and to act.
#[derive(Clone, Debug)]
pub(crate) struct Mock(Arc<Mutex<State>>);

impl Mock {
    pub(crate) fn new(input: impl AsRef<[u8]>) -> Self {
        Self(Arc::new(Mutex::new(State {
            input: input.as_ref().iter().copied().collect(),
            eof: false,
            read_error: None,
            write_error: None,
            written: Vec::new(),
            room: usize::MAX,
            step: usize::MAX,
            faults: Vec::new(),
            stutter: false,
            buffering: false,
            buffered: Vec::new(),
            flush_waits: false,
            shutdown_waits: false,
            calls: 0,
            reads: 0,
            writes: 0,
            flushes: 0,
            shut: false,
            reader: None,
            writer: None,
        })))
    }

    /// With input that ends.
    pub(crate) fn ending(input: impl AsRef<[u8]>) -> Self {
        let mock = Self::new(input);
        mock.lock().eof = true;
        mock
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().expect("no test panics with the lock")
    }

    pub(crate) fn written(&self) -> Vec<u8> {
        self.lock().written.clone()
    }

    /// The peer sends.
    pub(crate) fn push(&self, bytes: impl AsRef<[u8]>) {
        let mut state = self.lock();
        state.input.extend(bytes.as_ref());
        let waker = state.reader.take();
        drop(state);
        waker.into_iter().for_each(Waker::wake);
    }

    /// The peer ends its side.
    pub(crate) fn end(&self) {
        self.lock().eof = true;
        self.push([]);
    }

    /// The peer's window opens by `count` bytes.
    pub(crate) fn allow(&self, count: usize) {
        let mut state = self.lock();
        state.room = state.room.saturating_add(count);
        let waker = state.writer.take();
        drop(state);
        waker.into_iter().for_each(Waker::wake);
    }
}

fn fault<T>(state: &mut State, cx: &Context<'_>) -> Option<Poll<io::Result<T>>> {
    match state.call()? {
        Fault::Error(kind) => Some(Poll::Ready(Err(kind.into()))),
        Fault::Pending => {
            cx.waker().wake_by_ref();
            Some(Poll::Pending)
        }
    }
}

impl AsyncRead for Mock {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let mut state = self.lock();
        if let Some(fault) = fault(&mut state, cx) {
            return fault;
        }
        match state.read(buffer.remaining()) {
            Some(result) => Poll::Ready(result.map(|bytes| buffer.put_slice(&bytes))),
            None => {
                state.reader = Some(cx.waker().clone());
                Poll::Pending
            }
        }
    }
}

impl AsyncWrite for Mock {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.poll_write_vectored(cx, &[IoSlice::new(bytes)])
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let mut state = self.lock();
        if let Some(fault) = fault(&mut state, cx) {
            return fault;
        }
        match state.write(slices) {
            Some(result) => Poll::Ready(result),
            None => {
                state.writer = Some(cx.waker().clone());
                Poll::Pending
            }
        }
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut state = self.lock();
        if let Some(fault) = fault(&mut state, cx) {
            return fault;
        }
        if state.flush_waits {
            state.writer = Some(cx.waker().clone());
            return Poll::Pending;
        }
        state.flush();
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut state = self.lock();
        if state.shutdown_waits {
            state.writer = Some(cx.waker().clone());
            return Poll::Pending;
        }
        if let Some(fault) = fault(&mut state, cx) {
            return fault;
        }
        state.flush();
        state.shut = true;
        Poll::Ready(Ok(()))
    }
}

/// A task for futures that a test polls by hand; counts how often it is woken.
#[derive(Debug, Default)]
pub(crate) struct Task(AtomicUsize);

impl Wake for Task {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

impl Task {
    pub(crate) fn new() -> Arc<Self> {
        Arc::default()
    }

    /// How often it was woken since the last call.
    pub(crate) fn wakes(&self) -> usize {
        self.0.swap(0, Ordering::SeqCst)
    }

    pub(crate) fn poll<F: Future + ?Sized>(
        self: &Arc<Self>,
        future: &mut Pin<Box<F>>,
    ) -> Poll<F::Output> {
        let waker = Waker::from(Arc::clone(self));
        future.as_mut().poll(&mut Context::from_waker(&waker))
    }
}

/// The conversation that tests interrupt: each message, its wire bytes from a client, and the
/// offset behind it.
pub(crate) fn conversation() -> (Vec<u8>, Vec<(usize, &'static str)>) {
    let mut wire = Vec::new();
    let mut messages = Vec::new();
    wire.extend(masked(TEXT, b"one"));
    messages.push((wire.len(), "one"));
    wire.extend(masked(0x01, b"tw")); // Text, not final
    wire.extend(masked(PING, b"p"));
    wire.extend(masked(0x80, b"o")); // Continuation
    messages.push((wire.len(), "two"));
    wire.extend(masked(TEXT, b"three"));
    messages.push((wire.len(), "three"));
    wire.extend(masked(CLOSE, b"\x03\xe8")); // 1000
    (wire, messages)
}

/// What an echo server answers to [`conversation`].
pub(crate) fn answers() -> Vec<u8> {
    [
        frame(TEXT, b"one"),
        frame(PONG, b"p"),
        frame(TEXT, b"two"),
        frame(TEXT, b"three"),
        frame(CLOSE, b"\x03\xe8"),
    ]
    .concat()
}

/// Whether `written` is what has been written of `all` when something broke off.
pub(crate) fn is_torn_off(all: &[u8], written: &[u8]) -> bool {
    all.starts_with(written)
}

/// The numbers of frames by opcode, in order.
pub(crate) fn opcodes(mut wire: &[u8]) -> Vec<u8> {
    let mut opcodes = Vec::new();
    while let [first, second, rest @ ..] = wire {
        opcodes.push(*first);
        let (len, rest) = match second & 0x7f {
            126 => (usize::from(u16::from_be_bytes([rest[0], rest[1]])), &rest[2..]),
            127 => {
                let len = u64::from_be_bytes(rest[..8].try_into().expect("eight bytes"));
                (usize::try_from(len).expect("fits"), &rest[8..])
            }
            len => (usize::from(len), rest),
        };
        let key = if second & 0x80 == 0 { 0 } else { 4 };
        wire = rest.get(key + len..).unwrap_or_default();
    }
    opcodes
}
