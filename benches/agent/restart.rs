//! How soon agents that are killed, and start again at once from their snapshots alone, are one
//! cluster.

use std::{
    error::Error,
    net::SocketAddr,
    path::Path,
    time::{Duration, Instant},
};

use selkie::{Builder, Cluster, Name, Node, Transport, codecs::PostcardCodec};
use smol::{Task, Timer};

use crate::idle::{ANY_PORT, PATIENCE, all_see_all};

pub const HEAD: &str = "\
| transport | agents | restarts | one cluster again: median s | least | most |
| --- | --: | --: | --: | --: | --: |";

/// How often all of them are killed.
const RESTARTS: usize = 5;

type Running = (Cluster<Node>, Task<()>);

/// Prints how soon so many agents are one cluster again.
pub fn measure<T: Transport>(
    what: &str,
    count: usize,
    bind: impl Fn(usize, SocketAddr) -> Result<T, Box<dyn Error>>,
) -> Result<(), Box<dyn Error>> {
    let dir = tempfile::tempdir()?;
    smol::block_on(async {
        let mut agents: Vec<Running> = Vec::new();
        for number in 0..count {
            let seed = agents.first().map(|(agent, _)| agent.local_addr());
            let transport = bind(number, ANY_PORT)?;
            agents.push(start(number, transport, seed, dir.path()).await?);
        }
        let mut taken = Vec::new();
        for _ in 0..RESTARTS {
            let handles: Vec<_> = agents.iter().map(|(agent, _)| agent.clone()).collect();
            all_see_all(&handles, Instant::now()).await?;
            for agent in &handles {
                while agent.stats().snapshots_waiting > 0 {
                    Timer::after(Duration::from_millis(2)).await;
                }
            }
            let addrs: Vec<_> = handles.iter().map(Cluster::local_addr).collect();
            drop(handles);
            for (_, driver) in agents.drain(..) {
                driver.cancel().await;
            }

            // Within one process, who is killed may keep its address for a while.
            let mut transports = Vec::new();
            for (number, addr) in addrs.into_iter().enumerate() {
                transports.push(rebind(|| bind(number, addr)).await?);
            }
            let started = Instant::now();
            for (number, transport) in transports.into_iter().enumerate() {
                agents.push(start(number, transport, None, dir.path()).await?);
            }
            let handles: Vec<_> = agents.iter().map(|(agent, _)| agent.clone()).collect();
            taken.push(all_see_all(&handles, started).await?);
        }
        taken.sort();
        let s = |at: usize| taken[at].as_secs_f64();
        let (median, least, most) = (s(RESTARTS / 2), s(0), s(RESTARTS - 1));
        println!("| {what} | {count} | {RESTARTS} | {median:.2} | {least:.2} | {most:.2} |");
        Ok(())
    })
}

async fn start<T: Transport>(
    number: usize,
    transport: T,
    seed: Option<SocketAddr>,
    dir: &Path,
) -> Result<Running, Box<dyn Error>> {
    let name = format!("agent-{number}");
    let identity = Node::now(Name::new(&name)?, transport.local_addr(), None);
    let (cluster, driver) = Builder::new()
        .codec(PostcardCodec)
        .transport(transport)
        .identity(identity)
        .seeds(seed)
        .snapshot(dir.join(name))
        .snapshot_period(Duration::from_millis(100))
        .build()
        .await?;
    Ok((cluster, smol::spawn(driver)))
}

/// Binds again once whoever was there before let go of the address.
async fn rebind<T>(bind: impl Fn() -> Result<T, Box<dyn Error>>) -> Result<T, Box<dyn Error>> {
    let started = Instant::now();
    loop {
        match bind() {
            Err(_) if started.elapsed() < PATIENCE => {
                Timer::after(Duration::from_millis(1)).await;
            }
            bound => return bound,
        }
    }
}
