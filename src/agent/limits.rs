//! The bounds of what an agent holds, beside those of the engine.

/// How much of what an agent holds at most. See [`Builder::limits`](super::Builder::limits).
///
/// The engine's bounds are settings of [`Config`](crate::Config): `max_members`,
/// `max_down_members`, `max_broadcasts`, `max_packet_size`.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Limits {
    /// Streams of peers at a time. Further ones are refused: `streams_refused`. 256 by default.
    pub streams: usize,
    /// Those of one peer. 8 by default.
    pub streams_per_peer: usize,
    /// Streams of our own at a time. What needs another one waits its turn: `dials_put_off`. 64 by
    /// default.
    pub dials: usize,
    /// The bytes that a member tells another of the membership at a time, to either side: what is
    /// beyond waits for the next time, or for gossip. 8 MiB by default, at most 16 MiB.
    pub sync_bytes: usize,
    /// Readers of [events](super::Cluster::events) at a time. Further ones are told nothing, not
    /// even that the agent stops: their stream is over at once (`readers_refused`). 256 by default.
    pub readers: usize,
    /// The events that wait for one reader. Beyond them it is told the outcome, once it reads:
    /// `events_coalesced`. 512 by default, at least 1.
    pub reader_events: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            streams: 256,
            streams_per_peer: 8,
            dials: 64,
            sync_bytes: 8 << 20,
            readers: 256,
            reader_events: 512,
        }
    }
}
