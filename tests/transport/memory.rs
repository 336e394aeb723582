//! The in-process transport.

use std::{io, net::SocketAddr};

use selkie::{
    Transport,
    transport::{Batch, SendError},
    transports::{Memory, MemoryNetwork},
};

use crate::conformance::Fixture;

conformance_tests!(InProcess::default());

#[derive(Default)]
struct InProcess {
    network: MemoryNetwork,
}

impl Fixture for InProcess {
    type Transport = Memory;

    async fn bind(&self) -> Memory {
        self.network.bind(([127, 0, 0, 1], 0).into()).unwrap()
    }

    async fn rebind(&self, addr: SocketAddr) -> io::Result<Memory> {
        self.network.bind(addr)
    }

    fn nobody(&self) -> SocketAddr {
        ([127, 0, 0, 1], 1).into()
    }
}

#[test]
fn an_address_has_one_end_at_a_time() {
    let network = MemoryNetwork::new();
    let first = network.bind(at(7000)).unwrap();
    let error = network.bind(at(7000)).unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::AddrInUse);
    assert!(error.to_string().contains("10.0.0.1:7000"), "{error}");
    drop(first);
    network.bind(at(7000)).unwrap();
}

#[test]
fn a_late_drop_leaves_the_address_to_its_heir() {
    let network = MemoryNetwork::new();
    let first = network.bind(at(7000)).unwrap();
    smol::block_on(first.close());
    let heir = network.bind(at(7000)).unwrap();
    drop(first);
    assert!(network.bind(heir.local_addr()).is_err());
}

#[test]
fn the_silenced_and_the_cut_off_hear_nothing_until_healed() {
    let network = MemoryNetwork::new();
    let ends = [7000, 7001, 7002].map(|port| network.bind(at(port)).unwrap());
    let [one, two, three] = &ends;

    network.silence(at(7000));
    network.cut(at(7002), at(7001));
    assert!(!passes(one, two));
    assert!(!passes(two, one));
    assert!(!passes(two, three));
    assert!(!passes(three, two));

    network.heal();
    for from in &ends {
        for to in &ends {
            assert!(passes(from, to));
        }
    }

    network.cut(at(7000), at(7001));
    assert!(!passes(one, two));
    assert!(passes(one, three));
    assert!(passes(three, two));
}

#[test]
fn a_full_queue_is_busy_and_works_again_once_emptied() {
    let network = MemoryNetwork::new();
    let (one, two) = (network.bind(at(1)).unwrap(), network.bind(at(2)).unwrap());
    smol::block_on(async {
        for _ in 0..MemoryNetwork::QUEUE_LEN {
            one.send(two.local_addr(), b"x").await.unwrap();
        }
        let sent = one.send(two.local_addr(), b"x").await;
        assert!(matches!(sent, Err(SendError::Busy)));

        two.recv(&mut Batch::new()).await.unwrap();
        one.send(two.local_addr(), b"x").await.unwrap();
    });
}

#[test]
fn the_largest_packet_is_a_setting() {
    let network = MemoryNetwork::new().with_max_packet_size(100);
    let (one, two) = (network.bind(at(1)).unwrap(), network.bind(at(2)).unwrap());
    assert_eq!(one.room(two.local_addr()), 100);
    let sent = smol::block_on(one.send(two.local_addr(), &[0; 101]));
    assert!(matches!(sent, Err(SendError::TooBig { max: 100 })));
}

/// Whether a packet gets through; what gets through does so at once.
fn passes(from: &Memory, to: &Memory) -> bool {
    smol::block_on(async {
        from.send(to.local_addr(), b"x").await.unwrap();
        smol::future::poll_once(to.recv(&mut Batch::new()))
            .await
            .is_some()
    })
}

fn at(port: u16) -> SocketAddr {
    ([10, 0, 0, 1], port).into()
}
