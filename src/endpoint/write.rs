//! Writing to a transport of the standard library.

use std::io::{self, ErrorKind, Write};

use super::Outgoing;
use crate::adapter::with_slices;

impl Outgoing {
    /// Writes everything that is queued, and what is due.
    pub(super) fn write_to(&mut self, transport: &mut impl Write) -> io::Result<()> {
        loop {
            let due = self.transmit();
            if self.queued() == 0 {
                return due.map_err(io::Error::other);
            }
            let mut given = 0;
            let written = with_slices(self.chunks(), |slices| match slices {
                // As nearly always.
                [slice] => {
                    given = slice.len();
                    transport.write(slice)
                }
                slices => {
                    given = slices.iter().map(|slice| slice.len()).sum();
                    transport.write_vectored(slices)
                }
            });
            match written {
                Ok(0) => return Err(ErrorKind::WriteZero.into()),
                Ok(count) => self.advance(count.min(given)),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    }
}
