//! Whom the demo is told to: a person at a terminal, a file, a program.

use core::time::Duration;
use std::io::{self, IsTerminal, stdout};

use selkie::admin::Happening;
use serde::Serialize;

use super::{
    screen::{Screen, plain_line, step_line},
    story::{Present, Step, Times},
};
use crate::{
    print::{json, line},
    text::{millis, seconds},
    view::Row,
};

/// Where the demo goes.
#[derive(Debug)]
pub(crate) enum Audience {
    Screen(Screen),
    Lines,
    Json,
}

impl Audience {
    /// JSON if asked for; a screen if stdout is a terminal that can be asked where its cursor is;
    /// else lines.
    pub(crate) fn new(json: bool, members: u16) -> Self {
        if json {
            Self::Json
        } else if stdout().is_terminal() {
            Screen::open(members).map_or(Self::Lines, Self::Screen)
        } else {
            Self::Lines
        }
    }

    /// How long to rest between the acts, for people to follow.
    pub(crate) fn rest(&self) -> Duration {
        match self {
            Self::Screen(_) => Duration::from_secs(2),
            Self::Lines | Self::Json => Duration::ZERO,
        }
    }

    /// Says what is going on.
    pub(crate) fn say(&mut self, text: &str) -> io::Result<()> {
        match self {
            Self::Screen(screen) => screen.tell(plain_line(text)),
            Self::Lines => line(format_args!("{text}")),
            Self::Json => Ok(()),
        }
    }

    /// Says that something is done to the cluster now.
    pub(crate) fn act(&mut self, at: Duration, act: &str, member: &str) -> io::Result<()> {
        match self {
            Self::Screen(_) => Ok(()),
            Self::Lines => line(format_args!("{:>8}  demo: {act} {member}", seconds(at))),
            Self::Json => json(&Acted {
                event: act,
                at_ms: millis(at),
                name: member,
            }),
        }
    }

    /// Something that the observer learnt.
    pub(crate) fn happening(&mut self, at: Duration, happening: &Happening) -> io::Result<()> {
        match self {
            Self::Screen(_) => Ok(()),
            Self::Lines => line(format_args!("{:>8}  {happening}", seconds(at))),
            Self::Json => json(&Observed {
                happening,
                at_ms: millis(at),
            }),
        }
    }

    /// A step of the story was made.
    pub(crate) fn step(&mut self, at: Duration, step: &Step) -> io::Result<()> {
        match self {
            Self::Screen(screen) => screen.tell(step_line(step.took, &step.text)),
            Self::Lines => line(format_args!(
                "{:>8}  * {} ({})",
                seconds(at),
                step.text,
                seconds(step.took)
            )),
            Self::Json => json(&Told {
                event: "step",
                at_ms: millis(at),
                step: step.kind.name(),
                took_ms: millis(step.took),
            }),
        }
    }

    /// What the observer sees, and what is going on.
    pub(crate) fn show(&mut self, rows: &[Row], now: &Present) -> io::Result<()> {
        match self {
            Self::Screen(screen) => screen.show(rows, now),
            Self::Lines | Self::Json => Ok(()),
        }
    }

    /// The end: how long everything took, or why it did not come so far.
    pub(crate) fn end(self, outcome: Result<&Times, &str>) -> io::Result<()> {
        match self {
            Self::Json => return json(&Outcome::from(outcome)),
            Self::Screen(screen) => screen.close()?,
            Self::Lines => {}
        }
        let Ok(times) = outcome else { return Ok(()) };
        line(format_args!(
            "The silent member: suspected after {}, down after {}.\n\
             Back under its name in {}; the one that left was gone in {}.",
            seconds(times.suspect),
            seconds(times.down),
            seconds(times.rejoined),
            seconds(times.left),
        ))?;
        line(format_args!(
            "Next, with real members: selkie certs init, then selkie agent --help"
        ))
    }
}

#[derive(Serialize)]
struct Acted<'a> {
    event: &'a str,
    at_ms: u64,
    name: &'a str,
}

#[derive(Serialize)]
struct Observed<'a> {
    #[serde(flatten)]
    happening: &'a Happening,
    at_ms: u64,
}

#[derive(Serialize)]
struct Told<'a> {
    event: &'a str,
    at_ms: u64,
    step: &'a str,
    took_ms: u64,
}

/// The last line.
#[derive(Serialize)]
#[serde(tag = "result", rename_all = "lowercase")]
enum Outcome<'a> {
    Ok {
        converged_ms: u64,
        suspect_ms: u64,
        down_ms: u64,
        rejoined_ms: u64,
        left_ms: u64,
    },
    Failed {
        reason: &'a str,
    },
}

impl<'a> From<Result<&Times, &'a str>> for Outcome<'a> {
    fn from(outcome: Result<&Times, &'a str>) -> Self {
        match outcome {
            Ok(times) => Self::Ok {
                converged_ms: millis(times.converged),
                suspect_ms: millis(times.suspect),
                down_ms: millis(times.down),
                rejoined_ms: millis(times.rejoined),
                left_ms: millis(times.left),
            },
            Err(reason) => Self::Failed { reason },
        }
    }
}

#[cfg(test)]
mod tests {
    use core::time::Duration;

    use super::{Outcome, Times};

    #[test]
    fn the_result_is_as_scripts_expect_it() {
        let times = Times {
            converged: Duration::from_millis(1),
            suspect: Duration::from_millis(2),
            down: Duration::from_millis(3),
            rejoined: Duration::from_millis(4),
            left: Duration::from_millis(5),
        };
        for (outcome, json) in [
            (
                Ok(&times),
                r#"{"result":"ok","converged_ms":1,"suspect_ms":2,"down_ms":3,"rejoined_ms":4,"left_ms":5}"#,
            ),
            (Err("why"), r#"{"result":"failed","reason":"why"}"#),
        ] {
            let printed = serde_json::to_string(&Outcome::from(outcome)).expect("JSON");
            assert_eq!(printed, json);
        }
    }
}
