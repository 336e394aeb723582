//! SIGHUP: the settings are read again.

use core::pin::pin;

use futures::future::{Either, select};
use selkie::{Cluster, Node, admin::Happening};

use super::signals::{Asked, Stop};
use crate::{args::AgentArgs, failure::Failure, settings};

/// Reads the settings again, and has the agent go by those that can change while it runs: see
/// [`apply`]. The error is another signal that asks to stop before that is done.
pub(super) async fn reload(
    args: &mut AgentArgs,
    cluster: &Cluster<Node>,
    stop: &mut Stop,
) -> Result<Result<Happening, Failure>, Asked> {
    let mut reading = smol::unblock(settings::again);
    let read = loop {
        match select(&mut reading, pin!(stop.asked())).await {
            Either::Left((read, _)) => break read,
            // They may have changed since.
            Either::Right((Asked::Hup, _)) => reading = smol::unblock(settings::again),
            Either::Right((signal, _)) => return Err(signal),
        }
    };
    Ok(match read {
        Ok(new) => apply(args, new, cluster).await,
        Err(failure) => Err(failure),
    })
}

/// Has the agent go by those of the new settings that can change, and says which those were, and
/// which others changed. `args` are then what the agent goes by.
async fn apply(
    args: &mut AgentArgs,
    new: AgentArgs,
    cluster: &Cluster<Node>,
) -> Result<Happening, Failure> {
    let mut changed = Vec::new();
    if new.join != args.join {
        let set = cluster.set_seeds(new.join.iter().cloned()).await;
        set.map_err(|error| Failure::caused("cannot change where to join", &error))?;
        args.join.clone_from(&new.join);
        changed.push("join");
    }
    if new.preset != args.preset {
        let set = cluster.set_config(new.preset.config()).await;
        set.map_err(|error| Failure::caused("cannot change the preset", &error))?;
        args.preset = new.preset;
        changed.push("preset");
    }
    if new.metadata != args.metadata {
        let metadata = new.metadata.clone().unwrap_or_default();
        let set = cluster.set_metadata(metadata).await;
        set.map_err(|error| Failure::caused("cannot change the metadata", &error))?;
        args.metadata.clone_from(&new.metadata);
        changed.push("metadata");
    }
    let fixed = fixed(args, &new);
    let mut detail = match changed.as_slice() {
        [] => "nothing that could change did".to_owned(),
        changed => format!("changed: {}", changed.join(", ")),
    };
    if !fixed.is_empty() {
        detail.push_str(&format!("; needs a new start: {}", fixed.join(", ")));
    }
    Ok(Happening::of("reloaded", detail))
}

/// What differs, and cannot change while the agent runs.
fn fixed(old: &AgentArgs, new: &AgentArgs) -> Vec<&'static str> {
    let differs = [
        ("bind", old.bind != new.bind),
        ("advertise", old.advertise != new.advertise),
        ("name", old.name != new.name),
        ("cluster", old.cluster != new.cluster),
        ("snapshot", old.snapshot != new.snapshot),
        ("transport", old.transport != new.transport),
        ("codec", old.codec != new.codec),
        ("ca", old.ca != new.ca),
        ("cert", old.cert != new.cert),
        ("key", old.key != new.key),
        ("pins", old.pins != new.pins),
        ("seal-key", old.seal_key != new.seal_key),
        ("admin", old.admin != new.admin),
        ("no-admin", old.no_admin != new.no_admin),
        ("admin-http", old.admin_http != new.admin_http),
        ("log", old.log != new.log),
        ("json", old.json != new.json),
    ];
    let differs = differs.into_iter().filter(|(_, differs)| *differs);
    differs.map(|(name, _)| name).collect()
}
