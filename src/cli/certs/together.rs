//! A certificate, its key and the authorities, replaced together.
//!
//! A file takes the place of another one in one step; several do not. So that a crash in between
//! leaves nothing that does not belong together, what is to be done is first written down, beside
//! the last of the files. Whoever reads them next does what is left of it. A file that somebody else
//! changed meanwhile stays as it is.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use base64ct::{Base64, Encoding};
use ring::digest::{SHA256, digest};
use serde::{Deserialize, Serialize};

use super::files::{Readers, draft, unwritable};
use crate::failure::Failure;

/// Of the authorities' certificates, the certificate and its key, what there is.
pub(crate) type Each<T> = [Option<T>; 3];

const READERS: [Readers; 3] = [Readers::All, Readers::All, Readers::Owner];

/// Puts others in the place of these files, which may not be there yet: of all, or of none.
pub(crate) fn replace(paths: &Each<PathBuf>, new: &Each<&str>) -> Result<(), Failure> {
    replace_by(paths, new, put)
}

/// Does what is left of a replacement that was broken off. Returns whether there was one.
pub(crate) fn finish(paths: &Each<PathBuf>) -> Result<bool, Failure> {
    let mut was_broken_off = false;
    for place in places(paths) {
        let Some(plan) = Plan::read(&place)? else {
            continue;
        };
        was_broken_off = true;
        for ((path, step), readers) in paths.iter().zip(&plan.0).zip(READERS) {
            if let (Some(path), Some(step)) = (path, step)
                && step.is_left(path)?
            {
                put(path, step.new.as_bytes(), readers)?;
            }
        }
        settle(paths);
        remove(Some(&place))?;
    }
    Ok(was_broken_off)
}

/// What is in the files once a replacement that was broken off is [finished](finish).
pub(crate) fn read(paths: &Each<PathBuf>) -> Result<Each<String>, Failure> {
    let mut texts = [const { None }; 3];
    for (text, path) in texts.iter_mut().zip(paths) {
        *text = path.as_deref().map(super::files::read).transpose()?;
    }
    for place in places(paths) {
        let plan = Plan::read(&place)?.into_iter().flat_map(|plan| plan.0);
        for ((text, path), step) in texts.iter_mut().zip(paths).zip(plan) {
            if let (Some(path), Some(step)) = (path, step)
                && step.is_left(path)?
            {
                *text = Some(step.new);
            }
        }
    }
    Ok(texts)
}

/// What is to be done.
#[derive(Deserialize, Serialize)]
struct Plan(Each<Step>);

/// What is to be put in the place of a file.
#[derive(Deserialize, Serialize)]
struct Step {
    /// The fingerprint of what was there, if anything was.
    former: Option<String>,
    new: String,
}

impl Plan {
    fn read(place: &Path) -> Result<Option<Self>, Failure> {
        let what = || format!("cannot finish what {} says", place.display());
        let hint = "remove it, and install what was to be new";
        let opened = fs::File::open(place).and_then(|file| Ok((is_ours(&file)?, file)));
        let file = match opened {
            Ok((true, file)) => file,
            Ok((false, _)) => {
                let why = "somebody else wrote it, and who may write there may not write all";
                return Err(Failure::new(what(), why).hint(hint));
            }
            Err(error) => match error.kind() {
                io::ErrorKind::NotFound | io::ErrorKind::InvalidFilename => return Ok(None),
                _ => return Err(Failure::caused(what(), &error)),
            },
        };
        let plan = serde_json::from_reader(io::BufReader::new(file));
        plan.map(Some)
            .map_err(|error| Failure::caused(what(), &error).hint(hint))
    }
}

#[cfg(unix)]
fn is_ours(file: &fs::File) -> io::Result<bool> {
    use std::os::unix::fs::MetadataExt;

    Ok(file.metadata()?.uid() == rustix::process::geteuid().as_raw())
}

#[cfg(not(unix))]
fn is_ours(_: &fs::File) -> io::Result<bool> {
    Ok(true)
}

impl Step {
    /// Whether the file is as it was before.
    fn is_left(&self, path: &Path) -> Result<bool, Failure> {
        Ok(bytes(path)?.as_deref().map(fingerprint) == self.former)
    }
}

fn fingerprint(bytes: &[u8]) -> String {
    Base64::encode_string(digest(&SHA256, bytes).as_ref())
}

/// What is there, if anything is.
fn bytes(path: &Path) -> Result<Option<Vec<u8>>, Failure> {
    match fs::read(path) {
        Ok(bytes) => Ok(Some(bytes)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(unwritable(path, &error)),
    }
}

/// Where a plan may be: beside the key, or, where that stays, beside the certificate.
fn places(paths: &Each<PathBuf>) -> impl Iterator<Item = PathBuf> {
    paths.iter().skip(1).flatten().map(|path| place(path))
}

fn place(path: &Path) -> PathBuf {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    path.with_file_name(format!(".{name}.replacing"))
}

/// Puts a file into its place.
fn put(path: &Path, bytes: &[u8], readers: Readers) -> Result<(), Failure> {
    let persisted = draft(path, bytes, readers)?.persist(path);
    persisted.map_err(|error| unwritable(path, &error.error))?;
    Ok(())
}

/// A file that is to be replaced.
struct Change<'a> {
    path: &'a Path,
    readers: Readers,
    former: Option<Vec<u8>>,
    new: &'a str,
}

impl Change<'_> {
    fn undo(&self) -> Result<(), Failure> {
        match &self.former {
            Some(former) => put(self.path, former, self.readers),
            None => remove(Some(self.path)),
        }
    }
}

/// By this way of putting a file into its place.
fn replace_by(
    paths: &Each<PathBuf>,
    new: &Each<&str>,
    mut put: impl FnMut(&Path, &[u8], Readers) -> Result<(), Failure>,
) -> Result<(), Failure> {
    finish(paths)?;
    let mut plan = Plan([const { None }; 3]);
    let mut changes = Vec::new();
    for (((path, new), readers), step) in paths.iter().zip(new).zip(READERS).zip(&mut plan.0) {
        let (Some(path), Some(new)) = (path, new) else {
            continue;
        };
        let former = bytes(path)?;
        *step = Some(Step {
            former: former.as_deref().map(fingerprint),
            new: (*new).to_owned(),
        });
        changes.push(Change {
            path,
            readers,
            former,
            new,
        });
    }
    let place = match changes.as_slice() {
        [.., _, last] => Some(place(last.path)),
        _ => None,
    };
    if let Some(place) = &place {
        let text = serde_json::to_string(&plan);
        let text = text.map_err(|error| unwritable(place, &error.into()))?;
        self::put(place, text.as_bytes(), Readers::Owner)?;
        sync_folder(place);
    }
    for (done, change) in changes.iter().enumerate() {
        if let Err(failure) = put(change.path, change.new.as_bytes(), change.readers) {
            // Where that fails, too, the plan stays.
            changes.iter().take(done).try_for_each(Change::undo)?;
            settle(paths);
            remove(place.as_deref())?;
            return Err(failure);
        }
    }
    settle(paths);
    remove(place.as_deref())
}

/// Takes the plan away, if there is one, and nobody else did.
fn remove(place: Option<&Path>) -> Result<(), Failure> {
    let Some(place) = place else {
        return Ok(());
    };
    match fs::remove_file(place) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(unwritable(place, &error)),
        _ => Ok(()),
    }
}

/// Only then the plan may go.
fn settle(paths: &Each<PathBuf>) {
    paths.iter().flatten().for_each(|path| sync_folder(path));
}

/// So that new names outlast a loss of power; not all file systems know that.
fn sync_folder(path: &Path) {
    if cfg!(unix) {
        let folder = path.parent().filter(|it| !it.as_os_str().is_empty());
        let folder = fs::File::open(folder.unwrap_or(Path::new(".")));
        let _ = folder.and_then(|folder| folder.sync_all());
    }
}

#[cfg(test)]
mod tests;
