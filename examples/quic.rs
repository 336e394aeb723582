//! A member over QUIC: encrypted, and each side proves itself by a certificate.
//!
//! `cargo run --example quic --features smol,quic,postcard,certs`
//!
//! The certificates come from an authority made on the spot. A real member reads its own from
//! files, with `Credentials::from_pem_files`, and does without the feature `certs`.

use std::{error::Error, net::SocketAddr, time::Duration};

use selkie::{
    Builder, Cluster, Name, Node, Transport,
    agent::Event,
    codecs::PostcardCodec,
    transports::{Quic, certs::DevCa, quic::Credentials},
};
use smol::stream::StreamExt;

/// The member: this is all it takes.
async fn node(
    ca: &DevCa,
    name: &str,
    seeds: &[SocketAddr],
) -> Result<Cluster<Node>, Box<dyn Error>> {
    let credentials = Credentials::from_issued(&ca.issue(name)?)?;
    let quic = Quic::bind("127.0.0.1:0".parse()?, &credentials)?;
    let identity = Node::now(Name::new(name)?, quic.local_addr(), None);
    let builder = Builder::new()
        .codec(PostcardCodec)
        .transport(quic)
        .identity(identity);
    Ok(builder.seeds(seeds.iter().copied()).spawn().await?)
}

/// One joins another, which leaves.
fn main() -> Result<(), Box<dyn Error>> {
    smol::block_on(async {
        let ca = DevCa::new("example")?;
        let first = node(&ca, "db-1", &[]).await?;
        let mut events = first.events();
        let second = node(&ca, "db-2", &[first.local_addr()]).await?;
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
