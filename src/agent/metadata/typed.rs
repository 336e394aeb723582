//! Metadata as a type of the user's.

use alloc::vec::Vec;

use serde::{Serialize, de::DeserializeOwned};

use super::Metadata;

impl Metadata {
    /// The bytes of a value, in postcard, to be
    /// [set](crate::Cluster::set_metadata).
    ///
    /// # Errors
    ///
    /// When the value cannot be written.
    pub fn encode<T: Serialize>(value: &T) -> Result<Vec<u8>, ::postcard::Error> {
        ::postcard::to_allocvec(value)
    }

    /// The value that a member [wrote](Self::encode). Postcard does not describe itself: members
    /// of different versions agree on a type that both can read, such as an enum that grows.
    ///
    /// # Errors
    ///
    /// When it is no such value, or has more bytes than that.
    pub fn decode<T: DeserializeOwned>(&self) -> Result<T, ::postcard::Error> {
        let (value, rest) = ::postcard::take_from_bytes(self.bytes())?;
        match rest {
            [] => Ok(value),
            _ => Err(::postcard::Error::DeserializeBadEncoding),
        }
    }
}
