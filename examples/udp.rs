//! A member over plain UDP, on smol.
//!
//! `cargo run --example udp --features smol,udp,postcard`

use std::{error::Error, net::SocketAddr, time::Duration};

use selkie::{Builder, Cluster, Node, agent::Event, codecs::PostcardCodec, transports::PlainUdp};
use smol::stream::StreamExt;

/// The member: this is all it takes.
async fn node(seeds: &[SocketAddr]) -> Result<Cluster<Node>, Box<dyn Error>> {
    let udp = PlainUdp::bind("127.0.0.1:0".parse()?)?;
    let builder = Builder::new().codec(PostcardCodec).transport(udp);
    Ok(builder.seeds(seeds.iter().copied()).spawn().await?)
}

/// One joins another, which leaves.
fn main() -> Result<(), Box<dyn Error>> {
    smol::block_on(async {
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
    })
}
