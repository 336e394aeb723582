//! A small map on every member, kept alike by custom broadcasts: the newest value of a key wins.
//!
//! `cargo run --example broadcast_map --features smol,postcard`
//!
//! Broadcasts reach, with high probability, everybody who is a member at the time. Who joins
//! later hears of later changes only: a map that must be whole everywhere needs more than this.

use std::{collections::BTreeMap, error::Error, net::SocketAddr};

use selkie::{
    BroadcastHandler, Builder, Cluster, Config, Invalidates, Node, codecs::PostcardCodec,
    transports::MemoryNetwork,
};
use serde::{Deserialize, Serialize};
use smol::{
    channel::{Receiver, Sender, unbounded},
    stream::StreamExt,
};

/// What is broadcast.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Entry {
    key: String,
    version: u64,
    value: String,
}

/// What tells broadcasts apart.
struct Change {
    key: String,
    version: u64,
}

impl Invalidates for Change {
    /// Old values need not be sent any more.
    fn invalidates(&self, other: &Self) -> bool {
        self.key == other.key && self.version > other.version
    }
}

/// One member's copy.
struct Map {
    entries: BTreeMap<String, Entry>,
    /// Whoever wants to know of changes.
    changes: Sender<Entry>,
}

impl BroadcastHandler<Node> for Map {
    type Key = Change;

    fn receive_item(
        &mut self,
        data: &[u8],
        _sender: Option<&Node>,
    ) -> Result<Option<Change>, Box<dyn Error + Send + Sync>> {
        let entry: Entry = postcard::from_bytes(data)?;
        let known = self.entries.get(&entry.key);
        if known.is_some_and(|known| known.version >= entry.version) {
            return Ok(None);
        }
        self.entries.insert(entry.key.clone(), entry.clone());
        // Without a receiver nobody wants to know.
        let _ = self.changes.try_send(entry.clone());
        let (key, version) = (entry.key, entry.version);
        Ok(Some(Change { key, version }))
    }
}

async fn member(
    network: &MemoryNetwork,
    addr: &str,
    seeds: &[SocketAddr],
) -> Result<(Cluster<Node>, Receiver<Entry>), Box<dyn Error>> {
    let (changes, receiver) = unbounded();
    let entries = BTreeMap::new();
    let builder = Builder::new()
        .codec(PostcardCodec)
        .transport(network.bind(addr.parse()?)?)
        .broadcasts(Map { entries, changes })
        .config(Config::local())
        .seeds(seeds.iter().copied());
    Ok((builder.spawn().await?, receiver))
}

async fn put(
    cluster: &Cluster<Node>,
    key: &str,
    version: u64,
    value: &str,
) -> Result<(), Box<dyn Error>> {
    let (key, value) = (key.into(), value.into());
    let entry = Entry {
        key,
        version,
        value,
    };
    let is_news = cluster.broadcast(postcard::to_allocvec(&entry)?).await?;
    println!(
        "put {entry:?}: {}",
        if is_news { "news" } else { "known already" }
    );
    Ok(())
}

fn main() -> Result<(), Box<dyn Error>> {
    smol::block_on(async {
        let network = MemoryNetwork::new();
        let (first, _changes) = member(&network, "10.0.0.1:7946", &[]).await?;
        let mut events = first.events();
        let seeds = [first.local_addr()];
        let (_second, second_changes) = member(&network, "10.0.0.2:7946", &seeds).await?;
        let (_third, third_changes) = member(&network, "10.0.0.3:7946", &seeds).await?;
        while first.members().num_active() < 2 {
            events.next().await.ok_or("the first member stopped")?;
        }

        put(&first, "leader", 1, "db-1").await?;
        put(&first, "leader", 2, "db-2").await?;
        put(&first, "leader", 1, "db-9").await?;
        for (name, changes) in [("second", second_changes), ("third", third_changes)] {
            loop {
                let entry = changes.recv().await?;
                println!("the {name} member's map: {} = {}", entry.key, entry.value);
                if entry.version == 2 {
                    break;
                }
            }
        }
        Ok(())
    })
}
