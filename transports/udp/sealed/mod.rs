//! Sealed with a key that the cluster shares.

mod greeting;
mod key;
mod keyfile;
mod keyring;
mod replay;
mod seal;

use alloc::sync::Arc;
use core::{fmt, net::SocketAddr};
use std::io;

pub use self::{
    key::{InvalidKey, InvalidKeyId, Key, KeyId},
    keyfile::{KeyChangeError, KeyFile},
    keyring::{KeyFileError, KeyFileReason, Keyring, KeyringError},
};
use self::{
    replay::Replays,
    seal::{OVERHEAD, Secrets, Unopened},
};
use super::{
    Counters, Options, UdpStream, bind,
    closing::Closing,
    companion::Companion,
    counters::Tally,
    socket::{DATAGRAM_MAX, Datagrams},
};
use crate::{
    trace::trace,
    transport::{Batch, Fingerprints, PeerStream, SendError, Transport},
};

/// UDP and TCP, sealed with a key that the members of a cluster share (XChaCha20-Poly1305).
///
/// Who has no key can neither read nor say anything, and gets no answer: neither to datagrams nor
/// to connections. What is said for another cluster is refused, even if the key is the same.
///
/// # What a shared key does not do
///
/// It proves membership, not which member: **whoever has it can speak in the name of any member**,
/// and read what was recorded before. Where members must not be able to do so, use
/// [`Quic`](crate::transports). Addresses are not sealed, nor is how much is said, or when.
///
/// # Replays
///
/// A recorded datagram is refused, as long as its sender is remembered: the 4096 of them that were
/// heard most recently, each of which may have its datagrams reordered by up to 1024. A transport
/// that was just made, or a sender that was forgotten for others, has no memory: it takes each
/// recorded datagram once more. What SWIM says is made for that: it is ordered by incarnations.
/// Streams cannot be replayed.
///
/// # What must not be copied
///
/// What is sealed stays so since no transport ever counts to the same number twice, and each draws
/// at random what it counts by. A process that is copied while it runs, by `fork` or by resuming
/// the snapshot of a machine twice, must bind anew in one of the two.
///
/// ```
/// use selkie::{Transport, transport::Batch, transports::SealedUdp};
/// use selkie::transports::udp::{Key, Keyring};
///
/// # async_io::block_on(async {
/// let keyring = Keyring::new(&Key::generate()?);
/// let left = SealedUdp::bind("127.0.0.1:0".parse()?, &keyring)?;
/// let right = SealedUdp::bind("127.0.0.1:0".parse()?, &keyring)?;
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
#[derive(Clone)]
pub struct SealedUdp(Arc<Sockets>);

struct Sockets {
    socket: Datagrams,
    datagrams: seal::Datagrams,
    secrets: Arc<Secrets>,
    companion: Option<Companion<Secrets>>,
    closing: Closing,
    tally: Arc<Tally>,
}

impl SealedUdp {
    /// The most bytes of a packet: what a UDP datagram carries over IPv4, less 42 for the seal.
    pub const PACKET_MAX: usize = DATAGRAM_MAX - OVERHEAD;

    /// How far a datagram may be behind the latest of its sender, in datagrams.
    pub const REPLAY_WINDOW: u64 = Replays::WINDOW;

    /// The most senders whose replays are known.
    pub const REPLAY_SENDERS_MAX: usize = Replays::SENDERS_MAX;

    /// Opens a socket at an address, and a TCP listener at the same, with the default
    /// [`Options`]. Port 0 stands for any that is free. The keys may change later on.
    ///
    /// # Errors
    ///
    /// When the address is taken, is not this machine's, or may not be used; the error names the
    /// address. When the system has no random numbers.
    pub fn bind(addr: SocketAddr, keyring: &Keyring) -> io::Result<Self> {
        Self::bind_with(addr, keyring, &Options::new())
    }

    /// As [`bind`](Self::bind), with options.
    ///
    /// # Errors
    ///
    /// As [`bind`](Self::bind).
    pub fn bind_with(addr: SocketAddr, keyring: &Keyring, options: &Options) -> io::Result<Self> {
        let (socket, listener) = bind::bind(addr, options.has_streams)?;
        let secrets = Arc::new(Secrets::new(keyring.clone()));
        let tally = Arc::<Tally>::default();
        let companion =
            |listener| Companion::new(listener, Arc::clone(&secrets), options, Arc::clone(&tally));
        Ok(Self(Arc::new(Sockets {
            socket: Datagrams::new(socket)?,
            datagrams: seal::Datagrams::new()?,
            companion: listener.map(companion).transpose()?,
            secrets,
            closing: Closing::new(),
            tally,
        })))
    }

    /// The keys in use: changes to them take effect at once.
    #[must_use]
    pub fn keyring(&self) -> Keyring {
        self.0.secrets.keyring.clone()
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

    fn opened(&self, datagram: &mut [u8]) -> Option<usize> {
        match self.0.datagrams.open(&self.0.secrets, datagram) {
            Ok(len) => Some(len),
            Err(unopened) => {
                trace!(?unopened, "datagram dropped");
                let counter = match unopened {
                    Unopened::Malformed => &self.0.tally.datagrams_malformed,
                    Unopened::Stranger => &self.0.tally.datagrams_unopened,
                    Unopened::Replayed => &self.0.tally.datagrams_replayed,
                };
                counter.one();
                None
            }
        }
    }
}

impl Transport for SealedUdp {
    type Stream = UdpStream;

    fn local_addr(&self) -> SocketAddr {
        self.0.socket.local_addr()
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
        let sealed = self.0.datagrams.seal(&self.0.secrets, packet);
        let sent = self
            .0
            .socket
            .send(to, &sealed.map_err(SendError::Io)?)
            .await;
        sent.map_err(|error| match error {
            SendError::TooBig { max } => SendError::TooBig {
                max: max.saturating_sub(OVERHEAD),
            },
            error => error,
        })
    }

    async fn recv(&self, batch: &mut Batch) -> io::Result<()> {
        let open = |datagram: &mut [u8]| self.opened(datagram);
        self.0.socket.recv(&self.0.closing, batch, open).await
    }

    /// Nothing is queued, and UDP has no farewell. The address becomes free when this is dropped.
    async fn close(&self) {
        self.0.closing.close();
    }

    fn enter_cluster(&self, cluster: &str) -> bool {
        self.0.secrets.enter_cluster(cluster);
        true
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
        Fingerprints {
            keys: self.keyring().ids().into_iter().map(KeyId::bytes).collect(),
            ..Fingerprints::default()
        }
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

impl fmt::Debug for SealedUdp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SealedUdp")
            .field("local_addr", &self.0.socket.local_addr())
            .field("keyring", &self.0.secrets.keyring)
            .field("has_streams", &self.0.companion.is_some())
            .finish_non_exhaustive()
    }
}
