//! The in-process transport.

use std::{io, net::SocketAddr};

use selkie::{
    Transport,
    transport::{Batch, SendError},
    transports::{Memory, MemoryNetwork},
};

use smol::{
    future::zip,
    io::{AsyncReadExt, AsyncWriteExt},
};

use crate::{conformance::Fixture, streams::connect};

conformance_tests!(InProcess::default());
stream_tests!(InProcess::default());

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

#[test]
fn streams_break_when_their_ends_are_cut_off_and_open_again_once_healed() {
    crate::conformance::run(async {
        let network = MemoryNetwork::new();
        let ends = [7000, 7001, 7002].map(|port| network.bind(at(port)).unwrap());
        let [one, two, three] = &ends;
        let (mut ours, mut theirs) = connect(one, two).await;
        let (mut other, _kept) = connect(two, three).await;
        // Both ends wait when it happens.
        let cut = async { network.cut(at(7001), at(7000)) };
        let (mut to_us, mut to_them) = ([0; 1], [0; 1]);
        let waiting = zip(
            ours.stream.read(&mut to_us),
            theirs.stream.read(&mut to_them),
        );
        let ((read, also_read), ()) = zip(waiting, cut).await;
        assert_eq!(read.unwrap_err().kind(), io::ErrorKind::ConnectionReset);
        assert_eq!(
            also_read.unwrap_err().kind(),
            io::ErrorKind::ConnectionReset
        );
        ours.stream.write(b"x").await.unwrap_err();
        other.stream.write_all(b"x").await.unwrap();

        let opened = one.open(at(7001)).await.map(|_| ());
        assert!(
            matches!(opened, Err(SendError::Unreachable(_))),
            "{opened:?}"
        );
        network.silence(at(7002));
        other.stream.write_all(b"x").await.unwrap_err();
        network.heal();
        connect(one, two).await;
    });
}

#[test]
fn streams_that_nobody_accepts_are_bounded_and_end_with_their_transport() {
    crate::conformance::run(async {
        let network = MemoryNetwork::new();
        let (one, two) = (network.bind(at(1)).unwrap(), network.bind(at(2)).unwrap());
        let mut opened = Vec::new();
        for _ in 0..MemoryNetwork::STREAMS_WAITING_MAX {
            opened.push(one.open(at(2)).await.unwrap());
        }
        let refused = one.open(at(2)).await.map(|_| ());
        assert!(matches!(refused, Err(SendError::Busy)), "{refused:?}");
        two.accept().await.unwrap();
        opened.push(one.open(at(2)).await.unwrap());
        drop(two);
        for mut stream in opened {
            stream.stream.read(&mut [0]).await.unwrap_err();
        }
    });
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
