//! Streams, for what does not fit a packet.

use core::{
    convert::Infallible,
    net::SocketAddr,
    pin::Pin,
    task::{Context, Poll},
};
use std::io;

use futures_io::{AsyncRead, AsyncWrite};

use super::ProvenPeer;

/// A stream to or from a peer.
#[derive(Debug)]
pub struct PeerStream<S> {
    /// Where the peer lives, as far as the transport knows: of an accepted stream, the port may be
    /// another one than that of its packets.
    pub addr: SocketAddr,
    /// Who the peer is, where the transport makes its peers prove that.
    pub peer: Option<ProvenPeer>,
    /// The stream.
    pub stream: S,
}

/// The stream of transports that have none: there is no value of this type.
#[derive(Clone, Copy, Debug)]
pub struct NoStream(Infallible);

impl AsyncRead for NoStream {
    fn poll_read(
        self: Pin<&mut Self>,
        _cx: &mut Context<'_>,
        _buf: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        match self.0 {}
    }
}

impl AsyncWrite for NoStream {
    fn poll_write(
        self: Pin<&mut Self>,
        _cx: &mut Context<'_>,
        _buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        match self.0 {}
    }

    fn poll_flush(self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.0 {}
    }

    fn poll_close(self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.0 {}
    }
}
