//! What the application has a [`Connection`] send: messages, Pings, a Close.

#[cfg(feature = "alloc")]
use alloc::vec::Vec;

use super::Connection;
use super::closing::Closing;
use super::control::ControlPayload;
use super::send::ControlFrame;
#[cfg(feature = "alloc")]
use super::send::{Fragment, KeySource, draw_key};
use crate::close::CloseFrame;
use crate::close_code::CloseCode;
#[cfg(feature = "alloc")]
use crate::copy;
use crate::error::SendError;
#[cfg(feature = "alloc")]
use crate::frame::Header;
use crate::frame::{EncodedHeader, MAX_CONTROL_LEN, OpCode, Rsv, len64, mask};
use crate::message::Kind;
#[cfg(feature = "alloc")]
use crate::message::Message;
use crate::utf8;

impl Connection {
    fn check_open(&self) -> Result<(), SendError> {
        // RFC 6455 §5.5.1, §6.1: data is sent while the connection is open.
        if self.is_open() { Ok(()) } else { Err(SendError::Closed) }
    }

    /// Appends a whole message to `out`, as one frame; the payload is copied once.
    ///
    /// # Errors
    ///
    /// [`SendError::Closed`], [`UnfinishedMessage`](SendError::UnfinishedMessage) while another
    /// message is being sent in parts, [`NoEntropy`](SendError::NoEntropy). Nothing is appended.
    #[cfg(feature = "alloc")]
    #[inline(always)]
    pub fn send<'m>(
        &mut self,
        message: impl Into<Message<'m>>,
        out: &mut Vec<u8>,
    ) -> Result<(), SendError> {
        let message = message.into();
        let (kind, payload) = (message.kind(), message.as_bytes());
        // What nearly every call sends: part of its caller, with code of its own for each role, in
        // which all else is folded away. A call would save registers for what is seldom.
        match self.sender.keys() {
            None => self.append(None, kind, Rsv::NONE, payload, None, out),
            keys => self.append(keys, kind, Rsv::NONE, payload, None, out),
        }
    }

    /// Appends the next part of a message to `out`, as one fragment (RFC 6455 §5.4).
    ///
    /// The first part tells the type; the others must be of the same. Control frames may be sent
    /// in between, other messages not.
    ///
    /// # Errors
    ///
    /// As [`send`](Self::send); [`SendError::UnfinishedMessage`] also if the type differs.
    ///
    /// ```
    /// use websocket_proto::connection::{Config, Connection, Fragment};
    ///
    /// let (mut server, mut out) = (Connection::server(&Config::default()), Vec::new());
    /// server.send_part("Hel", Fragment::More, &mut out)?;
    /// server.send_part("lo", Fragment::Last, &mut out)?;
    /// assert_eq!(out, b"\x01\x03Hel\x80\x02lo"); // RFC 6455 §5.7
    /// # Ok::<(), websocket_proto::SendError>(())
    /// ```
    #[cfg(feature = "alloc")]
    pub fn send_part<'m>(
        &mut self,
        part: impl Into<Message<'m>>,
        fragment: Fragment,
        out: &mut Vec<u8>,
    ) -> Result<(), SendError> {
        let part = part.into();
        self.send_data(part.kind(), Rsv::NONE, part.as_bytes(), Some(fragment), out)
    }

    /// Appends the next part of a message whose payload has been coded: by an extension, or by the
    /// peer of a relay that hands the pieces on as they are.
    ///
    /// `rsv` goes onto the first frame of the message ([`Rsv::RSV1`] for RFC 7692), and is not
    /// looked at in the others. Whether the payload is what it says is not checked. A relay sends
    /// each [`Data`](super::Data) on with its `kind`, `rsv` and `payload`, and with
    /// [`Fragment::Last`] if it is the `last`.
    ///
    /// # Errors
    ///
    /// As [`send_part`](Self::send_part).
    ///
    /// ```
    /// use websocket_proto::connection::{Config, Connection, Fragment};
    /// use websocket_proto::frame::Rsv;
    /// use websocket_proto::{Event, Input};
    ///
    /// let mut config = Config::default();
    /// config.rsv = Rsv::RSV1; // agreed on with both sides
    /// let (mut from, mut to) = (Connection::server(&config), Connection::server(&config));
    /// let mut bytes = *b"\xc1\x87\x00\x00\x00\x00\xf2\x48\xcd\xc9\xc9\x07\x00";
    /// let mut input = Input::new(&mut bytes);
    /// let mut out = Vec::new();
    /// while let Some(event) = from.receive(&mut input)? {
    ///     if let Event::Data(piece) = event {
    ///         let fragment = if piece.last { Fragment::Last } else { Fragment::More };
    ///         to.send_coded(piece.kind, piece.rsv, piece.payload, fragment, &mut out)?;
    ///     }
    /// }
    /// assert_eq!(out, b"\xc1\x07\xf2\x48\xcd\xc9\xc9\x07\x00"); // RFC 7692 §7.2.3.1
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[cfg(feature = "alloc")]
    pub fn send_coded(
        &mut self,
        kind: Kind,
        rsv: Rsv,
        payload: &[u8],
        fragment: Fragment,
        out: &mut Vec<u8>,
    ) -> Result<(), SendError> {
        self.send_data(kind, rsv, payload, Some(fragment), out)
    }

    /// The header of a whole message, or of the next part of one, whose payload comes into being
    /// behind it: its length is for the caller to fill in, and the payload to mask.
    #[cfg(feature = "alloc")]
    pub(crate) fn begin_data(
        &mut self,
        kind: Kind,
        rsv: Rsv,
        fragment: Option<Fragment>,
    ) -> Result<Header, SendError> {
        self.check_open()?;
        let header = self.sender.data_header(kind, rsv, fragment, 0)?;
        self.timers.note_active();
        Ok(header)
    }

    /// As [`send`](Self::send) and [`send_part`](Self::send_part), with the reserved bits of the
    /// first frame.
    #[cfg(feature = "alloc")]
    pub(crate) fn send_data(
        &mut self,
        kind: Kind,
        rsv: Rsv,
        payload: &[u8],
        fragment: Option<Fragment>,
        out: &mut Vec<u8>,
    ) -> Result<(), SendError> {
        self.append(self.sender.keys(), kind, rsv, payload, fragment, out)
    }

    /// Appends a frame, masked if there are keys: those of this end.
    #[cfg(feature = "alloc")]
    #[inline(always)]
    fn append(
        &mut self,
        keys: Option<KeySource>,
        kind: Kind,
        rsv: Rsv,
        payload: &[u8],
        fragment: Option<Fragment>,
        out: &mut Vec<u8>,
    ) -> Result<(), SendError> {
        self.check_open()?;
        let mask = keys.map(draw_key).transpose()?;
        let header = self.sender.unmasked_header(kind, rsv, fragment, len64(payload))?;
        self.timers.note_active();
        Header { mask, ..header }.append_to(out);
        match mask {
            Some(key) if !payload.is_empty() => mask::append(out, payload, key),
            Some(_) | None => copy::append(out, payload),
        }
        Ok(())
    }

    /// Gives the header of a whole message and, as a client, masks the payload where it is.
    ///
    /// Write the header and then the payload, in one vectored write if the transport has them: no
    /// copy is made. A client's payload is unreadable afterwards.
    ///
    /// # Errors
    ///
    /// As [`send`](Self::send); [`SendError::InvalidUtf8`] if `kind` is text and the payload is
    /// not. The payload is untouched then.
    pub fn send_in_place(
        &mut self,
        kind: Kind,
        payload: &mut [u8],
    ) -> Result<EncodedHeader, SendError> {
        self.check_open()?;
        if kind == Kind::Text && utf8::validate(payload).is_err() {
            return Err(SendError::InvalidUtf8);
        }
        self.send_in_place_trusted(kind, payload)
    }

    /// As [`send_in_place`](Self::send_in_place), with text that is known to be UTF-8.
    pub(crate) fn send_in_place_trusted(
        &mut self,
        kind: Kind,
        payload: &mut [u8],
    ) -> Result<EncodedHeader, SendError> {
        self.check_open()?;
        let header = self.sender.data_header(kind, Rsv::NONE, None, len64(payload))?;
        if let Some(key) = header.mask {
            mask::apply(payload, key);
        }
        self.timers.note_active();
        Ok(header.encode())
    }

    /// The header of a message that a server sends from where it is.
    #[cfg(feature = "alloc")]
    #[inline(always)]
    pub(crate) fn send_header(&mut self, kind: Kind, len: usize) -> Result<Header, SendError> {
        self.check_open()?;
        let len = u64::try_from(len).unwrap_or(u64::MAX);
        let header = self.sender.unmasked_header(kind, Rsv::NONE, None, len)?;
        self.timers.note_active();
        Ok(header)
    }

    /// A Ping with this payload, to be written before anything that is sent later
    /// (RFC 6455 §5.5.2).
    ///
    /// # Errors
    ///
    /// [`SendError::Closed`], [`ControlTooLong`](SendError::ControlTooLong) over 125 bytes,
    /// [`NoEntropy`](SendError::NoEntropy).
    pub fn ping(&mut self, payload: &[u8]) -> Result<ControlFrame, SendError> {
        self.ping_or_pong(OpCode::Ping, payload)
    }

    /// An unsolicited Pong, a heartbeat that asks for no answer (RFC 6455 §5.5.3).
    ///
    /// # Errors
    ///
    /// As [`ping`](Self::ping).
    pub fn pong(&mut self, payload: &[u8]) -> Result<ControlFrame, SendError> {
        self.ping_or_pong(OpCode::Pong, payload)
    }

    fn ping_or_pong(&mut self, opcode: OpCode, payload: &[u8]) -> Result<ControlFrame, SendError> {
        self.check_open()?;
        let len = payload.len();
        let payload = ControlPayload::new(payload).ok_or(SendError::ControlTooLong { len })?;
        self.sender.control(opcode, &payload)
    }

    /// Starts the closing handshake (RFC 6455 §7.1.2): a Close frame with this code and reason.
    ///
    /// Messages of the peer are received until its own Close comes, or the close timeout has
    /// passed. A Pong that has not been transmitted is dropped: nothing follows a Close frame.
    ///
    /// # Errors
    ///
    /// [`SendError::Closed`] if the connection is closing already, otherwise those of
    /// [`CloseFrame::new`] and [`NoEntropy`](SendError::NoEntropy).
    pub fn close(&mut self, code: CloseCode, reason: &str) -> Result<ControlFrame, SendError> {
        self.check_open()?;
        let frame = CloseFrame::new(code, reason)?;
        self.close_with(Some(&frame))
    }

    /// Starts the closing handshake with an empty Close frame; the peer sees code 1005.
    ///
    /// # Errors
    ///
    /// As [`close`](Self::close).
    pub fn close_without_status(&mut self) -> Result<ControlFrame, SendError> {
        self.check_open()?;
        self.close_with(None)
    }

    fn close_with(&mut self, frame: Option<&CloseFrame>) -> Result<ControlFrame, SendError> {
        let encoded = self.close_frame(frame)?;
        let sent = Some(frame.map_or(CloseCode::NO_STATUS, CloseFrame::code));
        self.closing = Closing::Sent { sent };
        self.settle();
        self.timers.note_closing();
        self.timers.note_asking();
        Ok(encoded)
    }

    pub(super) fn close_frame(
        &mut self,
        frame: Option<&CloseFrame>,
    ) -> Result<ControlFrame, SendError> {
        let mut payload = ControlPayload::EMPTY;
        if let Some(frame) = frame {
            // 2 + 123 bytes at most: they fit.
            let mut bytes = [0; MAX_CONTROL_LEN];
            let (code, rest) = bytes.split_at_mut(2);
            code.copy_from_slice(&u16::from(frame.code()).to_be_bytes());
            let reason = frame.reason().as_bytes();
            rest[..reason.len()].copy_from_slice(reason);
            payload = ControlPayload::new(&bytes[..2 + reason.len()]).unwrap_or(payload);
        }
        self.sender.control(OpCode::Close, &payload)
    }
}
