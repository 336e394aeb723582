//! The TLS and QUIC settings that every node shares.

use alloc::{boxed::Box, format, string::ToString, sync::Arc, vec, vec::Vec};
use core::{net::SocketAddr, time::Duration};
use std::io;

use quinn::{
    ClientConfig, EndpointConfig, IdleTimeout, MtuDiscoveryConfig, ServerConfig, TransportConfig,
    crypto::{
        HmacKey,
        rustls::{QuicClientConfig, QuicServerConfig},
    },
};
use quinn_proto::HashedConnectionIdGenerator;
use ring::{digest, hkdf, hmac};
use rustls::{
    DigitallySignedStruct, Error, RootCertStore, SignatureScheme,
    client::{
        AlwaysResolvesClientRawPublicKeys, Resumption,
        danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
        verify_server_cert_signed_by_trust_anchor,
    },
    crypto::{
        CryptoProvider, WebPkiSupportedAlgorithms,
        ring::cipher_suite::{
            TLS13_AES_128_GCM_SHA256, TLS13_AES_256_GCM_SHA384, TLS13_CHACHA20_POLY1305_SHA256,
        },
        verify_tls12_signature, verify_tls13_signature,
    },
    pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime},
    server::{
        AlwaysResolvesServerRawPublicKeys, ClientHello, NoServerSessionStorage, ParsedCertificate,
        ResolvesServerCert, VerifierBuilderError, WebPkiClientVerifier,
    },
    sign::CertifiedKey,
    version::TLS13,
};

use super::{
    Credentials, Options, PinnedKeys, PublicKey, Quic, counters::Tally, pinned::PinVerifier,
};

/// What we speak inside QUIC (ALPN).
pub(super) const PROTOCOL: &[u8] = b"selkie/1";

/// How much of the hash of a cluster's name is in what its members speak, in bytes.
const CLUSTER_HASH_LEN: usize = 16;

/// The most bytes that wait to be sent as datagrams to one peer.
const DATAGRAMS_OUT_BYTES: usize = 256 << 10;

/// The most large packets on their way to one peer, and from one peer.
pub(super) const STREAMS_MAX: usize = 8;

/// The most streams that one peer may have opened, besides.
pub(super) const PEER_STREAMS_MAX: usize = 32;

/// How many of either kind a peer may open at first. Each takes memory, used or not; most
/// connections see none.
const STREAMS_AT_FIRST: u32 = 1;

/// The most bytes of one stream on their way from a peer.
const STREAM_WINDOW_BYTES: u32 = Quic::PACKET_MAX as u32;

/// The most bytes of all its streams on their way to a peer, and from a peer.
const WINDOW_BYTES: u32 = 2 * STREAM_WINDOW_BYTES * STREAMS_MAX as u32;

/// The search for what a path carries ends with a step smaller than this. It begins between 1,200
/// and 1,452 bytes, and ends there: each further step would cost every connection two packets of
/// that size, for 5 % more room, and 3 %, and so on.
const MTU_STEP_MIN: u16 = 64;

/// Less than quinn's 333 ms, for the first retransmission not to take a second; more than most
/// round trips, for it not to be in vain.
const INITIAL_RTT: Duration = Duration::from_millis(100);

/// The most handshakes that wait for being looked at.
const INCOMING_MAX: usize = 256;

/// The cryptography, in this order: AES-128 and SHA-256 are in most processors, and a handshake
/// with them takes a tenth less than with rustls' first choice, AES-256 and SHA-384.
pub(super) fn provider() -> Arc<CryptoProvider> {
    Arc::new(CryptoProvider {
        cipher_suites: vec![
            TLS13_AES_128_GCM_SHA256,
            TLS13_CHACHA20_POLY1305_SHA256,
            TLS13_AES_256_GCM_SHA384,
        ],
        ..rustls::crypto::ring::default_provider()
    })
}

/// The TLS settings for both directions.
pub(super) fn configs(
    roots: Arc<RootCertStore>,
    chain: Vec<CertificateDer<'static>>,
    key: PrivateKeyDer<'static>,
) -> Result<(rustls::ClientConfig, rustls::ServerConfig), Error> {
    let provider = provider();
    let client = rustls::ClientConfig::builder_with_provider(provider.clone())
        .with_protocol_versions(&[&TLS13])?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(ClusterVerifier::new(roots.clone(), &provider)))
        .with_client_auth_cert(chain.clone(), key.clone_key())?;
    let verifier = WebPkiClientVerifier::builder_with_provider(roots, provider.clone())
        .build()
        .map_err(|error: VerifierBuilderError| Error::General(format!("{error}")))?;
    let server = rustls::ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&TLS13])?
        .with_client_cert_verifier(verifier)
        .with_single_cert(chain, key)?;
    Ok((client, server))
}

/// The TLS settings for both directions, for members known by their keys.
pub(super) fn pinned_configs(
    key: PrivateKeyDer<'static>,
    pins: &PinnedKeys,
) -> Result<(rustls::ClientConfig, rustls::ServerConfig, PublicKey), Error> {
    let provider = provider();
    let key = provider.key_provider.load_private_key(key)?;
    let public = key.public_key();
    let public = public.ok_or_else(|| Error::General("key tells no public key".into()))?;
    let public = public.to_vec();
    let own = CertifiedKey::new(vec![CertificateDer::from(public.clone())], key);
    let own = Arc::new(own);
    let verifier = Arc::new(PinVerifier::new(pins.clone(), &provider));
    let client = rustls::ClientConfig::builder_with_provider(provider.clone())
        .with_protocol_versions(&[&TLS13])?
        .dangerous()
        .with_custom_certificate_verifier(verifier.clone())
        .with_client_cert_resolver(Arc::new(AlwaysResolvesClientRawPublicKeys::new(
            own.clone(),
        )));
    let server = rustls::ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&TLS13])?
        .with_client_cert_verifier(verifier)
        .with_cert_resolver(Arc::new(AlwaysResolvesServerRawPublicKeys::new(own)));
    let public = PublicKey::from_der(&public).map_err(|error| Error::General(error.to_string()))?;
    Ok((client, server, public))
}

/// No resumption: it would let a peer in without a look at its certificate.
pub(super) fn harden(client: &mut rustls::ClientConfig, server: &mut rustls::ServerConfig) {
    client.resumption = Resumption::disabled();
    client.enable_early_data = false;
    // By default it has room for 256 sessions from the start.
    server.session_storage = Arc::new(NoServerSessionStorage {});
    server.send_tls13_tickets = 0;
    server.max_early_data_size = 0;
}

/// What members of a cluster speak: who listens learns no name.
pub(super) fn cluster_protocol(cluster: &str) -> Vec<u8> {
    let mut hash = digest::Context::new(&digest::SHA256);
    hash.update(b"selkie cluster ");
    hash.update(cluster.as_bytes());
    let hash = hash.finish();
    let mut protocol = PROTOCOL.to_vec();
    protocol.push(b' ');
    for byte in hash.as_ref().iter().take(CLUSTER_HASH_LEN) {
        protocol.extend(format!("{byte:02x}").bytes());
    }
    protocol
}

/// The QUIC settings for both directions, for those who speak `protocol` (ALPN).
pub(super) fn quic_configs(
    credentials: &Credentials,
    transport: &Arc<TransportConfig>,
    protocol: &[u8],
    tally: &Arc<Tally>,
) -> io::Result<(ClientConfig, ServerConfig)> {
    let invalid = |error| io::Error::new(io::ErrorKind::InvalidInput, error);
    let mut tls = (*credentials.client).clone();
    tls.alpn_protocols = vec![protocol.to_vec()];
    let tls = QuicClientConfig::try_from(tls).map_err(invalid)?;
    let mut client = ClientConfig::new(Arc::new(tls));
    client.transport_config(transport.clone());
    let mut tls = (*credentials.server).clone();
    tls.alpn_protocols = vec![protocol.to_vec()];
    tls.cert_resolver = Arc::new(Doorman {
        resolver: tls.cert_resolver,
        protocol: protocol.to_vec(),
        tally: tally.clone(),
    });
    let tls = QuicServerConfig::try_from(tls).map_err(invalid)?;
    let mut server = ServerConfig::with_crypto(Arc::new(tls));
    server
        .transport_config(transport.clone())
        // Who a packet is from is the address it came from.
        .migration(false)
        .max_incoming(INCOMING_MAX)
        .incoming_buffer_size(16 << 10)
        .incoming_buffer_size_total(1 << 20);
    Ok((client, server))
}

/// The settings of every connection.
pub(super) fn transport(options: &Options) -> io::Result<TransportConfig> {
    // To QUIC, none at all would mean for ever.
    let idle = options.idle_timeout.max(Duration::from_millis(1));
    let idle = IdleTimeout::try_from(idle)
        .map_err(|error| io::Error::new(io::ErrorKind::InvalidInput, error))?;
    let mut mtu = MtuDiscoveryConfig::default();
    mtu.minimum_change(MTU_STEP_MIN);
    let mut transport = TransportConfig::default();
    transport
        .max_idle_timeout(Some(idle))
        .keep_alive_interval(None)
        .mtu_discovery_config(Some(mtu))
        .initial_rtt(INITIAL_RTT)
        .max_concurrent_bidi_streams(STREAMS_AT_FIRST.into())
        .max_concurrent_uni_streams(STREAMS_AT_FIRST.into())
        .stream_receive_window(STREAM_WINDOW_BYTES.into())
        .receive_window(WINDOW_BYTES.into())
        .send_window(WINDOW_BYTES.into())
        .datagram_receive_buffer_size(Some(256 << 10))
        .datagram_send_buffer_size(DATAGRAMS_OUT_BYTES);
    Ok(transport)
}

/// Settings by which a restarted node knows its predecessor's connections and ends them at once,
/// instead of leaving its peers to wait: the keys are the same again for the same private key at
/// the same address.
pub(super) fn endpoint_config(credentials: &Credentials, local: SocketAddr) -> EndpointConfig {
    let reset = hmac::Key::new(
        hmac::HMAC_SHA256,
        &derived::<32>(&credentials.secret, &format!("reset {local}")),
    );
    let cid = u64::from_le_bytes(derived(&credentials.secret, &format!("cid {local}")));
    let reset: Arc<dyn HmacKey> = Arc::new(reset);
    let mut config = EndpointConfig::new(reset);
    config.cid_generator(move || Box::new(HashedConnectionIdGenerator::from_key(cid)));
    config
}

/// The secret from which a node's keys are derived.
pub(super) fn secret(key: &[u8]) -> hkdf::Prk {
    hkdf::Salt::new(hkdf::HKDF_SHA256, b"selkie quic").extract(key)
}

fn derived<const LEN: usize>(secret: &hkdf::Prk, purpose: &str) -> [u8; LEN] {
    let mut bytes = [0; LEN];
    secret
        .expand(&[purpose.as_bytes()], Len(LEN))
        .and_then(|okm| okm.fill(&mut bytes))
        .expect("LEN is 32 or 8, and expand gives up to 8,160 bytes");
    bytes
}

struct Len(usize);

impl hkdf::KeyType for Len {
    fn len(&self) -> usize {
        self.0
    }
}

/// Counts the members of other clusters at the door. That it is shut to them is rustls' doing.
#[derive(Debug)]
struct Doorman {
    resolver: Arc<dyn ResolvesServerCert>,
    protocol: Vec<u8>,
    tally: Arc<Tally>,
}

impl ResolvesServerCert for Doorman {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let mut offered = hello.alpn().into_iter().flatten().peekable();
        let is_kin = offered.peek().is_some_and(|it| it.starts_with(PROTOCOL));
        if is_kin && !offered.any(|it| it == self.protocol) {
            self.tally.inbound_other_cluster.one();
        }
        self.resolver.resolve(hello)
    }

    fn only_raw_public_keys(&self) -> bool {
        self.resolver.only_raw_public_keys()
    }
}

/// Checks what rustls' own verifier checks, but for the host name: a member is whoever the
/// cluster's authority says is one, wherever it runs.
#[derive(Debug)]
pub(super) struct ClusterVerifier {
    roots: Arc<RootCertStore>,
    algorithms: WebPkiSupportedAlgorithms,
}

impl ClusterVerifier {
    pub(super) fn new(roots: Arc<RootCertStore>, provider: &CryptoProvider) -> Self {
        Self {
            roots,
            algorithms: provider.signature_verification_algorithms,
        }
    }
}

impl ServerCertVerifier for ClusterVerifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        verify_server_cert_signed_by_trust_anchor(
            &ParsedCertificate::try_from(end_entity)?,
            &self.roots,
            intermediates,
            now,
            self.algorithms.all,
        )?;
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, cert, signed, &self.algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, cert, signed, &self.algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}
