//! Hosts, and the router between them.

use std::{
    fs,
    io::{self, Write},
    path::Path,
    process::{Command, Output},
    sync::{
        OnceLock,
        atomic::{AtomicUsize, Ordering},
    },
};

/// How the namespaces of a process begin; then come its number and that of the network.
const PREFIX: &str = "selkie-";

/// The chain that faults are put into, at the router.
const FAULTS: &str = "inet faults forward";

/// Hosts, each in a namespace of its own, and a router between all of them. Gone when dropped.
pub(crate) struct Network {
    name: String,
    hosts: Vec<&'static str>,
}

impl Network {
    /// With hosts of these names. None where that cannot be done here, which is then said on
    /// stderr.
    #[track_caller]
    pub(crate) fn new(hosts: &[&'static str]) -> Option<Self> {
        static POSSIBLE: OnceLock<Result<(), String>> = OnceLock::new();
        if let Err(why) = POSSIBLE.get_or_init(try_out) {
            // Not by `eprintln`, which is kept from view when a test passes.
            let _ = writeln!(io::stderr(), "netns: skipped: {why}");
            return None;
        }
        let mut network = Self::without_hosts().expect("it was possible just now");
        for host in hosts {
            network.add(host);
        }
        Some(network)
    }

    /// A router that forwards, and can filter.
    fn without_hosts() -> Result<Self, String> {
        static NEXT: AtomicUsize = AtomicUsize::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let network = Self {
            name: format!("{PREFIX}{}-{number}", std::process::id()),
            hosts: Vec::new(),
        };
        let router = &network.name;
        attempt(&format!("ip netns add {router}"))?;
        let forward = "sysctl -q -w net.ipv4.ip_forward=1";
        attempt(&format!("ip netns exec {router} {forward}"))?;
        for line in [
            "add table inet faults",
            "add chain inet faults forward { type filter hook forward priority 0; }",
            "add chain inet faults arriving { type filter hook prerouting priority 0; }",
            "add chain inet faults told { type filter hook output priority 0; }",
            "add counter inet faults lost",
            "add counter inet faults large",
            "add counter inet faults pieces",
            "add rule inet faults forward numgen random mod 100 < 0 counter name lost drop",
            "flush chain inet faults forward",
        ] {
            attempt(&format!("ip netns exec {router} nft {line}"))?;
        }
        Ok(network)
    }

    #[track_caller]
    fn add(&mut self, host: &'static str) {
        let (router, namespace) = (self.name.clone(), self.namespace(host));
        command(&format!("ip netns add {namespace}"));
        self.hosts.push(host);
        command(&format!(
            "ip link add uplink netns {namespace} type veth peer name to-{host} netns {router}"
        ));
        let (here, gateway) = (self.addr(host), self.gateway(host));
        for line in [
            format!("-n {router} addr add {gateway}/24 dev to-{host}"),
            format!("-n {router} link set to-{host} up"),
            format!("-n {namespace} link set lo up"),
            format!("-n {namespace} addr add {here}/24 dev uplink"),
            format!("-n {namespace} link set uplink up"),
            format!("-n {namespace} route add default via {gateway}"),
        ] {
            command(&format!("ip {line}"));
        }
    }

    /// Gives a host another address in place of that which it has.
    #[track_caller]
    pub(crate) fn move_host(&self, host: &str) -> String {
        let namespace = self.namespace(host);
        let (before, after) = (self.addr(host), self.in_subnet(host, 3));
        for line in [
            format!("addr del {before}/24 dev uplink"),
            format!("addr add {after}/24 dev uplink"),
            format!("route add default via {}", self.gateway(host)),
        ] {
            command(&format!("ip -n {namespace} {line}"));
        }
        after
    }

    /// Makes the link to a host carry less. The host knows, the others do not. What is sent to it
    /// is counted: packets that are too large, and the pieces of such packets.
    #[track_caller]
    pub(crate) fn narrow(&self, host: &str, mtu: u16) {
        let to = format!("add rule inet faults arriving ip daddr {}", self.addr(host));
        self.nft(&format!("{to} meta length > {mtu} counter name large"));
        self.nft(&format!(
            "{to} ip frag-off & 0x3fff != 0 counter name pieces"
        ));
        let (router, namespace) = (&self.name, self.namespace(host));
        command(&format!("ip -n {router} link set to-{host} mtu {mtu}"));
        command(&format!("ip -n {namespace} link set uplink mtu {mtu}"));
    }

    /// Has the router keep it to itself when packets are too large for a link.
    #[track_caller]
    pub(crate) fn say_nothing_of_large_packets(&self) {
        self.nft("add rule inet faults told icmp type destination-unreachable drop");
    }

    /// Loses this share of all packets from one host to another.
    #[track_caller]
    pub(crate) fn lose(&self, percent: u8) {
        self.nft(&format!(
            "add rule {FAULTS} numgen random mod 100 < {percent} counter name lost drop"
        ));
    }

    /// Nothing gets from one to the other any more. The way back is another one.
    #[track_caller]
    pub(crate) fn cut(&self, from: &str, to: &str) {
        let (from, to) = (self.addr(from), self.addr(to));
        self.nft(&format!(
            "add rule {FAULTS} ip saddr {from} ip daddr {to} counter name lost drop"
        ));
    }

    /// Nothing but TCP gets to a host, or from it.
    #[track_caller]
    pub(crate) fn pass_tcp_only(&self, host: &str) {
        for way in ["saddr", "daddr"] {
            let (rule, addr) = (format!("add rule {FAULTS} ip {way}"), self.addr(host));
            self.nft(&format!(
                "{rule} {addr} ip protocol != tcp counter name lost drop"
            ));
        }
    }

    /// Ends all losses and cuts.
    #[track_caller]
    pub(crate) fn heal(&self) {
        self.nft(&format!("flush chain {FAULTS}"));
    }

    /// How many packets were lost.
    #[track_caller]
    pub(crate) fn lost(&self) -> u64 {
        self.count("lost")
    }

    /// How many packets were too large for the link that was narrowed.
    #[track_caller]
    pub(crate) fn large(&self) -> u64 {
        self.count("large")
    }

    /// How many pieces of packets went to the host behind it.
    #[track_caller]
    pub(crate) fn pieces(&self) -> u64 {
        self.count("pieces")
    }

    #[track_caller]
    fn count(&self, counter: &str) -> u64 {
        let text = self.nft(&format!("list counter inet faults {counter}"));
        let (_, rest) = text.split_once("packets ").expect("a counter");
        let digits = rest.split_whitespace().next().expect("a number");
        digits.parse().expect("a number")
    }

    #[track_caller]
    fn nft(&self, line: &str) -> String {
        command(&format!("ip netns exec {} nft {line}", self.name))
    }

    /// Runs something at a host. `ip` becomes it: the process is the one that was asked for.
    pub(crate) fn at(&self, host: &str, program: &str) -> Command {
        let mut command = Command::new("ip");
        command.args(["netns", "exec", &self.namespace(host), program]);
        command
    }

    pub(crate) fn addr(&self, host: &str) -> String {
        self.in_subnet(host, 2)
    }

    fn gateway(&self, host: &str) -> String {
        self.in_subnet(host, 1)
    }

    fn in_subnet(&self, host: &str, last: u8) -> String {
        let at = self.hosts.iter().position(|known| *known == host);
        format!("10.99.{}.{last}", at.expect("a host of this network"))
    }

    fn namespace(&self, host: &str) -> String {
        format!("{}-{host}", self.name)
    }
}

impl Drop for Network {
    fn drop(&mut self) {
        // Links go with the namespaces that they end in.
        for host in &self.hosts {
            let _ = attempt(&format!("ip netns del {}", self.namespace(host)));
        }
        let _ = attempt(&format!("ip netns del {}", self.name));
    }
}

/// Whether networks can be made here, and if not, why.
fn try_out() -> Result<(), String> {
    for tool in ["ip", "nft", "sysctl"] {
        let found = Command::new(tool).arg("--version").output();
        found.map_err(|error| format!("{tool}: {error}"))?;
    }
    remove_what_the_dead_left();
    Network::without_hosts().map(drop)
}

/// Namespaces of tests that were killed, which have nobody to drop them.
fn remove_what_the_dead_left() {
    for entry in fs::read_dir("/run/netns").into_iter().flatten().flatten() {
        let name = entry.file_name().into_string().unwrap_or_default();
        let Some(rest) = name.strip_prefix(PREFIX) else {
            continue;
        };
        let process = rest.split('-').next().unwrap_or_default();
        if !Path::new("/proc").join(process).exists() {
            let _ = attempt(&format!("ip netns del {name}"));
        }
    }
}

/// Runs a line that must work.
#[track_caller]
fn command(line: &str) -> String {
    attempt(line).unwrap_or_else(|error| panic!("{error}"))
}

/// Runs a line without quotes in it.
fn attempt(line: &str) -> Result<String, String> {
    let mut words = line.split_whitespace();
    let program = words.next().unwrap_or_default();
    let output = Command::new(program).args(words).output();
    let Output {
        status,
        stdout,
        stderr,
    } = output.map_err(|error| format!("{line}: {error}"))?;
    match status.success() {
        true => Ok(String::from_utf8_lossy(&stdout).into_owned()),
        false => Err(format!(
            "{line}: {}",
            String::from_utf8_lossy(&stderr).trim_end()
        )),
    }
}
