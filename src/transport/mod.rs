//! The seam between the agent and the network.

mod batch;
mod fingerprints;
mod peer;
mod stream;

use core::{
    fmt,
    future::{self, Future},
    net::SocketAddr,
};
use std::io;

use futures_io::{AsyncRead, AsyncWrite};

pub use self::{
    batch::{Batch, Packet},
    fingerprints::Fingerprints,
    peer::ProvenPeer,
    stream::{NoStream, PeerStream},
};

/// Carries packets to and from addresses, and streams, if it has any.
///
/// The crate's own transports are in [`transports`](crate::transports). One that is not about IP
/// gives its peers socket addresses of its own making.
///
/// # Contract
///
/// - Packets may be lost, repeated and reordered; they arrive whole and unchanged, or not at all.
/// - [`send`](Self::send) waits for nothing that a peer does: a transport that must connect first
///   queues a bounded number of packets and drops the others, and says so.
/// - Dropping the future of [`recv`](Self::recv) loses no packet; it is called again.
/// - After [`close`](Self::close), `send` and `recv` return errors.
/// - All methods may be called at the same time from several tasks.
///
/// # Streams
///
/// A stream carries bytes both ways, reliably and in order. Closing it (`poll_close`) ends our
/// direction: the other side reads to the end. Dropped before that, it is reset: the other side
/// gets an error, and knows that something is missing. The transport bounds how many streams its
/// peers may have open, and how long one may be silent. Without streams, [`Stream`](Self::Stream)
/// is [`NoStream`], and the methods about them need not be written.
pub trait Transport: Send + Sync + 'static {
    /// A stream, opened by either side; [`NoStream`] if there are none.
    type Stream: AsyncRead + AsyncWrite + Send + Unpin + 'static;

    /// The address at which we receive.
    fn local_addr(&self) -> SocketAddr;

    /// How many bytes go to this peer in one datagram, as far as is known now. What is larger
    /// goes another way if the transport has one, and is refused by [`send`](Self::send) if not.
    fn room(&self, to: SocketAddr) -> usize;

    /// Whether a packet to this peer costs no more than itself. Over a transport that connects
    /// first, a peer with which there is no connection is not near, unless there are so few that
    /// one more is welcome.
    fn is_near(&self, to: SocketAddr) -> bool {
        let _ = to;
        true
    }

    /// Sends a packet, best effort.
    ///
    /// # Errors
    ///
    /// [`SendError`]: what became of the packet instead. Later packets may do better.
    fn send(
        &self,
        to: SocketAddr,
        packet: &[u8],
    ) -> impl Future<Output = Result<(), SendError>> + Send;

    /// Waits for at least one packet, then takes what is there until `batch` is full.
    ///
    /// # Errors
    ///
    /// When receiving failed. The caller reports it and tries again after a while, but for
    /// [`io::ErrorKind::NotConnected`], which says that the transport is closed.
    fn recv(&self, batch: &mut Batch) -> impl Future<Output = io::Result<()>> + Send;

    /// Sends what is queued, tells peers that we go, and stops. Waits a bounded time.
    fn close(&self) -> impl Future<Output = ()> + Send;

    /// Names the cluster that is spoken to: 1 to 63 of `a-z 0-9 - . _`. Called at most once, before
    /// anything is sent or received.
    ///
    /// Returns whether members of other clusters are refused by the transport itself, as in a
    /// handshake. If not, the agent puts the cluster's mark before each packet, and looks for it.
    fn enter_cluster(&self, cluster: &str) -> bool {
        let _ = cluster;
        false
    }

    /// Whether only those are heard that proved to belong to the cluster, by a certificate or a
    /// key, or that cannot be strangers. If not, anybody can send in the name of any address, and
    /// the agent makes newcomers [prove theirs](crate::Config::prove_joiners).
    fn proves_peers(&self) -> bool {
        false
    }

    /// Tells what was counted, as names and figures: what was refused above all, by reason. Part of
    /// an agent's [`Stats`](crate::agent::Stats). By default nothing.
    ///
    /// A figure whose name begins with `open_` is of what there is at present; all others only grow.
    fn count(&self, tell: &mut dyn FnMut(&'static str, u64)) {
        let _ = tell;
    }

    /// By which keys and certificates we prove ourselves, and whom we trust, where the transport
    /// has such. Other members may [ask](crate::Cluster::fingerprints_of) for it. By default nothing.
    fn fingerprints(&self) -> Fingerprints {
        Fingerprints::default()
    }

    /// Whether streams can be [opened](Self::open).
    fn has_streams(&self) -> bool {
        false
    }

    /// Opens a stream to whoever lives at an address. Waits a bounded time.
    ///
    /// # Errors
    ///
    /// [`SendError`]: among them [`NoStreams`](SendError::NoStreams), always, where there are none.
    fn open(
        &self,
        to: SocketAddr,
    ) -> impl Future<Output = Result<PeerStream<Self::Stream>, SendError>> + Send {
        let _ = to;
        future::ready(Err(SendError::NoStreams))
    }

    /// Waits for a stream that a peer opens. Dropping the future loses none.
    ///
    /// # Errors
    ///
    /// As [`recv`](Self::recv).
    fn accept(&self) -> impl Future<Output = io::Result<PeerStream<Self::Stream>>> + Send {
        future::pending()
    }
}

/// Why a packet was not sent, or a stream not opened.
#[derive(Debug)]
#[non_exhaustive]
pub enum SendError {
    /// It is larger than anything this transport carries.
    TooBig {
        /// The most it carries.
        max: usize,
    },
    /// A queue is full: of the socket, or towards this peer.
    Busy,
    /// There is no way to this peer at present.
    Unreachable(io::Error),
    /// The transport was closed.
    Closed,
    /// This transport has no streams.
    NoStreams,
    /// The socket failed.
    Io(io::Error),
}

impl fmt::Display for SendError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooBig { max } => write!(f, "packet is larger than the {max} bytes carried"),
            Self::Busy => f.write_str("queue is full"),
            Self::Unreachable(source) => write!(f, "peer cannot be reached: {source}"),
            Self::Closed => f.write_str("transport is closed"),
            Self::NoStreams => f.write_str("transport has no streams"),
            Self::Io(source) => write!(f, "cannot send: {source}"),
        }
    }
}

impl core::error::Error for SendError {
    fn source(&self) -> Option<&(dyn core::error::Error + 'static)> {
        match self {
            Self::Unreachable(source) | Self::Io(source) => Some(source),
            _ => None,
        }
    }
}
