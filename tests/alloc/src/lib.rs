//! An allocator that counts what each thread does, for tests of memory.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

/// The system allocator, counting.
#[derive(Debug)]
pub struct Counting;

/// What the thread has done since [`reset`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Calls of `alloc` and `realloc`.
    pub allocations: u64,
    /// Bytes that were asked for by those calls: the work that copying them may take.
    pub requested: u64,
    /// Bytes that are held now, less those that were held at the beginning.
    pub live: i64,
    /// The highest value that `live` has had.
    pub peak: i64,
}

thread_local! {
    static COUNTS: Cell<Counts> = const {
        Cell::new(Counts { allocations: 0, requested: 0, live: 0, peak: 0 })
    };
}

fn note(grown: usize, freed: usize) {
    // A thread that ends frees after its locals are gone; nobody measures then.
    let _ = COUNTS.try_with(|cell| {
        let mut counts = cell.get();
        if grown > 0 {
            counts.allocations += 1;
            counts.requested += grown as u64;
        }
        counts.live += grown as i64 - freed as i64;
        counts.peak = counts.peak.max(counts.live);
        cell.set(counts);
    });
}

/// Counts in this thread from now on, beginning at nothing.
pub fn reset() {
    COUNTS.set(Counts::default());
}

/// What has been counted since [`reset`].
pub fn counts() -> Counts {
    COUNTS.get()
}

// SAFETY: every call is passed on to the system's allocator as it came.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        note(layout.size(), 0);
        // SAFETY: the caller keeps to the contract of `GlobalAlloc`.
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        note(layout.size(), 0);
        // SAFETY: as above.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn realloc(&self, place: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        note(size, layout.size());
        // SAFETY: as above.
        unsafe { System.realloc(place, layout, size) }
    }

    unsafe fn dealloc(&self, place: *mut u8, layout: Layout) {
        note(0, layout.size());
        // SAFETY: as above.
        unsafe { System.dealloc(place, layout) }
    }
}
