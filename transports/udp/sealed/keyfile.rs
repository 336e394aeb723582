//! Keys that are kept in a file, and changed there.

use alloc::{borrow::ToOwned, format, string::String, sync::Arc, vec::Vec};
use core::fmt;
use std::{
    fs, io,
    io::Write,
    path::{Path, PathBuf},
    sync::{Mutex, PoisonError},
};

use zeroize::Zeroizing;

use super::{
    key::{Key, KeyId},
    keyring::{KeyFileError, Keyring, KeyringError},
};

/// A keyring and the file that it is read from: what is changed here is changed in both, so that it
/// is the same after a restart, and when the file is [read again](Keyring::reload).
///
/// The file is replaced as a whole, with the permissions of the former one; its comments stay. So
/// its folder must be writable. Where the file is a symbolic link, that what it leads to is replaced.
#[derive(Clone, Debug)]
pub struct KeyFile(Arc<Kept>);

#[derive(Debug)]
struct Kept {
    keyring: Keyring,
    path: PathBuf,
    /// One change at a time.
    turn: Mutex<()>,
}

impl KeyFile {
    /// This keyring, and the file that it came [from](Keyring::from_file). Nothing is read yet.
    pub fn new(keyring: &Keyring, path: impl AsRef<Path>) -> Self {
        Self(Arc::new(Kept {
            keyring: keyring.clone(),
            path: path.as_ref().into(),
            turn: Mutex::new(()),
        }))
    }

    /// Adds a key as the file's last: it opens from now on. One that is there already stays as it
    /// is.
    ///
    /// # Errors
    ///
    /// [`KeyChangeError`]: nothing has changed.
    pub fn add(&self, key: &Key) -> Result<(), KeyChangeError> {
        self.change(|lines| {
            if lines.iter().any(|line| line.is(key.id())) {
                return Ok(());
            }
            if lines.iter().filter(|line| line.key.is_some()).count() >= Keyring::KEYS_MAX {
                return Err(KeyringError::Full);
            }
            lines.push(Line {
                text: key.to_base64(),
                key: Some(key.id()),
            });
            Ok(())
        })
    }

    /// Moves a key to the file's beginning: it seals from now on.
    ///
    /// # Errors
    ///
    /// [`KeyChangeError`]: nothing has changed.
    pub fn make_primary(&self, id: KeyId) -> Result<(), KeyChangeError> {
        self.change(|lines| {
            let place = lines.iter().position(|line| line.is(id));
            let place = place.ok_or(KeyringError::Unknown)?;
            // Comments at the top stay there.
            let first = lines.iter().position(|line| line.key.is_some());
            let first = first.unwrap_or_default();
            if let Some(upto) = lines.get_mut(first..=place) {
                upto.rotate_right(1);
            }
            Ok(())
        })
    }

    /// Takes a key out of the file: nothing is opened with it any more.
    ///
    /// # Errors
    ///
    /// [`KeyChangeError`]: nothing has changed.
    pub fn remove(&self, id: KeyId) -> Result<(), KeyChangeError> {
        self.change(|lines| {
            let mut keys = lines.iter().filter(|line| line.key.is_some());
            if keys.next().is_some_and(|primary| primary.is(id)) {
                return Err(KeyringError::Primary);
            }
            let before = lines.len();
            lines.retain(|line| !line.is(id));
            match lines.len() < before {
                true => Ok(()),
                false => Err(KeyringError::Unknown),
            }
        })
    }

    /// What the keys that are in use are called, the one that seals first.
    #[must_use]
    pub fn ids(&self) -> Vec<KeyId> {
        self.0.keyring.ids()
    }

    fn change(
        &self,
        change: impl FnOnce(&mut Vec<Line>) -> Result<(), KeyringError>,
    ) -> Result<(), KeyChangeError> {
        let Kept {
            keyring,
            path,
            turn,
        } = &*self.0;
        let _turn = turn.lock().unwrap_or_else(PoisonError::into_inner);
        // What the file has is what counts: it may have been changed by hand.
        keyring.reload(path).map_err(KeyChangeError::File)?;
        let failed = |error| KeyChangeError::Unwritable {
            path: path.clone(),
            source: error,
        };
        let path = fs::canonicalize(path).map_err(failed)?;
        let text = Zeroizing::new(fs::read_to_string(&path).map_err(failed)?);
        let mut lines: Vec<_> = text.lines().map(Line::new).collect();
        change(&mut lines).map_err(KeyChangeError::Keys)?;
        let mut text = Zeroizing::new(String::with_capacity(text.len() + 64));
        for line in &lines {
            text.push_str(&line.text);
            text.push('\n');
        }
        replace(&path, text.as_bytes()).map_err(failed)?;
        keyring.reload(&path).map_err(KeyChangeError::File)
    }
}

/// A line of the file, and which key it is, if it is one.
struct Line {
    text: Zeroizing<String>,
    key: Option<KeyId>,
}

impl Line {
    fn new(text: &str) -> Self {
        let key: Option<Key> = text.trim().parse().ok();
        Self {
            text: Zeroizing::new(text.to_owned()),
            key: key.map(|key| key.id()),
        }
    }

    fn is(&self, id: KeyId) -> bool {
        self.key == Some(id)
    }
}

/// Puts another file in the place of this one: at every moment it is the one or the other.
fn replace(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let draft = path.with_file_name(format!(".{name}.{}", std::process::id()));
    let permissions = fs::metadata(path)?.permissions();
    let written = write(&draft, permissions, bytes).and_then(|()| fs::rename(&draft, path));
    if written.is_err() {
        let _ = fs::remove_file(&draft);
    }
    written
}

fn write(draft: &Path, permissions: fs::Permissions, bytes: &[u8]) -> io::Result<()> {
    // One that was left behind by a crash.
    let _ = fs::remove_file(draft);
    let mut options = fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(draft)?;
    file.write_all(bytes)?;
    file.set_permissions(permissions)?;
    file.sync_all()
}

/// Why a file of keys was not changed.
#[derive(Debug)]
#[non_exhaustive]
pub enum KeyChangeError {
    /// The keys do not allow it.
    Keys(KeyringError),
    /// The file is not one of keys.
    File(KeyFileError),
    /// The file could not be written.
    Unwritable {
        /// Which one.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

impl fmt::Display for KeyChangeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Keys(source) => source.fmt(f),
            Self::File(source) => source.fmt(f),
            Self::Unwritable { path, source } => {
                write!(f, "{} cannot be written: {source}", path.display())
            }
        }
    }
}

impl core::error::Error for KeyChangeError {
    fn source(&self) -> Option<&(dyn core::error::Error + 'static)> {
        match self {
            Self::Keys(source) => Some(source),
            Self::File(source) => Some(source),
            Self::Unwritable { source, .. } => Some(source),
        }
    }
}
