//! What every transport must do, whatever it is made of.
//!
//! Packets may be lost: whatever must arrive is sent until it does, or until the deadline.

use std::{
    collections::BTreeSet,
    future::Future,
    io,
    net::SocketAddr,
    sync::Arc,
    time::{Duration, Instant},
};

use selkie::{
    Transport,
    transport::{Batch, SendError},
};
use smol::{Timer, future};

/// Makes the transports that a case works with.
pub(crate) trait Fixture {
    /// The transport that is tested.
    type Transport: Transport;

    /// One at an address of its own. All that one fixture makes can reach each other.
    fn bind(&self) -> impl Future<Output = Self::Transport>;

    /// One at the address of a former one, which was closed and dropped.
    fn rebind(&self, addr: SocketAddr) -> impl Future<Output = io::Result<Self::Transport>>;

    /// An address at which nobody listens.
    fn nobody(&self) -> SocketAddr;
}

/// Makes a test of each case, for the fixture that the expression gives.
macro_rules! conformance_tests {
    ($fixture:expr) => {
        conformance_tests! {
            $fixture; conformance:
            a_packet_arrives_whole_and_names_its_sender
            packets_travel_both_ways
            packets_of_every_size_up_to_the_room_arrive
            larger_packets_arrive_or_are_refused
            a_burst_arrives_in_batches
            a_dropped_receive_loses_no_packet
            sending_to_nobody_leaves_the_transport_intact
            close_wakes_who_receives_and_refuses_the_rest
            whoever_takes_over_an_address_is_reached
            many_tasks_send_and_receive_at_once
        }
    };
    ($fixture:expr; $suite:ident: $($case:ident)*) => {
        $(
            #[test]
            fn $case() {
                $crate::conformance::run($crate::$suite::$case($fixture));
            }
        )*
    };
}

/// How long a packet may take, all repetitions included, on a machine that has other things to do.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);
/// How long to wait for a packet before it is sent again.
const RESEND_AFTER: Duration = Duration::from_millis(500);

/// Runs a case, which ends in time or fails.
pub(crate) fn run(case: impl Future<Output = ()>) {
    smol::block_on(future::or(case, async {
        Timer::after(PATIENCE * 4).await;
        panic!("the case did not end in time");
    }));
}

pub(crate) async fn a_packet_arrives_whole_and_names_its_sender(fixture: impl Fixture) {
    let (left, right) = (fixture.bind().await, fixture.bind().await);
    assert_ne!(left.local_addr(), right.local_addr());
    check_delivers(&left, &right, b"a packet").await;
}

pub(crate) async fn packets_travel_both_ways(fixture: impl Fixture) {
    let (left, right) = (fixture.bind().await, fixture.bind().await);
    for round in 0..10_u8 {
        check_delivers(&left, &right, &[b'l', round]).await;
        check_delivers(&right, &left, &[b'r', round]).await;
    }
}

pub(crate) async fn packets_of_every_size_up_to_the_room_arrive(fixture: impl Fixture) {
    let (left, right) = (fixture.bind().await, fixture.bind().await);
    check_delivers(&left, &right, b"first").await;
    let room = left.room(right.local_addr());
    assert!(room >= 1000, "only {room} bytes of room");
    for size in [0, 1, 2, 3, 100, 508, 999, 1000, room - 1, room] {
        check_delivers(&left, &right, &pattern(size)).await;
    }
}

pub(crate) async fn larger_packets_arrive_or_are_refused(fixture: impl Fixture) {
    let (left, right) = (fixture.bind().await, fixture.bind().await);
    check_delivers(&left, &right, b"first").await;
    let room = left.room(right.local_addr());
    for size in [room + 1, 20_000, Batch::PACKET_MAX, Batch::PACKET_MAX + 1] {
        match deliver(&left, &right, &pattern(size)).await {
            Ok(from) => {
                assert_eq!(from, left.local_addr());
                assert!(size <= Batch::PACKET_MAX, "{size} bytes fit no batch");
            }
            Err(SendError::TooBig { max }) => {
                assert!(max < size, "{size} bytes refused though {max} are carried");
                assert!(size > room, "{size} bytes refused though there is room");
            }
            Err(other) => panic!("{size} bytes: {other}"),
        }
    }
    check_delivers(&left, &right, b"last").await;
}

pub(crate) async fn a_burst_arrives_in_batches(fixture: impl Fixture) {
    const PACKETS: u16 = 300;
    let (left, right) = (fixture.bind().await, fixture.bind().await);
    check_delivers(&left, &right, b"first").await;

    let mut missing: BTreeSet<u16> = (0..PACKETS).collect();
    let mut largest = 0;
    let deadline = Instant::now() + PATIENCE;
    while !missing.is_empty() {
        assert!(Instant::now() < deadline, "never arrived: {missing:?}");
        for number in &missing {
            let sent = left.send(right.local_addr(), &numbered(*number)).await;
            check_passing(sent);
        }
        let mut batch = Batch::new();
        while receive(&right, &mut batch).await {
            assert!(batch.len() <= Batch::PACKETS_MAX);
            largest = largest.max(batch.len());
            for (from, packet) in said(&batch).filter(|(_, packet)| *packet != b"first") {
                assert_eq!(from, left.local_addr());
                let number = u16::from_be_bytes(packet[..2].try_into().unwrap());
                assert_eq!(packet, numbered(number));
                missing.remove(&number);
            }
            if missing.is_empty() {
                break;
            }
            batch.clear();
        }
    }
    assert!(largest > 1, "every packet came in a batch of its own");
}

pub(crate) async fn a_dropped_receive_loses_no_packet(fixture: impl Fixture) {
    const PACKETS: u16 = 50;
    let (left, right) = (fixture.bind().await, fixture.bind().await);
    check_delivers(&left, &right, b"first").await;

    let mut repeated = 0;
    for number in 0..PACKETS {
        let packet = numbered(number);
        let deadline = Instant::now() + PATIENCE;
        'arrived: loop {
            assert!(Instant::now() < deadline, "packet {number} never arrived");
            check_passing(left.send(right.local_addr(), &packet).await);
            let again = Instant::now() + RESEND_AFTER;
            let mut batch = Batch::new();
            while Instant::now() < again {
                // Polled once, then dropped if there was nothing.
                let polled = future::poll_once(right.recv(&mut batch)).await;
                if let Some(received) = polled {
                    received.unwrap();
                } else {
                    assert!(batch.is_empty(), "a packet went into a batch nobody gets");
                    Timer::after(Duration::from_micros(100)).await;
                }
                if said(&batch).any(|(_, got)| got == packet) {
                    break 'arrived;
                }
                batch.clear();
            }
            repeated += 1;
        }
    }
    assert!(repeated < PACKETS / 2, "{repeated} packets were lost");
}

pub(crate) async fn sending_to_nobody_leaves_the_transport_intact(fixture: impl Fixture) {
    let (left, right) = (fixture.bind().await, fixture.bind().await);
    let nobody = fixture.nobody();
    for round in 0..5_u8 {
        for _ in 0..5 {
            check_passing(left.send(nobody, b"hello?").await);
        }
        check_delivers(&left, &right, &[b'l', round]).await;
        check_delivers(&right, &left, &[b'r', round]).await;
    }
}

pub(crate) async fn close_wakes_who_receives_and_refuses_the_rest(fixture: impl Fixture) {
    let (left, right) = (Arc::new(fixture.bind().await), fixture.bind().await);
    check_delivers(&*left, &right, b"first").await;

    let receivers: Vec<_> = (0..3)
        .map(|_| {
            let left = Arc::clone(&left);
            smol::spawn(async move {
                let mut batch = Batch::new();
                loop {
                    batch.clear();
                    if let Err(error) = left.recv(&mut batch).await {
                        return error;
                    }
                }
            })
        })
        .collect();
    future::yield_now().await;
    left.close().await;
    for receiver in receivers {
        let error = in_time(receiver).await.expect("a receiver was not woken");
        assert_eq!(error.kind(), io::ErrorKind::NotConnected, "{error}");
    }
    let sent = left.send(right.local_addr(), b"too late").await;
    assert!(matches!(sent, Err(SendError::Closed)), "{sent:?}");
    let error = left.recv(&mut Batch::new()).await.unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::NotConnected, "{error}");
    in_time(left.close())
        .await
        .expect("closing twice takes for ever");
}

pub(crate) async fn whoever_takes_over_an_address_is_reached(fixture: impl Fixture) {
    let (left, right) = (fixture.bind().await, fixture.bind().await);
    check_delivers(&left, &right, b"first").await;
    check_delivers(&right, &left, b"answer").await;

    let addr = right.local_addr();
    right.close().await;
    drop(right);
    check_passing(left.send(addr, b"into the void").await);
    let deadline = Instant::now() + PATIENCE;
    let heir = loop {
        match fixture.rebind(addr).await {
            Ok(heir) => break heir,
            Err(error) => assert!(Instant::now() < deadline, "cannot bind {addr}: {error}"),
        }
        Timer::after(Duration::from_millis(20)).await;
    };
    assert_eq!(heir.local_addr(), addr);
    check_delivers(&left, &heir, b"second").await;
    check_delivers(&heir, &left, b"answer of the heir").await;
}

pub(crate) async fn many_tasks_send_and_receive_at_once(fixture: impl Fixture) {
    const TASKS: u8 = 4;
    let (left, right) = (
        Arc::new(fixture.bind().await),
        Arc::new(fixture.bind().await),
    );
    check_delivers(&*left, &*right, b"first").await;

    // Each task has packets of its own; any task of the other side may receive them.
    let senders: Vec<_> = (0..TASKS)
        .flat_map(|task| {
            let (left, right) = (Arc::clone(&left), Arc::clone(&right));
            [
                smol::spawn(send_for_ever(
                    Arc::clone(&left),
                    right.local_addr(),
                    [b'l', task],
                )),
                smol::spawn(send_for_ever(right, left.local_addr(), [b'r', task])),
            ]
        })
        .collect();
    let receivers: Vec<_> = (0..TASKS)
        .flat_map(|_| {
            [
                smol::spawn(receive_some(Arc::clone(&left), b'r')),
                smol::spawn(receive_some(Arc::clone(&right), b'l')),
            ]
        })
        .collect();
    for receiver in receivers {
        in_time(receiver).await.expect("a receiver starves");
    }
    for sender in senders {
        assert!(!sender.is_finished());
        sender.cancel().await;
    }
}

async fn send_for_ever(transport: Arc<impl Transport>, to: SocketAddr, packet: [u8; 2]) {
    loop {
        check_passing(transport.send(to, &packet).await);
        Timer::after(Duration::from_millis(1)).await;
    }
}

async fn receive_some(transport: Arc<impl Transport>, side: u8) {
    let mut batch = Batch::new();
    for _ in 0..5 {
        batch.clear();
        transport.recv(&mut batch).await.unwrap();
        assert!(!batch.is_empty());
        for (_, packet) in said(&batch).filter(|(_, packet)| *packet != b"first") {
            assert_eq!((packet.len(), packet[0]), (2, side));
        }
    }
}

/// Sends a packet until it arrives, and checks whom it is from.
async fn check_delivers(sender: &impl Transport, receiver: &impl Transport, packet: &[u8]) {
    match deliver(sender, receiver, packet).await {
        Ok(from) => assert_eq!(from, sender.local_addr(), "from somebody else"),
        Err(error) => panic!("{} bytes: {error}", packet.len()),
    }
}

/// Sends a packet until it arrives, or until it is refused for its size.
async fn deliver(
    sender: &impl Transport,
    receiver: &impl Transport,
    packet: &[u8],
) -> Result<SocketAddr, SendError> {
    let deadline = Instant::now() + PATIENCE;
    let mut batch = Batch::new();
    loop {
        match sender.send(receiver.local_addr(), packet).await {
            Err(error @ SendError::TooBig { .. }) => return Err(error),
            sent => check_passing(sent),
        }
        batch.clear();
        while receive(receiver, &mut batch).await {
            if let Some((from, _)) = said(&batch).find(|(_, got)| *got == packet) {
                return Ok(from);
            }
            batch.clear();
        }
        assert!(
            Instant::now() < deadline,
            "{} bytes never arrived",
            packet.len()
        );
    }
}

/// From where, and what.
pub(crate) fn said(batch: &Batch) -> impl Iterator<Item = (SocketAddr, &[u8])> {
    batch.iter().map(|packet| (packet.from, packet.bytes))
}

/// Receives into the batch; returns whether something came.
async fn receive(transport: &impl Transport, batch: &mut Batch) -> bool {
    let received = async { Some(transport.recv(batch).await) };
    let silence = async {
        Timer::after(RESEND_AFTER).await;
        None
    };
    match future::or(received, silence).await {
        Some(received) => {
            received.unwrap();
            true
        }
        None => false,
    }
}

/// A best-effort send may fail in these ways without the transport being at fault.
#[track_caller]
fn check_passing(sent: Result<(), SendError>) {
    match sent {
        Ok(()) | Err(SendError::Busy | SendError::Unreachable(_)) => {}
        Err(error) => panic!("{error}"),
    }
}

pub(crate) async fn in_time<T>(future: impl Future<Output = T>) -> Option<T> {
    let late = async {
        Timer::after(PATIENCE).await;
        None
    };
    future::or(async { Some(future.await) }, late).await
}

/// A packet of so many bytes, of which no two neighbours are alike.
pub(crate) fn pattern(size: usize) -> Vec<u8> {
    (0..=250_u8).cycle().take(size).collect()
}

fn numbered(number: u16) -> [u8; 40] {
    let mut packet = [0x5A; 40];
    packet[..2].copy_from_slice(&number.to_be_bytes());
    packet
}
