//! Streams for whoever uses the transport, beside those of large packets.

use core::{
    fmt,
    future::Future,
    net::SocketAddr,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};
use std::{io, time::Instant};

use async_io::Timer;
use futures_io::{AsyncRead, AsyncWrite};
use quinn::{RecvStream, SendStream, VarInt};
use smol::channel::{self, Receiver, Sender};

use super::{
    gate::{Gate, Pass},
    link::Held,
    runtime::Spawner,
    serve::within,
    shares::{Place, Shares},
};
use crate::transport::PeerStream;

/// The most streams that peers opened and that are open, from all peers.
const OPEN_MAX: usize = 256;

/// The most of them that wait for [`accept`](crate::Transport::accept).
const WAITING_MAX: usize = 64;

/// How long a closed stream is waited for whose last bytes the peer has not acknowledged yet.
const FINISH_DEADLINE: Duration = Duration::from_secs(5);

/// A stream to or from a member, within a connection of QUIC.
///
/// Reading and writing fail, with [`io::ErrorKind::TimedOut`], when nothing moved for as long as
/// [`Options::stream_timeout`](super::Options::stream_timeout) says.
pub struct Stream {
    send: SendStream,
    recv: RecvStream,
    is_closed: bool,
    silence: Silence,
    spawner: Spawner,
    passes: Option<Passes>,
}

/// That it is open counts in several places.
type Passes = (Option<Pass>, Option<Pass>, Option<Place>);

impl AsyncRead for Stream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        let read = AsyncRead::poll_read(Pin::new(&mut self.recv), cx, buf);
        self.or_silent(read, cx)
    }
}

impl AsyncWrite for Stream {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = AsyncWrite::poll_write(Pin::new(&mut self.send), cx, buf);
        self.or_silent(written, cx)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.send).poll_flush(cx)
    }

    fn poll_close(mut self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.is_closed {
            return Poll::Ready(Ok(()));
        }
        self.is_closed = true;
        Poll::Ready(self.send.finish().map_err(io::Error::from))
    }
}

impl Stream {
    fn new(
        (send, recv): (SendStream, RecvStream),
        held: &Held,
        visits: &Visits,
        spawner: Spawner,
        place: Option<Place>,
    ) -> Self {
        Self {
            send,
            recv,
            is_closed: false,
            silence: Silence::new(visits.timeout),
            spawner,
            passes: Some((held.streams.enter(), visits.unfinished.enter(), place)),
        }
    }

    fn or_silent<T>(
        &mut self,
        outcome: Poll<io::Result<T>>,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<T>> {
        if outcome.is_ready() {
            self.silence.broken();
            return outcome;
        }
        self.silence.poll(cx).map(|()| {
            self.spawner.tally.streams_silent.one();
            Err(io::ErrorKind::TimedOut.into())
        })
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        let passes = self.passes.take();
        if !self.is_closed {
            let _ = self.send.reset(VarInt::default());
            return;
        }
        // What was written is still on its way.
        let stopped = self.send.stopped();
        self.spawner.run(async move {
            within(FINISH_DEADLINE, stopped).await;
            drop(passes);
        });
    }
}

impl fmt::Debug for Stream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Stream")
            .field("id", &self.send.id())
            .finish_non_exhaustive()
    }
}

/// For how long nothing has moved.
struct Silence {
    limit: Duration,
    since: Instant,
    timer: Option<Timer>,
}

impl Silence {
    fn new(limit: Duration) -> Self {
        Self {
            limit,
            since: Instant::now(),
            timer: None,
        }
    }

    fn broken(&mut self) {
        self.since = Instant::now();
    }

    /// Ready when it has been too long.
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        loop {
            let left = self.limit.saturating_sub(self.since.elapsed());
            if left.is_zero() {
                return Poll::Ready(());
            }
            let timer = self.timer.get_or_insert_with(|| Timer::after(left));
            if Pin::new(timer).poll(cx).is_pending() {
                return Poll::Pending;
            }
            self.timer = None;
        }
    }
}

/// The streams that peers opened.
#[derive(Debug)]
pub(super) struct Visits {
    timeout: Duration,
    open: Shares,
    waiting: Shares,
    /// All streams, whoever opened them.
    unfinished: Gate,
    sender: Sender<(PeerStream<Stream>, Place)>,
    receiver: Receiver<(PeerStream<Stream>, Place)>,
}

impl Visits {
    pub(super) fn new(timeout: Duration) -> Self {
        let (sender, receiver) = channel::unbounded();
        Self {
            timeout,
            open: Shares::new(OPEN_MAX),
            waiting: Shares::new(WAITING_MAX),
            unfinished: Gate::open(),
            sender,
            receiver,
        }
    }

    /// Takes a stream in that a peer opened, or resets it if there are too many.
    pub(super) fn take_in(
        &self,
        addr: SocketAddr,
        held: &Held,
        opened: (SendStream, RecvStream),
        spawner: &Spawner,
    ) {
        let peer = held.peer.clone();
        let open = self.open.enter(peer.as_ref(), addr);
        let turn = self.waiting.enter(peer.as_ref(), addr);
        let turn = turn.filter(|_| open.is_some());
        let stream = Stream::new(opened, held, self, spawner.clone(), open);
        let visit = PeerStream { addr, peer, stream };
        let taken = turn.is_some_and(|turn| self.sender.try_send((visit, turn)).is_ok());
        match taken {
            true => spawner.tally.streams_accepted.one(),
            false => spawner.tally.streams_not_accepted.one(),
        }
    }

    /// A stream that we opened.
    pub(super) fn opened(
        &self,
        addr: SocketAddr,
        held: &Held,
        opened: (SendStream, RecvStream),
        spawner: &Spawner,
    ) -> PeerStream<Stream> {
        spawner.tally.streams_opened.one();
        PeerStream {
            addr,
            peer: held.peer.clone(),
            stream: Stream::new(opened, held, self, spawner.clone(), None),
        }
    }

    pub(super) async fn accept(&self) -> io::Result<PeerStream<Stream>> {
        let closed = || io::Error::new(io::ErrorKind::NotConnected, "transport is closed");
        let (visit, _place) = self.receiver.recv().await.map_err(|_| closed())?;
        Ok(visit)
    }

    /// Whether all streams have ended, and what was written to them has arrived.
    pub(super) fn is_flushed(&self) -> bool {
        self.unfinished.is_empty()
    }

    pub(super) fn close(&self) {
        self.receiver.close();
        // Those that nobody will take are reset.
        while self.receiver.try_recv().is_ok() {}
    }
}
