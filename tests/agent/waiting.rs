//! Waiting for the cluster to be ready.

use std::time::{Duration, Instant};

use selkie::{
    agent::{Driver, WaitError},
    transports::MemoryNetwork,
};

use super::{
    cluster::{ANY_PORT, Net},
    fixture::{Agent, builder, in_time},
};

const LONG: Duration = Duration::from_secs(60);
const SHORT: Duration = Duration::from_millis(300);

pub(crate) async fn who_waits_for_members_goes_on_when_they_are_there(net: impl Net) {
    let a = Agent::start("a", net.bind("a"), &[]).await;
    assert_eq!(a.cluster.wait_for(0, LONG).await.unwrap().len(), 0);
    let timed_out = a.cluster.wait_for(1, SHORT).await.unwrap_err();
    assert_eq!(timed_out, WaitError::TimedOut { active: 0 });

    let two = a.cluster.clone();
    let two = smol::spawn(async move { two.wait_for(2, LONG).await });
    let b = Agent::start("b", net.bind("b"), &[&a]).await;
    let c = Agent::start("c", net.bind("c"), &[&a]).await;
    assert_eq!(in_time("two", two).await.unwrap().num_active(), 2);
    for agent in [&b, &c] {
        assert_eq!(agent.cluster.wait_for(2, LONG).await.unwrap().len(), 2);
    }
}

#[test]
fn a_cluster_is_stable_once_nothing_was_heard_of_anybody_for_a_while() {
    smol::block_on(async {
        let net = MemoryNetwork::new();
        let a = Agent::start("a", net.bind(ANY_PORT).unwrap(), &[]).await;
        let alone = a.cluster.wait_stable(SHORT, LONG).await.unwrap();
        assert!(alone.is_empty());

        let b = Agent::start("b", net.bind(ANY_PORT).unwrap(), &[&a]).await;
        a.knows(1).await;
        // It is suspected, then down: nothing that is stable meanwhile.
        b.kill().await;
        let waited = Instant::now();
        let members = in_time("stable", a.cluster.wait_stable(SHORT, LONG)).await;
        // On a busy machine it may be quiet before anybody notices; never while one is suspected.
        let suspects = |m: &selkie::agent::Members<_>| m.active().any(|m| !is_alive(m));
        assert!(!suspects(&members.unwrap()));
        assert!(waited.elapsed() >= SHORT);
    });
}

fn is_alive(member: &selkie::agent::MemberInfo<selkie::Node>) -> bool {
    member.state == selkie::State::Alive
}

#[test]
fn what_never_rests_is_not_stable_in_time() {
    smol::block_on(async {
        let a = Agent::start("a", MemoryNetwork::new().bind(ANY_PORT).unwrap(), &[]).await;
        let never = a.cluster.wait_stable(LONG, SHORT).await;
        assert_eq!(never.unwrap_err(), WaitError::TimedOut { active: 0 });
    });
}

#[test]
fn who_waits_learns_that_the_agent_stopped() {
    smol::block_on(async {
        let net = MemoryNetwork::new();
        let (cluster, driver): (_, Driver) = builder("a", net.bind(ANY_PORT).unwrap())
            .build()
            .await
            .unwrap();
        let one = cluster.wait_for(1, LONG);
        let calm = cluster.wait_stable(LONG, LONG);
        let stop = async {
            smol::future::yield_now().await;
            drop(driver);
        };
        let all = futures::future::join3(one, calm, stop);
        let (one, calm, ()) = in_time("stopped", all).await;
        assert_eq!(one.unwrap_err(), WaitError::NotRunning);
        assert_eq!(calm.unwrap_err(), WaitError::NotRunning);
    });
}
