//! Members known by their keys: a list in a file that may change.

use core::time::Duration;
use std::{
    fs,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
};

use selkie::transports::quic::{Credentials, PinnedKeys, PublicKey, Quic};
use smol::Timer;

use super::credentials_failed;
use crate::{args::AgentArgs, failure::Failure, print};

/// The list, its file, and the file of our own key.
#[derive(Clone)]
pub(super) struct Pins {
    list: PinnedKeys,
    list_file: PathBuf,
    key_file: PathBuf,
    /// Our own key, as it was read last.
    key: Arc<Mutex<String>>,
}

impl Pins {
    /// Reads both, if they are what was asked for.
    pub(super) fn read(args: &AgentArgs) -> Result<Option<(Self, Credentials)>, Failure> {
        let Some(list_file) = &args.pins else {
            return Ok(None);
        };
        let Some(key_file) = &args.key else {
            let why = "members prove themselves by keys of their own";
            return Err(Failure::new("cannot use --pins without --key", why)
                .hint("make one: selkie certs key NAME"));
        };
        let list = PinnedKeys::from_file(list_file).map_err(|error| pins_failed(&error))?;
        let key = read_key(key_file)?;
        let credentials = Credentials::from_pinned(&key, &list);
        let credentials = credentials.map_err(|error| credentials_failed(&error))?;
        let pins = Self {
            list,
            list_file: list_file.clone(),
            key_file: key_file.clone(),
            key: Arc::new(Mutex::new(key)),
        };
        Ok(Some((pins, credentials)))
    }

    /// Warns if the list does not have ourselves: that of others may not, either.
    pub(super) fn check_ourselves(&self, name: &str, credentials: &Credentials) {
        let own = credentials.public_key();
        if own.is_some_and(|own| !self.list.names(own).iter().any(|it| it == name)) {
            let why = format!(
                "{} does not pin our key to {name}",
                self.list_file.display()
            );
            print::error(Failure::new("others may refuse us", why).hint(format!(
                "every member's list needs our line: selkie certs pin {name} --key {}",
                self.key_file.display()
            )));
        }
    }

    /// Reads both again, and goes by them.
    pub(super) fn renew(&self, quic: &Quic) -> Result<(), Failure> {
        let is_other = self.list.reload(&self.list_file);
        if is_other.map_err(|error| pins_failed(&error))? {
            // Whoever is not on the list any more has no more to say.
            quic.cut(|peer| {
                let key = PublicKey::from_der(peer.public_key());
                !key.is_ok_and(|key| self.list.is_pinned(&key))
            });
        }
        let key = read_key(&self.key_file)?;
        let mut in_use = self.key.lock().unwrap_or_else(PoisonError::into_inner);
        if *in_use != key {
            let credentials = Credentials::from_pinned(&key, &self.list);
            let credentials = credentials.map_err(|error| credentials_failed(&error))?;
            let replaced = quic.replace_credentials(&credentials);
            replaced.map_err(|error| Failure::caused("cannot use the key", &error))?;
            *in_use = key;
        }
        Ok(())
    }

    /// Takes both up whenever they change.
    pub(super) async fn follow(self, quic: Quic) {
        let mut has_failed = false;
        loop {
            Timer::after(LOOK_EVERY).await;
            let (pins, quic) = (self.clone(), quic.clone());
            // Where the files do not answer, nothing but this waits for them.
            match smol::unblock(move || pins.renew(&quic)).await {
                Ok(()) => has_failed = false,
                // Perhaps they are being written.
                Err(failure) if !core::mem::replace(&mut has_failed, true) => {
                    print::error(failure.hint("the former ones stay in use"));
                }
                Err(_) => {}
            }
        }
    }
}

fn read_key(file: &Path) -> Result<String, Failure> {
    fs::read_to_string(file).map_err(|error| {
        Failure::caused(format!("cannot use the key {}", file.display()), &error)
            .hint("is the path right, and the file readable by us? selkie certs key NAME makes one")
    })
}

fn pins_failed(error: &selkie::transports::quic::CredentialsError) -> Failure {
    Failure::caused("cannot use the list of keys", error)
        .hint("a line per member, as `selkie certs pin NAME --key FILE` prints it, will do")
}

/// How often the files are looked at.
const LOOK_EVERY: Duration = Duration::from_secs(2);
