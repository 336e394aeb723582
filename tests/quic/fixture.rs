//! Nodes, their peers, and what to expect of them.

use std::{
    future::Future,
    io,
    net::{Ipv4Addr, SocketAddr, UdpSocket},
    sync::Arc,
    time::{Duration, Instant, SystemTime},
};

use selkie::{
    Transport,
    transport::{Batch, SendError},
    transports::{
        certs::{DevCa, Issued},
        quic::{Counters, Credentials, Quic, quinn, rustls},
    },
};
use smol::{Timer, future};

/// How long anything may take on a machine that has other things to do.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

pub(crate) const DAY: Duration = Duration::from_secs(86_400);

pub(crate) fn ca() -> DevCa {
    DevCa::new("cluster").unwrap()
}

pub(crate) fn member(ca: &DevCa) -> Credentials {
    Credentials::from_issued(&ca.issue("member").unwrap()).unwrap()
}

pub(crate) fn expired(ca: &DevCa) -> Issued {
    ca.issue_for("late", SystemTime::now() - 10 * DAY, DAY)
        .unwrap()
}

pub(crate) fn addr(ip: &str, port: u16) -> SocketAddr {
    SocketAddr::new(ip.parse().unwrap(), port)
}

pub(crate) fn node(ca: &DevCa) -> Quic {
    Quic::bind(addr("127.0.0.1", 0), &member(ca)).unwrap()
}

/// A client that takes every server for the right one, and shows this certificate, if any.
pub(crate) fn client_config(issued: Option<&Issued>) -> rustls::ClientConfig {
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

pub(crate) fn quinn_endpoint() -> quinn::Endpoint {
    quinn::Endpoint::new(
        quinn::EndpointConfig::default(),
        None,
        UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap(),
        Arc::new(quinn::SmolRuntime),
    )
    .unwrap()
}

pub(crate) async fn connect(
    endpoint: &quinn::Endpoint,
    tls: rustls::ClientConfig,
    to: SocketAddr,
) -> Result<quinn::Connection, quinn::ConnectionError> {
    let tls = quinn::crypto::rustls::QuicClientConfig::try_from(tls).unwrap();
    let config = quinn::ClientConfig::new(Arc::new(tls));
    endpoint.connect_with(config, to, "any.name").unwrap().await
}

/// Runs a test, which ends in time or fails.
#[track_caller]
pub(crate) fn run(test: impl Future<Output = ()>) {
    smol::block_on(future::or(test, async {
        Timer::after(PATIENCE * 2).await;
        panic!("the test did not end in time");
    }));
}

pub(crate) async fn receive(node: &Quic) -> Vec<(SocketAddr, Vec<u8>)> {
    let mut batch = Batch::new();
    node.recv(&mut batch).await.unwrap();
    batch
        .iter()
        .map(|got| (got.from, got.bytes.to_vec()))
        .collect()
}

pub(crate) async fn check_receives(node: &Quic, packet: &[u8], from: SocketAddr) {
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
pub(crate) async fn check_delivers(sender: &Quic, receiver: &Quic, packet: &[u8]) {
    sender.send(receiver.local_addr(), packet).await.unwrap();
    check_receives(receiver, packet, sender.local_addr()).await;
}

/// Waits until the counter is not zero.
pub(crate) async fn check_counts(node: &Quic, count: impl Fn(Counters) -> u64) {
    until(node, "something is counted", || count(node.counters()) > 0).await;
}

/// Waits until something is true of a node.
pub(crate) async fn until(node: &Quic, what: &str, holds: impl Fn() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !holds() {
        let counters = node.counters();
        assert!(Instant::now() < deadline, "never: {what}; {counters:?}");
        Timer::after(Duration::from_millis(5)).await;
    }
}

pub(crate) async fn until_unreachable(node: &Quic, to: SocketAddr) -> io::Error {
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

/// Sends a packet until it arrives.
pub(crate) async fn until_delivers(sender: &Quic, receiver: &Quic, packet: &[u8]) {
    let sending = async {
        loop {
            let _ = sender.send(receiver.local_addr(), packet).await;
            Timer::after(Duration::from_millis(50)).await;
        }
    };
    let expected = (sender.local_addr(), packet.to_vec());
    let received = async { while !receive(receiver).await.contains(&expected) {} };
    future::or(received, sending).await;
}
