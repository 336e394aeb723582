//! What an agent remembers when it starts again.

use std::{
    fs,
    net::SocketAddr,
    path::{Path, PathBuf},
    time::Duration,
};

use selkie::{
    Builder, Node, Transport, agent::Event, codecs::PostcardCodec, transports::MemoryNetwork,
};
use tempfile::TempDir;

use super::{
    cluster::ANY_PORT,
    fixture::{Agent, builder_of, event, event_where, name, until},
};

/// Starts an agent that remembers, and knows no seeds.
pub(crate) async fn start<T: Transport>(id: Node, transport: T, path: &Path) -> Agent {
    let (cluster, driver) = builder_of(id, transport)
        .snapshot(path)
        .snapshot_period(Duration::from_millis(20))
        .build()
        .await
        .unwrap();
    Agent::run(cluster, driver)
}

pub(crate) async fn is_saved(agent: &Agent) {
    until(&agent.cluster, "all is in the file", |c| {
        c.stats().snapshots_waiting == 0
    })
    .await;
}

pub(crate) fn node(named: &str, addr: SocketAddr, generation: u64) -> Node {
    Node::new(name(named), addr, generation)
}

fn beside(path: &Path) -> PathBuf {
    format!("{}.bad", path.display()).into()
}

#[test]
fn a_clock_that_went_back_makes_nobody_older() {
    smol::block_on(async {
        let dir = TempDir::new().unwrap();
        let path = dir.path().join("b");
        let net = MemoryNetwork::new();
        let a = Agent::start("a", net.bind(ANY_PORT).unwrap(), &[]).await;
        let transport = net.bind(ANY_PORT).unwrap();
        let addr = transport.local_addr();
        let b = start(node("b", addr, 5000), transport, &path).await;
        b.cluster.announce(a.addr()).await.unwrap();
        b.knows(1).await;
        is_saved(&b).await;
        b.kill().await;
        for (clock, generation) in [(17, 5001), (5001, 5002), (9000, 9000), (9000, 9001)] {
            let transport = net.bind(addr).unwrap();
            let b = start(node("b", addr, clock), transport, &path).await;
            assert_eq!(b.cluster.identity(), node("b", addr, generation));
            until(&a.cluster, "its present life", |c| {
                c.members().active().any(|m| m.id == b.cluster.identity())
            })
            .await;
            b.knows(1).await;
            // Nothing but its start wrote this one, and it was in time.
            b.kill().await;
        }
    });
}

#[test]
fn a_life_that_was_renewed_meanwhile_is_remembered() {
    smol::block_on(async {
        let dir = TempDir::new().unwrap();
        let net = MemoryNetwork::new();
        let mut agents = Vec::new();
        for named in ["a", "b"] {
            let transport = net.bind(ANY_PORT).unwrap();
            let id = node(named, transport.local_addr(), 1000);
            let path = dir.path().join(named);
            let agent = start(id, transport, &path).await;
            agents.push((agent, id, path));
        }
        let addrs = [agents[0].0.addr(), agents[1].0.addr()];
        agents[1].0.cluster.announce(addrs[0]).await.unwrap();
        agents[1].0.knows(1).await;
        net.cut(addrs[0], addrs[1]);
        for (agent, ..) in &agents {
            agent.knows(0).await;
        }
        net.heal();
        for (agent, ..) in &agents {
            agent.knows(1).await;
        }
        // Both held each other down: at least one of them came back as somebody new.
        let is_renewed = |agent: &Agent| agent.cluster.stats().engine.renewals > 0;
        let renewed = agents.iter().position(|(agent, ..)| is_renewed(agent));
        let (agent, id, path) = agents.swap_remove(renewed.unwrap());
        is_saved(&agent).await;
        let last = agent.cluster.identity().generation();
        agent.kill().await;
        let transport = net.bind(selkie::Locate::socket_addr(&id)).unwrap();
        let again = start(id, transport, &path).await;
        assert!(last > 1000 && again.cluster.identity().generation() > last);
    });
}

#[test]
fn a_made_up_name_is_kept() {
    smol::block_on(async {
        let dir = TempDir::new().unwrap();
        let net = MemoryNetwork::new();
        let mut identities = Vec::new();
        for _ in 0..2 {
            let builder = Builder::new()
                .codec(PostcardCodec)
                .transport(net.bind(ANY_PORT).unwrap())
                .snapshot(dir.path().join("snapshot"));
            let (cluster, _driver) = builder.build().await.unwrap();
            identities.push(cluster.identity());
        }
        assert_eq!(identities[0].name(), identities[1].name());
        assert!(identities[1].generation() > identities[0].generation());
    });
}

#[test]
fn the_file_of_somebody_else_says_whom_to_ask_and_not_who_we_are() {
    smol::block_on(async {
        let dir = TempDir::new().unwrap();
        let path = dir.path().join("snapshot");
        let net = MemoryNetwork::new();
        let a = Agent::start("a", net.bind(ANY_PORT).unwrap(), &[]).await;
        let transport = net.bind(ANY_PORT).unwrap();
        let b = node("b", transport.local_addr(), 5000);
        let b = start(b, transport, &path).await;
        b.cluster.announce(a.addr()).await.unwrap();
        b.knows(1).await;
        is_saved(&b).await;
        b.kill().await;
        let transport = net.bind(ANY_PORT).unwrap();
        let c = node("c", transport.local_addr(), 7);
        let c = start(c, transport, &path).await;
        assert_eq!(c.cluster.identity().generation(), 7);
        until(&c.cluster, "a", |c| c.members().find(&name("a")).is_some()).await;
        assert!(!beside(&path).exists());
    });
}

async fn check_set_aside(spoil: impl FnOnce(&Path), reason: &str) {
    let dir = TempDir::new().unwrap();
    let path = dir.path().join("snapshot");
    let net = MemoryNetwork::new();
    let (a, _driver) = remembering(&net, &path).await;
    assert_eq!(a.stats().snapshots_failed, 0);
    spoil(&path);
    let spoilt = fs::read(&path).unwrap();

    let (a, driver) = remembering(&net, &path).await;
    let mut events = a.events();
    let a = Agent::run(a, driver);
    let is_told = |event: &Event<_>| match event {
        Event::SnapshotFailed { reason: told } => told.contains(reason) && told.contains(".bad"),
        _ => false,
    };
    event_where(&mut events, &"set aside", is_told).await;
    assert_eq!(fs::read(beside(&path)).unwrap(), spoilt);
    until(&a.cluster, "counted", |c| c.stats().snapshots_failed == 1).await;

    // The new one is as good as any.
    let (a, _driver) = remembering(&net, &path).await;
    assert_eq!(a.stats().snapshots_failed, 0);
}

async fn remembering(
    net: &MemoryNetwork,
    path: &Path,
) -> (selkie::Cluster<Node>, selkie::agent::Driver) {
    let transport = net.bind(ANY_PORT).unwrap();
    let id = node("a", transport.local_addr(), 1);
    let built = builder_of(id, transport).snapshot(path).build().await;
    built.unwrap()
}

#[test]
fn a_damaged_file_is_set_aside() {
    smol::block_on(check_set_aside(
        |path| {
            let mut bytes = fs::read(path).unwrap();
            *bytes.last_mut().unwrap() ^= 1;
            fs::write(path, bytes).unwrap();
        },
        "damaged",
    ));
}

#[test]
fn a_foreign_file_is_set_aside() {
    smol::block_on(check_set_aside(
        |path| fs::write(path, "a shopping list").unwrap(),
        "no snapshot",
    ));
}

#[test]
fn a_file_that_is_far_too_long_is_damaged() {
    smol::block_on(check_set_aside(
        |path| {
            let file = fs::OpenOptions::new().append(true).open(path).unwrap();
            file.set_len(20 << 20).unwrap();
        },
        "damaged",
    ));
}

#[test]
fn a_file_that_cannot_be_written_is_told_of_and_tried_again() {
    smol::block_on(async {
        let dir = TempDir::new().unwrap();
        let path = dir.path().join("later").join("snapshot");
        let net = MemoryNetwork::new();
        let transport = net.bind(ANY_PORT).unwrap();
        let id = node("a", transport.local_addr(), 1);
        let built = builder_of(id, transport)
            .snapshot(&path)
            .snapshot_period(Duration::from_millis(20));
        let (cluster, driver) = built.build().await.unwrap();
        let mut events = cluster.events();
        let a = Agent::run(cluster, driver);
        let is_told = |event: &Event<_>| matches!(event, Event::SnapshotFailed { .. });
        event_where(&mut events, &"failed", is_told).await;
        until(&a.cluster, "a second try", |c| {
            c.stats().snapshots_failed >= 2
        })
        .await;
        fs::create_dir(path.parent().unwrap()).unwrap();
        until(&a.cluster, "written", |c| c.stats().snapshots_written >= 1).await;
        assert!(path.exists());
        let mut events = a.cluster.events();
        a.ended().await;
        event(&mut events, &Event::Stopped).await;
    });
}

#[test]
fn who_leaves_remembers_whom_it_knew_last() {
    smol::block_on(async {
        let dir = TempDir::new().unwrap();
        let path = dir.path().join("b");
        let net = MemoryNetwork::new();
        let a = Agent::start("a", net.bind(ANY_PORT).unwrap(), &[]).await;
        let transport = net.bind(ANY_PORT).unwrap();
        let id = node("b", transport.local_addr(), 1);
        // Nothing but the end writes it.
        let built = builder_of(id, transport)
            .snapshot(&path)
            .snapshot_period(Duration::from_secs(3600))
            .seeds([a.addr()]);
        let (cluster, driver) = built.build().await.unwrap();
        let b = Agent::run(cluster, driver);
        b.knows(1).await;
        b.cluster.leave().await.unwrap();
        b.ended().await;
        let transport = net.bind(selkie::Locate::socket_addr(&id)).unwrap();
        let b = start(id, transport, &path).await;
        b.knows(1).await;
        a.knows(1).await;
    });
}
