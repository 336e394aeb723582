//! The connection over which we send to one peer.

use alloc::{string::String, sync::Arc, vec::Vec};
use core::{
    mem,
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};
use std::{io, time::Instant};

use futures::{FutureExt, channel::oneshot, future::BoxFuture};
use quinn::{Connection, SendDatagramError, Side, StoppedError, VarInt};

use super::{counters::Tally, gate::Gate, shares::Place, tls::STREAMS_MAX, trust::Epoch};
use crate::transport::ProvenPeer;

/// The most packets that wait for a connection to come about.
const WAITING_PACKETS_MAX: usize = 32;

/// The most bytes that wait for a connection to come about.
const WAITING_BYTES_MAX: usize = 256 << 10;

/// The most streams that wait for a connection to come about.
const WAITING_STREAMS_MAX: usize = 8;

/// For how long at least a peer may give no sign of having received anything.
const SILENCE_MIN: Duration = Duration::from_secs(1);

/// How long before it ends for being idle nothing is sent over a connection any more.
const STALE_MARGIN: Duration = Duration::from_millis(500);

/// How many bytes the two ends of a connection derive from its keys, to tell it from another.
const MARK_LEN: usize = 16;

/// How we stand with a peer.
pub(super) enum Link {
    /// A connection is being made.
    Dialling(Dialling),
    /// There is a connection.
    Up(Up),
    /// There was none to be had, and we do not try again before some time.
    Failed(Failed),
}

impl Link {
    /// Its connections: the one for sending, and the other one.
    pub(super) fn into_held(self) -> (Option<Held>, Option<Held>) {
        match self {
            Self::Dialling(dialling) => (None, dialling.previous),
            Self::Up(up) => (Some(up.held), up.previous),
            Self::Failed(_) => (None, None),
        }
    }

    /// For how long the last attempts made us pause, if no message has come in since.
    pub(super) fn pause(&self) -> Duration {
        match self {
            Self::Dialling(dialling) => dialling.pause,
            Self::Up(up) if up.held.is_accepted() => Duration::ZERO,
            Self::Up(up) => up.pause,
            Self::Failed(failed) => failed.pause,
        }
    }
}

/// A connection, and what we know of it.
#[derive(Clone)]
pub(super) struct Held {
    pub(super) conn: Connection,
    /// Who the peer is.
    pub(super) peer: Option<ProvenPeer>,
    /// When it was begun.
    pub(super) epoch: Epoch,
    pub(super) made: Instant,
    /// The streams that are open over it, but for those of large packets.
    pub(super) streams: Gate,
    /// How long after it was made something was last sent or received, in milliseconds.
    active_ms: Arc<AtomicU64>,
    /// Of a connection that the peer made: among those that it may have.
    _place: Option<Arc<Place>>,
}

impl Held {
    pub(super) fn new(
        conn: Connection,
        peer: Option<ProvenPeer>,
        epoch: Epoch,
        place: Option<Place>,
    ) -> Self {
        Self {
            peer,
            conn,
            epoch,
            made: Instant::now(),
            streams: Gate::open(),
            active_ms: Arc::default(),
            _place: place.map(Arc::new),
        }
    }

    /// Notes that something was sent or received.
    pub(super) fn used(&self) {
        let since = u64::try_from(self.made.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.active_ms.store(since, Ordering::Relaxed);
    }

    /// Whether nothing has moved for so long that the other end may be about to forget it, which
    /// it does without a word.
    pub(super) fn is_stale(&self, now: Instant, idle_timeout: Duration) -> bool {
        let active = Duration::from_millis(self.active_ms.load(Ordering::Relaxed));
        let idle = now
            .saturating_duration_since(self.made)
            .saturating_sub(active);
        let margin = STALE_MARGIN.min(idle_timeout / 4);
        self.streams.is_empty() && idle > idle_timeout.saturating_sub(margin)
    }

    pub(super) fn is(&self, other: &Connection) -> bool {
        self.conn.stable_id() == other.stable_id()
    }

    pub(super) fn is_closed(&self) -> bool {
        self.conn.close_reason().is_some()
    }

    /// Whether the peer has looked at our certificate and found it good. Who dials is told that
    /// after its own handshake.
    pub(super) fn is_accepted(&self) -> bool {
        self.conn.side() == Side::Server || self.conn.stats().frame_rx.handshake_done > 0
    }

    /// How many datagrams came in.
    pub(super) fn heard(&self) -> u64 {
        self.conn.stats().udp_rx.datagrams
    }

    /// How many packets came over it, but for large ones.
    pub(super) fn told(&self) -> u64 {
        self.conn.stats().frame_rx.datagram
    }

    /// How many datagrams came in and went out.
    pub(super) fn traffic(&self) -> u64 {
        let stats = self.conn.stats();
        stats
            .udp_rx
            .datagrams
            .saturating_add(stats.udp_tx.datagrams)
    }

    /// What both ends know of this connection, and nobody else.
    pub(super) fn mark(&self) -> Option<[u8; MARK_LEN]> {
        let mut mark = [0; MARK_LEN];
        let derived = self
            .conn
            .export_keying_material(&mut mark, b"EXPORTER-selkie-collapse", b"");
        derived.ok().map(|()| mark)
    }
}

/// The packets that wait for a connection.
pub(super) struct Dialling {
    /// Which dial: a later one to the same peer has another number.
    pub(super) number: u64,
    packets: Vec<Vec<u8>>,
    bytes: usize,
    /// Those who wait to open a stream.
    streams: Vec<oneshot::Sender<Held>>,
    pub(super) previous: Option<Held>,
    pub(super) pause: Duration,
}

impl Dialling {
    pub(super) fn new(number: u64, previous: Option<Held>, pause: Duration) -> Self {
        Self {
            number,
            packets: Vec::new(),
            bytes: 0,
            streams: Vec::new(),
            previous,
            pause,
        }
    }

    /// Whether there was room.
    pub(super) fn push(&mut self, packet: &[u8]) -> bool {
        let bytes = self.bytes.saturating_add(packet.len());
        let fits = bytes <= WAITING_BYTES_MAX && self.packets.len() < WAITING_PACKETS_MAX;
        if fits {
            self.bytes = bytes;
            self.packets.push(packet.to_vec());
        }
        fits
    }

    /// Will be given the connection, if there is room to wait for it.
    pub(super) fn wait(&mut self) -> Option<oneshot::Receiver<Held>> {
        self.streams.retain(|waiting| !waiting.is_canceled());
        if self.streams.len() >= WAITING_STREAMS_MAX {
            return None;
        }
        let (sender, receiver) = oneshot::channel();
        self.streams.push(sender);
        Some(receiver)
    }

    /// The packets, to be sent by now, and who waits to open a stream.
    pub(super) fn take_waiting(&mut self) -> (Vec<Vec<u8>>, Vec<oneshot::Sender<Held>>) {
        (mem::take(&mut self.packets), mem::take(&mut self.streams))
    }

    pub(super) fn len(&self) -> usize {
        self.packets.len()
    }
}

/// Why the last dial failed.
pub(super) struct Failed {
    pub(super) until: Instant,
    pub(super) pause: Duration,
    pub(super) kind: io::ErrorKind,
    pub(super) why: String,
}

impl Failed {
    pub(super) fn error(&self) -> io::Error {
        io::Error::new(self.kind, self.why.clone())
    }
}

/// Why a connection did not take a packet.
pub(super) enum Refusal {
    /// Its queue is full.
    Full,
    /// It is no more.
    Lost,
}

/// A connection for sending.
pub(super) struct Up {
    pub(super) held: Held,
    /// Another one, over which something may still come in before it is closed. A peer has no more
    /// than these two.
    pub(super) previous: Option<Held>,
    /// The pause before the dial that made it.
    pub(super) pause: Duration,
    /// The free bytes of its datagram queue when that is empty.
    space: usize,
    /// How many datagrams had come in when we last looked, and since when we send without any
    /// more coming in.
    heard: (u64, Option<Instant>),
    /// Those that the peer has not acknowledged yet.
    streams: Vec<BoxFuture<'static, Result<Option<VarInt>, StoppedError>>>,
}

impl Up {
    pub(super) fn new(held: Held, previous: Option<Held>, pause: Duration) -> Self {
        Self {
            space: held.conn.datagram_send_buffer_space(),
            held,
            previous,
            pause,
            heard: (0, None),
            streams: Vec::new(),
        }
    }

    pub(super) fn room(&self) -> Option<usize> {
        self.held.conn.max_datagram_size()
    }

    /// Whether the peer has acknowledged nothing for longer than a live one would take. Asked
    /// before each packet that we send.
    ///
    /// A restarted peer tells us so, but not one that was given another key, nor can it when the
    /// network lost that. Another connection costs little.
    pub(super) fn is_silent(&mut self, now: Instant) -> bool {
        let datagrams = self.held.heard();
        let (before, since) = self.heard;
        let since = match since {
            Some(since) if before == datagrams => since,
            _ => now,
        };
        self.heard = (datagrams, Some(since));
        let patience = SILENCE_MIN.max(self.held.conn.rtt().saturating_mul(4));
        now.saturating_duration_since(since) > patience
    }

    /// Hands the packet to the connection's queues; waits for nothing.
    pub(super) fn send(&mut self, packet: &[u8], tally: &Tally) -> Result<(), Refusal> {
        self.held.used();
        let conn = &self.held.conn;
        if self.room().is_some_and(|room| packet.len() <= room) {
            // Beyond its buffer, quinn would drop the oldest without a word.
            if conn.datagram_send_buffer_space() < packet.len().max(1) {
                return Err(Refusal::Full);
            }
            match conn.send_datagram(packet.to_vec().into()) {
                Ok(()) => {
                    tally.datagrams_out.one();
                    return Ok(());
                }
                Err(SendDatagramError::ConnectionLost(_)) => return Err(Refusal::Lost),
                Err(_) => {}
            }
        }
        self.send_by_stream(packet, tally)
    }

    fn send_by_stream(&mut self, packet: &[u8], tally: &Tally) -> Result<(), Refusal> {
        self.forget_finished_streams();
        if self.held.is_closed() {
            return Err(Refusal::Lost);
        }
        if self.streams.len() >= STREAMS_MAX {
            return Err(Refusal::Full);
        }
        // The peer grants as many streams, and as many bytes, as we have just counted: there is
        // nothing to wait for unless it is slow.
        let Some(opened) = self.held.conn.open_uni().now_or_never() else {
            return Err(Refusal::Full);
        };
        let mut stream = opened.map_err(|_| Refusal::Lost)?;
        match stream.write_all(packet).now_or_never() {
            Some(Ok(())) => {}
            Some(Err(_)) => return Err(Refusal::Lost),
            None => {
                let _ = stream.reset(VarInt::default());
                return Err(Refusal::Full);
            }
        }
        self.streams.push(stream.stopped().boxed());
        let _ = stream.finish();
        tally.streams_out.one();
        Ok(())
    }

    fn forget_finished_streams(&mut self) {
        self.streams
            .retain_mut(|stream| stream.now_or_never().is_none());
    }

    /// Whether everything we were given has left, and arrived as far as we would send it again.
    pub(super) fn is_flushed(&mut self) -> bool {
        self.forget_finished_streams();
        self.held.is_closed()
            || self.streams.is_empty() && self.held.conn.datagram_send_buffer_space() >= self.space
    }
}
