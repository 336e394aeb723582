//! `selkie certs list` and `reload`: what members prove themselves by.

use std::{collections::BTreeMap, path::PathBuf};

use hyper::Method;
use selkie::admin::{Credential, Info};

use super::{
    args::{AskArgs, At},
    ask, json, line,
    table::Table,
};
use crate::{args::CertsInstallArgs, certs::files, failure::Failure};

/// Runs `selkie certs list`.
pub(crate) fn list(args: &AskArgs) -> Result<(), Failure> {
    let (value, all): (_, Vec<Credential>) =
        ask(&args.at, Method::POST, "/v1/credentials", Vec::new())?;
    if all.first().is_none_or(|own| own.public_key.is_none()) {
        return Err(
            Failure::new("no certificates to tell of", "the agent has none")
                .hint("over sealed UDP, `selkie keys list` tells of keys"),
        );
    }
    if args.at.json {
        return json(&value);
    }
    let mut table = Table::new(&["MEMBER", "EXPIRES", "DAYS", "KEY", "TRUSTS"]);
    for it in &all {
        let or_dash = |text: Option<String>| text.unwrap_or_else(|| "-".to_owned());
        let trusts: Vec<_> = it.authorities.iter().map(|it| short(it)).collect();
        table.row([
            it.member.name.to_string(),
            or_dash(it.certificate_expires.clone()),
            or_dash(it.certificate_days.map(|days| days.to_string())),
            or_dash(it.public_key.as_deref().map(|key| short(key).to_owned())),
            match trusts.as_slice() {
                [] => "-".to_owned(),
                trusts => trusts.join(","),
            },
        ]);
    }
    table.print()?;
    let mut authorities: BTreeMap<&str, usize> = BTreeMap::new();
    for authority in all.iter().flat_map(|it| &it.authorities) {
        *authorities.entry(authority).or_default() += 1;
    }
    for (authority, count) in authorities {
        line(format_args!(
            "authority {} is trusted by {count} of {} members",
            short(authority),
            all.len()
        ))?;
    }
    all.iter().try_for_each(|it| match &it.error {
        Some(error) => line(format_args!("{} does not answer: {error}", it.member.name)),
        None => Ok(()),
    })
}

/// Runs `selkie certs install`.
pub(crate) fn install(args: &CertsInstallArgs) -> Result<(), Failure> {
    let read = |file: &Option<PathBuf>| file.as_ref().map(|file| files::read(file)).transpose();
    let installing = serde_json::json!({
        "ca": read(&args.ca)?,
        "cert": read(&args.cert)?,
        "key": read(&args.key)?,
    });
    let body = installing.to_string().into_bytes();
    let (_, ()) = ask(&args.at, Method::POST, "/v1/certs/install", body)?;
    in_use(&args.at)
}

/// Runs `selkie certs reload`.
pub(crate) fn reload(args: &AskArgs) -> Result<(), Failure> {
    let (_, ()) = ask(&args.at, Method::POST, "/v1/certs/reload", Vec::new())?;
    in_use(&args.at)
}

/// Says what is in use now.
fn in_use(at: &At) -> Result<(), Failure> {
    let (_, info): (_, Info) = ask(at, Method::GET, "/v1/info", Vec::new())?;
    let expires = info.certificate_expires;
    match (at.json, &expires) {
        (true, _) => json(&serde_json::json!({ "certificate_expires": expires })),
        (false, Some(expires)) => line(format_args!(
            "in use: new connections are made with them, good until {expires}"
        )),
        (false, None) => line(format_args!("in use: new connections go by them")),
    }
}

/// Enough of a fingerprint to tell one from another.
fn short(fingerprint: &str) -> &str {
    fingerprint.get(..16).unwrap_or(fingerprint)
}
