//! Sizes of buffers are kept in 32 bits, to keep an idle connection small.

#[inline]
pub(super) fn to_u32(size: usize) -> u32 {
    u32::try_from(size).unwrap_or(u32::MAX)
}

#[inline]
pub(super) fn to_usize(size: u32) -> usize {
    usize::try_from(size).unwrap_or(usize::MAX)
}
