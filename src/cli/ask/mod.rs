//! What is asked of a running agent, over its admin channel.

pub(crate) mod args;
pub(crate) mod certs;
mod client;
mod doctor;
pub(crate) mod keys;
mod reach;
mod ready;
mod rtt;
mod table;
mod top;

use std::io::{Read, stdin};

use futures::StreamExt;
use http_body_util::BodyExt;
use hyper::{Method, StatusCode};
use selkie::admin::{Accused, Broadcasted, Declared, Entry, Info, Joined, Left};
use serde::de::DeserializeOwned;
use serde_json::Value;

use self::{
    args::{AskArgs, At, JoinArgs, MembersArgs, NameArgs, SendArgs, TextArgs},
    client::Place,
    table::Table,
};
pub(crate) use self::{
    doctor::doctor, keys::id as key_id, reach::reach, ready::ready, rtt::rtt, top::top,
};
use crate::{failure::Failure, print, text::printable};

/// Runs `selkie members`.
pub(crate) fn members(args: &MembersArgs) -> Result<(), Failure> {
    let place = Place::find(&args.at)?;
    smol::block_on(async {
        let mut shown = chosen(args, &place).await?;
        show(args, &shown)?;
        if !args.watch {
            return Ok(());
        }
        let mut lines = core::pin::pin!(lines(&place).await?);
        while let Some(line) = lines.next().await {
            if line?["event"] == "stopped" {
                break;
            }
            let now = chosen(args, &place).await?;
            if now != shown {
                shown = now;
                show(args, &shown)?;
            }
        }
        Err(stopped())
    })
}

async fn chosen(args: &MembersArgs, place: &Place) -> Result<Vec<Entry>, Failure> {
    let all = place.ask(Method::GET, "/v1/members", Vec::new()).await?;
    let mut members: Vec<Entry> = understood(all)?;
    members.retain(|member| {
        let has_state =
            args.status.is_empty() || args.status.iter().any(|state| state.name() == member.state);
        let name = member.member.name;
        has_state
            && args
                .name
                .as_ref()
                .is_none_or(|re| re.is_match(name.as_str()))
    });
    Ok(members)
}

fn show(args: &MembersArgs, members: &[Entry]) -> Result<(), Failure> {
    if args.at.json {
        return print::json(&members).map_err(|error| print::failed(&error));
    }
    let mut table = Table::new(&["NAME", "STATE", "ADDRESS", "SINCE", "METADATA"]);
    for member in members {
        let metadata = match &member.metadata {
            None => "-".to_owned(),
            Some(said) => match &said.text {
                Some(text) => printable(text),
                None => format!("{} bytes", said.len),
            },
        };
        table.row([
            member.member.name.to_string(),
            member.state.clone(),
            member.member.addr.to_string(),
            member.since.clone(),
            metadata,
        ]);
    }
    table.print()
}

/// Runs `selkie info`.
pub(crate) fn info(args: &AskArgs) -> Result<(), Failure> {
    let (value, info): (_, Info) = ask(&args.at, Method::GET, "/v1/info", Vec::new())?;
    if args.at.json {
        return json(&value);
    }
    let counts = info.members;
    let mut facts = vec![
        ("name", info.member.name.to_string()),
        ("address", info.member.addr.to_string()),
        ("generation", info.member.generation.to_string()),
        ("status", info.status),
        ("since", info.since),
        ("alive", counts.alive.to_string()),
        ("suspect", counts.suspect.to_string()),
        ("down", counts.down.to_string()),
        ("left", counts.left.to_string()),
        (
            "local health",
            format!("{} of 8, 0 is best", info.local_health),
        ),
        ("process", info.pid.to_string()),
        ("version", info.version),
    ];
    facts.extend(
        info.facts
            .iter()
            .map(|(name, fact)| (name.as_str(), fact.clone())),
    );
    facts
        .into_iter()
        .try_for_each(|(name, fact)| line(format_args!("{name:<14}{fact}")))
}

/// Runs `selkie watch`.
pub(crate) fn watch(args: &AskArgs) -> Result<(), Failure> {
    let place = Place::find(&args.at)?;
    smol::block_on(async {
        let mut lines = core::pin::pin!(lines(&place).await?);
        while let Some(event) = lines.next().await {
            let event = event?;
            match args.at.json {
                true => json(&event)?,
                false => line(format_args!("{}", told(&event)))?,
            }
        }
        Err(stopped())
    })
}

/// An event on a line, as the agent itself prints it.
fn told(event: &Value) -> String {
    let field = |name: &str| event[name].as_str().unwrap_or_default();
    let mut text = format!("{}  {:<10}", field("time"), field("event"));
    if event["name"].is_string() {
        text.push_str(&format!(" {} at {}", field("name"), field("addr")));
    }
    if let Some(by) = event["by"]["name"].as_str() {
        text.push_str(&format!(", accused by {by}"));
    }
    match (field("detail"), event["name"].is_string()) {
        ("", _) => {}
        (detail, true) => text.push_str(&format!(" ({detail})")),
        (detail, false) => text.push_str(&format!(" {detail}")),
    }
    printable(&text)
}

/// Runs `selkie join`.
pub(crate) fn join(args: &JoinArgs) -> Result<(), Failure> {
    let mut announced = Vec::new();
    for seed in &args.seeds {
        let body = seed.clone().into_bytes();
        let (_, joined): (_, Joined) = ask(&args.at, Method::POST, "/v1/join", body)?;
        announced.extend(joined.announced);
    }
    if args.at.json {
        return json(&serde_json::json!({ "announced": announced }));
    }
    let text: Vec<_> = announced.iter().map(ToString::to_string).collect();
    line(format_args!(
        "announced to {}; `selkie members` tells who answered",
        text.join(", ")
    ))
}

/// Runs `selkie leave`.
pub(crate) fn leave(args: &AskArgs) -> Result<(), Failure> {
    let (value, left): (_, Left) = ask(&args.at, Method::POST, "/v1/leave", Vec::new())?;
    match args.at.json {
        true => json(&value),
        false => line(format_args!(
            "left; {} of {} members answered",
            left.acked, left.wanted
        )),
    }
}

/// Runs `selkie broadcast`.
pub(crate) fn broadcast(args: &TextArgs) -> Result<(), Failure> {
    let body = bytes(&args.text)?;
    let (value, sent): (_, Broadcasted) = ask(&args.at, Method::POST, "/v1/broadcast", body)?;
    if !sent.is_news {
        let why = "the same was broadcast of late, and nobody would take it for news";
        return Err(Failure::new("not sent", why).hint("add what tells it apart, such as the time"));
    }
    match args.at.json {
        true => json(&value),
        false => line(format_args!("on its way to all members")),
    }
}

/// Runs `selkie send`.
pub(crate) fn send(args: &SendArgs) -> Result<(), Failure> {
    let body = bytes(&args.text)?;
    let way = if args.unacknowledged {
        "?unacknowledged"
    } else {
        ""
    };
    let path = format!("/v1/send/{}{way}", args.to);
    let (_, ()) = ask(&args.at, Method::POST, &path, body)?;
    let is_acknowledged = !args.unacknowledged;
    match (args.at.json, is_acknowledged) {
        (true, _) => json(&serde_json::json!({ "acknowledged": is_acknowledged })),
        (false, true) => line(format_args!("{} has it", args.to)),
        (false, false) => line(format_args!("on its way to {}", args.to)),
    }
}

/// Runs `selkie set-meta`.
pub(crate) fn set_meta(args: &TextArgs) -> Result<(), Failure> {
    let body = bytes(&args.text)?;
    let len = body.len();
    let (_, ()) = ask(&args.at, Method::POST, "/v1/metadata", body)?;
    match args.at.json {
        true => json(&serde_json::json!({ "len": len })),
        false => line(format_args!("{len} bytes, on their way to all members")),
    }
}

/// Runs `selkie down`.
pub(crate) fn down(args: &NameArgs) -> Result<(), Failure> {
    let path = format!("/v1/down/{}", args.name);
    let (value, declared): (_, Declared) = ask(&args.at, Method::POST, &path, Vec::new())?;
    if !declared.was_active {
        let why = "it is down already, or left";
        return Err(Failure::new(
            format!("cannot declare {} down", args.name),
            why,
        ));
    }
    match args.at.json {
        true => json(&value),
        false => line(format_args!(
            "{} is down; if it lives, it comes back",
            args.name
        )),
    }
}

/// Runs `selkie why`.
pub(crate) fn why(args: &NameArgs) -> Result<(), Failure> {
    let path = format!("/v1/why/{}", args.name);
    let (value, accused): (_, Vec<Accused>) = ask(&args.at, Method::GET, &path, Vec::new())?;
    if args.at.json {
        return json(&value);
    }
    if accused.is_empty() {
        return line(format_args!("{} was not suspected here of late", args.name));
    }
    let mut table = Table::new(&[
        "WHEN",
        "BY",
        "THROUGH",
        "CONFIRMED BY",
        "HEALTH",
        "OUTCOME",
        "ENDED",
    ]);
    for it in accused {
        let asked = it.asked.iter().map(|asked| match asked.was_heard {
            true => asked.by.name.to_string(),
            false => format!("{} (silent)", asked.by.name),
        });
        let asked: Vec<_> = asked.collect();
        let confirmed: Vec<_> = it.confirmed.iter().map(|it| it.by.name.as_str()).collect();
        table.row([
            it.at,
            it.by.map_or("-".to_owned(), |by| by.name.to_string()),
            match asked.as_slice() {
                [] => "-".to_owned(),
                names => names.join(","),
            },
            match confirmed.as_slice() {
                [] => "-".to_owned(),
                names => names.join(","),
            },
            it.local_health.to_string(),
            it.outcome.unwrap_or_else(|| "open".to_owned()),
            it.ended.unwrap_or_else(|| "-".to_owned()),
        ]);
    }
    table.print()
}

/// Asks, and returns the answer as it is and as it is understood.
fn ask<T: DeserializeOwned>(
    at: &At,
    method: Method,
    path: &str,
    body: Vec<u8>,
) -> Result<(Value, T), Failure> {
    let place = Place::find(at)?;
    let value = smol::block_on(place.ask(method, path, body))?;
    Ok((value.clone(), understood(value)?))
}

fn understood<T: DeserializeOwned>(value: Value) -> Result<T, Failure> {
    serde_json::from_value(value).map_err(|error| {
        Failure::caused("cannot understand the agent", &error)
            .hint("is it of another version? `selkie info --json` tells")
    })
}

/// The lines of the stream of events, each an object.
async fn lines(
    place: &Place,
) -> Result<impl futures::Stream<Item = Result<Value, Failure>>, Failure> {
    let response = place.open(Method::GET, "/v1/events", Vec::new()).await?;
    if response.status() != StatusCode::OK {
        let status = response.status();
        let refused = place.read(response).await;
        return Err(refused.map_or_else(|it| it, |_| Failure::new("the agent refused", status)));
    }
    let start = (response.into_body(), Vec::new(), place.clone());
    Ok(futures::stream::unfold(
        start,
        |(mut body, mut buf, place)| async move {
            loop {
                if let Some(end) = buf.iter().position(|&byte| byte == b'\n') {
                    let line: Vec<u8> = buf.drain(..=end).collect();
                    if line.len() > 1 {
                        let event = serde_json::from_slice(&line);
                        let event = event.map_err(|error| place.broken(&error));
                        return Some((event, (body, buf, place)));
                    }
                    continue;
                }
                match body.frame().await? {
                    Ok(frame) => buf.extend(frame.into_data().unwrap_or_default()),
                    Err(error) => {
                        let failure = place.broken(&error);
                        return Some((Err(failure), (body, buf, place)));
                    }
                }
            }
        },
    ))
}

fn stopped() -> Failure {
    Failure::new("nothing more to watch", "the agent has stopped")
}

fn bytes(text: &str) -> Result<Vec<u8>, Failure> {
    if text != "-" {
        return Ok(text.as_bytes().to_vec());
    }
    let mut bytes = Vec::new();
    let read = stdin().read_to_end(&mut bytes);
    read.map_err(|error| Failure::caused("cannot read stdin", &error))?;
    Ok(bytes)
}

fn json(value: &Value) -> Result<(), Failure> {
    print::json(value).map_err(|error| print::failed(&error))
}

/// Prints a line, in which there may be what others say.
fn line(text: core::fmt::Arguments<'_>) -> Result<(), Failure> {
    let text = printable(&text.to_string());
    print::line(format_args!("{text}")).map_err(|error| print::failed(&error))
}
