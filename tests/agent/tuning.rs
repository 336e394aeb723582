//! Settings that change while agents run.

use std::time::Duration;

use selkie::{
    Config, Periodic, State, Suspicion, Transmissions,
    agent::{CommandError, Seed},
    transports::MemoryNetwork,
};
use tempfile::TempDir;

use super::{
    cluster::ANY_PORT,
    fixture::{Agent, builder, config, until},
};

const LONG: Duration = Duration::from_secs(3600);

/// A change of each setting, one after the other; `foca_wire` is for whole clusters.
const CHANGES: &[fn(&mut Config)] = &[
    |c| c.probe_period = Duration::from_millis(300),
    |c| c.probe_rtt = Duration::from_millis(90),
    |c| c.num_indirect_probes = 1,
    |c| c.transmissions = Transmissions::Fixed(5),
    |c| c.suspicion = Suspicion::Confirmed { min: 5, max: 6 },
    |c| c.max_packet_size = 900,
    |c| c.max_members = 7,
    |c| c.max_down_members = 9,
    |c| c.remove_down_after = None,
    |c| c.notify_down_members = false,
    |c| c.periodic_announce = Some(Periodic::millis(400, 2)),
    |c| c.periodic_announce_to_down_members = None,
    |c| c.periodic_gossip = Some(Periodic::millis(20, 1)),
    |c| c.digest = Some(Periodic::millis(200, 1)),
    |c| c.prove_joiners = true,
    |c| c.max_broadcasts = 3,
    |c| c.broadcast_share = 50,
    |c| c.local_health = false,
    |c| c.buddy_system = false,
    |c| c.nacks = false,
    |c| c.accusers = false,
    |c| c.departures = false,
];

#[test]
fn every_setting_can_be_changed_while_members_go_on() {
    smol::block_on(async {
        let net = MemoryNetwork::new();
        let a = Agent::start("a", net.bind(ANY_PORT).unwrap(), &[]).await;
        let b = Agent::start("b", net.bind(ANY_PORT).unwrap(), &[&a]).await;
        a.knows(1).await;
        b.knows(1).await;
        assert_eq!(a.cluster.config(), config());
        for change in CHANGES {
            let before = a.cluster.config();
            let mut changed = before.clone();
            change(&mut changed);
            assert_ne!(changed, before);
            a.cluster.set_config(changed.clone()).await.unwrap();
            assert_eq!(a.cluster.config(), changed);
        }
        // With all of them changed it still hears and is heard.
        let heard = b.cluster.stats().packets_in;
        until(&b.cluster, "some probes", |c| {
            c.stats().packets_in > heard + 10
        })
        .await;
        a.holds("b", State::Alive).await;
        b.holds("a", State::Alive).await;
    });
}

#[test]
fn what_is_refused_changes_nothing() {
    smol::block_on(async {
        let a = Agent::start("a", MemoryNetwork::new().bind(ANY_PORT).unwrap(), &[]).await;
        let mut broken = Config::lan();
        broken.max_members = 0;
        let refused = a.cluster.set_config(broken).await;
        assert!(matches!(refused, Err(CommandError::Config(_))));
        assert_eq!(a.cluster.config(), config());
        let refused = a.cluster.set_seeds(["10.0.0.1:7946", "nowhere"]).await;
        assert!(matches!(refused, Err(CommandError::Seed(_))));
    });
}

#[test]
fn new_seeds_are_asked_at_once() {
    smol::block_on(async {
        let net = MemoryNetwork::new();
        let a = Agent::start("a", net.bind(ANY_PORT).unwrap(), &[]).await;
        let b = Agent::start("b", net.bind(ANY_PORT).unwrap(), &[]).await;
        b.cluster.set_seeds([a.addr()]).await.unwrap();
        b.knows(1).await;

        // Among others, too: one of them.
        let c = Agent::start("c", net.bind(ANY_PORT).unwrap(), &[]).await;
        b.cluster.set_seeds([c.addr()]).await.unwrap();
        b.knows(2).await;
        c.knows(2).await;
    });
}

#[test]
fn the_pace_of_seeds_can_be_changed() {
    smol::block_on(async {
        let net = MemoryNetwork::new();
        let a = Agent::start("a", net.bind(ANY_PORT).unwrap(), &[]).await;
        let built = builder("b", net.bind(ANY_PORT).unwrap())
            .seeds([Seed::from(a.addr())])
            .seed_period(LONG);
        let (cluster, driver) = built.build().await.unwrap();
        let b = Agent::run(cluster, driver);
        b.knows(1).await;
        let often = Duration::from_millis(100);
        b.cluster.set_seed_period(often).await.unwrap();
        until(&b.cluster, "passed over", |c| c.stats().seeds_known >= 3).await;
        b.cluster.set_seed_period(None).await.unwrap();
    });
}

#[test]
fn the_pace_of_snapshots_can_be_changed() {
    smol::block_on(async {
        let dir = TempDir::new().unwrap();
        let net = MemoryNetwork::new();
        let a = Agent::start("a", net.bind(ANY_PORT).unwrap(), &[]).await;
        let built = builder("b", net.bind(ANY_PORT).unwrap())
            .seeds([Seed::from(a.addr())])
            .snapshot(dir.path().join("b"))
            .snapshot_period(LONG);
        let (cluster, driver) = built.build().await.unwrap();
        let b = Agent::run(cluster, driver);
        b.knows(1).await;
        let stats = b.cluster.stats();
        assert_eq!((stats.snapshots_waiting, stats.snapshots_written), (1, 0));
        b.cluster
            .set_snapshot_period(Duration::from_millis(10))
            .await
            .unwrap();
        until(&b.cluster, "written", |c| c.stats().snapshots_written >= 1).await;
    });
}

#[test]
fn an_agent_that_goes_to_focas_wire_rests_when_nothing_happens() {
    smol::block_on(async {
        let net = MemoryNetwork::new();
        let mut agents: Vec<Agent> = Vec::new();
        for named in ["a", "b"] {
            let (cluster, driver) = builder(named, net.bind(ANY_PORT).unwrap())
                .sync_period(Duration::from_millis(100))
                .metadata(named)
                .seeds(agents.iter().map(Agent::addr))
                .build()
                .await
                .unwrap();
            agents.push(Agent::run(cluster, driver));
        }
        for agent in &agents {
            agent.knows(1).await;
            until(&agent.cluster, "a sync", |c| c.stats().syncs > 0).await;
        }
        let probes = |c: &selkie::Cluster<_>| c.stats().engine.probes;
        for agent in &agents {
            agent
                .cluster
                .set_config(config().foca_wire())
                .await
                .unwrap();
        }
        for agent in &agents {
            let before = (probes(&agent.cluster), agent.cluster.stats().turns);
            until(&agent.cluster, "probes", |c| probes(c) > before.0 + 4).await;
            let turns = agent.cluster.stats().turns - before.1;
            assert!(turns < 2000, "{turns} turns for 5 probes");
            assert_eq!(agent.cluster.members().num_active(), 1);
        }
    });
}
