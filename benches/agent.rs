//! Agents, LAN preset, over each transport: how soon they find together, what they cost when
//! idle, how soon who joins knows many, and how soon a member that died is known.
//!
//! `cargo bench --all-features --bench agent` prints a table of agents within one process; with
//! `-- udp 100`, only the row of that transport and number. `-- detect udp 40` starts 32 processes
//! of `selkie agent`, kills (SIGKILL) and stops (SIGSTOP) one of them 40 times each, and tells when
//! the last of the others knew. `-- join udp 5000` tells how soon who joins knows 5,000 members,
//! which one member was told of, and `-- restart udp 20` how soon 20 that are killed are one
//! cluster again, from their snapshots alone. As root, each run is in a network of its own, and what it sends is
//! all that is counted.

#[path = "agent/detect.rs"]
mod detect;
#[path = "agent/idle.rs"]
mod idle;
#[path = "agent/join.rs"]
mod join;
#[path = "agent/network.rs"]
mod network;
#[path = "agent/restart.rs"]
mod restart;

use std::{error::Error, process::ExitCode};

fn main() -> ExitCode {
    // Cargo adds one.
    let args: Vec<String> = std::env::args()
        .skip(1)
        .filter(|arg| arg != "--bench")
        .collect();
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    match run(&args) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

fn run(args: &[&str]) -> Result<(), Box<dyn Error>> {
    match args {
        [] => {
            println!("{}", idle::HEAD);
            for transport in idle::TRANSPORTS {
                for agents in ["32", "100"] {
                    network::within_own(&["idle", transport, agents])?;
                }
            }
            Ok(())
        }
        ["idle", transport, agents] => idle::row(transport, agents.parse()?),
        ["join", transport, members] => {
            println!("{}", join::HEAD);
            network::within_own(&["joining", transport, members])
        }
        ["joining", transport, members] => join::row(transport, members.parse()?),
        ["restart", transport, agents] => {
            println!("{}", restart::HEAD);
            network::within_own(&["restarting", transport, agents])
        }
        ["restarting", transport, agents] => idle::restart_row(transport, agents.parse()?),
        ["detect", transport, times] => network::within_own(&["detecting", transport, times]),
        ["detecting", transport, times] => detect::rows(transport, times.parse()?),
        [transport, agents] => {
            println!("{}", idle::HEAD);
            network::within_own(&["idle", transport, agents])
        }
        other => Err(format!("what is {other:?}? See the head of benches/agent.rs").into()),
    }
}
