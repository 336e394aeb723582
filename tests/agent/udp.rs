use std::{io, net::SocketAddr};

use selkie::transports::PlainUdp;

use super::cluster::{ANY_PORT, Net, cluster_tests};

struct Udp;

cluster_tests!(Udp);

impl Net for Udp {
    type End = PlainUdp;

    fn new() -> Self {
        Self
    }

    fn bind_at(&self, _named: &str, addr: SocketAddr) -> io::Result<PlainUdp> {
        PlainUdp::bind(addr)
    }
}

#[test]
fn what_the_transport_counted_is_told_also_afterwards() {
    use super::fixture::{Agent, until};

    smol::block_on(async {
        let a = Agent::start("a", PlainUdp::bind(ANY_PORT).unwrap(), &[]).await;
        let _b = Agent::start("b", PlainUdp::bind(ANY_PORT).unwrap(), &[&a]).await;
        let counted = |c: &selkie::Cluster<_>| {
            let stats = c.stats();
            let figure = stats
                .transport
                .iter()
                .find(|(name, _)| *name == "streams_in");
            figure.map(|(_, figure)| *figure)
        };
        std::net::TcpStream::connect(a.addr()).unwrap();
        let is_counted = |c: &selkie::Cluster<_>| {
            let stats = c.stats();
            stats.transport.contains(&("greetings_broken", 1))
        };
        until(&a.cluster, "a stranger is counted", is_counted).await;
        assert!(counted(&a.cluster).is_some());
        let cluster = a.cluster.clone();
        cluster.leave().await.unwrap();
        a.ended().await;
        assert!(is_counted(&cluster));
    });
}
