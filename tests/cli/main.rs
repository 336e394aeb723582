//! The command `selkie`, run as its users do: real processes, sockets and certificates.
#![cfg(all(feature = "cli", unix))]

mod ask;
mod certs;
mod demo;
mod fixture;
mod leaving;
mod members;
mod mistakes;
mod reach;
mod settings;
mod sim;
