//! What the agent counted.

use alloc::vec::Vec;

use super::{Latencies, Refusals};
use crate::{Counters, Traffic};

macro_rules! stats {
    ($($(#[doc = $doc:literal])* $name:ident,)*) => {
        /// How often what happened, since the agent was built, and how much of what there is.
        ///
        /// Counters only grow, and wrap.
        #[derive(Clone, Debug, Default, PartialEq, Eq)]
        #[non_exhaustive]
        pub struct Stats {
            /// What the engine counted.
            pub engine: Counters,
            /// What the engine received and sent, by kind.
            pub traffic: Traffic,
            /// How long probes took to be answered.
            pub probe_latency: Latencies,
            /// Newcomers that the [admission](super::Builder::admission) refused, by its reasons.
            pub refusals: Refusals,
            /// What the transport counted, if it does: see the documentation of its counters.
            pub transport: Vec<(&'static str, u64)>,
            $($(#[doc = $doc])* pub $name: u64,)*
        }

        impl Stats {
            /// All figures that are one number, but those of the transport, with their names, the
            /// engine's first, in the order of declaration.
            pub fn iter(&self) -> impl Iterator<Item = (&'static str, u64)> {
                let agent = [$((stringify!($name), self.$name),)*];
                self.engine.iter().chain(agent)
            }

            /// The names of the agent's own figures, each with what it is, in the words of its
            /// documentation. [`Counters::describe`] has the engine's.
            pub fn describe() -> impl Iterator<Item = (&'static str, &'static str)> {
                [$((stringify!($name), concat!($($doc),*)),)*].into_iter()
            }
        }
    };
}

stats! {
    /// At present: members that are alive or suspected, without ourselves.
    members_active,
    /// At present: how slow we think we are ourselves, from 0 (healthy) to 8: see
    /// [`Engine::local_health`](crate::Engine::local_health).
    local_health,
    /// Members that joined, or came back.
    members_joined,
    /// Members that were suspected.
    members_suspected,
    /// Suspected members that showed that they are alive.
    members_refuted,
    /// Members that were declared down.
    members_failed,
    /// Members that left.
    members_left,
    /// At present: updates that wait to be sent.
    updates_waiting,
    /// At present: bytes of those updates.
    updates_waiting_bytes,
    /// At present: custom broadcasts that wait to be sent.
    broadcasts_waiting,
    /// At present: bytes of those broadcasts.
    broadcasts_waiting_bytes,
    /// At present: timers that are not due yet.
    timers_waiting,
    /// Packets received.
    packets_in,
    /// Packets refused: by the engine for the reasons that it counted, or before that for one of
    /// the following two.
    packets_refused,
    /// Packets of another cluster, or of none.
    packets_of_strangers,
    /// Packets whose envelope ends too early.
    packets_malformed,
    /// Packets of a kind that this version does not know: dropped.
    packets_of_unknown_kind,
    /// At present: streams that members opened to us.
    streams_inbound,
    /// At present: streams that we opened.
    streams_outbound,
    /// Streams not opened when they were wanted, since there were as many as may be.
    dials_put_off,
    /// Streams of members that were heard.
    streams_in,
    /// Streams refused: of strangers, for what this version does not know, or beyond a limit.
    streams_refused,
    /// Streams, of either side, that broke or took too long.
    streams_failed,
    /// Times that we compared with a member what both hold.
    syncs,
    /// Times that a member did so with us, and something differed.
    syncs_answered,
    /// Times that either came to nothing.
    syncs_failed,
    /// Times that a member wanted to compare and was refused: we were comparing with it already, or with
    /// as many as we may, or it had caused as much of that as it may.
    syncs_refused,
    /// Bytes received in comparing, either way.
    sync_bytes_in,
    /// Bytes said in comparing, either way, also where nobody heard them.
    sync_bytes_out,
    /// At present: bytes of other members' metadata.
    metadata_bytes,
    /// Metadata not taken: malformed, or beyond the limit.
    metadata_refused,
    /// Metadata that nobody had whom we asked for it.
    metadata_not_fetched,
    /// Metadata that members fetched of us and were not told yet, since much was being told.
    answers_put_off,
    /// Messages that were sent as packets, or given a stream.
    messages_out,
    /// Messages that came as packets.
    messages_in,
    /// Those of them that were dropped: nobody read them, or there was no room.
    messages_dropped,
    /// Questions of ours to other members.
    questions_asked,
    /// Questions of other members that were answered.
    questions_answered,
    /// Questions that this version does not know.
    questions_unknown,
    /// Questions that were known, and not answered: too many at a time, about who is no member
    /// here, or of who is none any more.
    questions_refused,
    /// At present: bytes that wait to be told beside the engine's datagrams.
    aside_bytes,
    /// What was no longer told for want of room.
    asides_dropped,
    /// Packets that the transport took.
    packets_out,
    /// Packets not sent: larger than the transport carries.
    send_too_big,
    /// Packets not sent: a queue was full.
    send_busy,
    /// Packets not sent: no way to the peer.
    send_unreachable,
    /// Packets not sent: the transport was closed.
    send_closed,
    /// Packets not sent: the socket failed.
    send_io,
    /// Times that receiving failed.
    recv_failed,
    /// Addresses of seeds announced to.
    seeds_announced,
    /// Those of them that were announced to while other members were known.
    seeds_revisited,
    /// Addresses of seeds not announced to: an active member lives there.
    seeds_known,
    /// Addresses of seeds passed over: our own, or not reachable from ours.
    seeds_passed_over,
    /// Look-ups of a seed that found no address.
    seeds_unresolved,
    /// Members remembered from a snapshot announced to.
    remembered_announced,
    /// At present: 1 if there is something that the snapshot does not have yet.
    snapshots_waiting,
    /// Snapshots written.
    snapshots_written,
    /// Snapshots that could not be read or written.
    snapshots_failed,
    /// Calls of a handle that were carried out.
    commands,
    /// At present: readers of events.
    readers,
    /// Readers of events refused: there were too many.
    readers_refused,
    /// Events that found a reader's queue full: it is told the outcome instead.
    events_coalesced,
    /// Rounds of the driver.
    turns,
}
