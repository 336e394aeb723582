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
//! A member with a made-up name on a socket of its own:
//!
#![cfg_attr(all(feature = "postcard", feature = "udp"), doc = "```")]
#![cfg_attr(not(all(feature = "postcard", feature = "udp")), doc = "```ignore")]
//! use core::time::Duration;
//! use selkie::{Builder, codecs::PostcardCodec, transports::PlainUdp};
//!
//! # smol::block_on(async {
//! let transport = PlainUdp::bind("127.0.0.1:0".parse()?)?;
//! let first = Builder::new().codec(PostcardCodec).transport(transport).spawn().await?;
//!
//! let transport = PlainUdp::bind("127.0.0.1:0".parse()?)?;
//! let second = Builder::new()
//!     .codec(PostcardCodec)
//!     .transport(transport)
//!     .seeds([first.local_addr()])
//!     .spawn()
//!     .await?;
//! let others = second.wait_for(1, Duration::from_secs(60)).await?;
//! assert_eq!(others.active().next().unwrap().id, first.identity());
//! second.leave().await?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! # })?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! It waits with async-io's timers, which bring a thread of their own where no smol executor runs:
//! any executor will do, tokio's included.

mod accusations;
mod admission;
mod aside;
mod budget;
mod builder;
mod choice;
mod cluster;
mod driver;
mod envelope;
mod error;
mod events;
mod inputs;
mod inside;
mod join;
mod last_resort;
mod latency;
mod leave;
mod limits;
mod messages;
mod metadata;
mod news;
mod outputs;
mod queries;
mod receive;
mod remembered;
mod seeds;
mod shared;
mod snapshot;
mod stats;
mod streams;
mod sync;
mod view;

pub use self::{
    accusations::{Accusation, Outcome},
    admission::{Admission, CertifiedSenders, Claim, Refusal, Refusals, SenderRule},
    builder::Builder,
    choice::{Chosen, CodecChoice, IdentityChoice, TransportChoice, Unset},
    cluster::{Cluster, Departure, Status, WaitError},
    driver::Driver,
    error::{BuildError, CommandError},
    events::{Event, Events},
    latency::{Bucket, Latencies},
    limits::Limits,
    messages::{MessageError, Messages, UserMessage},
    metadata::Metadata,
    queries::{Clocks, MemberView, QueryError, RoundTrips},
    seeds::{Discover, InvalidSeed, Seed},
    stats::Stats,
    view::{MemberInfo, Members},
};
pub use crate::engine::Probing;
