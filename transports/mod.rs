//! The transports that come with the crate.
//!
//! Each stands behind a feature; all keep the contract of [`Transport`](crate::Transport).

#[cfg(any(feature = "quic", feature = "udp"))]
#[macro_use]
mod counters;

#[cfg(feature = "certs")]
pub mod certs;
#[cfg(feature = "smol")]
mod memory;
#[cfg(feature = "quic")]
pub mod quic;
#[cfg(feature = "udp")]
pub mod udp;

#[cfg(feature = "smol")]
pub use self::memory::{Memory, MemoryNetwork, MemoryStream};
#[cfg(feature = "quic")]
pub use self::quic::Quic;
#[cfg(feature = "udp")]
pub use self::udp::PlainUdp;
#[cfg(feature = "sealed")]
pub use self::udp::SealedUdp;
