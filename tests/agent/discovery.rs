//! Ways to find others: files, and what a user brings.

use std::{
    fs,
    future::Future,
    io,
    net::SocketAddr,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use selkie::{
    agent::{Discover, Event, Seed},
    transports::MemoryNetwork,
};
use tempfile::TempDir;

use super::{
    cluster::ANY_PORT,
    fixture::{Agent, builder, event_where, until},
};

/// Starts an agent that looks there, and has its events from the start.
async fn start(
    net: &MemoryNetwork,
    named: &str,
    seed: Seed,
) -> (Agent, selkie::agent::Events<selkie::Node>) {
    let built = builder(named, net.bind(ANY_PORT).unwrap()).seeds([seed]);
    let (cluster, driver) = built.build().await.unwrap();
    let events = cluster.events();
    (Agent::run(cluster, driver), events)
}

async fn is_unresolved(events: &mut selkie::agent::Events<selkie::Node>, reason: &str) {
    let is_it = |event: &Event<_>| match event {
        Event::SeedUnresolved { reason: told, .. } => told.contains(reason),
        _ => false,
    };
    event_where(events, &reason, is_it).await;
}

#[test]
fn a_file_of_seeds_is_read_again_at_each_try() {
    smol::block_on(async {
        let dir = TempDir::new().unwrap();
        let path = dir.path().join("seeds");
        let net = MemoryNetwork::new();
        let a = Agent::start("a", net.bind(ANY_PORT).unwrap(), &[]).await;
        let (b, mut events) = start(&net, "b", Seed::file(&path)).await;
        is_unresolved(&mut events, "").await;
        fs::write(&path, "# nobody yet\n\n").unwrap();
        is_unresolved(&mut events, "no address").await;
        fs::write(&path, format!("file:{}\n", path.display())).unwrap();
        is_unresolved(&mut events, "in a file").await;
        fs::write(&path, "host without port").unwrap();
        is_unresolved(&mut events, "no port").await;
        // One line that is none keeps nobody from the others.
        let lines = format!("what\n  localhost:{}  \n10.0.0.9:1\n", a.addr().port());
        fs::write(&path, lines).unwrap();
        b.knows(1).await;
        a.knows(1).await;
    });
}

#[derive(Debug)]
struct Registry {
    asked: Arc<AtomicUsize>,
    crowd: Vec<SocketAddr>,
}

impl Discover for Registry {
    fn discover(&self) -> Pin<Box<dyn Future<Output = io::Result<Vec<SocketAddr>>> + Send + '_>> {
        Box::pin(async {
            smol::future::yield_now().await;
            match self.asked.fetch_add(1, Ordering::SeqCst) {
                0 => Err(io::Error::other("the registry is closed")),
                1 => Ok(Vec::new()),
                2 => panic!("somebody else's mistake"),
                _ => Ok(self.crowd.clone()),
            }
        })
    }
}

#[test]
fn what_a_user_brings_is_asked_again_until_it_finds_somebody() {
    smol::block_on(async {
        let net = MemoryNetwork::new();
        let a = Agent::start("a", net.bind(ANY_PORT).unwrap(), &[]).await;
        let asked = Arc::default();
        // Only one of them is there: sooner or later it is among those that are asked.
        let crowd = (1..40).map(|port| SocketAddr::from(([10, 7, 0, 1], port)));
        let registry = Registry {
            asked: Arc::clone(&asked),
            crowd: crowd.chain([a.addr()]).collect(),
        };
        let (b, mut events) = start(&net, "b", Seed::discover(registry)).await;
        is_unresolved(&mut events, "the registry is closed").await;
        is_unresolved(&mut events, "no address").await;
        is_unresolved(&mut events, "panicked").await;
        b.knows(1).await;
        assert!(asked.load(Ordering::SeqCst) >= 4);
    });
}

#[test]
fn of_many_addresses_only_some_are_asked_at_once() {
    smol::block_on(async {
        let net = MemoryNetwork::new();
        let crowd = (1..=200).map(|port| SocketAddr::from(([10, 7, 0, 1], port)));
        let registry = Registry {
            asked: Arc::new(AtomicUsize::new(3)),
            crowd: crowd.collect(),
        };
        let (a, _events) = start(&net, "a", Seed::discover(registry)).await;
        let mut tries = 0;
        until(&a.cluster, "three tries", |c| {
            let announced = c.stats().seeds_announced;
            assert_eq!(announced % 16, 0);
            tries = announced / 16;
            tries >= 3
        })
        .await;
    });
}
