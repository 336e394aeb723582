//! The engine through its public API, on virtual time.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod broadcasts;
mod cluster;
mod codec;
mod config;
mod conflict;
mod detection;
mod digest;
mod dissemination;
mod join;
mod last_resort;
mod leaving;
mod lifeguard;
mod memory_of_the_dead;
mod near;
mod ourselves;
mod precedence;
mod probe;
mod probing;
mod proof;
mod properties;
mod receiving;
mod ring;
mod solo;
mod suspicion;
mod turn_undead;
mod unsendable;
mod world;
