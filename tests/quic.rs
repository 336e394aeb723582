//! What QUIC adds to the contract of a transport: who gets in, what goes which way, and what
//! happens when a peer dies, restarts or leaves.
#![cfg(all(feature = "quic", feature = "certs"))]
// Tests need no `no_std` discipline, and their helpers may panic as they do.
#![allow(
    clippy::std_instead_of_core,
    clippy::std_instead_of_alloc,
    clippy::unwrap_used
)]

use std::{
    collections::BTreeSet,
    error::Error,
    fs,
    future::Future,
    io,
    net::{Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
    time::{Duration, Instant, SystemTime},
};

use selkie::{
    Transport,
    transport::{Batch, SendError},
    transports::{
        certs::{DevCa, Issued},
        quic::{Counters, Credentials, CredentialsError, Options, Quic, quinn, rustls},
    },
};
use smol::{Executor, Timer, channel, future};

/// How long anything may take on a machine that has other things to do.
const PATIENCE: Duration = Duration::from_secs(30);

#[test]
fn one_connection_serves_both_directions() {
    let ca = ca();
    run(async {
        let (left, right) = (node(&ca), node(&ca));
        check_delivers(&left, &right, b"there").await;
        check_delivers(&right, &left, b"back").await;
        assert_eq!((left.counters().dials, left.counters().accepted), (1, 0));
        assert_eq!((right.counters().dials, right.counters().accepted), (0, 1));
    });
}

#[test]
fn two_nodes_that_dial_at_once_understand_each_other() {
    let ca = ca();
    run(async {
        let (left, right) = (node(&ca), node(&ca));
        left.send(right.local_addr(), b"l").await.unwrap();
        right.send(left.local_addr(), b"r").await.unwrap();
        check_receives(&left, b"r", right.local_addr()).await;
        check_receives(&right, b"l", left.local_addr()).await;
        for round in 0..10 {
            check_delivers(&left, &right, &[b'l', round]).await;
            check_delivers(&right, &left, &[b'r', round]).await;
        }
    });
}

#[test]
fn an_ipv4_peer_of_a_dual_stack_node_has_an_ipv4_address() {
    let ca = ca();
    run(async {
        let credentials = member(&ca);
        let both = Quic::bind((Ipv6Addr::UNSPECIFIED, 0).into(), &credentials).unwrap();
        let port = both.local_addr().port();
        for ip in ["127.0.0.1", "::1"] {
            let peer = Quic::bind(addr(ip, 0), &member(&ca)).unwrap();
            peer.send(addr(ip, port), b"there").await.unwrap();
            check_receives(&both, b"there", peer.local_addr()).await;
            both.send(peer.local_addr(), b"back").await.unwrap();
            check_receives(&peer, b"back", addr(ip, port)).await;
        }
        assert_eq!(both.counters().dials, 0);
    });
}

#[test]
fn a_taken_port_is_named() {
    let credentials = member(&ca());
    let taken = Quic::bind(addr("127.0.0.1", 0), &credentials).unwrap();
    let error = Quic::bind(taken.local_addr(), &credentials).unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::AddrInUse);
    let named = taken.local_addr().to_string();
    assert!(error.to_string().contains(&named), "{error}");
}

#[test]
fn a_peer_of_another_authority_is_refused() {
    let stranger = DevCa::new("strangers").unwrap().issue("stranger").unwrap();
    check_is_refused(credulous(Some(&stranger)), |counters| {
        counters.inbound_untrusted
    });
}

#[test]
fn a_peer_without_a_certificate_is_refused() {
    check_is_refused(credulous(None), |counters| {
        counters.inbound_without_certificate
    });
}

#[test]
fn a_peer_with_an_expired_certificate_is_refused() {
    let ca = ca();
    let expired = expired(&ca);
    check_is_refused_by(&ca, credulous(Some(&expired)), |counters| {
        counters.inbound_untrusted
    });
}

#[test]
fn a_peer_that_speaks_another_protocol_is_refused() {
    let ca = ca();
    let mut client = client_config(Some(&ca.issue("other").unwrap()));
    client.alpn_protocols = vec![b"h3".to_vec()];
    run(async {
        let (left, right) = (node(&ca), node(&ca));
        check_delivers(&left, &right, b"before").await;
        let endpoint = quinn_endpoint();
        let refused = connect(&endpoint, client, left.local_addr()).await;
        assert!(refused.is_err());
        check_counts(&left, |counters| counters.inbound_wrong_protocol).await;
        check_delivers(&left, &right, b"after").await;
        check_delivers(&right, &left, b"after").await;
    });
}

#[test]
fn a_peer_that_we_dial_must_belong_to_our_authority() {
    let ca = ca();
    run(async {
        let stranger = node(&DevCa::new("strangers").unwrap());
        let (left, right) = (node(&ca), node(&ca));
        check_delivers(&left, &right, b"before").await;
        left.send(stranger.local_addr(), b"who are you?")
            .await
            .unwrap();
        check_counts(&left, |counters| counters.dials_untrusted).await;
        check_counts(&stranger, |counters| counters.rejected_by_peer).await;
        let error = until_unreachable(&left, stranger.local_addr()).await;
        assert_eq!(error.kind(), io::ErrorKind::PermissionDenied, "{error}");
        check_delivers(&left, &right, b"after").await;
        assert_eq!(stranger.counters().packets_in, 0);
    });
}

#[test]
fn no_peer_is_given_a_ticket_to_come_back_without_its_certificate() {
    let ca = ca();
    let tickets = Arc::new(Tickets::default());
    let mut client = client_config(Some(&ca.issue("member").unwrap()));
    client.alpn_protocols = vec![b"selkie/1".to_vec()];
    client.resumption = rustls::client::Resumption::store(tickets.clone());
    run(async {
        let left = node(&ca);
        let endpoint = quinn_endpoint();
        let conn = connect(&endpoint, client, left.local_addr()).await.unwrap();
        conn.send_datagram(b"hello".to_vec().into()).unwrap();
        let from = endpoint.local_addr().unwrap();
        check_receives(&left, b"hello", from).await;
        left.send(from, b"after any ticket").await.unwrap();
        assert_eq!(conn.read_datagram().await.unwrap(), b"after any ticket"[..]);
        assert_eq!(tickets.0.load(Ordering::Relaxed), 0);
    });
}

#[test]
fn a_crowd_that_comes_at_once_is_let_in() {
    let ca = ca();
    run(async {
        let hub = node(&ca);
        let options = Options::new().redial_after(Duration::from_millis(50));
        let peers: Vec<_> = (0..80)
            .map(|_| Quic::bind_with(addr("127.0.0.1", 0), &member(&ca), &options).unwrap())
            .collect();
        let mut missing: BTreeSet<_> = peers.iter().map(Transport::local_addr).collect();
        let sending = async {
            loop {
                for peer in &peers {
                    let _ = peer.send(hub.local_addr(), b"hello").await;
                }
                Timer::after(Duration::from_millis(100)).await;
            }
        };
        let receiving = async {
            while !missing.is_empty() {
                for (from, _) in receive(&hub).await {
                    missing.remove(&from);
                }
            }
        };
        future::or(receiving, sending).await;
    });
}

#[test]
fn a_peer_has_two_connections_at_most() {
    let ca = ca();
    let mut client = client_config(Some(&ca.issue("rude").unwrap()));
    client.alpn_protocols = vec![b"selkie/1".to_vec()];
    run(async {
        let (left, right) = (node(&ca), node(&ca));
        let endpoint = quinn_endpoint();
        let mut conns = Vec::new();
        for _ in 0..3 {
            conns.push(
                connect(&endpoint, client.clone(), left.local_addr())
                    .await
                    .unwrap(),
            );
        }
        let closed = conns[0].closed().await;
        assert!(
            matches!(closed, quinn::ConnectionError::ApplicationClosed(_)),
            "{closed}"
        );
        assert!(conns[1].close_reason().is_none() && conns[2].close_reason().is_none());
        check_delivers(&right, &left, b"polite").await;
    });
}

#[test]
fn larger_packets_go_by_stream_and_too_large_ones_not_at_all() {
    let ca = ca();
    run(async {
        let (left, right) = (node(&ca), node(&ca));
        let large = vec![7; Quic::PACKET_MAX];
        left.send(right.local_addr(), &large).await.unwrap();
        check_receives(&right, &large, left.local_addr()).await;
        right.send(left.local_addr(), &large).await.unwrap();
        check_receives(&left, &large, right.local_addr()).await;
        assert_eq!(
            (left.counters().streams_out, left.counters().datagrams_out),
            (1, 0)
        );

        let sent = left
            .send(right.local_addr(), &vec![7; Quic::PACKET_MAX + 1])
            .await;
        let Err(SendError::TooBig { max }) = sent else {
            panic!("{sent:?}");
        };
        assert_eq!(max, Quic::PACKET_MAX);
    });
}

#[test]
fn a_flood_of_large_packets_is_refused_not_queued() {
    let ca = ca();
    run(async {
        let (left, right) = (node(&ca), node(&ca));
        check_delivers(&left, &right, b"first").await;
        let large = vec![7; Quic::PACKET_MAX];
        let mut taken = 0;
        loop {
            match left.send(right.local_addr(), &large).await {
                Ok(()) => taken += 1,
                Err(SendError::Busy) => break,
                Err(other) => panic!("{other}"),
            }
        }
        let mut got = 0;
        while got < taken {
            let packets = receive(&right).await;
            assert!(packets.iter().all(|(_, packet)| *packet == large));
            got += packets.len();
        }
        check_delivers(&left, &right, b"last").await;
    });
}

#[test]
fn a_stream_that_is_longer_than_any_packet_is_dropped() {
    let ca = ca();
    let mut client = client_config(Some(&ca.issue("rude").unwrap()));
    client.alpn_protocols = vec![b"selkie/1".to_vec()];
    run(async {
        let (left, right) = (node(&ca), node(&ca));
        let endpoint = quinn_endpoint();
        let rude = connect(&endpoint, client, left.local_addr()).await.unwrap();
        let mut stream = rude.open_uni().await.unwrap();
        let _ = stream.write_all(&vec![7; 2 * Quic::PACKET_MAX]).await;
        check_counts(&left, |counters| counters.streams_too_big).await;
        assert_eq!(left.counters().packets_in, 0);
        check_delivers(&right, &left, b"polite").await;
    });
}

#[test]
fn a_dial_to_nobody_fails_in_time_and_holds_nothing_up() {
    let ca = ca();
    run(async {
        let (left, right) = (node(&ca), node(&ca));
        let silent = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let nobody = silent.local_addr().unwrap();
        let before = Instant::now();
        left.send(nobody, b"hello?").await.unwrap();
        check_delivers(&left, &right, b"meanwhile").await;
        assert_eq!(left.counters().dials_timed_out, 0);

        let mut waiting = 1;
        let refused = loop {
            match left.send(nobody, b"hello?").await {
                Ok(()) => waiting += 1,
                Err(error) => break error,
            }
        };
        assert!(matches!(refused, SendError::Busy), "{refused}");
        assert!(waiting > 1 && waiting < 1000, "{waiting} packets wait");

        check_counts(&left, |counters| counters.dials_timed_out).await;
        let took = before.elapsed();
        assert!(
            took > Duration::from_secs(2) && took < Duration::from_secs(10),
            "{took:?}"
        );
        assert_eq!(left.counters().dropped_unreachable, waiting);
        assert_eq!(
            until_unreachable(&left, nobody).await.kind(),
            io::ErrorKind::TimedOut
        );
    });
}

#[test]
fn cleartext_and_garbage_change_nothing() {
    let ca = ca();
    run(async {
        let (left, right) = (node(&ca), node(&ca));
        check_delivers(&left, &right, b"before").await;
        let rude = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let mut random = fastrand::Rng::with_seed(7);
        for first in 0..=255_u8 {
            for len in [0, 1, 20, 100, 1200] {
                let mut garbage: Vec<u8> = (0..len).map(|_| random.u8(..)).collect();
                if let Some(byte) = garbage.first_mut() {
                    *byte = first;
                }
                rude.send_to(&garbage, left.local_addr()).unwrap();
            }
        }
        for round in 0..10 {
            check_delivers(&left, &right, &[b'l', round]).await;
            check_delivers(&right, &left, &[b'r', round]).await;
        }
        assert_eq!(left.counters().accepted, 0, "{:?}", left.counters());
    });
}

#[test]
fn a_peer_that_leaves_is_gone_at_once() {
    let ca = ca();
    run(async {
        let (left, right) = (node(&ca), node(&ca));
        check_delivers(&left, &right, b"here").await;
        let before = Instant::now();
        right.close().await;
        check_counts(&left, |counters| counters.closed_by_peer).await;
        let took = before.elapsed();
        assert!(took < Duration::from_secs(5), "that is a timeout: {took:?}");
    });
}

#[test]
fn what_was_sent_before_closing_arrives() {
    let ca = ca();
    run(async {
        let (left, right) = (node(&ca), node(&ca));
        let large = vec![7; 20_000];
        // Not even connected yet.
        left.send(right.local_addr(), b"I go").await.unwrap();
        left.send(right.local_addr(), &large).await.unwrap();
        left.close().await;
        let mut got = Vec::new();
        while got.len() < 2 {
            got.extend(receive(&right).await);
        }
        let from = left.local_addr();
        assert!(got.contains(&(from, b"I go".to_vec())) && got.contains(&(from, large)));
    });
}

#[test]
fn the_last_handle_takes_the_node_with_it() {
    let ca = ca();
    run(async {
        let (left, right) = (node(&ca), node(&ca));
        check_delivers(&left, &right, b"here").await;
        let addr = right.local_addr();
        let other = right.clone();
        drop(right);
        check_delivers(&left, &other, b"still here").await;
        drop(other);
        check_counts(&left, |counters| counters.closed_by_peer).await;
        until_bound(addr, &member(&ca)).await;
    });
}

#[test]
fn with_its_executor_a_node_dies_without_a_word() {
    let ca = ca();
    run(async {
        let victim_key = ca.issue("victim").unwrap();
        let (left, right, island) = (node(&ca), node(&ca), Island::new());
        let victim = island.node(&victim_key);
        check_delivers(&left, &victim, b"here").await;
        check_delivers(&victim, &right, b"here").await;
        let addr = victim.local_addr();
        island.drown();
        let received = victim.recv(&mut Batch::new()).await;
        assert_eq!(received.unwrap_err().kind(), io::ErrorKind::NotConnected);
        let sent = victim.send(left.local_addr(), b"I am dead").await;
        assert!(matches!(sent, Err(SendError::Closed)), "{sent:?}");

        // Its handle is still there, its port is not taken any more.
        let credentials = Credentials::from_issued(&victim_key).unwrap();
        let heir = Quic::bind(addr, &credentials).unwrap();
        for peer in [&left, &right] {
            assert_eq!(peer.counters().closed_by_peer, 0);
            let before = Instant::now();
            check_delivers_repeated(peer, &heir, b"are you back?").await;
            let took = before.elapsed();
            assert!(took < Duration::from_secs(5), "not noticed for {took:?}");
            // Not by silence, nor by the idle timeout: by the word of the heir.
            check_counts(peer, |counters| counters.closed_by_reset).await;
            assert_eq!(peer.counters().closed_by_peer, 0);
        }
        drop(victim);
    });
}

#[test]
fn a_peer_restarted_with_another_key_is_noticed_by_its_silence() {
    let ca = ca();
    run(async {
        let (left, island) = (node(&ca), Island::new());
        let victim = island.node(&ca.issue("victim").unwrap());
        check_delivers(&victim, &left, b"here").await;
        let addr = victim.local_addr();
        island.drown();
        let heir = Quic::bind(addr, &member(&ca)).unwrap();
        let before = Instant::now();
        check_delivers_repeated(&left, &heir, b"are you back?").await;
        let took = before.elapsed();
        assert!(took < Duration::from_secs(8), "not noticed for {took:?}");
        assert_eq!(left.counters().replaced_silent, 1);
        drop(victim);
    });
}

#[test]
fn the_connection_that_was_used_least_recently_makes_room() {
    let ca = ca();
    run(async {
        let options = Options::new().peers_max(2);
        let addr = addr("127.0.0.1", 0);
        let hub = Quic::bind_with(addr, &member(&ca), &options).unwrap();
        let peers: Vec<_> = (0..4).map(|_| node(&ca)).collect();
        for (round, peer) in peers.iter().enumerate() {
            check_delivers(&hub, peer, &[u8::try_from(round).unwrap()]).await;
        }
        check_counts(&peers[0], |counters| counters.closed_by_peer).await;
        check_counts(&peers[1], |counters| counters.closed_by_peer).await;
        assert_eq!(hub.counters().evicted, 2);
        check_delivers(&peers[0], &hub, b"me again").await;
    });
}

#[test]
fn an_idle_connection_ends_and_comes_back_when_needed() {
    let ca = ca();
    run(async {
        let options = Options::new().idle_timeout(Duration::from_millis(300));
        let addr = addr("127.0.0.1", 0);
        let left = Quic::bind_with(addr, &member(&ca), &options).unwrap();
        let right = node(&ca);
        check_delivers(&left, &right, b"first").await;
        check_counts(&left, |counters| counters.closed_timed_out).await;
        check_delivers(&left, &right, b"second").await;
        assert!(left.counters().dials >= 2);
    });
}

#[test]
fn credentials_name_the_file_that_is_wrong() {
    let dir = tempfile::tempdir().unwrap();
    let at = |name: &str| dir.path().join(name);
    let ca = ca();
    ca.issue("db-1").unwrap().write_to(dir.path()).unwrap();
    ca.issue("db-2").unwrap().write_to(dir.path()).unwrap();
    fs::write(at("empty.pem"), "").unwrap();
    fs::write(at("broken.pem"), "-----BEGIN CERTIFICATE-----\nAAAA").unwrap();
    let load = |ca: &str, cert: &str, key: &str| {
        Credentials::from_pem_files(at(ca), at(cert), at(key)).map_err(|error| error.to_string())
    };

    load("ca.pem", "db-1.pem", "db-1-key.pem").unwrap();
    for (files, wrong, why) in [
        (
            ["none.pem", "db-1.pem", "db-1-key.pem"],
            "none.pem",
            "cannot be read",
        ),
        (
            ["ca.pem", "none.pem", "db-1-key.pem"],
            "none.pem",
            "cannot be read",
        ),
        (
            ["ca.pem", "empty.pem", "db-1-key.pem"],
            "empty.pem",
            "no certificate",
        ),
        (
            ["ca.pem", "broken.pem", "db-1-key.pem"],
            "broken.pem",
            "is broken",
        ),
        (
            ["ca.pem", "db-1.pem", "db-1.pem"],
            "db-1.pem",
            "no private key",
        ),
        (
            ["ca.pem", "db-1.pem", "db-2-key.pem"],
            "db-2-key.pem",
            "does not belong",
        ),
    ] {
        let error = load(files[0], files[1], files[2]).unwrap_err();
        assert!(
            error.contains(wrong) && error.contains(why),
            "{files:?}: {error}"
        );
    }
}

#[test]
fn credentials_that_peers_would_refuse_are_refused_at_the_start() {
    let ca = ca();
    let (issued, expired) = (ca.issue("db-1").unwrap(), expired(&ca));
    let refused = Credentials::from_issued(&expired).unwrap_err();
    let CredentialsError::Expired { ago, .. } = &refused else {
        panic!("{refused}");
    };
    assert!(ago.as_secs().abs_diff(9 * DAY.as_secs()) < 600, "{ago:?}");
    assert_eq!(refused.to_string(), "own certificate expired 9 days ago");

    let from = SystemTime::now() + 10 * DAY;
    let early = ca.issue_for("early", from, DAY).unwrap();
    let refused = Credentials::from_issued(&early).unwrap_err();
    assert!(
        matches!(refused, CredentialsError::NotValidYet { .. }),
        "{refused}"
    );

    // Of the same name, even.
    let other = DevCa::new("cluster").unwrap();
    let refused = Credentials::from_pem(other.cert_pem(), issued.cert_pem(), issued.key_pem());
    let refused = refused.unwrap_err();
    assert!(
        matches!(refused, CredentialsError::OtherAuthority { .. }),
        "{refused}"
    );
    assert!(refused.source().is_none());

    // An authority's certificate is not a member's.
    let refused = Credentials::from_pem(ca.cert_pem(), ca.cert_pem(), &ca.key_pem());
    assert!(
        matches!(refused, Err(CredentialsError::Refused { .. })),
        "{refused:?}"
    );
}

const DAY: Duration = Duration::from_secs(86_400);

fn ca() -> DevCa {
    DevCa::new("cluster").unwrap()
}

fn member(ca: &DevCa) -> Credentials {
    Credentials::from_issued(&ca.issue("member").unwrap()).unwrap()
}

fn expired(ca: &DevCa) -> Issued {
    ca.issue_for("late", SystemTime::now() - 10 * DAY, DAY)
        .unwrap()
}

fn addr(ip: &str, port: u16) -> SocketAddr {
    SocketAddr::new(ip.parse().unwrap(), port)
}

fn node(ca: &DevCa) -> Quic {
    Quic::bind(addr("127.0.0.1", 0), &member(ca)).unwrap()
}

/// An executor with a thread of its own, and what lives on it.
struct Island {
    executor: Arc<Executor<'static>>,
    stop: channel::Sender<()>,
    thread: thread::JoinHandle<()>,
}

impl Island {
    fn new() -> Self {
        let executor = Arc::new(Executor::new());
        let (stop, stopped) = channel::bounded(1);
        let driven = executor.clone();
        let thread = thread::spawn(move || {
            let _ = smol::block_on(driven.run(stopped.recv()));
        });
        Self {
            executor,
            stop,
            thread,
        }
    }

    fn node(&self, issued: &Issued) -> Quic {
        let options = Options::new().executor(self.executor.clone());
        let credentials = Credentials::from_issued(issued).unwrap();
        Quic::bind_with(addr("127.0.0.1", 0), &credentials, &options).unwrap()
    }

    fn drown(self) {
        drop(self.stop);
        self.thread.join().unwrap();
    }
}

/// A client that takes every server for the right one, and shows this certificate, if any.
fn client_config(issued: Option<&Issued>) -> rustls::ClientConfig {
    use rustls::pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject};
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = rustls::ClientConfig::builder_with_provider(provider.clone())
        .with_protocol_versions(&[&rustls::version::TLS13])
        .unwrap()
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(Credulous(provider)));
    let Some(issued) = issued else {
        return builder.with_no_client_auth();
    };
    let cert = CertificateDer::from_pem_slice(issued.cert_pem().as_bytes()).unwrap();
    let key = PrivateKeyDer::from_pem_slice(issued.key_pem().as_bytes()).unwrap();
    builder.with_client_auth_cert(vec![cert], key).unwrap()
}

/// Credentials that open a connection to anybody.
fn credulous(issued: Option<&Issued>) -> Credentials {
    use rustls::pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject};
    let own = ca().issue("server").unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let server = rustls::ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13])
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(
            vec![CertificateDer::from_pem_slice(own.cert_pem().as_bytes()).unwrap()],
            PrivateKeyDer::from_pem_slice(own.key_pem().as_bytes()).unwrap(),
        )
        .unwrap();
    Credentials::from_rustls(client_config(issued), server, b"secret")
}

#[derive(Debug)]
struct Credulous(Arc<rustls::crypto::CryptoProvider>);

impl rustls::client::danger::ServerCertVerifier for Credulous {
    fn verify_server_cert(
        &self,
        _: &rustls::pki_types::CertificateDer<'_>,
        _: &[rustls::pki_types::CertificateDer<'_>],
        _: &rustls::pki_types::ServerName<'_>,
        _: &[u8],
        _: rustls::pki_types::UnixTime,
    ) -> Result<rustls::client::danger::ServerCertVerified, rustls::Error> {
        Ok(rustls::client::danger::ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &rustls::pki_types::CertificateDer<'_>,
        _: &rustls::DigitallySignedStruct,
    ) -> Result<rustls::client::danger::HandshakeSignatureValid, rustls::Error> {
        Ok(rustls::client::danger::HandshakeSignatureValid::assertion())
    }

    fn verify_tls13_signature(
        &self,
        _: &[u8],
        _: &rustls::pki_types::CertificateDer<'_>,
        _: &rustls::DigitallySignedStruct,
    ) -> Result<rustls::client::danger::HandshakeSignatureValid, rustls::Error> {
        Ok(rustls::client::danger::HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<rustls::SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}

/// Counts the tickets it is given to keep.
#[derive(Debug, Default)]
struct Tickets(AtomicUsize);

impl rustls::client::ClientSessionStore for Tickets {
    fn set_kx_hint(&self, _: rustls::pki_types::ServerName<'static>, _: rustls::NamedGroup) {}

    fn kx_hint(&self, _: &rustls::pki_types::ServerName<'_>) -> Option<rustls::NamedGroup> {
        None
    }

    fn set_tls12_session(
        &self,
        _: rustls::pki_types::ServerName<'static>,
        _: rustls::client::Tls12ClientSessionValue,
    ) {
    }

    fn tls12_session(
        &self,
        _: &rustls::pki_types::ServerName<'_>,
    ) -> Option<rustls::client::Tls12ClientSessionValue> {
        None
    }

    fn remove_tls12_session(&self, _: &rustls::pki_types::ServerName<'static>) {}

    fn insert_tls13_ticket(
        &self,
        _: rustls::pki_types::ServerName<'static>,
        _: rustls::client::Tls13ClientSessionValue,
    ) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }

    fn take_tls13_ticket(
        &self,
        _: &rustls::pki_types::ServerName<'static>,
    ) -> Option<rustls::client::Tls13ClientSessionValue> {
        None
    }
}

fn quinn_endpoint() -> quinn::Endpoint {
    quinn::Endpoint::new(
        quinn::EndpointConfig::default(),
        None,
        UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap(),
        Arc::new(quinn::SmolRuntime),
    )
    .unwrap()
}

async fn connect(
    endpoint: &quinn::Endpoint,
    tls: rustls::ClientConfig,
    to: SocketAddr,
) -> Result<quinn::Connection, quinn::ConnectionError> {
    let tls = quinn::crypto::rustls::QuicClientConfig::try_from(tls).unwrap();
    let config = quinn::ClientConfig::new(Arc::new(tls));
    endpoint.connect_with(config, to, "any.name").unwrap().await
}

#[track_caller]
fn check_is_refused(intruder: Credentials, count: fn(Counters) -> u64) {
    check_is_refused_by(&ca(), intruder, count);
}

#[track_caller]
fn check_is_refused_by(ca: &DevCa, intruder: Credentials, count: fn(Counters) -> u64) {
    run(async {
        let (left, right) = (node(ca), node(ca));
        check_delivers(&left, &right, b"before").await;
        let intruder = Quic::bind(addr("127.0.0.1", 0), &intruder).unwrap();
        intruder
            .send(left.local_addr(), b"let me in")
            .await
            .unwrap();
        check_counts(&left, count).await;
        check_counts(&intruder, |counters| counters.rejected_by_peer).await;
        let error = until_unreachable(&intruder, left.local_addr()).await;
        assert_eq!(error.kind(), io::ErrorKind::PermissionDenied, "{error}");
        check_delivers(&left, &right, b"after").await;
        check_delivers(&right, &left, b"after").await;
        check_counts(&left, |counters| counters.packets_in).await;
        assert_eq!(left.counters().packets_in, 1, "the intruder was heard");
        assert_eq!(left.counters().accepted, 0);
    });
}

/// Runs a test, which ends in time or fails.
#[track_caller]
fn run(test: impl Future<Output = ()>) {
    smol::block_on(future::or(test, async {
        Timer::after(PATIENCE * 2).await;
        panic!("the test did not end in time");
    }));
}

async fn receive(node: &Quic) -> Vec<(SocketAddr, Vec<u8>)> {
    let mut batch = Batch::new();
    node.recv(&mut batch).await.unwrap();
    batch
        .iter()
        .map(|(from, got)| (from, got.to_vec()))
        .collect()
}

async fn check_receives(node: &Quic, packet: &[u8], from: SocketAddr) {
    let got = receive(node).await;
    assert_eq!(got.len(), 1);
    assert_eq!(got[0].0, from);
    assert!(
        got[0].1 == packet,
        "{} bytes of something else",
        got[0].1.len()
    );
}

/// Sends a packet once: on a loopback that is not overrun, it arrives.
async fn check_delivers(sender: &Quic, receiver: &Quic, packet: &[u8]) {
    sender.send(receiver.local_addr(), packet).await.unwrap();
    check_receives(receiver, packet, sender.local_addr()).await;
}

/// Sends a packet until it arrives.
async fn check_delivers_repeated(sender: &Quic, receiver: &Quic, packet: &[u8]) {
    let sending = async {
        loop {
            let _ = sender.send(receiver.local_addr(), packet).await;
            Timer::after(Duration::from_millis(50)).await;
        }
    };
    let received = async {
        loop {
            if receive(receiver)
                .await
                .contains(&(sender.local_addr(), packet.to_vec()))
            {
                break;
            }
        }
    };
    future::or(received, sending).await;
}

/// Waits until the counter is not zero.
async fn check_counts(node: &Quic, count: impl Fn(Counters) -> u64) {
    let deadline = Instant::now() + PATIENCE;
    while count(node.counters()) == 0 {
        assert!(
            Instant::now() < deadline,
            "never counted: {:?}",
            node.counters()
        );
        Timer::after(Duration::from_millis(5)).await;
    }
}

async fn until_unreachable(node: &Quic, to: SocketAddr) -> io::Error {
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Err(SendError::Unreachable(error)) = node.send(to, b"are you there?").await {
            return error;
        }
        assert!(
            Instant::now() < deadline,
            "reachable: {:?}",
            node.counters()
        );
        Timer::after(Duration::from_millis(5)).await;
    }
}

async fn until_bound(addr: SocketAddr, credentials: &Credentials) -> Quic {
    let deadline = Instant::now() + PATIENCE;
    loop {
        match Quic::bind(addr, credentials) {
            Ok(node) => return node,
            Err(error) => assert!(Instant::now() < deadline, "{error}"),
        }
        Timer::after(Duration::from_millis(5)).await;
    }
}
