//! From seeds to addresses.

use alloc::{format, string::String, sync::Arc, vec::Vec};
use core::{net::SocketAddr, panic::AssertUnwindSafe, time::Duration};
use std::{
    fs::File,
    io::{self, Read},
    net::ToSocketAddrs,
    path::Path,
};

use futures::FutureExt;
use smol::Timer;

use super::{Seed, dns, seed::Kind};
use crate::trace::warn;

/// How seeds are looked up.
#[derive(Debug, Default)]
pub(in crate::agent) struct Resolver {
    /// Whom to ask for SRV records; the system's servers if there are none.
    pub(in crate::agent) dns_servers: Vec<SocketAddr>,
}

impl Resolver {
    /// All addresses that a seed stands for now, up to a bound.
    pub(super) async fn resolve(self: Arc<Self>, seed: Seed) -> io::Result<Vec<SocketAddr>> {
        let addrs = match seed.0 {
            Kind::Source(source) => {
                let late = async {
                    Timer::after(DISCOVER_MAX).await;
                    Err(io::ErrorKind::TimedOut.into())
                };
                // Made and polled where a panic of its own ends it, and not the agent.
                let found = async { source.0.discover().await };
                let found = AssertUnwindSafe(found).catch_unwind();
                let found = async { found.await.unwrap_or_else(|_| Err(panicked())) };
                smol::future::or(found, late).await
            }
            kind => smol::unblock(move || self.look_up(&kind)).await,
        };
        addrs.map(|mut addrs| {
            addrs.truncate(ADDRS_MAX);
            addrs
        })
    }

    /// Blocks.
    fn look_up(&self, kind: &Kind) -> io::Result<Vec<SocketAddr>> {
        match kind {
            Kind::Addr(addr) => Ok(Vec::from([*addr])),
            Kind::Host { name, port } => Ok((name.as_str(), *port).to_socket_addrs()?.collect()),
            Kind::Srv(name) => dns::look_up(name, &self.dns_servers),
            Kind::File(path) => self.look_up_all(path),
            Kind::Source(_) => Err(io::ErrorKind::Unsupported.into()),
        }
    }

    /// Those of the lines that can be looked up; the first error if there is none.
    fn look_up_all(&self, path: &Path) -> io::Result<Vec<SocketAddr>> {
        let mut text = String::new();
        File::open(path)?.take(FILE_MAX).read_to_string(&mut text)?;
        let mut addrs = Vec::new();
        let mut failed = Ok(());
        for line in text.lines().map(str::trim) {
            if line.is_empty() || line.starts_with('#') || addrs.len() >= ADDRS_MAX {
                continue;
            }
            match self.look_up_line(line) {
                Ok(more) => addrs.extend(more),
                Err(error) => {
                    warn!(line, %error, "seed in a file is passed over");
                    failed = failed.and(Err(error));
                }
            }
        }
        match (addrs.is_empty(), failed) {
            (true, Err(error)) => Err(error),
            _ => Ok(addrs),
        }
    }

    fn look_up_line(&self, line: &str) -> io::Result<Vec<SocketAddr>> {
        let seed: Seed = line.parse().map_err(io::Error::other)?;
        match &seed.0 {
            // A file could name itself.
            Kind::File(_) => Err(io::Error::other(format!("{line} in a file"))),
            kind => self.look_up(kind),
        }
    }
}

fn panicked() -> io::Error {
    io::Error::other("it panicked")
}

/// The most addresses that a seed stands for.
const ADDRS_MAX: usize = 1024;
/// The most bytes that are read of a file of seeds.
const FILE_MAX: u64 = 64 << 10;
/// How long somebody else may look for others.
const DISCOVER_MAX: Duration = Duration::from_secs(30);
