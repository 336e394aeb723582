//! One socket, one datagram per packet, and streams as TCP.

use alloc::{boxed::Box, sync::Arc};
use core::net::SocketAddr;
use std::{
    io,
    net::{TcpStream, UdpSocket},
};

use async_io::Async;
use futures::{AsyncReadExt, AsyncWriteExt};

use super::{
    Counters, Options, UdpStream, bind,
    closing::Closing,
    companion::{Companion, Greeter, Ungreeted},
    counters::Tally,
    socket::{DATAGRAM_MAX, Datagrams},
    stream::{Chunks, Clear},
};
use crate::{
    trace::warn,
    transport::{Batch, PeerStream, SendError, Transport},
};

/// Packets as plain UDP datagrams, and streams as plain TCP: neither encrypted nor proven to come
/// from whom they claim. For networks in which everybody is trusted; bound beyond loopback, it
/// says so in the log.
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
///
/// Clones are handles to the same sockets, which are closed when the last one is dropped.
#[derive(Clone, Debug)]
pub struct PlainUdp(Arc<Sockets>);

#[derive(Debug)]
struct Sockets {
    datagrams: Datagrams,
    companion: Option<Companion<InClear>>,
    closing: Closing,
    tally: Arc<Tally>,
}

impl PlainUdp {
    /// The most bytes that a UDP datagram carries over IPv4, and the most that this sends.
    pub const PACKET_MAX: usize = DATAGRAM_MAX;

    /// Opens a socket at an address, and a TCP listener at the same, with the default
    /// [`Options`]. Port 0 stands for any that is free.
    ///
    /// # Errors
    ///
    /// When the address is taken, is not this machine's, or may not be used; the error names the
    /// address.
    pub fn bind(addr: SocketAddr) -> io::Result<Self> {
        Self::bind_with(addr, &Options::new())
    }

    /// As [`bind`](Self::bind), with options.
    ///
    /// # Errors
    ///
    /// As [`bind`](Self::bind).
    pub fn bind_with(addr: SocketAddr, options: &Options) -> io::Result<Self> {
        let (socket, listener) = bind::bind(addr, options.has_streams)?;
        let tally = Arc::<Tally>::default();
        let companion =
            |listener| Companion::new(listener, Arc::new(InClear), options, Arc::clone(&tally));
        let companion = listener.map(companion).transpose()?;
        Self::of(socket, companion, tally)
    }

    /// Uses a socket that is bound already. There are no streams.
    ///
    /// # Errors
    ///
    /// When the system cannot say where the socket is bound, or cannot wait for it.
    pub fn from_socket(socket: UdpSocket) -> io::Result<Self> {
        Self::of(socket, None, Arc::default())
    }

    fn of(
        socket: UdpSocket,
        companion: Option<Companion<InClear>>,
        tally: Arc<Tally>,
    ) -> io::Result<Self> {
        let datagrams = Datagrams::new(socket)?;
        let addr = datagrams.local_addr();
        if !addr.ip().to_canonical().is_loopback() {
            warn!(%addr, "plain UDP beyond loopback: whoever reaches it can read and forge");
        }
        Ok(Self(Arc::new(Sockets {
            datagrams,
            companion,
            closing: Closing::new(),
            tally,
        })))
    }

    /// What was counted.
    #[must_use]
    pub fn counters(&self) -> Counters {
        self.0.tally.counters()
    }

    /// How many TCP connections there are for streams, whoever opened them.
    #[must_use]
    pub fn connections(&self) -> usize {
        self.0.companion.as_ref().map_or(0, Companion::connections)
    }
}

impl Transport for PlainUdp {
    type Stream = UdpStream;

    fn local_addr(&self) -> SocketAddr {
        self.0.datagrams.local_addr()
    }

    fn room(&self, _to: SocketAddr) -> usize {
        Self::PACKET_MAX
    }

    async fn send(&self, to: SocketAddr, packet: &[u8]) -> Result<(), SendError> {
        if packet.len() > Self::PACKET_MAX {
            let max = Self::PACKET_MAX;
            return Err(SendError::TooBig { max });
        }
        if self.0.closing.is_closed() {
            return Err(SendError::Closed);
        }
        self.0.datagrams.send(to, packet).await
    }

    async fn recv(&self, batch: &mut Batch) -> io::Result<()> {
        let open = |packet: &mut [u8]| Some(packet.len());
        self.0.datagrams.recv(&self.0.closing, batch, open).await
    }

    /// Nothing is queued, and UDP has no farewell. The address becomes free when this is dropped.
    async fn close(&self) {
        self.0.closing.close();
    }

    fn count(&self, tell: &mut dyn FnMut(&'static str, u64)) {
        let counters = self.counters();
        counters
            .iter()
            .for_each(|(name, figure)| tell(name, figure));
        tell("open_connections", self.connections() as u64);
    }

    fn has_streams(&self) -> bool {
        self.0.companion.is_some()
    }

    async fn open(&self, to: SocketAddr) -> Result<PeerStream<UdpStream>, SendError> {
        let companion = self.0.companion.as_ref().ok_or(SendError::NoStreams)?;
        companion.open(&self.0.closing, to).await
    }

    async fn accept(&self) -> io::Result<PeerStream<UdpStream>> {
        match &self.0.companion {
            Some(companion) => companion.accept(&self.0.closing).await,
            None => {
                self.0.closing.closed().await;
                Err(io::ErrorKind::NotConnected.into())
            }
        }
    }
}

/// The greeting of connections that are not sealed: the magic number and the port of who opened
/// it, answered by the magic number.
struct InClear;

impl Greeter for InClear {
    async fn greet(
        &self,
        mut tcp: &Async<TcpStream>,
        port: u16,
    ) -> Result<Box<dyn Chunks>, Ungreeted> {
        let [magic, port] = [&MAGIC[..], &port.to_be_bytes()];
        tcp.write_all(&[magic, port].concat()).await?;
        expect_magic(tcp).await?;
        Ok(Box::new(Clear))
    }

    async fn welcome(
        &self,
        mut tcp: &Async<TcpStream>,
    ) -> Result<(u16, Box<dyn Chunks>), Ungreeted> {
        expect_magic(tcp).await?;
        let mut port = [0; 2];
        tcp.read_exact(&mut port).await?;
        tcp.write_all(&MAGIC).await?;
        Ok((u16::from_be_bytes(port), Box::new(Clear)))
    }
}

async fn expect_magic(mut tcp: &Async<TcpStream>) -> Result<(), Ungreeted> {
    let mut magic = [0; MAGIC.len()];
    tcp.read_exact(&mut magic).await?;
    if magic != MAGIC {
        return Err(Ungreeted::Refused("not a greeting of plain streams"));
    }
    Ok(())
}

/// What each direction begins with: what we are, the version, and that nothing is sealed.
const MAGIC: [u8; 5] = *b"slk\x01p";
