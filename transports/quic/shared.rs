//! What the handles and the tasks of one node share: sending, and the life of connections.

use alloc::{string::ToString, sync::Arc};
use core::{
    net::SocketAddr,
    sync::atomic::{AtomicBool, Ordering},
    time::Duration,
};
use std::{
    io,
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Instant, SystemTime},
};

use async_io::Timer;
use futures::channel::oneshot;
use quinn::{ConnectError, Connection, ConnectionError, Endpoint, Side, VarInt};

use super::{
    Credentials, Options, Quic,
    collapse::collapse,
    counters::Tally,
    gate::Gate,
    greetings::{GREETINGS_MAX, Greetings},
    inbox::Inbox,
    link::{Dialling, Failed, Held, Link, Refusal},
    links::{CROWDED, CUT, Links, Pair, SUPERSEDED},
    paths::Paths,
    renewal::warn_of_expiry,
    runtime::{Socket, Spawner},
    serve,
    shares::Shares,
    stream::Visits,
    trust::{Epoch, Trust},
};
use crate::transport::{ProvenPeer, SendError};

/// The room to peers of which nothing is known: what QUIC's least packet leaves.
const ROOM_MIN: usize = 1162;

/// The most connections that we are making at a time.
const DIALS_MAX: usize = 64;

/// The most large packets being received at a time, from all peers.
const STREAMS_IN_MAX: usize = 256;

/// So many connections may be from everybody, whoever else has taken the places for peers: another
/// one than before, after a restart.
const PEER_CONNECTIONS_MIN: usize = 2;

/// The pause after a failed dial doubles with each further one, up to so many times the first.
const REDIAL_GROWTH_MAX: u32 = 8;

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
    /// Connections that peers made, once they are known.
    known_guests: Shares,
    /// Large packets being received.
    pub(super) streams: Shares,
    /// Streams that peers opened.
    pub(super) visits: Visits,
    pub(super) trust: Trust,
    pub(super) paths: Paths,
    pub(super) dial_deadline: Duration,
    dials: Gate,
    idle_timeout: Duration,
    redial_after: Duration,
    /// Gone once the node has stopped.
    endpoint: Mutex<Option<Endpoint>>,
    socket: Arc<Socket>,
    links: Mutex<Links>,
    closed: AtomicBool,
}

/// What an opened stream waits for.
pub(super) enum Way {
    Open(Held),
    Soon(oneshot::Receiver<Held>),
}

impl Shared {
    pub(super) fn new(
        endpoint: Endpoint,
        socket: Arc<Socket>,
        trust: Trust,
        spawner: Spawner,
        options: &Options,
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
            known_guests: Shares::new(options.peers_max).at_least(PEER_CONNECTIONS_MIN),
            streams: Shares::new(STREAMS_IN_MAX),
            visits: Visits::new(options.stream_timeout),
            trust,
            paths: Paths::new(options.peers_max),
            dial_deadline: options.dial_deadline,
            dials: Gate::new(DIALS_MAX),
            idle_timeout: options.idle_timeout,
            redial_after: options.redial_after,
            endpoint: Mutex::new(Some(endpoint)),
            socket,
            links: Mutex::new(Links::new(options.peers_max)),
            closed: AtomicBool::new(false),
        }
    }

    pub(super) fn room(&self, to: SocketAddr) -> usize {
        match lock(&self.links).get(canonical(to)) {
            Some(Link::Up(up)) => up.room().unwrap_or(ROOM_MIN),
            _ => ROOM_MIN,
        }
    }

    pub(super) fn is_near(&self, to: SocketAddr) -> bool {
        lock(&self.links).is_near(canonical(to))
    }

    pub(super) fn send(self: &Arc<Self>, to: SocketAddr, packet: &[u8]) -> Result<(), SendError> {
        if self.is_closed() {
            return Err(SendError::Closed);
        }
        if packet.len() > Quic::PACKET_MAX {
            let max = Quic::PACKET_MAX;
            return Err(SendError::TooBig { max });
        }
        let to = canonical(to);
        let now = Instant::now();
        let mut links = lock(&self.links);
        let is_lost = self.is_lost(&mut links, to, now);
        match links.used(to, now) {
            Some(Link::Up(up)) if !is_lost => match up.send(packet, &self.tally) {
                Ok(()) => return Ok(()),
                Err(Refusal::Full) => {
                    self.tally.refused_queue_full.one();
                    return Err(SendError::Busy);
                }
                Err(Refusal::Lost) => {}
            },
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
            Some(Link::Up(_) | Link::Failed(_)) | None => {}
        }
        self.dial(&mut links, to, now, |dialling| {
            dialling.push(packet);
        })
    }

    /// The connection over which to open a stream.
    pub(super) fn way(self: &Arc<Self>, to: SocketAddr) -> Result<Way, SendError> {
        if self.is_closed() {
            return Err(SendError::Closed);
        }
        let to = canonical(to);
        let now = Instant::now();
        let mut links = lock(&self.links);
        let is_lost = self.is_lost(&mut links, to, now);
        match links.used(to, now) {
            Some(Link::Up(up)) if !is_lost => {
                return Ok(Way::Open(up.held.clone()));
            }
            Some(Link::Dialling(dialling)) => {
                return dialling.wait().map(Way::Soon).ok_or(SendError::Busy);
            }
            Some(Link::Failed(failed)) if now < failed.until => {
                return Err(SendError::Unreachable(failed.error()));
            }
            Some(Link::Up(_) | Link::Failed(_)) | None => {}
        }
        let mut waiting = None;
        self.dial(&mut links, to, now, |dialling| waiting = dialling.wait())?;
        waiting.map(Way::Soon).ok_or(SendError::Busy)
    }

    /// Why there is no way to a peer at present.
    pub(super) fn why_not(&self, to: SocketAddr) -> io::Error {
        match lock(&self.links).get(canonical(to)) {
            Some(Link::Failed(failed)) => failed.error(),
            _ => io::ErrorKind::ConnectionAborted.into(),
        }
    }

    /// Whether the connection with a peer must be replaced, and there is no other one to fall back
    /// on.
    fn is_lost(&self, links: &mut Links, to: SocketAddr, now: Instant) -> bool {
        let Some(Link::Up(up)) = links.used(to, now) else {
            return false;
        };
        if let Some(why) = up.held.conn.close_reason() {
            // Its task may not have come to that yet.
            if serve::is_tls(&why) {
                let failed = self.failed(up.pause, io::ErrorKind::PermissionDenied, why);
                links.put(to, Link::Failed(failed), now, &self.tally);
            }
            return true;
        }
        if up.held.is_stale(now, self.idle_timeout) {
            self.tally.replaced_idle.one();
            return true;
        }
        let is_silent = up.is_silent(now);
        if is_silent {
            self.tally.replaced_silent.one();
        }
        is_silent && !links.fall_back(to)
    }

    /// Begins to make a connection, for which something waits.
    fn dial(
        self: &Arc<Self>,
        links: &mut Links,
        to: SocketAddr,
        now: Instant,
        wait: impl FnOnce(&mut Dialling),
    ) -> Result<(), SendError> {
        let Some(pass) = self.dials.enter() else {
            self.tally.refused_dials_full.one();
            return Err(SendError::Busy);
        };
        let endpoint = self.endpoint().ok_or(SendError::Closed)?;
        let name = to.ip().to_string();
        let (client, epoch) = self.trust.client(self.paths.take(to));
        match endpoint.connect_with(client, to, &name) {
            Ok(connecting) => {
                self.tally.dials.one();
                let number = links.dial(to, now, &self.tally, wait);
                let dial = Dial {
                    peer: to,
                    number,
                    epoch,
                };
                let shared = self.clone();
                self.spawner
                    .run(serve::dialled(shared, dial, connecting, pass));
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

    /// From now on, packets to `peer` take this connection, or the one that both ends keep. None,
    /// and it is closed, if it was begun before what it was let in by was cut, or who it is with is
    /// nobody any more, or has more than its share of connections.
    pub(super) fn adopt(
        self: &Arc<Self>,
        peer: SocketAddr,
        conn: Connection,
        epoch: Epoch,
    ) -> Option<Held> {
        let proven = self.trust.peer(&conn);
        let now = Instant::now();
        let mut links = lock(&self.links);
        let (Ok(proven), true) = (proven, self.trust.lets_in(epoch)) else {
            conn.close(CUT, b"not trusted any more");
            self.tally.cut.one();
            return None;
        };
        let place = match conn.side() {
            Side::Client => None,
            Side::Server => {
                let Some(place) = self.known_guests.enter(proven.as_ref(), peer) else {
                    conn.close(CROWDED, b"too many connections");
                    self.tally.inbound_refused_share.one();
                    return None;
                };
                Some(place)
            }
        };
        let new = Held::new(conn, proven, epoch, place);
        if self.is_closed() && self.endpoint().is_none() {
            return Some(new);
        }
        if let Some(pair) = links.adopt(peer, new.clone(), now, &self.tally) {
            self.spawner.run(collapse(self.clone(), peer, pair));
        }
        Some(new)
    }

    /// Keeps the loser of two connections.
    pub(super) fn come_round(&self, peer: SocketAddr, pair: &Pair) -> bool {
        lock(&self.links).come_round(peer, pair)
    }

    /// Closes the loser of two connections, if it is not in use after all.
    pub(super) fn settle(&self, peer: SocketAddr, pair: &Pair, heard: u64, alive: bool) {
        let mut links = lock(&self.links);
        links.settle(peer, pair, heard, alive, &self.tally);
    }

    /// Notes that a dial came to nothing. If a connection came about otherwise in the meantime,
    /// that is all there is to it.
    pub(super) fn dial_failed(&self, dial: &Dial, kind: io::ErrorKind, why: impl ToString) {
        let mut links = lock(&self.links);
        if let Some(Link::Dialling(dialling)) = links.get(dial.peer)
            && dialling.number == dial.number
        {
            self.tally.dropped_unreachable.many(dialling.len());
            let failed = self.failed(dialling.pause, kind, why);
            links.put(dial.peer, Link::Failed(failed), Instant::now(), &self.tally);
        }
    }

    /// Notes that a connection ended, and why.
    pub(super) fn ended(&self, peer: SocketAddr, held: &Held, why: &ConnectionError) {
        self.paths.learn(peer, &held.conn);
        let mut links = lock(&self.links);
        let pause = links.get(peer).map_or(Duration::ZERO, Link::pause);
        let was_ours = links.forget(peer, &held.conn);
        if serve::is_tls(why) {
            serve::count_rejection(&self.tally, why);
            let lost = held.conn.stats().frame_tx.datagram;
            self.tally.dropped_rejected.many(lost as usize);
            if was_ours {
                let failed = self.failed(pause, io::ErrorKind::PermissionDenied, why);
                links.put(peer, Link::Failed(failed), Instant::now(), &self.tally);
            }
            return;
        }
        match why {
            ConnectionError::ApplicationClosed(close) if close.error_code == SUPERSEDED => {
                self.tally.superseded.one();
            }
            ConnectionError::ConnectionClosed(_) | ConnectionError::ApplicationClosed(_) => {
                self.tally.closed_by_peer.one();
            }
            ConnectionError::Reset => self.tally.closed_by_reset.one(),
            ConnectionError::TimedOut => self.tally.closed_timed_out.one(),
            ConnectionError::LocallyClosed => {}
            _ => self.tally.closed_by_error.one(),
        }
    }

    /// Why there is no connection to a peer for the time being: twice as long as the last time,
    /// up to a bound.
    fn failed(&self, last: Duration, kind: io::ErrorKind, why: impl ToString) -> Failed {
        let now = Instant::now();
        let longest = self.redial_after.saturating_mul(REDIAL_GROWTH_MAX);
        let pause = last
            .saturating_mul(2)
            .clamp(self.redial_after, longest.max(self.redial_after));
        Failed {
            until: now.checked_add(pause).unwrap_or(now),
            pause,
            kind,
            why: why.to_string(),
        }
    }

    /// See [`Quic::connections`].
    pub(super) fn connections(&self) -> usize {
        lock(&self.links).connections()
    }

    pub(super) fn not_after(&self) -> Option<SystemTime> {
        self.trust.not_after()
    }

    /// Speaks to members of this cluster only.
    pub(super) fn enter_cluster(&self, cluster: &str) -> bool {
        let endpoint = self.endpoint();
        let entered = self.trust.enter_cluster(cluster, |server| {
            if let Some(endpoint) = endpoint {
                endpoint.set_server_config(Some(server));
            }
        });
        self.cut_held(|_| true);
        entered.is_ok()
    }

    /// See [`Quic::replace_credentials`].
    pub(super) fn replace_credentials(&self, credentials: &Credentials) -> io::Result<()> {
        let endpoint = self.endpoint();
        warn_of_expiry(credentials.not_after());
        self.trust.replace(credentials, |server| {
            if let Some(endpoint) = endpoint {
                endpoint.set_server_config(Some(server));
            }
        })
    }

    /// See [`Quic::cut_old`].
    pub(super) fn cut_old(&self) -> usize {
        let present = self.trust.cut_old();
        self.cut_held(|held| held.epoch < present)
    }

    /// See [`Quic::cut`].
    pub(super) fn cut(&self, mut choose: impl FnMut(&ProvenPeer) -> bool) -> usize {
        self.trust.cut();
        self.cut_held(|held| held.peer.as_ref().is_some_and(&mut choose))
    }

    fn cut_held(&self, choose: impl FnMut(&Held) -> bool) -> usize {
        let cut = lock(&self.links).cut(choose);
        self.tally.cut.many(cut);
        cut
    }

    /// Refuses further sends and receives; whether that is news.
    pub(super) fn shut(&self) -> bool {
        let open = !self.closed.swap(true, Ordering::AcqRel);
        self.inbox.close();
        self.visits.close();
        open
    }

    pub(super) fn is_closed(&self) -> bool {
        self.closed.load(Ordering::Acquire)
    }

    /// Waits until everything was sent that waits to be.
    pub(super) async fn flush(&self) {
        while !(lock(&self.links).is_flushed() && self.visits.is_flushed()) {
            Timer::after(FLUSH_POLL).await;
        }
    }

    /// Tells all peers that we go, and lets all tasks end.
    pub(super) fn leave(&self) -> Option<Endpoint> {
        let endpoint = self.endpoint()?;
        endpoint.close(LEAVING, b"leaving");
        Some(endpoint)
    }

    /// Lets go of everything without a word, the port first.
    pub(super) fn stop(&self) {
        self.shut();
        self.socket.let_go();
        // Dropped outside of the locks: each wakes tasks.
        let endpoint = lock(&self.endpoint).take();
        drop(endpoint);
        lock(&self.links).clear();
    }

    fn endpoint(&self) -> Option<Endpoint> {
        lock(&self.endpoint).clone()
    }
}

/// A dial that is under way.
pub(super) struct Dial {
    pub(super) peer: SocketAddr,
    /// Which one: a later one to the same peer has another number.
    pub(super) number: u64,
    pub(super) epoch: Epoch,
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
