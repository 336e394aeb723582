//! A member at each host, over one of the transports.

use core::{fmt, time::Duration};
use std::{collections::BTreeMap, path::Path, process::Command, thread, time::Instant};

use tempfile::TempDir;

use crate::{
    member::{Member, State},
    network::Network,
};

pub(crate) const PORT: u16 = 7946;

/// What carries the packets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Plain,
    Sealed,
    Quic,
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Plain => "plain UDP",
            Self::Sealed => "sealed UDP",
            Self::Quic => "QUIC",
        })
    }
}

/// Plays a case over each transport, at the same time, each on a network of its own, and prints
/// what it returns.
#[track_caller]
pub(crate) fn over_each(
    case: &str,
    hosts: &[&'static str],
    play: impl Fn(&Network, Kind) -> String + Sync,
) {
    each_over_each(&[(case, ())], hosts, |network, kind, ()| {
        play(network, kind)
    });
}

/// Likewise with several cases, which have a name and something that is different.
#[track_caller]
pub(crate) fn each_over_each<T: Sync>(
    cases: &[(&str, T)],
    hosts: &[&'static str],
    play: impl Fn(&Network, Kind, &T) -> String + Sync,
) {
    let play = &play;
    thread::scope(|scope| {
        for (case, what) in cases {
            for kind in [Kind::Plain, Kind::Sealed, Kind::Quic] {
                let run = move || {
                    if let Some(network) = Network::new(hosts) {
                        println!("{case}: {kind}: {}", play(&network, kind, what));
                    }
                };
                let thread = thread::Builder::new().name(format!("{case}, over {kind}"));
                thread.spawn_scoped(scope, run).expect("a thread");
            }
        }
    });
}

/// What members prove themselves by.
pub(crate) struct Site<'a> {
    network: &'a Network,
    kind: Kind,
    dir: TempDir,
}

impl<'a> Site<'a> {
    #[track_caller]
    pub(crate) fn new(network: &'a Network, kind: Kind) -> Self {
        let dir = tempfile::tempdir().expect("a directory");
        let site = Self { network, kind, dir };
        match kind {
            Kind::Plain => {}
            Kind::Sealed => selkie(&["keys", "generate", "--out", &site.path("key")]),
            Kind::Quic => selkie(&["certs", "init", "--dir", &site.path("")]),
        }
        site
    }

    fn path(&self, file: &str) -> String {
        let path: &Path = self.dir.path();
        path.join(file).display().to_string()
    }

    /// Starts a member, at the address that its host has.
    #[track_caller]
    pub(crate) fn start(&self, name: &str, host: &str, seeds: &[&str]) -> Member {
        self.start_at(name, host, &self.network.addr(host), PORT, seeds)
    }

    #[track_caller]
    pub(crate) fn start_at(
        &self,
        name: &str,
        host: &str,
        addr: &str,
        port: u16,
        seeds: &[&str],
    ) -> Member {
        let mut command = self.network.at(host, env!("CARGO_BIN_EXE_selkie"));
        let bind = format!("{addr}:{port}");
        command.args(["agent", "--json", "--preset", "local", "--name", name]);
        command.args(["--bind", &bind]);
        for seed in seeds {
            let seed = format!("{}:{PORT}", self.network.addr(seed));
            if seed != bind {
                command.args(["--join", &seed]);
            }
        }
        match self.kind {
            Kind::Plain => command.args(["--transport", "udp"]),
            Kind::Sealed => command.args(["--transport", "udp", "--seal-key", &self.path("key")]),
            Kind::Quic => {
                let cert = self.path(&format!("{name}.pem"));
                if !Path::new(&cert).exists() {
                    selkie(&["certs", "issue", name, "--dir", &self.path("")]);
                }
                let key = self.path(&format!("{name}-key.pem"));
                let ca = self.path("ca.pem");
                command.args(["--ca", &ca, "--cert", &cert, "--key", &key])
            }
        };
        Member::start(name, command)
    }

    /// A member at each host, called as it is, whose seeds are all hosts.
    #[track_caller]
    pub(crate) fn start_all(&self, hosts: &[&str]) -> Vec<Member> {
        let start = |host: &&str| self.start(host, host, hosts);
        hosts.iter().map(start).collect()
    }
}

/// Waits until each member sees all others alive. Says since when.
#[track_caller]
pub(crate) fn until_all_see_all(members: &[Member]) -> Instant {
    let names: Vec<&str> = members.iter().map(|member| member.name.as_str()).collect();
    until(members, |member| {
        let others = names.iter().filter(|name| **name != member.name);
        others.map(|name| (*name, State::Alive)).collect()
    })
}

/// Waits until the view of each member is what it should be. Says since when.
#[track_caller]
pub(crate) fn until<'a>(
    members: &[Member],
    view: impl Fn(&Member) -> BTreeMap<&'a str, State>,
) -> Instant {
    let since = members
        .iter()
        .map(|member| member.until_sees(&view(member)));
    since.max().expect("members")
}

/// Marks, one for each member.
pub(crate) fn marks(members: &[Member]) -> Vec<usize> {
    members.iter().map(Member::mark).collect()
}

/// How often such an event was seen after the marks, by all members together.
pub(crate) fn count(members: &[Member], marks: &[usize], event: &str) -> usize {
    let since = |(member, mark): (&Member, &usize)| member.since(*mark);
    let said = members.iter().zip(marks).flat_map(since);
    said.filter(|said| said.event == event).count()
}

/// Checks that nobody was declared down after the marks.
#[track_caller]
pub(crate) fn check_nobody_down(members: &[Member], marks: &[usize]) {
    for (member, mark) in members.iter().zip(marks) {
        let said = member.since(*mark);
        let down = said.iter().find(|said| said.event == "down");
        assert!(down.is_none(), "{member}: {down:?} of {said:#?}");
    }
}

/// Checks that nobody is declared down for a while: what does not happen, only time can tell.
#[track_caller]
pub(crate) fn check_nobody_down_for(while_: Duration, members: &[Member], marks: &[usize]) {
    let end = Instant::now() + while_;
    while Instant::now() < end {
        check_nobody_down(members, marks);
        thread::sleep(Duration::from_millis(100));
    }
    check_nobody_down(members, marks);
}

#[track_caller]
fn selkie(args: &[&str]) {
    let output = Command::new(env!("CARGO_BIN_EXE_selkie"))
        .args(args)
        .output();
    let output = output.expect("run");
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{args:?}: {stderr}");
}
