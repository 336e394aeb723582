//! Questions to other members.

use core::time::Duration;
use std::io;

use futures::{AsyncReadExt, AsyncWriteExt};
use selkie::{
    Codec, Header, Incarnation, Member, Message, Node, State, Transport,
    agent::{Limits, QueryError, RoundTrips},
    codecs::PostcardCodec,
    transports::{Memory, MemoryNetwork, MemoryStream},
};
use smol::Timer;

use super::{
    cluster::{ANY_PORT, Net},
    fixture::{Agent, ENVELOPE, builder, in_time, name, until},
    metadata::Streamless,
};

pub(crate) async fn members_are_asked_what_they_see_and_how_far_they_are(net: impl Net) {
    let a = Agent::start("a", net.bind("a"), &[]).await;
    let b = Agent::start("b", net.bind("b"), &[&a]).await;
    let c = Agent::start("c", net.bind("c"), &[&a]).await;
    for agent in [&a, &b, &c] {
        agent.knows(2).await;
    }
    let [to_b, to_c] = [&b, &c].map(|agent| agent.cluster.identity());
    let trips = in_time("echoes", a.cluster.rtt(&to_b, 5)).await.unwrap();
    assert_eq!(trips.iter().count(), 5);
    assert!(Duration::ZERO < trips.min() && trips.min() <= trips.median());
    assert!(trips.median() <= trips.max());
    let between = a.cluster.rtt_between(&to_b, &to_c, 3);
    let between = in_time("a distance", between).await.unwrap();
    assert_eq!(between.iter().count(), 3);
    let ourselves = a.cluster.identity();
    let to_us = a.cluster.rtt_between(&to_b, &ourselves, 1);
    in_time("the way back", to_us).await.unwrap();

    let view = in_time("a view", a.cluster.view_of(&to_c)).await.unwrap();
    assert_eq!(view.total, 3);
    assert_eq!(view.members[0].id, to_c);
    let mut seen: Vec<_> = view
        .members
        .iter()
        .map(|m| (m.id.name().as_str(), m.state))
        .collect();
    seen.sort_unstable_by_key(|(name, _)| *name);
    assert_eq!(seen, ["a", "b", "c"].map(|name| (name, State::Alive)));

    let clocks = in_time("a clock", a.cluster.clock_of(&to_b)).await.unwrap();
    // It is the same clock, read to the millisecond.
    let off = clocks.ahead_millis().unsigned_abs();
    assert!(
        u128::from(off) <= clocks.uncertainty.as_millis() + 2,
        "{clocks:?}"
    );
    let prints = a.cluster.fingerprints_of(&to_b);
    let prints = in_time("fingerprints", prints).await.unwrap();
    assert_eq!(prints, b.cluster.fingerprints());
    let answered = |agent: &Agent| agent.cluster.stats().questions_answered;
    assert_eq!(answered(&b), 6 + 1 + 1 + 1 + 1);
    assert_eq!(answered(&c), 4 + 1);
    assert_eq!(a.cluster.stats().questions_asked, 6);
    assert_eq!(b.cluster.stats().questions_asked, 2);
}

#[test]
fn what_cannot_be_asked_is_an_error_that_says_why() {
    smol::block_on(async {
        let net = MemoryNetwork::new();
        let a = Agent::start("a", net.bind(ANY_PORT).unwrap(), &[]).await;
        let b = Agent::start("b", net.bind(ANY_PORT).unwrap(), &[&a]).await;
        a.knows(1).await;
        b.knows(1).await;
        let nobody = Node::new(name("nobody"), b.addr(), 1);
        let refused = a.cluster.rtt(&nobody, 1).await;
        assert!(
            matches!(refused, Err(QueryError::NotAMember)),
            "{refused:?}"
        );
        let to = b.cluster.identity();
        let refused = a.cluster.rtt_between(&to, &nobody, 1);
        let refused = in_time("refused", refused).await;
        assert!(matches!(refused, Err(QueryError::Refused)), "{refused:?}");

        let mut limits = Limits::default();
        limits.dials = 0;
        a.cluster.set_limits(limits).await.unwrap();
        let refused = a.cluster.rtt(&b.cluster.identity(), 1).await;
        assert!(matches!(refused, Err(QueryError::Busy)), "{refused:?}");
        a.cluster.set_limits(Limits::default()).await.unwrap();

        net.cut(a.addr(), b.addr());
        let lost = in_time("lost", a.cluster.rtt(&b.cluster.identity(), 1)).await;
        let is_lost = matches!(
            lost,
            Err(QueryError::Unreachable(_) | QueryError::NoAnswer(_) | QueryError::NotAMember)
        );
        assert!(is_lost, "{lost:?}");
        let (gone, to) = (a.cluster.clone(), b.cluster.identity());
        a.kill().await;
        let stopped = gone.view_of(&to).await;
        assert!(matches!(stopped, Err(QueryError::Stopped)), "{stopped:?}");
    });
}

#[test]
fn without_streams_nobody_can_be_asked() {
    smol::block_on(async {
        let net = MemoryNetwork::new();
        let bind = || Streamless(net.bind(ANY_PORT).unwrap());
        let a = Agent::start("a", bind(), &[]).await;
        let b = Agent::start("b", bind(), &[&a]).await;
        a.knows(1).await;
        let refused = a.cluster.view_of(&b.cluster.identity()).await;
        assert!(matches!(refused, Err(QueryError::NoStreams)), "{refused:?}");
    });
}

/// One end of the network that speaks by hand.
struct End {
    memory: Memory,
    named: &'static str,
}

impl End {
    fn new(net: &MemoryNetwork, named: &'static str) -> Self {
        let memory = net.bind(ANY_PORT).unwrap();
        Self { memory, named }
    }

    /// One that is a member.
    async fn joined(net: &MemoryNetwork, named: &'static str, at: &Agent, as_nth: usize) -> Self {
        let end = Self::new(net, named);
        let gossip = [&ENVELOPE[..], &end.hello(at), &[0, 0]].concat();
        end.memory.send(at.addr(), &gossip).await.unwrap();
        at.knows(as_nth).await;
        end
    }

    /// Who speaks to whom.
    fn hello(&self, to: &Agent) -> Vec<u8> {
        Self::hello_of(self.identity(), to)
    }

    fn hello_of(src: Node, to: &Agent) -> Vec<u8> {
        let header = Header {
            src,
            src_incarnation: Incarnation(0),
            dst: to.cluster.identity(),
            message: Message::Gossip,
        };
        let mut hello = Vec::new();
        PostcardCodec.encode_header(&header, &mut hello).unwrap();
        hello
    }

    fn identity(&self) -> Node {
        Node::new(name(self.named), self.memory.local_addr(), 1)
    }

    /// A stream of questions.
    async fn open(&self, to: &Agent) -> MemoryStream {
        self.open_as(self.identity(), 5, to).await
    }

    async fn open_as(&self, src: Node, kind: u8, to: &Agent) -> MemoryStream {
        let [version_and_mark @ .., _] = ENVELOPE;
        let hello = Self::hello_of(src, to);
        let len = u32::try_from(hello.len()).unwrap().to_be_bytes();
        let preface = [&version_and_mark[..], &[kind], &len, &hello].concat();
        let mut stream = self.memory.open(to.addr()).await.unwrap().stream;
        stream.write_all(&preface).await.unwrap();
        stream
    }
}

async fn say(stream: &mut MemoryStream, frame: &[u8]) {
    let len = u32::try_from(frame.len()).unwrap().to_be_bytes();
    stream.write_all(&[&len[..], frame].concat()).await.unwrap();
}

async fn hear(stream: &mut MemoryStream) -> io::Result<Vec<u8>> {
    let read = async {
        let mut len = [0; 4];
        stream.read_exact(&mut len).await?;
        let mut frame = vec![0; usize::try_from(u32::from_be_bytes(len)).unwrap()];
        stream.read_exact(&mut frame).await?;
        Ok(frame)
    };
    in_time("an answer, or an end", read).await
}

#[test]
fn questions_and_answers_are_laid_out_as_documented() {
    smol::block_on(async {
        let net = MemoryNetwork::new();
        let a = Agent::start("a", net.bind(ANY_PORT).unwrap(), &[]).await;
        let p = End::joined(&net, "p", &a, 1).await;
        let mut stream = p.open(&a).await;
        say(&mut stream, b"\x01hello").await;
        assert_eq!(hear(&mut stream).await.unwrap(), b"\x00hello");
        say(&mut stream, &[2]).await;
        let view = hear(&mut stream).await.unwrap();
        let mut expected = vec![0, 0, 0, 0, 2];
        for (id, state) in [
            (a.cluster.identity(), State::Alive),
            (p.identity(), State::Alive),
        ] {
            let member = Member::new(id, Incarnation(0), state);
            PostcardCodec.encode_member(&member, &mut expected).unwrap();
        }
        assert_eq!(view, expected);
        // This transport has neither keys nor certificates.
        say(&mut stream, &[3]).await;
        assert_eq!(hear(&mut stream).await.unwrap(), [0, 1, 0, 0, 3, 0, 0]);
        // To itself it has no distance.
        let mut distance = vec![4, 1];
        let member = Member::alive(a.cluster.identity());
        PostcardCodec.encode_member(&member, &mut distance).unwrap();
        say(&mut stream, &distance).await;
        assert_eq!(hear(&mut stream).await.unwrap(), [2]);
        // The end of the stream is the end of it, and no failure.
        stream.close().await.unwrap();
        let mut rest = Vec::new();
        assert!(
            in_time("the end", stream.read_to_end(&mut rest))
                .await
                .is_err()
                || rest.is_empty()
        );
        until(&a.cluster, "over", |c| c.stats().streams_inbound == 0).await;
        let stats = a.cluster.stats();
        assert_eq!((stats.streams_failed, stats.questions_answered), (0, 4));
    });
}

#[test]
fn unknown_questions_are_answered_so_and_others_after_them_as_ever() {
    smol::block_on(async {
        let net = MemoryNetwork::new();
        let a = Agent::start("a", net.bind(ANY_PORT).unwrap(), &[]).await;
        let p = End::joined(&net, "p", &a, 1).await;
        let mut stream = p.open(&a).await;
        for unknown in [&[99][..], &[], &[2, 1], &[4], &[0xff; 4096]] {
            say(&mut stream, unknown).await;
            assert_eq!(hear(&mut stream).await.unwrap(), [1], "{unknown:?}");
        }
        say(&mut stream, b"\x01still there").await;
        assert_eq!(hear(&mut stream).await.unwrap(), b"\x00still there");
        // What is known, and makes no sense, is not answered.
        say(&mut stream, &[4, 1, 0xff]).await;
        assert_eq!(hear(&mut stream).await.unwrap(), [2]);
        until(&a.cluster, "counted", |c| c.stats().questions_unknown == 5).await;
    });
}

#[test]
fn who_asks_too_much_is_asked_to_come_again() {
    smol::block_on(async {
        let net = MemoryNetwork::new();
        let a = Agent::start("a", net.bind(ANY_PORT).unwrap(), &[]).await;
        let p = End::joined(&net, "p", &a, 1).await;
        let mut stream = p.open(&a).await;
        for _ in 0..=RoundTrips::ECHOES_MAX {
            say(&mut stream, &[1]).await;
            assert_eq!(hear(&mut stream).await.unwrap(), [0]);
        }
        assert!(
            hear(&mut stream).await.is_err(),
            "one more than is answered"
        );

        // A claim of more than a question may have is refused before it is read.
        let mut greedy = p.open(&a).await;
        greedy.write_all(&4097_u32.to_be_bytes()).await.unwrap();
        assert!(hear(&mut greedy).await.is_err());

        // Four at a time: a fifth one is refused.
        let mut four = Vec::new();
        for _ in 0..4 {
            four.push(p.open(&a).await);
        }
        for stream in &mut four {
            say(stream, &[1]).await;
            assert_eq!(hear(stream).await.unwrap(), [0]);
        }
        let refused = a.cluster.stats().streams_refused;
        assert!(hear(&mut p.open(&a).await).await.is_err());
        until(&a.cluster, "counted", |c| {
            c.stats().streams_refused == refused + 1
        })
        .await;
        let q = End::joined(&net, "q", &a, 2).await;
        let mut other = q.open(&a).await;
        say(&mut other, &[1]).await;
        assert_eq!(hear(&mut other).await.unwrap(), [0], "others are answered");
    });
}

#[test]
fn who_speaks_as_many_later_ones_of_itself_takes_no_more_turns() {
    const COMPARING: u8 = 1;
    const ASKING: u8 = 5;
    smol::block_on(async {
        let net = MemoryNetwork::new();
        let a = Agent::start("a", net.bind(ANY_PORT).unwrap(), &[]).await;
        let cases = [("p", COMPARING, 1), ("q", ASKING, 4)];
        for (nth, (named, kind, turns)) in (1..).zip(cases) {
            let end = End::joined(&net, named, &a, nth).await;
            let addr = end.memory.local_addr();
            let before = a.cluster.stats();
            let mut held = Vec::new();
            for generation in 2..10 {
                let src = Node::new(name(named), addr, generation);
                held.push(end.open_as(src, kind, &a).await);
            }
            let heard = before.streams_in + 8;
            until(&a.cluster, "all", |c| c.stats().streams_in == heard).await;
            let refused = a.cluster.stats().streams_refused - before.streams_refused;
            assert_eq!(refused, 8 - turns, "{named}");
        }
    });
}

#[test]
fn who_is_down_has_nothing_more_to_say_as_a_later_one_of_itself_either() {
    const MESSAGES: u8 = 4;
    smol::block_on(async {
        let net = MemoryNetwork::new();
        let a = Agent::start("a", net.bind(ANY_PORT).unwrap(), &[]).await;
        let _read = a.cluster.messages();
        let p = End::joined(&net, "p", &a, 1).await;
        let later = Node::new(name("p"), p.memory.local_addr(), 2);
        let mut stream = p.open_as(later, MESSAGES, &a).await;
        say(&mut stream, b"here").await;
        let mut ack = [9];
        in_time("told", stream.read_exact(&mut ack)).await.unwrap();
        assert_eq!(ack, [0], "it may have restarted");
        a.cluster.declare_down(&p.identity()).await.unwrap();
        a.knows(0).await;
        // The stream may be reset by now.
        let _ = stream.write_all(b"\0\0\0\x05still").await;
        let end = in_time("an end", stream.read(&mut ack)).await;
        assert!(!matches!(end, Ok(1..)), "{end:?}");
    });
}

#[test]
fn who_asks_slowly_is_not_waited_for() {
    smol::block_on(async {
        let net = MemoryNetwork::new();
        let a = Agent::start("a", net.bind(ANY_PORT).unwrap(), &[]).await;
        let b = Agent::start("b", net.bind(ANY_PORT).unwrap(), &[&a]).await;
        a.knows(1).await;
        b.knows(1).await;
        let p = End::joined(&net, "p", &a, 2).await;
        let mut stream = p.open(&a).await;
        // Half a length, and no more.
        stream.write_all(&[0, 0]).await.unwrap();
        // Others are answered meanwhile.
        in_time("an echo", b.cluster.rtt(&a.cluster.identity(), 1))
            .await
            .unwrap();
        assert!(hear(&mut stream).await.is_err());
        until(&a.cluster, "its place is free", |c| {
            c.stats().streams_inbound == 0
        })
        .await;
    });
}

#[test]
fn strangers_are_answered_nothing() {
    smol::block_on(async {
        let net = MemoryNetwork::new();
        let a = Agent::start("a", net.bind(ANY_PORT).unwrap(), &[]).await;
        let stranger = End::new(&net, "stranger");
        let mut stream = stranger.open(&a).await;
        let len = 1_u32.to_be_bytes();
        // It may be refused before that is said.
        let _ = stream.write_all(&[&len[..], &[2]].concat()).await;
        assert!(hear(&mut stream).await.is_err());
        until(&a.cluster, "refused", |c| c.stats().streams_refused == 1).await;
        assert_eq!(a.cluster.stats().questions_answered, 0);
    });
}

/// A member that answers questions by hand, whatever it is asked.
async fn asked_by(a: &Agent, p: &End, answer: &[u8]) -> Result<RoundTrips, QueryError> {
    let (id, ourselves) = (p.identity(), a.cluster.identity());
    let asking = a.cluster.rtt_between(&id, &ourselves, 3);
    let answering = async {
        loop {
            let stream = p.memory.accept().await.unwrap().stream;
            smol::spawn(answer_all(stream, answer.to_vec())).detach();
        }
    };
    smol::future::or(in_time("an answer", asking), answering).await
}

async fn answer_all(mut stream: MemoryStream, answer: Vec<u8>) {
    let mut head = [0; ENVELOPE.len()];
    if stream.read_exact(&mut head).await.is_err() || head[5] != 5 {
        return;
    }
    let _hello = hear(&mut stream).await;
    let _question = hear(&mut stream).await;
    let _ = stream.write_all(&answer).await;
    Timer::after(Duration::from_millis(100)).await;
}

#[test]
fn answers_that_make_no_sense_are_no_answers() {
    smol::block_on(async {
        let net = MemoryNetwork::new();
        let config = selkie::Config::lan();
        let (cluster, driver) = builder("a", net.bind(ANY_PORT).unwrap())
            .config(config)
            .build()
            .await
            .unwrap();
        let a = Agent::run(cluster, driver);
        let p = End::joined(&net, "p", &a, 1).await;
        let framed = |bytes: &[u8]| {
            let len = u32::try_from(bytes.len()).unwrap().to_be_bytes();
            [&len[..], bytes].concat()
        };
        for nonsense in [
            framed(&[]),
            framed(&[0]),
            framed(&[77, 1, 2]),
            // A claim of four gigabytes, and an end in between.
            vec![0xff; 4],
            vec![0, 0, 0, 9, 0],
            vec![],
        ] {
            let answered = asked_by(&a, &p, &nonsense).await;
            let is_none = matches!(answered, Err(QueryError::NoAnswer(_)));
            assert!(is_none, "{nonsense:?}: {answered:?}");
        }
        let answered = asked_by(&a, &p, &framed(&[1])).await;
        assert!(matches!(answered, Err(QueryError::Unknown)), "{answered:?}");
        let answered = asked_by(&a, &p, &framed(&[2])).await;
        assert!(matches!(answered, Err(QueryError::Refused)), "{answered:?}");
        // More than was asked for is not taken.
        let times = [&[0][..], &[0, 0, 0, 0, 0, 0, 0, 7].repeat(9)].concat();
        let answered = asked_by(&a, &p, &framed(&times)).await.unwrap();
        assert_eq!(answered.iter().count(), 3);
        assert_eq!(answered.max(), Duration::from_nanos(7));
    });
}
