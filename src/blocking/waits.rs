//! What the errors of a stream mean that has waited, or would have to.

use core::time::Duration;
use std::io::{self, ErrorKind};
use std::time::Instant;

use super::Error;

/// Whether the stream only says that it would block.
pub(super) fn is_wait(error: &Error) -> bool {
    matches!(error, Error::Io(error) if only_blocks(error))
}

/// The same of what the stream gives. Where a timeout of a socket gives `WouldBlock`, `TimedOut`
/// says that the kernel has given up the peer.
pub(super) fn only_blocks(error: &io::Error) -> bool {
    would_block(error) && (cfg!(windows) || error.kind() == ErrorKind::WouldBlock)
}

/// Whether a stream has waited for its timeout, and not said at once that it would block.
pub(super) fn has_waited(error: &io::Error, begun: Instant, timeout: Option<Duration>) -> bool {
    would_block(error) && timeout.is_some_and(|timeout| begun.elapsed() >= timeout / 2)
}

/// Whether a stream has waited for its timeout, or would block.
pub(super) fn would_block(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut)
}
