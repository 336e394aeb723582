//! Members and identities that the codec cannot write.

use selkie::{
    AccumulatingRuntime, BroadcastHandler, Codec, Config, Engine, Error, Header, Invalidates,
    Member, Message, ProbeNumber, State, Timer,
};

use crate::{
    codec::{NotPlain, Packet, Peer, PlainCodec, peer},
    solo::swim,
};

/// Cannot encode anything about 13, and leaves what it wrote by then; a header with 14 in it is
/// too large for any packet.
#[derive(Default)]
struct Halting;

const UNENCODABLE: u16 = 13;
const HUGE: u16 = 14;

impl Codec<Peer> for Halting {
    type Error = NotPlain;

    fn encode_header(&mut self, header: &Header<Peer>, buf: &mut Vec<u8>) -> Result<(), NotPlain> {
        let named = [header.src.addr, header.dst.addr];
        if named.contains(&UNENCODABLE) {
            buf.extend([0xee; 7]);
            return Err(NotPlain);
        }
        if named.contains(&HUGE) {
            buf.extend([0xee; 70_000]);
        }
        PlainCodec.encode_header(header, buf)
    }

    fn decode_header(&mut self, data: &mut &[u8]) -> Result<Header<Peer>, NotPlain> {
        PlainCodec.decode_header(data)
    }

    fn encode_member(&mut self, member: &Member<Peer>, buf: &mut Vec<u8>) -> Result<(), NotPlain> {
        if member.id.addr == UNENCODABLE {
            buf.extend([0xee; 3]);
            return Err(NotPlain);
        }
        PlainCodec.encode_member(member, buf)
    }

    fn decode_member(&mut self, data: &mut &[u8]) -> Result<Member<Peer>, NotPlain> {
        PlainCodec.decode_member(data)
    }
}

type Halts = Engine<Peer, Halting>;

/// Knows these members, and has nothing to say.
fn knows(members: impl IntoIterator<Item = u16>) -> (Halts, AccumulatingRuntime<Peer>) {
    let mut engine = Engine::new(peer(1), swim(), 3, Halting).unwrap();
    let mut out = AccumulatingRuntime::new();
    engine.start(&mut out);
    let members = members.into_iter().map(|addr| Member::alive(peer(addr)));
    engine.apply_many(members, &mut out);
    out.clear();
    (engine, out)
}

fn receivers(out: &mut AccumulatingRuntime<Peer>) -> Vec<u16> {
    let mut to: Vec<u16> = core::iter::from_fn(|| out.to_send())
        .map(|(to, _)| to.addr)
        .collect();
    to.sort_unstable();
    to
}

/// Never again: trailing bytes left by a failed encode.
#[test]
fn what_cannot_be_encoded_leaves_no_bytes_behind_and_everything_usable() {
    let (mut engine, mut out) = knows([]);
    for addr in 10..16 {
        let gossip = Packet::new(peer(9), peer(1), Message::Gossip);
        let gossip = gossip.member(peer(addr), 0, State::Alive);
        engine.handle_data(&gossip.encode(), &mut out).unwrap();
    }
    out.clear();
    let announce = Packet::new(peer(8), peer(1), Message::Announce);
    engine.handle_data(&announce.encode(), &mut out).unwrap();
    let ping = Packet::new(peer(8), peer(1), Message::Ping(ProbeNumber(1)));
    engine.handle_data(&ping.encode(), &mut out).unwrap();
    let feed = Packet::decode(&out.to_send().unwrap().1);
    assert_eq!(feed.members.len(), 6, "9 to 15 without 13");
    let ack = Packet::decode(&out.to_send().unwrap().1);
    assert!(ack.members.iter().all(|member| member.id.addr != 13));
    assert_eq!(ack.members.len(), 7);
    assert!(out.to_send().is_none());
}

#[test]
fn an_announce_to_whom_nothing_can_be_sent_is_an_error() {
    let (mut engine, mut out) = knows([]);
    let unencodable = engine.announce(peer(UNENCODABLE), &mut out);
    assert!(matches!(unencodable, Err(Error::Encode(_))));
    let huge = engine.announce(peer(HUGE), &mut out);
    assert!(matches!(huge, Err(Error::TooBigToSend { room: 1400, .. })));
    assert_eq!(engine.counters().unsendable, 2);
    assert!(out.to_send().is_none());
}

/// Whoever sends the datagram chooses its identity; that must be no error of ours.
#[test]
fn an_answer_that_cannot_be_sent_is_counted_and_no_error() {
    for message in [
        Message::Ping(ProbeNumber(1)),
        Message::Announce,
        Message::IndirectPing {
            origin: peer(8),
            number: ProbeNumber(1),
        },
    ] {
        for from in [UNENCODABLE, HUGE] {
            let (mut engine, mut out) = knows([]);
            let data = Packet::new(peer(from), peer(1), message).encode();
            engine.handle_data(&data, &mut out).unwrap();
            assert!(receivers(&mut out).is_empty());
            assert_eq!(engine.counters().unsendable, 1);
            assert_eq!(engine.num_members(), 1);
        }
    }
}

#[test]
fn one_member_to_whom_nothing_can_be_sent_does_not_keep_gossip_from_the_others() {
    let others = [10, 11, UNENCODABLE, HUGE];
    let mut config = swim();
    config.num_indirect_probes = others.len();
    let (mut engine, mut out) = knows(others);
    engine.set_config(config, &mut out).unwrap();
    for _ in 0..20 {
        engine.gossip(&mut out).unwrap();
        assert_eq!(receivers(&mut out), [10, 11]);
        let accused = Packet::new(peer(10), peer(1), Message::Gossip);
        let own = engine.incarnation().0;
        let accused = accused.member(peer(1), own, State::Suspect);
        engine.handle_data(&accused.encode(), &mut out).unwrap();
        assert_eq!(receivers(&mut out), [10, 11], "the refutation");
    }
    engine.broadcast(&mut out).unwrap();
    engine.leave_cluster(&mut out).unwrap();
    assert_eq!(receivers(&mut out), [10, 11], "the departure");
}

/// Takes all broadcasts.
struct Takes;

impl BroadcastHandler<Peer> for Takes {
    type Key = Lasting;

    fn receive_item(
        &mut self,
        _data: &[u8],
        _sender: Option<&Peer>,
    ) -> Result<Option<Lasting>, Box<dyn core::error::Error + Send + Sync>> {
        Ok(Some(Lasting))
    }
}

struct Lasting;

impl Invalidates for Lasting {
    fn invalidates(&self, _other: &Self) -> bool {
        false
    }
}

/// Of four members, one or the other is whom the last send of a broadcast is kept for.
#[test]
fn no_broadcast_waits_for_a_member_to_whom_nothing_can_be_sent() {
    for own in 101..=120 {
        let mut out = AccumulatingRuntime::new();
        let built = Engine::with_broadcasts(peer(own), swim(), 3, Halting, Takes);
        let mut engine = built.unwrap();
        engine.start(&mut out);
        let members = [10, 11, UNENCODABLE, HUGE];
        engine.apply_many(members.map(|addr| Member::alive(peer(addr))), &mut out);
        engine.add_broadcast(b"hello", &mut out).unwrap();
        for _ in 0..10 {
            let timers: Vec<_> = core::iter::from_fn(|| out.to_schedule()).collect();
            for (timer, _) in timers {
                if matches!(timer, Timer::Gossip { .. }) {
                    engine.handle_timer(timer, &mut out);
                }
            }
        }
        assert_eq!(engine.broadcasts_backlog(), 0, "{own}");
        assert!(receivers(&mut out).len() >= 2, "{own}");
    }
}

#[test]
fn a_member_that_cannot_be_pinged_is_not_accused_of_silence() {
    let (mut engine, mut out) = knows([10, UNENCODABLE, HUGE]);
    let config = engine.config().clone();
    engine.set_config(config, &mut out).unwrap();
    for _ in 0..100 {
        let timers: Vec<_> = core::iter::from_fn(|| out.to_schedule()).collect();
        for (timer, _) in timers {
            if !matches!(timer, Timer::Suspicion { .. }) {
                engine.handle_timer(timer, &mut out);
            }
        }
        while let Some((to, data)) = out.to_send() {
            if let Message::Ping(number) = Packet::decode(&data).header.message {
                let ack = Packet::new(to, peer(1), Message::Ack(number));
                engine.handle_data(&ack.encode(), &mut out).unwrap();
            }
        }
    }
    assert!(engine.counters().probes > 10);
    assert_eq!(engine.counters().probes_failed, 0);
    assert!(engine.members().all(|member| member.state == State::Alive));
}

#[test]
fn an_identity_that_cannot_be_sent_is_refused_before_anything_changes() {
    let (mut engine, mut out) = knows([10]);
    let unencodable = engine.change_identity(peer(UNENCODABLE), &mut out);
    assert!(matches!(unencodable, Err(Error::Encode(_))));
    let huge = engine.change_identity(peer(HUGE), &mut out);
    assert!(matches!(huge, Err(Error::TooBigToSend { .. })));
    assert_eq!((*engine.identity(), out.backlog()), (peer(1), 0));
    // Whom the others are is no reason to refuse it.
    let (mut engine, mut out) = knows([UNENCODABLE, HUGE]);
    engine.change_identity(peer(7), &mut out).unwrap();
    assert_eq!(*engine.identity(), peer(7));
}

/// A header as long as the identities in it, in a packet that holds little more.
struct Long;

impl Codec<Peer> for Long {
    type Error = NotPlain;

    fn encode_header(&mut self, header: &Header<Peer>, buf: &mut Vec<u8>) -> Result<(), NotPlain> {
        let mut put = |id: Peer| buf.extend((0..id.addr).map(|_| 0xaa));
        put(header.src);
        put(header.dst);
        if let Message::PingReq { target, .. } = header.message {
            put(target);
        }
        Ok(())
    }

    fn decode_header(&mut self, _data: &mut &[u8]) -> Result<Header<Peer>, NotPlain> {
        Err(NotPlain)
    }

    fn encode_member(&mut self, member: &Member<Peer>, buf: &mut Vec<u8>) -> Result<(), NotPlain> {
        PlainCodec.encode_member(member, buf)
    }

    fn decode_member(&mut self, data: &mut &[u8]) -> Result<Member<Peer>, NotPlain> {
        PlainCodec.decode_member(data)
    }
}

#[test]
fn an_identity_must_fit_a_packet_twice_beside_a_digest() {
    let mut config = Config::lan();
    config.max_packet_size = 457;
    let too_long = Engine::new(peer(101), config.clone(), 1, Long);
    assert!(matches!(
        too_long,
        Err(Error::TooBigToSend {
            len: 458,
            room: 457
        })
    ));
    assert!(Engine::new(peer(100), config.clone(), 1, Long).is_ok());
    config.digest = None;
    assert!(Engine::new(peer(101), config, 1, Long).is_ok());
}

#[test]
fn an_identity_must_fit_a_packet_three_times() {
    let mut config = swim();
    config.max_packet_size = 300;
    config.digest = None;
    let mut out = AccumulatingRuntime::new();
    assert!(Engine::new(peer(101), config.clone(), 1, Long).is_err());
    let mut engine = Engine::new(peer(100), config.clone(), 1, Long).unwrap();
    engine.change_identity(peer(10), &mut out).unwrap();
    let longer = engine.change_identity(peer(101), &mut out);
    assert!(matches!(
        longer,
        Err(Error::TooBigToSend {
            len: 303,
            room: 300
        })
    ));
    engine.change_identity(peer(100), &mut out).unwrap();
    config.max_packet_size = 299;
    let smaller = engine.set_config(config, &mut out);
    assert!(matches!(smaller, Err(Error::TooBigToSend { .. })));
    assert_eq!(engine.config().max_packet_size, 300);
}
