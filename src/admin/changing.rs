//! What an agent proves itself by, changed at its operator's word.

use alloc::{
    borrow::ToOwned,
    boxed::Box,
    format,
    string::{String, ToString},
    sync::Arc,
    vec::Vec,
};
use core::fmt;

use serde::{Deserialize, Serialize};

use super::{Admin, Credential, Refused};

/// What is to change. It concerns this agent only: the others are told the same, each by itself.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum CredentialChange {
    /// To open what this sealing key seals, too: the key itself, as a line of a file of keys.
    AddKey(String),
    /// To seal with the key that is called so.
    UseKey(String),
    /// To open nothing any more that is sealed with the key that is called so.
    RemoveKey(String),
    /// To read the files with certificates and keys again.
    Reload,
    /// To put these into the files, and go by them.
    Install(Box<Installing>),
}

/// What to put into the files of certificates and keys, in PEM. What is none stays as it is.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
#[non_exhaustive]
pub struct Installing {
    /// The certificates of the authorities that are trusted.
    pub ca: Option<String>,
    /// The certificate, with intermediates after it, if there are any.
    pub cert: Option<String>,
    /// The private key to it.
    pub key: Option<String>,
}

/// Does not show keys.
impl fmt::Debug for Installing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Installing").finish_non_exhaustive()
    }
}

/// Does not show keys.
impl fmt::Debug for CredentialChange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::AddKey(_) => f.write_str("AddKey(..)"),
            Self::UseKey(id) => f.debug_tuple("UseKey").field(id).finish(),
            Self::RemoveKey(id) => f.debug_tuple("RemoveKey").field(id).finish(),
            Self::Reload => f.write_str("Reload"),
            Self::Install(_) => f.write_str("Install(..)"),
        }
    }
}

/// Carries a change out, or says why not.
pub(super) type Changing = Arc<dyn Fn(&CredentialChange) -> Result<(), String> + Send + Sync>;

impl Admin {
    /// Has changes of keys and certificates carried out by this function, which says why not where
    /// it does not. It may wait for files. Only the first one counts. Returns whether this was it.
    pub fn on_change(
        &self,
        change: impl Fn(&CredentialChange) -> Result<(), String> + Send + Sync + 'static,
    ) -> bool {
        self.0.changing.set(Arc::new(change)).is_ok()
    }

    /// Changes what the agent proves itself by, if there is [somebody](Self::on_change) to do so.
    ///
    /// Unless it `is_forced`, a key is not used that another member does not have, nor removed that
    /// another one still seals with, as far as all of them answer: members would not understand
    /// each other.
    ///
    /// # Errors
    ///
    /// [`Refused::Unready`], or [`Refused::Change`].
    pub async fn change(&self, change: CredentialChange, is_forced: bool) -> Result<(), Refused> {
        let changing = self.0.changing.get().cloned();
        let changing = changing.ok_or_else(|| {
            let why = "this agent has no keys or certificates that can be changed";
            Refused::Change(why.to_owned())
        })?;
        if !is_forced {
            self.check_ready(&change).await?;
        }
        let changed = smol::unblock(move || changing(&change)).await;
        changed.map_err(Refused::Change)
    }

    /// Refuses what would keep members from understanding each other.
    async fn check_ready(&self, change: &CredentialChange) -> Result<(), Refused> {
        type IsUnready = fn(&Credential, &String) -> bool;
        let (id, is_unready, what): (_, IsUnready, _) = match change {
            CredentialChange::UseKey(id) => {
                (id, |it, id| !it.keys.contains(id), "does not have the key")
            }
            CredentialChange::RemoveKey(id) => (
                id,
                |it, id| it.keys.first() == Some(id),
                "still seals with the key",
            ),
            CredentialChange::AddKey(_)
            | CredentialChange::Reload
            | CredentialChange::Install(_) => return Ok(()),
        };
        let id = id.to_ascii_lowercase();
        let others = self.credentials().await?;
        let unready = others.iter().skip(1).filter_map(|it| {
            let name = it.member.name;
            match &it.error {
                Some(error) => Some(format!("{name} does not answer ({error})")),
                None => is_unready(it, &id).then(|| format!("{name} {what}")),
            }
        });
        let unready: Vec<_> = unready.collect();
        match unready.is_empty() {
            true => Ok(()),
            false => Err(Refused::Unready(unready.join(", ").to_string())),
        }
    }
}
