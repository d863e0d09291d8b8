//! Masking keys and nonces from the operating system (RFC 6455 §5.3, §10.3).

use crate::connection::NoEntropy;

/// Fills `bytes` from the operating system's random source: a
/// [`KeySource`](crate::connection::KeySource).
///
/// With `std`, keys of 4 bytes come from a generator of each thread, ChaCha with 12 rounds, which
/// the operating system seeds again after every 7,168 of them. Each is given out once and erased, and
/// what the generator keeps does not lead back to it; what was left on the stack of the thread
/// while 56 of them were made may, until something else is written there. After a `fork` without
/// `exec`, parent and child may give out the same keys until the next seed.
///
/// # Errors
///
/// [`NoEntropy`] if the operating system has none.
#[inline]
pub fn random_keys(bytes: &mut [u8]) -> Result<(), NoEntropy> {
    #[cfg(feature = "std")]
    if let Ok(key) = <&mut [u8; 4]>::try_from(&mut *bytes) {
        *key = generator::key()?;
        return Ok(());
    }
    fill(bytes)
}

/// Apart, so that a key from the generator costs no saving of registers.
#[inline(never)]
fn fill(bytes: &mut [u8]) -> Result<(), NoEntropy> {
    getrandom::fill(bytes).map_err(|_| NoEntropy)
}

/// A generator, because the system call takes 8 ns for 4 bytes however many are drawn at once, and
/// this takes less than 2. Erasing as it goes: each block of output begins with the seed of the
/// next block, so that keys that were given out cannot be computed again.
#[cfg(feature = "std")]
mod generator {
    use core::cell::RefCell;
    use core::mem;

    use chacha20::rand_core::{SeedableRng, block::Generator};
    use chacha20::variants::Legacy;
    use chacha20::{ChaChaCore, R12};

    use super::{NoEntropy, fill};

    /// What one run of the generator gives, in words of 4 bytes: 8 for the next seed, 56 keys.
    const BLOCK: usize = 64;
    const SEED: usize = 8;

    /// How many blocks follow from one seed of the operating system: 32 KiB of output, half of what
    /// `rand` draws from one. With 16 the system call takes 0.4 ns of each key.
    const BLOCKS: u8 = 128;

    struct Keys {
        /// The next seed and then keys, which are given out from the end.
        words: [u32; BLOCK],
        /// How many words have not been used.
        left: usize,
        /// How many blocks may follow before the operating system is asked.
        blocks: u8,
    }

    std::thread_local! {
        static KEYS: RefCell<Keys> =
            const { RefCell::new(Keys { words: [0; BLOCK], left: SEED, blocks: 0 }) };
    }

    pub(super) fn key() -> Result<[u8; 4], NoEntropy> {
        KEYS.with_borrow_mut(|keys| {
            if keys.left <= SEED {
                keys.refill()?;
            }
            keys.left -= 1;
            Ok(mem::take(&mut keys.words[keys.left]).to_ne_bytes())
        })
    }

    impl Keys {
        #[cold]
        fn refill(&mut self) -> Result<(), NoEntropy> {
            let mut seed = [0; 4 * SEED];
            if self.blocks == 0 {
                fill(&mut seed)?;
                self.blocks = BLOCKS;
            } else {
                for (bytes, word) in seed.as_chunks_mut().0.iter_mut().zip(self.words) {
                    *bytes = word.to_ne_bytes();
                }
            }
            self.blocks -= 1;
            ChaChaCore::<R12, Legacy>::from_seed(seed).generate(&mut self.words);
            self.left = BLOCK;
            Ok(())
        }
    }

    #[cfg(test)]
    mod tests {
        use super::*;

        #[test]
        fn a_key_that_was_given_out_is_nowhere_any_more() {
            let mut last = [0; SEED];
            for i in 0..3 * (BLOCK - SEED) * usize::from(BLOCKS) {
                let key = u32::from_ne_bytes(key().expect("random bytes"));
                KEYS.with_borrow(|keys| {
                    assert_eq!(keys.left, BLOCK - 1 - i % (BLOCK - SEED));
                    assert!(keys.words[keys.left..].iter().all(|word| *word == 0));
                    // By chance about once in two hundred thousand runs of this test.
                    assert!(i % BLOCK != 0 || !keys.words.contains(&key));
                    if keys.left == BLOCK - 1 {
                        assert_ne!(last, keys.words[..SEED], "a seed is used once");
                        last.copy_from_slice(&keys.words[..SEED]);
                    }
                });
            }
        }
    }
}
