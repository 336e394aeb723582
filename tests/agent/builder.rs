use std::net::SocketAddr;

use futures::StreamExt;
use selkie::{
    Builder, Config, Name, Node, agent::BuildError, codecs::PostcardCodec,
    transports::MemoryNetwork,
};

use super::cluster::ANY_PORT;

fn wildcard() -> SocketAddr {
    "0.0.0.0:7946".parse().unwrap()
}

#[test]
fn without_an_identity_there_is_a_node_with_a_made_up_name() {
    smol::block_on(async {
        let net = MemoryNetwork::new();
        let start = || {
            Builder::new()
                .codec(PostcardCodec)
                .transport(net.bind(ANY_PORT).unwrap())
        };
        let (a, _driver) = start().build().await.unwrap();
        let (b, _driver) = start().rng_seed(1).build().await.unwrap();
        let (c, _driver) = start().rng_seed(1).build().await.unwrap();
        let names = [a.identity(), b.identity(), c.identity()].map(|id| *id.name());
        assert!(names.iter().all(|name| name.as_str().starts_with("node-")));
        assert!(names[0] != names[1] && names[1] != names[2]);
        assert_eq!(selkie::Locate::socket_addr(&a.identity()), a.local_addr());
    });
}

#[test]
fn a_wildcard_address_needs_an_identity() {
    smol::block_on(async {
        let net = MemoryNetwork::new();
        let start = || {
            Builder::new()
                .codec(PostcardCodec)
                .transport(net.bind(wildcard()).unwrap())
        };
        let error = start().build().await.unwrap_err();
        assert!(matches!(error, BuildError::WildcardAddr { local } if local == wildcard()));
        assert!(error.to_string().contains(".identity(..)"), "{error}");

        let advertised = "192.0.2.1:7946".parse().unwrap();
        let id = Node::now("db-1".parse().unwrap(), advertised, None);
        let (cluster, _driver) = start().identity(id).build().await.unwrap();
        assert_eq!(cluster.identity(), id);
        drop(cluster);
    });
}

#[test]
fn an_identity_that_names_no_member_is_refused() {
    smol::block_on(async {
        let net = MemoryNetwork::new();
        let nobody = Node::new(Name::EMPTY, "192.0.2.1:7946".parse().unwrap(), 0);
        let nowhere = Node::new("db-1".parse().unwrap(), wildcard(), 0);
        for id in [nobody, nowhere] {
            let transport = net.bind(ANY_PORT).unwrap();
            let builder = Builder::new().codec(PostcardCodec).transport(transport);
            let error = builder.identity(id).build().await.unwrap_err();
            assert!(matches!(error, BuildError::Nameless { .. }), "{error}");
        }
    });
}

#[test]
fn broken_settings_and_seeds_are_refused_with_the_rule() {
    smol::block_on(async {
        let net = MemoryNetwork::new();
        let start = || {
            Builder::new()
                .codec(PostcardCodec)
                .transport(net.bind(ANY_PORT).unwrap())
        };
        let mut config = Config::lan();
        config.probe_rtt = config.probe_period;
        let error = start().config(config).build().await.unwrap_err();
        assert!(matches!(error, BuildError::Config(_)));
        assert!(
            error
                .to_string()
                .contains("probe_rtt must be below probe_period")
        );

        let seeds = ["10.0.0.1:7946", "db-1"];
        let error = start().seeds(seeds).build().await.unwrap_err();
        assert!(matches!(error, BuildError::Seed(_)));
        assert!(error.to_string().contains("\"db-1\""), "{error}");
    });
}

#[test]
fn socket_addresses_are_identities_too() {
    smol::block_on(async {
        let net = MemoryNetwork::new();
        let [a, b] = [(); 2].map(|()| net.bind(ANY_PORT).unwrap());
        let addr = selkie::Transport::local_addr(&a);
        let a = Builder::new()
            .codec(PostcardCodec)
            .transport(a)
            .identity(addr);
        let a = a.spawn().await.unwrap();
        let own = selkie::Transport::local_addr(&b);
        let b = Builder::new()
            .codec(PostcardCodec)
            .transport(b)
            .identity(own);
        let b = b.seeds([own, addr]).spawn().await.unwrap();
        for (cluster, other) in [(&a, own), (&b, addr)] {
            let mut events = cluster.events();
            super::fixture::in_time("joined", async {
                while cluster.members().num_active() == 0 {
                    events.next().await;
                }
            })
            .await;
            assert_eq!(cluster.members().active().next().unwrap().id, other);
        }
    });
}
