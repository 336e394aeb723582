//! Keys that a cluster shares.

use alloc::string::String;
use core::{fmt, str::FromStr};
use std::io;

use base64ct::{Base64, Encoding};
use chacha20::{R20, hchacha};
use zeroize::Zeroizing;

/// A key that the members of a cluster share, of 256 bits.
///
/// Whoever has it is a member, and can speak in the name of any other: it proves membership, not
/// which member. It is wiped from memory when dropped, and not shown by `Debug`.
#[derive(Clone, PartialEq, Eq)]
pub struct Key(Secret);

pub(super) type Secret = Zeroizing<[u8; Key::LEN]>;

impl Key {
    /// How many bytes a key has.
    pub const LEN: usize = 32;

    /// A new key, from the system's random numbers.
    ///
    /// # Errors
    ///
    /// When the system has none.
    pub fn generate() -> io::Result<Self> {
        let mut key = Secret::default();
        random(&mut *key)?;
        Ok(Self(key))
    }

    /// The key of these bytes, which must be random.
    #[must_use]
    pub fn from_bytes(bytes: &[u8; Self::LEN]) -> Self {
        Self(Zeroizing::new(*bytes))
    }

    /// Reads 64 hexadecimal digits.
    ///
    /// # Errors
    ///
    /// [`InvalidKey`], when it is something else.
    pub fn from_hex(text: &str) -> Result<Self, InvalidKey> {
        let mut key = Secret::default();
        let decoded = base16ct::mixed::decode(text, &mut *key).map_err(|_| InvalidKey)?;
        let is_whole = decoded.len() == Self::LEN;
        is_whole.then_some(Self(key)).ok_or(InvalidKey)
    }

    /// Reads 32 bytes in base64 (RFC 4648, section 4), padded: 44 characters.
    ///
    /// # Errors
    ///
    /// [`InvalidKey`], when it is something else.
    pub fn from_base64(text: &str) -> Result<Self, InvalidKey> {
        let mut key = Secret::default();
        let decoded = Base64::decode(text, &mut *key).map_err(|_| InvalidKey)?;
        let is_whole = decoded.len() == Self::LEN;
        is_whole.then_some(Self(key)).ok_or(InvalidKey)
    }

    /// The key in base64, as it is kept in files.
    #[must_use]
    pub fn to_base64(&self) -> Zeroizing<String> {
        Zeroizing::new(Base64::encode_string(&*self.0))
    }

    /// What the key is called: not secret, and of no use for finding it.
    #[must_use]
    pub fn id(&self) -> KeyId {
        let name = self.derive(b"selkie key names");
        let mut id = [0; KeyId::LEN];
        id.copy_from_slice(name.first_chunk::<{ KeyId::LEN }>().unwrap_or(&[0; 4]));
        KeyId(id)
    }

    /// A key for one purpose; nothing is learned about the others from it.
    pub(super) fn derive(&self, purpose: &[u8; 16]) -> Secret {
        derive(&self.0, purpose)
    }
}

/// `HChaCha20`, a pseudo-random function of 16 bytes.
pub(super) fn derive(key: &Secret, input: &[u8; 16]) -> Secret {
    let mut derived = hchacha::<R20>(&(**key).into(), &(*input).into());
    let secret = Zeroizing::new(derived.0);
    zeroize::Zeroize::zeroize(&mut derived.0);
    secret
}

/// Fills in random numbers that nobody can foretell.
pub(super) fn random(bytes: &mut [u8]) -> io::Result<()> {
    getrandom::fill(bytes).map_err(|error| io::Error::other(alloc::format!("{error}")))
}

/// Hexadecimal or base64.
impl FromStr for Key {
    type Err = InvalidKey;

    fn from_str(text: &str) -> Result<Self, InvalidKey> {
        Self::from_hex(text).or_else(|_| Self::from_base64(text))
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Key").field(&self.id()).finish()
    }
}

/// What a [`Key`] is called in logs and lists: eight hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KeyId([u8; Self::LEN]);

impl KeyId {
    const LEN: usize = 4;

    /// The id that has these digits.
    ///
    /// # Errors
    ///
    /// [`InvalidKeyId`], when they are not eight hexadecimal digits.
    pub fn from_hex(text: &str) -> Result<Self, InvalidKeyId> {
        let mut id = [0; Self::LEN];
        let decoded = base16ct::mixed::decode(text, &mut id).map_err(|_| InvalidKeyId)?;
        let is_whole = decoded.len() == Self::LEN;
        is_whole.then_some(Self(id)).ok_or(InvalidKeyId)
    }

    /// The four bytes that the digits stand for, as in
    /// [`Fingerprints::keys`](crate::transport::Fingerprints::keys).
    #[must_use]
    pub const fn bytes(self) -> [u8; 4] {
        self.0
    }

    /// What datagrams carry of it, so that not all keys need be tried.
    pub(super) fn hint(self) -> u8 {
        self.0[0]
    }
}

impl fmt::Display for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:08x}", u32::from_be_bytes(self.0))
    }
}

impl fmt::Debug for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for KeyId {
    type Err = InvalidKeyId;

    fn from_str(text: &str) -> Result<Self, InvalidKeyId> {
        Self::from_hex(text)
    }
}

/// A text is not what a key is called.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InvalidKeyId;

impl fmt::Display for InvalidKeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a key is called by 8 hexadecimal digits, as `selkie keys list` shows them")
    }
}

impl core::error::Error for InvalidKeyId {}

/// A text is not a key. It does not say what it was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InvalidKey;

impl fmt::Display for InvalidKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a key is 32 bytes, as 64 hexadecimal digits or 44 characters of base64")
    }
}

impl core::error::Error for InvalidKey {}
