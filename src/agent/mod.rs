//! The agent: the engine with a socket, a clock and a list of members.
//!
//! ```text
//!   Builder ── build ──> Cluster  handles: ask, read          any task, any thread
//!                 │         │  ▲
//!                 │ commands│  │members, events, figures
//!                 │         ▼  │
//!                 └────> Driver   owns the engine             one task, any executor
//!                           │  ▲
//!                    packets│  │packets
//!                           ▼  │
//!                        Transport
//! ```
//!
//! It waits with async-io's timers, which bring a thread of their own where no smol executor runs:
//! any executor will do, tokio's included.

mod builder;
mod choice;
mod cluster;
mod driver;
mod error;
mod events;
mod inputs;
mod join;
mod leave;
mod news;
mod outputs;
mod seeds;
mod shared;
mod stats;
mod view;

pub use self::{
    builder::Builder,
    choice::{Chosen, CodecChoice, IdentityChoice, TransportChoice, Unset},
    cluster::{Cluster, Departure},
    driver::Driver,
    error::{BuildError, CommandError, Stopped},
    events::{Event, Events},
    seeds::{InvalidSeed, Seed},
    stats::Stats,
    view::{MemberInfo, Members},
};
