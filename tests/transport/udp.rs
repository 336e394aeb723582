//! Plain UDP, over IPv4, IPv6 and both.

use std::{
    io,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket},
    time::{Duration, Instant},
};

use selkie::{
    Transport,
    transport::{Batch, SendError},
    transports::{PlainUdp, udp::Options},
};

use crate::{
    conformance::{Fixture, PATIENCE, said},
    streams::connect,
};

mod v4 {
    conformance_tests!(super::Loopback(std::net::Ipv4Addr::LOCALHOST.into()));
    stream_tests!(super::Loopback(std::net::Ipv4Addr::LOCALHOST.into()));
}

mod v6 {
    conformance_tests!(super::Loopback(std::net::Ipv6Addr::LOCALHOST.into()));
    stream_tests!(super::Loopback(std::net::Ipv6Addr::LOCALHOST.into()));
}

struct Loopback(IpAddr);

impl Fixture for Loopback {
    type Transport = PlainUdp;

    async fn bind(&self) -> PlainUdp {
        PlainUdp::bind((self.0, 0).into()).unwrap()
    }

    async fn rebind(&self, addr: SocketAddr) -> io::Result<PlainUdp> {
        PlainUdp::bind(addr)
    }

    fn nobody(&self) -> SocketAddr {
        // Below the ports that tests are given, and nobody offers tcpmux any more.
        (self.0, 1).into()
    }
}

#[test]
fn a_dual_stack_socket_knows_ipv4_peers_by_their_ipv4_addresses() {
    let both = PlainUdp::bind((Ipv6Addr::UNSPECIFIED, 0).into()).unwrap();
    let port = both.local_addr().port();
    for ip in [
        IpAddr::V4(Ipv4Addr::LOCALHOST),
        IpAddr::V6(Ipv6Addr::LOCALHOST),
    ] {
        let peer = PlainUdp::bind((ip, 0).into()).unwrap();
        smol::block_on(async {
            let mut batch = Batch::new();
            peer.send((ip, port).into(), b"there").await.unwrap();
            both.recv(&mut batch).await.unwrap();
            assert!(said(&batch).eq([(peer.local_addr(), &b"there"[..])]));

            batch.clear();
            both.send(peer.local_addr(), b"back").await.unwrap();
            peer.recv(&mut batch).await.unwrap();
            assert!(said(&batch).eq([((ip, port).into(), &b"back"[..])]));
        });
    }
}

#[test]
fn an_ipv4_socket_says_that_it_cannot_reach_ipv6() {
    let udp = PlainUdp::bind((Ipv4Addr::LOCALHOST, 0).into()).unwrap();
    let sent = smol::block_on(udp.send("[::1]:7000".parse().unwrap(), b"x"));
    assert!(matches!(sent, Err(SendError::Unreachable(_))), "{sent:?}");
}

#[test]
fn a_taken_port_is_named() {
    let taken = PlainUdp::bind((Ipv4Addr::LOCALHOST, 0).into()).unwrap();
    let error = PlainUdp::bind(taken.local_addr()).unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::AddrInUse);
    let addr = taken.local_addr().to_string();
    assert!(error.to_string().contains(&addr), "{error}");
}

#[test]
fn a_port_that_tcp_lacks_is_named() {
    let taken = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let addr = taken.local_addr().unwrap();
    let error = PlainUdp::bind(addr).unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::AddrInUse);
    assert!(error.to_string().contains(&format!("TCP address {addr}")));
    let udp = PlainUdp::bind_with(addr, &Options::new().without_streams()).unwrap();
    assert!(!udp.has_streams());
    let peer = PlainUdp::bind((Ipv4Addr::LOCALHOST, 0).into()).unwrap();
    smol::block_on(async {
        let opened = udp.open(peer.local_addr()).await.map(|_| ());
        assert!(matches!(opened, Err(SendError::NoStreams)), "{opened:?}");
        udp.close().await;
        let error = udp.accept().await.map(|_| ()).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::NotConnected);
    });
}

#[test]
fn an_accepted_stream_names_the_port_that_packets_are_from() {
    crate::conformance::run(async {
        let left = PlainUdp::bind((Ipv4Addr::LOCALHOST, 0).into()).unwrap();
        let right = PlainUdp::bind((Ipv4Addr::LOCALHOST, 0).into()).unwrap();
        let (_ours, theirs) = connect(&left, &right).await;
        assert_eq!(theirs.addr, left.local_addr());
        assert_eq!(left.counters().streams_out, 1);
        assert_eq!(right.counters().streams_in, 1);
    });
}

#[test]
fn a_socket_made_elsewhere_serves_as_well() {
    let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let addr = socket.local_addr().unwrap();
    let udp = PlainUdp::from_socket(socket).unwrap();
    assert_eq!(udp.local_addr(), addr);
    smol::block_on(async {
        let mut batch = Batch::new();
        udp.send(addr, b"to myself").await.unwrap();
        udp.recv(&mut batch).await.unwrap();
        assert!(said(&batch).eq([(addr, &b"to myself"[..])]));
    });
}

#[test]
fn a_report_that_nobody_listens_is_no_failure() {
    let gone = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let peer = gone.local_addr().unwrap();
    drop(gone);
    // A connected socket is one that hears such reports, on every system.
    let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    socket.connect(peer).unwrap();
    let addr = socket.local_addr().unwrap();
    let udp = PlainUdp::from_socket(socket).unwrap();
    smol::block_on(async {
        let mut batch = Batch::new();
        for _ in 0..3 {
            udp.send(peer, b"anybody there?").await.unwrap();
        }
        let received = smol::future::poll_once(udp.recv(&mut batch)).await;
        assert!(received.is_none(), "{received:?}");

        // Somebody else's TCP may be at that port for a moment.
        let deadline = Instant::now() + PATIENCE;
        let heir = loop {
            match PlainUdp::bind(peer) {
                Ok(heir) => break heir,
                Err(error) => assert!(Instant::now() < deadline, "{error}"),
            }
            smol::Timer::after(Duration::from_millis(20)).await;
        };
        heir.send(addr, b"now there is").await.unwrap();
        udp.recv(&mut batch).await.unwrap();
        assert!(said(&batch).eq([(peer, &b"now there is"[..])]));
    });
}
