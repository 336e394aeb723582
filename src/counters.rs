//! What the engine counted.

macro_rules! counters {
    ($($(#[doc = $doc:literal])* $name:ident,)*) => {
        /// How often what happened, since the engine was made. They only grow, and wrap.
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
        #[non_exhaustive]
        pub struct Counters {
            $($(#[doc = $doc])* pub $name: u64,)*
        }

        impl Counters {
            /// The counters with their names, in the order of their declaration.
            pub fn iter(&self) -> impl Iterator<Item = (&'static str, u64)> {
                [$((stringify!($name), self.$name),)*].into_iter()
            }

            /// The names, each with what it counts, in the words of its documentation.
            pub fn describe() -> impl Iterator<Item = (&'static str, &'static str)> {
                [$((stringify!($name), concat!($($doc),*)),)*].into_iter()
            }
        }
    };
}

counters! {
    /// Datagrams handed in.
    datagrams_in,
    /// Datagrams handed to the runtime.
    datagrams_out,
    /// Bytes of the datagrams handed in.
    bytes_in,
    /// Bytes of the datagrams handed to the runtime.
    bytes_out,
    /// Refused: larger than allowed.
    dropped_too_big,
    /// Refused: the codec could not read them.
    dropped_undecodable,
    /// Refused: parts that the kind cannot have, or lengths that do not add up.
    dropped_malformed,
    /// Refused: from our own identity.
    dropped_from_ourselves,
    /// Dropped: a kind of message from a newer version.
    dropped_unknown_kind,
    /// Dropped: addressed to somebody else.
    dropped_not_for_us,
    /// Dropped: the caller's check of the header refused them.
    dropped_by_check,
    /// Dropped: from a sender that is down to us, or lost the conflict about its address.
    dropped_from_down,
    /// Dropped: from somebody who uses our address, or names no member.
    dropped_bad_sender,
    /// Dropped: we left, or were declared down for good.
    dropped_while_undead,
    /// Dropped: the sender must first answer a ping.
    dropped_unproven,
    /// Newcomers refused by [`Runtime::admit`](crate::Runtime::admit).
    refused_by_admission,
    /// Newcomers refused since there are
    /// [`max_members`](crate::Config::max_members).
    refused_for_room,
    /// Updates skipped: a state from a newer version.
    updates_unknown_state,
    /// Updates skipped: the identity names no member.
    updates_nameless,
    /// Updates received that were news.
    updates_applied,
    /// Updates received that were not news.
    updates_stale,
    /// Updates that could not be encoded, and are not spread.
    updates_unencodable,
    /// Packets that could not be put together: an identity that cannot be encoded, or is too large.
    unsendable,
    /// Claims that we are down, or superseded, from a sender that has no say.
    claims_ignored,
    /// Custom broadcasts received that were news.
    broadcasts_applied,
    /// Custom broadcasts received that were not.
    broadcasts_stale,
    /// Custom broadcasts that the handler refused.
    broadcasts_refused,
    /// Custom broadcasts that gave way to newer ones before they were sent often enough.
    broadcasts_evicted,
    /// Digests sent.
    digests_sent,
    /// Digests received that differed from our own.
    digests_differed,
    /// Digests received that were answered with members.
    digests_answered,
    /// Probes started.
    probes,
    /// Probes that were answered in time, directly or through others.
    probes_answered,
    /// Probes that ended without an answer.
    probes_failed,
    /// Probes for which others were asked.
    probes_indirect,
    /// Probes that also went by the [reliable way](crate::Runtime::send_reliably).
    probes_last_resort,
    /// Probes that were answered that way only.
    probes_answered_reliably,
    /// Pings of members that probed us, for themselves.
    pings_heard,
    /// Nacks from helpers that we asked to probe.
    nacks_heard,
    /// Nacks sent to those who asked us to probe.
    nacks_sent,
    /// Acknowledgements, and nacks, that matched no probe.
    acks_unmatched,
    /// Requests to probe for somebody, or to pass on an answer, that were refused.
    relays_refused,
    /// Suspicions about ourselves that we refuted.
    refutations,
    /// Times we took a renewed identity.
    renewals,
    /// Members that refuted a suspicion.
    suspicions_refuted,
    /// Members beyond the first that accuse a suspect.
    suspicions_confirmed,
    /// Members that were declared down here since they did not refute.
    suspicions_expired,
    /// Down members forgotten, or never remembered, since there are
    /// [`max_down_members`](crate::Config::max_down_members).
    down_evicted,
}
