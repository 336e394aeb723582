//! A simulator: many members on one virtual clock, and a network that can do whatever networks do.
//!
//! The members are real [engines](crate::Engine), with real codecs; clock, network and faults are
//! not. A run is decided by its seed: what fails once fails again, and virtual hours pass in
//! seconds.
//!
//! ```
//! # #[cfg(feature = "postcard")] {
//! use core::time::Duration;
//! use selkie::{Config, codecs::PostcardCodec};
//! use selkie::sim::{Bounds, Link, News, NoneStaysDown, Simulation};
//!
//! let mut sim = Simulation::new(42, Config::lan(), PostcardCodec);
//! sim.set_links(Link::lan().loss(0.05));
//! sim.guard(Bounds::new());
//! sim.guard(NoneStaysDown::longer_than(Duration::from_secs(130)));
//! sim.add_peers(20);
//! sim.join_all(0);
//! sim.expect_all_seen(Duration::from_secs(30))?;
//!
//! // A member dies; another one stands still for a while.
//! let crash = sim.crash(7);
//! sim.pause_for(8, Duration::from_secs(20));
//! sim.run_for(Duration::from_secs(60));
//! let found_out = sim.history().first(News::Down, 7, crash).expect("nobody noticed");
//! println!("found out after {:?}", found_out - crash);
//!
//! // Faults end: all must agree again.
//! sim.set_links(Link::lan());
//! sim.expect_converged(Duration::from_secs(130))?;
//! assert!(sim.faults().lost > 0 && sim.faults().held_in > 0);
//! # }
//! # Ok::<(), selkie::sim::Violation>(())
//! ```
//!
//! - **Members**: [`Simulation::new`] for engines, [`with_broadcasts`](Simulation::with_broadcasts)
//!   for those with custom broadcasts, both with identities of your own or with [`Peer`];
//!   [`of`](Simulation::of) for any other [`Machine`].
//! - **Network**: a [`Link`] has a [`Latency`], a [`Loss`], duplicates, detours and a
//!   [`SizeLimit`]; [cuts](Simulation::cut) and [partitions](Simulation::partition) come and go.
//! - **Nodes** [crash](Simulation::crash), [restart](Simulation::restart) and
//!   [leave](Simulation::leave); they are [paused](Simulation::pause),
//!   [frozen](Simulation::freeze), [slowed down](Simulation::slow_down); their
//!   [clocks stop](Simulation::stall_clock); they [hear](Simulation::set_ingress_loss) or
//!   [say](Simulation::set_egress_loss) too little. [`FaultCounts`] proves that they did.
//! - **Checks**: [`expect_all_seen`](Simulation::expect_all_seen),
//!   [`expect_converged`](Simulation::expect_converged), [`expect_quiet`](Simulation::expect_quiet),
//!   [`expect_none_suspected`](Simulation::expect_none_suspected),
//!   [`expect_none_declared_down`](Simulation::expect_none_declared_down);
//!   [guards](Guard) look all along. A [`Violation`] names the seed.
//! - **Measurements**: [`History`] says who noticed what when, [`Traffic`] what it cost, a
//!   [watcher](Simulation::watch) sees everything.
//! - [`Chaos`]: faults by chance.

mod chaos;
mod check;
mod counts;
mod cuts;
mod engine;
mod faults;
mod fingerprint;
mod guards;
mod happening;
mod history;
mod latency;
mod link;
mod loss;
mod machine;
mod network;
mod pace;
mod peer;
mod place;
mod port;
mod queue;
mod readers;
mod run;
mod simulation;
mod traffic;
mod views;
mod world;

use core::hash::BuildHasherDefault;

use siphasher::sip::SipHasher13;

pub use self::{
    chaos::{Chaos, Outcome},
    check::{Guard, Rule, Violation},
    counts::FaultCounts,
    cuts::Cut,
    guards::{AllSeen, Bounds, NoneStaysDown},
    happening::{Fate, Happening},
    history::{FalsePositives, History, News, Observation},
    latency::Latency,
    link::{Link, SizeLimit},
    loss::{Bursts, Loss},
    machine::{Limits, Load, Machine},
    peer::Peer,
    port::Port,
    simulation::Simulation,
    traffic::{Traffic, Volume},
};

/// The same in every run. What it orders is never walked through.
type Hasher = BuildHasherDefault<SipHasher13>;
