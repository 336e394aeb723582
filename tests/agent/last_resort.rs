//! Members among whom packets get lost, and streams do not.

use std::{
    io,
    net::SocketAddr,
    sync::{Arc, Mutex},
    time::Duration,
};

use futures::FutureExt;
use selkie::{
    State, Transport,
    agent::Event,
    transport::{Batch, PeerStream, SendError},
    transports::MemoryNetwork,
};
use smol::{Timer, stream::StreamExt};

use super::{
    cluster::ANY_PORT,
    fixture::{Agent, event_where, until},
};

/// Loses the packets to and from somebody, without a word.
struct Blocked<T> {
    inner: T,
    whose: Arc<Mutex<Option<SocketAddr>>>,
    has_streams: bool,
}

impl<T: Transport> Transport for Blocked<T> {
    type Stream = T::Stream;

    fn local_addr(&self) -> SocketAddr {
        self.inner.local_addr()
    }

    fn room(&self, to: SocketAddr) -> usize {
        self.inner.room(to)
    }

    async fn send(&self, to: SocketAddr, packet: &[u8]) -> Result<(), SendError> {
        let whose = *self.whose.lock().unwrap();
        if whose.is_some_and(|whose| whose == to || whose == self.local_addr()) {
            return Ok(());
        }
        self.inner.send(to, packet).await
    }

    async fn recv(&self, batch: &mut Batch) -> io::Result<()> {
        self.inner.recv(batch).await
    }

    async fn close(&self) {
        self.inner.close().await;
    }

    fn enter_cluster(&self, cluster: &str) -> bool {
        self.inner.enter_cluster(cluster)
    }

    fn has_streams(&self) -> bool {
        self.has_streams && self.inner.has_streams()
    }

    async fn open(&self, to: SocketAddr) -> Result<PeerStream<T::Stream>, SendError> {
        self.inner.open(to).await
    }

    async fn accept(&self) -> io::Result<PeerStream<T::Stream>> {
        self.inner.accept().await
    }
}

/// Three that know each other, and what is to be lost.
async fn three<T: Transport>(
    has_streams: bool,
    mut bind: impl FnMut() -> T,
) -> ([Agent; 3], Arc<Mutex<Option<SocketAddr>>>) {
    let whose = Arc::default();
    let mut bind = || Blocked {
        inner: bind(),
        whose: Arc::clone(&whose),
        has_streams,
    };
    let a = Agent::start("a", bind(), &[]).await;
    let b = Agent::start("b", bind(), &[&a]).await;
    let c = Agent::start("c", bind(), &[&a]).await;
    for agent in [&a, &b, &c] {
        agent.knows(2).await;
    }
    ([a, b, c], whose)
}

async fn is_reported_and_lives<T: Transport>(bind: impl FnMut() -> T) {
    let ([a, b, c], whose) = three(true, bind).await;
    let mut events = a.cluster.events();
    *whose.lock().unwrap() = Some(c.addr());
    let id = c.cluster.identity();
    let blocked = Event::PacketsBlocked(id);
    let mut read = Vec::new();
    // Twice as long as it takes to condemn somebody.
    let end = Timer::after(Duration::from_secs(4));
    let told = event_where(&mut events, &blocked, |event| *event == blocked).await;
    read.extend(told);
    end.await;
    while let Some(Some(event)) = events.next().now_or_never() {
        read.push(event);
    }
    let is_bad = |event: &Event<_>| matches!(event, Event::Failed(_) | Event::Left(_));
    assert!(!read.iter().any(is_bad), "{read:?}");
    for (agent, other) in [(&a, "c"), (&b, "c"), (&c, "a"), (&c, "b")] {
        assert!(agent.state_of(other).is_some_and(State::is_active));
        let what = "answers by stream";
        until(&agent.cluster, what, |c| {
            c.stats().engine.probes_answered_reliably > 0
        })
        .await;
    }

    // What is said by packets again needs no streams.
    *whose.lock().unwrap() = None;
    for agent in [&a, &b, &c] {
        agent.knows(2).await;
    }
}

#[test]
fn who_answers_by_streams_only_is_reported_and_lives() {
    let network = MemoryNetwork::new();
    smol::block_on(is_reported_and_lives(|| network.bind(ANY_PORT).unwrap()));
}

#[cfg(feature = "udp")]
#[test]
fn who_answers_by_tcp_only_is_reported_and_lives() {
    use selkie::transports::PlainUdp;
    smol::block_on(is_reported_and_lives(|| PlainUdp::bind(ANY_PORT).unwrap()));
}

#[test]
fn without_streams_who_loses_all_packets_is_declared_down() {
    let network = MemoryNetwork::new();
    smol::block_on(async {
        let ([a, b, c], whose) = three(false, || network.bind(ANY_PORT).unwrap()).await;
        *whose.lock().unwrap() = Some(c.addr());
        a.holds("c", State::Down).await;
        b.holds("c", State::Down).await;
    });
}

#[test]
fn who_is_gone_is_declared_down_though_there_are_streams() {
    let network = MemoryNetwork::new();
    smol::block_on(async {
        let ([a, b, c], _whose) = three(true, || network.bind(ANY_PORT).unwrap()).await;
        c.kill().await;
        a.holds("c", State::Down).await;
        b.holds("c", State::Down).await;
        assert!(a.cluster.stats().engine.probes_answered_reliably == 0);
    });
}
