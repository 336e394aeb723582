//! The agent through its public surface, over every transport.
#![cfg(all(feature = "smol", feature = "postcard"))]
// Tests need no `no_std` discipline, and their helpers may panic as they do.
#![allow(
    clippy::std_instead_of_core,
    clippy::std_instead_of_alloc,
    clippy::unwrap_used
)]

mod admission;
mod broadcasts;
mod builder;
mod cluster;
mod crowd;
mod discovery;
#[cfg(feature = "dns")]
mod dns;
mod envelope;
mod events;
mod executors;
mod fixture;
mod forged;
mod handles;
mod hostile;
mod last_resort;
mod limits;
mod memory;
mod messages;
mod metadata;
mod ports;
#[cfg(feature = "udp")]
mod proof;
mod queries;
#[cfg(all(feature = "quic", feature = "certs"))]
mod quic;
mod restart;
mod room;
mod seeds;
mod snapshot;
mod split;
mod stall;
mod sync;
mod transport;
mod tuning;
#[cfg(feature = "udp")]
mod udp;
mod waiting;
