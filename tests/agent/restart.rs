//! Members that start again, from what they remember, over sockets.

use std::{
    io,
    net::SocketAddr,
    time::{Duration, Instant},
};

use futures::future::join_all;
use selkie::{State, Transport};
use smol::Timer;
use tempfile::TempDir;

use super::{
    cluster::Net,
    fixture::{Agent, heavy, in_time, name, until},
    snapshot::{is_saved, node, start},
};

/// Binds once whoever was there before has let go of the address.
async fn bind<N: Net>(net: &N, named: &str, addr: SocketAddr) -> N::End {
    in_time("the address is free", async {
        loop {
            match net.bind_at(named, addr) {
                Ok(transport) => return transport,
                Err(error) => assert_eq!(error.kind(), io::ErrorKind::AddrInUse),
            }
            Timer::after(Duration::from_millis(5)).await;
        }
    })
    .await
}

async fn run(transport: impl Transport, named: &str, generation: u64, dir: &TempDir) -> Agent {
    let id = node(named, transport.local_addr(), generation);
    start(id, transport, &dir.path().join(named)).await
}

pub(crate) async fn twenty_that_are_killed_and_start_at_once_are_one_cluster_again<N: Net>(net: N) {
    const AGENTS: usize = 20;
    let _turn = heavy().await;
    let dir = TempDir::new().unwrap();
    let names: Vec<_> = (0..AGENTS).map(|n| format!("n{n}")).collect();
    let starts = names.iter().map(|n| run(net.bind(n), n, 1000, &dir));
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

    let transports = names.iter().zip(addrs);
    let transports = join_all(transports.map(|(n, addr)| bind(&net, n, addr))).await;
    let started = Instant::now();
    // As if the clock had gone back.
    let starts = names.iter().zip(transports);
    let starts = starts.map(|(n, transport)| run(transport, n, 3, &dir));
    let agents = join_all(starts).await;
    for agent in &agents {
        agent.knows(AGENTS - 1).await;
        assert_eq!(agent.cluster.members().len(), AGENTS - 1);
        assert!(agent.cluster.identity().generation() > 1000);
    }
    let taken = started.elapsed();
    assert!(taken < N::RESTART_MAX, "{taken:?}");
    let asked = |agent: &Agent| agent.cluster.stats().remembered_announced > 0;
    assert!(agents.iter().any(asked));
}

pub(crate) async fn a_member_that_starts_fifty_times_is_one_entry(net: impl Net) {
    let dir = TempDir::new().unwrap();
    let stays = run(net.bind("stays"), "stays", 1, &dir).await;
    let mut last = 0;
    for _ in 0..50 {
        let restless = run(net.bind("restless"), "restless", 1, &dir).await;
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
}
