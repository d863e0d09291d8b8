//! [`Chunked`], which undoes the transfer coding `chunked` of a response's body (RFC 9112 §7.1).

use crate::Input;

/// Finds the data of a chunked body in bytes that arrive in any pieces.
///
/// ```text
///  Size -> Digits -> [Extension] -> SizeEnd -> Data -> DataEnd -> ChunkEnd -> Size
///                                      |
///                                      +-- size 0: Line -> Trailer -> TrailerEnd -> Line
///                                                    |
///                                                    +-- empty: LastEnd -> Done
/// ```
///
/// Anything else is `Malformed`. Extensions and trailers are skipped, whatever is in them.
#[derive(Clone, Copy, Debug)]
pub(super) struct Chunked {
    state: State,
    /// How many more bytes of extensions, trailers and leading zeros are let pass.
    spare: u32,
    /// The size of the chunk as far as its digits have come, then what is missing of its data, in
    /// bytes. Not inside the states, where it would make the handshake larger.
    left: u64,
}

#[derive(Clone, Copy, Debug)]
enum State {
    /// Before the first digit of a size.
    Size,
    Digits,
    Extension,
    /// Behind the CR of a size, as with all states of this name.
    SizeEnd,
    Data,
    /// Behind the data, before the CR.
    DataEnd,
    ChunkEnd,
    /// At the beginning of a line of the trailers.
    Line,
    Trailer,
    TrailerEnd,
    LastEnd,
    Done,
    Malformed,
}

impl Chunked {
    /// Waits for the first chunk. All extensions, trailers and leading zeros together may have
    /// `spare` bytes.
    pub(super) fn new(spare: usize) -> Self {
        let spare = u32::try_from(spare).unwrap_or(u32::MAX);
        Self { state: State::Size, spare, left: 0 }
    }

    /// Takes what belongs to the body, and gives at most `room` bytes of data to `push`. Once no
    /// more of it is wanted, returns whether it is complete.
    pub(super) fn receive(
        &mut self,
        input: &mut Input<'_>,
        mut room: u64,
        mut push: impl FnMut(&[u8]),
    ) -> Option<bool> {
        loop {
            match self.state {
                State::Done => return Some(true),
                State::Malformed => return Some(false),
                State::Data if room == 0 => return Some(false),
                State::Data => {
                    let most = usize::try_from(self.left.min(room)).unwrap_or(usize::MAX);
                    let data = input.take(most);
                    if data.is_empty() {
                        return None;
                    }
                    push(data);
                    let count = u64::try_from(data.len()).unwrap_or(u64::MAX);
                    room = room.saturating_sub(count);
                    self.left = self.left.saturating_sub(count);
                    if self.left == 0 {
                        self.state = State::DataEnd;
                    }
                }
                State::Size
                | State::Digits
                | State::Extension
                | State::SizeEnd
                | State::DataEnd
                | State::ChunkEnd
                | State::Line
                | State::Trailer
                | State::TrailerEnd
                | State::LastEnd => match input.take(1) {
                    [byte] => self.state = self.next(*byte),
                    _ => return None,
                },
            }
        }
    }

    /// The state behind one byte that is no data.
    fn next(&mut self, byte: u8) -> State {
        let only = |wanted: u8, next: State| if byte == wanted { next } else { State::Malformed };
        match self.state {
            State::Size => self.digit(byte),
            State::Digits => match byte {
                b'\r' => State::SizeEnd,
                // RFC 9112 §7.1.1 allows white space before the semicolon.
                b' ' | b'\t' | b';' => self.skip(State::Extension),
                _ => self.digit(byte),
            },
            State::Extension => self.skip_to_end(byte, State::Extension, State::SizeEnd),
            State::SizeEnd if self.left > 0 => only(b'\n', State::Data),
            State::SizeEnd => only(b'\n', State::Line),
            State::DataEnd => only(b'\r', State::ChunkEnd),
            State::ChunkEnd => only(b'\n', State::Size),
            State::Line => self.skip_to_end(byte, State::Trailer, State::LastEnd),
            State::Trailer => self.skip_to_end(byte, State::Trailer, State::TrailerEnd),
            State::TrailerEnd => only(b'\n', State::Line),
            State::LastEnd => only(b'\n', State::Done),
            State::Data | State::Done | State::Malformed => self.state,
        }
    }

    fn digit(&mut self, byte: u8) -> State {
        let Some(digit) = char::from(byte).to_digit(16) else { return State::Malformed };
        // RFC 9112 §7.1: sizes can be larger than any integer.
        let Some(shifted) = self.left.checked_mul(16) else { return State::Malformed };
        self.left = shifted | u64::from(digit);
        if self.left == 0 { self.skip(State::Digits) } else { State::Digits }
    }

    /// Skips one byte of a line that ends in CR LF.
    fn skip_to_end(&mut self, byte: u8, within: State, end: State) -> State {
        match byte {
            b'\r' => end,
            b'\n' => State::Malformed,
            _ => self.skip(within),
        }
    }

    fn skip(&mut self, next: State) -> State {
        let Some(spare) = self.spare.checked_sub(1) else { return State::Malformed };
        self.spare = spare;
        next
    }
}
