//! What the compiler cannot know of the ways that the code takes.

/// Says that the way on which it is called is rarely taken: the other one is laid out straight on.
/// Worth it where a call takes some nanoseconds: what is jumped over there counts more than what is
/// done.
// `core::hint::cold_path` where the oldest compiler has it.
#[cold]
#[inline]
pub(crate) fn rarely() {}
