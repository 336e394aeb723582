//! The simulator: that it does what it says, and that its checks find what they are for.
#![cfg(all(feature = "sim", feature = "postcard"))]
// Tests need no `no_std` discipline, and their helpers may panic as they do.
#![allow(
    clippy::std_instead_of_core,
    clippy::std_instead_of_alloc,
    clippy::unwrap_used
)]

mod beacon;
mod chaos;
mod checks;
mod custom;
mod foreign;
mod measures;
mod mistakes;
mod network;
mod nodes;
mod replay;
mod time;

use std::time::Duration;

use selkie::{
    Config, Engine,
    codecs::PostcardCodec,
    sim::{Peer, Simulation},
};

type Peers = Simulation<Engine<Peer, PostcardCodec>>;

fn secs(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn millis(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

/// Peers that joined at the first and all see each other.
#[track_caller]
fn joined(count: usize, config: Config, seed: u64) -> Peers {
    let mut sim = Simulation::new(seed, config, PostcardCodec);
    sim.add_peers(count);
    sim.join_all(0);
    sim.expect_all_seen(secs(300)).unwrap();
    sim
}
