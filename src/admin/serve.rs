//! Connections, and their bounds.

use alloc::boxed::Box;
use core::{
    convert::Infallible,
    future::{Future, pending},
    pin::{Pin, pin},
    time::Duration,
};

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
    listener::Asker,
    routes::{Way, answer},
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
        let mut connections = FuturesUnordered::<Connection>::new();
        // So that there is always one, and waiting for the next to end does not end.
        connections.push(Box::pin(pending()));
        loop {
            let has_room = connections.len() <= CONNECTIONS_MAX;
            let next = async {
                match has_room {
                    true => listener.accept().await,
                    false => pending().await,
                }
            };
            let next = pin!(next);
            let progress = select(next, connections.next());
            let asker = match select(progress, until.as_mut()).await {
                Either::Left((Either::Left((asker, _)), _)) => asker,
                Either::Left((Either::Right(_), _)) => continue,
                Either::Right(_) => break,
            };
            match asker {
                Ok(Asker::Unix(stream)) => {
                    let (admin, closing) = (self.clone(), closing.clone());
                    connections.push(Box::pin(connection(admin, stream, Way::Unix, closing)));
                }
                Ok(Asker::Http(stream)) => {
                    let (admin, closing) = (self.clone(), closing.clone());
                    connections.push(Box::pin(connection(admin, stream, Way::Http, closing)));
                }
                Err(error) => {
                    debug!(%error, "cannot accept");
                    Timer::after(ACCEPT_PAUSE).await;
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

type Connection = Pin<Box<dyn Future<Output = ()> + Send>>;

async fn connection(
    admin: Admin,
    stream: impl AsyncRead + AsyncWrite + Send + Unpin + 'static,
    way: Way,
    closing: Receiver<Infallible>,
) {
    let service = service_fn(move |request| {
        let admin = admin.clone();
        async move { Ok::<_, Infallible>(answer(&admin, way, request).await) }
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

/// The most connections at once; further ones wait to be accepted.
const CONNECTIONS_MAX: usize = 64;
/// How long a request's header may take, and a connection be idle.
const HEADER_MAX: Duration = Duration::from_secs(30);
/// The most bytes that a connection buffers: those of a header, too.
const BUF_MAX: usize = 16 << 10;
/// How long answers may take once all is to end.
const CLOSE_MAX: Duration = Duration::from_secs(2);
/// How long to wait when there is no room for another connection in the process.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
