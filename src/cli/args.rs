//! What can be typed.

mod agent;

use core::net::IpAddr;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

pub(crate) use self::agent::{AgentArgs, CodecKind};
use crate::ask::args::{
    AskArgs, At, CompletionsArgs, EXIT_CODES, JoinArgs, ManArgs, MembersArgs, NameArgs,
    REACH_EXAMPLES, ReadyArgs, RttArgs, SendArgs, TextArgs, TopArgs,
};

/// Gossip-based cluster membership: see a cluster live, run a member, make its certificates.
#[derive(Debug, Parser)]
#[command(name = "selkie", version, max_term_width = 100, after_help = EXAMPLES)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Show a live cluster in this terminal: one member is silenced and found out
    ///
    /// All members run in this process, each with a thread, a socket on loopback and, over QUIC,
    /// a certificate of its own. One of them goes silent without a word, is suspected, declared
    /// down, and comes back; another one leaves. Takes about ten seconds.
    Demo(DemoArgs),
    /// Run a member of a cluster, and print what it learns about the others
    ///
    /// Seeds need not run yet: they are tried again until they answer, and one a minute afterwards,
    /// so that clusters that formed apart find each other. SIGINT (Ctrl-C) and
    /// SIGTERM tell the others that we leave; a second one exits at once.
    Agent(Box<AgentArgs>),
    /// List the members as a running agent sees them
    Members(MembersArgs),
    /// Tell about a running agent: who it is, how it is, how many it knows
    Info(AskArgs),
    /// Tell by the exit code whether a running agent takes part, and knows others
    ///
    /// For scripts that go on once a cluster is there, and for probes of containers.
    Ready(ReadyArgs),
    /// Print what a running agent learns, from now on, until Ctrl-C
    Watch(AskArgs),
    /// Show a running agent live: its members, health and traffic, until q or Ctrl-C
    Top(TopArgs),
    /// Look for what is wrong with a running agent, and say what to do about it
    ///
    /// Looks at its status, company, health, certificate and clock, and at what it counted since it started:
    /// packets that firewalls, other clusters, other programs and small MTUs leave traces of.
    Doctor(AskArgs),
    /// Tell why a member was suspected or declared down of late, as a running agent knows
    ///
    /// The last time first: when, by whom, through whom the agent had probed it, too, if it is itself
    /// that accuses (silent are those that did not even say that they have no answer), who confirmed
    /// it, how healthy the agent thought it was itself (0 is best, 8 worst), and what became of it.
    Why(NameArgs),
    /// Measure how far members are: from a running agent to all or one, or from one to another
    Rtt(RttArgs),
    /// Ask every member whom it sees, and tell where they differ
    ///
    /// Who does not answer, and who sees whom as suspected, down or missing.
    #[command(after_help = REACH_EXAMPLES)]
    Reach(AskArgs),
    /// Have a running agent ask somebody to let it in
    Join(JoinArgs),
    /// Have a running agent leave the cluster, and end
    Leave(AskArgs),
    /// Declare a member failed that is gone for good and yet does not go away
    Down(NameArgs),
    /// Have a running agent tell all members something: at most some hundred bytes
    Broadcast(TextArgs),
    /// Have a running agent send something to one member, and wait until it is there
    Send(SendArgs),
    /// Have a running agent say something of itself, which every member comes to know
    SetMeta(TextArgs),
    /// Simulate a cluster under faults, and compare with what papers measured
    ///
    /// Virtual time: hours pass in seconds. The same seed gives the same figures.
    Sim(SimArgs),
    /// Certificates: make them for development, tell what the members have
    ///
    /// Every member of a cluster over QUIC is given ca.pem and a certificate with its key; who has
    /// ca-key.pem can make members. Clusters that have an authority use that instead.
    #[command(subcommand, after_help = CERTS_EXAMPLES)]
    Certs(CertsCommand),
    /// Keys that a cluster over sealed UDP shares: make, list, replace them
    ///
    /// Every member is given the same: whoever has it is a member, and can speak in the name of
    /// any other. Certificates tell members apart: see `selkie certs`.
    #[command(subcommand, after_help = KEYS_EXAMPLES)]
    Keys(KeysCommand),
    /// Print a script that completes these commands in a shell
    Completions(CompletionsArgs),
    /// Print the manual page, or write all of them
    Man(ManArgs),
}

#[derive(Debug, Args)]
#[command(after_help = DEMO_EXAMPLES)]
pub(crate) struct DemoArgs {
    /// How many members, from 3 to 50
    #[arg(long, default_value_t = 5, value_name = "N",
          value_parser = clap::value_parser!(u16).range(3..=50))]
    pub(crate) nodes: u16,
    /// What carries the packets
    #[arg(long, value_enum, default_value_t = TransportKind::Quic)]
    pub(crate) transport: TransportKind,
    /// Print one JSON object per event, the result last
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
#[command(after_help = SIM_EXAMPLES)]
pub(crate) struct SimArgs {
    /// What to simulate
    #[arg(value_enum)]
    pub(crate) scenario: Scenario,
    /// How many members, from 3 to 100000 [default: those of the experiment]
    ///
    /// Each holds all others: a run of 1000 took 185 MB of memory, and one of 10000 14.6 GB. There
    /// may be as many runs at a time as processors.
    #[arg(long, value_name = "N", value_parser = nodes, allow_negative_numbers = true)]
    pub(crate) nodes: Option<usize>,
    /// The first seed; each further run of a setting takes the next one
    #[arg(
        long,
        value_name = "S",
        default_value_t = 1,
        allow_negative_numbers = true
    )]
    pub(crate) seed: u64,
    /// How many runs [default: as many as the figures need]
    ///
    /// Each setting of the experiment, such as a size, is run so often. Only lifeguard, which has 48
    /// of them, runs one setting in each run.
    #[arg(long, value_name = "R", allow_negative_numbers = true,
          value_parser = clap::value_parser!(u64).range(1..=1_000_000))]
    pub(crate) runs: Option<u64>,
    /// Print one JSON object instead of tables
    #[arg(long)]
    pub(crate) json: bool,
    /// Draw the plots, if the scenario has any, into this directory, as SVG
    #[arg(long, value_name = "DIR")]
    pub(crate) svg: Option<PathBuf>,
}

/// How many members a simulation can have.
fn nodes(text: &str) -> Result<usize, String> {
    let nodes = text.parse().map_err(|_| "not a number".to_owned())?;
    match (3..=100_000).contains(&nodes) {
        true => Ok(nodes),
        false => Err(format!("{nodes} is not in 3..=100000")),
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Scenario {
    /// SWIM: packets per member and period, against the size
    Load,
    /// SWIM: from a crash to the first suspicion, and on to the declaration
    Detection,
    /// SWIM: from the first declaration until all know
    Dissemination,
    /// SWIM: members join one by one while a tenth of all packets is lost
    LossyJoin,
    /// Lifeguard: wrong declarations by members that are blocked, part by part
    Lifeguard,
    /// Rapid: all members start at once, from one seed
    Bootstrap,
    /// Rapid: many members crash at once
    Crashes,
    /// Rapid: some members hear nothing for 20 s, then all for 20 s, and so on
    FlipFlop,
    /// Rapid: a few members lose 80 % of what they hear, or say
    LossyFew,
    /// Nobody fails, and the network loses packets
    HealthyLoss,
    /// Two halves, or all members, are cut off from each other for an hour
    Split,
    /// Broadcasts, one at a time and many, and whom they miss
    Broadcasts,
    /// Random schedules of faults, and the rules that must hold
    Chaos,
}

impl Scenario {
    pub(crate) fn has_plots(self) -> bool {
        match self {
            Self::Load
            | Self::Detection
            | Self::Dissemination
            | Self::Lifeguard
            | Self::FlipFlop
            | Self::LossyFew
            | Self::HealthyLoss => true,
            Self::LossyJoin
            | Self::Bootstrap
            | Self::Crashes
            | Self::Split
            | Self::Broadcasts
            | Self::Chaos => false,
        }
    }

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Load => "load",
            Self::Detection => "detection",
            Self::Dissemination => "dissemination",
            Self::LossyJoin => "lossy-join",
            Self::Lifeguard => "lifeguard",
            Self::Bootstrap => "bootstrap",
            Self::Crashes => "crashes",
            Self::FlipFlop => "flip-flop",
            Self::LossyFew => "lossy-few",
            Self::HealthyLoss => "healthy-loss",
            Self::Split => "split",
            Self::Broadcasts => "broadcasts",
            Self::Chaos => "chaos",
        }
    }
}

#[derive(Debug, Subcommand)]
pub(crate) enum CertsCommand {
    /// Make a certificate authority: ca.pem, for every member, and ca-key.pem, to be kept
    Init(CertsInitArgs),
    /// Issue a member's certificate: NAME.pem and NAME-key.pem
    Issue(CertsIssueArgs),
    /// Make a private key for a member of a cluster without an authority: NAME-key.pem; and print
    /// its line for everybody's list, --pins
    Key(CertsKeyArgs),
    /// Print the line of a member's private key for everybody's list, --pins
    Pin(CertsPinArgs),
    /// Tell what the members prove themselves by: when it expires, and whom they trust
    ///
    /// The columns are MEMBER, EXPIRES, DAYS, KEY and TRUSTS: the public key and the certificates of
    /// the authorities by the beginning of their SHA-256.
    List(AskArgs),
    /// Have a running agent use other certificates, and put them into its files
    ///
    /// Nothing is changed unless they are of use together with those that stay. To replace an
    /// authority: install a file that has both at every member; then a certificate and a key of the
    /// new one at every member; then the new one's file alone.
    Install(CertsInstallArgs),
    /// Have a running agent read its files of certificates and keys again, now
    ///
    /// It does so by itself within two seconds. This tells whether the new ones are of use; if not,
    /// the former ones stay.
    Reload(AskArgs),
}

#[derive(Debug, Args)]
pub(crate) struct CertsInitArgs {
    /// Where to put ca.pem and ca-key.pem
    #[arg(long, value_name = "DIR", default_value = "certs")]
    pub(crate) dir: PathBuf,
    /// Name of the cluster, put into the certificate's subject
    #[arg(long, value_name = "NAME", default_value = "dev")]
    pub(crate) cluster: String,
    /// Replace files that exist; what the former authority issued is then refused
    #[arg(long)]
    pub(crate) force: bool,
}

#[derive(Debug, Args)]
pub(crate) struct CertsIssueArgs {
    /// Name of the member: a-z 0-9 - . _, not ca, nor ending in -key
    #[arg(value_name = "NAME")]
    pub(crate) name: selkie::Name,
    /// Where ca.pem and ca-key.pem are
    #[arg(long, value_name = "DIR", default_value = "certs")]
    pub(crate) dir: PathBuf,
    /// Where to put NAME.pem and NAME-key.pem [default: as --dir]
    #[arg(long, value_name = "DIR")]
    pub(crate) out: Option<PathBuf>,
    /// How long it is valid, from 1 to 3650 days
    #[arg(long, value_name = "N", default_value_t = 90,
          value_parser = clap::value_parser!(u16).range(1..=3650))]
    pub(crate) days: u16,
    /// Where the member lives, and nowhere else [default: anywhere]; may be given several times
    #[arg(long = "addr", value_name = "IP")]
    pub(crate) addrs: Vec<IpAddr>,
    /// Replace files that exist
    #[arg(long)]
    pub(crate) force: bool,
}

#[derive(Debug, Args)]
#[command(after_help = EXIT_CODES)]
pub(crate) struct CertsInstallArgs {
    #[command(flatten)]
    pub(crate) at: At,
    /// Certificates of the authorities to trust, PEM
    #[arg(long, value_name = "FILE", required_unless_present = "cert")]
    pub(crate) ca: Option<PathBuf>,
    /// The member's certificate, PEM
    #[arg(long, value_name = "FILE", requires = "key")]
    pub(crate) cert: Option<PathBuf>,
    /// The private key to it, PEM
    #[arg(long, value_name = "FILE", requires = "cert")]
    pub(crate) key: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct CertsKeyArgs {
    /// Name of the member
    #[arg(value_name = "NAME")]
    pub(crate) name: selkie::Name,
    /// Where to put NAME-key.pem
    #[arg(long, value_name = "DIR", default_value = "certs")]
    pub(crate) dir: PathBuf,
    /// Replace the file if it exists
    #[arg(long)]
    pub(crate) force: bool,
}

#[derive(Debug, Args)]
pub(crate) struct CertsPinArgs {
    /// Name of the member
    #[arg(value_name = "NAME")]
    pub(crate) name: selkie::Name,
    /// Its private key, PEM [default: certs/NAME-key.pem]
    #[arg(long, value_name = "FILE")]
    pub(crate) key: Option<PathBuf>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum KeysCommand {
    /// Make a key, for every member
    Generate(KeysGenerateArgs),
    /// Tell which keys there are, and how many members have them
    ///
    /// The columns are KEY, HERE (what the agent that is asked does with it: it seals, or opens),
    /// OPENS and SEALS (how many members do), and MISSING AT.
    List(AskArgs),
    /// Have a running agent open with another key, too, and add it to its file
    Add(KeysAddArgs),
    /// Have a running agent seal with a key that it has, and move it to the top of its file
    Use(KeysChangeArgs),
    /// Have a running agent open nothing more with a key, and take it out of its file
    Remove(KeysChangeArgs),
}

#[derive(Debug, Args)]
#[command(after_help = EXIT_CODES)]
pub(crate) struct KeysAddArgs {
    #[command(flatten)]
    pub(crate) at: At,
    /// The file with the key, one line; - reads it from stdin
    #[arg(value_name = "FILE")]
    pub(crate) file: PathBuf,
}

#[derive(Debug, Args)]
#[command(after_help = EXIT_CODES)]
pub(crate) struct KeysChangeArgs {
    #[command(flatten)]
    pub(crate) at: At,
    /// Which key: eight hexadecimal digits, as `selkie keys list` shows them, or a file that has it
    #[arg(value_name = "KEY", value_parser = crate::ask::key_id)]
    pub(crate) id: selkie::transports::udp::KeyId,
    /// Even if other members are not ready for that, or do not answer
    #[arg(long)]
    pub(crate) force: bool,
}

#[derive(Debug, Args)]
pub(crate) struct KeysGenerateArgs {
    /// Where to put it
    #[arg(long, value_name = "FILE", default_value = "selkie.key")]
    pub(crate) out: PathBuf,
    /// Replace the file if it exists
    #[arg(long)]
    pub(crate) force: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum TransportKind {
    /// Encrypted, both sides proven by certificates
    Quic,
    /// Datagrams, plain unless there is a --seal-key; plain is for networks in which everybody is
    /// trusted
    Udp,
}

impl TransportKind {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Quic => "QUIC",
            Self::Udp => "UDP",
        }
    }
}

const EXAMPLES: &str = "\
Examples:
  selkie demo                     a live QUIC cluster, nothing to set up
  selkie certs init               the certificates that real members need
  selkie agent --help             how to run a real member
  selkie members                  whom the agent on this machine sees
  selkie reach                    whether all members see the same
  selkie sim detection            how fast failures are found, in a simulator";

const DEMO_EXAMPLES: &str = "\
Examples:
  selkie demo
  selkie demo --nodes 20 --transport udp
  selkie demo --json | tail -1    the result alone, for scripts

Exit codes: 0 the story ended well, 1 a step missed its deadline, 2 wrong usage.";

const SIM_EXAMPLES: &str = "\
Examples:
  selkie sim load
  selkie sim flip-flop --nodes 500 --runs 3 --svg plots
  selkie sim chaos --seed 1000 --runs 10000 --json

Exit codes: 0 all bars are met, 1 one is missed, 2 wrong usage.
Fewer members or runs than by default may be too few for a bar.";

const CERTS_EXAMPLES: &str = "\
Examples:
  selkie certs init --cluster shop
  selkie certs issue db-1 --days 30
  selkie certs issue db-2 --out /etc/selkie
  selkie certs list
  selkie certs key db-1 >> pins   without an authority: see --pins of `selkie agent`

Exit codes: 0 done, 1 not done, and stderr says why, 2 wrong usage.";

const KEYS_EXAMPLES: &str = "\
Examples:
  selkie keys generate
  selkie keys generate --out /etc/selkie/cluster.key

To replace a key, with commands that each act on one agent, and its file:
  selkie keys generate --out new.key
  selkie keys add new.key         at every member; then
  selkie keys use new.key         at every member; then
  selkie keys remove selkie.key   at every member
A key is not used before all members have it, nor removed while one still seals with it. The same can be
done by hand: a file has a key per line, the first one seals, and members that run take changes up
within seconds.

Exit codes: 0 done, 1 not done, and stderr says why, 2 wrong usage.";
