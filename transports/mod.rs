//! The transports that come with the crate.

#[cfg(feature = "certs")]
pub mod certs;
#[cfg(feature = "quic")]
pub mod quic;
