//! The engine through its public API, on virtual time.

mod cluster;
mod codec;
mod conflict;
mod detection;
mod precedence;
mod receiving;
mod solo;
mod world;
