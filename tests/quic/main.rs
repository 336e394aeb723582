//! What QUIC adds to the contract of a transport: who gets in, what goes which way, and what
//! happens when a peer dies, restarts or leaves.
#![cfg(all(feature = "quic", feature = "certs"))]
// Tests need no `no_std` discipline, and their helpers may panic as they do.
#![allow(
    clippy::std_instead_of_core,
    clippy::std_instead_of_alloc,
    clippy::unwrap_used
)]

mod credentials;
mod crowds;
mod fixture;
mod life;
mod packets;
mod pairs;
mod pinned;
mod proven;
mod rotation;
mod strangers;
mod streams;
mod wire;
