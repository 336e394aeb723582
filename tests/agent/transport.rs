//! A transport that fails is an event, not the end.

use std::{
    io,
    net::SocketAddr,
    sync::atomic::{AtomicUsize, Ordering},
};

use selkie::{
    Transport,
    agent::Event,
    transport::{Batch, NoStream, SendError},
    transports::{Memory, MemoryNetwork},
};

use super::{
    cluster::ANY_PORT,
    fixture::{Agent, builder, event, event_where},
};

/// Fails to receive some times.
struct Failing {
    inner: Memory,
    failures: AtomicUsize,
    kind: io::ErrorKind,
}

impl Failing {
    fn new(net: &MemoryNetwork, failures: usize, kind: io::ErrorKind) -> Self {
        Self {
            inner: net.bind(ANY_PORT).unwrap(),
            failures: AtomicUsize::new(failures),
            kind,
        }
    }
}

impl Transport for Failing {
    type Stream = NoStream;

    fn local_addr(&self) -> SocketAddr {
        self.inner.local_addr()
    }

    fn proves_peers(&self) -> bool {
        true
    }

    fn room(&self, to: SocketAddr) -> usize {
        self.inner.room(to)
    }

    async fn send(&self, to: SocketAddr, packet: &[u8]) -> Result<(), SendError> {
        self.inner.send(to, packet).await
    }

    async fn recv(&self, batch: &mut Batch) -> io::Result<()> {
        let left = |left: usize| left.checked_sub(1);
        match self
            .failures
            .fetch_update(Ordering::SeqCst, Ordering::SeqCst, left)
        {
            Ok(_) => Err(io::Error::new(self.kind, "told to fail")),
            Err(_) => self.inner.recv(batch).await,
        }
    }

    async fn close(&self) {
        self.inner.close().await;
    }
}

#[test]
fn receiving_that_fails_is_reported_and_tried_again() {
    smol::block_on(async {
        let net = MemoryNetwork::new();
        let failing = Failing::new(&net, 3, io::ErrorKind::Other);
        let (cluster, driver) = builder("a", failing).build().await.unwrap();
        let mut events = cluster.events();
        let a = Agent::run(cluster, driver);
        let b = Agent::start("b", net.bind(ANY_PORT).unwrap(), &[&a]).await;

        let reason = "told to fail".to_string();
        event(&mut events, &Event::TransportFailed { reason }).await;
        let later = event(&mut events, &Event::TransportRecovered).await;
        let failed = |event: &Event<_>| matches!(event, Event::TransportFailed { .. });
        assert!(!later.iter().any(failed), "once, however often it failed");
        a.knows(1).await;
        b.knows(1).await;
        assert_eq!(a.cluster.stats().recv_failed, 3);
    });
}

#[test]
fn a_transport_that_was_closed_ends_the_agent() {
    smol::block_on(async {
        let net = MemoryNetwork::new();
        let failing = Failing::new(&net, usize::MAX, io::ErrorKind::NotConnected);
        let (cluster, driver) = builder("a", failing).build().await.unwrap();
        let mut events = cluster.events();
        let a = Agent::run(cluster, driver);
        event(&mut events, &Event::Stopped).await;
        a.ended().await;
    });
}

#[test]
fn what_cannot_be_sent_is_counted_by_its_reason() {
    struct Busy(Memory);

    impl Transport for Busy {
        type Stream = NoStream;

        fn local_addr(&self) -> SocketAddr {
            self.0.local_addr()
        }

        fn proves_peers(&self) -> bool {
            true
        }

        fn room(&self, to: SocketAddr) -> usize {
            self.0.room(to)
        }

        async fn send(&self, _to: SocketAddr, _packet: &[u8]) -> Result<(), SendError> {
            Err(SendError::Busy)
        }

        async fn recv(&self, batch: &mut Batch) -> io::Result<()> {
            self.0.recv(batch).await
        }

        async fn close(&self) {
            self.0.close().await;
        }
    }

    smol::block_on(async {
        let net = MemoryNetwork::new();
        let (cluster, driver) = builder("a", Busy(net.bind(ANY_PORT).unwrap()))
            .build()
            .await
            .unwrap();
        let mut events = cluster.events();
        let a = Agent::run(cluster, driver);
        let b = Agent::start("b", net.bind(ANY_PORT).unwrap(), &[&a]).await;
        event_where(&mut events, &"b", |event| {
            *event == Event::Joined(b.cluster.identity())
        })
        .await;
        super::fixture::until(&a.cluster, "counted", |c| c.stats().send_busy > 0).await;
        assert_eq!(a.cluster.stats().packets_out, 0);
    });
}
