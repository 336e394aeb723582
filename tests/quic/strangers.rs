//! Who gets in, and what those can do who should not, or who behave badly.

use std::{
    io,
    net::{Ipv4Addr, UdpSocket},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant, SystemTime},
};

use selkie::{
    Transport,
    transports::{
        certs::{DevCa, Issued},
        quic::{Counters, Credentials, Options, Quic, quinn, rustls},
    },
};

use smol::Timer;

use crate::fixture::*;

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
fn who_is_refused_pauses_longer_each_time() {
    let ca = ca();
    let stranger = DevCa::new("strangers").unwrap().issue("stranger").unwrap();
    run(async {
        let left = node(&ca);
        let options = Options::new().redial_after(Duration::from_millis(50));
        let anywhere = addr("127.0.0.1", 0);
        let intruder = Quic::bind_with(anywhere, &credulous(Some(&stranger)), &options).unwrap();
        let before = Instant::now();
        until(&intruder, "it is refused five times", || {
            // Its own handshake is complete each time, before it is refused.
            let _ = smol::block_on(intruder.send(left.local_addr(), b"let me in"));
            intruder.counters().rejected_by_peer >= 5
        })
        .await;
        let pauses = Duration::from_millis(50 + 100 + 200 + 400);
        assert!(before.elapsed() > pauses, "{:?}", before.elapsed());
        assert_eq!(left.counters().packets_in, 0);
    });
}

#[test]
fn a_peer_whose_certificate_is_not_valid_yet_is_refused() {
    let ca = ca();
    let early = ca.issue_for("early", SystemTime::now() + 10 * DAY, DAY);
    check_is_refused_by(&ca, credulous(Some(&early.unwrap())), |counters| {
        counters.inbound_untrusted
    });
}

#[test]
fn a_peer_that_we_dial_must_have_a_certificate_that_is_valid_now() {
    let ca = ca();
    let early = ca.issue_for("early", SystemTime::now() + 10 * DAY, DAY);
    for issued in [early.unwrap(), expired(&ca)] {
        run(async {
            let left = node(&ca);
            let out_of_date = Credentials::from_rustls(
                client_config(Some(&issued)),
                server_config(&issued),
                b"secret",
            );
            let peer = Quic::bind(addr("127.0.0.1", 0), &out_of_date).unwrap();
            left.send(peer.local_addr(), b"who are you?").await.unwrap();
            check_counts(&left, |counters| counters.dials_untrusted).await;
            let error = until_unreachable(&left, peer.local_addr()).await;
            assert_eq!(error.kind(), io::ErrorKind::PermissionDenied, "{error}");
            assert_eq!(peer.counters().packets_in, 0);
        });
    }
}

#[test]
fn a_certificate_that_cannot_be_read_is_nobodys() {
    use rustls::pki_types::{PrivateKeyDer, pem::PemObject};
    let issued = ca().issue("server").unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let key = PrivateKeyDer::from_pem_slice(issued.key_pem().as_bytes()).unwrap();
    let key = provider.key_provider.load_private_key(key).unwrap();
    let rubbish = rustls::sign::CertifiedKey::new(vec![b"no certificate".to_vec().into()], key);
    let server = rustls::ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13])
        .unwrap()
        .with_no_client_auth()
        .with_cert_resolver(Arc::new(rustls::sign::SingleCertAndKey::from(rubbish)));
    run(async {
        let anywhere = addr("127.0.0.1", 0);
        // The verifiers of this one take everything.
        let left = Quic::bind(anywhere, &credulous(Some(&issued))).unwrap();
        let nobody = Credentials::from_rustls(client_config(None), server, b"secret");
        let nobody = Quic::bind(anywhere, &nobody).unwrap();
        left.send(nobody.local_addr(), b"who are you?")
            .await
            .unwrap();
        check_counts(&left, |counters| counters.cut).await;
        assert_eq!((left.connections(), nobody.counters().packets_in), (0, 0));
    });
}

#[test]
fn a_large_packet_that_never_ends_is_given_up() {
    let ca = ca();
    let mut client = client_config(Some(&ca.issue("slow").unwrap()));
    client.alpn_protocols = vec![b"selkie/1".to_vec()];
    run(async {
        let (left, right) = (node(&ca), node(&ca));
        let endpoint = quinn_endpoint();
        let slow = connect(&endpoint, client, left.local_addr()).await.unwrap();
        let mut stream = slow.open_uni().await.unwrap();
        stream.write_all(&[7; 10]).await.unwrap();
        let trickling = async {
            loop {
                Timer::after(Duration::from_millis(200)).await;
                // One that is given up can be written to no more.
                if stream.write_all(&[7]).await.is_err() {
                    break;
                }
            }
        };
        let counted = check_counts(&left, |counters| counters.streams_timed_out);
        smol::future::zip(trickling, counted).await;
        assert_eq!(left.counters().packets_in, 0);
        check_delivers(&right, &left, b"polite").await;
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

/// Credentials that open a connection to anybody.
fn credulous(issued: Option<&Issued>) -> Credentials {
    let own = ca().issue("server").unwrap();
    Credentials::from_rustls(client_config(issued), server_config(&own), b"secret")
}

/// A server that lets everybody in, and shows this certificate.
fn server_config(own: &Issued) -> rustls::ServerConfig {
    use rustls::pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject};
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    rustls::ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13])
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(
            vec![CertificateDer::from_pem_slice(own.cert_pem().as_bytes()).unwrap()],
            PrivateKeyDer::from_pem_slice(own.key_pem().as_bytes()).unwrap(),
        )
        .unwrap()
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
