//! PEM files, and those of keys, written whole or not at all.

use std::{
    fs, io,
    io::Write,
    path::{Path, PathBuf},
};

use tempfile::NamedTempFile;

use crate::failure::Failure;

/// Who may read a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Readers {
    /// Its owner: keys.
    Owner,
    /// Everybody that may read the directory: certificates.
    All,
}

/// Makes the directory, and those above it.
pub(crate) fn make_dir(dir: &Path) -> Result<(), Failure> {
    fs::create_dir_all(dir)
        .map_err(|error| Failure::caused(format!("cannot make {}", dir.display()), &error))
}

/// Reads a file as `selkie certs` writes it.
pub(crate) fn read(path: &Path) -> Result<String, Failure> {
    fs::read_to_string(path).map_err(|error| {
        let failure = Failure::caused(format!("cannot read {}", path.display()), &error);
        if error.kind() == io::ErrorKind::NotFound {
            failure.hint("make an authority first: selkie certs init")
        } else {
            failure
        }
    })
}

/// Refuses if one of the files exists.
pub(crate) fn check_absent(paths: &[&PathBuf], force_means: &str) -> Result<(), Failure> {
    match paths.iter().find(|path| path.exists()) {
        None => Ok(()),
        Some(path) => Err(exists(path, force_means)),
    }
}

/// Writes a file under a temporary name, then gives it its own: there is never half a key.
pub(crate) fn write(
    path: &Path,
    pem: &str,
    readers: Readers,
    force: bool,
    force_means: &str,
) -> Result<(), Failure> {
    let file = draft(path, pem.as_bytes(), readers)?;
    let persisted = if force {
        file.persist(path)
    } else {
        file.persist_noclobber(path)
    };
    match persisted {
        Ok(_) => Ok(()),
        Err(error) if error.error.kind() == io::ErrorKind::AlreadyExists => {
            Err(exists(path, force_means))
        }
        Err(error) => Err(unwritable(path, &error.error)),
    }
}

/// A file beside the one whose place it is to take.
pub(super) fn draft(path: &Path, text: &[u8], readers: Readers) -> Result<NamedTempFile, Failure> {
    let dir = path.parent().unwrap_or(Path::new("."));
    let drafted = temporary(dir, readers).and_then(|mut file| {
        file.write_all(text)?;
        file.as_file().sync_all()?;
        Ok(file)
    });
    drafted.map_err(|error| unwritable(path, &error))
}

pub(super) fn unwritable(path: &Path, error: &io::Error) -> Failure {
    Failure::caused(format!("cannot write {}", path.display()), error)
}

fn exists(path: &Path, force_means: &str) -> Failure {
    Failure::new(
        format!("cannot write {}", path.display()),
        "it exists, and nothing is overwritten unasked",
    )
    .hint(format!("--force replaces it; {force_means}"))
}

#[cfg(unix)]
fn temporary(dir: &Path, readers: Readers) -> io::Result<NamedTempFile> {
    use std::os::unix::fs::PermissionsExt;

    let mode = match readers {
        Readers::Owner => 0o600,
        Readers::All => 0o644,
    };
    tempfile::Builder::new()
        .prefix(".selkie-")
        .permissions(fs::Permissions::from_mode(mode))
        .tempfile_in(dir)
}

#[cfg(not(unix))]
fn temporary(dir: &Path, _readers: Readers) -> io::Result<NamedTempFile> {
    tempfile::Builder::new().prefix(".selkie-").tempfile_in(dir)
}
