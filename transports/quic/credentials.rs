//! Who a node is, and whom it trusts.

use alloc::{
    format,
    string::{String, ToString},
    sync::Arc,
    vec::Vec,
};
use core::fmt;
use std::{fs, path::Path, time::SystemTime};

use quinn::Connection;
use ring::hkdf;
use rustls::{
    Error, InconsistentKeys, RootCertStore,
    client::danger::ServerCertVerifier,
    pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime, pem, pem::PemObject},
    server::WebPkiClientVerifier,
};

use super::{
    CredentialsError, PinnedKeys, PublicKey, certificate,
    tls::{self, ClusterVerifier},
};
use crate::transport::{Fingerprints, ProvenPeer};

/// Who a node is, and whom it trusts: its certificate with the private key, and the authority
/// that signed the certificates of all members.
///
/// A certificate must be fit for both ends of a connection (extended key usage `serverAuth` and
/// `clientAuth`, or none). Its names say as whom the agent lets its owner speak; what was dialled is
/// not compared with them.
///
/// Each member has a private key of its own: from it come also the keys by which a restarted node
/// ends the connections of its predecessor.
#[derive(Clone)]
pub struct Credentials {
    pub(super) client: Arc<rustls::ClientConfig>,
    pub(super) server: Arc<rustls::ServerConfig>,
    pub(super) secret: hkdf::Prk,
    not_after: Option<SystemTime>,
    /// SHA-256 of the authorities' certificates.
    authorities: Vec<[u8; 32]>,
    pins: Option<PinnedKeys>,
    public_key: Option<PublicKey>,
}

impl Credentials {
    /// Reads the certificates of the authority, our certificate (with intermediates after it, if
    /// there are any) and our private key from PEM files.
    ///
    /// # Errors
    ///
    /// [`CredentialsError`], which names the file: it cannot be read, has not in it what it
    /// should, or what is in it would be refused by every peer.
    pub fn from_pem_files(
        ca: impl AsRef<Path>,
        cert: impl AsRef<Path>,
        key: impl AsRef<Path>,
    ) -> Result<Self, CredentialsError> {
        let ca = Source::read("authority's certificate", ca.as_ref())?;
        let cert = Source::read("own certificate", cert.as_ref())?;
        let key = Source::read("private key", key.as_ref())?;
        Self::from_sources(&ca, &cert, &key)
    }

    /// As [`from_pem_files`](Self::from_pem_files), from what such files have in them.
    ///
    /// # Errors
    ///
    /// [`CredentialsError`]
    pub fn from_pem(ca: &str, cert: &str, key: &str) -> Result<Self, CredentialsError> {
        let ca = Source::given("authority's certificate", ca);
        let cert = Source::given("own certificate", cert);
        let key = Source::given("private key", key);
        Self::from_sources(&ca, &cert, &key)
    }

    /// As [`from_pem`](Self::from_pem), decoded: the authority's certificates, our certificate
    /// with intermediates after it, our private key.
    ///
    /// # Errors
    ///
    /// [`CredentialsError`]
    pub fn from_der(
        ca: Vec<CertificateDer<'static>>,
        chain: Vec<CertificateDer<'static>>,
        key: PrivateKeyDer<'static>,
    ) -> Result<Self, CredentialsError> {
        let names = ["authority's certificate", "own certificate", "private key"];
        Self::from_parts(ca, chain, key, names.map(String::from))
    }

    /// Our private key (PEM) and the keys of all members, for clusters without an authority: each
    /// end of a connection shows its bare public key (RFC 7250), and is whoever `members` says it
    /// is at that time.
    ///
    /// All members of a cluster do it one way or the other: those with certificates and those
    /// without do not understand each other.
    ///
    /// # Errors
    ///
    /// [`CredentialsError`]
    pub fn from_pinned(key: &str, members: &PinnedKeys) -> Result<Self, CredentialsError> {
        let source = Source::given("private key", key);
        let key = source.private_key()?;
        let secret = key.secret_der().to_vec();
        let (client, server, public_key) = tls::pinned_configs(key, members)
            .map_err(|error| CredentialsError::refused(&source.name, error))?;
        Ok(Self {
            pins: Some(members.clone()),
            public_key: Some(public_key),
            ..Self::from_rustls(client, server, &secret)
        })
    }

    /// From rustls' settings, for those who check more, or otherwise, than the chain up to one
    /// authority: names, revocation lists, pinned keys, keys in hardware.
    ///
    /// The application protocol will be ours, and session resumption and early data are turned
    /// off: a resumed session would let in a peer that is no longer trusted. The name that the
    /// client's verifier is asked for is the peer's IP address. Peers that show anything but an X.509
    /// certificate are not let in, whatever the verifiers say: nobody could tell as whom they speak.
    ///
    /// `secret` must be the same after a restart, and nobody else's: peers notice restarts by it.
    /// Random bytes do, but then peers take a second or so longer to notice.
    #[must_use]
    pub fn from_rustls(
        mut client: rustls::ClientConfig,
        mut server: rustls::ServerConfig,
        secret: &[u8],
    ) -> Self {
        tls::harden(&mut client, &mut server);
        Self {
            client: Arc::new(client),
            server: Arc::new(server),
            secret: tls::secret(secret),
            not_after: None,
            authorities: Vec::new(),
            pins: None,
            public_key: None,
        }
    }

    /// When our own certificate, or one of the intermediates that came with it, expires: the
    /// first of them. None if there is none, or if that is not known: for credentials [from
    /// rustls](Self::from_rustls).
    #[must_use]
    pub fn not_after(&self) -> Option<SystemTime> {
        self.not_after
    }

    /// Our own public key: what the others pin. None for credentials [from
    /// rustls](Self::from_rustls).
    #[must_use]
    pub fn public_key(&self) -> Option<&PublicKey> {
        self.public_key.as_ref()
    }

    /// What our certificate and key, and the authorities, are called.
    pub(super) fn fingerprints(&self) -> Fingerprints {
        Fingerprints {
            not_after: self.not_after,
            authorities: self.authorities.clone(),
            public_key: self.public_key.as_ref().map(PublicKey::sha256),
            ..Fingerprints::default()
        }
    }

    /// Who the other end of a connection is. None if it did not have to show that.
    pub(super) fn peer(&self, conn: &Connection) -> Result<Option<ProvenPeer>, Stranger> {
        let shown = certificate::of(conn)?;
        let Some(pins) = &self.pins else {
            // What cannot be read names nobody, and whoever shows it must not speak as anybody.
            let member = shown.map(|certificate| certificate::member(&certificate).ok_or(Stranger));
            return member.transpose();
        };
        let key = PublicKey::from_der(&shown.ok_or(Stranger)?).map_err(|_| Stranger)?;
        let names = pins.names(&key);
        match names.is_empty() {
            true => Err(Stranger),
            false => Ok(Some(ProvenPeer::new(names, [], key.as_der()))),
        }
    }

    fn from_sources(ca: &Source, cert: &Source, key: &Source) -> Result<Self, CredentialsError> {
        Self::from_parts(
            ca.certificates()?,
            cert.certificates()?,
            key.private_key()?,
            [&ca.name, &cert.name, &key.name].map(Clone::clone),
        )
    }

    fn from_parts(
        ca: Vec<CertificateDer<'static>>,
        chain: Vec<CertificateDer<'static>>,
        key: PrivateKeyDer<'static>,
        [ca_name, cert_name, key_name]: [String; 3],
    ) -> Result<Self, CredentialsError> {
        let mut roots = RootCertStore::empty();
        let authorities = ca.iter().map(|ca| certificate::sha256(ca)).collect();
        for certificate in ca {
            roots
                .add(certificate)
                .map_err(|source| CredentialsError::refused(&ca_name, source))?;
        }
        if roots.is_empty() {
            return Err(CredentialsError::NoCertificate { name: ca_name });
        }
        if chain.is_empty() {
            return Err(CredentialsError::NoCertificate { name: cert_name });
        }
        let roots = Arc::new(roots);
        let secret = key.secret_der().to_vec();
        let (client, server) =
            tls::configs(roots.clone(), chain.clone(), key).map_err(|source| match source {
                Error::InconsistentKeys(InconsistentKeys::KeyMismatch) => {
                    CredentialsError::KeyMismatch {
                        key: key_name.clone(),
                        cert: cert_name.clone(),
                    }
                }
                Error::InvalidCertificate(_) => CredentialsError::refused(&cert_name, source),
                _ => CredentialsError::refused(&key_name, source),
            })?;
        check(&roots, &chain).map_err(|source| CredentialsError::refused(&cert_name, source))?;
        Ok(Self {
            not_after: certificate::not_after(&chain),
            authorities,
            public_key: certificate::public_key(&chain),
            ..Self::from_rustls(client, server, &secret)
        })
    }
}

/// Nobody that we know, or that we know any more.
#[derive(Debug)]
pub(super) struct Stranger;

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credentials").finish_non_exhaustive()
    }
}

/// Looks at our own certificate the way our peers will, so that what they would refuse is found
/// at the start.
fn check(roots: &Arc<RootCertStore>, chain: &[CertificateDer<'static>]) -> Result<(), Error> {
    let Some((own, intermediates)) = chain.split_first() else {
        return Err(Error::NoCertificatesPresented);
    };
    let provider = tls::provider();
    let any = ServerName::from(core::net::IpAddr::from([0, 0, 0, 0]));
    ClusterVerifier::new(roots.clone(), &provider).verify_server_cert(
        own,
        intermediates,
        &any,
        &[],
        UnixTime::now(),
    )?;
    WebPkiClientVerifier::builder_with_provider(roots.clone(), provider)
        .build()
        .map_err(|error| Error::General(error.to_string()))?
        .verify_client_cert(own, intermediates, UnixTime::now())?;
    Ok(())
}

/// PEM text, and what to call it.
struct Source {
    name: String,
    text: Vec<u8>,
}

impl Source {
    fn read(what: &str, path: &Path) -> Result<Self, CredentialsError> {
        let name = format!("{what} {}", path.display());
        match fs::read(path) {
            Ok(text) => Ok(Self { name, text }),
            Err(source) => Err(CredentialsError::Unreadable { name, source }),
        }
    }

    fn given(what: &str, text: &str) -> Self {
        Self {
            name: what.into(),
            text: text.into(),
        }
    }

    fn certificates(&self) -> Result<Vec<CertificateDer<'static>>, CredentialsError> {
        CertificateDer::pem_slice_iter(&self.text)
            .collect::<Result<Vec<_>, _>>()
            .map_err(|source| self.broken(source))
            .and_then(|found| match found.is_empty() {
                true => Err(CredentialsError::NoCertificate {
                    name: self.name.clone(),
                }),
                false => Ok(found),
            })
    }

    fn private_key(&self) -> Result<PrivateKeyDer<'static>, CredentialsError> {
        PrivateKeyDer::from_pem_slice(&self.text).map_err(|source| match source {
            pem::Error::NoItemsFound => CredentialsError::NoPrivateKey {
                name: self.name.clone(),
            },
            source => self.broken(source),
        })
    }

    fn broken(&self, source: pem::Error) -> CredentialsError {
        CredentialsError::BrokenPem {
            name: self.name.clone(),
            source,
        }
    }
}
