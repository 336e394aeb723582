//! One suite that every transport passes. A transport brings a [`Fixture`](conformance::Fixture)
//! and names it in `conformance_tests!`.
#![cfg(any(feature = "smol", feature = "udp", feature = "quic"))]

#[macro_use]
mod conformance;
#[cfg(feature = "smol")]
mod memory;
