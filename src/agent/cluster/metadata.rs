//! What we say of ourselves.

use alloc::vec::Vec;

use super::{Cluster, Command};
use crate::{
    Identity,
    agent::{CommandError, Metadata},
};

impl<I: Identity> Cluster<I> {
    /// Says something else of ourselves: bytes that every member comes to know, and shows as our
    /// [metadata](super::super::MemberInfo::metadata). They keep through renewals of our identity.
    /// See [`Metadata`] for values instead of bytes.
    ///
    /// Returns when it is on its way. A later call overtakes it.
    ///
    /// # Errors
    ///
    /// [`CommandError::TooBig`]: more than [`Metadata::LEN_MAX`], or, where the transport has no
    /// streams, than a third of a packet or 512 bytes. [`Stopped`](CommandError::Stopped).
    pub async fn set_metadata(&self, bytes: impl Into<Vec<u8>>) -> Result<(), CommandError> {
        let bytes = bytes.into();
        self.ask(|reply| Command::SetMetadata { bytes, reply })
            .await?
    }

    /// What we say of ourselves at present, if anything.
    #[must_use]
    pub fn metadata(&self) -> Option<Metadata> {
        self.shared.published().metadata.clone()
    }
}
