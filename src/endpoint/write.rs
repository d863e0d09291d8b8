//! Writing to a transport of the standard library.

use std::io::{self, ErrorKind, Write};

use super::Outgoing;
use crate::adapter::with_slices;

impl Outgoing {
    /// Writes everything that is queued, and what is due.
    pub(super) fn write_to(&mut self, transport: &mut impl Write) -> io::Result<()> {
        self.transmit().map_err(io::Error::other)?;
        while self.queued() > 0 {
            let written = with_slices(self.chunks(), |slices| match slices {
                // As nearly always.
                [slice] => transport.write(slice),
                slices => transport.write_vectored(slices),
            });
            match written {
                Ok(0) => return Err(ErrorKind::WriteZero.into()),
                Ok(count) => self.advance(count),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
}
