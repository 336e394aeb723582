//! The seam between the agent and the network.

use alloc::vec::Vec;
use core::{fmt, future::Future, net::SocketAddr, ops::Range};
use std::io;

/// Carries packets to and from addresses.
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
pub trait Transport: Send + Sync + 'static {
    /// The address at which we receive.
    fn local_addr(&self) -> SocketAddr;

    /// How many bytes go to this peer in one datagram, as far as is known now. What is larger
    /// goes another way if the transport has one, and is refused by [`send`](Self::send) if not.
    fn room(&self, to: SocketAddr) -> usize;

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
}

/// Why a packet was not sent.
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

/// Received packets, in one buffer that is used again.
#[derive(Debug, Default)]
pub struct Batch {
    bytes: Vec<u8>,
    packets: Vec<(SocketAddr, Range<usize>)>,
}

impl Batch {
    /// The most packets in a batch.
    pub const PACKETS_MAX: usize = 64;

    /// The largest packet that [`push_with`](Self::push_with) makes room for.
    pub const PACKET_MAX: usize = 65_535;

    /// An empty batch.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Whether it takes no more packets.
    #[must_use]
    pub fn is_full(&self) -> bool {
        self.packets.len() >= Self::PACKETS_MAX
    }

    /// Whether there is nothing in it.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.packets.is_empty()
    }

    /// How many packets there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.packets.len()
    }

    /// Appends a packet.
    pub fn push(&mut self, from: SocketAddr, packet: &[u8]) {
        let start = self.end();
        self.bytes.truncate(start);
        self.bytes.extend_from_slice(packet);
        self.packets.push((from, start..self.bytes.len()));
    }

    /// Appends the packet that `receive` puts at the front of the buffer it is given: it returns
    /// how many bytes those are, and from where.
    ///
    /// # Errors
    ///
    /// Whatever `receive` returns; nothing is appended then.
    pub fn push_with(
        &mut self,
        receive: impl FnOnce(&mut [u8]) -> io::Result<(usize, SocketAddr)>,
    ) -> io::Result<()> {
        let start = self.end();
        // Zeroed once and used again: only ever grows.
        let room = start.saturating_add(Self::PACKET_MAX);
        if self.bytes.len() < room {
            self.bytes.resize(room, 0);
        }
        let (len, from) = receive(self.bytes.get_mut(start..).unwrap_or_default())?;
        let end = start.saturating_add(len).min(self.bytes.len());
        self.packets.push((from, start..end));
        Ok(())
    }

    /// The packets, in the order of their arrival.
    pub fn iter(&self) -> impl Iterator<Item = (SocketAddr, &[u8])> {
        self.packets
            .iter()
            .map(|(from, range)| (*from, self.bytes.get(range.clone()).unwrap_or_default()))
    }

    /// Empties it, keeping the buffer.
    pub fn clear(&mut self) {
        self.packets.clear();
    }

    fn end(&self) -> usize {
        self.packets.last().map_or(0, |(_, range)| range.end)
    }
}
