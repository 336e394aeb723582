//! Agents within one process.

use std::{
    error::Error,
    fs,
    net::SocketAddr,
    thread,
    time::{Duration, Instant},
};

use cpu_time::ProcessTime;
use selkie::{
    Builder, Cluster, Name, Node, Transport,
    codecs::PostcardCodec,
    transports::{
        PlainUdp, Quic, SealedUdp,
        certs::DevCa,
        quic::Credentials,
        udp::{Key, Keyring},
    },
};
use smol::Timer;

use crate::{network::bytes_sent, restart};

pub const TRANSPORTS: [&str; 3] = ["udp", "sealed", "quic"];

pub const HEAD: &str = "\
| transport | agents | all see all s | CPU s until then | idle: CPU ms/s each | KiB each | bytes/s each |
| --- | --- | --- | --- | --- | --- | --- |";

/// From the start of the first one until idling is measured.
const CALM: Duration = Duration::from_secs(60);

/// For how long it is.
const IDLE: Duration = Duration::from_secs(30);

/// What takes longer is given up.
pub const PATIENCE: Duration = Duration::from_secs(300);

pub const ANY_PORT: SocketAddr =
    SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 0);

/// Prints what so many agents are like over one transport.
pub fn row(transport: &str, agents: usize) -> Result<(), Box<dyn Error>> {
    match transport {
        "udp" => measure(transport, agents, |_| Ok(PlainUdp::bind(ANY_PORT)?)),
        "sealed" => {
            let keyring = Keyring::new(&Key::generate()?);
            measure(transport, agents, |_| {
                Ok(SealedUdp::bind(ANY_PORT, &keyring)?)
            })
        }
        "quic" => {
            let ca = DevCa::new("bench")?;
            // Made before anything is measured, as they are on real nodes.
            let credentials = (0..agents).map(|number| {
                let issued = ca.issue(&name_of(number))?;
                Ok(Credentials::from_issued(&issued)?)
            });
            let credentials: Vec<_> = credentials.collect::<Result<_, Box<dyn Error>>>()?;
            measure(transport, agents, |number| {
                Ok(Quic::bind(ANY_PORT, &credentials[number])?)
            })
        }
        other => Err(format!("no transport {other:?}; there are {TRANSPORTS:?}").into()),
    }
}

/// Prints how soon so many agents that start again are one cluster.
pub fn restart_row(transport: &str, agents: usize) -> Result<(), Box<dyn Error>> {
    match transport {
        "udp" => restart::measure(transport, agents, |_, addr| Ok(PlainUdp::bind(addr)?)),
        "sealed" => {
            let keyring = Keyring::new(&Key::generate()?);
            restart::measure(transport, agents, |_, addr| {
                Ok(SealedUdp::bind(addr, &keyring)?)
            })
        }
        "quic" => {
            let ca = DevCa::new("bench")?;
            let credentials = (0..agents).map(|number| {
                let issued = ca.issue(&name_of(number))?;
                Ok(Credentials::from_issued(&issued)?)
            });
            let credentials: Vec<_> = credentials.collect::<Result<_, Box<dyn Error>>>()?;
            restart::measure(transport, agents, |number, addr| {
                Ok(Quic::bind(addr, &credentials[number])?)
            })
        }
        other => Err(format!("no transport {other:?}; there are {TRANSPORTS:?}").into()),
    }
}

fn name_of(number: usize) -> String {
    format!("agent-{number}")
}

fn measure<T: Transport>(
    what: &str,
    count: usize,
    bind: impl Fn(usize) -> Result<T, Box<dyn Error>>,
) -> Result<(), Box<dyn Error>> {
    let rss_before = rss()?;
    let (start, cpu) = (Instant::now(), ProcessTime::now());
    let mut agents: Vec<Cluster<Node>> = Vec::new();
    let together = smol::block_on(async {
        for number in 0..count {
            let transport = bind(number)?;
            let name = Name::new(&name_of(number))?;
            let identity = Node::now(name, transport.local_addr(), None);
            let agent = Builder::new()
                .codec(PostcardCodec)
                .transport(transport)
                .identity(identity)
                .seeds(agents.first().map(Cluster::local_addr));
            agents.push(agent.spawn().await?);
        }
        all_see_all(&agents, start).await
    })?;
    let cpu_together = cpu.elapsed();
    // Outside of smol: who waits for a timer in it takes the agents' input and output upon itself,
    // and hands each event over to their thread.
    thread::sleep(CALM.saturating_sub(start.elapsed()));
    let (cpu, bytes, from) = (ProcessTime::now(), bytes_sent()?, Instant::now());
    thread::sleep(IDLE);
    let (cpu, bytes) = (cpu.elapsed(), bytes_sent()? - bytes);
    let seconds = from.elapsed().as_secs_f64() * count as f64;
    let kib = rss()?.saturating_sub(rss_before) as f64 / count as f64;
    println!(
        "| {what} | {count} | {:.2} | {:.2} | {:.3} | {kib:.0} | {:.0} |",
        together.as_secs_f64(),
        cpu_together.as_secs_f64(),
        cpu.as_secs_f64() * 1000.0 / seconds,
        bytes as f64 / seconds,
    );
    Ok(())
}

/// Waits until each sees all the others.
pub async fn all_see_all(
    agents: &[Cluster<Node>],
    start: Instant,
) -> Result<Duration, Box<dyn Error>> {
    // Whoever saw all once is not asked again: nobody goes.
    let mut blind = agents.iter().peekable();
    while let Some(agent) = blind.peek() {
        if agent.members().num_active() + 1 == agents.len() {
            blind.next();
        } else if start.elapsed() > PATIENCE {
            let seen = agent.members().num_active() + 1;
            return Err(format!("{} sees {seen} of {}", agent.identity(), agents.len()).into());
        } else {
            Timer::after(Duration::from_millis(2)).await;
        }
    }
    Ok(start.elapsed())
}

/// Kibibytes of memory that this process has.
fn rss() -> Result<u64, Box<dyn Error>> {
    let status = fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kib = line.and_then(|line| line.split_whitespace().next());
    Ok(kib.ok_or("no VmRSS")?.parse()?)
}
