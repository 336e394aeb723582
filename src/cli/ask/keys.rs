//! `selkie keys list` and its like: what members seal with.

use std::{
    collections::BTreeMap,
    fs,
    io::{Read, stdin},
    path::Path,
};

use hyper::Method;
use selkie::{
    admin::Credential,
    transports::udp::{Key, KeyId},
};
use serde::Serialize;

use super::{args::At, ask, line, table::Table};
use crate::{
    args::{KeysAddArgs, KeysChangeArgs},
    ask::args::AskArgs,
    failure::Failure,
    print,
};

/// Runs `selkie keys list`.
pub(crate) fn list(args: &AskArgs) -> Result<(), Failure> {
    let known = Known::ask(&args.at)?;
    if args.at.json {
        return print::json(&known).map_err(|error| print::failed(&error));
    }
    let mut table = Table::new(&["KEY", "HERE", "OPENS", "SEALS", "MISSING AT"]);
    for key in &known.keys {
        table.row([
            key.key.clone(),
            key.here.to_owned(),
            format!("{} of {}", key.opens, known.members),
            format!("{} of {}", key.seals, known.members),
            some(&key.missing_at),
        ]);
    }
    table.print()?;
    known
        .silent
        .iter()
        .try_for_each(|it| line(format_args!("{} does not answer: {}", it.name, it.error)))
}

/// Runs `selkie keys add`.
pub(crate) fn add(args: &KeysAddArgs) -> Result<(), Failure> {
    let key = read(&args.file)?;
    let body = key.to_base64().as_bytes().to_vec();
    let (_, ()) = ask(&args.at, Method::POST, "/v1/keys/add", body)?;
    changed(&args.at, &key.id().to_string(), Change::Added)
}

/// Runs `selkie keys use`.
pub(crate) fn make_primary(args: &KeysChangeArgs) -> Result<(), Failure> {
    change(args, "use")?;
    changed(&args.at, &args.id.to_string(), Change::Used)
}

/// Runs `selkie keys remove`.
pub(crate) fn remove(args: &KeysChangeArgs) -> Result<(), Failure> {
    change(args, "remove")?;
    changed(&args.at, &args.id.to_string(), Change::Removed)
}

fn change(args: &KeysChangeArgs, what: &str) -> Result<(), Failure> {
    let force = if args.force { "?force" } else { "" };
    let path = format!("/v1/keys/{what}/{}{force}", args.id);
    ask(&args.at, Method::POST, &path, Vec::new()).map(|(_, ())| ())
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Change {
    Added,
    Used,
    Removed,
}

/// Says how far the members are with it, and what comes next.
fn changed(at: &At, id: &str, change: Change) -> Result<(), Failure> {
    let known = Known::ask(at)?;
    let none = Usage::new(id);
    let key = known.keys.iter().find(|it| it.key == id).unwrap_or(&none);
    let (done, has_it) = match change {
        Change::Added => ("opens here", key.opens),
        Change::Used => ("seals here", key.seals),
        Change::Removed => ("is gone here", known.lack(key)),
    };
    if at.json {
        let told = Changed {
            key: id,
            here: key.here,
            done: has_it,
            members: known.members,
        };
        return print::json(&told).map_err(|error| print::failed(&error));
    }
    line(format_args!(
        "key {id} {done}, and at {has_it} of {} members",
        known.members
    ))?;
    let is_everywhere = has_it >= known.members;
    match (change, is_everywhere) {
        (Change::Added, true) => line(format_args!("next: selkie keys use {id}, at each member")),
        (Change::Added, false) => {
            let silent = known.silent.iter().map(|it| it.name.clone());
            let others: Vec<_> = key.missing_at.iter().cloned().chain(silent).collect();
            line(format_args!(
                "next: selkie keys add FILE, at {}",
                some(&others)
            ))
        }
        (Change::Used, true) => line(format_args!(
            "next: selkie keys remove, of the former key, at each member"
        )),
        (Change::Used, false) => line(format_args!(
            "next: selkie keys use {id}, at each other member"
        )),
        (Change::Removed, true) => Ok(()),
        (Change::Removed, false) => line(format_args!(
            "next: selkie keys remove {id}, at each other member"
        )),
    }
}

#[derive(Serialize)]
struct Changed<'a> {
    key: &'a str,
    here: &'a str,
    /// At how many members, as far as they answer.
    done: usize,
    members: usize,
}

/// A file with one key.
fn read(file: &Path) -> Result<Key, Failure> {
    let text = if file == Path::new("-") {
        let mut text = String::new();
        stdin().read_to_string(&mut text).map(|_| text)
    } else {
        fs::read_to_string(file)
    };
    let what = || format!("cannot use the key in {}", file.display());
    let text = text.map_err(|error| {
        Failure::caused(what(), &error).hint("make one: selkie keys generate --out FILE")
    })?;
    let mut lines = text.lines().map(str::trim);
    let mut keys = lines
        .by_ref()
        .filter(|it| !it.is_empty() && !it.starts_with('#'));
    let (Some(key), None) = (keys.next(), keys.next()) else {
        return Err(
            Failure::new(what(), "there is to be one line with a key in it")
                .hint("make one: selkie keys generate --out FILE"),
        );
    };
    key.parse().map_err(|error| Failure::caused(what(), &error))
}

/// Which keys there are, and who has them.
#[derive(Serialize)]
struct Known {
    keys: Vec<Usage>,
    /// How many there are, the agent that was asked among them.
    members: usize,
    silent: Vec<Silent>,
}

/// A key.
#[derive(Serialize)]
struct Usage {
    key: String,
    /// What the agent that was asked does with it.
    here: &'static str,
    /// How many members have it.
    opens: usize,
    /// How many seal with it.
    seals: usize,
    /// Who answered, and does not have it.
    missing_at: Vec<String>,
}

#[derive(Serialize)]
struct Silent {
    name: String,
    error: String,
}

impl Usage {
    fn new(key: &str) -> Self {
        Self {
            key: key.to_owned(),
            here: "-",
            opens: 0,
            seals: 0,
            missing_at: Vec::new(),
        }
    }
}

impl Known {
    fn ask(at: &At) -> Result<Self, Failure> {
        let (_, all): (_, Vec<Credential>) = ask(at, Method::POST, "/v1/credentials", Vec::new())?;
        let own = all.first().map(|it| it.keys.as_slice());
        let own = own.unwrap_or_default();
        if own.is_empty() {
            return Err(
                Failure::new("no keys to tell of", "the agent seals with none")
                    .hint("over QUIC, `selkie certs list` tells of certificates"),
            );
        }
        let mut keys: BTreeMap<&str, Usage> = BTreeMap::new();
        for (place, key) in all.iter().flat_map(|it| it.keys.iter().enumerate()) {
            let usage = keys.entry(key).or_insert_with(|| Usage::new(key));
            usage.opens += 1;
            usage.seals += usize::from(place == 0);
        }
        for (key, usage) in &mut keys {
            let has = |it: &&Credential| it.error.is_some() || it.keys.iter().any(|has| has == key);
            let lack = all.iter().filter(|it| !has(it));
            usage.missing_at = lack.map(|it| it.member.name.to_string()).collect();
            usage.here = match own.iter().position(|it| it == key) {
                Some(0) => "seals",
                Some(_) => "opens",
                None => "-",
            };
        }
        let silent = all.iter().filter_map(|it| {
            Some(Silent {
                name: it.member.name.to_string(),
                error: it.error.clone()?,
            })
        });
        let mut keys: Vec<_> = keys.into_values().collect();
        keys.sort_by_key(|it| core::cmp::Reverse((it.seals, it.opens)));
        Ok(Self {
            keys,
            members: all.len(),
            silent: silent.collect(),
        })
    }

    /// How many members do not have a key. Of who does not answer, nobody knows.
    fn lack(&self, key: &Usage) -> usize {
        let answers = self.members.saturating_sub(self.silent.len());
        answers.saturating_sub(key.opens)
    }
}

/// The first of them, and how many more.
fn some(names: &[String]) -> String {
    match names {
        [] => "-".to_owned(),
        names if names.len() <= NAMED_MAX => names.join(","),
        names => {
            let (first, rest) = names.split_at(NAMED_MAX);
            format!("{},+{}", first.join(","), rest.len())
        }
    }
}

/// How many members are named.
const NAMED_MAX: usize = 5;

/// What a key is called: as it is typed, or as that in a file.
pub(crate) fn id(text: &str) -> Result<KeyId, String> {
    if let Ok(id) = text.parse() {
        return Ok(id);
    }
    if !Path::new(text).exists() {
        return Err("neither 8 hexadecimal digits, nor a file with a key".to_owned());
    }
    let key = read(Path::new(text)).map_err(|failure| failure.reason())?;
    Ok(key.id())
}

#[cfg(test)]
mod tests {
    use super::{Known, Silent, Usage, some};

    #[test]
    fn a_key_is_not_gone_at_who_does_not_answer() {
        let silent = Silent {
            name: "c".to_owned(),
            error: "no answer".to_owned(),
        };
        let known = Known {
            keys: Vec::new(),
            members: 3,
            silent: vec![silent],
        };
        let key = Usage {
            opens: 1,
            ..Usage::new("00000000")
        };
        assert_eq!(known.lack(&key), 1);
        assert_eq!(known.lack(&Usage::new("11111111")), 2);
    }

    #[test]
    fn a_few_names_are_told_and_how_many_more_there_are() {
        let names: Vec<_> = (1..=7).map(|number| format!("n{number}")).collect();
        assert_eq!(some(&[]), "-");
        assert_eq!(some(&names[..5]), "n1,n2,n3,n4,n5");
        assert_eq!(some(&names), "n1,n2,n3,n4,n5,+2");
    }
}
