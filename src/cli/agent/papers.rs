//! What an agent proves itself by, for its operator.

use std::{
    path::PathBuf,
    sync::{Mutex, PoisonError},
    time::SystemTime,
};

use selkie::{
    admin::{CredentialChange, Installing},
    transports::{
        quic::{CredentialFiles, Credentials, Quic},
        udp::{Key, KeyFile, KeyId},
    },
};

use super::{credentials_failed, pins::Pins};
use crate::{
    certs::{
        files,
        together::{self, Each},
    },
    failure::Failure,
    print,
};

/// When our certificate expires, and how what we prove ourselves by is changed.
pub(super) struct Papers {
    pub(super) expiry: Option<Expiry>,
    pub(super) change: Option<Change>,
}

type Expiry = Box<dyn Fn() -> Option<SystemTime> + Send + Sync>;
pub(super) type Change = Box<dyn Fn(&CredentialChange) -> Result<(), String> + Send + Sync>;

impl Papers {
    /// Nothing to prove ourselves by.
    pub(super) fn none() -> Self {
        Self {
            expiry: None,
            change: None,
        }
    }

    /// Certificates in files.
    pub(super) fn certificates(quic: &Quic, files: &CredentialFiles, paths: Paths) -> Self {
        let (expiring, quic, files) = (quic.clone(), quic.clone(), files.clone());
        let reload = move || {
            let credentials = files.clone().read();
            let credentials = credentials.map_err(|error| credentials_failed(&error).reason())?;
            quic.replace_credentials(&credentials)
                .map_err(|error| error.to_string())
        };
        let turn = Mutex::new(());
        let change = move |change: &CredentialChange| {
            // One change at a time.
            let _turn = turn.lock().unwrap_or_else(PoisonError::into_inner);
            let done = match change {
                CredentialChange::Reload => finish_installing(&paths),
                CredentialChange::Install(new) => install(new, &paths),
                _ => return Err(NO_KEYS.to_owned()),
            };
            done.map_err(|failure| failure.reason())?;
            reload()
        };
        Self {
            expiry: Some(Box::new(move || expiring.not_after())),
            change: Some(Box::new(change)),
        }
    }

    /// A list of the members' keys.
    pub(super) fn pins(quic: &Quic, pins: &Pins) -> Self {
        let (quic, pins) = (quic.clone(), pins.clone());
        Self {
            expiry: None,
            change: Some(Box::new(move |change| match change {
                CredentialChange::Reload => pins.renew(&quic).map_err(|failure| failure.reason()),
                _ => Err(NO_KEYS.to_owned()),
            })),
        }
    }

    /// Keys that the cluster shares, in a file.
    pub(super) fn keys(file: KeyFile) -> Self {
        let parse = |id: &str| id.parse::<KeyId>().map_err(|error| error.to_string());
        let change = move |change: &CredentialChange| {
            let changed = match change {
                CredentialChange::AddKey(key) => {
                    let key: Key = key.parse().map_err(|_| "that is no key".to_owned())?;
                    file.add(&key)
                }
                CredentialChange::UseKey(id) => file.make_primary(parse(id)?),
                CredentialChange::RemoveKey(id) => file.remove(parse(id)?),
                _ => return Err("it seals with keys, and has no certificates".to_owned()),
            };
            changed.map_err(|error| error.to_string())
        };
        Self {
            expiry: None,
            change: Some(Box::new(change)),
        }
    }
}

/// The files with the authorities, our certificate and our key.
pub(super) type Paths = [PathBuf; 3];

/// What links lead to is replaced, not the links.
fn canonical(paths: &Paths) -> Each<PathBuf> {
    paths.each_ref().map(|path| path.canonicalize().ok())
}

/// Does what is left of an installation during which an agent was killed.
pub(super) fn finish_installing(paths: &Paths) -> Result<(), Failure> {
    if together::finish(&canonical(paths))? {
        print::error("selkie: finished an installation of certificates that was broken off");
    }
    Ok(())
}

/// Whether the files will be of use once an installation that was broken off is finished.
pub(super) fn will_be_of_use(paths: &Paths) -> bool {
    match together::read(&canonical(paths)) {
        Ok([Some(ca), Some(cert), Some(key)]) => Credentials::from_pem(&ca, &cert, &key).is_ok(),
        _ => false,
    }
}

/// Puts what is new into the files, if all of it together is of use: all of it or nothing.
fn install(new: &Installing, paths: &Paths) -> Result<(), Failure> {
    finish_installing(paths)?;
    let [ca, cert, key] = paths.each_ref().map(|path| {
        let path = path.canonicalize();
        path.map_err(|error| Failure::caused("cannot find the files", &error))
    });
    let (ca, cert, key) = (ca?, cert?, key?);
    if ca == cert || cert == key || key == ca {
        let why = "two of them are in one file, of which a part would be lost: replace it by hand";
        return Err(Failure::new("cannot install them", why));
    }
    let public = [&new.ca, &new.cert].into_iter().flatten();
    if public.into_iter().any(|text| text.contains(PRIVATE)) {
        let why = "there is a private key among the certificates, which others may read";
        return Err(Failure::new("cannot install them", why));
    }
    let files = [(&ca, &new.ca), (&cert, &new.cert), (&key, &new.key)];
    let [ca_text, cert_text, key_text] = files.map(|(path, new)| match new {
        Some(text) => Ok(text.clone()),
        None => files::read(path),
    });
    let all = Credentials::from_pem(&ca_text?, &cert_text?, &key_text?);
    all.map_err(|error| credentials_failed(&error))?;
    let new = [&new.ca, &new.cert, &new.key].map(|text| text.as_deref());
    together::replace(&[Some(ca), Some(cert), Some(key)], &new)
}

/// In what a private key begins with, of whichever kind.
const PRIVATE: &str = "PRIVATE KEY-----";
const NO_KEYS: &str = "it proves itself by a certificate or a key of its own, and seals with no \
                       shared ones";
