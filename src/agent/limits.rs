//! The bounds of what an agent holds, beside those of the engine.

use super::driver::Agent;
use crate::{BroadcastHandler, Codec, Locate, Transport};

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
    /// Streams of our own at a time. What needs another one waits its turn: `dials_put_off`. Who
    /// sends messages waits, too, up to 256 members' worth of them; then it is an error. 64 by
    /// default.
    pub dials: usize,
    /// The bytes that a member tells another of the membership at a time, to either side: what is
    /// beyond waits for the next time, or for gossip. As many again tell of metadata. 8 MiB by
    /// default; more than that, less 64 KiB for what is around them, is never told.
    pub sync_bytes: usize,
    /// The bytes of all other members' metadata. Beyond that, none that is larger than what it
    /// replaces is taken: `metadata_refused`. 64 MiB by default.
    pub metadata_bytes: usize,
    /// The bytes of metadata that members fetch of us at a time; one answer alone may have more, up
    /// to 4 MiB. Beyond that they are told less, or nothing, and ask again, or others:
    /// `answers_put_off`. 8 MiB by default.
    pub answer_bytes: usize,
    /// The bytes that wait to be told beside the engine's datagrams. Beyond that, what was told
    /// most often is told no more: `asides_dropped`. 256 KiB by default.
    pub backlog_bytes: usize,
    /// The most bytes of one message: to be sent, it is an error of the call; from another member,
    /// it is refused. 16 MiB by default.
    pub message_max: usize,
    /// The bytes of all messages that wait to be read here, or arrive; one alone may have more, and
    /// so may one that arrives while none is complete. Beyond that, who sends reliably waits, and
    /// packets are dropped: `messages_dropped`. 64 MiB by default.
    pub message_bytes: usize,
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
            metadata_bytes: 64 << 20,
            answer_bytes: 8 << 20,
            backlog_bytes: 256 << 10,
            message_max: 16 << 20,
            message_bytes: 64 << 20,
            readers: 256,
            reader_events: 512,
        }
    }
}

impl<I, C, T, H> Agent<I, C, T, H>
where
    I: Locate<Addr: Send> + Send + Sync + 'static,
    C: Codec<I>,
    T: Transport,
    H: BroadcastHandler<I>,
{
    pub(super) fn set_limits(&mut self, limits: &Limits) {
        self.inputs.streams.places.set_limits(limits);
        self.sync.set_limits(limits);
        self.metadata.set_limits(limits);
        self.outputs.aside.set_bytes_max(limits.backlog_bytes);
        self.lanes.set_limits(limits);
        self.lifeline.0.published().readers.set_limits(limits);
    }
}
