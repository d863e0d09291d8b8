//! [`Pool`]: contexts of the back end that no connection needs at the moment.
//!
//! Owns those and says which are kept. When one is needed is decided by who uses it.

use alloc::sync::Arc;
use alloc::vec::Vec;
use core::fmt;
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::codec::{Compressor, Decompressor, Kind};

/// Contexts on loan: the compressors and decompressors of connections that have something to
/// compress or decompress at the moment.
///
/// A handle: clones share what they hold, and so do the clones of a [`Config`](super::Config) that
/// it is part of. A context is made when one is needed and the pool has none. A compressor goes
/// back with the message that needed it, a decompressor when the connection has nothing more to
/// read. So there are as many compressors as messages are compressed at once, and as many
/// decompressors as connections are busy, however many are open. With context takeover a connection
/// keeps its compressor, whose window it needs.
///
/// Up to `max_idle` compressors are kept for the next messages, and as many decompressors. Of
/// compressors with different settings those stay that came back last.
///
/// | context | bytes (zlib-rs 0.6.8, 64 bit) |
/// |---|---|
/// | compressor, 15 bits, memory level 8 (defaults) | 380,000 |
/// | compressor, 12 bits, memory level 4 | 158,000 |
/// | compressor, 9 bits, memory level 1 | 137,000 |
/// | decompressor, any window | 47,500 |
#[derive(Clone)]
pub struct Pool {
    shared: Arc<Shared>,
}

struct Shared {
    max_idle: usize,
    idle: Mutex<Idle>,
}

#[derive(Default)]
struct Idle {
    /// In the order in which they came back.
    compressors: Vec<Compressor>,
    decompressors: Vec<Decompressor>,
}

impl Pool {
    /// A pool that keeps up to `max_idle` unused compressors and as many decompressors. With 0 one
    /// is made for each message that is not compressed with context takeover.
    #[must_use]
    pub fn new(max_idle: usize) -> Self {
        Self { shared: Arc::new(Shared { max_idle, idle: Mutex::default() }) }
    }

    /// How many unused compressors and decompressors it holds.
    #[must_use]
    pub fn idle(&self) -> (usize, usize) {
        let idle = self.lock();
        (idle.compressors.len(), idle.decompressors.len())
    }

    /// Drops what it holds.
    pub fn clear(&self) {
        let idle = core::mem::take(&mut *self.lock());
        drop(idle);
    }

    fn lock(&self) -> MutexGuard<'_, Idle> {
        // Nothing that runs under the lock leaves a list half changed.
        self.shared.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A compressor with an empty window.
    pub(super) fn compressor(&self, kind: Kind) -> Compressor {
        let mut idle = self.lock();
        match idle.compressors.iter().rposition(|other| other.kind == kind) {
            Some(at) => idle.compressors.remove(at),
            None => {
                drop(idle);
                Compressor::new(kind)
            }
        }
    }

    pub(super) fn give_compressor(&self, mut compressor: Compressor) {
        compressor.reset();
        let mut idle = self.lock();
        let compressors = &mut idle.compressors;
        let mut replaced = None;
        if compressors.len() >= self.shared.max_idle {
            // Peers choose windows: those of one kind must not keep all others out.
            let Some(at) = compressors.iter().position(|it| it.kind != compressor.kind) else {
                return;
            };
            replaced = Some(compressors.remove(at));
        }
        compressors.push(compressor);
        drop(idle);
        drop(replaced);
    }

    /// A decompressor, whatever its window holds: restart it.
    pub(super) fn decompressor(&self) -> Decompressor {
        self.lock().decompressors.pop().unwrap_or_else(Decompressor::new)
    }

    pub(super) fn give_decompressor(&self, decompressor: Decompressor) {
        let mut idle = self.lock();
        if idle.decompressors.len() < self.shared.max_idle {
            idle.decompressors.push(decompressor);
        }
    }
}

impl Default for Pool {
    /// Keeps up to 16 of each.
    fn default() -> Self {
        Self::new(16)
    }
}

impl fmt::Debug for Pool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pool").field("idle", &self.idle()).finish_non_exhaustive()
    }
}
