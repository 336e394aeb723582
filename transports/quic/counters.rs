//! How often what happened.

counters! {
    /// Packets handed to `recv`'s queue.
    packets_in,
    /// Times that the socket failed to receive: `recv` returned it.
    recv_failed,
    /// Times that the socket, instead of receiving, told of a packet that did not arrive.
    recv_disturbed,
    /// Packets sent as datagrams.
    datagrams_out,
    /// Packets sent by a stream of their own, since they did not fit a datagram.
    streams_out,
    /// Packets dropped on arrival: the queue towards `recv` was full, or the peer had its share.
    dropped_inbox_full,
    /// Packets dropped that had waited for a connection that did not come about.
    dropped_unreachable,
    /// Packets dropped that had waited for a connection, and then found its queue full.
    dropped_queue_full,
    /// Packets dropped on arrival: more came over a connection than it buffers. Counted when the
    /// connection ends.
    dropped_unread,
    /// Packets sent over connections of which it turned out that the peer does not trust us.
    dropped_rejected,
    /// Sends refused: too many packets wait for that connection to come about.
    refused_waiting_full,
    /// Sends refused: the connection's queue is full.
    refused_queue_full,
    /// Sends refused: too many connections are being made.
    refused_dials_full,
    /// Connections that we began to make.
    dials,
    /// Dials that nobody answered in time.
    dials_timed_out,
    /// Dials given up since we do not trust the peer's certificate.
    dials_untrusted,
    /// Dials that failed otherwise: refused, other protocol, bad address.
    dials_failed,
    /// Connections that peers closed since they do not trust our certificate.
    rejected_by_peer,
    /// Connections that peers closed since they are of another cluster, or speak another version.
    rejected_protocol,
    /// Connections made by peers and accepted.
    accepted,
    /// Handshakes begun by peers that showed no certificate.
    inbound_without_certificate,
    /// Handshakes begun by peers whose certificate we do not trust: another authority, expired.
    inbound_untrusted,
    /// Handshakes begun by peers that speak another protocol (ALPN).
    inbound_wrong_protocol,
    /// Of those, by members of another cluster.
    inbound_other_cluster,
    /// Handshakes begun by peers and not finished in time: within some seconds, or if all places
    /// are taken, before another source that has fewer of them wants one.
    inbound_timed_out,
    /// Handshakes begun by peers that failed otherwise.
    inbound_failed,
    /// Handshakes that were not begun before the peer proved its address: there was one from its
    /// source, or there were several altogether.
    inbound_challenged,
    /// Handshakes not begun: too many at once from one source. The peer is not told, and goes on
    /// trying for a while.
    inbound_refused_source,
    /// Handshakes not begun: too many at once, from many sources. The peer is not told, and goes on
    /// trying for a while.
    inbound_refused_busy,
    /// Handshakes refused unseen: too many connections.
    inbound_refused_full,
    /// Connections closed at once: their peer has as many as there are places left.
    inbound_refused_share,
    /// Large packets dropped on arrival: their stream was longer than a packet may be.
    streams_too_big,
    /// Large packets dropped on arrival: their stream took too long.
    streams_timed_out,
    /// Large packets dropped on arrival: too many streams at once.
    streams_refused,
    /// Large packets dropped on arrival: their stream broke off.
    streams_broken,
    /// Streams that we opened.
    streams_opened,
    /// Streams opened by peers.
    streams_accepted,
    /// Streams opened by peers and reset: too many at once.
    streams_not_accepted,
    /// Streams that failed since nothing moved for too long.
    streams_silent,
    /// Connections that their peer closed: it left, or let go of an idle link.
    closed_by_peer,
    /// Connections whose peer was restarted and said so.
    closed_by_reset,
    /// Connections that ended without a word.
    closed_timed_out,
    /// Connections that ended in a protocol error.
    closed_by_error,
    /// Connections replaced, since the peer had been silent while we sent.
    replaced_silent,
    /// Connections closed, by us or by the peer, since there was another one with the same peer.
    superseded,
    /// Times that changed files of credentials were put to use.
    renewals,
    /// Times that changed files of credentials were of no use.
    renewals_failed,
    /// Connections that we cut, or did not let in, when told to.
    cut,
    /// Connections replaced, since the peer might have forgotten them any moment: idle for long.
    replaced_idle,
    /// Connections that we closed to make room for others.
    evicted,
}
