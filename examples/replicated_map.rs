//! A map on every member that is whole everywhere, also for who joins later, and after the
//! network was cut in two and both halves went on to write: the newest value of a key wins.
//!
//! `cargo run --example replicated_map --features smol,postcard`
//!
//! A change goes to all members as a message. Whoever a member meets, it sends all that it has,
//! reliably: a newcomer, and everybody of the other half once the cut is healed.

use std::{
    collections::BTreeMap,
    error::Error,
    net::SocketAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use selkie::{
    Builder, Cluster, Config, Node, Periodic, Suspicion, agent::Event, codecs::PostcardCodec,
    transports::MemoryNetwork,
};
use smol::{Timer, stream::StreamExt};

/// What each key holds: when it was written, by which member, and the value. The highest wins,
/// at every member alike.
type Entries = BTreeMap<String, (u64, String, String)>;

/// One member's copy.
#[derive(Clone)]
struct Map {
    cluster: Cluster<Node>,
    entries: Arc<Mutex<Entries>>,
}

impl Map {
    async fn start(
        network: &MemoryNetwork,
        addr: SocketAddr,
        seeds: &[SocketAddr],
    ) -> Result<Self, Box<dyn Error>> {
        let name = format!("member-{}", addr.port());
        let mut config = Config::local();
        // So that the example does not take long.
        config.suspicion = Suspicion::Fixed(Duration::from_secs(1));
        config.periodic_announce_to_down_members = Some(Periodic::millis(500, 2));
        let builder = Builder::new()
            .codec(PostcardCodec)
            .transport(network.bind(addr)?)
            .identity(Node::now(name.parse()?, addr, None))
            .config(config)
            .seeds(seeds.iter().copied());
        let map = Self {
            cluster: builder.spawn().await?,
            entries: Arc::default(),
        };
        smol::spawn(map.clone().receive()).detach();
        smol::spawn(map.clone().meet()).detach();
        Ok(map)
    }

    /// Takes over what others send.
    async fn receive(self) {
        let mut messages = self.cluster.messages();
        while let Some(message) = messages.next().await {
            match postcard::from_bytes::<Entries>(&message.bytes) {
                Ok(theirs) => self.merge(theirs),
                Err(error) => eprintln!("{} sent no entries: {error}", message.from),
            }
        }
    }

    /// Sends all entries to whoever comes.
    async fn meet(self) {
        let mut events = self.cluster.events();
        while let Some(event) = events.next().await {
            if let Event::Joined(member) = event {
                let map = self.clone();
                smol::spawn(async move { map.bring_up_to_date(&member).await }).detach();
            }
        }
    }

    async fn bring_up_to_date(&self, member: &Node) {
        let Ok(bytes) = postcard::to_allocvec(&*self.entries()) else {
            return;
        };
        // Whoever comes may not listen yet, or not know us yet. Its own copy comes to us as well.
        for _ in 0..50 {
            match self.cluster.send_reliably(member, bytes.clone()).await {
                Ok(()) => return,
                Err(_) => Timer::after(Duration::from_millis(100)).await,
            };
        }
    }

    /// Writes a value, here and at all that can be reached.
    async fn put(&self, key: &str, value: &str) -> Result<(), Box<dyn Error>> {
        let version = self
            .entries()
            .get(key)
            .map_or(1, |(version, ..)| version + 1);
        let writer = self.cluster.identity().name().to_string();
        println!("{writer} writes {key} = {value}");
        let entry = Entries::from([(key.into(), (version, writer, value.into()))]);
        let bytes = postcard::to_allocvec(&entry)?;
        self.merge(entry);
        for member in self.cluster.members().active() {
            // What is lost now is made good whenever both meet again.
            let _ = self.cluster.send_reliably(&member.id, bytes.clone()).await;
        }
        Ok(())
    }

    fn merge(&self, theirs: Entries) {
        let mut entries = self.entries();
        for (key, entry) in theirs {
            let held = entries.entry(key).or_default();
            if entry > *held {
                *held = entry;
            }
        }
    }

    fn values(&self) -> Vec<(String, String)> {
        let entries = self.entries();
        let values = entries.iter();
        values
            .map(|(key, (.., value))| (key.clone(), value.clone()))
            .collect()
    }

    fn entries(&self) -> MutexGuard<'_, Entries> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Waits until something is true of all of these.
async fn until(maps: &[Map], holds: impl Fn(&Map) -> bool) {
    while !maps.iter().all(&holds) {
        Timer::after(Duration::from_millis(20)).await;
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    smol::block_on(async {
        let network = MemoryNetwork::new();
        let addrs: Vec<SocketAddr> = (1..=4)
            .map(|n| SocketAddr::from(([10, 0, 0, n], 7000 + u16::from(n))))
            .collect();
        let mut maps = Vec::new();
        for addr in &addrs {
            maps.push(Map::start(&network, *addr, &addrs).await?);
        }
        until(&maps, |map| map.cluster.members().num_active() == 3).await;
        maps[0].put("colour", "blue").await?;
        until(&maps, |map| map.values().len() == 1).await;

        println!("the network is cut in two");
        for left in &addrs[..2] {
            for right in &addrs[2..] {
                network.cut(*left, *right);
            }
        }
        until(&maps, |map| map.cluster.members().num_active() == 1).await;
        maps[1].put("colour", "green").await?;
        maps[1].put("left", "was here").await?;
        maps[2].put("right", "was here, too").await?;

        println!("the network is whole again");
        network.heal();
        let is_whole = |map: &Map| map.values().len() == 3 && map.values() == maps[0].values();
        until(&maps, is_whole).await;
        for map in &maps {
            println!("{}: {:?}", map.cluster.identity(), map.values());
        }
        Ok(())
    })
}
