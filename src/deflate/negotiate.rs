//! Negotiation of permessage-deflate (RFC 7692 §5, §7.1) as functions over header values.

use crate::connection::Role;

/// The parameters that both sides have agreed on (RFC 7692 §7.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Params {
    server_no_context_takeover: bool,
    client_no_context_takeover: bool,
    /// `None`: not in the response, so 15.
    server_max_window_bits: Option<u8>,
    client_max_window_bits: Option<u8>,
}

impl Params {
    /// Whether the compressor of `role` begins each message with an empty window.
    #[must_use]
    pub const fn no_context_takeover(&self, role: Role) -> bool {
        match role {
            Role::Server => self.server_no_context_takeover,
            Role::Client => self.client_no_context_takeover,
        }
    }

    /// The largest window of the compressor of `role`, as a power of two: 8 to 15.
    #[must_use]
    pub fn max_window_bits(&self, role: Role) -> u8 {
        match role {
            Role::Server => self.server_max_window_bits,
            Role::Client => self.client_max_window_bits,
        }
        .unwrap_or(15)
    }
}
