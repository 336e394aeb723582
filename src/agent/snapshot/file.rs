//! A snapshot as a file.

use alloc::{format, sync::Arc, vec::Vec};
use core::sync::atomic::{AtomicUsize, Ordering};
use std::{
    ffi::OsString,
    fs::{self, File},
    io::{self, Read, Write},
    path::{Path, PathBuf},
    sync::{Mutex, MutexGuard, PoisonError},
};

use super::layout::LEN_MAX;

/// What is in the file; `None` if there is none. One that is too long is cut off, and so damaged.
pub(super) fn read(path: &Path) -> io::Result<Option<Vec<u8>>> {
    let file = match File::open(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        file => file?,
    };
    let mut bytes = Vec::new();
    file.take(LEN_MAX as u64 + 1).read_to_end(&mut bytes)?;
    Ok(Some(bytes))
}

/// Where one agent writes its snapshots. Dropped, it writes no more, not even what is under way:
/// another agent may follow at once, in this process.
#[derive(Debug)]
pub(super) struct Writer {
    place: Arc<Place>,
}

#[derive(Debug)]
struct Place {
    path: PathBuf,
    /// In the same folder: on another file system it could not take the other's place.
    temporary: PathBuf,
    is_over: Mutex<bool>,
}

impl Writer {
    pub(super) fn new(path: PathBuf) -> Self {
        // Each agent of a process has its own.
        let turn = WRITERS.fetch_add(1, Ordering::Relaxed);
        let temporary = with_suffix(&path, &format!(".tmp{turn}"));
        let is_over = Mutex::new(false);
        let place = Arc::new(Place {
            path,
            temporary,
            is_over,
        });
        Self { place }
    }

    /// What puts bytes in the place of what is in the file: all of them, or none, whatever
    /// happens. Blocks.
    pub(super) fn writing(&self) -> impl FnOnce(&[u8]) -> io::Result<()> + Send + 'static {
        let place = self.place.clone();
        move |bytes| {
            let written = write_new(&place.temporary, bytes).and_then(|()| place.take_over());
            if written.is_err() {
                fs::remove_file(&place.temporary).ok();
            }
            written
        }
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        *self.place.lock() = true;
    }
}

impl Place {
    fn take_over(&self) -> io::Result<()> {
        let is_over = self.lock();
        if *is_over {
            return Err(io::ErrorKind::Interrupted.into());
        }
        fs::rename(&self.temporary, &self.path)?;
        drop(is_over);
        // That the folder has the new name is lost with the power otherwise. Not every system
        // lets one ask for it.
        if let Some(folder) = folder(&self.path)
            && let Ok(folder) = File::open(folder)
        {
            folder.sync_all().ok();
        }
        Ok(())
    }

    fn lock(&self) -> MutexGuard<'_, bool> {
        self.is_over.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

static WRITERS: AtomicUsize = AtomicUsize::new(0);

fn write_new(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut file = File::create(path)?;
    file.write_all(bytes)?;
    file.sync_all()
}

/// Renames what cannot be used, in the place of what was renamed before. Returns to what.
pub(super) fn set_aside(path: &Path) -> io::Result<PathBuf> {
    let aside = with_suffix(path, ".bad");
    fs::rename(path, &aside)?;
    Ok(aside)
}

fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = OsString::from(path);
    name.push(suffix);
    name.into()
}

fn folder(path: &Path) -> Option<&Path> {
    let folder = path.parent()?;
    match folder.as_os_str().is_empty() {
        true => Some(Path::new(".")),
        false => Some(folder),
    }
}
