//! What can be asked of a running agent.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

/// Which agent is asked.
#[derive(Debug, Args)]
pub(crate) struct At {
    /// The agent's admin socket, or http://ADDRESS:PORT, to read only [default: that of the one
    /// agent of yours that runs]
    #[arg(long, env = "SELKIE_ADMIN", value_name = "PATH")]
    pub(crate) admin: Option<String>,
    /// The agent of this name, where several of yours run
    #[arg(long, value_name = "NAME", conflicts_with = "admin")]
    pub(crate) agent: Option<selkie::Name>,
    /// The agent of this cluster, where several of yours run
    #[arg(long, value_name = "NAME", conflicts_with = "admin")]
    pub(crate) cluster: Option<selkie::Name>,
    /// Print JSON
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
#[command(after_help = EXIT_CODES)]
pub(crate) struct AskArgs {
    #[command(flatten)]
    pub(crate) at: At,
}

#[derive(Debug, Args)]
#[command(after_help = MEMBERS_EXAMPLES)]
pub(crate) struct MembersArgs {
    #[command(flatten)]
    pub(crate) at: At,
    /// Only members in this state; may be given several times
    #[arg(long, value_enum, value_name = "STATE")]
    pub(crate) status: Vec<Status>,
    /// Only members whose name matches this regular expression, as a whole
    #[arg(long, value_name = "RE", value_parser = whole)]
    pub(crate) name: Option<regex_lite::Regex>,
    /// Print them again whenever they change, until Ctrl-C
    #[arg(long)]
    pub(crate) watch: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Status {
    Alive,
    Suspect,
    Down,
    Left,
}

impl Status {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Alive => "alive",
            Self::Suspect => "suspect",
            Self::Down => "down",
            Self::Left => "left",
        }
    }
}

fn whole(text: &str) -> Result<regex_lite::Regex, regex_lite::Error> {
    regex_lite::Regex::new(&format!("^(?:{text})$"))
}

#[derive(Debug, Args)]
#[command(after_help = EXIT_CODES)]
pub(crate) struct JoinArgs {
    #[command(flatten)]
    pub(crate) at: At,
    /// Whom to ask to let the agent in, as ADDRESS:PORT or HOST:PORT
    #[arg(value_name = "SEED", required = true)]
    pub(crate) seeds: Vec<String>,
}

#[derive(Debug, Args)]
#[command(after_help = EXIT_CODES)]
pub(crate) struct TextArgs {
    #[command(flatten)]
    pub(crate) at: At,
    /// What to say; - reads it from stdin
    #[arg(value_name = "TEXT")]
    pub(crate) text: String,
}

#[derive(Debug, Args)]
#[command(after_help = EXIT_CODES)]
pub(crate) struct SendArgs {
    #[command(flatten)]
    pub(crate) at: At,
    /// To whom
    #[arg(value_name = "NAME")]
    pub(crate) to: selkie::Name,
    /// What to say; - reads it from stdin
    #[arg(value_name = "TEXT")]
    pub(crate) text: String,
    /// Do not wait until the member has it: it may be lost
    #[arg(long)]
    pub(crate) unacknowledged: bool,
}

#[derive(Debug, Args)]
#[command(after_help = EXIT_CODES)]
pub(crate) struct NameArgs {
    #[command(flatten)]
    pub(crate) at: At,
    /// Which member
    #[arg(value_name = "NAME")]
    pub(crate) name: selkie::Name,
}

#[derive(Debug, Args)]
#[command(after_help = RTT_EXAMPLES)]
pub(crate) struct RttArgs {
    #[command(flatten)]
    pub(crate) at: At,
    /// To which member; or, with B, from which one [default: all members]
    #[arg(value_name = "A")]
    pub(crate) a: Option<selkie::Name>,
    /// To which member from A
    #[arg(value_name = "B")]
    pub(crate) b: Option<selkie::Name>,
}

#[derive(Debug, Args)]
#[command(after_help = EXIT_CODES)]
pub(crate) struct TopArgs {
    #[command(flatten)]
    pub(crate) at: At,
    /// How often to look, every so many seconds, from 1 to 3600
    #[arg(long, value_name = "SECONDS", default_value_t = 1,
          value_parser = clap::value_parser!(u16).range(1..=3600))]
    pub(crate) period: u16,
}

#[derive(Debug, Args)]
#[command(after_help = READY_EXAMPLES)]
pub(crate) struct ReadyArgs {
    #[command(flatten)]
    pub(crate) at: At,
    /// How many other members it must know as active
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub(crate) members: u16,
    /// Wait until it is ready, for so many seconds at most, also for an agent to answer at all
    #[arg(long, value_name = "SECONDS", default_value_t = 0)]
    pub(crate) wait: u16,
}

#[derive(Debug, Args)]
pub(crate) struct CompletionsArgs {
    /// For which shell
    #[arg(value_enum)]
    pub(crate) shell: clap_complete::Shell,
}

#[derive(Debug, Args)]
pub(crate) struct ManArgs {
    /// Write a page for each command into this folder, instead of the first one to stdout
    #[arg(long, value_name = "DIR")]
    pub(crate) dir: Option<PathBuf>,
}

pub(crate) const EXIT_CODES: &str = "\
Exit codes: 0 done, 1 not done, and stderr says why, 2 wrong usage.";

const RTT_EXAMPLES: &str = "\
Examples:
  selkie rtt                      to every member
  selkie rtt db-2                 to one
  selkie rtt db-2 db-3 --json     from one to another, which the former one measures

The columns are FROM, TO, MIN, MEDIAN and MAX, of five echoes.

Exit codes: 0 done, 1 not done, or somebody did not answer, 2 wrong usage.";

pub(crate) const REACH_EXAMPLES: &str = "\
Examples:
  selkie reach
  selkie reach --json | jq .differences

The columns are MEMBER, ANSWERS, GROUP and ACTIVE. Those of one group see the same; ACTIVE is how many
members each takes for active. Below are who did not answer, and who sees whom otherwise than alive.

Exit codes: 0 all answered, and see the same, 1 not so, or not done, 2 wrong usage.";

const READY_EXAMPLES: &str = "\
Examples:
  selkie ready                          it takes part
  selkie ready --members 2 --wait 30    and knows two others, within half a minute

Exit codes: 0 ready, 1 not ready, and stderr says why, 2 wrong usage.";

const MEMBERS_EXAMPLES: &str = "\
Examples:
  selkie members
  selkie members --status suspect --status down
  selkie members --name 'db-.*' --json
  selkie members --agent db-1 --watch

The columns are NAME, STATE, ADDRESS, SINCE and METADATA; the agent that is asked comes first.

Exit codes: 0 done, 1 not done, and stderr says why, 2 wrong usage.";
