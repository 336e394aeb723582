//! Identities and broadcasts of one's own.

use std::{collections::HashMap, error::Error};

use selkie::{
    BroadcastHandler, Config, Identity, Invalidates, Name, Node,
    codecs::PostcardCodec,
    sim::{Bounds, Link, NoneStaysDown, Simulation},
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
