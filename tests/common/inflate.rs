//! DEFLATE (RFC 1951) once more, after its text and apart from any library: an inflater that tells
//! what it has seen, and a writer of blocks that no compressor would make.

/// What is left out at the end of a message (RFC 7692 §7.2.1).
pub(crate) const TAIL: [u8; 4] = [0, 0, 0xff, 0xff];

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Block {
    Stored { last: bool, len: usize },
    Fixed { last: bool },
    Dynamic { last: bool },
}

/// A message that was inflated, and what it was made of.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Inflated {
    pub(crate) output: Vec<u8>,
    /// The largest distance of a match; 0 without any.
    pub(crate) distance: usize,
    pub(crate) blocks: Vec<Block>,
}

/// Inflates messages one after another; what they may refer to is kept.
#[derive(Clone, Debug, Default)]
pub(crate) struct Puff {
    history: Vec<u8>,
    largest: usize,
}

impl Puff {
    /// Inflates the payload of a message as it was sent, without its tail (RFC 7692 §7.2.2).
    pub(crate) fn message(&mut self, payload: &[u8]) -> Result<Inflated, &'static str> {
        let bytes = [payload, &TAIL].concat();
        let mut run = Run { bytes: &bytes, at: 0, out: self.history.clone(), distance: 0 };
        let mut blocks = Vec::new();
        let mut last = false;
        // Behind a final block nothing is needed that the tail would be the end of.
        while run.at < bytes.len() * 8 && !(last && run.at == payload.len() * 8) {
            let block = run.block()?;
            last = match block {
                Block::Stored { last, .. } | Block::Fixed { last } | Block::Dynamic { last } => {
                    last
                }
            };
            if last {
                run.at = run.at.next_multiple_of(8);
            }
            blocks.push(block);
        }
        // RFC 7692 §7.2.1: the tail is that of an empty stored block.
        let ends = matches!(blocks.last(), Some(Block::Stored { len: 0, .. }));
        if !ends && run.at > payload.len() * 8 {
            return Err("the data ends inside a block");
        }
        let output = run.out.split_off(self.history.len());
        self.history.extend_from_slice(&output);
        let excess = self.history.len().saturating_sub(32 * 1024);
        self.history.drain(..excess);
        self.largest = self.largest.max(run.distance);
        Ok(Inflated { output, distance: run.distance, blocks })
    }

    /// Forgets what messages may refer to.
    pub(crate) fn forget(&mut self) {
        self.history.clear();
    }

    /// The largest distance in all messages so far.
    pub(crate) fn largest(&self) -> usize {
        self.largest
    }
}

/// As [`Puff::message`], of a message that refers to no other.
pub(crate) fn inflate(payload: &[u8]) -> Result<Inflated, &'static str> {
    Puff::default().message(payload)
}

struct Run<'a> {
    bytes: &'a [u8],
    /// The next bit.
    at: usize,
    out: Vec<u8>,
    distance: usize,
}

/// RFC 1951 §3.2.5, codes 257 to 285: base and extra bits.
const LENGTHS: [(usize, usize); 29] = {
    let mut table = [(0, 0); 29];
    let (mut i, mut base) = (0, 3);
    while i < 28 {
        let extra = if i < 8 { 0 } else { (i - 4) / 4 };
        table[i] = (base, extra);
        base += 1 << extra;
        i += 1;
    }
    table[28] = (258, 0);
    table
};

/// RFC 1951 §3.2.5, distance codes: base and extra bits.
const DISTANCES: [(usize, usize); 30] = {
    let mut table = [(0, 0); 30];
    let (mut i, mut base) = (0, 1);
    while i < 30 {
        let extra = if i < 4 { 0 } else { (i - 2) / 2 };
        table[i] = (base, extra);
        base += 1 << extra;
        i += 1;
    }
    table
};

/// RFC 1951 §3.2.7: in this order the lengths of the code length codes come.
const ORDER: [usize; 19] = [16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15];

/// The symbols whose codes have 1 to 15 bits.
struct Codes([Vec<usize>; 15]);

impl Codes {
    fn new(lengths: &[u8]) -> Self {
        Self(std::array::from_fn(|i| {
            (0..lengths.len()).filter(|symbol| usize::from(lengths[*symbol]) == i + 1).collect()
        }))
    }
}

/// RFC 1951 §3.2.6.
fn fixed_lengths() -> Vec<u8> {
    let mut lengths = vec![8; 144];
    lengths.extend([9; 112]);
    lengths.extend([7; 24]);
    lengths.extend([8; 8]);
    lengths
}

impl Run<'_> {
    fn bit(&mut self) -> Result<usize, &'static str> {
        let byte = self.bytes.get(self.at / 8).ok_or("the data ends inside a block")?;
        let bit = byte >> (self.at % 8) & 1;
        self.at += 1;
        Ok(usize::from(bit))
    }

    /// RFC 1951 §3.1.1: least significant bit first.
    fn bits(&mut self, count: usize) -> Result<usize, &'static str> {
        (0..count).try_fold(0, |value, i| Ok(value | self.bit()? << i))
    }

    /// RFC 1951 §3.2.2, one bit at a time: codes of a length are consecutive, and follow on those
    /// that are shorter.
    fn symbol(&mut self, codes: &Codes) -> Result<usize, &'static str> {
        let (mut code, mut first) = (0, 0);
        for of_len in &codes.0 {
            code |= self.bit()?;
            if code - first < of_len.len() {
                return Ok(of_len[code - first]);
            }
            first = (first + of_len.len()) << 1;
            code <<= 1;
        }
        Err("no such code")
    }

    fn block(&mut self) -> Result<Block, &'static str> {
        let last = self.bit()? == 1;
        match self.bits(2)? {
            0 => {
                self.at = self.at.next_multiple_of(8);
                let len = self.bits(16)?;
                if len ^ self.bits(16)? != 0xffff {
                    return Err("the lengths of a stored block differ");
                }
                let start = self.at / 8;
                let stored =
                    self.bytes.get(start..start + len).ok_or("a stored block ends early")?;
                self.out.extend_from_slice(stored);
                self.at += 8 * len;
                Ok(Block::Stored { last, len })
            }
            1 => {
                self.codes(&Codes::new(&fixed_lengths()), &Codes::new(&[5; 30]))?;
                Ok(Block::Fixed { last })
            }
            2 => {
                let (literals, distances) = self.tables()?;
                self.codes(&Codes::new(&literals), &Codes::new(&distances))?;
                Ok(Block::Dynamic { last })
            }
            _ => Err("no such block type"),
        }
    }

    fn tables(&mut self) -> Result<(Vec<u8>, Vec<u8>), &'static str> {
        let literals = self.bits(5)? + 257;
        let distances = self.bits(5)? + 1;
        let mut lengths = [0; 19];
        for i in 0..self.bits(4)? + 4 {
            lengths[ORDER[i]] = u8::try_from(self.bits(3)?).unwrap();
        }
        let lengths = Codes::new(&lengths);
        let mut all = Vec::new();
        while all.len() < literals + distances {
            let (value, times) = match self.symbol(&lengths)? {
                16 => (*all.last().ok_or("nothing to repeat")?, 3 + self.bits(2)?),
                17 => (0, 3 + self.bits(3)?),
                18 => (0, 11 + self.bits(7)?),
                len => (u8::try_from(len).unwrap(), 1),
            };
            all.extend(vec![value; times]);
        }
        if all.len() > literals + distances {
            return Err("too many lengths");
        }
        let distances = all.split_off(literals);
        Ok((all, distances))
    }

    fn codes(&mut self, literals: &Codes, distances: &Codes) -> Result<(), &'static str> {
        loop {
            match self.symbol(literals)? {
                256 => return Ok(()),
                symbol if symbol < 256 => self.out.push(u8::try_from(symbol).unwrap()),
                symbol => {
                    let (base, extra) = *LENGTHS.get(symbol - 257).ok_or("no such length")?;
                    let len = base + self.bits(extra)?;
                    let code = self.symbol(distances)?;
                    let (base, extra) = *DISTANCES.get(code).ok_or("no such distance")?;
                    let distance = base + self.bits(extra)?;
                    self.distance = self.distance.max(distance);
                    for _ in 0..len {
                        let from = self.out.len().checked_sub(distance).ok_or("too far back")?;
                        self.out.push(self.out[from]);
                    }
                }
            }
        }
    }
}

/// Writes blocks bit by bit.
#[derive(Clone, Debug, Default)]
pub(crate) struct Writer {
    bytes: Vec<u8>,
    used: usize,
}

impl Writer {
    /// Least significant bit first.
    pub(crate) fn bits(mut self, value: usize, count: usize) -> Self {
        for i in 0..count {
            if self.used.is_multiple_of(8) {
                self.bytes.push(0);
            }
            *self.bytes.last_mut().unwrap() |= u8::from(value >> i & 1 == 1) << (self.used % 8);
            self.used += 1;
        }
        self
    }

    /// A Huffman code: most significant bit first.
    pub(crate) fn code(self, code: usize, count: usize) -> Self {
        (0..count).rev().fold(self, |this, i| this.bits(code >> i & 1, 1))
    }

    /// The code of `symbol` where codes have these lengths.
    pub(crate) fn symbol(self, lengths: &[u8], symbol: usize) -> Self {
        let len = lengths[symbol];
        assert!(len > 0, "the symbol has a code");
        let mut code = 0;
        for shorter in 1..=len {
            code <<= 1;
            code += lengths
                .iter()
                .enumerate()
                .filter(|(i, other)| **other == shorter && (shorter < len || *i < symbol))
                .count();
            if shorter == len {
                break;
            }
        }
        self.code(code, usize::from(len))
    }

    pub(crate) fn align(mut self) -> Self {
        self.used = self.used.next_multiple_of(8);
        self
    }

    pub(crate) fn stored(self, last: bool, payload: &[u8]) -> Self {
        let len = payload.len();
        let mut this = self.bits(usize::from(last), 3).align();
        this = this.bits(len, 16).bits(!len & 0xffff, 16);
        this.bytes.extend_from_slice(payload);
        this.used += 8 * len;
        this
    }

    /// The header of a block with fixed codes.
    pub(crate) fn fixed(self, last: bool) -> Self {
        self.bits(usize::from(last), 1).bits(1, 2)
    }

    pub(crate) fn fixed_symbol(self, symbol: usize) -> Self {
        self.symbol(&fixed_lengths(), symbol)
    }

    pub(crate) fn fixed_literals(self, bytes: &[u8]) -> Self {
        bytes.iter().fold(self, |this, byte| this.fixed_symbol(usize::from(*byte)))
    }

    /// A whole block of literals with fixed codes.
    pub(crate) fn literals(self, last: bool, bytes: &[u8]) -> Self {
        let this = self.fixed(last).fixed_literals(bytes).fixed_symbol(256);
        if last { this.align() } else { this }
    }

    /// A match of 258 bytes at `distance`, with fixed codes.
    pub(crate) fn fixed_match(self, distance: usize) -> Self {
        let code = DISTANCES.iter().rposition(|(base, _)| *base <= distance).unwrap();
        let (base, extra) = DISTANCES[code];
        self.fixed_symbol(285).code(code, 5).bits(distance - base, extra)
    }

    /// The header of a block with codes of these lengths, up to their tables.
    pub(crate) fn dynamic(self, last: bool, literals: &[u8], distances: &[u8]) -> Self {
        let mut this = self.bits(usize::from(last), 1).bits(2, 2);
        this = this.bits(literals.len() - 257, 5).bits(distances.len() - 1, 5).bits(15, 4);
        // Lengths 0 to 15 as they are, with four bits each.
        let lengths: Vec<u8> = (0..19).map(|symbol| if symbol < 16 { 4 } else { 0 }).collect();
        for symbol in ORDER {
            this = this.bits(usize::from(lengths[symbol]), 3);
        }
        for len in literals.iter().chain(distances) {
            this = this.symbol(&lengths, usize::from(*len));
        }
        this
    }

    pub(crate) fn used(&self) -> usize {
        self.used
    }

    /// What there is, the last byte filled up with zeros.
    pub(crate) fn bytes(self) -> Vec<u8> {
        self.bytes
    }

    /// Ends the message: an empty stored block without its tail.
    pub(crate) fn message(self) -> Vec<u8> {
        self.bits(0, 3).bytes
    }
}
