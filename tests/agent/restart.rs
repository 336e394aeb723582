//! Members that start again, from what they remember, over sockets.

use std::{
    net::SocketAddr,
    time::{Duration, Instant},
};

use futures::future::join_all;
use selkie::{State, Transport, transports::PlainUdp};
use tempfile::TempDir;

use super::{
    cluster::ANY_PORT,
    fixture::{Agent, name, until},
    snapshot::{is_saved, node, start},
};

async fn udp(named: &str, addr: SocketAddr, generation: u64, dir: &TempDir) -> Agent {
    let transport = PlainUdp::bind(addr).unwrap();
    let addr = transport.local_addr();
    start(
        node(named, addr, generation),
        transport,
        &dir.path().join(named),
    )
    .await
}

#[test]
fn twenty_that_are_killed_and_start_at_once_are_one_cluster_again() {
    const AGENTS: usize = 20;
    smol::block_on(async {
        let dir = TempDir::new().unwrap();
        let names: Vec<_> = (0..AGENTS).map(|n| format!("n{n}")).collect();
        let starts = names.iter().map(|n| udp(n, ANY_PORT, 1000, &dir));
        let agents = join_all(starts).await;
        for agent in &agents[1..] {
            agent.cluster.announce(agents[0].addr()).await.unwrap();
        }
        for agent in &agents {
            agent.knows(AGENTS - 1).await;
            is_saved(agent).await;
        }
        let addrs: Vec<_> = agents.iter().map(Agent::addr).collect();
        join_all(agents.into_iter().map(Agent::kill)).await;

        let started = Instant::now();
        // As if the clock had gone back.
        let starts = names.iter().zip(addrs);
        let starts = starts.map(|(n, addr)| udp(n, addr, 3, &dir));
        let agents = join_all(starts).await;
        for agent in &agents {
            agent.knows(AGENTS - 1).await;
            assert_eq!(agent.cluster.members().len(), AGENTS - 1);
            assert!(agent.cluster.identity().generation() > 1000);
        }
        assert!(started.elapsed() < Duration::from_secs(10));
        let asked = |agent: &Agent| agent.cluster.stats().remembered_announced > 0;
        assert!(agents.iter().any(asked));
    });
}

#[test]
fn a_member_that_starts_fifty_times_is_one_entry() {
    smol::block_on(async {
        let dir = TempDir::new().unwrap();
        let stays = udp("stays", ANY_PORT, 1, &dir).await;
        let mut last = 0;
        for _ in 0..50 {
            let restless = udp("restless", ANY_PORT, 1, &dir).await;
            let generation = restless.cluster.identity().generation();
            assert!(generation > last);
            last = generation;
            if last == 1 {
                restless.cluster.announce(stays.addr()).await.unwrap();
            }
            until(&stays.cluster, "its present life", |c| {
                let members = c.members();
                assert!(members.len() <= 1, "{members:?}");
                let member = members.find(&name("restless"));
                member.is_some_and(|m| m.id.generation() == last && m.state.is_active())
            })
            .await;
            restless.knows(1).await;
            is_saved(&restless).await;
            restless.kill().await;
        }
        stays.holds("restless", State::Down).await;
        assert_eq!(stays.cluster.members().len(), 1);
    });
}
