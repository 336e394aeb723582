//! What readers of events are told, and where handles can be used.

use std::{
    collections::{BTreeMap, BTreeSet},
    error::Error,
    net::SocketAddr,
    sync::{Arc, Mutex, OnceLock},
};

use futures::StreamExt;
use selkie::{
    BroadcastHandler, Cluster, Codec, Header, Incarnation, Invalidates, Member, Message, Node,
    State, Transport,
    agent::{CommandError, Event, Events},
    codecs::PostcardCodec,
    transports::MemoryNetwork,
};

use super::{
    cluster::{ANY_PORT, Net},
    fixture::{Agent, ENVELOPE, builder, in_time, name, until},
};

const CROWD: usize = 500;
const PER_PACKET: usize = 20;

fn nth(n: usize, generation: u64) -> Node {
    let addr = SocketAddr::from(([10, 9, 0, 1], 7946));
    Node::new(name(&format!("m{n}")), addr, generation)
}

/// Tells the agent that all of the crowd are in a state, until it holds them for that.
async fn tell(from: &impl Transport, to: &Agent, generation: u64, state: State) {
    let header = Header {
        src: Node::new(name("teller"), from.local_addr(), 1),
        src_incarnation: Incarnation(0),
        dst: to.cluster.identity(),
        message: Message::Gossip,
    };
    let head: &[u8] = match from.enter_cluster("selkie") {
        true => &[ENVELOPE[0], ENVELOPE[5]],
        false => &ENVELOPE,
    };
    let mut codec = PostcardCodec;
    for start in (0..CROWD).step_by(PER_PACKET) {
        let mut packet = head.to_vec();
        codec.encode_header(&header, &mut packet).unwrap();
        packet.extend(u16::try_from(PER_PACKET).unwrap().to_be_bytes());
        for n in start..start + PER_PACKET {
            let member = Member::new(nth(n, generation), Incarnation(0), state);
            codec.encode_member(&member, &mut packet).unwrap();
        }
        // One after the other, and again if one is lost: a socket holds only so many.
        let told = nth(start + PER_PACKET - 1, generation);
        let holds = |cluster: &Cluster<Node>| {
            let members = cluster.members();
            let last = members.find(told.name());
            last.is_some_and(|m| m.id == told && m.state == state)
        };
        let mut tries = 0;
        while !holds(&to.cluster) {
            if tries % 20 == 0 {
                // It may be lost, or its way not be there yet.
                let _ = from.send(to.addr(), &packet).await;
            }
            tries += 1;
            assert!(tries < 10_000, "generation {generation} {state}");
            smol::Timer::after(core::time::Duration::from_millis(1)).await;
        }
    }
}

/// What a reader makes of the events alone: who is up, and who of them is suspected.
#[derive(Debug, Default, PartialEq)]
struct Told(BTreeMap<String, (Node, bool)>);

impl Told {
    fn apply(&mut self, event: &Event<Node>) {
        match event {
            Event::Joined(id) | Event::Refuted(id) => self.put(id, false),
            Event::Suspected { member, .. } => self.put(member, true),
            Event::Renamed { before, after } => {
                if let Some((_, is_suspect)) = self.0.remove(before.name().as_str()) {
                    self.put(after, is_suspect);
                }
            }
            Event::Failed(id) | Event::Left(id) => _ = self.0.remove(id.name().as_str()),
            _ => {}
        }
    }

    fn put(&mut self, id: &Node, is_suspect: bool) {
        self.0.insert(id.name().to_string(), (*id, is_suspect));
    }

    fn of(cluster: &Cluster<Node>) -> Self {
        let mut told = Self::default();
        for member in cluster.members().active() {
            told.put(&member.id, member.state == State::Suspect);
        }
        told
    }
}

/// Reads until what was told is what is.
async fn catches_up(events: &mut Events<Node>, told: &mut Told, cluster: &Cluster<Node>) {
    in_time("the reader has the right view", async {
        while *told != Told::of(cluster) {
            told.apply(&events.next().await.unwrap());
        }
    })
    .await;
}

pub(crate) async fn who_sleeps_through_ten_thousand_changes_ends_with_the_right_view(
    net: impl Net,
) {
    let teller = net.bind("teller");
    let mut config = super::fixture::config();
    // Nobody of the crowd answers, and that must not be noticed meanwhile.
    config.probe_period = core::time::Duration::from_secs(3600);
    let (cluster, driver) = builder("a", net.bind("a"))
        .config(config)
        .prove_joiners(false)
        .build()
        .await
        .unwrap();
    let a = Agent::run(cluster, driver);
    let mut events = a.cluster.events();
    let mut sleeper = Told::default();
    for generation in 1..=7 {
        for state in [State::Alive, State::Suspect, State::Down] {
            tell(&teller, &a, generation, state).await;
        }
    }
    tell(&teller, &a, 8, State::Alive).await;
    let changes = 8 + 3 * 7 * CROWD as u64;
    let coalesced = a.cluster.stats().events_coalesced;
    assert!(coalesced > changes.saturating_sub(1024), "{coalesced}");

    let last = Told::of(&a.cluster);
    assert!(last.0.len() >= CROWD);
    catches_up(&mut events, &mut sleeper, &a.cluster).await;

    let mut newcomer = Told::default();
    catches_up(&mut a.cluster.events(), &mut newcomer, &a.cluster).await;
}

#[test]
fn readers_that_come_and_go_and_never_read_cost_nothing() {
    smol::block_on(async {
        let net = MemoryNetwork::new();
        let teller = net.bind(ANY_PORT).unwrap();
        let a = Agent::start("a", net.bind(ANY_PORT).unwrap(), &[]).await;
        let _stalled: Vec<_> = (0..100).map(|_| a.cluster.events()).collect();
        for generation in 1..=3 {
            (0..100).for_each(|_| drop(a.cluster.events()));
            tell(&teller, &a, generation, State::Alive).await;
            tell(&teller, &a, generation, State::Down).await;
        }
    });
}

/// Uses every call of the handle of the agent that it is part of.
#[derive(Clone, Default)]
struct Caller {
    handle: Arc<OnceLock<Cluster<Node>>>,
    seen: Arc<Mutex<BTreeSet<Vec<u8>>>>,
    asked: Arc<OnceLock<(bool, bool)>>,
}

struct Item;

impl Invalidates for Item {
    fn invalidates(&self, _other: &Self) -> bool {
        false
    }
}

impl BroadcastHandler<Node> for Caller {
    type Key = Item;

    fn receive_item(
        &mut self,
        data: &[u8],
        _sender: Option<&Node>,
    ) -> Result<Option<Item>, Box<dyn Error + Send + Sync>> {
        if let Some(cluster) = self.handle.get() {
            assert!(cluster.members().num_active() > 0);
            drop((cluster.events(), cluster.stats(), cluster.status()));
            let is_refused = |result| matches!(result, Err(CommandError::InHandler));
            let broadcast = smol::block_on(cluster.broadcast("from inside"));
            let left = smol::block_on(cluster.leave());
            let refused = (is_refused(broadcast.map(drop)), is_refused(left.map(drop)));
            self.asked.set(refused).ok();
            let later = cluster.clone();
            smol::spawn(async move { later.broadcast("from a task").await.map(drop) }).detach();
        }
        let is_news = self.seen.lock().unwrap().insert(data.to_vec());
        Ok(is_news.then_some(Item))
    }
}

#[test]
fn a_handle_can_be_used_inside_a_broadcast_handler() {
    smol::block_on(async {
        let net = MemoryNetwork::new();
        let caller = Caller::default();
        let a = builder("a", net.bind(ANY_PORT).unwrap()).broadcasts(caller.clone());
        let (cluster, driver) = a.build().await.unwrap();
        let a = Agent::run(cluster, driver);
        let other = Caller::default();
        let b = builder("b", net.bind(ANY_PORT).unwrap()).broadcasts(other.clone());
        let (cluster, driver) = b.seeds([a.addr()]).build().await.unwrap();
        let b = Agent::run(cluster, driver);
        a.knows(1).await;
        b.knows(1).await;

        caller.handle.set(a.cluster.clone()).unwrap();
        b.cluster.broadcast("hello").await.unwrap();
        until(&b.cluster, "the task's broadcast", |_| {
            other.seen.lock().unwrap().contains(&b"from a task"[..])
        })
        .await;
        assert_eq!(caller.asked.get(), Some(&(true, true)));
    });
}
