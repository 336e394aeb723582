//! What a cluster does over any transport. A transport brings a [`Net`] and names it in
//! `cluster_tests!`.

use std::{io, net::SocketAddr, time::Duration};

use futures::StreamExt;
use selkie::{
    State, Transport,
    agent::{CommandError, Event, Status},
};

use super::fixture::{Agent, event, event_where, in_time, name};
pub(crate) use super::{
    admission::who_is_not_admitted_does_not_get_in,
    broadcasts::a_broadcast_reaches_the_others_once,
    crowd::a_joiner_knows_five_thousand_members_at_once,
    envelope::members_of_other_clusters_are_strangers,
    events::who_sleeps_through_ten_thousand_changes_ends_with_the_right_view,
    messages::{
        a_hundred_reliable_messages_of_1_mib_arrive_whole_and_in_order,
        what_is_too_big_for_a_packet_goes_by_stream_by_itself,
    },
    metadata::metadata_of_64_kib_reaches_20_members,
    ports::{
        a_cancelled_agent_leaves_its_port_before_long,
        an_agent_that_stopped_leaves_its_port_to_the_next_one,
    },
    queries::members_are_asked_what_they_see_and_how_far_they_are,
    restart::{
        a_member_that_starts_fifty_times_is_one_entry,
        twenty_that_are_killed_and_start_at_once_are_one_cluster_again,
    },
    room::no_packet_is_larger_than_the_path_has_room_for,
    seeds::a_joiner_may_start_before_its_seed,
    split::halves_that_were_apart_for_sixty_announce_intervals_join_again_unaided,
    sync::members_compare_what_they_hold,
    waiting::who_waits_for_members_goes_on_when_they_are_there,
};

/// Where agents find each other.
pub(crate) trait Net {
    type End: Transport;

    /// How long twenty may take to find each other after a restart.
    const RESTART_MAX: Duration = Duration::from_secs(10);

    fn new() -> Self;

    /// A new end, at a free port, of a member with this name.
    fn bind(&self, named: &str) -> Self::End {
        self.bind_at(named, ANY_PORT).unwrap()
    }

    /// The same at this address.
    fn bind_at(&self, named: &str, addr: SocketAddr) -> io::Result<Self::End>;
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
            of_two_live_agents_with_one_name_one_gives_up_and_both_are_told,
            members_compare_what_they_hold,
            a_joiner_knows_five_thousand_members_at_once,
            metadata_of_64_kib_reaches_20_members,
            a_hundred_reliable_messages_of_1_mib_arrive_whole_and_in_order,
            what_is_too_big_for_a_packet_goes_by_stream_by_itself,
            who_is_not_admitted_does_not_get_in,
            a_broadcast_reaches_the_others_once,
            members_of_other_clusters_are_strangers,
            who_sleeps_through_ten_thousand_changes_ends_with_the_right_view,
            a_member_that_starts_fifty_times_is_one_entry,
            twenty_that_are_killed_and_start_at_once_are_one_cluster_again,
            no_packet_is_larger_than_the_path_has_room_for,
            a_joiner_may_start_before_its_seed,
            halves_that_were_apart_for_sixty_announce_intervals_join_again_unaided,
            who_waits_for_members_goes_on_when_they_are_there,
            members_are_asked_what_they_see_and_how_far_they_are,
            an_agent_that_stopped_leaves_its_port_to_the_next_one,
            a_cancelled_agent_leaves_its_port_before_long,
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
    let suspected = |event: &Event<_>| match event {
        Event::Suspected { member, by } => *member == killed && by.is_some(),
        _ => false,
    };
    event_where(&mut events, &"suspected by somebody", suspected).await;
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
    assert_eq!(departure.wanted, 2);
    assert_eq!(departure.is_acknowledged(), departure.acked == 2);
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
    assert_eq!(events.next().await, None);
}

/// Never again: two that live under one name depose each other for ever.
pub(crate) async fn of_two_live_agents_with_one_name_one_gives_up_and_both_are_told(net: impl Net) {
    let witness = Agent::start("witness", net.bind("witness"), &[]).await;
    let elder = Agent::start("twin", net.bind("twin"), &[&witness]).await;
    let mut elders = elder.cluster.events();
    witness.knows(1).await;
    let younger = Agent::start("twin", net.bind("twin"), &[&witness]).await;
    let mut youngers = younger.cluster.events();
    let is_conflict = |event: &Event<_>| matches!(event, Event::AddrConflict { .. });
    event_where(&mut elders, &"conflict at the elder", is_conflict).await;
    event_where(&mut youngers, &"conflict at the younger", is_conflict).await;
    let mut both = futures::stream::select(elders, youngers);
    in_time("one gives up", async {
        while both.next().await != Some(Event::Defunct) {}
    })
    .await;
    let status = |agent: &Agent| agent.cluster.status();
    let (gone, stays) = match status(&elder) {
        Status::Defunct => (elder, younger),
        _ => (younger, elder),
    };
    assert_eq!(status(&gone), Status::Defunct);
    assert_eq!(status(&stays), Status::Running);
    // Its members stay as they were, whatever becomes of them.
    let frozen = gone.cluster.members();
    let refused = gone.cluster.announce(witness.addr()).await;
    assert!(
        matches!(refused, Err(CommandError::NotAMember)),
        "{refused:?}"
    );
    // With one of them silent, nothing is left to fight over.
    let kept = stays.cluster.identity();
    witness.holds("twin", State::Alive).await;
    assert_eq!(witness.cluster.members().len(), 1);
    let renewals = stays.cluster.stats().engine.renewals;
    assert!(renewals <= 2, "{renewals}");
    witness.kill().await;
    stays.holds("witness", State::Down).await;
    assert_eq!(stays.cluster.identity(), kept);
    assert_eq!(gone.cluster.members().version(), frozen.version());
    gone.cluster.leave().await.unwrap();
    assert_eq!(status(&gone), Status::Stopped);
}
