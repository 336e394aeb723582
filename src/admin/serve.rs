//! Connections, and their bounds.

use alloc::{boxed::Box, sync::Arc};
use core::{
    convert::Infallible,
    future::{Future, pending, poll_fn},
    pin::{Pin, pin},
    sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering::Relaxed},
    task::Poll,
    time::Duration,
};
use std::{io, time::Instant};

use futures::{
    AsyncRead, AsyncWrite, StreamExt,
    future::{Either, select},
    stream::FuturesUnordered,
};
use hyper::{server::conn::http1, service::service_fn};
use smol::{
    Timer,
    channel::{Receiver, Sender, bounded},
};
use smol_hyper::rt::{FuturesIo, SmolTimer};

use super::{
    Admin, Listener,
    listener::{Asker, Way},
    patience::Patient,
    routes::answer,
};
use crate::trace::debug;

impl Admin {
    /// Answers requests there, until `until` is done; then lets those that are under way come to
    /// their end, for two seconds at most. To be run beside the agent: spawn it on any executor.
    ///
    /// An answer is made by the thread that runs this, and nothing else runs there meanwhile: for
    /// milliseconds, where members are thousands. Agents run on smol's global executor, which has a
    /// single thread unless `SMOL_THREADS` says otherwise. So in large clusters have this run
    /// elsewhere, as `selkie agent` does:
    ///
    /// ```
    /// use selkie::admin::{Admin, Listener};
    ///
    /// fn open(admin: &Admin, listener: Listener) {
    ///     let serving = admin.clone().serve(listener, std::future::pending());
    ///     std::thread::spawn(|| smol::block_on(serving));
    /// }
    /// ```
    pub async fn serve(self, listener: Listener, until: impl Future<Output = ()>) {
        let mut until = pin!(until);
        let (open, closing): (Sender<Infallible>, _) = bounded(1);
        let place = Arc::new(Place::new(&self, listener.way()));
        let mut connections = FuturesUnordered::<Connection>::new();
        // So that there is always one, and waiting for the next to end does not end.
        connections.push(Box::pin(pending()));
        let mut not_before = None;
        loop {
            let next = pin!(next(&listener, &place, not_before));
            // Connections first: what fails to come in keeps none from going on.
            let progress = select(connections.next(), next);
            let asker = match select(until.as_mut(), progress).await {
                Either::Left(_) => break,
                Either::Right((Either::Left(_), _)) => continue,
                Either::Right((Either::Right((asker, _)), _)) => asker,
            };
            not_before = None;
            let (admin, closing) = (self.clone(), closing.clone());
            let seat = Seat::take(&place);
            match asker {
                Ok(Asker::Unix(stream)) => {
                    connections.push(Box::pin(connection(admin, stream, seat, closing)));
                }
                Ok(Asker::Http(stream)) => {
                    connections.push(Box::pin(connection(admin, stream, seat, closing)));
                }
                Err(error) => {
                    debug!(%error, "cannot accept");
                    not_before = Some(Instant::now() + ACCEPT_PAUSE);
                }
            }
        }
        drop((listener, open));
        let ended = async {
            while connections.len() > 1 {
                connections.next().await;
            }
        };
        select(pin!(ended), pin!(Timer::after(CLOSE_MAX))).await;
    }
}

/// The next who asks, once there is a place and it is time.
async fn next(
    listener: &Listener,
    place: &Place,
    not_before: Option<Instant>,
) -> io::Result<Asker> {
    if let Some(not_before) = not_before {
        Timer::at(not_before).await;
    }
    let mut accepting = pin!(listener.accept());
    // Asked again whenever a connection moves: this is polled with them.
    let has_room = || place.connections.load(Relaxed) < CONNECTIONS_MAX;
    poll_fn(|cx| match has_room() {
        true => accepting.as_mut().poll(cx),
        false => Poll::Pending,
    })
    .await
}

/// Where is asked, and how many do so.
pub(super) struct Place {
    pub(super) way: Way,
    /// Those that read events not among them.
    connections: AtomicUsize,
    readers: AtomicUsize,
    /// At all places.
    counts: Arc<Readers>,
}

/// How many read events, at all places.
#[derive(Debug, Default)]
pub(super) struct Readers {
    pub(super) present: AtomicU64,
    pub(super) refused: AtomicU64,
}

impl Place {
    fn new(admin: &Admin, way: Way) -> Self {
        Self {
            way,
            connections: AtomicUsize::new(0),
            readers: AtomicUsize::new(0),
            counts: admin.readers(),
        }
    }

    /// Counts a reader of events that was refused.
    pub(super) fn refuse(&self) {
        self.counts.refused.fetch_add(1, Relaxed);
    }
}

/// A connection, counted where it belongs for as long as it is there.
pub(super) struct Seat {
    pub(super) place: Arc<Place>,
    /// Whether it reads events: as slowly as it likes, then.
    reads: Arc<AtomicBool>,
}

impl Seat {
    fn take(place: &Arc<Place>) -> Self {
        place.connections.fetch_add(1, Relaxed);
        Self {
            place: place.clone(),
            reads: Arc::default(),
        }
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.place.connections.fetch_sub(1, Relaxed);
    }
}

/// A reader of events: while it reads, its connection counts as that only.
pub(super) struct Reader(Arc<Seat>);

impl Reader {
    /// None, if there are as many as may be.
    pub(super) fn new(seat: &Arc<Seat>) -> Option<Self> {
        let place = &seat.place;
        let more = |readers| (readers < READERS_MAX).then_some(readers + 1);
        place.readers.fetch_update(Relaxed, Relaxed, more).ok()?;
        place.connections.fetch_sub(1, Relaxed);
        place.counts.present.fetch_add(1, Relaxed);
        seat.reads.store(true, Relaxed);
        Some(Self(seat.clone()))
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        let place = &self.0.place;
        self.0.reads.store(false, Relaxed);
        place.connections.fetch_add(1, Relaxed);
        place.readers.fetch_sub(1, Relaxed);
        place.counts.present.fetch_sub(1, Relaxed);
    }
}

type Connection = Pin<Box<dyn Future<Output = ()> + Send>>;

async fn connection(
    admin: Admin,
    stream: impl AsyncRead + AsyncWrite + Send + Unpin + 'static,
    seat: Seat,
    closing: Receiver<Infallible>,
) {
    let stream = Patient::new(stream, seat.reads.clone());
    let seat = Arc::new(seat);
    let service = service_fn(move |request| {
        let (admin, seat) = (admin.clone(), seat.clone());
        async move { Ok::<_, Infallible>(answer(&admin, &seat, request).await) }
    });
    let connection = http1::Builder::new()
        .timer(SmolTimer::new())
        .header_read_timeout(HEADER_MAX)
        .max_buf_size(BUF_MAX)
        .serve_connection(FuturesIo::new(stream), service);
    let mut connection = pin!(connection);
    let ended = match select(connection.as_mut(), pin!(closing.recv())).await {
        Either::Left((ended, _)) => ended,
        Either::Right(_) => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = ended {
        debug!(%error, "a connection broke");
    }
}

/// The most connections at once at one listener, those of readers of events not among them; further
/// ones wait to be accepted.
const CONNECTIONS_MAX: usize = 64;
/// The most readers of events at once at one listener; further ones are refused.
pub(super) const READERS_MAX: usize = 32;
/// How long a request's header may take, and a connection be idle.
const HEADER_MAX: Duration = Duration::from_secs(30);
/// The most bytes that a connection buffers: those of a header, too.
const BUF_MAX: usize = 16 << 10;
/// How long answers may take once all is to end.
const CLOSE_MAX: Duration = Duration::from_secs(2);
/// How long to wait when there is no room for another connection in the process.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
