//! What stands beside the engine: identities, timers, settings, batches.
// Tests need no `no_std` discipline, and their helpers may panic as they do.
#![allow(
    clippy::std_instead_of_core,
    clippy::std_instead_of_alloc,
    clippy::unwrap_used
)]

use std::net::SocketAddr;

use selkie::{InvalidName, Name};

mod node {
    use selkie::{Identity, Locate, Node};

    use super::*;

    #[test]
    fn is_known_by_its_name_wherever_it_lives() {
        let here = node("db-1", "10.0.0.1:7000", 1);
        let there = node("db-1", "10.0.0.2:7000", 1);
        assert_ne!(here, there);
        assert_eq!(here.addr(), there.addr());
        assert_ne!(here.addr(), node("db-2", "10.0.0.1:7000", 1).addr());
        assert_eq!(here.socket_addr(), addr("10.0.0.1:7000"));
        assert_eq!(here.to_string(), "db-1@10.0.0.1:7000");
    }

    #[test]
    fn of_two_lives_exactly_one_wins() {
        let lives = [
            node("db-1", "10.0.0.1:7000", 1),
            node("db-1", "10.0.0.2:7000", 1),
            node("db-1", "10.0.0.2:7001", 1),
            node("db-1", "[::1]:7000", 1),
            node("db-1", "10.0.0.1:7000", 2),
            node("db-1", "[::1]:1", 3),
        ];
        for one in &lives {
            assert!(!one.win_addr_conflict(one));
            for other in lives.iter().filter(|other| *other != one) {
                assert_ne!(one.win_addr_conflict(other), other.win_addr_conflict(one));
            }
        }
    }

    #[test]
    fn a_newer_generation_wins_from_any_address() {
        let former = node("db-1", "10.9.9.9:7000", 7);
        assert!(node("db-1", "10.0.0.1:1", 8).win_addr_conflict(&former));
    }

    #[test]
    fn renewal_wins_and_changes_nothing_else() {
        let former = node("db-1", "10.0.0.1:7000", 7);
        let renewed = former.renew().unwrap();
        assert_eq!(renewed, node("db-1", "10.0.0.1:7000", 8));
        assert!(renewed.win_addr_conflict(&former));
        assert_eq!(node("db-1", "10.0.0.1:7000", u64::MAX).renew(), None);
    }

    #[test]
    fn renewal_goes_past_whoever_won() {
        let ours = node("db-1", "10.0.0.1:7000", 7);
        for generation in [0, 7, 8, 1000, u64::MAX - 1] {
            let winner = node("db-1", "10.9.9.9:7000", generation);
            let renewed = ours.renew_past(&winner).unwrap();
            assert!(renewed.win_addr_conflict(&winner), "{generation}");
            assert!(renewed.win_addr_conflict(&ours), "{generation}");
            assert_eq!(renewed.socket_addr(), ours.socket_addr());
        }
        let last = node("db-1", "10.9.9.9:7000", u64::MAX);
        assert_eq!(ours.renew_past(&last), None);
    }

    #[test]
    fn a_seed_is_accepted_by_whoever_lives_there_and_is_no_member() {
        let seed = Node::from_seed(addr("10.0.0.1:7000")).unwrap();
        let ours = node("db-1", "192.168.0.1:7000", 7);
        assert!(ours.accepts_announce(&seed));
        assert!(ours.accepts_announce(&node("db-1", "10.0.0.1:7000", 1)));
        assert!(!ours.accepts_announce(&node("db-2", "192.168.0.1:7000", 7)));
        assert!(!seed.names_member());
        assert!(ours.names_member());
    }

    #[test]
    fn a_member_lives_at_an_address_that_can_be_reached() {
        for unreachable in ["0.0.0.0:7000", "[::]:7000", "10.0.0.1:0"] {
            assert!(!node("db-1", unreachable, 1).names_member());
            assert!(!addr(unreachable).names_member());
        }
    }

    #[cfg(feature = "std")]
    #[test]
    fn a_restart_is_a_newer_life_even_when_the_clock_goes_backwards() {
        let name = "db-1".parse().unwrap();
        let home = addr("10.0.0.1:7000");
        let first = Node::now(name, home, None);
        // Some day in 2020: the clock was read, in milliseconds.
        assert!(first.generation() > 1_577_836_800_000);
        assert!(first.generation() < u64::MAX / 1000);
        let second = Node::now(name, home, Some(first.generation()));
        assert!(second.win_addr_conflict(&first));

        let far_ahead = first.generation() + 1_000_000_000;
        let third = Node::now(name, home, Some(far_ahead));
        assert_eq!(third.generation(), far_ahead + 1);
        let last = Node::now(name, home, Some(u64::MAX));
        assert_eq!(last.generation(), u64::MAX);
    }

    fn node(name: &str, home: &str, generation: u64) -> Node {
        Node::new(name.parse().unwrap(), addr(home), generation)
    }

    fn addr(addr: &str) -> SocketAddr {
        addr.parse().unwrap()
    }
}

mod name {
    use super::*;

    #[test]
    fn takes_what_labels_and_files_can_be_called() {
        let longest = "x".repeat(Name::LEN_MAX);
        for allowed in ["a", "0", "-", "db-1.eu_west", "z9", &longest] {
            let name = Name::new(allowed).unwrap();
            assert_eq!(name.as_str(), allowed);
            assert_eq!(name.to_string(), allowed);
            assert_eq!(format!("{name:?}"), format!("{allowed:?}"));
            assert!(!name.is_empty());
        }
    }

    #[test]
    fn refuses_everything_else_and_says_what() {
        let too_long = "x".repeat(Name::LEN_MAX + 1);
        assert_eq!(Name::new(""), Err(InvalidName::Empty));
        assert_eq!(Name::new(&too_long), Err(InvalidName::TooLong { len: 64 }));
        for (name, found) in [
            ("DB", 'D'),
            ("a b", ' '),
            ("a/b", '/'),
            ("ä", 'ä'),
            ("a\0", '\0'),
            ("x@y", '@'),
        ] {
            assert_eq!(Name::new(name), Err(InvalidName::Character { found }));
        }
        let reason = Name::new("a b").unwrap_err().to_string();
        assert!(reason.contains("' '"), "{reason}");
    }

    #[test]
    fn is_ordered_as_its_string_is() {
        let strings = ["-", "a", "a-", "a-b", "ab", "b", "ba"];
        let mut names = strings.map(|string| Name::new(string).unwrap());
        names.reverse();
        names.sort();
        assert_eq!(names.map(|name| name.to_string()), strings);
    }

    #[test]
    fn the_empty_one_exists_for_seeds() {
        assert!(Name::EMPTY.is_empty());
        assert_eq!(Name::EMPTY.as_str(), "");
    }

    #[cfg(feature = "serde")]
    #[test]
    fn is_a_string_to_serde_and_checked_when_read() {
        let name = Name::new("db-1").unwrap();
        assert_eq!(serde_json::to_string(&name).unwrap(), r#""db-1""#);
        assert_eq!(serde_json::from_str::<Name>(r#""db-1""#).unwrap(), name);
        assert_eq!(serde_json::from_str::<Name>(r#""""#).unwrap(), Name::EMPTY);
        let too_long = format!("{:?}", "x".repeat(64));
        for refused in [r#""DB""#, r#""a b""#, "7", &too_long] {
            assert!(serde_json::from_str::<Name>(refused).is_err(), "{refused}");
        }
    }
}

mod timer_queue {
    use std::time::Duration;

    use proptest::{collection::vec, prelude::*};
    use selkie::TimerQueue;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn nothing_is_due_in_an_empty_one() {
        let mut timers = TimerQueue::<()>::default();
        assert_eq!(timers.next_deadline(), None);
        assert_eq!(timers.pop_due(Duration::MAX), None);
        assert!(timers.is_empty());
    }

    #[test]
    fn a_timer_is_due_at_its_deadline_and_not_before() {
        let mut timers = TimerQueue::new();
        timers.push(SECOND, ());
        assert_eq!(timers.pop_due(SECOND - Duration::from_nanos(1)), None);
        assert_eq!(timers.len(), 1);
        assert_eq!(timers.pop_due(SECOND), Some(()));
        assert!(timers.is_empty());
    }

    #[test]
    fn timers_of_one_deadline_keep_their_order() {
        let mut timers = TimerQueue::new();
        for n in 0..1000 {
            timers.push(SECOND, n);
        }
        for n in 0..1000 {
            assert_eq!(timers.pop_due(SECOND), Some(n));
        }
    }

    proptest! {
        #[test]
        fn timers_come_in_the_order_of_deadlines_then_of_arrival(
            steps in vec(prop_oneof![
                (0..20_u64).prop_map(Step::Push),
                (0..25_u64).prop_map(Step::Pop),
            ], 0..100),
        ) {
            let mut timers = TimerQueue::new();
            let mut model: Vec<(Duration, usize)> = Vec::new();
            for (n, step) in steps.into_iter().enumerate() {
                match step {
                    Step::Push(at) => {
                        timers.push(Duration::from_secs(at), n);
                        model.push((Duration::from_secs(at), n));
                        model.sort();
                    }
                    Step::Pop(now) => {
                        let now = Duration::from_secs(now);
                        let due = model.first().copied().filter(|(at, _)| *at <= now);
                        model.retain(|timer| Some(*timer) != due);
                        prop_assert_eq!(timers.pop_due(now), due.map(|(_, n)| n));
                    }
                }
                prop_assert_eq!(timers.len(), model.len());
                prop_assert_eq!(timers.next_deadline(), model.first().map(|(at, _)| *at));
            }
        }
    }

    #[derive(Debug)]
    enum Step {
        Push(u64),
        Pop(u64),
    }
}

mod config {
    use std::time::Duration;

    use selkie::{Config, Periodic, Suspicion, Transmissions};

    const PRESETS: [fn() -> Config; 5] = [
        Config::simple,
        Config::local,
        Config::lan,
        Config::wan,
        Config::default,
    ];

    #[test]
    fn presets_keep_the_rules() {
        for preset in PRESETS {
            assert_eq!(preset().validate(), Ok(()));
            assert_eq!(preset().foca_wire().validate(), Ok(()));
            assert!(preset().foca_wire().foca_wire);
        }
        assert_eq!(Config::default(), Config::lan());
    }

    #[test]
    fn each_broken_rule_is_named() {
        type Break = fn(&mut Config);
        let breaks: [(&str, Break); 27] = [
            ("probe_rtt", |c| c.probe_rtt = Duration::ZERO),
            ("probe_rtt", |c| c.probe_rtt = c.probe_period),
            ("probe_period", |c| c.probe_period = Duration::ZERO),
            ("nacks", |c| {
                c.nacks = true;
                c.probe_rtt = c.probe_period - Duration::from_millis(99);
            }),
            ("foca_wire", |c| {
                c.foca_wire = true;
                c.accusers = true;
            }),
            ("suspicion", |c| {
                c.suspicion = Suspicion::Confirmed { min: 0, max: 6 };
            }),
            ("suspicion", |c| {
                c.suspicion = Suspicion::Confirmed { min: 5, max: 0 };
            }),
            ("num_indirect_probes", |c| c.num_indirect_probes = 0),
            ("num_indirect_probes", |c| c.num_indirect_probes = 256),
            ("transmissions", |c| {
                c.transmissions = Transmissions::Fixed(0);
            }),
            ("transmissions", |c| {
                c.transmissions = Transmissions::PerLog10(0);
            }),
            ("suspicion", |c| {
                c.suspicion = Suspicion::Fixed(Duration::ZERO);
            }),
            ("suspicion", |c| c.suspicion = Suspicion::PeriodsPerLog10(0)),
            ("max_packet_size", |c| c.max_packet_size = 127),
            ("max_packet_size", |c| c.max_packet_size = 65_508),
            ("max_members", |c| c.max_members = 0),
            ("max_members", |c| c.max_members = 1 << 30),
            ("max_down_members", |c| c.max_down_members = 0),
            ("max_down_members", |c| c.max_down_members = 1 << 30),
            ("remove_down_after", |c| {
                c.remove_down_after = Some(Duration::ZERO);
            }),
            ("periodic_announce", |c| {
                c.periodic_announce = Some(Periodic::secs(0, 1));
            }),
            ("periodic_announce_to_down_members", |c| {
                c.periodic_announce_to_down_members = Some(Periodic::secs(1, 0));
            }),
            ("periodic_gossip", |c| {
                c.periodic_gossip = Some(Periodic::millis(1, 0));
            }),
            ("digest", |c| c.digest = Some(Periodic::secs(0, 1))),
            ("max_broadcasts", |c| c.max_broadcasts = 0),
            ("max_broadcasts", |c| c.max_broadcasts = 1 << 30),
            ("broadcast_share", |c| c.broadcast_share = 91),
        ];
        for preset in PRESETS {
            for (setting, break_rule) in breaks {
                let mut config = preset();
                break_rule(&mut config);
                let error = config.validate().expect_err(setting);
                assert!(error.rule().contains(setting), "{setting}: {error}");
                assert!(error.to_string().ends_with(error.rule()));
            }
        }
    }

    #[test]
    fn the_ends_of_the_ranges_are_allowed() {
        let mut config = Config::lan();
        config.probe_rtt = config.probe_period - Duration::from_millis(100);
        assert_eq!(config.validate(), Ok(()));
        config.nacks = false;
        config.probe_rtt = config.probe_period - Duration::from_nanos(1);
        config.num_indirect_probes = 255;
        config.transmissions = Transmissions::Fixed(1);
        config.max_members = 1;
        config.max_down_members = (1 << 30) - 1;
        config.max_broadcasts = 1;
        config.remove_down_after = None;
        config.periodic_gossip = None;
        config.digest = None;
        for (max_packet_size, broadcast_share) in [(128, 0), (65_507, 90)] {
            config.max_packet_size = max_packet_size;
            config.broadcast_share = broadcast_share;
            assert_eq!(config.validate(), Ok(()));
        }
    }

    #[test]
    fn transmissions_grow_with_the_logarithm_of_the_cluster() {
        let times = Transmissions::PerLog10(4);
        for (members, expected) in [(0, 3), (1, 3), (9, 4), (10, 5), (99, 8), (999, 12)] {
            assert_eq!(times.at(members), expected, "{members} members");
        }
        assert_eq!(Transmissions::PerLog10(255).at(usize::MAX), 255);
        assert_eq!(Transmissions::Fixed(7).at(1_000_000), 7);
    }

    #[test]
    fn suspicion_grows_with_the_logarithm_of_the_cluster() {
        let period = Duration::from_secs(1);
        let timeout = Suspicion::PeriodsPerLog10(4);
        for (members, expected) in [(0, 4), (1, 4), (10, 4), (100, 8), (1000, 12)] {
            let expected = Duration::from_secs(expected);
            assert_eq!(timeout.at(members, period), expected, "{members} members");
        }
        assert_eq!(timeout.at(100, Duration::MAX), Duration::MAX);
        let fixed = Suspicion::Fixed(Duration::from_secs(3));
        assert_eq!(fixed.at(1_000_000, period), Duration::from_secs(3));
    }
}

#[cfg(feature = "std")]
mod batch {
    use selkie::transport::Batch;

    use super::*;

    #[test]
    fn holds_packets_in_the_order_of_their_arrival() {
        let mut batch = Batch::new();
        assert!(batch.is_empty());
        batch.push(from(1), b"one");
        batch.push(from(2), b"");
        batch.push(from(3), b"three");
        batch.push(from(4), b"four");
        batch.push(from(5), b"");
        let expected = [
            (from(1), &b"one"[..]),
            (from(2), b""),
            (from(3), b"three"),
            (from(4), b"four"),
            (from(5), b""),
        ];
        assert!(said(&batch).eq(expected));
        assert_eq!(batch.len(), 5);
    }

    #[test]
    fn is_full_at_its_bound_and_empty_once_cleared() {
        let mut batch = Batch::new();
        for n in 0..Batch::PACKETS_MAX {
            assert!(!batch.is_full(), "at {n}");
            batch.push(from(1), &[0xAB; 100]);
        }
        assert!(batch.is_full());
        batch.clear();
        assert!(batch.is_empty() && !batch.is_full());
        batch.push(from(2), b"next");
        assert!(said(&batch).eq([(from(2), &b"next"[..])]));
    }

    #[test]
    fn keeps_little_memory_once_cleared() {
        let mut batch = Batch::new();
        for _ in 0..Batch::PACKETS_MAX {
            batch.push(from(1), &[0xAB; Batch::PACKET_MAX]);
        }
        assert!(batch.bytes_kept() >= Batch::PACKETS_MAX * Batch::PACKET_MAX);
        batch.clear();
        assert!(batch.bytes_kept() <= Batch::KEPT_MAX);
    }

    fn said(batch: &Batch) -> impl Iterator<Item = (SocketAddr, &[u8])> {
        batch.iter().map(|packet| (packet.from, packet.bytes))
    }

    fn from(port: u16) -> SocketAddr {
        ([10, 0, 0, 1], port).into()
    }
}
