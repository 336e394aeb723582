//! The engine by hand: three members, each a thread with a blocking socket and a loop. No
//! executor, no agent.
//!
//! `cargo run --example sync_engine --features postcard`
//!
//! The third falls silent as soon as it knows both others; they find out and end.

use std::{
    error::Error,
    io::ErrorKind,
    net::{SocketAddr, UdpSocket},
    thread,
    time::{Duration, Instant},
};

use selkie::{
    AccumulatingRuntime, Config, Engine, OwnedNotification, Suspicion, TimerQueue,
    codecs::PostcardCodec,
};

type AnyError = Box<dyn Error + Send + Sync>;

fn main() -> Result<(), AnyError> {
    let sockets = [(); 3].map(|()| UdpSocket::bind("127.0.0.1:0"));
    let [first, second, third] = sockets;
    let (first, second, third) = (first?, second?, third?);
    let seed = first.local_addr()?;
    thread::scope(|scope| {
        let members = [
            scope.spawn(|| run("first", &first, None, |seen| seen.failed >= 1)),
            scope.spawn(|| run("second", &second, Some(seed), |seen| seen.failed >= 1)),
            scope.spawn(|| run("third", &third, Some(seed), |seen| seen.joined == 2)),
        ];
        for member in members {
            member.join().expect("no member panics")?;
        }
        Ok(())
    })
}

/// What a member was told so far.
#[derive(Default)]
struct Seen {
    joined: usize,
    failed: usize,
}

/// A member, until it has seen enough.
fn run(
    name: &str,
    socket: &UdpSocket,
    seed: Option<SocketAddr>,
    has_seen_enough: fn(&Seen) -> bool,
) -> Result<(), AnyError> {
    let us = socket.local_addr()?;
    let mut engine = Engine::new(us, config(), rng_seed(us), PostcardCodec)?;
    let mut runtime = AccumulatingRuntime::new();
    let mut timers = TimerQueue::new();
    let mut seen = Seen::default();
    let mut buf = [0; 1500];
    let clock = Instant::now();

    engine.start(&mut runtime);
    if let Some(seed) = seed {
        engine.announce(seed, &mut runtime)?;
    }
    loop {
        // Carry out what the engine wants.
        let now = clock.elapsed();
        while let Some(notification) = runtime.to_notify() {
            println!("{:>4} ms {name}: {notification:?}", now.as_millis());
            match notification {
                OwnedNotification::MemberUp(_) => seen.joined += 1,
                OwnedNotification::MemberDown(_) => seen.failed += 1,
                _ => {}
            }
        }
        let is_over = has_seen_enough(&seen);
        if is_over {
            // The last thing we do: pass on what we know.
            engine.gossip(&mut runtime)?;
        }
        while let Some((timer, after)) = runtime.to_schedule() {
            timers.push(now + after, timer);
        }
        while let Some((to, packet)) = runtime.to_send() {
            // Packets may be lost: that is what the protocol is for.
            let _ = socket.send_to(&packet, to);
        }
        if is_over {
            return Ok(());
        }

        // Wait for a packet, at most until the next timer is due.
        let deadline = timers.next_deadline().unwrap_or(Duration::MAX);
        let wait = deadline.saturating_sub(clock.elapsed());
        socket.set_read_timeout(Some(wait.max(Duration::from_millis(1))))?;
        match socket.recv_from(&mut buf) {
            Ok((len, _)) => {
                // Refused ones are counted by the engine.
                let _ = engine.handle_data(&buf[..len], &mut runtime);
            }
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {}
            Err(error) => return Err(error.into()),
        }
        while let Some(timer) = timers.pop_due(clock.elapsed()) {
            engine.handle_timer(timer, &mut runtime);
        }
    }
}

/// Faster than a network would bear, for an example that ends soon.
fn config() -> Config {
    let mut config = Config::local();
    config.probe_period = Duration::from_millis(300);
    config.probe_rtt = Duration::from_millis(100);
    config.suspicion = Suspicion::Fixed(Duration::from_millis(600));
    config
}

/// Different at each start and for each member. Where peers are not trusted, take one that they
/// cannot guess.
fn rng_seed(us: SocketAddr) -> u64 {
    use std::hash::{BuildHasher, RandomState};
    RandomState::new().hash_one(us)
}
