//! `selkie ready`: whether an agent takes part, for scripts and for what restarts containers.

use core::time::Duration;
use std::{thread, time::Instant};

use hyper::Method;
use selkie::admin::Info;
use serde::Serialize;
use smol::{Timer, future};

use super::{args::ReadyArgs, client::Place, line, understood};
use crate::{failure::Failure, print};

/// Runs `selkie ready`.
pub(crate) fn ready(args: &ReadyArgs) -> Result<(), Failure> {
    let wait = Duration::from_secs(args.wait.into());
    let started = Instant::now();
    loop {
        let looked = look(args);
        let is_over = started.elapsed() >= wait;
        match looked {
            Ok(state) if state.ready || is_over => return told(args, &state),
            Err(failure) if is_over => return Err(failure),
            // Not there yet, or no more: it may be starting.
            Ok(_) | Err(_) => thread::sleep(LOOK_EVERY),
        }
    }
}

/// How far an agent is.
#[derive(Debug, Serialize)]
struct State {
    ready: bool,
    status: String,
    /// Other members that take part.
    active: usize,
}

fn look(args: &ReadyArgs) -> Result<State, Failure> {
    let place = Place::find(&args.at)?;
    let get = async |path| place.ask(Method::GET, path, Vec::new()).await;
    let asked = async {
        let info: Info = understood(get("/v1/info").await?)?;
        // That is answered beside the member; this, by itself, and only if it is well.
        if info.status == "running" {
            get("/v1/probing").await?;
        }
        Ok(info)
    };
    let late = async {
        Timer::after(ANSWER_MAX).await;
        let why = format!(
            "the member does not answer within {} s",
            ANSWER_MAX.as_secs()
        );
        Err(Failure::new("not ready", why).hint("it hangs: start it again"))
    };
    let info = smol::block_on(future::or(asked, late))?;
    let active = info.members.alive + info.members.suspect;
    Ok(State {
        ready: info.status == "running" && active >= usize::from(args.members),
        status: info.status,
        active,
    })
}

fn told(args: &ReadyArgs, state: &State) -> Result<(), Failure> {
    let State { status, active, .. } = state;
    if args.at.json {
        print::json(state).map_err(|error| print::failed(&error))?;
    }
    match (state.ready, args.at.json) {
        (true, true) => Ok(()),
        (true, false) => line(format_args!("ready; other active members: {active}")),
        (false, _) if status != "running" => {
            let failure = Failure::new("not ready", format!("the agent is {status}"));
            Err(failure.hint("start it again; if its name is taken, under another one"))
        }
        (false, _) => {
            let wanted = args.members;
            let why = format!("{active} of {wanted} other members are active");
            Err(Failure::new("not ready", why).hint("`selkie doctor` tells what may be wrong"))
        }
    }
}

/// How long an answer may take.
const ANSWER_MAX: Duration = Duration::from_secs(10);

/// How often to look.
const LOOK_EVERY: Duration = Duration::from_millis(100);
