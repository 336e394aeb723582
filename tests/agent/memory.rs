use std::{io, net::SocketAddr};

use selkie::{
    Incarnation,
    agent::Event,
    transports::{Memory, MemoryNetwork},
};

use super::{
    cluster::{Net, cluster_tests},
    fixture::{Agent, event, event_where},
};

cluster_tests!(MemoryNetwork);

impl Net for MemoryNetwork {
    type End = Memory;

    fn new() -> Self {
        Self::default()
    }

    fn bind_at(&self, _named: &str, addr: SocketAddr) -> io::Result<Memory> {
        self.bind(addr)
    }
}

#[test]
fn a_refutation_shows_with_its_incarnation() {
    smol::block_on(async {
        let net = MemoryNetwork::new();
        let a = Agent::start("a", Net::bind(&net, "a"), &[]).await;
        let b = Agent::start("b", Net::bind(&net, "b"), &[&a]).await;
        let c = Agent::start("c", Net::bind(&net, "c"), &[&a]).await;
        for agent in [&a, &b, &c] {
            agent.knows(2).await;
        }
        let mut events = a.cluster.events();
        loop {
            net.silence(c.addr());
            let suspected = |event: &Event<_>| matches!(event, Event::Suspected { .. });
            event_where(&mut events, &"suspected", suspected).await;
            net.heal();
            let is_over = |event: &Event<_>| matches!(event, Event::Refuted(_) | Event::Failed(_));
            let outcome = event_where(&mut events, &"refuted or not", is_over).await;
            if let Some(Event::Refuted(id)) = outcome.last() {
                let shown = a.cluster.members().find(id.name()).cloned().unwrap();
                assert!(shown.id != *id || shown.incarnation > Incarnation(0));
                return;
            }
            // A busy machine: it could not refute in time, and comes back as somebody new.
            a.knows(2).await;
        }
    });
}

#[test]
fn a_member_that_was_declared_down_rejoins_under_a_renewed_identity() {
    smol::block_on(async {
        let net = MemoryNetwork::new();
        let a = Agent::start("a", Net::bind(&net, "a"), &[]).await;
        let b = Agent::start("b", Net::bind(&net, "b"), &[&a]).await;
        a.knows(1).await;
        let (mut at_a, mut at_b) = (a.cluster.events(), b.cluster.events());
        let (before_a, before) = (a.cluster.identity(), b.cluster.identity());
        net.cut(a.addr(), b.addr());
        event(&mut at_a, &Event::Failed(before)).await;
        event(&mut at_a, &Event::Alone).await;
        net.heal();
        a.knows(1).await;
        b.knows(1).await;
        // Both held each other down: at least one of them came back as somebody new.
        let renewed = [&a, &b].map(|agent| agent.cluster.stats().engine.renewals);
        assert!(renewed.iter().sum::<u64>() > 0);
        let (agent, former, events) = match renewed[1] {
            1.. => (&b, before, &mut at_b),
            0 => (&a, before_a, &mut at_a),
        };
        let rejoined = |event: &Event<_>| matches!(event, Event::Rejoined(_));
        event_where(events, &"rejoined", rejoined).await;
        assert!(agent.cluster.identity().generation() > former.generation());
    });
}
