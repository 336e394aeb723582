//! An identity of one's own: the replica of a shard. Unique by shard and number; wherever it
//! runs, its newest life is the one that counts.
//!
//! `cargo run --example custom_identity --features smol,postcard`
//!
//! A replica dies without a word and starts again on another host. Its peer needs no time to find
//! that out: the newer life replaces the old one at once.

use std::{error::Error, net::SocketAddr};

use selkie::{
    Builder, Cluster, Identity, Locate, agent::Event, codecs::PostcardCodec,
    transports::MemoryNetwork,
};
use serde::{Deserialize, Serialize};
use smol::stream::StreamExt;

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Replica {
    shard: u16,
    /// Counted from 1. 0 is nobody's: whoever lives at the address.
    number: u8,
    at: SocketAddr,
    life: u32,
}

impl Identity for Replica {
    type Addr = (u16, u8);

    fn addr(&self) -> (u16, u8) {
        (self.shard, self.number)
    }

    /// Declared down by mistake, we come back by ourselves, as this.
    fn renew(&self) -> Option<Self> {
        let life = self.life.checked_add(1)?;
        Some(Self { life, ..*self })
    }

    fn win_addr_conflict(&self, adversary: &Self) -> bool {
        (self.life, self.at) > (adversary.life, adversary.at)
    }

    /// Who joins knows a seed's address, not which replica lives there.
    fn accepts_announce(&self, dst: &Self) -> bool {
        dst.number == 0 || dst.addr() == self.addr()
    }

    fn names_member(&self) -> bool {
        self.number != 0
    }
}

impl Locate for Replica {
    fn socket_addr(&self) -> SocketAddr {
        self.at
    }

    fn from_seed(at: SocketAddr) -> Option<Self> {
        Some(Self {
            shard: 0,
            number: 0,
            at,
            life: 0,
        })
    }
}

/// Replica `number` of shard 7, at its host.
async fn start(
    network: &MemoryNetwork,
    (number, life): (u8, u32),
    host: &str,
    seeds: &[&str],
) -> Result<Cluster<Replica>, Box<dyn Error>> {
    let at = host.parse()?;
    let shard = 7;
    let identity = Replica {
        shard,
        number,
        at,
        life,
    };
    let builder = Builder::new()
        .codec(PostcardCodec)
        .transport(network.bind(at)?);
    let builder = builder.identity(identity).seeds(seeds.iter().copied());
    Ok(builder.spawn().await?)
}

fn main() -> Result<(), Box<dyn Error>> {
    smol::block_on(async {
        let network = MemoryNetwork::new();
        let first = start(&network, (1, 1), "10.0.0.1:7946", &[]).await?;
        let mut events = first.events();
        let mut second = Some(start(&network, (2, 1), "10.0.0.2:7946", &["10.0.0.1:7946"]).await?);
        while let Some(event) = events.next().await {
            println!("replica 1 sees {event:?}");
            match event {
                Event::Joined(_) => {
                    // Silent from now on, as if its host had lost power.
                    network.silence("10.0.0.2:7946".parse()?);
                    drop(second.take());
                    second =
                        Some(start(&network, (2, 2), "10.0.0.9:7946", &["10.0.0.1:7946"]).await?);
                }
                Event::Renamed { .. } => _ = first.leave().await?,
                _ => {}
            }
        }
        Ok(())
    })
}
