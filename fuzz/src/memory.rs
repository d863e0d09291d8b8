//! A counting allocator, and the bound that memory keeps to.

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicIsize, Ordering};

use websocket_proto::connection::{Config, Event, Role};
use websocket_proto::endpoint::{self, Endpoint, Status};
use websocket_proto::{Assembler, Input};

use crate::{Split, connect, keys};

struct Counting;

static LIVE: AtomicIsize = AtomicIsize::new(0);

fn count(bytes: usize) -> isize {
    isize::try_from(bytes).expect("a layout fits isize")
}

// SAFETY: every call goes to the system's allocator with the same arguments.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        LIVE.fetch_add(count(layout.size()), Ordering::Relaxed);
        // SAFETY: the caller's contract is the same.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        LIVE.fetch_sub(count(layout.size()), Ordering::Relaxed);
        // SAFETY: the caller's contract is the same.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// Heap in use, in bytes.
pub fn live() -> isize {
    LIVE.load(Ordering::Relaxed)
}

/// Asserts that no more is kept than twice the `received` bytes, 4 KiB, `buffers`, and a line of the
/// cache for each of two buffers, which begin at one.
pub(crate) fn assert_bounded(before: isize, received: usize, buffers: usize) {
    let kept = live() - before;
    let bound = 2 * received + 4096 + 2 * 64 + buffers;
    assert!(kept <= count(bound), "{kept} bytes are kept of {received}, bound {bound}");
}

/// Connection and assembler keep no more than twice what they were given.
pub fn follows_bytes_in_assembler(role: Role, config: &Config, wire: &[u8], split: Split) {
    keys::reset();
    let mut wire = wire.to_vec();
    let mut connection = connect(role, config);
    let mut out = Vec::with_capacity(1024);
    let mut received = 0;
    let before = live();
    let mut assembler = Assembler::new();
    for piece in split.pieces(&mut wire) {
        received += piece.len();
        let mut input = Input::new(piece);
        while let Ok(Some(event)) = connection.receive(&mut input) {
            if let Event::Data(piece) = event {
                let _ = std::hint::black_box(assembler.push(piece, &mut connection));
            }
            connection.poll_transmit(&mut out).expect("keys do not run out");
            out.clear();
        }
        connection.poll_transmit(&mut out).expect("keys do not run out");
        out.clear();
        assert_bounded(before, received, 0);
    }
}

/// An endpoint keeps no more than that, its read buffer, and (it is written at once) no output.
pub fn follows_bytes_in_endpoint(role: Role, config: &endpoint::Config, wire: &[u8], split: Split) {
    keys::reset();
    let mut rest = wire;
    let mut sizes = split.sizes();
    let connection = connect(role, &config.connection);
    let before = live();
    let mut endpoint = Endpoint::new(connection, config);
    while !rest.is_empty() {
        let buffer = endpoint.read_buf();
        let count = sizes.next().unwrap_or(1).min(buffer.len()).min(rest.len());
        assert!(count > 0, "everything was polled, so there is room");
        buffer[..count].copy_from_slice(&rest[..count]);
        endpoint.advance_read(count);
        rest = &rest[count..];
        loop {
            match endpoint.poll() {
                Ok(Status::Message) => {
                    let _ = std::hint::black_box(endpoint.received().is_ok());
                }
                Ok(Status::NeedRead | Status::Closed) => break,
                // What was read behind the fault is discarded by the next call.
                Err(_) => {
                    let _ = endpoint.poll();
                    break;
                }
            }
        }
        while endpoint.queued() > 0 {
            endpoint.advance_write(endpoint.queued());
        }
        assert_bounded(before, wire.len() - rest.len(), config.read_buffer);
    }
    endpoint.release();
    if rest.is_empty() && endpoint.connection().outcome().is_some() {
        // Nothing is under way any more, but a message may have been left unfinished.
        assert_bounded(before, wire.len(), 0);
    }
}
