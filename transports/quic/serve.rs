//! The tasks: one that accepts, and one per connection that makes it and then receives from it.

use alloc::{boxed::Box, sync::Arc, vec::Vec};
use core::{future::Future, net::SocketAddr, time::Duration};
use std::{io, time::Instant};

use async_io::Timer;
use futures::{StreamExt, future::join3, stream};
use quinn::{Connecting, ConnectionError, Endpoint, Incoming, ReadToEndError, RecvStream, VarInt};
use smol::future;

use super::{
    LEAVE_DEADLINE, Quic,
    counters::Tally,
    gate::Pass,
    greetings::{Denied, Greeting, Turn, Waiting},
    inbox::Received,
    link::Held,
    renewal::{WARN_EVERY, warn_of_expiry},
    shared::{Dial, Shared, canonical},
    tls::{PEER_STREAMS_MAX, STREAMS_MAX},
};

/// How long a peer that connects to us may take for its handshake.
const GREETING_DEADLINE: Duration = Duration::from_secs(5);

/// How long a large packet may take to arrive.
const STREAM_DEADLINE: Duration = Duration::from_secs(5);

/// How many datagrams of one peer are taken before others have their turn.
const DATAGRAMS_PER_TURN: u64 = 64;

/// Runs `future`, for this long at most.
pub(super) async fn within<F: Future>(limit: Duration, future: F) -> Option<F::Output> {
    let late = async {
        Timer::after(limit).await;
        None
    };
    future::or(async { Some(future.await) }, late).await
}

/// Waits until all connections of an endpoint that was closed have said so, but not for long.
pub(super) async fn take_leave(endpoint: &Endpoint) {
    within(LEAVE_DEADLINE, endpoint.wait_idle()).await;
}

/// Accepts connections until the endpoint is closed, and takes leave. When this ends, also by its
/// executor being dropped, the node is no more.
pub(super) async fn accept(shared: Arc<Shared>, endpoint: Endpoint) {
    let lifeline = Lifeline(shared);
    let shared = &lifeline.0;
    let mut waiting = Waiting::new();
    let mut daily = Timer::interval_at(Instant::now(), WARN_EVERY);
    loop {
        let accepted = async { Happened::Accepted(endpoint.accept().await.map(Box::new)) };
        let ended = async {
            shared.greetings.ended().await;
            Happened::Ended
        };
        let day = async {
            daily.next().await;
            Happened::Day
        };
        match future::race(accepted, future::or(ended, day)).await {
            Happened::Accepted(Some(incoming)) => knock(shared, *incoming, &mut waiting),
            Happened::Accepted(None) => break,
            Happened::Ended => {
                for turn in waiting.turns(&shared.greetings) {
                    match turn {
                        Turn::Now(incoming, greeting) => welcome(shared, incoming, greeting),
                        Turn::Never(incoming) => refuse_source(incoming, &shared.tally),
                    }
                }
            }
            Happened::Day => warn_of_expiry(shared.not_after()),
        }
    }
    // Nobody has to wait for the node to be gone.
    drop(waiting);
    take_leave(&endpoint).await;
}

enum Happened {
    Accepted(Option<Box<Incoming>>),
    /// A handshake that a peer began.
    Ended,
    Day,
}

/// Decides about a handshake that a peer begins. One that has no place is not told so: a member
/// would rest for longer than it takes for a place to be free.
fn knock(shared: &Arc<Shared>, incoming: Incoming, waiting: &mut Waiting<Incoming>) {
    let peer = incoming.remote_address();
    let is_proven = incoming.remote_address_validated();
    match shared.greetings.enter(peer, is_proven) {
        Ok(greeting) => welcome(shared, incoming, greeting),
        Err(Denied::Unproven) => {
            shared.tally.inbound_challenged.one();
            // Only whoever did prove its address cannot be asked to.
            let _ = incoming.retry();
        }
        Err(Denied::Source) => {
            if let Err(incoming) = waiting.push(peer, incoming) {
                refuse_source(incoming, &shared.tally);
            }
        }
        Err(Denied::Busy) => {
            shared.tally.inbound_refused_busy.one();
            incoming.ignore();
        }
    }
}

fn refuse_source(incoming: Incoming, tally: &Tally) {
    tally.inbound_refused_source.one();
    incoming.ignore();
}

fn welcome(shared: &Arc<Shared>, incoming: Incoming, greeting: Greeting) {
    let Some(guest) = shared.guests.enter() else {
        shared.tally.inbound_refused_full.one();
        incoming.refuse();
        return;
    };
    shared
        .spawner
        .run(greet(shared.clone(), incoming, greeting, guest));
}

struct Lifeline(Arc<Shared>);

impl Drop for Lifeline {
    fn drop(&mut self) {
        self.0.stop();
    }
}

/// Completes the handshake of a peer that connects to us, and serves the connection.
async fn greet(shared: Arc<Shared>, incoming: Incoming, greeting: Greeting, guest: Pass) {
    let peer = canonical(incoming.remote_address());
    let (server, epoch) = shared.trust.server(shared.paths.take(peer));
    let outcome = match incoming.accept_with(server) {
        Ok(connecting) => {
            let displaced = async {
                greeting.displaced().await;
                None
            };
            let handshake = within(GREETING_DEADLINE, connecting);
            future::or(handshake, displaced).await
        }
        Err(error) => Some(Err(error)),
    };
    drop(greeting);
    let tally = &shared.tally;
    match outcome {
        Some(Ok(conn)) => {
            tally.accepted.one();
            if let Some(held) = shared.adopt(peer, conn, epoch) {
                serve(&shared, peer, held).await;
            }
        }
        Some(Err(ConnectionError::TransportError(error))) => match alert(error.code) {
            Some(CERTIFICATE_REQUIRED) => tally.inbound_without_certificate.one(),
            Some(NO_APPLICATION_PROTOCOL) => tally.inbound_wrong_protocol.one(),
            Some(BAD_CERTIFICATE..=ACCESS_DENIED) => tally.inbound_untrusted.one(),
            _ => tally.inbound_failed.one(),
        },
        Some(Err(error)) if is_tls(&error) => count_rejection(tally, &error),
        Some(Err(ConnectionError::TimedOut)) | None => tally.inbound_timed_out.one(),
        Some(Err(_)) => tally.inbound_failed.one(),
    }
    drop(guest);
}

/// Completes a dial, and serves the connection.
pub(super) async fn dialled(shared: Arc<Shared>, dial: Dial, connecting: Connecting, pass: Pass) {
    let outcome = within(shared.dial_deadline, connecting).await;
    drop(pass);
    let tally = &shared.tally;
    match outcome {
        Some(Ok(conn)) => match shared.adopt(dial.peer, conn, dial.epoch) {
            Some(held) => serve(&shared, dial.peer, held).await,
            None => shared.dial_failed(&dial, io::ErrorKind::ConnectionAborted, "cut"),
        },
        None | Some(Err(ConnectionError::TimedOut)) => {
            tally.dials_timed_out.one();
            shared.dial_failed(&dial, io::ErrorKind::TimedOut, "no answer");
        }
        Some(Err(ConnectionError::TransportError(error))) if alert(error.code).is_some() => {
            tally.dials_untrusted.one();
            shared.dial_failed(&dial, io::ErrorKind::PermissionDenied, error);
        }
        Some(Err(error)) if is_tls(&error) => {
            count_rejection(tally, &error);
            shared.dial_failed(&dial, io::ErrorKind::PermissionDenied, error);
        }
        Some(Err(error)) => {
            tally.dials_failed.one();
            shared.dial_failed(&dial, io::ErrorKind::ConnectionRefused, error);
        }
    }
}

/// Receives from a connection until it ends.
async fn serve(shared: &Shared, peer: SocketAddr, held: Held) {
    let datagrams = receive_datagrams(shared, peer, &held);
    let packets = receive_streams(shared, peer, &held);
    let streams = take_streams_in(shared, peer, &held);
    join3(datagrams, packets, streams).await;
    let why = held.conn.closed().await;
    shared.ended(peer, &held, &why);
}

async fn receive_datagrams(shared: &Shared, peer: SocketAddr, held: &Held) {
    let mut read = 0_u64;
    while let Ok(packet) = held.conn.read_datagram().await {
        deliver(shared, peer, held, packet.into());
        read = read.wrapping_add(1);
        if read.is_multiple_of(DATAGRAMS_PER_TURN) {
            future::yield_now().await;
        }
    }
    // Quinn drops the oldest when its buffer is full.
    let arrived = held.conn.stats().frame_rx.datagram;
    let dropped = arrived.saturating_sub(read) as usize;
    shared.tally.dropped_unread.many(dropped);
}

async fn take_streams_in(shared: &Shared, peer: SocketAddr, held: &Held) {
    while let Ok(opened) = held.conn.accept_bi().await {
        if opened.0.id().index() == 0 {
            let most = VarInt::from_u32(PEER_STREAMS_MAX as u32);
            held.conn.set_max_concurrent_bi_streams(most);
        }
        shared.visits.take_in(peer, held, opened, &shared.spawner);
    }
}

async fn receive_streams(shared: &Shared, peer: SocketAddr, held: &Held) {
    stream::unfold((), |()| async {
        let opened = held.conn.accept_uni().await.ok()?;
        if opened.id().index() == 0 {
            let most = VarInt::from_u32(STREAMS_MAX as u32);
            held.conn.set_max_concurrent_uni_streams(most);
        }
        Some((opened, ()))
    })
    .for_each_concurrent(STREAMS_MAX, |opened| {
        receive_stream(shared, peer, held, opened)
    })
    .await;
}

async fn receive_stream(shared: &Shared, peer: SocketAddr, held: &Held, mut opened: RecvStream) {
    let tally = &shared.tally;
    let Some(_place) = shared.streams.enter(held.peer.as_ref(), peer) else {
        tally.streams_refused.one();
        let _ = opened.stop(VarInt::default());
        return;
    };
    match within(STREAM_DEADLINE, opened.read_to_end(Quic::PACKET_MAX)).await {
        Some(Ok(packet)) => deliver(shared, peer, held, packet),
        Some(Err(ReadToEndError::TooLong)) => tally.streams_too_big.one(),
        Some(Err(ReadToEndError::Read(_))) => tally.streams_broken.one(),
        None => tally.streams_timed_out.one(),
    }
}

fn deliver(shared: &Shared, from: SocketAddr, held: &Held, packet: Vec<u8>) {
    held.used();
    let peer = held.peer.clone();
    match shared.inbox.push(Received { from, peer, packet }) {
        true => shared.tally.packets_in.one(),
        false => shared.tally.dropped_inbox_full.one(),
    }
}

/// TLS alerts (RFC 8446, section 6).
const BAD_CERTIFICATE: u8 = 42;
const ACCESS_DENIED: u8 = 49;
const CERTIFICATE_REQUIRED: u8 = 116;
const NO_APPLICATION_PROTOCOL: u8 = 120;

/// The alert in a QUIC error code (RFC 9001, section 4.8).
fn alert(code: quinn::TransportErrorCode) -> Option<u8> {
    let alert = u64::from(code).checked_sub(0x100)?;
    u8::try_from(alert).ok()
}

/// Counts a connection that the peer closed over TLS.
pub(super) fn count_rejection(tally: &Tally, error: &ConnectionError) {
    match error {
        ConnectionError::ConnectionClosed(close)
            if alert(close.error_code) == Some(NO_APPLICATION_PROTOCOL) =>
        {
            tally.rejected_protocol.one();
        }
        _ => tally.rejected_by_peer.one(),
    }
}

/// Whether the peer closed the connection over TLS: it does not trust us.
pub(super) fn is_tls(error: &ConnectionError) -> bool {
    matches!(error, ConnectionError::ConnectionClosed(close) if alert(close.error_code).is_some())
}
