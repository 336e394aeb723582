//! Gossip-based cluster membership: processes that find each other, notice who died, and spread
//! small facts, with no central server.
//!
//! (Front page to be written with the engine.)
#![no_std]
#![cfg_attr(docsrs, feature(doc_cfg))]
#![warn(unreachable_pub)]

extern crate alloc;
#[cfg(feature = "std")]
extern crate std;

#[cfg(feature = "smol")]
pub mod agent;
mod broadcast;
mod codec;
#[path = "../codecs/mod.rs"]
pub mod codecs;
mod config;
mod counters;
pub mod engine;
mod error;
mod identity;
mod member;
mod message;
mod node;
mod runtime;
mod timer;
mod trace;
#[cfg(feature = "std")]
pub mod transport;
#[cfg(feature = "std")]
#[path = "../transports/mod.rs"]
pub mod transports;

#[cfg(feature = "smol")]
pub use self::agent::{Builder, Cluster};
#[cfg(feature = "std")]
pub use self::transport::Transport;
pub use self::{
    broadcast::{BroadcastHandler, BroadcastsDisabledError, Invalidates, NoCustomBroadcast},
    codec::Codec,
    config::{Config, InvalidConfig, Periodic, Suspicion, Transmissions},
    counters::Counters,
    engine::Engine,
    error::Error,
    identity::{Identity, Locate},
    member::{Incarnation, Member, State},
    message::{Fields, Header, Layout, Message, ProbeNumber},
    node::{InvalidName, Name, Node},
    runtime::{AccumulatingRuntime, Notice, Notification, OwnedNotification, Runtime},
    timer::{Epoch, Timer, TimerQueue, TimerToken},
};
