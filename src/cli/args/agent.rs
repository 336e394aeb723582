//! What `selkie agent` can be told.

use core::net::SocketAddr;
use std::path::PathBuf;

use clap::{Args, ValueEnum};

use super::TransportKind;

#[derive(Clone, Debug, Args)]
#[command(after_help = AGENT_EXAMPLES)]
pub(crate) struct AgentArgs {
    /// Read settings from this TOML file: the options below without their dashes, join as a list.
    /// Options given here, and SELKIE_* in the environment, override it
    #[arg(long, env = "SELKIE_CONFIG", value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    /// Check the settings, and the files that they name, and end
    #[arg(long)]
    pub(crate) check: bool,
    /// Address and port to receive at, such as 10.0.0.1:7946 or [::]:7946
    #[arg(long, env = "SELKIE_BIND", value_name = "ADDR")]
    pub(crate) bind: SocketAddr,
    /// Where the others reach us, if that is not the bound address; port 0 stands for the bound
    /// port
    #[arg(long, env = "SELKIE_ADVERTISE", value_name = "ADDR")]
    pub(crate) advertise: Option<SocketAddr>,
    /// Name, unique in the cluster: a-z 0-9 - . _ [default: HOSTNAME-PORT]
    #[arg(long, env = "SELKIE_NAME")]
    pub(crate) name: Option<selkie::Name>,
    /// Name of the cluster: members of others are strangers
    #[arg(
        long,
        env = "SELKIE_CLUSTER",
        value_name = "NAME",
        default_value = "selkie"
    )]
    pub(crate) cluster: selkie::Name,
    /// Where to join, as ADDRESS:PORT, HOST:PORT, the name of an SRV record, such as
    /// _gossip._udp.example.org, or file:PATH, with one of these per line; may be given several
    /// times
    #[arg(long, env = "SELKIE_JOIN", value_name = "SEED", value_delimiter = ',')]
    pub(crate) join: Vec<selkie::agent::Seed>,
    /// Remember ourselves and the others in this file, for the next start
    #[arg(long, env = "SELKIE_SNAPSHOT", value_name = "FILE")]
    pub(crate) snapshot: Option<PathBuf>,
    /// What to say of ourselves, which every member comes to know
    #[arg(long, env = "SELKIE_METADATA", value_name = "TEXT")]
    pub(crate) metadata: Option<String>,
    /// What carries the packets
    #[arg(long, env = "SELKIE_TRANSPORT", value_enum, default_value_t = TransportKind::Quic)]
    pub(crate) transport: TransportKind,
    /// How packets are written; the same at all members
    #[arg(long, env = "SELKIE_CODEC", value_enum, default_value_t = CodecKind::Postcard)]
    pub(crate) codec: CodecKind,
    /// How far apart the members are: one machine, one data centre, or the world
    #[arg(long, env = "SELKIE_PRESET", value_enum, default_value_t = Preset::Lan)]
    pub(crate) preset: Preset,
    /// Certificate of the cluster's authority, PEM (QUIC)
    #[arg(long, env = "SELKIE_CA", value_name = "FILE")]
    pub(crate) ca: Option<PathBuf>,
    /// Certificate of this member, PEM (QUIC)
    #[arg(long, env = "SELKIE_CERT", value_name = "FILE")]
    pub(crate) cert: Option<PathBuf>,
    /// Private key of this member, PEM (QUIC)
    #[arg(long, env = "SELKIE_KEY", value_name = "FILE")]
    pub(crate) key: Option<PathBuf>,
    /// Instead of --ca and --cert: the members' public keys, a line for each, as `selkie certs pin`
    /// prints them (QUIC)
    #[arg(long, env = "SELKIE_PINS", value_name = "FILE", conflicts_with_all = ["ca", "cert"])]
    pub(crate) pins: Option<PathBuf>,
    /// Seal UDP with the first key of this file, and open with each of them; see `selkie keys`
    #[arg(long, env = "SELKIE_SEAL_KEY", value_name = "FILE")]
    pub(crate) seal_key: Option<PathBuf>,
    /// Unix socket at which `selkie members` and the like ask, for this user only
    /// [default: $XDG_RUNTIME_DIR/selkie/CLUSTER@NAME.sock, or /tmp/selkie-UID/...]
    #[arg(long, env = "SELKIE_ADMIN", value_name = "PATH")]
    pub(crate) admin: Option<PathBuf>,
    /// Have no Unix socket
    #[arg(long, env = "SELKIE_NO_ADMIN", conflicts_with = "admin")]
    pub(crate) no_admin: bool,
    /// Serve the status page, /metrics for Prometheus, and the rest to be read, at this address on
    /// loopback
    #[arg(long, env = "SELKIE_ADMIN_HTTP", value_name = "ADDR", value_parser = loopback)]
    pub(crate) admin_http: Option<SocketAddr>,
    /// Log to stderr what passes this filter, such as debug or selkie=trace
    #[arg(long, env = "SELKIE_LOG", value_name = "FILTER")]
    pub(crate) log: Option<String>,
    /// Print one JSON object per event
    #[arg(long, env = "SELKIE_JSON")]
    pub(crate) json: bool,
}

impl AgentArgs {
    /// What carries the packets, in words.
    pub(crate) fn transport_name(&self) -> &'static str {
        match self.seal_key {
            Some(_) => "sealed UDP",
            None => self.transport.name(),
        }
    }
}

fn loopback(text: &str) -> Result<SocketAddr, String> {
    let addr: SocketAddr = text.parse().map_err(|_| "no ADDRESS:PORT".to_owned())?;
    match addr.ip().is_loopback() {
        true => Ok(addr),
        false => Err(format!("{} is not on loopback, as 127.0.0.1 is", addr.ip())),
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum CodecKind {
    /// The smallest packets
    Postcard,
    /// For clusters that already speak it
    Bincode,
    /// Readable by every language's MessagePack library
    Msgpack,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Preset {
    /// Members on one machine
    Local,
    /// Members in one data centre
    Lan,
    /// Members around the world
    Wan,
}

impl Preset {
    pub(crate) fn config(self) -> selkie::Config {
        match self {
            Self::Local => selkie::Config::local(),
            Self::Lan => selkie::Config::lan(),
            Self::Wan => selkie::Config::wan(),
        }
    }
}

const AGENT_EXAMPLES: &str = "\
Examples:
  Two members on this machine, over QUIC:
    selkie certs init
    selkie certs issue a
    selkie certs issue b
    selkie agent --bind 127.0.0.1:7946 \\
      --ca certs/ca.pem --cert certs/a.pem --key certs/a-key.pem
    selkie agent --bind 127.0.0.1:7947 --join 127.0.0.1:7946 \\
      --ca certs/ca.pem --cert certs/b.pem --key certs/b-key.pem

  Over UDP, sealed with a key that all members share:
    selkie keys generate
    selkie agent --bind 127.0.0.1:7946 --transport udp --seal-key selkie.key

  Over QUIC, without an authority: members known by their public keys:
    selkie certs key a >> pins
    selkie certs key b >> pins
    selkie agent --bind 127.0.0.1:7946 --name a --pins pins --key certs/a-key.pem

  On all interfaces, unencrypted, joining at whatever a DNS name stands for:
    selkie agent --bind [::]:7946 --advertise 10.0.0.1:7946 \\
      --join seeds.example.org:7946 --transport udp

  With a file of settings; SIGHUP has it read again:
    selkie agent --config /etc/selkie/agent.toml --check
    selkie agent --config /etc/selkie/agent.toml

Exit codes:
  0    left as told, by SIGINT, SIGTERM or `selkie leave`
  1    could not start or go on: also when declared down for good, and, after leaving,
       when nobody reads its stdout any more
  2    wrong usage
  130  SIGINT while leaving: ended at once
  143  SIGTERM while leaving: ended at once";
