//! Who the other end is proven to be.

use alloc::{boxed::Box, sync::Arc, vec::Vec};
use core::net::IpAddr;

/// Whom a peer proved to be: what its certificate, or whatever the transport asks for, says of it.
///
/// Cheap to clone. Transports that prove nothing have none.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ProvenPeer(Arc<Says>);

#[derive(Debug, PartialEq, Eq, Hash)]
struct Says {
    names: Vec<Box<str>>,
    addrs: Vec<IpAddr>,
    public_key: Box<[u8]>,
}

impl ProvenPeer {
    /// A peer that proved to go by these names, to live at these addresses (none: anywhere), and
    /// to hold this public key.
    pub fn new<N: Into<Box<str>>>(
        names: impl IntoIterator<Item = N>,
        addrs: impl IntoIterator<Item = IpAddr>,
        public_key: impl Into<Box<[u8]>>,
    ) -> Self {
        Self(Arc::new(Says {
            names: names.into_iter().map(Into::into).collect(),
            addrs: addrs.into_iter().collect(),
            public_key: public_key.into(),
        }))
    }

    /// The names that it may go by.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.0.names.iter().map(AsRef::as_ref)
    }

    /// The addresses that it may live at. None at all stands for any.
    #[must_use]
    pub fn addrs(&self) -> &[IpAddr] {
        &self.0.addrs
    }

    /// Its public key: a `SubjectPublicKeyInfo` (RFC 5280, section 4.1) in DER.
    #[must_use]
    pub fn public_key(&self) -> &[u8] {
        &self.0.public_key
    }
}
