//! An agent that stopped leaves its port to the next one.

use std::{io, net::SocketAddr, time::Duration};

use selkie::Transport;
use smol::Timer;

use super::{
    cluster::Net,
    fixture::{Agent, heavy, in_time},
};

/// Who waits for the end can have the port at once, also while there are handles.
pub(crate) async fn an_agent_that_stopped_leaves_its_port_to_the_next_one<N: Net>(net: N) {
    let _turn = heavy().await;
    let stays = Agent::start("stays", net.bind("stays"), &[]).await;
    let mut end = net.bind("goes");
    for _ in 0..3 {
        let goes = joined(&stays, end).await;
        let (addr, cluster) = (goes.addr(), goes.cluster.clone());
        cluster.leave().await.unwrap();
        end = net.bind_at("goes", addr).unwrap();
        goes.ended().await;
        drop(cluster);

        let goes = joined(&stays, end).await;
        goes.ended().await;
        end = net.bind_at("goes", addr).unwrap();
    }
}

/// Nobody waits for the end of one that is cancelled.
pub(crate) async fn a_cancelled_agent_leaves_its_port_before_long<N: Net>(net: N) {
    let _turn = heavy().await;
    let stays = Agent::start("stays", net.bind("stays"), &[]).await;
    let mut end = net.bind("goes");
    for _ in 0..3 {
        let goes = joined(&stays, end).await;
        let addr = goes.addr();
        goes.kill().await;
        end = in_time("the port is free", until_bound(&net, addr)).await;
    }
}

async fn joined<T: Transport>(stays: &Agent, end: T) -> Agent {
    let goes = Agent::start("goes", end, &[stays]).await;
    goes.knows(1).await;
    stays.knows(1).await;
    goes
}

async fn until_bound<N: Net>(net: &N, addr: SocketAddr) -> N::End {
    loop {
        match net.bind_at("goes", addr) {
            Ok(end) => return end,
            Err(error) => assert_eq!(error.kind(), io::ErrorKind::AddrInUse),
        }
        Timer::after(Duration::from_millis(5)).await;
    }
}

#[cfg(feature = "sealed")]
mod sealed {
    use std::{io, net::SocketAddr};

    use selkie::transports::{
        SealedUdp,
        udp::{Key, Keyring},
    };

    use crate::cluster::{Net, cluster_tests};

    struct Sealed(Keyring);

    impl Net for Sealed {
        type End = SealedUdp;

        fn new() -> Self {
            Self(Keyring::new(&Key::generate().unwrap()))
        }

        fn bind_at(&self, _named: &str, addr: SocketAddr) -> io::Result<SealedUdp> {
            SealedUdp::bind(addr, &self.0)
        }
    }

    cluster_tests!(
        Sealed:
        an_agent_that_stopped_leaves_its_port_to_the_next_one,
        a_cancelled_agent_leaves_its_port_before_long,
    );
}
