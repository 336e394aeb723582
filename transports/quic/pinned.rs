//! Members known by their keys, without an authority (RFC 7250).

use alloc::{borrow::ToOwned, collections::BTreeSet, format, string::String, sync::Arc, vec::Vec};
use core::fmt;
use std::{
    fs,
    path::Path,
    sync::{PoisonError, RwLock},
};

use rustls::{
    CertificateError, DigitallySignedStruct, DistinguishedName, Error, SignatureScheme,
    client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
    crypto::{CryptoProvider, WebPkiSupportedAlgorithms, verify_tls13_signature_with_raw_key},
    pki_types::{CertificateDer, ServerName, SubjectPublicKeyInfoDer, UnixTime, pem::PemObject},
    server::danger::{ClientCertVerified, ClientCertVerifier},
};
use x509_parser::prelude::{FromDer, SubjectPublicKeyInfo};

use super::{CredentialsError, certificate};

/// The public key of a member.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PublicKey(Arc<[u8]>);

impl PublicKey {
    /// From PEM: a section `PUBLIC KEY`.
    ///
    /// # Errors
    ///
    /// [`CredentialsError`]: there is no such section, or no key in it.
    pub fn from_pem(pem: &str) -> Result<Self, CredentialsError> {
        let der = SubjectPublicKeyInfoDer::from_pem_slice(pem.as_bytes()).map_err(|source| {
            CredentialsError::BrokenPem {
                name: NAME.into(),
                source,
            }
        })?;
        Self::from_der(&der)
    }

    /// From a `SubjectPublicKeyInfo` (RFC 5280, section 4.1), as of
    /// [`ProvenPeer::public_key`](crate::transport::ProvenPeer::public_key).
    ///
    /// # Errors
    ///
    /// [`CredentialsError::BrokenKey`], when it is none.
    pub fn from_der(der: &[u8]) -> Result<Self, CredentialsError> {
        match SubjectPublicKeyInfo::from_der(der) {
            Ok(([], _)) => Ok(Self(der.into())),
            _ => Err(CredentialsError::BrokenKey { name: NAME.into() }),
        }
    }

    /// The `SubjectPublicKeyInfo`.
    #[must_use]
    pub fn as_der(&self) -> &[u8] {
        &self.0
    }

    /// What the key is called: SHA-256 of that.
    #[must_use]
    pub fn sha256(&self) -> [u8; 32] {
        certificate::sha256(&self.0)
    }
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PublicKey(")?;
        // The end of it: keys of one kind begin alike.
        let rest = self.0.len().saturating_sub(8);
        for byte in self.0.iter().skip(rest) {
            write!(f, "{byte:02x}")?;
        }
        f.write_str(")")
    }
}

/// What to call a key that came from nowhere in particular.
const NAME: &str = "public key";

/// Who the members are: pairs of a name and the key that proves it. Clones are the same list, which
/// may change while nodes run.
///
/// A name may have several keys, as while one is replaced by another, and a key several names.
#[derive(Clone, Debug, Default)]
pub struct PinnedKeys(Arc<RwLock<BTreeSet<(PublicKey, String)>>>);

impl PinnedKeys {
    /// Nobody.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Reads a list from a file: a member per line, its name, then its public key in base64, as
    /// between the marks of a PEM section `PUBLIC KEY`. Empty lines and those that begin with `#`
    /// are passed over.
    ///
    /// # Errors
    ///
    /// [`CredentialsError`]: it cannot be read, a line of it is no such line, or there is none.
    pub fn from_file(path: impl AsRef<Path>) -> Result<Self, CredentialsError> {
        Ok(Self(Arc::new(RwLock::new(read(path.as_ref())?))))
    }

    /// Puts the list in a file in the place of this one. Returns whether that is another one. As
    /// with [`unpin`](Self::unpin), connections that stand are for [`Quic::cut`](super::Quic::cut)
    /// to end.
    ///
    /// # Errors
    ///
    /// As [`from_file`](Self::from_file): the list is as it was then.
    pub fn reload(&self, path: impl AsRef<Path>) -> Result<bool, CredentialsError> {
        let list = read(path.as_ref())?;
        let mut pins = self.0.write().unwrap_or_else(PoisonError::into_inner);
        let is_other = *pins != list;
        *pins = list;
        Ok(is_other)
    }

    /// From now on, whoever has this key is the member of this name. Returns whether that is new.
    pub fn pin(&self, name: &str, key: &PublicKey) -> bool {
        let mut pins = self.0.write().unwrap_or_else(PoisonError::into_inner);
        pins.insert((key.clone(), name.to_owned()))
    }

    /// From now on, whoever has this key is not that member. New connections are refused; those
    /// that stand are for [`Quic::cut`](super::Quic::cut) to end. Returns whether it was.
    pub fn unpin(&self, name: &str, key: &PublicKey) -> bool {
        let mut pins = self.0.write().unwrap_or_else(PoisonError::into_inner);
        pins.remove(&(key.clone(), name.to_owned()))
    }

    /// The names of the members that have this key.
    #[must_use]
    pub fn names(&self, key: &PublicKey) -> Vec<String> {
        let pins = self.0.read().unwrap_or_else(PoisonError::into_inner);
        let names = pins
            .range((key.clone(), String::new())..)
            .take_while(|(it, _)| it == key);
        names.map(|(_, name)| name.clone()).collect()
    }

    /// The keys of the member of this name.
    #[must_use]
    pub fn keys(&self, name: &str) -> Vec<PublicKey> {
        let pins = self.0.read().unwrap_or_else(PoisonError::into_inner);
        let keys = pins.iter().filter(|(_, it)| it == name);
        keys.map(|(key, _)| key.clone()).collect()
    }

    /// Whether some member has this key.
    #[must_use]
    pub fn is_pinned(&self, key: &PublicKey) -> bool {
        !self.names(key).is_empty()
    }
}

fn read(path: &Path) -> Result<BTreeSet<(PublicKey, String)>, CredentialsError> {
    let name = format!("list of keys {}", path.display());
    let text = match fs::read_to_string(path) {
        Ok(text) => text,
        Err(source) => return Err(CredentialsError::Unreadable { name, source }),
    };
    let mut pins = BTreeSet::new();
    for (number, line) in (1..).zip(text.lines()) {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let broken = || CredentialsError::BrokenKey {
            name: format!("line {number} of {name}"),
        };
        let (member, key) = line.split_once(char::is_whitespace).ok_or_else(broken)?;
        let pem = format!(
            "-----BEGIN PUBLIC KEY-----\n{}\n-----END PUBLIC KEY-----\n",
            key.trim()
        );
        let key = PublicKey::from_pem(&pem).map_err(|_| broken())?;
        pins.insert((key, member.to_owned()));
    }
    match pins.is_empty() {
        true => Err(CredentialsError::NoPublicKey { name }),
        false => Ok(pins),
    }
}

/// Lets in whoever has a pinned key.
#[derive(Debug)]
pub(super) struct PinVerifier {
    pins: PinnedKeys,
    algorithms: WebPkiSupportedAlgorithms,
}

impl PinVerifier {
    pub(super) fn new(pins: PinnedKeys, provider: &CryptoProvider) -> Self {
        Self {
            pins,
            algorithms: provider.signature_verification_algorithms,
        }
    }

    fn check(&self, key: &CertificateDer<'_>) -> Result<(), Error> {
        let is_pinned = PublicKey::from_der(key).is_ok_and(|key| self.pins.is_pinned(&key));
        match is_pinned {
            true => Ok(()),
            false => Err(CertificateError::ApplicationVerificationFailure.into()),
        }
    }

    fn verify(
        &self,
        message: &[u8],
        key: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let key = SubjectPublicKeyInfoDer::from(key.as_ref());
        verify_tls13_signature_with_raw_key(message, &key, signed, &self.algorithms)
    }
}

/// There is only TLS 1.3 in QUIC.
fn no_tls12() -> Error {
    Error::General("raw public keys are for TLS 1.3".into())
}

impl ServerCertVerifier for PinVerifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        self.check(end_entity)
            .map(|()| ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _message: &[u8],
        _cert: &CertificateDer<'_>,
        _signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Err(no_tls12())
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.verify(message, cert, signed)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }

    fn requires_raw_public_keys(&self) -> bool {
        true
    }
}

impl ClientCertVerifier for PinVerifier {
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &[]
    }

    fn verify_client_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        self.check(end_entity)
            .map(|()| ClientCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _message: &[u8],
        _cert: &CertificateDer<'_>,
        _signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Err(no_tls12())
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.verify(message, cert, signed)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }

    fn requires_raw_public_keys(&self) -> bool {
        true
    }
}
