//! A network within the process.

mod stream;

use alloc::{
    boxed::Box,
    collections::{BTreeMap, BTreeSet},
    format,
    sync::{Arc, Weak},
    vec::Vec,
};
use core::{net::SocketAddr, ops::RangeInclusive};
use std::{
    io,
    sync::{Mutex, MutexGuard, PoisonError},
};

use smol::channel::{Receiver, Sender, TrySendError, bounded};

pub use self::stream::MemoryStream;
use self::stream::Pipe;
use crate::transport::{Batch, PeerStream, SendError, Transport};

/// A network within the process, for tests and for clusters that fit in one.
///
/// Packets arrive at once and in order, until somebody is [cut off](Self::silence). There are
/// streams, too: they break when that happens. Clones are the same network.
///
/// ```
/// use selkie::{Transport, transport::Batch, transports::MemoryNetwork};
///
/// # smol::block_on(async {
/// let network = MemoryNetwork::new();
/// let left = network.bind("10.0.0.1:7000".parse()?)?;
/// let right = network.bind("10.0.0.2:7000".parse()?)?;
/// left.send(right.local_addr(), b"hello").await?;
///
/// let mut batch = Batch::new();
/// right.recv(&mut batch).await?;
/// let packet = batch.iter().next().expect("one was received");
/// assert_eq!((packet.from, packet.bytes), (left.local_addr(), &b"hello"[..]));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// # })?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct MemoryNetwork {
    max_packet_size: usize,
    ends: Arc<Mutex<Ends>>,
}

impl MemoryNetwork {
    /// The most packets that wait at one end; a sender learns that further ones find it
    /// [busy](SendError::Busy).
    pub const QUEUE_LEN: usize = 4096;

    /// The most streams that wait at one end to be accepted; whoever opens a further one learns
    /// that the end is [busy](SendError::Busy). The number of accepted ones is not bounded.
    pub const STREAMS_WAITING_MAX: usize = 64;

    /// A network without members, which carries packets of up to 65,507 bytes, as UDP does.
    #[must_use]
    pub fn new() -> Self {
        Self {
            max_packet_size: 65_507,
            ends: Arc::default(),
        }
    }

    /// Sets the largest packet, in bytes, at most [`Batch::PACKET_MAX`], for those who bind from
    /// now on through this handle.
    #[must_use]
    pub fn with_max_packet_size(self, bytes: usize) -> Self {
        Self {
            max_packet_size: bytes.min(Batch::PACKET_MAX),
            ..self
        }
    }

    /// A new end. Port 0 stands for any that is free.
    ///
    /// # Errors
    ///
    /// [`io::ErrorKind::AddrInUse`] when somebody has the address, or all ports.
    pub fn bind(&self, addr: SocketAddr) -> io::Result<Memory> {
        let mut ends = self.ends();
        let addr = ends.free(addr).ok_or_else(|| {
            let reason = format!("cannot bind {addr}: in use");
            io::Error::new(io::ErrorKind::AddrInUse, reason)
        })?;
        let (packets_to, packets) = bounded(Self::QUEUE_LEN);
        let (streams_to, streams) = bounded(Self::STREAMS_WAITING_MAX);
        let end = End {
            packets: packets_to,
            streams: streams_to,
        };
        ends.bound.insert(addr, end);
        Ok(Memory {
            addr,
            network: self.clone(),
            packets,
            streams,
        })
    }

    /// Loses every packet to and from an address, and breaks its streams, until
    /// [healed](Self::heal).
    pub fn silence(&self, addr: SocketAddr) {
        self.ends().silent.insert(addr);
        self.break_streams(|ends| ends.contains(&addr));
    }

    /// Loses every packet between two addresses, both ways, and breaks the streams between them,
    /// until [healed](Self::heal).
    pub fn cut(&self, one: SocketAddr, other: SocketAddr) {
        self.ends().cut.insert((one.min(other), one.max(other)));
        self.break_streams(|ends| ends.contains(&one) && ends.contains(&other));
    }

    /// Undoes every [`silence`](Self::silence) and [`cut`](Self::cut). What was lost stays so.
    pub fn heal(&self) {
        let mut ends = self.ends();
        ends.silent.clear();
        ends.cut.clear();
    }

    fn break_streams(&self, is_meant: impl Fn(&[SocketAddr; 2]) -> bool) {
        let broken: Vec<_> = {
            let links = &mut self.ends().links;
            links.extract_if(.., |link| is_meant(&link.ends)).collect()
        };
        for pipe in broken.iter().flat_map(|link| &link.pipes) {
            if let Some(pipe) = pipe.upgrade() {
                pipe.cut();
            }
        }
    }

    fn ends(&self) -> MutexGuard<'_, Ends> {
        // Nothing panics while it holds the lock.
        self.ends.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Default for MemoryNetwork {
    fn default() -> Self {
        Self::new()
    }
}

/// One end of a [`MemoryNetwork`]. Dropping it frees its address.
#[derive(Debug)]
pub struct Memory {
    addr: SocketAddr,
    network: MemoryNetwork,
    packets: Receiver<Packet>,
    streams: Receiver<PeerStream<MemoryStream>>,
}

impl Transport for Memory {
    type Stream = MemoryStream;

    fn local_addr(&self) -> SocketAddr {
        self.addr
    }

    fn room(&self, _to: SocketAddr) -> usize {
        self.network.max_packet_size
    }

    async fn send(&self, to: SocketAddr, packet: &[u8]) -> Result<(), SendError> {
        let max = self.network.max_packet_size;
        if packet.len() > max {
            return Err(SendError::TooBig { max });
        }
        if self.packets.is_closed() {
            return Err(SendError::Closed);
        }
        let Ok(end) = self.network.ends().reach(self.addr, to) else {
            return Ok(());
        };
        match end.packets.try_send((self.addr, packet.into())) {
            Ok(()) | Err(TrySendError::Closed(_)) => Ok(()),
            Err(TrySendError::Full(_)) => Err(SendError::Busy),
        }
    }

    async fn recv(&self, batch: &mut Batch) -> io::Result<()> {
        let closed = || io::Error::from(io::ErrorKind::NotConnected);
        if self.packets.is_closed() {
            return Err(closed());
        }
        let (from, packet) = self.packets.recv().await.map_err(|_| closed())?;
        batch.push(from, &packet);
        while !batch.is_full()
            && let Ok((from, packet)) = self.packets.try_recv()
        {
            batch.push(from, &packet);
        }
        Ok(())
    }

    async fn close(&self) {
        self.unbind();
    }

    fn proves_peers(&self) -> bool {
        true
    }

    fn has_streams(&self) -> bool {
        true
    }

    async fn open(&self, to: SocketAddr) -> Result<PeerStream<MemoryStream>, SendError> {
        let unreachable = |kind| SendError::Unreachable(io::Error::from(kind));
        let mut ends = self.network.ends();
        if self.streams.is_closed() {
            return Err(SendError::Closed);
        }
        let end = ends.reach(self.addr, to).map_err(unreachable)?;
        let ([ours, theirs], pipes) = MemoryStream::pair();
        let stream = |addr, stream| PeerStream {
            addr,
            peer: None,
            stream,
        };
        match end.streams.try_send(stream(self.addr, theirs)) {
            Ok(()) => {}
            Err(TrySendError::Full(_)) => return Err(SendError::Busy),
            Err(TrySendError::Closed(_)) => {
                return Err(unreachable(io::ErrorKind::ConnectionRefused));
            }
        }
        ends.links.retain(Link::is_alive);
        ends.links.push(Link {
            ends: [self.addr, to],
            pipes: pipes.map(|pipe| Arc::downgrade(&pipe)),
        });
        Ok(stream(to, ours))
    }

    async fn accept(&self) -> io::Result<PeerStream<MemoryStream>> {
        let closed = || io::Error::from(io::ErrorKind::NotConnected);
        if self.streams.is_closed() {
            return Err(closed());
        }
        self.streams.recv().await.map_err(|_| closed())
    }
}

impl Memory {
    fn unbind(&self) {
        // Whoever closes first frees the address: later on it may be somebody else's.
        if self.packets.close() {
            self.network.ends().bound.remove(&self.addr);
            self.streams.close();
            self.network.break_streams(|ends| ends.contains(&self.addr));
        }
    }
}

impl Drop for Memory {
    fn drop(&mut self) {
        self.unbind();
    }
}

/// From whom, and what.
type Packet = (SocketAddr, Box<[u8]>);

/// How one end is reached.
#[derive(Clone, Debug)]
struct End {
    packets: Sender<Packet>,
    streams: Sender<PeerStream<MemoryStream>>,
}

/// A stream, from whom to whom.
#[derive(Debug)]
struct Link {
    ends: [SocketAddr; 2],
    pipes: [Weak<Pipe>; 2],
}

impl Link {
    fn is_alive(&self) -> bool {
        self.pipes.iter().any(|pipe| pipe.strong_count() > 0)
    }
}

#[derive(Debug, Default)]
struct Ends {
    bound: BTreeMap<SocketAddr, End>,
    silent: BTreeSet<SocketAddr>,
    cut: BTreeSet<(SocketAddr, SocketAddr)>,
    links: Vec<Link>,
}

impl Ends {
    fn free(&self, addr: SocketAddr) -> Option<SocketAddr> {
        const EPHEMERAL: RangeInclusive<u16> = 49_152..=65_535;
        let is_free = |addr: &SocketAddr| !self.bound.contains_key(addr);
        if addr.port() != 0 {
            return Some(addr).filter(is_free);
        }
        EPHEMERAL
            .map(|port| SocketAddr::new(addr.ip(), port))
            .find(is_free)
    }

    /// Who lives there, or why it is not reached.
    fn reach(&self, from: SocketAddr, to: SocketAddr) -> Result<End, io::ErrorKind> {
        let is_lost = self.silent.contains(&from)
            || self.silent.contains(&to)
            || self.cut.contains(&(from.min(to), from.max(to)));
        if is_lost {
            return Err(io::ErrorKind::TimedOut);
        }
        let end = self.bound.get(&to).cloned();
        end.ok_or(io::ErrorKind::ConnectionRefused)
    }
}
