//! Credentials that expire, and files that are read again when they change.

use alloc::sync::Weak;
use core::time::Duration;
use std::{
    fs, io,
    path::{Path, PathBuf},
    time::SystemTime,
};

use async_io::Timer;
use futures::future::{Either, select};

use super::{Credentials, CredentialsError, Handle, shared::Shared};
use crate::trace::warn;

/// How long before our certificate expires we begin to warn.
const WARN_BEFORE: Duration = Duration::from_secs(30 * DAY_SECS);

/// How often we warn.
pub(super) const WARN_EVERY: Duration = Duration::from_secs(DAY_SECS);

const DAY_SECS: u64 = 86_400;

/// How often the files are looked at.
const LOOK_EVERY: Duration = Duration::from_secs(2);

/// The files with the authority's certificates, our certificate and our private key (PEM).
#[derive(Clone, Debug)]
pub struct CredentialFiles {
    ca: PathBuf,
    cert: PathBuf,
    key: PathBuf,
    /// Their stamps when they were last read.
    seen: Option<Stamps>,
    /// The stamps of those that were of no use.
    useless: Option<Stamps>,
}

/// When each file was written, and how long it is: by this a change is seen.
type Stamps = [Option<(SystemTime, u64)>; 3];

/// What was in the files.
type Found = Result<Credentials, CredentialsError>;

impl CredentialFiles {
    /// These files. Nothing is read yet.
    pub fn new(ca: impl AsRef<Path>, cert: impl AsRef<Path>, key: impl AsRef<Path>) -> Self {
        Self {
            ca: ca.as_ref().into(),
            cert: cert.as_ref().into(),
            key: key.as_ref().into(),
            seen: None,
            useless: None,
        }
    }

    /// What is in them now.
    ///
    /// # Errors
    ///
    /// As [`Credentials::from_pem_files`].
    pub fn read(&mut self) -> Result<Credentials, CredentialsError> {
        // Before they are read: what is written meanwhile counts as a change.
        self.seen = Some(self.stamps());
        Credentials::from_pem_files(&self.ca, &self.cert, &self.key)
    }

    /// What is in them now, if they changed since they were read.
    fn look(&mut self) -> Option<Found> {
        let has_changed = self.seen != Some(self.stamps());
        has_changed.then(|| self.read())
    }

    fn stamps(&self) -> Stamps {
        [&self.ca, &self.cert, &self.key].map(|path| {
            let metadata = fs::metadata(path).ok()?;
            Some((metadata.modified().ok()?, metadata.len()))
        })
    }
}

/// See [`Quic::follow`](super::Quic::follow).
pub(super) async fn follow(node: Weak<Handle>, mut files: CredentialFiles) {
    while is_open(&node) {
        // Where the files do not answer, nothing but this waits for them, and not beyond the end.
        let mut looking = smol::unblock(move || {
            let found = files.look();
            (files, found)
        });
        let found;
        (files, found) = loop {
            match select(&mut looking, Timer::after(LOOK_EVERY)).await {
                Either::Left((looked, _)) => break looked,
                Either::Right(_) if !is_open(&node) => return,
                Either::Right(_) => {}
            }
        };
        if let (Some(node), Some(found)) = (node.upgrade(), found) {
            renew(&node.shared, &mut files, found);
        }
        Timer::after(LOOK_EVERY).await;
    }
}

fn is_open(node: &Weak<Handle>) -> bool {
    node.upgrade().is_some_and(|node| !node.shared.is_closed())
}

fn renew(shared: &Shared, files: &mut CredentialFiles, found: Found) {
    // After the first of several files was written, they may not belong together: each look tries
    // again.
    let renewed = found.map_err(io::Error::other);
    let renewed = renewed.and_then(|credentials| shared.replace_credentials(&credentials));
    match renewed {
        Ok(()) => shared.tally.renewals.one(),
        Err(error) => {
            // That may pass without another change: they were not valid yet, or not readable. It
            // is said once.
            let useless = files.seen.take();
            if files.useless != useless {
                files.useless = useless;
                shared.tally.renewals_failed.one();
                warn!(%error, "changed credentials are of no use, the former ones stay");
            }
        }
    }
}

/// Warns if our certificate expires before long.
pub(super) fn warn_of_expiry(not_after: Option<SystemTime>) {
    let Some(not_after) = not_after else {
        return;
    };
    let left = not_after.duration_since(SystemTime::now());
    let left = left.unwrap_or(Duration::ZERO);
    if left < WARN_BEFORE {
        let days = left.as_secs() / DAY_SECS;
        warn!(days, "our certificate expires before long");
    }
}
