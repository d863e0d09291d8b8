//! What the fuzz targets share: how an input is laid out, and the properties that they assert.
//!
//! An input of most targets is [`Setup`] (four bytes), and then what goes over the wire. The file
//! of each target in `fuzz_targets/` says in a few lines which properties it asks for; they are in
//! the modules here:
//!
//! - [`connection`]: any split gives the same, errors are final, output is understood by the peer.
//! - [`memory`]: what is kept follows the bytes received, whatever lengths were announced.
//! - [`endpoint`]: any order of calls does what a plain model does.
//! - [`handshake`]: any split gives the same, and either side understands the other.
//! - [`deflate`]: what is sent compressed arrives, and hostile data is judged as zlib judges it.
//! - [`negotiate`]: permessage-deflate by the tables of RFC 7692, and both sides agree.
//! - [`differential`]: the verdict of tungstenite, and where RFC 6455 decides against it.

pub mod connection;
pub mod deflate;
pub mod differential;
pub mod endpoint;
pub mod handshake;
pub mod keys;
pub mod memory;
pub mod negotiate;
mod split;
pub mod wire;

use std::time::Duration;

pub use split::Split;
use websocket_proto::connection::{Config, Connection, Role};
use websocket_proto::frame::Rsv;

/// The first four bytes of an input. All zero is the plain case: server, raw bytes, default limits.
#[derive(Clone, Copy, Debug)]
pub struct Setup {
    flags: u8,
    split: u8,
    limits: u8,
    extra: u8,
}

/// Limits at which something changes: the borders of the length encodings, and small ones.
const LIMITS: [u64; 8] = [1 << 20, 0, 1, 125, 126, 1000, 65_535, 65_536];
const ALLOWANCES: [u32; 4] = [1024, 0, 4, u32::MAX];

impl Setup {
    /// Takes the setup off an input; `None` if it is shorter.
    pub fn take(data: &[u8]) -> Option<(Self, &[u8])> {
        let (&[flags, split, limits, extra], rest) = data.split_first_chunk::<4>()?;
        Some((Self { flags, split, limits, extra }, rest))
    }

    /// Flag 1: which end is under test.
    pub fn role(self) -> Role {
        if self.flags & 1 == 0 { Role::Server } else { Role::Client }
    }

    /// The bytes that `role` receives. Flag 2: the rest of the input is a list of recipes for
    /// frames. Flag 4: it is wire data in which the mask bits are set right. Otherwise it is
    /// taken as it is.
    pub fn wire(self, role: Role, rest: &[u8]) -> Vec<u8> {
        if self.flags & 2 != 0 {
            wire::from_recipes(role, rest)
        } else if self.flags & 4 != 0 {
            wire::with_mask_bits(role, rest)
        } else {
            rest.to_vec()
        }
    }

    /// A split that the input chooses.
    pub fn split(self) -> Split {
        Split::Seeded(u64::from(self.split))
    }

    /// The third byte, for targets that take other limits.
    pub fn limits(self) -> usize {
        usize::from(self.limits)
    }

    /// Limits that the input chooses. Flag 8: the keep-alive and idle timers run.
    pub fn config(self) -> Config {
        let mut config = Config::default();
        config.max_message = LIMITS[usize::from(self.limits & 7)];
        config.max_frame = LIMITS[usize::from(self.limits >> 4 & 7)];
        config.frame_allowance = ALLOWANCES[usize::from(self.extra & 3)];
        if self.extra & 4 != 0 {
            config.rsv = Rsv::RSV1;
        }
        if self.flags & 8 != 0 {
            config.ping_interval = Some(Duration::from_secs(30));
            config.pong_timeout = Some(Duration::from_secs(10));
            config.idle_timeout = Some(Duration::from_secs(300));
        }
        config
    }
}

/// A connection of `role` whose masking keys come from [`keys`].
pub fn connect(role: Role, config: &Config) -> Connection {
    match role {
        Role::Server => Connection::server(config),
        Role::Client => Connection::client(config, keys::subject),
    }
}

/// The other end of `role`, with limits that nothing here reaches.
pub fn peer_of(role: Role) -> Connection {
    let mut config = Config::default();
    config.max_frame = u64::MAX;
    config.max_message = u64::MAX;
    config.frame_allowance = u32::MAX;
    match role {
        Role::Server => Connection::client(&config, keys::peer),
        Role::Client => Connection::server(&config),
    }
}
