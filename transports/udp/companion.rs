//! The TCP listener at the port of the UDP socket, and the streams through it.

use alloc::{boxed::Box, format, sync::Arc};
use core::{
    fmt,
    future::poll_fn,
    net::SocketAddr,
    pin::pin,
    task::{Context, Poll, ready},
    time::Duration,
};
use std::{
    io,
    net::{TcpListener, TcpStream},
};

use async_io::{Async, Timer};
use futures::{
    StreamExt,
    future::{self, BoxFuture, Either, Future},
    lock::Mutex,
    stream::FuturesUnordered,
};
use socket2::{Domain, Protocol, Socket, Type};

use super::{
    closing::Closing,
    counters::Tally,
    options::Options,
    places::{Full, Place, Places},
    socket::{canonical, destination},
    stream::{Chunks, UdpStream},
};
use crate::{
    trace::debug,
    transport::{PeerStream, SendError},
};

/// Streams of a transport whose connections begin with greetings `G`.
pub(super) struct Companion<G> {
    listener: Async<TcpListener>,
    local_addr: SocketAddr,
    greeter: Arc<G>,
    options: Options,
    tally: Arc<Tally>,
    accepted: Places,
    opened: Places,
    greetings: Places,
    /// The connections that have not greeted yet. Whoever accepts takes care of them.
    arriving: Mutex<FuturesUnordered<Arriving>>,
}

type Arriving = BoxFuture<'static, Result<PeerStream<UdpStream>, Ungreeted>>;

/// How a connection begins.
pub(super) trait Greeter: Send + Sync + 'static {
    /// As who opened it, whose packets are from `port`.
    fn greet(
        &self,
        tcp: &Async<TcpStream>,
        port: u16,
    ) -> impl Future<Output = Result<Box<dyn Chunks>, Ungreeted>> + Send;

    /// As who accepted it. Returns the port that packets of who opened it are from.
    fn welcome(
        &self,
        tcp: &Async<TcpStream>,
    ) -> impl Future<Output = Result<(u16, Box<dyn Chunks>), Ungreeted>> + Send;
}

/// Why a connection did not become a stream.
#[derive(Debug)]
pub(super) enum Ungreeted {
    /// It took too long.
    Late,
    /// What the other side said is not a greeting of ours.
    Refused(&'static str),
    /// It failed, or ended.
    Broken(io::Error),
}

impl From<io::Error> for Ungreeted {
    fn from(error: io::Error) -> Self {
        Self::Broken(error)
    }
}

impl<G: Greeter> Companion<G> {
    pub(super) fn new(
        listener: TcpListener,
        greeter: Arc<G>,
        options: &Options,
        tally: Arc<Tally>,
    ) -> io::Result<Self> {
        Ok(Self {
            local_addr: listener.local_addr()?,
            listener: Async::new(listener)?,
            greeter,
            tally,
            accepted: Places::new(options.streams_max, options.streams_per_source_max),
            opened: Places::new(options.streams_max, options.streams_max),
            greetings: Places::new(options.greetings_max, options.greetings_per_source_max),
            options: options.clone(),
            arriving: Mutex::new(FuturesUnordered::new()),
        })
    }

    /// How many connections there are, whoever opened them.
    pub(super) fn connections(&self) -> usize {
        self.accepted.taken() + self.opened.taken()
    }

    /// Opens a stream.
    pub(super) async fn open(
        &self,
        closing: &Closing,
        to: SocketAddr,
    ) -> Result<PeerStream<UdpStream>, SendError> {
        if closing.is_closed() {
            return Err(SendError::Closed);
        }
        let addr = canonical(destination(self.local_addr, to)?);
        let Ok(place) = self.opened.take(addr.ip()) else {
            self.tally.opens_full.one();
            return Err(SendError::Busy);
        };
        let greet = async {
            let tcp = connect(self.local_addr, addr).await?;
            let chunks = self.greeter.greet(&tcp, self.local_addr.port()).await?;
            Ok((tcp, chunks))
        };
        let greeted = future::select(
            Box::pin(within(self.options.open_time, greet)),
            closing.closed(),
        );
        let error = match greeted.await {
            Either::Left((Ok((tcp, chunks)), _)) => {
                self.tally.streams_out.one();
                let stream = UdpStream::new(tcp, chunks, self.options.silence_max, place);
                return Ok(PeerStream {
                    addr,
                    peer: None,
                    stream,
                });
            }
            Either::Left((Err(ungreeted), _)) => self.not_opened(ungreeted),
            Either::Right(((), _)) => return Err(SendError::Closed),
        };
        debug!(%addr, %error, "stream not opened");
        Err(SendError::Unreachable(error))
    }

    fn not_opened(&self, ungreeted: Ungreeted) -> io::Error {
        let (counter, error) = match ungreeted {
            Ungreeted::Late => {
                let error = io::ErrorKind::TimedOut.into();
                (&self.tally.opens_timed_out, error)
            }
            Ungreeted::Refused(reason) => {
                let error = io::Error::new(io::ErrorKind::InvalidData, reason);
                (&self.tally.opens_failed, error)
            }
            Ungreeted::Broken(error) => (&self.tally.opens_failed, error),
        };
        counter.one();
        error
    }

    /// Waits for a stream. Of several who do, one does the work for all.
    pub(super) async fn accept(&self, closing: &Closing) -> io::Result<PeerStream<UdpStream>> {
        let closed = || Err(io::ErrorKind::NotConnected.into());
        let mut arriving = match future::select(self.arriving.lock(), closing.closed()).await {
            Either::Left((arriving, _)) => arriving,
            Either::Right(((), _)) => return closed(),
        };
        if closing.is_closed() {
            return closed();
        }
        let accept = poll_fn(|cx| self.poll_accept(cx, &mut arriving));
        match future::select(accept, closing.closed()).await {
            Either::Left((accepted, _)) => accepted,
            Either::Right(((), _)) => closed(),
        }
    }

    fn poll_accept(
        &self,
        cx: &mut Context<'_>,
        arriving: &mut FuturesUnordered<Arriving>,
    ) -> Poll<io::Result<PeerStream<UdpStream>>> {
        for _ in 0..CONNECTIONS_PER_TURN {
            while let Poll::Ready(Some(arrived)) = arriving.poll_next_unpin(cx) {
                match arrived {
                    Ok(stream) => {
                        self.tally.streams_in.one();
                        return Poll::Ready(Ok(stream));
                    }
                    Err(ungreeted) => self.not_accepted(&ungreeted),
                }
            }
            match self.listener.get_ref().accept() {
                Ok((tcp, from)) => {
                    if let Some(new) = self.arrive(tcp, canonical(from)) {
                        arriving.push(new);
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    ready!(self.listener.poll_readable(cx))?;
                }
                Err(error) if is_about_a_peer(&error) => {}
                Err(error) => return Poll::Ready(Err(error)),
            }
        }
        // There is no end to them: others have their turn.
        cx.waker().wake_by_ref();
        Poll::Pending
    }

    /// What becomes of a new connection, if there is a place for it.
    fn arrive(&self, tcp: TcpStream, from: SocketAddr) -> Option<Arriving> {
        let places = self.places(from);
        let (greeting, place) = match places {
            Ok(places) => places,
            Err(counter) => {
                counter.one();
                debug!(%from, "connection refused: no place");
                return None;
            }
        };
        let greeter = Arc::clone(&self.greeter);
        let (greeting_time, silence_max) = (self.options.greeting_time, self.options.silence_max);
        Some(Box::pin(async move {
            let _greeting = greeting;
            let tcp = Async::new(tcp)?;
            tcp.get_ref().set_nodelay(true)?;
            let (port, chunks) = within(greeting_time, greeter.welcome(&tcp)).await?;
            let mut addr = from;
            addr.set_port(port);
            Ok(PeerStream {
                addr,
                peer: None,
                stream: UdpStream::new(tcp, chunks, silence_max, place),
            })
        }))
    }

    fn places(
        &self,
        from: SocketAddr,
    ) -> Result<(Place, Place), &crate::transports::counters::Count> {
        let tally = &self.tally;
        let place = self.accepted.take(from.ip()).map_err(|full| match full {
            Full::All => &tally.refused_streams_full,
            Full::Source => &tally.refused_streams_source,
        })?;
        let greeting = self.greetings.take(from.ip()).map_err(|full| match full {
            Full::All => &tally.refused_greetings_full,
            Full::Source => &tally.refused_greetings_source,
        })?;
        Ok((greeting, place))
    }

    fn not_accepted(&self, ungreeted: &Ungreeted) {
        let counter = match ungreeted {
            Ungreeted::Late => &self.tally.greetings_late,
            Ungreeted::Refused(_) => &self.tally.greetings_refused,
            Ungreeted::Broken(_) => &self.tally.greetings_broken,
        };
        counter.one();
        debug!(?ungreeted, "connection ended");
    }
}

impl<G> fmt::Debug for Companion<G> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut companion = f.debug_struct("Companion");
        companion.field("local_addr", &self.local_addr);
        companion.finish_non_exhaustive()
    }
}

/// Connects from our own address, so that the other side knows whom it speaks to.
async fn connect(from: SocketAddr, to: SocketAddr) -> io::Result<Async<TcpStream>> {
    let socket = Socket::new(Domain::for_address(to), Type::STREAM, Some(Protocol::TCP))?;
    socket.set_nonblocking(true)?;
    if !from.ip().is_unspecified() {
        let mut from = canonical(from);
        from.set_port(0);
        socket.bind(&from.into())?;
    }
    // An error may say no more than that it is under way; which one does so differs.
    let begun = socket.connect(&to.into());
    let tcp = Async::new(TcpStream::from(socket))?;
    tcp.writable().await?;
    if let Some(error) = tcp.get_ref().take_error()? {
        return Err(error);
    }
    match (tcp.get_ref().peer_addr(), begun) {
        (Err(_), Err(error)) | (Err(error), Ok(())) => Err(error),
        // Where nobody listens, a port that is any may happen to be that very one.
        (Ok(peer), _) if peer == tcp.get_ref().local_addr()? => {
            Err(io::ErrorKind::ConnectionRefused.into())
        }
        (Ok(_), _) => {
            tcp.get_ref().set_nodelay(true)?;
            Ok(tcp)
        }
    }
}

/// Binds TCP to the address of a UDP socket.
pub(super) fn listen(addr: SocketAddr) -> io::Result<TcpListener> {
    TcpListener::bind(addr).map_err(|error| {
        let reason = format!("cannot bind TCP address {addr}: {error}");
        io::Error::new(error.kind(), reason)
    })
}

async fn within<T>(
    time: Duration,
    greeting: impl Future<Output = Result<T, Ungreeted>>,
) -> Result<T, Ungreeted> {
    match future::select(pin!(greeting), Timer::after(time)).await {
        Either::Left((result, _)) => result,
        Either::Right(_) => Err(Ungreeted::Late),
    }
}

/// Whether an error tells of a connection that was about to be accepted.
fn is_about_a_peer(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionAborted
            | io::ErrorKind::ConnectionReset
            | io::ErrorKind::Interrupted
    )
}

/// The most connections taken before other tasks have their turn.
const CONNECTIONS_PER_TURN: usize = 64;
