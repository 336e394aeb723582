//! A UDP socket and what its errors mean.

use alloc::{format, vec::Vec};
use core::{
    cell::Cell,
    net::{IpAddr, SocketAddr},
    pin::pin,
};
use std::{io, net::UdpSocket, thread_local};

use async_io::Async;
use futures::future;

use super::closing::Closing;
use crate::transport::{Batch, SendError};

/// The most bytes that a UDP datagram carries over IPv4.
pub(super) const DATAGRAM_MAX: usize = 65_507;

/// A socket and its address.
#[derive(Debug)]
pub(super) struct Datagrams {
    socket: Async<UdpSocket>,
    local_addr: SocketAddr,
}

impl Datagrams {
    pub(super) fn new(socket: UdpSocket) -> io::Result<Self> {
        let local_addr = socket.local_addr()?;
        let socket = Async::new(socket)?;
        Ok(Self { socket, local_addr })
    }

    pub(super) fn local_addr(&self) -> SocketAddr {
        self.local_addr
    }

    /// Sends a datagram of at most [`DATAGRAM_MAX`] bytes.
    pub(super) async fn send(&self, to: SocketAddr, datagram: &[u8]) -> Result<(), SendError> {
        let to = destination(self.local_addr, to)?;
        // A system that reports on earlier packets does so once each, in place of sending.
        let sent = match self.socket.send_to(datagram, to).await {
            Err(error) if is_about_a_peer(&error) => self.socket.send_to(datagram, to).await,
            sent => sent,
        };
        match sent {
            Ok(_) => Ok(()),
            // All that the system says is that it was too much for the way to this peer.
            Err(error) if error.raw_os_error() == Some(TOO_BIG) => Err(SendError::TooBig {
                max: datagram.len().saturating_sub(1),
            }),
            Err(error) if is_about_a_peer(&error) => Err(SendError::Unreachable(error)),
            Err(error) => Err(SendError::Io(error)),
        }
    }

    /// Waits for datagrams, and takes those that `open` makes packets of: it leaves the packet at
    /// the front of what it is given, and returns how long it is.
    pub(super) async fn recv(
        &self,
        closing: &Closing,
        batch: &mut Batch,
        mut open: impl FnMut(&mut [u8]) -> Option<usize>,
    ) -> io::Result<()> {
        loop {
            if closing.is_closed() {
                return Err(io::ErrorKind::NotConnected.into());
            }
            if self.receive_ready(batch, &mut open)? > 0 {
                return Ok(());
            }
            let readable = pin!(self.socket.readable());
            if let future::Either::Left((Err(error), _)) =
                future::select(readable, closing.closed()).await
            {
                return Err(error);
            }
        }
    }

    /// Takes what is there until the batch is full. Returns how many packets that was.
    fn receive_ready(
        &self,
        batch: &mut Batch,
        open: &mut impl FnMut(&mut [u8]) -> Option<usize>,
    ) -> io::Result<usize> {
        // Each thread has one for all sockets: they are idle for the most part, and many.
        let mut buf = BUFFER.take();
        buf.resize(Batch::PACKET_MAX, 0);
        let received = self.receive_by(&mut buf, batch, open);
        BUFFER.set(buf);
        received
    }

    fn receive_by(
        &self,
        buf: &mut [u8],
        batch: &mut Batch,
        open: &mut impl FnMut(&mut [u8]) -> Option<usize>,
    ) -> io::Result<usize> {
        let before = batch.len();
        for _ in 0..Batch::PACKETS_MAX {
            match self.socket.get_ref().recv_from(buf) {
                Ok((len, from)) => {
                    let datagram = buf.get_mut(..len).unwrap_or_default();
                    let Some(len) = open(datagram) else {
                        continue;
                    };
                    batch.push(canonical(from), datagram.get(..len).unwrap_or_default());
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
}

/// How a socket at `local` has to be told the address of a peer, if it can reach such addresses.
pub(super) fn destination(local: SocketAddr, to: SocketAddr) -> Result<SocketAddr, SendError> {
    match (local.ip(), to.ip().to_canonical()) {
        (IpAddr::V4(_), ip @ IpAddr::V4(_)) => Ok(SocketAddr::new(ip, to.port())),
        (IpAddr::V6(_), IpAddr::V4(ip)) => {
            Ok(SocketAddr::new(ip.to_ipv6_mapped().into(), to.port()))
        }
        (IpAddr::V6(_), IpAddr::V6(_)) => Ok(to),
        (IpAddr::V4(_), IpAddr::V6(_)) => {
            let reason = format!("{to} cannot be reached from {local}");
            let error = io::Error::new(io::ErrorKind::Unsupported, reason);
            Err(SendError::Unreachable(error))
        }
    }
}

/// The address as IPv4 if it is one that an IPv6 socket wraps.
pub(super) fn canonical(addr: SocketAddr) -> SocketAddr {
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
