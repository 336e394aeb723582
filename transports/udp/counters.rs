//! How often what happened.

counters! {
    /// Datagrams dropped: too short to be sealed, or of another version. Cleartext is counted
    /// here, or as unopened.
    datagrams_malformed,
    /// Datagrams dropped: none of our keys opens them, for our cluster.
    datagrams_unopened,
    /// Datagrams dropped: they arrived before, or are too far behind to tell.
    datagrams_replayed,
    /// Streams that peers opened.
    streams_in,
    /// Streams that we opened.
    streams_out,
    /// Connections refused: as many streams as there may be.
    refused_streams_full,
    /// Connections refused: their source has its share of the streams.
    refused_streams_source,
    /// Connections refused: as many greetings under way as there may be.
    refused_greetings_full,
    /// Connections refused: their source has its share of the greetings under way.
    refused_greetings_source,
    /// Connections ended: whoever opened them did not greet in time.
    greetings_late,
    /// Connections ended: what they began with is no greeting, or one of strangers.
    greetings_refused,
    /// Connections that ended, or failed, while greeting.
    greetings_broken,
    /// Streams not opened: we have as many open as we may.
    opens_full,
    /// Streams not opened: nobody answered in time.
    opens_timed_out,
    /// Streams not opened: refused, unreachable, or not one of ours.
    opens_failed,
}
