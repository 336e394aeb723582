//! The connection over which we send to one peer, and the table of them.

use alloc::{string::String, vec::Vec};
use core::{mem, net::SocketAddr, time::Duration};
use std::{collections::HashMap, io, time::Instant};

use futures::{FutureExt, future::BoxFuture};
use quinn::{Connection, SendDatagramError, StoppedError, VarInt};

use super::{counters::Tally, tls::STREAMS_MAX};

/// The most packets that wait for a connection to come about.
const WAITING_PACKETS_MAX: usize = 32;

/// The most bytes that wait for a connection to come about.
const WAITING_BYTES_MAX: usize = 256 << 10;

/// For how long at least a peer may give no sign of having received anything.
const SILENCE_MIN: Duration = Duration::from_secs(1);

/// The code by which a connection is closed to make room for others.
const EVICTED: VarInt = VarInt::from_u32(1);

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
    /// The connection that may still be of use to the peer. An older one is closed.
    fn into_conn(self) -> Option<Connection> {
        match self {
            Self::Dialling(dialling) => dialling.previous,
            Self::Up(up) => {
                if let Some(oldest) = up.previous {
                    oldest.close(EVICTED, b"superseded");
                }
                Some(up.conn)
            }
            Self::Failed(_) => None,
        }
    }
}

/// The packets that wait for a connection.
pub(super) struct Dialling {
    /// Which dial: a later one to the same peer has another number.
    pub(super) number: u64,
    packets: Vec<Vec<u8>>,
    bytes: usize,
    previous: Option<Connection>,
}

impl Dialling {
    pub(super) fn new(number: u64, replaced: Option<Link>) -> Self {
        Self {
            number,
            packets: Vec::new(),
            bytes: 0,
            previous: replaced.and_then(Link::into_conn),
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

    /// The packets, to be sent by now.
    pub(super) fn take_packets(&mut self) -> Vec<Vec<u8>> {
        mem::take(&mut self.packets)
    }

    pub(super) fn len(&self) -> usize {
        self.packets.len()
    }
}

/// Why the last dial failed.
pub(super) struct Failed {
    pub(super) until: Instant,
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
    conn: Connection,
    /// The one before, over which the peer may still send: after two that dialled at once, each
    /// may prefer another one. A peer has no more than these two.
    previous: Option<Connection>,
    /// The free bytes of its datagram queue when that is empty.
    space: usize,
    /// How many datagrams had come in when we last looked, and since when we send without any
    /// more coming in.
    heard: (u64, Option<Instant>),
    /// Those that the peer has not acknowledged yet.
    streams: Vec<BoxFuture<'static, Result<Option<VarInt>, StoppedError>>>,
}

impl Up {
    pub(super) fn new(conn: Connection, replaced: Option<Link>) -> Self {
        Self {
            space: conn.datagram_send_buffer_space(),
            conn,
            previous: replaced.and_then(Link::into_conn),
            heard: (0, None),
            streams: Vec::new(),
        }
    }

    pub(super) fn room(&self) -> Option<usize> {
        self.conn.max_datagram_size()
    }

    /// Whether the peer has acknowledged nothing for longer than a live one would take. Asked
    /// before each packet that we send.
    ///
    /// A restarted peer tells us so, but not one that was given another key, nor can it when the
    /// network lost that. Another connection costs little.
    pub(super) fn is_silent(&mut self, now: Instant) -> bool {
        let datagrams = self.conn.stats().udp_rx.datagrams;
        let (before, since) = self.heard;
        let since = match since {
            Some(since) if before == datagrams => since,
            _ => now,
        };
        self.heard = (datagrams, Some(since));
        let patience = SILENCE_MIN.max(self.conn.rtt().saturating_mul(4));
        now.saturating_duration_since(since) > patience
    }

    /// Hands the packet to the connection's queues; waits for nothing.
    pub(super) fn send(&mut self, packet: &[u8], tally: &Tally) -> Result<(), Refusal> {
        if self.room().is_some_and(|room| packet.len() <= room) {
            // Beyond its buffer, quinn would drop the oldest without a word.
            if self.conn.datagram_send_buffer_space() < packet.len().max(1) {
                return Err(Refusal::Full);
            }
            match self.conn.send_datagram(packet.to_vec().into()) {
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
        if self.conn.close_reason().is_some() {
            return Err(Refusal::Lost);
        }
        if self.streams.len() >= STREAMS_MAX {
            return Err(Refusal::Full);
        }
        // The peer grants as many streams, and as many bytes, as we have just counted: there is
        // nothing to wait for unless it is slow.
        let Some(opened) = self.conn.open_uni().now_or_never() else {
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
        self.conn.close_reason().is_some()
            || self.streams.is_empty() && self.conn.datagram_send_buffer_space() >= self.space
    }
}

struct Entry {
    link: Link,
    used: Instant,
}

/// All links, by the peer's address.
pub(super) struct Links {
    links: HashMap<SocketAddr, Entry>,
    max: usize,
    dials: u64,
}

impl Links {
    pub(super) fn new(max: usize) -> Self {
        Self {
            links: HashMap::new(),
            max,
            dials: 0,
        }
    }

    pub(super) fn next_dial(&mut self) -> u64 {
        self.dials = self.dials.wrapping_add(1);
        self.dials
    }

    pub(super) fn get(&self, peer: SocketAddr) -> Option<&Link> {
        self.links.get(&peer).map(|entry| &entry.link)
    }

    /// The link to a peer, as one that was used now.
    pub(super) fn used(&mut self, peer: SocketAddr, now: Instant) -> Option<&mut Link> {
        let entry = self.links.get_mut(&peer)?;
        entry.used = now;
        Some(&mut entry.link)
    }

    /// Puts a link in place of the one that is there. If there are too many, another one goes: one
    /// that failed, or else the one that was not used for the longest time.
    pub(super) fn put(&mut self, peer: SocketAddr, link: Link, now: Instant, tally: &Tally) {
        if !self.links.contains_key(&peer) && self.links.len() >= self.max {
            self.evict(tally);
        }
        let entry = Entry { link, used: now };
        self.links.insert(peer, entry);
    }

    /// Takes the link to `peer` out.
    pub(super) fn take(&mut self, peer: SocketAddr) -> Option<Link> {
        self.links.remove(&peer).map(|entry| entry.link)
    }

    /// Forgets a connection that ended. Returns whether it was the one for sending.
    pub(super) fn forget(&mut self, peer: SocketAddr, conn: &Connection) -> bool {
        let is_it = |it: &Connection| it.stable_id() == conn.stable_id();
        let previous = match self.links.get_mut(&peer).map(|entry| &mut entry.link) {
            Some(Link::Up(up)) if is_it(&up.conn) => {
                self.links.remove(&peer);
                return true;
            }
            Some(Link::Up(up)) => &mut up.previous,
            Some(Link::Dialling(dialling)) => &mut dialling.previous,
            Some(Link::Failed(_)) | None => return false,
        };
        let _ended = previous.take_if(|it| is_it(it));
        false
    }

    /// Whether nothing waits to be sent.
    pub(super) fn is_flushed(&mut self) -> bool {
        self.links.values_mut().all(|entry| match &mut entry.link {
            Link::Dialling(_) => false,
            Link::Up(up) => up.is_flushed(),
            Link::Failed(_) => true,
        })
    }

    /// Forgets all of them.
    pub(super) fn clear(&mut self) {
        self.links.clear();
    }

    fn evict(&mut self, tally: &Tally) {
        let victim = self
            .links
            .iter()
            .filter(|(_, entry)| !matches!(entry.link, Link::Dialling(_)))
            .min_by_key(|(_, entry)| (matches!(entry.link, Link::Up(_)), entry.used))
            .map(|(peer, _)| *peer);
        let Some(entry) = victim.and_then(|peer| self.links.remove(&peer)) else {
            return;
        };
        if let Link::Up(up) = entry.link {
            up.conn.close(EVICTED, b"evicted");
            tally.evicted.one();
        }
    }
}
