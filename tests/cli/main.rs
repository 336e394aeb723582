//! The command `selkie`, run as its users do: real processes, sockets and certificates.
#![cfg(all(feature = "cli", unix))]

mod ask;
mod broken_off;
mod certs;
mod demo;
mod desk;
mod every;
mod fixture;
mod keys;
mod leaving;
mod members;
mod mistakes;
mod pins;
mod reach;
mod settings;
mod sim;
mod stalled;
