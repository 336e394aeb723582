//! The keys that are in use.

use alloc::{format, string::String, sync::Arc, vec::Vec};
use core::fmt;
use std::{
    fs, io,
    path::{Path, PathBuf},
    sync::{PoisonError, RwLock},
};

use zeroize::Zeroizing;

use super::key::{Key, KeyId, Secret};

/// The keys of a cluster: one seals what is sent, and each of them opens what is received.
///
/// Clones are handles to the same keys, which can be changed while they are in use. To replace a
/// key without losing a packet: [`add`](Self::add) the new one at every member, then
/// [`make_primary`](Self::make_primary) at every member, then [`remove`](Self::remove) the old
/// one at every member.
///
/// ```
/// use selkie::transports::udp::{Key, Keyring};
///
/// let old = Key::from_hex("8d969eef6ecad3c29a3a629280e686cf0c3f5d5a86aff3ca12020c923adc6c92")?;
/// let new = Key::from_base64("g5Xsb7AZeGjdGZsP09K6uRN0rh0jJ1dv4bSPMDSq5iM=")?;
/// let keyring = Keyring::new(&old);
/// keyring.add(&new)?;
/// keyring.make_primary(&new)?;
/// keyring.remove(&old)?;
/// assert_eq!(keyring.ids(), [new.id()]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct Keyring(Arc<RwLock<Ring>>);

/// The keys, of which the first seals. Never empty.
type Ring = Arc<[Arc<InUse>]>;

/// What is derived from a key, for each of its uses.
pub(super) struct InUse {
    pub(super) id: KeyId,
    key: Key,
    pub(super) datagrams: Secret,
    pub(super) greetings: Secret,
    pub(super) streams: Secret,
}

impl Keyring {
    /// The most keys at a time.
    pub const KEYS_MAX: usize = 8;

    /// One key, which seals and opens.
    #[must_use]
    pub fn new(key: &Key) -> Self {
        Self(Arc::new(RwLock::new([InUse::new(key)].into())))
    }

    /// Reads a file of keys: one per line, in hexadecimal or base64, of which the first seals.
    /// Empty lines and those that begin with `#` are passed over.
    ///
    /// # Errors
    ///
    /// [`KeyFileError`]: which file, and why.
    pub fn from_file(path: impl AsRef<Path>) -> Result<Self, KeyFileError> {
        Ok(Self(Arc::new(RwLock::new(read(path.as_ref())?))))
    }

    /// Puts the keys of a file in the place of those that are in use.
    ///
    /// # Errors
    ///
    /// As [`from_file`](Self::from_file); all is as before then.
    pub fn reload(&self, path: impl AsRef<Path>) -> Result<(), KeyFileError> {
        let ring = read(path.as_ref())?;
        self.change(|in_use| *in_use = ring);
        Ok(())
    }

    /// Opens what this key seals, from now on. One that is there already stays as it is.
    ///
    /// # Errors
    ///
    /// [`KeyringError::Full`], when there are [`KEYS_MAX`](Self::KEYS_MAX) others.
    pub fn add(&self, key: &Key) -> Result<(), KeyringError> {
        self.change(|ring| {
            if position(ring, key).is_some() {
                return Ok(());
            }
            if ring.len() >= Self::KEYS_MAX {
                return Err(KeyringError::Full);
            }
            *ring = ring.iter().cloned().chain([InUse::new(key)]).collect();
            Ok(())
        })
    }

    /// Seals with this key from now on. The former one still opens.
    ///
    /// # Errors
    ///
    /// [`KeyringError::Unknown`], when it was not added.
    pub fn make_primary(&self, key: &Key) -> Result<(), KeyringError> {
        self.change(|ring| {
            let position = position(ring, key).ok_or(KeyringError::Unknown)?;
            let mut keys: Vec<_> = ring.iter().cloned().collect();
            if let Some(upto) = keys.get_mut(..=position) {
                upto.rotate_right(1);
            }
            *ring = keys.into();
            Ok(())
        })
    }

    /// Opens nothing with this key any more. Streams that were opened with it go on.
    ///
    /// # Errors
    ///
    /// [`KeyringError::Unknown`], when it is not there, and [`KeyringError::Primary`], when it is
    /// the one that seals.
    pub fn remove(&self, key: &Key) -> Result<(), KeyringError> {
        self.change(|ring| match position(ring, key) {
            None => Err(KeyringError::Unknown),
            Some(0) => Err(KeyringError::Primary),
            Some(_) => {
                *ring = ring
                    .iter()
                    .filter(|in_use| in_use.key != *key)
                    .cloned()
                    .collect();
                Ok(())
            }
        })
    }

    /// What the keys are called, the one that seals first.
    #[must_use]
    pub fn ids(&self) -> Vec<KeyId> {
        self.ring().iter().map(|key| key.id).collect()
    }

    /// The key that seals.
    pub(super) fn primary(&self) -> Arc<InUse> {
        let ring = self.ring();
        Arc::clone(ring.first().expect("a keyring is never empty"))
    }

    /// The keys that may have sealed what carries this hint.
    pub(super) fn hinted(&self, hint: u8) -> impl Iterator<Item = Arc<InUse>> + use<> {
        let ring = self.ring();
        (0..ring.len())
            .filter_map(move |index| ring.get(index).cloned())
            .filter(move |key| key.id.hint() == hint)
    }

    fn ring(&self) -> Ring {
        // Nothing panics while it holds the lock.
        let ring = self.0.read().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(&ring)
    }

    fn change<R>(&self, change: impl FnOnce(&mut Ring) -> R) -> R {
        change(&mut self.0.write().unwrap_or_else(PoisonError::into_inner))
    }
}

impl fmt::Debug for Keyring {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Keyring").field(&self.ids()).finish()
    }
}

impl InUse {
    fn new(key: &Key) -> Arc<Self> {
        Arc::new(Self {
            id: key.id(),
            datagrams: key.derive(b"selkie datagrams"),
            greetings: key.derive(b"selkie greetings"),
            streams: key.derive(b"selkie streams 1"),
            key: key.clone(),
        })
    }
}

fn position(ring: &Ring, key: &Key) -> Option<usize> {
    ring.iter().position(|in_use| in_use.key == *key)
}

fn read(path: &Path) -> Result<Ring, KeyFileError> {
    let failed = |reason| KeyFileError {
        path: path.into(),
        reason,
    };
    let text =
        fs::read_to_string(path).map_err(|error| failed(KeyFileReason::Unreadable(error)))?;
    let text = Zeroizing::new(text);
    let mut keys: Vec<Arc<InUse>> = Vec::new();
    for (number, line) in (1..).zip(text.lines()) {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let key: Key = line
            .parse()
            .map_err(|_| failed(KeyFileReason::InvalidKey { line: number }))?;
        if keys.iter().all(|in_use| in_use.key != key) {
            keys.push(InUse::new(&key));
        }
    }
    match keys.len() {
        0 => Err(failed(KeyFileReason::NoKey)),
        1..=Keyring::KEYS_MAX => Ok(keys.into()),
        _ => Err(failed(KeyFileReason::TooMany)),
    }
}

/// Why a keyring was not changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum KeyringError {
    /// There are [`Keyring::KEYS_MAX`] keys already.
    Full,
    /// The key is not there.
    Unknown,
    /// The key is the one that seals: make another one primary first.
    Primary,
}

impl fmt::Display for KeyringError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Full => "there are as many keys as there may be",
            Self::Unknown => "no such key",
            Self::Primary => "the key seals what is sent: make another one primary first",
        })
    }
}

impl core::error::Error for KeyringError {}

/// Why keys could not be had from a file. It never says what the file has in it.
#[derive(Debug)]
pub struct KeyFileError {
    /// The file.
    pub path: PathBuf,
    /// What is wrong with it.
    pub reason: KeyFileReason,
}

/// What is wrong with a file of keys.
#[derive(Debug)]
#[non_exhaustive]
pub enum KeyFileReason {
    /// It cannot be read, or is not text.
    Unreadable(io::Error),
    /// A line is not a key.
    InvalidKey {
        /// The first such line, counted from 1.
        line: usize,
    },
    /// There is no key in it.
    NoKey,
    /// There are more than [`Keyring::KEYS_MAX`].
    TooMany,
}

impl fmt::Display for KeyFileError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let why: String = match &self.reason {
            KeyFileReason::Unreadable(error) => format!("cannot be read: {error}"),
            KeyFileReason::InvalidKey { line } => {
                format!("line {line} is not a key: {}", super::key::InvalidKey)
            }
            KeyFileReason::NoKey => "has no key".into(),
            KeyFileReason::TooMany => format!("has more than {} keys", Keyring::KEYS_MAX),
        };
        write!(f, "{} {why}", self.path.display())
    }
}

impl core::error::Error for KeyFileError {
    fn source(&self) -> Option<&(dyn core::error::Error + 'static)> {
        match &self.reason {
            KeyFileReason::Unreadable(error) => Some(error),
            _ => None,
        }
    }
}
