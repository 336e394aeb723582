//! What the handles and the tasks of one node share: sending, and the life of connections.

use alloc::{string::ToString, sync::Arc, vec::Vec};
use core::{
    net::SocketAddr,
    sync::atomic::{AtomicBool, AtomicUsize, Ordering},
    time::Duration,
};
use std::{
    io,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Instant,
};

use async_io::Timer;
use quinn::{ClientConfig, ConnectError, Connection, ConnectionError, Endpoint, VarInt};

use super::{
    Counters, Quic,
    counters::Tally,
    greetings::{GREETINGS_MAX, Greetings},
    inbox::Inbox,
    link::{Dialling, Failed, Link, Links, Refusal, Up},
    runtime::Spawner,
    serve,
};
use crate::transport::SendError;

/// The room to peers of which nothing is known: what QUIC's least packet leaves.
const ROOM_MIN: usize = 1162;

/// The most connections that we are making at a time.
const DIALS_MAX: usize = 64;

/// The most large packets being received at a time, from all peers.
const STREAMS_IN_MAX: usize = 256;

/// How often `close` looks whether everything has been sent.
const FLUSH_POLL: Duration = Duration::from_millis(5);

/// The code of a connection that is closed since its node goes.
const LEAVING: VarInt = VarInt::from_u32(0);

pub(super) struct Shared {
    pub(super) tally: Arc<Tally>,
    pub(super) inbox: Arc<Inbox>,
    pub(super) spawner: Spawner,
    /// Handshakes that peers began.
    pub(super) greetings: Greetings,
    /// Connections that peers made, or are making.
    pub(super) guests: Gate,
    /// Large packets being received.
    pub(super) streams: Gate,
    pub(super) dial_deadline: Duration,
    dials: Gate,
    redial_after: Duration,
    client: ClientConfig,
    /// Gone once the node has stopped: with it, the socket is closed.
    endpoint: Mutex<Option<Endpoint>>,
    links: Mutex<Links>,
    closed: AtomicBool,
}

impl Shared {
    pub(super) fn new(
        endpoint: Endpoint,
        client: ClientConfig,
        spawner: Spawner,
        options: &super::Options,
    ) -> Self {
        Self {
            tally: spawner.tally.clone(),
            inbox: spawner.inbox.clone(),
            spawner,
            greetings: Greetings::default(),
            // Who only begins handshakes takes no connection away from those who end them.
            guests: Gate::new(
                options
                    .peers_max
                    .saturating_mul(2)
                    .saturating_add(GREETINGS_MAX),
            ),
            streams: Gate::new(STREAMS_IN_MAX),
            dial_deadline: options.dial_deadline,
            dials: Gate::new(DIALS_MAX),
            redial_after: options.redial_after,
            client,
            endpoint: Mutex::new(Some(endpoint)),
            links: Mutex::new(Links::new(options.peers_max)),
            closed: AtomicBool::new(false),
        }
    }

    pub(super) fn counters(&self) -> Counters {
        self.tally.counters()
    }

    pub(super) fn room(&self, to: SocketAddr) -> usize {
        match lock(&self.links).get(canonical(to)) {
            Some(Link::Up(up)) => up.room().unwrap_or(ROOM_MIN),
            _ => ROOM_MIN,
        }
    }

    pub(super) fn send(self: &Arc<Self>, to: SocketAddr, packet: &[u8]) -> Result<(), SendError> {
        if self.closed.load(Ordering::Acquire) {
            return Err(SendError::Closed);
        }
        if packet.len() > Quic::PACKET_MAX {
            let max = Quic::PACKET_MAX;
            return Err(SendError::TooBig { max });
        }
        let to = canonical(to);
        let now = Instant::now();
        let mut links = lock(&self.links);
        match links.used(to, now) {
            Some(Link::Up(up)) => {
                if up.is_silent(now) {
                    self.tally.replaced_silent.one();
                } else {
                    match up.send(packet, &self.tally) {
                        Ok(()) => return Ok(()),
                        Err(Refusal::Full) => {
                            self.tally.refused_queue_full.one();
                            return Err(SendError::Busy);
                        }
                        Err(Refusal::Lost) => {}
                    }
                }
            }
            Some(Link::Dialling(dialling)) => {
                if dialling.push(packet) {
                    return Ok(());
                }
                self.tally.refused_waiting_full.one();
                return Err(SendError::Busy);
            }
            Some(Link::Failed(failed)) if now < failed.until => {
                return Err(SendError::Unreachable(failed.error()));
            }
            Some(Link::Failed(_)) | None => {}
        }
        self.dial(&mut links, to, packet, now)
    }

    /// Begins to make a connection, for which `packet` waits.
    fn dial(
        self: &Arc<Self>,
        links: &mut Links,
        to: SocketAddr,
        packet: &[u8],
        now: Instant,
    ) -> Result<(), SendError> {
        let Some(pass) = self.dials.enter() else {
            self.tally.refused_dials_full.one();
            return Err(SendError::Busy);
        };
        let endpoint = self.endpoint().ok_or(SendError::Closed)?;
        let name = to.ip().to_string();
        match endpoint.connect_with(self.client.clone(), to, &name) {
            Ok(connecting) => {
                self.tally.dials.one();
                let number = links.next_dial();
                let mut dialling = Dialling::new(number, links.take(to));
                dialling.push(packet);
                links.put(to, Link::Dialling(dialling), now, &self.tally);
                let shared = self.clone();
                self.spawner
                    .run(serve::dialled(shared, to, number, connecting, pass));
                Ok(())
            }
            Err(ConnectError::EndpointStopping) => Err(SendError::Closed),
            Err(error) => {
                self.tally.dials_failed.one();
                let error = io::Error::new(io::ErrorKind::InvalidInput, error);
                Err(SendError::Unreachable(error))
            }
        }
    }

    /// From now on, packets to `peer` take this connection: the newest is the one that is most
    /// likely alive at the other end.
    pub(super) fn adopt(&self, peer: SocketAddr, conn: &Connection) {
        let now = Instant::now();
        let mut links = lock(&self.links);
        if self.closed.load(Ordering::Acquire) && self.endpoint().is_none() {
            return;
        }
        let mut replaced = links.take(peer);
        let waiting = match &mut replaced {
            Some(Link::Dialling(dialling)) => dialling.take_packets(),
            _ => Vec::new(),
        };
        let mut up = Up::new(conn.clone(), replaced);
        for packet in waiting {
            if up.send(&packet, &self.tally).is_err() {
                self.tally.dropped_queue_full.one();
            }
        }
        links.put(peer, Link::Up(up), now, &self.tally);
    }

    /// Notes that a dial came to nothing. If a connection came about otherwise in the meantime,
    /// that is all there is to it.
    pub(super) fn dial_failed(&self, peer: SocketAddr, number: u64, failed: Failed) {
        let mut links = lock(&self.links);
        if let Some(Link::Dialling(dialling)) = links.get(peer)
            && dialling.number == number
        {
            self.tally.dropped_unreachable.many(dialling.len());
            links.put(peer, Link::Failed(failed), Instant::now(), &self.tally);
        }
    }

    /// Notes that a connection ended, and why.
    pub(super) fn ended(&self, peer: SocketAddr, conn: &Connection, why: &ConnectionError) {
        let mut links = lock(&self.links);
        let was_ours = links.forget(peer, conn);
        if serve::is_tls(why) {
            self.tally.rejected_by_peer.one();
            if was_ours {
                let failed = self.failed(io::ErrorKind::PermissionDenied, why);
                links.put(peer, Link::Failed(failed), Instant::now(), &self.tally);
            }
            return;
        }
        match why {
            ConnectionError::ConnectionClosed(_) | ConnectionError::ApplicationClosed(_) => {
                self.tally.closed_by_peer.one();
            }
            ConnectionError::Reset => self.tally.closed_by_reset.one(),
            ConnectionError::TimedOut => self.tally.closed_timed_out.one(),
            ConnectionError::LocallyClosed => {}
            _ => self.tally.closed_by_error.one(),
        }
    }

    /// Why there is no connection to a peer for the time being.
    pub(super) fn failed(&self, kind: io::ErrorKind, why: impl ToString) -> Failed {
        let now = Instant::now();
        Failed {
            until: now.checked_add(self.redial_after).unwrap_or(now),
            kind,
            why: why.to_string(),
        }
    }

    /// Refuses further sends and receives; whether that is news.
    pub(super) fn shut(&self) -> bool {
        let open = !self.closed.swap(true, Ordering::AcqRel);
        self.inbox.close();
        open
    }

    /// Waits until everything was sent that waits to be.
    pub(super) async fn flush(&self) {
        while !lock(&self.links).is_flushed() {
            Timer::after(FLUSH_POLL).await;
        }
    }

    /// Tells all peers that we go, and lets all tasks end.
    pub(super) fn leave(&self) -> Option<Endpoint> {
        let endpoint = self.endpoint()?;
        endpoint.close(LEAVING, b"leaving");
        Some(endpoint)
    }

    /// Lets go of everything without a word.
    pub(super) fn stop(&self) {
        self.shut();
        // Dropped outside of the locks: each wakes tasks.
        let endpoint = lock(&self.endpoint).take();
        drop(endpoint);
        lock(&self.links).clear();
    }

    fn endpoint(&self) -> Option<Endpoint> {
        lock(&self.endpoint).clone()
    }
}

/// Lets a bounded number in.
pub(super) struct Gate {
    inside: Arc<AtomicUsize>,
    max: usize,
}

impl Gate {
    fn new(max: usize) -> Self {
        Self {
            inside: Arc::default(),
            max,
        }
    }

    pub(super) fn enter(&self) -> Option<Pass> {
        let pass = Pass(self.inside.clone());
        // Dropping the pass takes this back.
        (self.inside.fetch_add(1, Ordering::AcqRel) < self.max).then_some(pass)
    }
}

/// The right to be inside, until it is dropped.
pub(super) struct Pass(Arc<AtomicUsize>);

impl Drop for Pass {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::AcqRel);
    }
}

/// One address for one peer: IPv4 stays IPv4 on a socket for both.
pub(super) fn canonical(addr: SocketAddr) -> SocketAddr {
    match addr {
        SocketAddr::V6(v6) => match v6.ip().to_ipv4_mapped() {
            Some(ip) => SocketAddr::from((ip, v6.port())),
            None => {
                let mut v6 = v6;
                v6.set_flowinfo(0);
                v6.into()
            }
        },
        v4 @ SocketAddr::V4(_) => v4,
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
