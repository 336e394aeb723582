use core::time::Duration;

use selkie::{
    Transport,
    agent::{Event, Seed},
    transports::MemoryNetwork,
};

use super::{
    cluster::{ANY_PORT, Net},
    fixture::{Agent, builder, event, event_where, until},
};

/// A host name that no resolver needs to ask anybody about: a label is too long.
fn unresolvable() -> Seed {
    format!("{}.invalid:7946", "x".repeat(100)).parse().unwrap()
}

pub(crate) async fn a_joiner_may_start_before_its_seed(net: impl Net) {
    // An address at which nobody is yet.
    let transport = net.bind("seed");
    let addr = transport.local_addr();
    let joiner = builder("joiner", net.bind("joiner")).seeds([addr]);
    drop(transport);
    let (cluster, driver) = joiner.build().await.unwrap();
    let joiner = Agent::run(cluster, driver);
    until(&joiner.cluster, "two tries", |c| {
        c.stats().seeds_announced >= 2
    })
    .await;
    assert_eq!(joiner.cluster.members().len(), 0);

    let seed = Agent::start("seed", net.bind_at("seed", addr).unwrap(), &[]).await;
    joiner.knows(1).await;
    seed.knows(1).await;
}

#[test]
fn seeds_are_asked_again_when_alone_again() {
    smol::block_on(async {
        let net = MemoryNetwork::new();
        let seed = Agent::start("seed", net.bind(ANY_PORT).unwrap(), &[]).await;
        let addr = seed.addr();
        let joiner = Agent::start("joiner", net.bind(ANY_PORT).unwrap(), &[&seed]).await;
        joiner.knows(1).await;
        let mut events = joiner.cluster.events();
        seed.kill().await;
        event(&mut events, &Event::Alone).await;

        // Under another name, so that only the seed's address leads there.
        let _other = Agent::start("other", net.bind(addr).unwrap(), &[]).await;
        event(&mut events, &Event::Connected).await;
        joiner.knows(1).await;
    });
}

#[test]
fn clusters_that_formed_apart_find_each_other_by_their_seeds() {
    smol::block_on(async {
        let net = MemoryNetwork::new();
        let addrs = [1, 2, 3, 4].map(|host| format!("10.0.0.{host}:7946").parse().unwrap());
        let [left, right] = [[addrs[0], addrs[1]], [addrs[2], addrs[3]]];
        for one in left {
            right.iter().for_each(|&other| net.cut(one, other));
        }
        let mut agents = Vec::new();
        for (addr, named) in addrs.into_iter().zip(["a", "b", "c", "d"]) {
            let builder = builder(named, net.bind(addr).unwrap())
                .seeds([left[0], right[0]])
                .seed_period(Duration::from_millis(300));
            let (cluster, driver) = builder.build().await.unwrap();
            agents.push(Agent::run(cluster, driver));
        }
        for agent in &agents {
            agent.knows(1).await;
        }
        net.heal();
        for agent in &agents {
            agent.knows(3).await;
        }
        // Now all seeds are known, and there is nobody to ask.
        let stats = || agents.iter().map(|agent| agent.cluster.stats());
        assert!(stats().any(|stats| stats.seeds_revisited > 0));
        for agent in &agents {
            let known = agent.cluster.stats().seeds_known;
            until(&agent.cluster, "passed over", |c| {
                c.stats().seeds_known > known + 1
            })
            .await;
        }
    });
}

#[test]
fn an_unresolvable_seed_is_reported_and_the_others_are_asked() {
    smol::block_on(async {
        let net = MemoryNetwork::new();
        let seed = Agent::start("seed", net.bind(ANY_PORT).unwrap(), &[]).await;
        let joiner = builder("joiner", net.bind(ANY_PORT).unwrap())
            .seeds([unresolvable()])
            .seeds([format!("localhost:{}", seed.addr().port())]);
        let (cluster, driver) = joiner.build().await.unwrap();
        let mut events = cluster.events();
        let joiner = Agent::run(cluster, driver);

        event_where(&mut events, &"unresolved", |event| match event {
            Event::SeedUnresolved { seed, reason } => *seed == unresolvable() && !reason.is_empty(),
            _ => false,
        })
        .await;
        until(&joiner.cluster, "counted", |c| {
            c.stats().seeds_unresolved >= 1
        })
        .await;
        joiner.knows(1).await;
    });
}

#[test]
fn one_may_be_among_ones_own_seeds() {
    smol::block_on(async {
        let net = MemoryNetwork::new();
        let transport = net.bind(ANY_PORT).unwrap();
        let addr = selkie::Transport::local_addr(&transport);
        let (cluster, driver) = builder("first", transport)
            .seeds([addr])
            .build()
            .await
            .unwrap();
        let first = Agent::run(cluster, driver);
        until(&first.cluster, "a try", |c| {
            c.stats().seeds_passed_over >= 1
        })
        .await;
        let stats = first.cluster.stats();
        assert_eq!((stats.seeds_announced, stats.packets_out), (0, 0));
    });
}

#[test]
fn whoever_is_announced_to_by_hand_lets_us_in() {
    smol::block_on(async {
        let net = MemoryNetwork::new();
        let a = Agent::start("a", net.bind(ANY_PORT).unwrap(), &[]).await;
        let b = Agent::start("b", net.bind(ANY_PORT).unwrap(), &[]).await;
        b.cluster.announce(a.addr()).await.unwrap();
        a.knows(1).await;
        b.knows(1).await;
    });
}
