//! The agent on tokio: `build` hands back the task, to be spawned where one likes.
//!
//! `cargo run --example tokio --features smol,udp,postcard`
//!
//! Sockets and timers stay with async-io, which has a thread of its own for them: tokio runs the
//! task, and everything of yours.

use std::{error::Error, net::SocketAddr, time::Duration};

use futures::StreamExt;
use selkie::{Builder, Cluster, Node, agent::Event, codecs::PostcardCodec, transports::PlainUdp};

async fn node(seeds: &[SocketAddr]) -> Result<Cluster<Node>, Box<dyn Error>> {
    let udp = PlainUdp::bind("127.0.0.1:0".parse()?)?;
    let builder = Builder::new().codec(PostcardCodec).transport(udp);
    let (cluster, driver) = builder.seeds(seeds.iter().copied()).build().await?;
    tokio::spawn(driver);
    Ok(cluster)
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let first = node(&[]).await?;
    let mut events = first.events();
    let second = node(&[first.local_addr()]).await?;
    let mut seen_by_second = second.events();
    // Who goes before the other is sure of it is not missed.
    second.wait_for(1, Duration::from_secs(30)).await?;
    while let Some(event) = events.next().await {
        if let Event::Joined(node) = event {
            println!("{node} joined {}", first.identity());
            first.leave().await?;
        }
    }
    while let Some(event) = seen_by_second.next().await {
        if let Event::Left(node) = event {
            println!("{node} left {}", second.identity());
            second.leave().await?;
        }
    }
    Ok(())
}
