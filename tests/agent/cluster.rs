//! What a cluster does over any transport. A transport brings a [`Net`] and names it in
//! `cluster_tests!`.

use std::net::SocketAddr;

use selkie::{State, Transport, agent::Event};

use super::fixture::{Agent, event, name};

/// Where agents find each other.
pub(crate) trait Net {
    type End: Transport;

    fn new() -> Self;

    /// A new end, at a free port, of a member with this name.
    fn bind(&self, named: &str) -> Self::End;
}

pub(crate) const ANY_PORT: SocketAddr =
    SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 0);

macro_rules! cluster_tests {
    ($net:ty) => {
        $crate::cluster::cluster_tests!(
            $net:
            three_agents_form_a_cluster,
            a_killed_agent_is_suspected_then_failed,
            a_leave_is_acknowledged_and_seen,
            a_restart_elsewhere_under_the_same_name_is_a_rename,
            the_last_handle_takes_the_agent_with_it,
        );
    };
    ($net:ty: $($test:ident,)*) => {
        $(#[test]
        fn $test() {
            smol::block_on($crate::cluster::$test(<$net as $crate::cluster::Net>::new()));
        })*
    };
}
pub(crate) use cluster_tests;

async fn three(net: &impl Net) -> [Agent; 3] {
    let a = Agent::start("a", net.bind("a"), &[]).await;
    let b = Agent::start("b", net.bind("b"), &[&a]).await;
    let c = Agent::start("c", net.bind("c"), &[&a]).await;
    for agent in [&a, &b, &c] {
        agent.knows(2).await;
    }
    [a, b, c]
}

pub(crate) async fn three_agents_form_a_cluster(net: impl Net) {
    let agents = three(&net).await;
    for agent in &agents {
        let members = agent.cluster.members();
        assert_eq!((members.len(), members.active().count()), (2, 2));
        let own = agent.cluster.identity();
        assert!(members.iter().all(|member| member.id != own));
        for other in &agents {
            let id = other.cluster.identity();
            assert!(id == own || members.iter().any(|member| member.id == id));
        }
        let stats = agent.cluster.stats();
        assert!(stats.packets_in > 0 && stats.packets_out > 0, "{stats:?}");
        assert_eq!(stats.members_active, 2);
    }
}

pub(crate) async fn a_killed_agent_is_suspected_then_failed(net: impl Net) {
    let [a, b, c] = three(&net).await;
    let mut events = a.cluster.events();
    let killed = c.cluster.identity();
    c.kill().await;
    event(&mut events, &Event::Suspected(killed)).await;
    event(&mut events, &Event::Failed(killed)).await;
    assert_eq!(a.state_of("c"), Some(State::Down));
    b.holds("c", State::Down).await;
    a.holds("b", State::Alive).await;
}

pub(crate) async fn a_leave_is_acknowledged_and_seen(net: impl Net) {
    let [a, b, c] = three(&net).await;
    let mut events = [a.cluster.events(), b.cluster.events()];
    let gone = c.cluster.identity();
    let departure = c.cluster.leave().await.unwrap();
    assert!(departure.acked >= 1, "{departure:?}");
    for events in &mut events {
        event(events, &Event::Left(gone)).await;
    }
    b.holds("c", State::Left).await;
    assert_eq!(c.cluster.leave().await.unwrap(), departure);
    c.ended().await;
}

pub(crate) async fn a_restart_elsewhere_under_the_same_name_is_a_rename(net: impl Net) {
    let [a, b, c] = three(&net).await;
    let mut events = a.cluster.events();
    let before = c.cluster.identity();
    c.kill().await;
    let c = Agent::start("c", net.bind("c"), &[&b]).await;
    let after = c.cluster.identity();
    assert!(after.generation() > before.generation());
    event(&mut events, &Event::Renamed { before, after }).await;
    assert_eq!(a.cluster.members().find(&name("c")).unwrap().id, after);
    a.holds("c", State::Alive).await;
    c.knows(2).await;
    assert_eq!(a.cluster.members().len(), 2);
}

pub(crate) async fn the_last_handle_takes_the_agent_with_it(net: impl Net) {
    let a = Agent::start("a", net.bind("a"), &[]).await;
    let mut events = a.cluster.events();
    a.ended().await;
    event(&mut events, &Event::Stopped).await;
    use futures::StreamExt;
    assert_eq!(events.next().await, None);
}
