//! The command `selkie`: a demo, a real member and what can be asked of it, certificates and keys
//! for both, and a simulator.

#![allow(
    clippy::std_instead_of_alloc,
    reason = "a program, which always has std"
)]
// They panic when nobody reads.
#![deny(clippy::print_stdout, clippy::print_stderr)]

mod agent;
mod args;
mod ask;
mod certs;
mod demo;
mod failure;
mod keys;
mod manual;
mod print;
mod settings;
mod sim;
mod text;
mod view;

use std::process::ExitCode;

use self::{
    args::{CertsCommand, Command, KeysCommand},
    failure::Failure,
};

fn main() -> ExitCode {
    let result = match settings::parse() {
        Ok(cli) => run(cli.command),
        Err(failure) => Err(failure),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            print::error(failure);
            ExitCode::FAILURE
        }
    }
}

fn run(command: Command) -> Result<(), Failure> {
    match command {
        Command::Demo(args) => demo::run(&args),
        Command::Agent(args) => agent::run(*args),
        Command::Members(args) => ask::members(&args),
        Command::Info(args) => ask::info(&args),
        Command::Ready(args) => ask::ready(&args),
        Command::Watch(args) => ask::watch(&args),
        Command::Top(args) => ask::top(&args),
        Command::Doctor(args) => ask::doctor(&args),
        Command::Why(args) => ask::why(&args),
        Command::Rtt(args) => ask::rtt(&args),
        Command::Reach(args) => ask::reach(&args),
        Command::Join(args) => ask::join(&args),
        Command::Leave(args) => ask::leave(&args),
        Command::Down(args) => ask::down(&args),
        Command::Broadcast(args) => ask::broadcast(&args),
        Command::Send(args) => ask::send(&args),
        Command::SetMeta(args) => ask::set_meta(&args),
        Command::Sim(args) => sim::run(&args),
        Command::Certs(CertsCommand::Init(args)) => certs::init(&args),
        Command::Certs(CertsCommand::Issue(args)) => certs::issue(&args),
        Command::Certs(CertsCommand::Key(args)) => certs::key(&args),
        Command::Certs(CertsCommand::Pin(args)) => certs::pin(&args),
        Command::Certs(CertsCommand::List(args)) => ask::certs::list(&args),
        Command::Certs(CertsCommand::Install(args)) => ask::certs::install(&args),
        Command::Certs(CertsCommand::Reload(args)) => ask::certs::reload(&args),
        Command::Keys(KeysCommand::Generate(args)) => keys::generate(&args),
        Command::Keys(KeysCommand::List(args)) => ask::keys::list(&args),
        Command::Keys(KeysCommand::Add(args)) => ask::keys::add(&args),
        Command::Keys(KeysCommand::Use(args)) => ask::keys::make_primary(&args),
        Command::Keys(KeysCommand::Remove(args)) => ask::keys::remove(&args),
        Command::Completions(args) => manual::completions(&args),
        Command::Man(args) => manual::man(&args),
    }
}
