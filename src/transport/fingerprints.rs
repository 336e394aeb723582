//! What keys and certificates are called.

use alloc::vec::Vec;
use std::time::SystemTime;

/// By which keys and certificates a transport proves itself, and whom it trusts: what they are
/// called, and never the keys themselves. None of it is secret.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Fingerprints {
    /// The names of the keys that the cluster shares, the one that seals first: 4 bytes of each, by
    /// which nothing is learned of it. Empty where there are none.
    pub keys: Vec<[u8; 4]>,
    /// When the certificate expires by which we prove ourselves, if there is one, and that is known.
    pub not_after: Option<SystemTime>,
    /// The authorities whose certificates are trusted: SHA-256 of the certificate of each, in DER.
    pub authorities: Vec<[u8; 32]>,
    /// Our own public key: SHA-256 of its `SubjectPublicKeyInfo` (RFC 5280, section 4.1) in DER.
    pub public_key: Option<[u8; 32]>,
}
