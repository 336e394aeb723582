//! Encrypted gossip between members that prove themselves: QUIC with mutual TLS 1.3.
//!
//! Every member has a certificate from the cluster's own authority, and speaks to nobody who has
//! none. One UDP port is enough: a node dials and is dialled on it. Connections are made when
//! there is something to send, used in both directions, and given up when nothing was sent for a
//! while; nothing is sent to keep them open.
//!
//! Packets that fit go as QUIC datagrams, unreliable as with UDP. Larger ones, up to
//! [`Quic::PACKET_MAX`], go reliably, each by a stream of its own.
//!
//! ```no_run
//! use selkie::transports::quic::{Credentials, Quic};
//!
//! let credentials = Credentials::from_pem_files("ca.pem", "db-1.pem", "db-1-key.pem")?;
//! let quic = Quic::bind("[::]:7946".parse()?, &credentials)?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Restarts
//!
//! A node that was killed and comes back at the same address with the same private key tells its
//! peers, at the first packet they send to the one that was, that those connections are no more.
//! The few packets sent until then are lost, as they would be with UDP.
//!
//! # Failures of the socket
//!
//! [`recv`](Transport::recv) returns them, once per failure, and the socket is tried again four
//! times a second. That some packet did not reach a peer is none, and is only counted.
//!
//! # What hostile peers can do
//!
//! Without a certificate of the authority: begin handshakes, which fail and are counted. 64 may
//! be under way, and 16 of them from one source: an IPv4 address, or a /64 network of IPv6. When
//! there is one from its source, or there are eight altogether, a peer must first prove that it
//! receives at its address (QUIC's Retry), so that the shares of others cannot be claimed by
//! sending in their name. [`Counters`] tell what was refused, and why.
//!
//! With a certificate, a peer may send what it likes; all queues are bounded, and what does not
//! fit is dropped and counted. Session resumption is off: it would let in peers whose certificate
//! has expired since.
//!
//! Revocation lists, names, pinned keys: see [`Credentials::from_rustls`].

use alloc::sync::Arc;
use core::{fmt, future::Future, net::SocketAddr, time::Duration};
use std::{io, net::UdpSocket};

pub use quinn;
pub use rustls;
use smol::Executor;

pub use self::{
    counters::Counters,
    credentials::{Credentials, CredentialsError},
};
use self::{runtime::Spawner, serve::within, shared::Shared};
use crate::transport::{Batch, NoStream, SendError, Transport};

mod counters;
mod credentials;
#[cfg(feature = "certs")]
mod dev;
mod greetings;
mod inbox;
mod link;
mod runtime;
mod serve;
mod shared;
mod socket;
mod tls;

/// How long [`Quic::close`](Transport::close) tries to send what waits to be sent.
const FLUSH_DEADLINE: Duration = Duration::from_secs(1);

/// How long [`Quic::close`](Transport::close) waits for the last words to be out.
const LEAVE_DEADLINE: Duration = Duration::from_secs(2);

/// The transport over QUIC.
///
/// Clones are handles to the same node. When the last one is dropped the node stops; peers learn
/// of it if its tasks still run.
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
        let (client, server) = tls::quic_configs(credentials, options)?;
        let spawner = Spawner::new(options.executor.as_ref());
        let endpoint = quinn::Endpoint::new(
            tls::endpoint_config(credentials, local),
            Some(server),
            socket,
            Arc::new(spawner.clone()),
        )?;
        let shared = Shared::new(endpoint.clone(), client, spawner.clone(), options);
        let shared = Arc::new(shared);
        spawner.run(serve::accept(shared.clone(), endpoint));
        let handle = Arc::new(Handle { shared, local });
        Ok(Self { handle })
    }

    /// How often what happened until now.
    #[must_use]
    pub fn counters(&self) -> Counters {
        self.handle.shared.counters()
    }
}

impl Transport for Quic {
    type Stream = NoStream;

    fn local_addr(&self) -> SocketAddr {
        self.handle.local
    }

    fn room(&self, to: SocketAddr) -> usize {
        self.handle.shared.room(to)
    }

    async fn send(&self, to: SocketAddr, packet: &[u8]) -> Result<(), SendError> {
        self.handle.shared.send(to, packet)
    }

    fn recv(&self, batch: &mut Batch) -> impl Future<Output = io::Result<()>> + Send {
        self.handle.shared.inbox.recv(batch)
    }

    async fn close(&self) {
        let shared = &self.handle.shared;
        if shared.shut() {
            within(FLUSH_DEADLINE, shared.flush()).await;
        }
        if let Some(endpoint) = shared.leave() {
            within(LEAVE_DEADLINE, endpoint.wait_idle()).await;
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

/// How a [`Quic`] behaves. The defaults suit most clusters.
#[derive(Clone, Debug)]
pub struct Options {
    executor: Option<Arc<Executor<'static>>>,
    idle_timeout: Duration,
    dial_deadline: Duration,
    redial_after: Duration,
    peers_max: usize,
}

impl Options {
    /// The defaults.
    #[must_use]
    pub fn new() -> Self {
        Self {
            executor: None,
            idle_timeout: Duration::from_secs(15),
            dial_deadline: Duration::from_secs(3),
            redial_after: Duration::from_secs(1),
            peers_max: 1024,
        }
    }

    /// Runs the node's tasks on this executor, which the caller drives, instead of smol's global
    /// one. The node does not keep it alive, but these options do: once its last owner drops it,
    /// the node is silent at once, without a word to its peers, and its port is free.
    #[must_use]
    pub fn executor(mut self, executor: Arc<Executor<'static>>) -> Self {
        self.executor = Some(executor);
        self
    }

    /// How long a connection is kept over which nothing is sent: 15 s. At least a millisecond.
    #[must_use]
    pub fn idle_timeout(mut self, timeout: Duration) -> Self {
        self.idle_timeout = timeout;
        self
    }

    /// How long a dial may take: 3 s.
    #[must_use]
    pub fn dial_deadline(mut self, deadline: Duration) -> Self {
        self.dial_deadline = deadline;
        self
    }

    /// For how long, after a dial failed, sends to that address are refused at once: 1 s.
    #[must_use]
    pub fn redial_after(mut self, pause: Duration) -> Self {
        self.redial_after = pause;
        self
    }

    /// The most peers to have connections with at a time: 1,024, of about 40 kB each. Beyond, the
    /// connection goes that was not used for the longest time. At least 1.
    #[must_use]
    pub fn peers_max(mut self, max: usize) -> Self {
        self.peers_max = max.max(1);
        self
    }
}

impl Default for Options {
    fn default() -> Self {
        Self::new()
    }
}
