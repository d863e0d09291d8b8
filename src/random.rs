//! Masking keys and nonces from the operating system (RFC 6455 §5.3, §10.3).

use crate::connection::NoEntropy;

/// How much is drawn at once, in bytes: 64 frames for one system call.
#[cfg(feature = "std")]
const POOL: usize = 256;

/// Fills `bytes` from the operating system's random source: a
/// [`KeySource`](crate::connection::KeySource).
///
/// With `std`, short requests come from a pool of 256 bytes a thread, so that a client does not
/// make a system call for every frame; each byte is given out once.
///
/// # Errors
///
/// [`NoEntropy`] if the operating system has none.
pub fn random_keys(bytes: &mut [u8]) -> Result<(), NoEntropy> {
    #[cfg(feature = "std")]
    {
        use core::cell::RefCell;
        std::thread_local! {
            static KEYS: RefCell<([u8; POOL], usize)> = const { RefCell::new(([0; POOL], POOL)) };
        }
        if bytes.len() <= POOL / 8 {
            return KEYS.with(|keys| {
                let (pool, used) = &mut *keys.borrow_mut();
                if POOL - *used < bytes.len() {
                    getrandom::fill(pool).map_err(|_| NoEntropy)?;
                    *used = 0;
                }
                let end = *used + bytes.len();
                bytes.copy_from_slice(&pool[*used..end]);
                // A key that was given out is not kept where it could be read later.
                pool[*used..end].fill(0);
                *used = end;
                Ok(())
            });
        }
    }
    getrandom::fill(bytes).map_err(|_| NoEntropy)
}
