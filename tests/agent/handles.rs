use std::time::Duration;

use futures::{FutureExt, StreamExt};
use selkie::{
    agent::{CommandError, Event},
    transports::MemoryNetwork,
};

use super::{
    cluster::ANY_PORT,
    fixture::{Agent, builder, config, event, in_time},
};

async fn lone(net: &MemoryNetwork) -> Agent {
    Agent::start("lone", net.bind(ANY_PORT).unwrap(), &[]).await
}

#[test]
fn after_the_driver_was_dropped_every_call_says_stopped() {
    smol::block_on(async {
        let net = MemoryNetwork::new();
        let a = lone(&net).await;
        let cluster = a.cluster.clone();
        a.kill().await;

        let stopped = |result| matches!(result, Err(CommandError::Stopped));
        let broadcast = in_time("broadcast", cluster.broadcast("x")).await;
        assert!(stopped(broadcast.map(|_| ())));
        assert!(stopped(
            in_time("announce", cluster.announce(ANY_PORT)).await
        ));
        assert!(stopped(
            in_time("config", cluster.set_config(config())).await
        ));
        let probing = in_time("probing", cluster.probing()).await;
        assert!(stopped(probing.map(|_| ())));
        assert!(stopped(in_time("leave", cluster.leave()).await.map(|_| ())));
        assert!(cluster.members().is_empty());
        assert_eq!(cluster.events().next().await, Some(Event::Stopped));
        assert!(cluster.stats().turns < u64::MAX);
    });
}

#[test]
fn calls_that_wait_when_the_driver_is_dropped_say_stopped() {
    smol::block_on(async {
        let net = MemoryNetwork::new();
        let (cluster, driver) = builder("a", net.bind(ANY_PORT).unwrap())
            .build()
            .await
            .unwrap();
        let mut calls: Vec<_> = (0..200).map(|_| Box::pin(cluster.broadcast("x"))).collect();
        for call in &mut calls {
            assert!(call.now_or_never().is_none());
        }
        drop(driver);
        let again = cluster.broadcast("y");
        for call in calls {
            let result = in_time("a call", call).await;
            assert!(matches!(result, Err(CommandError::Stopped)));
        }
        assert!(matches!(again.await, Err(CommandError::Stopped)));
    });
}

#[test]
fn events_alone_do_not_keep_the_agent_running() {
    smol::block_on(async {
        let a = lone(&MemoryNetwork::new()).await;
        let mut events = a.cluster.events();
        a.ended().await;
        assert_eq!(event(&mut events, &Event::Stopped).await, [Event::Stopped]);
    });
}

#[test]
fn leaving_alone_takes_no_time_and_both_callers_learn_of_it() {
    smol::block_on(async {
        let mut slow = config();
        slow.probe_period = Duration::from_secs(3600);
        let net = MemoryNetwork::new();
        let transport = net.bind(ANY_PORT).unwrap();
        let addr = selkie::Transport::local_addr(&transport);
        let (cluster, driver) = builder("a", transport).config(slow).build().await.unwrap();
        let a = Agent::run(cluster, driver);
        let both = futures::future::join(a.cluster.leave(), a.cluster.leave());
        let (one, other) = in_time("leave", both).await;
        let (one, other) = (one.unwrap(), other.unwrap());
        assert_eq!((one.acked, one.wanted), (0, 0));
        assert!(one.is_acknowledged());
        assert_eq!(one, other);
        assert!(matches!(
            a.cluster.broadcast("x").await,
            Err(CommandError::Stopped)
        ));
        a.ended().await;
        // The address is free again.
        drop(net.bind(addr).unwrap());
    });
}

#[test]
fn a_leave_that_nobody_acknowledges_ends_nonetheless() {
    smol::block_on(async {
        let net = MemoryNetwork::new();
        let a = lone(&net).await;
        let b = Agent::start("b", net.bind(ANY_PORT).unwrap(), &[&a]).await;
        b.knows(1).await;
        net.silence(a.addr());
        let departure = in_time("leave", b.cluster.leave()).await.unwrap();
        assert_eq!((departure.acked, departure.wanted), (0, 1));
        assert!(!departure.is_acknowledged());
        b.ended().await;
    });
}

#[test]
fn handles_and_streams_go_wherever_they_are_needed() {
    fn check<T: Send + Sync + 'static>() {}
    check::<selkie::Cluster<selkie::Node>>();
    check::<selkie::agent::Events<selkie::Node>>();
    check::<selkie::agent::Members<selkie::Node>>();
    check::<selkie::agent::BuildError>();
    check::<CommandError>();
}
