//! The engine through its public API, on virtual time.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod cluster;
mod codec;
mod conflict;
mod detection;
mod dissemination;
mod ourselves;
mod precedence;
mod probe;
mod properties;
mod receiving;
mod solo;
mod suspicion;
mod world;
