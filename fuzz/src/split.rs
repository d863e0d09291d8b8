//! How a run of bytes is cut into reads.

/// A way to cut bytes into reads.
#[derive(Clone, Copy, Debug)]
pub enum Split {
    /// All at once.
    Whole,
    /// One by one.
    Bytewise,
    /// In sizes that follow from a seed: small ones and some up to 5,000 bytes; few are small after
    /// the first hundred, so that long inputs stay cheap.
    Seeded(u64),
}

impl Split {
    /// The pieces of `bytes` in order, none of them empty.
    pub fn pieces(self, bytes: &mut [u8]) -> impl Iterator<Item = &mut [u8]> {
        let mut rest = bytes;
        let mut sizes = self.sizes();
        std::iter::from_fn(move || {
            if rest.is_empty() {
                return None;
            }
            let at = rest.len().min(sizes.next()?);
            let (piece, left) = std::mem::take(&mut rest).split_at_mut(at);
            rest = left;
            Some(piece)
        })
    }

    /// An endless row of sizes, each at least 1.
    pub fn sizes(self) -> impl Iterator<Item = usize> {
        let mut state = match self {
            Self::Whole | Self::Bytewise => 0,
            Self::Seeded(seed) => seed.wrapping_add(1).wrapping_mul(0x9E37_79B9_7F4A_7C15),
        };
        let mut given = 0_u64;
        std::iter::from_fn(move || {
            given += 1;
            Some(match self {
                Self::Whole => usize::MAX,
                Self::Bytewise => 1,
                Self::Seeded(_) => {
                    // xorshift64
                    state ^= state << 13;
                    state ^= state >> 7;
                    state ^= state << 17;
                    let [choice, high, low, ..] = state.to_be_bytes();
                    let most = if given < 100 { [3, 3, 20, 5000] } else { [3, 5000, 5000, 5000] };
                    1 + usize::from(u16::from_be_bytes([high, low])) % most[usize::from(choice & 3)]
                }
            })
        })
    }
}
