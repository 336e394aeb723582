//! The command `selkie`: a demo, a real member, certificates and keys for both, and a
//! simulator.

#![allow(
    clippy::std_instead_of_alloc,
    reason = "a program, which always has std"
)]
// They panic when nobody reads.
#![deny(clippy::print_stdout, clippy::print_stderr)]

mod agent;
mod args;
mod certs;
mod demo;
mod failure;
mod keys;
mod print;
mod sim;
mod text;
mod view;

use std::process::ExitCode;

use clap::Parser;

use self::args::{CertsCommand, Cli, Command, KeysCommand};

fn main() -> ExitCode {
    let result = match Cli::parse().command {
        Command::Demo(args) => demo::run(&args),
        Command::Agent(args) => agent::run(args),
        Command::Sim(args) => sim::run(&args),
        Command::Certs(CertsCommand::Init(args)) => certs::init(&args),
        Command::Certs(CertsCommand::Issue(args)) => certs::issue(&args),
        Command::Keys(KeysCommand::Generate(args)) => keys::generate(&args),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            print::error(failure);
            ExitCode::FAILURE
        }
    }
}
