//! What certificates say.

use alloc::vec::Vec;
use core::{net::IpAddr, time::Duration};
use std::time::SystemTime;

use quinn::Connection;
use rustls::pki_types::CertificateDer;
use x509_parser::prelude::{FromDer, GeneralName, X509Certificate};

use super::{PublicKey, credentials::Stranger};
use crate::transport::ProvenPeer;

/// The certificate, or the bare public key, that the other end showed in the handshake, if it had
/// to show any.
pub(super) fn of(conn: &Connection) -> Result<Option<CertificateDer<'static>>, Stranger> {
    let Some(identity) = conn.peer_identity() else {
        return Ok(None);
    };
    let chain = identity.downcast::<Vec<CertificateDer<'static>>>();
    let first = chain.ok().and_then(|chain| chain.into_iter().next());
    first.map(Some).ok_or(Stranger)
}

/// Whom a certificate is for: the DNS names and IP addresses among its subject alternative names.
pub(super) fn member(certificate: &CertificateDer<'_>) -> Option<ProvenPeer> {
    let (_, certificate) = X509Certificate::from_der(certificate).ok()?;
    let also = certificate.subject_alternative_name().ok()?;
    let also = also
        .iter()
        .flat_map(|extension| &extension.value.general_names);
    let names = also.clone().filter_map(|name| match name {
        GeneralName::DNSName(name) => Some(*name),
        _ => None,
    });
    let addrs = also.filter_map(|name| match name {
        GeneralName::IPAddress(octets) => addr(octets),
        _ => None,
    });
    Some(ProvenPeer::new(names, addrs, certificate.public_key().raw))
}

/// When the first of these certificates expires.
pub(super) fn not_after(chain: &[CertificateDer<'_>]) -> Option<SystemTime> {
    let ends = chain.iter().filter_map(|certificate| {
        let (_, certificate) = X509Certificate::from_der(certificate).ok()?;
        let secs = u64::try_from(certificate.validity().not_after.timestamp()).ok()?;
        SystemTime::UNIX_EPOCH.checked_add(Duration::from_secs(secs))
    });
    ends.min()
}

/// The public key that the first of these certificates is for.
pub(super) fn public_key(chain: &[CertificateDer<'_>]) -> Option<PublicKey> {
    let (_, certificate) = X509Certificate::from_der(chain.first()?).ok()?;
    PublicKey::from_der(certificate.public_key().raw).ok()
}

/// What a certificate, or a key, is called.
pub(super) fn sha256(der: &[u8]) -> [u8; 32] {
    let digest = ring::digest::digest(&ring::digest::SHA256, der);
    let mut name = [0; 32];
    name.copy_from_slice(digest.as_ref().first_chunk::<32>().unwrap_or(&[0; 32]));
    name
}

fn addr(octets: &[u8]) -> Option<IpAddr> {
    let v4 = <[u8; 4]>::try_from(octets).map(IpAddr::from);
    let v6 = <[u8; 16]>::try_from(octets).map(IpAddr::from);
    v4.or(v6).ok()
}
