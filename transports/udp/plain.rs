//! One socket, one datagram per packet.

use alloc::{format, vec::Vec};
use core::{
    cell::Cell,
    net::{IpAddr, SocketAddr},
    pin::pin,
};
use std::{
    io,
    net::UdpSocket,
    sync::{Mutex, MutexGuard, PoisonError},
    thread_local,
};

use async_io::Async;
use futures::{
    FutureExt,
    channel::oneshot,
    future::{self, Shared},
};

use crate::transport::{Batch, NoStream, SendError, Transport};

/// Packets as plain UDP datagrams: neither encrypted nor proven to come from whom they claim. For
/// networks in which everybody is trusted.
///
/// Bound to an IPv4 address it speaks IPv4, bound to an IPv6 address IPv6. Bound to `[::]` it
/// speaks both wherever the system lets such sockets do so (Linux and macOS do, unless told
/// otherwise; Windows does not); IPv4 peers keep their IPv4 addresses.
///
/// What ICMP reports about earlier packets, such as that nobody listens, is no error of this
/// socket and is not reported. The socket's buffers are the system's: to have larger ones, set
/// them on a socket of your own and hand it [in](Self::from_socket).
///
/// ```
/// use selkie::{Transport, transport::Batch, transports::PlainUdp};
///
/// # async_io::block_on(async {
/// let left = PlainUdp::bind("127.0.0.1:0".parse()?)?;
/// let right = PlainUdp::bind("127.0.0.1:0".parse()?)?;
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
#[derive(Debug)]
pub struct PlainUdp {
    socket: Async<UdpSocket>,
    local_addr: SocketAddr,
    /// Dropped to close.
    open: Mutex<Option<oneshot::Sender<()>>>,
    /// Resolves when it is.
    closed: Shared<oneshot::Receiver<()>>,
}

impl PlainUdp {
    /// The most bytes that a UDP datagram carries over IPv4, and the most that this sends.
    pub const PACKET_MAX: usize = 65_507;

    /// Opens a socket at an address. Port 0 stands for any that is free.
    ///
    /// # Errors
    ///
    /// When the address is taken, is not this machine's, or may not be used; the error names the
    /// address.
    pub fn bind(addr: SocketAddr) -> io::Result<Self> {
        UdpSocket::bind(addr)
            .and_then(Self::from_socket)
            .map_err(|error| {
                let reason = format!("cannot bind UDP address {addr}: {error}");
                io::Error::new(error.kind(), reason)
            })
    }

    /// Uses a socket that is bound already.
    ///
    /// # Errors
    ///
    /// When the system cannot say where the socket is bound, or cannot wait for it.
    pub fn from_socket(socket: UdpSocket) -> io::Result<Self> {
        let local_addr = socket.local_addr()?;
        let (open, closed) = oneshot::channel();
        Ok(Self {
            socket: Async::new(socket)?,
            local_addr,
            open: Mutex::new(Some(open)),
            closed: closed.shared(),
        })
    }

    /// How the socket has to be told the address of a peer, if it can reach such addresses.
    fn destination(&self, to: SocketAddr) -> Option<SocketAddr> {
        match (self.local_addr.ip(), to.ip().to_canonical()) {
            (IpAddr::V4(_), ip @ IpAddr::V4(_)) => Some(SocketAddr::new(ip, to.port())),
            (IpAddr::V6(_), IpAddr::V4(ip)) => {
                Some(SocketAddr::new(ip.to_ipv6_mapped().into(), to.port()))
            }
            (IpAddr::V6(_), IpAddr::V6(_)) => Some(to),
            (IpAddr::V4(_), IpAddr::V6(_)) => None,
        }
    }

    /// Takes what is there until the batch is full. Returns how many packets that was.
    fn receive_ready(&self, batch: &mut Batch) -> io::Result<usize> {
        // Each thread has one for all sockets: they are idle for the most part, and many.
        let mut buf = BUFFER.take();
        buf.resize(Batch::PACKET_MAX, 0);
        let received = self.receive_by(&mut buf, batch);
        BUFFER.set(buf);
        received
    }

    fn receive_by(&self, buf: &mut [u8], batch: &mut Batch) -> io::Result<usize> {
        let before = batch.len();
        for _ in 0..Batch::PACKETS_MAX {
            match self.socket.get_ref().recv_from(buf) {
                Ok((len, from)) => {
                    let packet = buf.get(..len).unwrap_or_default();
                    batch.push(canonical(from), packet);
                    if batch.is_full() {
                        break;
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(error) if is_about_a_peer(&error) => {}
                Err(_) if batch.len() > before => break,
                Err(error) => return Err(error),
            }
        }
        Ok(batch.len().saturating_sub(before))
    }

    fn is_closed(&self) -> bool {
        self.opened().is_none()
    }

    fn opened(&self) -> MutexGuard<'_, Option<oneshot::Sender<()>>> {
        // Nothing panics while it holds the lock.
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Transport for PlainUdp {
    type Stream = NoStream;

    fn local_addr(&self) -> SocketAddr {
        self.local_addr
    }

    fn room(&self, _to: SocketAddr) -> usize {
        Self::PACKET_MAX
    }

    async fn send(&self, to: SocketAddr, packet: &[u8]) -> Result<(), SendError> {
        if packet.len() > Self::PACKET_MAX {
            let max = Self::PACKET_MAX;
            return Err(SendError::TooBig { max });
        }
        if self.is_closed() {
            return Err(SendError::Closed);
        }
        let to = self.destination(to).ok_or_else(|| {
            let reason = format!("{to} cannot be reached from {}", self.local_addr);
            SendError::Unreachable(io::Error::new(io::ErrorKind::Unsupported, reason))
        })?;
        // A system that reports on earlier packets does so once each, in place of sending.
        let sent = match self.socket.send_to(packet, to).await {
            Err(error) if is_about_a_peer(&error) => self.socket.send_to(packet, to).await,
            sent => sent,
        };
        match sent {
            Ok(_) => Ok(()),
            // All that the system says is that it was too much for the way to this peer.
            Err(error) if error.raw_os_error() == Some(TOO_BIG) => Err(SendError::TooBig {
                max: packet.len().saturating_sub(1),
            }),
            Err(error) if is_about_a_peer(&error) => Err(SendError::Unreachable(error)),
            Err(error) => Err(SendError::Io(error)),
        }
    }

    async fn recv(&self, batch: &mut Batch) -> io::Result<()> {
        loop {
            if self.is_closed() {
                return Err(io::ErrorKind::NotConnected.into());
            }
            if self.receive_ready(batch)? > 0 {
                return Ok(());
            }
            let readable = pin!(self.socket.readable());
            if let future::Either::Left((Err(error), _)) =
                future::select(readable, self.closed.clone()).await
            {
                return Err(error);
            }
        }
    }

    /// Nothing is queued, and UDP has no farewell. The address becomes free when this is dropped.
    async fn close(&self) {
        self.opened().take();
    }
}

/// The address as IPv4 if it is one that an IPv6 socket wraps.
fn canonical(addr: SocketAddr) -> SocketAddr {
    match addr.ip().to_canonical() {
        ip @ IpAddr::V4(_) => SocketAddr::new(ip, addr.port()),
        IpAddr::V6(_) => addr,
    }
}

/// Whether an error tells of what became of some packet, rather than of the socket.
fn is_about_a_peer(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionRefused
            | io::ErrorKind::ConnectionReset
            | io::ErrorKind::HostUnreachable
            | io::ErrorKind::NetworkUnreachable
            | io::ErrorKind::Interrupted
    )
}

/// The number of `EMSGSIZE`, which has no [`io::ErrorKind`].
const TOO_BIG: i32 = if cfg!(windows) {
    10_040
} else if cfg!(any(target_os = "linux", target_os = "android")) {
    90
} else {
    40
};

thread_local! {
    /// What packets are received into.
    static BUFFER: Cell<Vec<u8>> = const { Cell::new(Vec::new()) };
}
