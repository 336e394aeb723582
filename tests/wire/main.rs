//! On foca's wire: the bytes, and clusters in which members run on foca and others on selkie.
//!
//! The virtual worlds take their seed from the environment variable `SEED`, and print it when they
//! fail: `SEED=17 cargo test --all-features --test wire`.
#![cfg(all(feature = "postcard", feature = "bincode"))]
// Tests need no `no_std` discipline, and their helpers may panic as they do.
#![allow(
    clippy::std_instead_of_core,
    clippy::std_instead_of_alloc,
    clippy::unwrap_used
)]

mod bytes;
mod differential;
mod framing;
mod mixed;
mod peer;
mod site;
#[cfg(all(feature = "smol", feature = "udp"))]
mod sockets;
mod subject;
mod world;
