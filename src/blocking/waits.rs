//! What the errors of a stream mean that has waited, or would have to.

use core::time::Duration;
use std::io::{self, ErrorKind};
use std::time::Instant;

use super::Error;

/// The shortest timeout of a stream: less would be none on some systems.
pub(super) const SHORTEST: Duration = Duration::from_millis(1);

/// How long who receives may wait for output to be written where others send.
pub(super) const BRIEFLY: Duration = Duration::from_millis(5);

/// How long what has come of a text may wait to be checked, and a read for more of it.
pub(super) const SOON: Duration = Duration::from_millis(100);

/// Whether the stream only says that it would block.
pub(super) fn is_wait(error: &Error) -> bool {
    matches!(error, Error::Io(error) if only_blocks(error))
}

/// The same of what the stream gives. Where a timeout of a socket gives `WouldBlock`, `TimedOut`
/// says that the kernel has given up the peer.
pub(super) fn only_blocks(error: &io::Error) -> bool {
    would_block(error) && (cfg!(windows) || error.kind() == ErrorKind::WouldBlock)
}

/// The shortest timeout of which [`has_waited`] is sure: the clocks of kernels tick every 1 to 16 ms,
/// and a wait ends up to a tick early.
pub(super) const COARSE: Duration = Duration::from_millis(40);

/// Less than a tick, and more than a call takes that does not block.
const AT_ONCE: Duration = Duration::from_micros(100);

/// Whether a stream has waited for its timeout, and not said at once that it would block. Of less
/// than [`COARSE`] that cannot be told where it says no.
pub(super) fn has_waited(error: &io::Error, begun: Instant, timeout: Option<Duration>) -> bool {
    would_block(error) && timeout.is_some_and(|timeout| begun.elapsed() >= timeout / 2)
}

/// The same of a read, where nothing is lost if one that was held up is taken for a wait. Of less
/// than [`COARSE`] it says no only if the wait has ended as it began. Nothing has waited that was not
/// timed.
pub(super) fn has_waited_to_read(
    error: &io::Error,
    begun: Option<Instant>,
    timeout: Option<Duration>,
) -> bool {
    begun.is_some_and(|begun| match timeout {
        Some(timeout) if timeout < COARSE => only_blocks(error) && begun.elapsed() >= AT_ONCE,
        timeout => has_waited(error, begun, timeout),
    })
}

/// Whether a stream has waited for its timeout, or would block.
pub(super) fn would_block(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut)
}
