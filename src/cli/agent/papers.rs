//! What an agent proves itself by, for its operator.

use std::{path::PathBuf, time::SystemTime};

use selkie::{
    admin::{CredentialChange, Installing},
    transports::{
        quic::{CredentialFiles, Credentials, Quic},
        udp::{Key, KeyFile, KeyId},
    },
};

use super::{credentials_failed, pins::Pins};
use crate::{
    certs::files::{self, Readers},
    failure::Failure,
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
        Self {
            expiry: Some(Box::new(move || expiring.not_after())),
            change: Some(Box::new(move |change| match change {
                CredentialChange::Reload => reload(),
                CredentialChange::Install(new) => {
                    install(new, &paths).map_err(|failure| failure.reason())?;
                    reload()
                }
                _ => Err(NO_KEYS.to_owned()),
            })),
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

/// Puts what is new into the files, if all of it together is of use: all of it or nothing.
fn install(new: &Installing, paths: &Paths) -> Result<(), Failure> {
    // What a link leads to is replaced, not the link.
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
    let files = [(ca, &new.ca), (cert, &new.cert), (key, &new.key)];
    let texts = files.each_ref().map(|(path, new)| match new {
        Some(text) => Ok((*text).clone()),
        None => files::read(path),
    });
    let [ca, cert, key] = texts;
    let together = Credentials::from_pem(&ca?, &cert?, &key?);
    together.map_err(|error| credentials_failed(&error))?;
    let readers = [Readers::All, Readers::All, Readers::Owner];
    let changed = files
        .iter()
        .zip(readers)
        .filter_map(|((path, new), readers)| {
            let text = new.as_deref()?;
            Some((path.as_path(), text, readers))
        });
    files::replace_all(&changed.collect::<Vec<_>>())
}

/// In what a private key begins with, of whichever kind.
const PRIVATE: &str = "PRIVATE KEY-----";
const NO_KEYS: &str = "it proves itself by a certificate or a key of its own, and seals with no \
                       shared ones";
