//! Identities and broadcasts of one's own.

use std::{collections::HashMap, error::Error};

use selkie::{
    BroadcastHandler, Config, Engine, Identity, Invalidates, Name, Node,
    codecs::PostcardCodec,
    sim::{Bounds, Link, NoneStaysDown, Peer, Simulation},
};
use serde::{Deserialize, Serialize};

use crate::secs;

/// A replica of a shard, in a room.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Replica {
    shard: String,
    number: u8,
    room: String,
    life: u32,
}

impl Identity for Replica {
    type Addr = (String, u8);

    fn addr(&self) -> Self::Addr {
        (self.shard.clone(), self.number)
    }

    fn renew(&self) -> Option<Self> {
        let life = self.life + 1;
        Some(Self {
            life,
            ..self.clone()
        })
    }

    fn win_addr_conflict(&self, adversary: &Self) -> bool {
        (self.life, &self.room) > (adversary.life, &adversary.room)
    }
}

/// The newest version of each key.
#[derive(Default)]
struct Versions(HashMap<u8, u8>);

struct Version {
    key: u8,
    version: u8,
}

impl Invalidates for Version {
    fn invalidates(&self, other: &Self) -> bool {
        self.key == other.key && self.version > other.version
    }
}

impl<I> BroadcastHandler<I> for Versions {
    type Key = Version;

    fn receive_item(
        &mut self,
        data: &[u8],
        _sender: Option<&I>,
    ) -> Result<Option<Version>, Box<dyn Error + Send + Sync>> {
        let &[key, version] = data else {
            return Err("two bytes are wanted".into());
        };
        let known = self.0.entry(key).or_default();
        if version <= *known {
            return Ok(None);
        }
        *known = version;
        Ok(Some(Version { key, version }))
    }
}

fn replica(number: u8) -> Replica {
    Replica {
        shard: format!("shard-{}", number / 3),
        number: number % 3,
        room: format!("room-{}", number % 5),
        life: 0,
    }
}

#[test]
fn replicas_spread_their_versions_under_faults() {
    let make = |_: &Replica| Versions::default();
    let mut sim = Simulation::with_broadcasts(1, Config::lan(), PostcardCodec, make);
    sim.set_links(Link::lan().loss(0.1).duplicates(0.05));
    sim.guard(Bounds::new());
    sim.guard(NoneStaysDown::longer_than(secs(200)));
    for number in 0..15 {
        sim.add(replica(number));
    }
    sim.join_all(0);
    sim.expect_all_seen(secs(300)).unwrap();

    // A replica moves: the newest life counts.
    sim.crash(4);
    let moved = Replica {
        room: "room-9".into(),
        life: 1,
        ..replica(4)
    };
    sim.restart_as(4, moved.clone());
    sim.expect_all_seen(secs(300)).unwrap();
    let seen = sim.belief(0, 4).map(|member| member.id.clone());
    assert_eq!(seen, Some(moved));

    for version in 1..=3 {
        let told = sim.input(7, |engine, port| engine.add_broadcast(&[1, version], port));
        assert!(told.unwrap().unwrap());
    }
    sim.expect_quiet(secs(60)).unwrap();
    let newest = |node: &usize| {
        let engine = sim.machine(*node).unwrap();
        engine.handler().0.get(&1) == Some(&3)
    };
    // With high probability, everybody.
    assert!(sim.live().filter(newest).count() >= 14);
    assert!(sim.faults().lost > 0 && sim.faults().duplicated > 0);
}

/// How many of some broadcasts do not reach all that are up.
fn missing(sim: &mut Simulation<Engine<Peer, PostcardCodec, Versions>>, keys: u8) -> usize {
    let live: Vec<usize> = sim.live().collect();
    let version = 1 + newest(sim, live[0], 0);
    for key in 0..keys {
        let node = live[usize::from(key) % live.len()];
        let told = sim.input(node, |engine, port| {
            engine.add_broadcast(&[key, version], port)
        });
        assert!(told.unwrap().unwrap());
        sim.run_for(secs(3));
    }
    let reaches_all = |key: &u8| live.iter().all(|&node| newest(sim, node, *key) == version);
    (0..keys).filter(|key| !reaches_all(key)).count()
}

fn newest(sim: &Simulation<Engine<Peer, PostcardCodec, Versions>>, node: usize, key: u8) -> u8 {
    let versions = &sim.machine(node).unwrap().handler().0;
    versions.get(&key).copied().unwrap_or_default()
}

/// Never again: of those in 20 members, one of thirty missed somebody.
#[test]
fn broadcasts_reach_all_where_nothing_is_lost() {
    let mut config = Config::lan();
    // Entries go, and others take their place.
    config.remove_down_after = Some(secs(20));
    let mut sim =
        Simulation::with_broadcasts(1, config, PostcardCodec, |_: &Peer| Versions::default());
    sim.guard(Bounds::new());
    sim.add_peers(20);
    sim.join_all(0);
    sim.expect_all_seen(secs(60)).unwrap();
    assert_eq!(missing(&mut sim, 250), 0);

    // Members come, go, and come back as others.
    for node in [3, 7, 11] {
        sim.crash(node);
    }
    sim.restart(5);
    for node in sim.add_peers(4) {
        sim.join(node, 0);
    }
    sim.run_for(secs(60));
    sim.expect_all_seen(secs(60)).unwrap();
    assert_eq!(missing(&mut sim, 100), 0);
    sim.restart(7);
    sim.leave(9);
    sim.run_for(secs(60));
    sim.expect_all_seen(secs(60)).unwrap();
    assert_eq!(missing(&mut sim, 100), 0);
}

#[test]
fn nodes_with_names_join_too() {
    let mut sim = Simulation::new(1, Config::local(), PostcardCodec);
    for number in 1..=10_u8 {
        let name = Name::new(&format!("db-{number}")).unwrap();
        let at = ([10, 0, 0, number], 7946).into();
        sim.add(Node::new(name, at, 1));
    }
    sim.join_all(0);
    sim.expect_all_seen(secs(300)).unwrap();
    sim.crash(3);
    sim.restart(3);
    sim.expect_all_seen(secs(300)).unwrap();
    assert_eq!(sim.identity(3).generation(), 2);
}
