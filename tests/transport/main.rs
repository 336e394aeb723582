//! One suite that every transport passes. A transport brings a [`Fixture`](conformance::Fixture)
//! and names it in `conformance_tests!`.
#![cfg(any(feature = "smol", feature = "udp", feature = "quic"))]
// Tests need no `no_std` discipline, and their helpers may panic as they do.
#![allow(
    clippy::std_instead_of_core,
    clippy::std_instead_of_alloc,
    clippy::unwrap_used
)]

#[macro_use]
mod conformance;
#[macro_use]
mod streams;
#[cfg(all(feature = "udp", feature = "smol"))]
#[macro_use]
mod hostile;
#[cfg(feature = "smol")]
mod memory;
#[cfg(all(feature = "quic", feature = "certs"))]
mod quic;
#[cfg(all(feature = "sealed", feature = "smol"))]
mod sealed;
#[cfg(all(feature = "sealed", feature = "smol"))]
mod tampering;
#[cfg(feature = "udp")]
mod udp;
