//! Comparing what two members hold of the membership.

use core::hash::Hasher;

use selkie::{
    BroadcastHandler, Codec, Config, Engine, Error, Incarnation, Member, Message, Periodic, State,
};
use siphasher::sip::SipHasher13;

use crate::{
    codec::{Packet, Peer, PlainCodec, peer},
    solo::{Solo, count, kinds},
    world::{SECOND, World},
};

fn hash(id: Peer, incarnation: Incarnation) -> u64 {
    let mut bytes = Vec::new();
    let member = Member::new(id, incarnation, State::Alive);
    PlainCodec.encode_member(&member, &mut bytes).unwrap();
    let mut hasher = SipHasher13::new_with_keys(0, 0);
    hasher.write(&bytes);
    hasher.finish()
}

fn bucket(id: Peer, incarnation: u16) -> usize {
    (hash(id, Incarnation(incarnation)) >> 58) as usize
}

/// The digest of an engine, from what it shows.
pub fn digest_of<H>(engine: &Engine<Peer, PlainCodec, H>) -> Vec<u8>
where
    H: BroadcastHandler<Peer>,
{
    let others = engine.members().map(|m| (*m.id, m.incarnation));
    let mut sums = [0u32; 64];
    for (id, incarnation) in others.chain([(*engine.identity(), engine.incarnation())]) {
        let hash = hash(id, incarnation);
        let sum = &mut sums[(hash >> 58) as usize];
        *sum = sum.wrapping_add(hash as u32);
    }
    sums.into_iter().flat_map(u32::to_be_bytes).collect()
}

/// A configuration that sends nothing by itself but pings and digests.
fn terse() -> Config {
    let mut config = Config::lan();
    config.periodic_gossip = None;
    config.periodic_announce = None;
    config.periodic_announce_to_down_members = None;
    config.suspicion = selkie::Suspicion::Fixed(3600 * SECOND);
    config
}

fn silent() -> Config {
    let mut config = terse();
    config.digest = None;
    config
}

fn speaker(config: Config) -> Solo {
    let mut solo = Solo::new(config);
    solo.knows(peer(2), 0, State::Alive);
    solo
}

/// What a digest from the second member is answered with.
fn answers(solo: &mut Solo, digest: Vec<u8>) -> Vec<(Peer, Packet)> {
    let mut packet = Packet::new(peer(2), *solo.engine.identity(), Message::Digest);
    packet.digest = digest;
    solo.hears(packet)
}

#[track_caller]
fn agrees(solo: &mut Solo) {
    let digest = digest_of(&solo.engine);
    assert_eq!(answers(solo, digest), []);
    assert_eq!(solo.engine.counters().digests_differed, 0);
}

/// The digests sent within two periods of them.
fn digests(solo: &mut Solo) -> Vec<Vec<u8>> {
    let sent = solo.passes(10 * SECOND).into_iter();
    let digests = sent.filter(|(_, packet)| packet.header.message == Message::Digest);
    digests.map(|(_, packet)| packet.digest).collect()
}

/// So many are sent within that time after a member came: two by the timer, three with probes.
const AFTER_NEWS: usize = 5;

fn differing_in(digest: &[u8], bucket: usize) -> Vec<u8> {
    let mut other = digest.to_vec();
    other[4 * bucket] ^= 1;
    other
}

#[test]
fn a_member_that_gossip_missed_is_found() {
    for (config, is_found) in [(terse(), true), (silent(), false)] {
        for seed in 0..20 {
            let mut world = World::new(3, config.clone(), seed);
            for (at, knows) in [(1, 2), (2, 1), (2, 3), (3, 2)] {
                let known = Member::alive(peer(knows));
                world.input(at, |engine, out| engine.apply_many([known], out));
            }
            let took = world.run_until(30 * SECOND, World::all_see_all);
            assert_eq!(took.is_some(), is_found, "seed {seed}: {took:?}");
        }
    }
}

/// Others may implement it.
#[test]
fn a_digest_is_made_of_these_bytes() {
    let mut solo = speaker(terse());
    solo.knows(peer(3), 7, State::Suspect);
    let digest = digests(&mut solo).remove(0);
    let mut sums = [[0; 4]; 64];
    sums[BYTES_OF_1.0] = BYTES_OF_1.1;
    sums[BYTES_OF_2.0] = BYTES_OF_2.1;
    sums[BYTES_OF_3.0] = BYTES_OF_3.1;
    assert_eq!(digest, sums.concat());
}

/// SipHash-1-3, keyed with zeros, of 00 01 00 00 00 00, and so on: its bucket, its low half.
const BYTES_OF_1: (usize, [u8; 4]) = (63, [0xfe, 0xf1, 0xa0, 0x46]);
const BYTES_OF_2: (usize, [u8; 4]) = (16, [0xc5, 0x1a, 0xbc, 0x32]);
const BYTES_OF_3: (usize, [u8; 4]) = (3, [0x61, 0xe0, 0x2a, 0x9d]);

#[test]
fn one_random_member_gets_a_digest_each_time() {
    let mut config = terse();
    config.digest = Some(Periodic::secs(5, 2));
    let mut solo = speaker(config);
    for addr in 3..40 {
        solo.knows(peer(addr), 0, State::Alive);
    }
    // Those that members who came lately get besides.
    digests(&mut solo);
    let before = solo.engine.counters().digests_sent;
    let sent = solo.passes(100 * SECOND);
    let mut to: Vec<u16> = sent
        .iter()
        .filter(|(_, packet)| packet.header.message == Message::Digest)
        .map(|(to, _)| to.addr)
        .collect();
    assert_eq!(to.len(), 40);
    assert_eq!(solo.engine.counters().digests_sent - before, 40);
    assert!(to.chunks(2).all(|pair| pair[0] != pair[1]));
    to.sort_unstable();
    to.dedup();
    assert!(to.len() > 15, "{to:?}");
}

#[test]
fn the_first_three_that_are_probed_after_a_member_came_get_one() {
    let mut config = terse();
    config.digest = Some(Periodic::secs(3600, 1));
    // Nobody answers here, which would make it slow.
    config.local_health = false;
    let mut solo = speaker(config);
    for addr in 3..9 {
        solo.knows(peer(addr), 0, State::Alive);
        let sent = solo.passes(10 * SECOND);
        let probed = |message: &Message<Peer>| matches!(message, Message::Ping(_));
        let pinged = sent.iter().filter(|it| probed(&it.1.header.message));
        let pinged: Vec<Peer> = pinged.map(|(to, _)| *to).collect();
        let compared = sent
            .iter()
            .filter(|it| it.1.header.message == Message::Digest);
        let compared: Vec<Peer> = compared.map(|(to, _)| *to).collect();
        assert_eq!(compared, pinged[..3]);
    }
    // News of another sort is none that members who came with it may lack.
    solo.knows(peer(3), 0, State::Down);
    assert_eq!(digests(&mut solo).len(), 0);
}

#[test]
fn nobody_gets_one_while_nobody_is_active_or_we_left() {
    let mut solo = Solo::new(terse());
    assert_eq!(digests(&mut solo).len(), 0);
    solo.knows(peer(2), 0, State::Alive);
    assert_eq!(digests(&mut solo).len(), AFTER_NEWS);
    solo.knows(peer(2), 0, State::Down);
    assert_eq!(digests(&mut solo).len(), 0);
    solo.knows(peer(3), 0, State::Alive);
    assert_eq!(digests(&mut solo).len(), AFTER_NEWS);
    solo.engine.leave_cluster(&mut solo.runtime).unwrap();
    assert_eq!(digests(&mut solo).len(), 0);
    solo.engine.reuse_down_identity(&mut solo.runtime).unwrap();
    assert_eq!(digests(&mut solo).len(), 2);
}

#[test]
fn equal_views_send_no_answer() {
    for config in [terse(), silent()] {
        let mut solo = speaker(config);
        for addr in 3..100 {
            solo.knows(peer(addr), addr % 3, State::Alive);
        }
        agrees(&mut solo);
    }
}

#[test]
fn members_of_the_buckets_that_differ_are_the_answer() {
    for config in [terse(), silent()] {
        let mut solo = speaker(config);
        let state = |addr| [State::Alive, State::Suspect, State::Down][usize::from(addr % 3)];
        for addr in 3..200 {
            solo.knows(peer(addr), addr % 5, state(addr));
        }
        let digest = digest_of(&solo.engine);
        for differs in 0..64 {
            let answer = answers(&mut solo, differing_in(&digest, differs));
            let mut told: Vec<_> = answer
                .iter()
                .flat_map(|(_, p)| &p.members)
                .copied()
                .collect();
            told.sort_by_key(|member| member.id);
            let there = (3..200)
                .filter(|addr| addr % 3 < 2 && bucket(peer(*addr), addr % 5) == differs)
                .map(|addr| Member::new(peer(addr), Incarnation(addr % 5), state(addr)));
            assert_eq!(told, there.collect::<Vec<_>>());
            // Nothing to tell, no answer.
            let expected: &[_] = if told.is_empty() {
                &[]
            } else {
                &[(2, "gossip")]
            };
            assert_eq!(kinds(&answer), expected);
        }
        let counters = solo.engine.counters();
        assert_eq!(counters.digests_differed, 64);
        assert!(counters.digests_answered > 40);
    }
}

#[test]
fn an_answer_is_one_packet_and_each_time_another_part() {
    let mut solo = speaker(terse());
    for addr in 3..20_000 {
        solo.knows(peer(addr), 0, State::Alive);
    }
    let mut told = Vec::new();
    for _ in 0..20 {
        let answer = answers(&mut solo, vec![0; 256]);
        assert_eq!(kinds(&answer), [(2, "gossip")]);
        let packet = &answer[0].1;
        assert!((1395..=1400).contains(&packet.encode().len()));
        told.extend(packet.members.iter().map(|member| member.id));
    }
    told.sort_unstable();
    told.dedup();
    assert!(told.len() > 3500, "{}", told.len());
    assert!(!told.contains(&peer(2)), "it knows itself");
    // One bucket in 64: what is looked at does not fill a packet.
    let digest = digest_of(&solo.engine);
    let answer = answers(&mut solo, differing_in(&digest, 7));
    let members = answer[0].1.members.len();
    assert!((20..130).contains(&members), "{members}");
}

#[test]
fn an_answer_fills_the_room_and_no_more() {
    let mut solo = speaker(terse());
    for addr in 3..200 {
        solo.knows(peer(addr), 0, State::Alive);
    }
    for (room, members) in [(23, 2), (17, 1), (16, 0), (9, 0), (0, 0)] {
        solo.runtime.room = room;
        let answer = answers(&mut solo, vec![0; 256]);
        let told = answer.iter().map(|(_, packet)| packet.members.len());
        assert_eq!(told.sum::<usize>(), members, "room {room}");
        assert_eq!(answer.len(), members.min(1));
    }
    solo.runtime.room = 264;
    assert_eq!(digests(&mut solo).len(), 0);
    solo.runtime.room = 265;
    assert_eq!(digests(&mut solo).len(), 2);
}

#[test]
fn every_update_is_followed() {
    let mut solo = speaker(terse());
    agrees(&mut solo);
    solo.meets(3);
    agrees(&mut solo);
    for (about, incarnation, state) in [
        (peer(4), 0, State::Alive),
        (peer(5), 3, State::Suspect),
        (peer(4), 1, State::Alive),
        (peer(4), 1, State::Suspect),
        (peer(4), 2, State::Suspect),
        (peer(4), 3, State::Alive),
        (Peer { addr: 4, life: 1 }, 0, State::Alive),
        (Peer { addr: 4, life: 2 }, 9, State::Down),
        (Peer { addr: 4, life: 3 }, 2, State::Suspect),
        (peer(5), 3, State::Down),
        (peer(6), 0, State::Down),
    ] {
        solo.hears_of(3, about, incarnation, state);
        agrees(&mut solo);
    }
    assert_eq!(solo.engine.num_members(), 3);
    assert_eq!(solo.engine.num_down_members(), 2);
}

#[test]
fn what_is_forgotten_and_what_moves_into_its_place_is_followed() {
    let mut config = terse();
    config.max_down_members = 3;
    let mut solo = speaker(config);
    for addr in 3..30 {
        solo.hears_of(2, peer(addr), 0, State::Alive);
    }
    for addr in (3..30).step_by(2) {
        solo.hears_of(2, peer(addr), 0, State::Down);
        agrees(&mut solo);
    }
    assert_eq!(solo.engine.num_down_members(), 3);
}

#[test]
fn what_becomes_of_ourselves_is_followed() {
    let mut solo = speaker(terse());
    solo.knows(peer(3), 0, State::Alive);
    solo.hears_of(2, peer(1), 0, State::Suspect);
    assert_eq!(solo.engine.incarnation(), Incarnation(1));
    agrees(&mut solo);
    solo.hears_of(2, peer(1), 1, State::Down);
    assert_eq!(solo.engine.identity().life, 1);
    agrees(&mut solo);
    // To where another member lives.
    solo.engine.change_identity(peer(3), &mut solo.runtime).ok();
    solo.sent();
    assert_eq!(*solo.engine.identity(), peer(3));
    assert_eq!(solo.engine.num_members(), 1);
    agrees(&mut solo);
}

#[test]
fn members_handed_in_count_like_those_heard_of() {
    let mut solo = speaker(terse());
    let handed_in = (3..600).map(|addr| Member::alive(peer(addr)));
    solo.engine.apply_many(handed_in, &mut solo.runtime);
    agrees(&mut solo);
}

#[test]
fn it_can_be_turned_on_and_off() {
    let mut solo = speaker(silent());
    for addr in 3..9 {
        solo.knows(peer(addr), 0, State::Alive);
        assert_eq!(digests(&mut solo).len(), 0);
        solo.engine.set_config(terse(), &mut solo.runtime).unwrap();
        solo.knows(peer(addr + 10), 0, State::Suspect);
        let sent = digests(&mut solo);
        assert_eq!(sent, vec![digest_of(&solo.engine); AFTER_NEWS]);
        solo.engine.set_config(silent(), &mut solo.runtime).unwrap();
        solo.knows(peer(addr + 10), 0, State::Down);
    }
    agrees(&mut solo);
}

#[test]
fn a_wrong_length_is_malformed() {
    let mut solo = speaker(terse());
    for len in [0, 1, 2, 4, 252, 255, 257, 258, 260, 512] {
        let mut packet = Packet::new(peer(3), peer(1), Message::Digest);
        packet.digest = vec![0; len];
        let outcome = solo.tries(&packet.encode());
        assert!(matches!(outcome, Err(Error::MalformedPacket)), "{len}");
    }
    assert_eq!(solo.engine.member(&3), None);
    assert_eq!(solo.engine.counters().dropped_malformed, 10);
    assert_eq!(solo.engine.counters().digests_differed, 0);
}

#[test]
fn only_members_that_were_known_before_are_answered() {
    let mut solo = speaker(terse());
    solo.knows(peer(3), 0, State::Suspect);
    solo.knows(peer(4), 0, State::Down);
    let mut ask = |addr| {
        let mut packet = Packet::new(peer(addr), peer(1), Message::Digest);
        packet.digest = vec![0; 256];
        kinds(&solo.hears(packet))
    };
    assert_eq!(ask(3), [(3, "gossip")]);
    assert_eq!(ask(4), [(4, "turn-undead")]);
    assert_eq!(ask(5), []);
    assert_eq!(ask(5), [(5, "gossip")]);
}

#[test]
fn a_stranger_that_must_prove_itself_is_pinged_and_nothing_else() {
    let mut config = terse();
    config.prove_joiners = true;
    let mut solo = speaker(config);
    let mut packet = Packet::new(peer(5), peer(1), Message::Digest);
    packet.digest = vec![0; 256];
    assert_eq!(kinds(&solo.hears(packet)), [(5, "ping")]);
    assert_eq!(solo.engine.member(&5), None);
}

#[test]
fn a_suspect_that_asks_is_told_first_that_it_is_one() {
    let mut solo = speaker(terse());
    solo.knows(peer(3), 0, State::Alive);
    solo.hears_of(3, peer(2), 0, State::Suspect);
    let answer = answers(&mut solo, vec![0; 256]);
    let told: Vec<_> = answer[0]
        .1
        .members
        .iter()
        .map(|member| (member.id, member.state))
        .collect();
    assert_eq!(told, [(peer(2), State::Suspect), (peer(3), State::Alive)]);
}

#[test]
fn an_answer_is_never_answered() {
    let mut world = World::new(2, terse(), 1);
    for (at, knows) in [(1, [2, 3]), (2, [1, 4])] {
        let known = knows.map(|addr| Member::alive(peer(addr)));
        world.input(at, |engine, out| engine.apply_many(known, out));
    }
    let mut digest = Packet::new(peer(1), peer(2), Message::Digest);
    digest.digest = vec![0; 256];
    let data = digest.encode();
    world.trace.clear();
    world
        .input(2, |engine, out| engine.handle_data(&data, out))
        .unwrap();
    world.run_for(SECOND / 50);
    assert_eq!(world.trace.len(), 1);
    assert_eq!(world.belief(1, 4), Some(State::Alive));
}

#[test]
fn on_focas_wire_nothing_is_sent_that_it_does_not_know() {
    let config = Config::lan().foca_wire();
    assert_eq!(config.digest, None);
    let mut solo = speaker(config.clone());
    // Who has left foca's wire already is understood.
    solo.knows(peer(3), 0, State::Alive);
    assert_eq!(kinds(&answers(&mut solo, vec![0; 256])), [(2, "gossip")]);
    assert_eq!(count(&solo.passes(300 * SECOND), "digest"), 0);
    let mut both = config;
    both.digest = Some(Periodic::secs(5, 1));
    let rule = both.validate().unwrap_err();
    assert!(rule.to_string().contains("foca_wire"), "{rule}");
}

#[test]
fn it_must_fit_a_packet() {
    let mut config = terse();
    config.max_packet_size = 384;
    assert_eq!(config.validate(), Ok(()));
    config.max_packet_size = 383;
    assert!(config.validate().unwrap_err().rule().contains("digest"));
}

#[test]
fn a_cluster_is_upgraded_node_by_node() {
    for upgraded in 1..=5 {
        let mut world = World::new(5, silent(), 5);
        for at in 1..=5 {
            // The first one missed the last one.
            let known = (1..=5).filter(|&addr| addr != at && (at, addr) != (1, 5));
            let known: Vec<_> = known.map(|addr| Member::alive(peer(addr))).collect();
            world.input(at, |engine, out| engine.apply_many(known, out));
        }
        world.cut([1], &[5]);
        for at in 1..=upgraded {
            world
                .input(at, |engine, out| engine.set_config(terse(), out))
                .unwrap();
        }
        let took = world.run_until(60 * SECOND, |world| world.belief(1, 5).is_some());
        assert!(took.is_some(), "{upgraded} of 5 upgraded");
        world.run_for(5 * SECOND);
        for (addr, site) in (1..).zip(&world.sites) {
            let counters = site.engine.counters();
            assert_eq!(counters.digests_sent > 0, addr <= upgraded);
            assert_eq!(
                counters.dropped_malformed + counters.dropped_unknown_kind,
                0
            );
        }
    }
}

#[test]
fn members_are_told_by_the_bucket_that_differs() {
    let mut solo = Solo::new(Config::lan());
    let before = solo.engine.membership_digest();
    solo.meets(2);
    let after = solo.engine.membership_digest();
    let differs = |bucket: &usize| before[*bucket] != after[*bucket];
    let changed: Vec<_> = (0..before.len()).filter(differs).collect();
    assert_eq!(changed.len(), 1);
    let engine = &solo.engine;
    let members = |buckets| engine.members_in_buckets(buckets).map(|m| *m.id);
    assert_eq!(members(1 << changed[0]).collect::<Vec<_>>(), [peer(2)]);
    assert_eq!(members(!(1 << changed[0])).count(), 0);
}
