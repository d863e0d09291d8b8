//! Sending with permessage-deflate (RFC 7692): the payload is compressed behind room for its
//! header.

use alloc::vec::Vec;

use super::Outgoing;
use crate::connection::Fragment;
use crate::copy;
use crate::deflate::Compression;
use crate::error::SendError;
use crate::frame::{Header, Rsv, mask};
use crate::message::{Content, Outbound};

impl Outgoing {
    pub(super) fn send_compressed(
        &mut self,
        content: Content<'_>,
        compression: Compression,
    ) -> Result<(), SendError> {
        let Some(deflater) = &mut self.deflater else { return Ok(()) };
        let message = match content {
            Content::Message(message) => message,
            Content::Prepared(prepared) => {
                let frame = prepared.compressed(deflater);
                let smaller = frame.payload().len() < prepared.as_bytes().len();
                if !smaller && compression != Compression::Always {
                    return self.send_frame(prepared.kind(), Rsv::NONE, prepared.plain());
                }
                self.send_frame(prepared.kind(), Rsv::RSV1, frame)?;
                // The peer's window holds the message now, and ours does not.
                if let Some(deflater) = &mut self.deflater {
                    deflater.reset();
                }
                return Ok(());
            }
        };
        let payload = message.as_bytes();
        // Before anything is compressed: what fails then would be in our window and not in the
        // peer's.
        let mut header = self.connection.begin_data(message.kind(), Rsv::RSV1, None)?;
        let tail = self.queue.tail();
        let (start, room) = begin_frame(&mut header, payload.len(), tail);
        if !deflater.message(payload, compression, tail) {
            header.rsv = Rsv::NONE;
            copy::append(tail, payload);
        }
        finish_frame(header, tail, start, room);
        Ok(())
    }

    /// The next part of a message where permessage-deflate was agreed on. The first one says
    /// whether it is compressed.
    pub(super) fn send_part_deflated(
        &mut self,
        part: &Outbound<'_>,
        fragment: Fragment,
    ) -> Result<(), SendError> {
        let Some(deflater) = &mut self.deflater else { return Ok(()) };
        let (kind, payload) = (part.content.kind(), part.content.as_bytes());
        let (tail, last) = (self.queue.tail(), fragment == Fragment::Last);
        if deflater.wants_part(part.compression) {
            let mut header = self.connection.begin_data(kind, Rsv::RSV1, Some(fragment))?;
            let (start, room) = begin_frame(&mut header, payload.len(), tail);
            deflater.part(payload, last, tail);
            finish_frame(header, tail, start, room);
        } else {
            self.connection.send_data(kind, Rsv::NONE, payload, Some(fragment), tail)?;
            deflater.note_plain_part(last);
        }
        Ok(())
    }
}

/// Appends room for the header that a compressed payload is likely to need; gives where it begins
/// and how much it is.
fn begin_frame(header: &mut Header, plain: usize, tail: &mut Vec<u8>) -> (usize, usize) {
    let start = tail.len();
    header.len = u64::try_from(plain / 4).unwrap_or(u64::MAX);
    let room = header.encode().len();
    tail.resize(start + room, 0);
    (start, room)
}

/// Completes a frame whose payload has been appended to `tail`, behind `room` bytes for its header
/// from `start` on.
fn finish_frame(mut header: Header, tail: &mut Vec<u8>, start: usize, room: usize) {
    let len = tail.len() - start - room;
    header.len = u64::try_from(len).unwrap_or(u64::MAX);
    let head = header.encode();
    if head.len() != room {
        // Sizes on both sides of 126 and 65,536 bytes: the payload moves by a few bytes.
        let (payload, place) = (start + room..start + room + len, start + head.len());
        if head.len() > room {
            tail.resize(place + len, 0);
            tail.copy_within(payload, place);
        } else {
            copy::move_down(tail, payload, place);
            tail.truncate(place + len);
        }
    }
    tail[start..start + head.len()].copy_from_slice(&head);
    if let Some(key) = header.mask {
        mask::apply(&mut tail[start + head.len()..], key);
    }
}
