//! Encrypted gossip between members that prove themselves: QUIC with mutual TLS 1.3.
//!
//! Every member has a certificate from the cluster's own authority, and speaks to nobody who has
//! none; or, without an authority, a key that the others have [pinned](PinnedKeys). One UDP port is
//! enough: a node dials and is dialled on it.
//!
//! Packets that fit go as QUIC datagrams, unreliable as with UDP: how many bytes fit grows with
//! what the path is found to carry. Larger packets, up to [`Quic::PACKET_MAX`], go reliably, each by
//! a stream of its own. Streams for whoever uses the transport are apart from those.
//!
//! ```no_run
//! use selkie::transports::quic::{Credentials, Quic};
//!
//! let credentials = Credentials::from_pem_files("ca.pem", "db-1.pem", "db-1-key.pem")?;
//! let quic = Quic::bind("[::]:7946".parse()?, &credentials)?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Connections
//!
//! Two nodes have one connection, for packets and streams in both directions. It is made when there
//! is something to send, and given up when nothing was sent for
//! [a while](Options::idle_timeout); nothing is sent to keep it open. If both ends dial at once,
//! both know which of the two connections to keep: the one with the lower mark, which both derive
//! from its keys. The other one is closed once nothing moves over it.
//!
//! Holding a connection takes 32 KiB at each end, making one half a millisecond. So a node holds
//! those that it used lately, and says so ([`is_near`](Transport::is_near)): gossip, which may go
//! to anybody, goes to peers with which there is a connection, of which there are four at least.
//!
//! A new connection begins with packets of 1,200 bytes, which all paths carry, and searches for what
//! its path carries besides, up to 1,452. One with a peer to which the last connection found that
//! begins with it. If the path has become narrower meanwhile, that is found out again; at worst, one
//! dial fails.
//!
//! A dial that nobody answers ends after [`Options::dial_deadline`], and is told apart from one that
//! was refused. The pause until the next one grows until a peer has looked at our certificate and
//! found it good: that our own handshake is complete says nothing about that.
//!
//! # Who is who
//!
//! Each packet and stream comes with whom its sender [proved](ProvenPeer) to be: the DNS names, the
//! IP addresses and the public key of its certificate, or the names for which its bare key is
//! pinned. That the sender speaks for no other member is for the agent to check.
//!
//! Members of different clusters, and of versions that do not understand each other, refuse each
//! other in the handshake (ALPN, with a hash of the cluster's name), also if one authority signed
//! their certificates.
//!
//! # New certificates
//!
//! [`Quic::replace_credentials`] and [`Quic::follow`] put new ones to use; connections that stand
//! go on, until they end or are [cut](Quic::cut_old). So all certificates of a cluster, and their
//! authority, are replaced while it runs: let everybody trust both authorities, then give everybody
//! a certificate of the new one, then let everybody trust that one alone.
//!
//! # Restarts
//!
//! A node that was killed and comes back at the same address with the same private key tells its
//! peers, at the first packet they send to the one that was, that those connections are no more.
//! The few packets sent until then are lost, as they would be with UDP. One that comes back with
//! another key is noticed by its silence, after a second.
//!
//! # Failures of the socket
//!
//! [`recv`](Transport::recv) returns them, once per failure, and the socket is tried again four
//! times a second. That some packet did not reach a peer is none, and is only counted.
//!
//! # What hostile peers can do
//!
//! Without a certificate of the authority: begin handshakes, which fail and are counted. 64 may
//! be under way, and 16 of them from one source: an IPv4 address, or a /64 network of IPv6. As many
//! as 64 more from there wait for their turn, for two seconds. When there is one from its source, or
//! there are eight altogether, a peer must first prove that it receives at its address (QUIC's
//! Retry), so that the shares of others cannot be claimed by sending in their name. Before that, a
//! node sends no more than three times what it receives.
//!
//! With a certificate, a peer may send what it likes. From one address it has two connections at
//! most, eight large packets and 32 streams under way, and at most a mebibyte of both in flight; from
//! all peers there are 256 of each at a time, and as many connections as [`Options::peers_max`]
//! says. Of these nobody has more than are left, from whatever addresses it speaks with its key: who
//! takes all it can get has half of them. A large packet that takes longer than five seconds is dropped, and a
//! stream that is silent for longer than [`Options::stream_timeout`] fails. What does not fit a
//! queue is dropped. [`Counters`] tell of all that is refused or dropped, and why. Session
//! resumption and early data are off: they would let in peers whose certificate has expired since,
//! and packets that were recorded.
//!
//! A key that was stolen: take it off the list and [cut](Quic::cut) its connections, where keys are
//! pinned. With certificates, see [`Credentials::from_rustls`] for revocation lists, or replace the
//! authority.

use alloc::sync::Arc;
use core::{fmt, future::Future, net::SocketAddr, time::Duration};
use std::{io, net::UdpSocket, time::SystemTime};

pub use quinn;
pub use rustls;

pub use self::{
    counters::Counters,
    credentials::Credentials,
    options::Options,
    pinned::{PinnedKeys, PublicKey},
    refused::CredentialsError,
    renewal::CredentialFiles,
    stream::Stream,
};
use self::{
    runtime::{Socket, Spawner},
    serve::within,
    shared::{Shared, Way},
    trust::Trust,
};
use crate::transport::{Batch, Fingerprints, PeerStream, ProvenPeer, SendError, Transport};

mod certificate;
mod collapse;
mod counters;
mod credentials;
#[cfg(feature = "certs")]
mod dev;
mod gate;
mod greetings;
mod inbox;
mod link;
mod links;
mod options;
mod paths;
mod pinned;
mod refused;
mod renewal;
mod runtime;
mod serve;
mod shared;
mod shares;
mod socket;
mod stream;
mod tls;
mod trust;

/// How long [`Quic::open`](Transport::open) waits, besides for a dial, for the peer to allow one
/// more stream.
const OPEN_DEADLINE: Duration = Duration::from_secs(2);

/// How long [`Quic::close`](Transport::close) tries to send what waits to be sent.
const FLUSH_DEADLINE: Duration = Duration::from_secs(1);

/// How long a node that stops waits for its last words to be out, and heard: for three round trips
/// and a little more, as a rule. Then it lets go of its port.
const LEAVE_DEADLINE: Duration = Duration::from_secs(1);

/// The transport over QUIC.
///
/// Clones are handles to the same node. When the last one is dropped the node stops; peers learn
/// of it if its tasks still run, and the port is free a second later at most. Once it is
/// [closed](Transport::close), the port is free at once.
#[derive(Clone)]
pub struct Quic {
    handle: Arc<Handle>,
}

struct Handle {
    shared: Arc<Shared>,
    local: SocketAddr,
}

impl Drop for Handle {
    fn drop(&mut self) {
        self.shared.shut();
        self.shared.leave();
    }
}

impl Quic {
    /// The largest packet that [`send`](Transport::send) takes, in bytes.
    pub const PACKET_MAX: usize = Batch::PACKET_MAX;

    /// Receives at `addr`, with the default [`Options`]. Port 0 is any free one. `[::]` is for
    /// IPv4, too, where the system allows.
    ///
    /// # Errors
    ///
    /// When the address cannot be had: in use, not ours, not permitted. The message names it.
    pub fn bind(addr: SocketAddr, credentials: &Credentials) -> io::Result<Self> {
        Self::bind_with(addr, credentials, &Options::new())
    }

    /// As [`bind`](Self::bind), with options.
    ///
    /// # Errors
    ///
    /// As [`bind`](Self::bind); also, of the kind [`io::ErrorKind::InvalidInput`], when options or
    /// credentials are of no use to QUIC.
    pub fn bind_with(
        addr: SocketAddr,
        credentials: &Credentials,
        options: &Options,
    ) -> io::Result<Self> {
        let (socket, local) = socket::bind(addr)?;
        Self::on(socket, local, credentials, options)
    }

    fn on(
        socket: UdpSocket,
        local: SocketAddr,
        credentials: &Credentials,
        options: &Options,
    ) -> io::Result<Self> {
        let spawner = Spawner::new(options.executor.as_ref());
        let (trust, server) = Trust::new(credentials, options, &spawner.tally)?;
        let socket = Arc::new(Socket::new(socket, &spawner)?);
        let endpoint = quinn::Endpoint::new_with_abstract_socket(
            tls::endpoint_config(credentials, local),
            Some(server),
            socket.clone(),
            Arc::new(spawner.clone()),
        )?;
        let shared = Shared::new(endpoint.clone(), socket, trust, spawner.clone(), options);
        let shared = Arc::new(shared);
        spawner.run(serve::accept(shared.clone(), endpoint));
        let handle = Arc::new(Handle { shared, local });
        Ok(Self { handle })
    }

    /// From now on, new connections are made with these credentials. Those that are there already
    /// go on until they end, or until [`cut_old`](Self::cut_old).
    ///
    /// Where all members get certificates of another authority, they first trust both (several
    /// certificates in the file of the authority), then get their new ones, then trust the new one
    /// alone.
    ///
    /// By the private key that it began with, a node tells its peers of its next restart. If it is
    /// another one by then, they notice that by its silence, within a second or two.
    ///
    /// # Errors
    ///
    /// Of the kind [`io::ErrorKind::InvalidInput`], when they are of no use to QUIC. Nothing has
    /// changed then.
    pub fn replace_credentials(&self, credentials: &Credentials) -> io::Result<()> {
        self.handle.shared.replace_credentials(credentials)
    }

    /// Looks at these files every two seconds, and [replaces](Self::replace_credentials) the
    /// credentials when they have changed since they were read. If the new ones are of no use, the
    /// former ones stay, which is counted and warned of. Files that do not answer, as on a mount
    /// whose server is gone, hold nothing else up. Ends when this is closed.
    pub fn follow(&self, files: CredentialFiles) -> impl Future<Output = ()> + Send + use<> {
        renewal::follow(Arc::downgrade(&self.handle), files)
    }

    /// Cuts all connections that were made before the [last
    /// replacement](Self::replace_credentials) of credentials, and refuses those that were begun
    /// then. Returns how many were cut. What is on its way over them is lost; the next packet makes
    /// a new connection, with the credentials of now.
    pub fn cut_old(&self) -> usize {
        self.handle.shared.cut_old()
    }

    /// Cuts the connections with the peers that are chosen, and refuses those that were begun
    /// before. Returns how many were cut. A peer whose key or certificate is good for a new
    /// connection may make one at once.
    pub fn cut(&self, choose: impl FnMut(&ProvenPeer) -> bool) -> usize {
        self.handle.shared.cut(choose)
    }

    /// When our own certificate, or an intermediate that came with it, expires. None if that is not
    /// known, or never: see [`Credentials::not_after`]. From 30 days before, this is warned of once
    /// a day (feature `tracing`).
    #[must_use]
    pub fn not_after(&self) -> Option<SystemTime> {
        self.handle.shared.not_after()
    }

    /// How many connections there are, whoever made them. One per peer, but for a moment after two
    /// have dialled each other at once.
    #[must_use]
    pub fn connections(&self) -> usize {
        self.handle.shared.connections()
    }

    /// How often what happened until now.
    #[must_use]
    pub fn counters(&self) -> Counters {
        self.handle.shared.tally.counters()
    }
}

impl Transport for Quic {
    type Stream = Stream;

    fn local_addr(&self) -> SocketAddr {
        self.handle.local
    }

    fn room(&self, to: SocketAddr) -> usize {
        self.handle.shared.room(to)
    }

    fn is_near(&self, to: SocketAddr) -> bool {
        self.handle.shared.is_near(to)
    }

    async fn send(&self, to: SocketAddr, packet: &[u8]) -> Result<(), SendError> {
        self.handle.shared.send(to, packet)
    }

    fn recv(&self, batch: &mut Batch) -> impl Future<Output = io::Result<()>> + Send {
        self.handle.shared.inbox.recv(batch)
    }

    fn enter_cluster(&self, cluster: &str) -> bool {
        self.handle.shared.enter_cluster(cluster)
    }

    fn proves_peers(&self) -> bool {
        true
    }

    fn count(&self, tell: &mut dyn FnMut(&'static str, u64)) {
        let counters = self.counters();
        counters
            .iter()
            .for_each(|(name, figure)| tell(name, figure));
        tell("open_connections", self.connections() as u64);
    }

    fn fingerprints(&self) -> Fingerprints {
        self.handle.shared.trust.fingerprints()
    }

    fn has_streams(&self) -> bool {
        true
    }

    async fn open(&self, to: SocketAddr) -> Result<PeerStream<Stream>, SendError> {
        let shared = &self.handle.shared;
        let opening = async {
            let held = match shared.way(to)? {
                Way::Open(held) => held,
                Way::Soon(soon) => soon
                    .await
                    .map_err(|_| SendError::Unreachable(shared.why_not(to)))?,
            };
            let opened = held.conn.open_bi().await;
            let opened = opened.map_err(|error| SendError::Unreachable(error.into()))?;
            Ok(shared.visits.opened(to, &held, opened, &shared.spawner))
        };
        let limit = shared.dial_deadline.saturating_add(OPEN_DEADLINE);
        // The peer lets us have no more streams at a time.
        within(limit, opening).await.unwrap_or(Err(SendError::Busy))
    }

    fn accept(&self) -> impl Future<Output = io::Result<PeerStream<Stream>>> + Send {
        self.handle.shared.visits.accept()
    }

    async fn close(&self) {
        let shared = &self.handle.shared;
        if shared.shut() {
            within(FLUSH_DEADLINE, shared.flush()).await;
        }
        if let Some(endpoint) = shared.leave() {
            serve::take_leave(&endpoint).await;
        }
        shared.stop();
    }
}

impl fmt::Debug for Quic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Quic")
            .field("local", &self.handle.local)
            .finish_non_exhaustive()
    }
}
