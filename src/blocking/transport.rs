//! [`Transport`]: what a blocking stream can do besides reading and writing.

use core::time::Duration;
use std::io::{self, IoSlice, Read, Write};
use std::net::{Shutdown, TcpStream};
#[cfg(unix)]
use std::os::unix::net::UnixStream;

/// A stream that the blocking adapter can drive: `Read + Write`, and what is needed to keep
/// deadlines.
///
/// Implemented for `TcpStream`, `UnixStream` and references to them. Wrap any other stream in
/// [`Plain`], or implement it: every method has a default that does nothing. Over TLS the timeouts
/// are those of the socket below:
///
/// ```
/// use std::io::{self, IoSlice, Read, Write};
/// use std::net::{Shutdown, TcpStream};
/// use std::time::Duration;
/// use websocket_proto::blocking::Transport;
///
/// /// `tls` is a `rustls::StreamOwned`, say, over another handle of `socket` (`try_clone`).
/// struct Secure<T> {
///     tls: T,
///     socket: TcpStream,
/// }
///
/// impl<T: Read> Read for Secure<T> {
///     fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
///         self.tls.read(buffer)
///     }
/// }
///
/// impl<T: Write> Write for Secure<T> {
///     fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
///         self.tls.write(bytes)
///     }
///
///     fn write_vectored(&mut self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
///         self.tls.write_vectored(slices)
///     }
///
///     fn flush(&mut self) -> io::Result<()> {
///         self.tls.flush()
///     }
/// }
///
/// impl<T: Read + Write> Transport for Secure<T> {
///     fn set_read_timeout(&mut self, timeout: Option<Duration>) -> io::Result<bool> {
///         self.socket.set_read_timeout(timeout).map(|()| true)
///     }
///
///     fn set_write_timeout(&mut self, timeout: Option<Duration>) -> io::Result<bool> {
///         self.socket.set_write_timeout(timeout).map(|()| true)
///     }
///
///     fn shutdown_write(&mut self) -> io::Result<()> {
///         // TLS says that it ends, too: `self.tls.conn.send_close_notify()`.
///         self.tls.flush()?;
///         self.socket.shutdown(Shutdown::Write)
///     }
/// }
/// ```
pub trait Transport: Read + Write {
    /// Lets reads end with `WouldBlock` or `TimedOut` after `timeout`, and says whether it can.
    ///
    /// Without it a deadline is noticed only when a read returns, and nothing is read while a write
    /// would block: that may have waited, and the read would wait for ever. So a stream that does
    /// not block should give `true` once the connection is open. Otherwise two ends that both have
    /// much to write wait for each other to read.
    ///
    /// # Errors
    ///
    /// What the stream says.
    fn set_read_timeout(&mut self, timeout: Option<Duration>) -> io::Result<bool> {
        let _ = timeout;
        Ok(false)
    }

    /// Lets writes end with `WouldBlock` or `TimedOut` after `timeout`, and says whether it can.
    ///
    /// # Errors
    ///
    /// What the stream says.
    fn set_write_timeout(&mut self, timeout: Option<Duration>) -> io::Result<bool> {
        let _ = timeout;
        Ok(false)
    }

    /// Ends the sending side, so that the peer reads the end after what was written.
    ///
    /// Called once; if that would block, again by a later call, for the close timeout.
    ///
    /// # Errors
    ///
    /// What the stream says. Nobody is told: a stream that is gone need not be ended.
    fn shutdown_write(&mut self) -> io::Result<()> {
        Ok(())
    }
}

macro_rules! sockets {
    ($($type:ty: $socket:ident),*) => {$(
        impl Transport for $type {
            fn set_read_timeout(&mut self, timeout: Option<Duration>) -> io::Result<bool> {
                $socket::set_read_timeout(self, timeout).map(|()| true)
            }

            fn set_write_timeout(&mut self, timeout: Option<Duration>) -> io::Result<bool> {
                $socket::set_write_timeout(self, timeout).map(|()| true)
            }

            fn shutdown_write(&mut self) -> io::Result<()> {
                $socket::shutdown(self, Shutdown::Write)
            }
        }
    )*};
}

sockets!(TcpStream: TcpStream, &TcpStream: TcpStream);
#[cfg(unix)]
sockets!(UnixStream: UnixStream, &UnixStream: UnixStream);

/// Any `Read + Write` as a [`Transport`] without timeouts: for what blocks.
///
/// A stream that does not block works, but for two ends of which each has more to write than the
/// other takes: see [`Transport::set_read_timeout`].
#[derive(Clone, Copy, Debug)]
pub struct Plain<S>(pub S);

impl<S: Read> Read for Plain<S> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.0.read(buffer)
    }
}

impl<S: Write> Write for Plain<S> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.write(bytes)
    }

    fn write_vectored(&mut self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        self.0.write_vectored(slices)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

impl<S: Read + Write> Transport for Plain<S> {}
