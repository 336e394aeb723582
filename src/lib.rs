//! Gossip-based cluster membership: processes that find each other, notice who died, and spread
//! small facts, with no central server.
//!
//! Every member probes a random other one in each period, asks some more to probe when no answer
//! comes, and attaches what it learns to the packets it sends anyway. That is SWIM, with
//! infection-style dissemination and suspicion ([Das, Gupta, Motivala, 2002][swim]): the load of
//! each member and the time until somebody notices a failure do not depend on how many there are.
//!
//! The crate is two things:
//!
//! - [`Engine`], a state machine without socket, clock, thread or runtime, for `no_std` with
//!   `alloc`. Bring your own [`Identity`], [`Codec`], [`Runtime`] and loop, sync or async.
//! - The [agent](#the-agent) around it, each part behind a feature: codecs, UDP and QUIC, a
//!   [`Transport`](#features) trait for others, and a builder that puts them together.
//!
//! # What it is not
//!
//! - Not consensus: members may disagree for a while about who is there, and a healthy member
//!   that the network cuts off is declared down. What must happen once needs more than this.
//! - Not for hostile members: who takes part can lie about others. QUIC keeps strangers out.
//! - Not a database, nor a message bus: broadcasts are small, unordered, and reach those who are
//!   members at the time, with high probability.
//!
//! # The engine
//!
//! Inputs are methods, outputs go to a [`Runtime`]. This is all that it takes to run one:
//!
//! ```no_run
//! use std::{io, net::{SocketAddr, UdpSocket}, time::{Duration, Instant}};
//! use selkie::{AccumulatingRuntime, Codec, Engine, TimerQueue};
//!
//! fn run<C>(mut engine: Engine<SocketAddr, C>, socket: UdpSocket) -> io::Result<()>
//! where
//!     C: Codec<SocketAddr>,
//! {
//!     let (mut runtime, mut timers) = (AccumulatingRuntime::new(), TimerQueue::new());
//!     let (clock, mut buf) = (Instant::now(), [0; 1500]);
//!     engine.start(&mut runtime);
//!     loop {
//!         while let Some((to, packet)) = runtime.to_send() {
//!             let _ = socket.send_to(&packet, to); // lost packets are what the protocol is for
//!         }
//!         while let Some((timer, after)) = runtime.to_schedule() {
//!             timers.push(clock.elapsed() + after, timer);
//!         }
//!         while let Some(notification) = runtime.to_notify() {
//!             println!("{notification:?}");
//!         }
//!         let due = timers.next_deadline().unwrap_or(Duration::MAX);
//!         let wait = due.saturating_sub(clock.elapsed());
//!         socket.set_read_timeout(Some(wait.max(Duration::from_millis(1))))?;
//!         if let Ok((len, _)) = socket.recv_from(&mut buf) {
//!             let _ = engine.handle_data(&buf[..len], &mut runtime); // refused ones are counted
//!         }
//!         while let Some(timer) = timers.pop_due(clock.elapsed()) {
//!             engine.handle_timer(timer, &mut runtime);
//!         }
//!     }
//! }
//! ```
//!
//! To join, call [`Engine::announce`] with the identity of somebody who is there. The contract is
//! in the documentation of [`Engine`].
//!
//! # The agent
//!
#![cfg_attr(
    all(feature = "smol", feature = "udp", feature = "postcard"),
    doc = "```no_run"
)]
#![cfg_attr(
    not(all(feature = "smol", feature = "udp", feature = "postcard")),
    doc = "```text"
)]
//! use selkie::{Builder, codecs::PostcardCodec, transports::PlainUdp};
//! use smol::stream::StreamExt;
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! smol::block_on(async {
//!     let cluster = Builder::new()
//!         .codec(PostcardCodec)
//!         .transport(PlainUdp::bind("10.0.0.2:7946".parse()?)?)
//!         .seeds(["db-1.example.org:7946"])
//!         .spawn()
//!         .await?;
//!     let mut events = cluster.events();
//!     while let Some(event) = events.next().await {
//!         println!("{event:?}, {} active", cluster.members().num_active());
//!     }
//!     Ok(())
//! })
//! # }
//! ```
//!
//! A builder without codec or transport does not compile, and the compiler says which call is
//! missing. `build` instead of `spawn` hands back the task, for an executor of your own.
//!
//! # Features
//!
//! None is on by default, and each only adds items.
//!
//! | feature | what it adds | needs `std` |
//! | --- | --- | --- |
//! | `std` | the `Transport` trait, `Node::now` | yes |
//! | `serde` | `Serialize` and `Deserialize` for `Node`, `Name` and the plain protocol types | no |
//! | `postcard` | `codecs::PostcardCodec`: the smallest datagrams; the one to take | no |
//! | `bincode` | `codecs::BincodeCodec`: for clusters that speak it; an unmaintained crate | no |
//! | `msgpack` | `codecs::MsgpackCodec`: readable by every language | yes |
//! | `smol` | the agent: `Builder`, `Cluster`, `agent`; `transports::MemoryNetwork` | yes |
//! | `dns` | SRV names as seeds of the agent (`Builder::dns_servers`) | yes |
//! | `udp` | `transports::PlainUdp`: not encrypted | yes |
//! | `sealed` | `transports::SealedUdp`: UDP, sealed with a key that the cluster shares | yes |
//! | `quic` | `transports::Quic`: encrypted, mutual TLS; ring needs a C compiler | yes |
//! | `certs` | `transports::certs`: an authority for development and small clusters | yes |
//! | `sim` | `sim`: a simulator of clusters and their faults, for your own tests | no |
//! | `metrics` | `metrics`: what is counted, through the `metrics` facade | yes |
//! | `admin` | `admin`: what an agent tells and does, over a Unix socket and on loopback | yes |
//! | `tracing` | spans and events; without it the call sites compile to nothing | no |
//! | `cli` | the command `selkie`; nothing that could be imported | yes |
//!
//! # Where to go next
//!
//! - [`Engine`]: the integration manual. [`Config`]: the settings and their presets.
//! - [`Identity`]: who a member is; [`Node`] is the ready-made one.
//! - [`BroadcastHandler`]: data of your own, spread like membership is.
//! - The programs in the repository's `examples` folder, one for each seam.
//!
//! [swim]: https://www.cs.cornell.edu/projects/Quicksilver/public_pdfs/SWIM.pdf
#![no_std]
#![cfg_attr(docsrs, feature(doc_cfg))]
#![warn(
    unreachable_pub,
    clippy::std_instead_of_core,
    clippy::std_instead_of_alloc,
    clippy::alloc_instead_of_core
)]

extern crate alloc;
#[cfg(feature = "std")]
extern crate std;

#[cfg(feature = "admin")]
pub mod admin;
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
#[cfg(feature = "metrics")]
pub mod metrics;
mod node;
mod runtime;
#[cfg(feature = "sim")]
pub mod sim;
mod timer;
mod trace;
mod traffic;
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
    member::{Incarnation, Member, State, StateBody},
    message::{Fields, Header, Layout, Message, ProbeNumber},
    node::{InvalidName, Name, Node},
    runtime::{AccumulatingRuntime, Notice, Notification, OwnedNotification, Runtime},
    timer::{Epoch, Timer, TimerQueue, TimerToken},
    traffic::{Flow, Traffic},
};

/// The examples of the README, compiled.
#[cfg(all(
    doctest,
    feature = "smol",
    feature = "udp",
    feature = "quic",
    feature = "postcard"
))]
#[doc = include_str!("../README.md")]
struct Readme;
