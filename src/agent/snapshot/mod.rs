//! What an agent remembers of its cluster when it starts again: who it was, and whom it knew.

mod file;
mod layout;
mod save;

use alloc::{
    format,
    string::{String, ToString},
    vec::Vec,
};
use core::time::Duration;
use std::path::{Path, PathBuf};

use fastrand::Rng;

use self::layout::Contents;
pub(super) use self::save::Saver;
use super::remembered::Remembered;
use crate::{Codec, Identity, Member, trace::warn};

/// What was found at the start.
#[derive(Debug)]
pub(super) struct Found<I> {
    /// Who we were.
    pub(super) own: Option<I>,
    /// Whom we knew, those first that were active.
    pub(super) others: Vec<Member<I>>,
    /// What is to be told about it.
    pub(super) trouble: Option<String>,
}

/// What the builder was told of it.
#[derive(Debug)]
pub(super) struct Snapshot {
    pub(super) path: Option<PathBuf>,
    pub(super) period: Duration,
}

impl Default for Snapshot {
    fn default() -> Self {
        Self {
            path: None,
            period: save::PERIOD,
        }
    }
}

impl Snapshot {
    /// What there is to remember. `rng_seed` decides the order in which members are asked.
    pub(super) async fn recall<I, C>(&self, cluster: &str, rng_seed: u64, codec: &mut C) -> Found<I>
    where
        I: Identity,
        C: Codec<I>,
    {
        let Some(path) = &self.path else {
            return Found::nothing(None);
        };
        load(path, cluster, &mut Rng::with_seed(rng_seed), codec).await
    }

    /// Writes the first one, and returns who writes the others. With it, why that failed, if it
    /// did.
    pub(super) async fn begin<I, C>(
        self,
        cluster: &str,
        own: &I,
        remembered: &Remembered<I>,
        codec: &mut C,
    ) -> Option<(Saver, Option<String>)>
    where
        I: Identity,
        C: Codec<I>,
    {
        let mut saver = Saver::new(self.path?, cluster.into(), self.period);
        let trouble = saver.begin(own, remembered, codec).await.err();
        Some((saver, trouble.map(|error| error.to_string())))
    }
}

/// Reads the snapshot there. What cannot be used is set aside.
async fn load<I, C>(path: &Path, cluster: &str, rng: &mut Rng, codec: &mut C) -> Found<I>
where
    I: Identity,
    C: Codec<I>,
{
    let of = path.to_path_buf();
    let read = smol::unblock(move || file::read(&of)).await;
    let reason = match read {
        Ok(None) => return Found::nothing(None),
        Ok(Some(bytes)) => match layout::decode(&bytes, cluster, codec) {
            Ok(contents) => return Found::new(contents, rng),
            Err(reason) => format!("{reason}"),
        },
        Err(error) => format!("it cannot be read: {error}"),
    };
    let of = path.to_path_buf();
    let outcome = match smol::unblock(move || file::set_aside(&of)).await {
        Ok(aside) => format!("set aside as {}", aside.display()),
        Err(error) => format!("cannot be set aside: {error}"),
    };
    let trouble = format!("snapshot {}: {reason}; {outcome}", path.display());
    warn!(trouble, "starting without what was remembered");
    Found::nothing(Some(trouble))
}

impl<I: Identity> Found<I> {
    /// Members that start again at once must not all ask the same ones first.
    fn new(contents: Contents<I>, rng: &mut Rng) -> Self {
        let Contents { own, mut others } = contents;
        others.retain(|member| member.id.names_member());
        let is_active = |member: &Member<I>| member.state.is_active();
        let num_active = others.iter().take_while(|member| is_active(member)).count();
        if let Some(active) = others.get_mut(..num_active) {
            rng.shuffle(active);
        }
        Self {
            own: Some(own).filter(Identity::names_member),
            others,
            trouble: None,
        }
    }

    fn nothing(trouble: Option<String>) -> Self {
        Self {
            own: None,
            others: Vec::new(),
            trouble,
        }
    }

    /// The identity to start with: one that is a later life than the one that we had, if it is of
    /// the same member and its kind can be renewed.
    pub(super) fn outdo(&self, identity: I) -> I {
        let renewed = self.own.as_ref().and_then(|own| {
            // It may win though it is no later life: because of where it lives, say.
            let next = own.renew()?;
            let is_later = identity == next || identity.win_addr_conflict(&next);
            let is_ours = own.addr() == identity.addr();
            (is_ours && !is_later).then(|| identity.renew_past(own))?
        });
        renewed.unwrap_or(identity)
    }
}

#[cfg(test)]
mod tests;
