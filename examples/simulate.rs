//! Your own identities and broadcasts in the simulator: how long until everybody has an alarm, with
//! a fifth of all packets lost, members that crash and a network that splits?
//!
//! `cargo run --example simulate --features sim,postcard`
//!
//! Nothing here takes real time, and every run with the same seed is the same run: what goes wrong
//! once can be looked at again.

use std::{
    collections::BTreeSet,
    error::Error,
    time::{Duration, Instant},
};

use selkie::{
    BroadcastHandler, Config, Identity, Invalidates,
    codecs::PostcardCodec,
    sim::{Bounds, Bursts, Link, News, NoneStaysDown, Simulation},
};
use serde::{Deserialize, Serialize};

/// A sensor in a room of a building. Unique by its number; it may be moved.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Sensor {
    number: u16,
    room: String,
    life: u32,
}

impl Identity for Sensor {
    type Addr = u16;

    fn addr(&self) -> u16 {
        self.number
    }

    fn renew(&self) -> Option<Self> {
        let life = self.life.checked_add(1)?;
        let room = self.room.clone();
        Some(Self {
            life,
            room,
            ..*self
        })
    }

    fn win_addr_conflict(&self, adversary: &Self) -> bool {
        (self.life, &self.room) > (adversary.life, &adversary.room)
    }
}

/// The alarms that a sensor has heard of, by number.
#[derive(Default)]
struct Alarms(BTreeSet<u32>);

/// Alarms do not make each other obsolete.
struct Alarm;

impl Invalidates for Alarm {
    fn invalidates(&self, _other: &Self) -> bool {
        false
    }
}

impl BroadcastHandler<Sensor> for Alarms {
    type Key = Alarm;

    fn receive_item(
        &mut self,
        data: &[u8],
        _sender: Option<&Sensor>,
    ) -> Result<Option<Alarm>, Box<dyn Error + Send + Sync>> {
        let number: u32 = postcard::from_bytes(data)?;
        Ok(self.0.insert(number).then_some(Alarm))
    }
}

fn secs(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn main() -> Result<(), Box<dyn Error>> {
    const SENSORS: u16 = 60;
    let seed = std::env::args().nth(1).map_or(Ok(42), |arg| arg.parse())?;
    let clock = Instant::now();

    let make_handler = |_: &Sensor| Alarms::default();
    let mut sim = Simulation::with_broadcasts(seed, Config::lan(), PostcardCodec, make_handler);
    // Packets and backlogs in bounds, and nobody down for long without a reason.
    sim.guard(Bounds::new());
    sim.guard(NoneStaysDown::longer_than(secs(300)));
    for number in 0..SENSORS {
        let room = format!("room {}", number / 4);
        let life = 0;
        sim.add(Sensor { number, room, life });
    }
    sim.join_all(0);
    let took = sim.expect_all_seen(secs(60))?;
    println!("{SENSORS} sensors see each other after {took:?}");

    // Bad weather: a fifth of all packets is lost, in bursts, and nodes have troubles of their own.
    let bursts = Bursts::new(Duration::from_millis(800), Duration::from_millis(200));
    sim.set_links(Link::wan().loss(bursts).duplicates(0.02));
    let crash = sim.crash(7);
    sim.pause_for(8, secs(40));
    sim.after(secs(30), |sim| sim.restart(7));
    sim.after(secs(45), |sim| {
        let cut = sim.partition(0..20, 20..60);
        sim.after(secs(60), move |sim| sim.heal(cut));
    });

    // An alarm every ten seconds, each from another sensor.
    for number in 0..12_u32 {
        let data = postcard::to_allocvec(&number)?;
        let from = 10 + 4 * number as usize;
        sim.input(from, |engine, port| engine.add_broadcast(&data, port));
        sim.run_for(secs(10));
        let knows = |node: &usize| {
            let engine = sim.machine(*node);
            engine.is_some_and(|engine| engine.handler().0.contains(&number))
        };
        let (knowing, live) = (sim.live().filter(knows).count(), sim.live().count());
        println!(
            "{:?}: {knowing} of {live} know of alarm {number}",
            sim.now()
        );
    }
    if let Some(found_out) = sim.history().first(News::Down, 7, crash) {
        println!(
            "the crash of sensor 7 was found out after {:?}",
            found_out - crash
        );
    }
    let wrong = sim
        .history()
        .false_positives(crash, |node| ![7, 8].contains(&node));
    println!("declared down though they ran: {}", wrong.about_healthy);

    // Then the sun comes out: everybody must agree on everybody again.
    sim.set_links(Link::lan());
    let took = sim.expect_converged(secs(200))?;
    println!("one cluster again after {took:?}");

    let faults = sim.faults();
    let (lost, cut) = (faults.lost_in_bursts, faults.cut);
    println!(
        "{} packets, {lost} of them lost and {cut} cut off",
        faults.sent
    );
    for (kind, sent, _) in sim.traffic().kinds() {
        println!("  {kind}: {} packets, {} bytes", sent.packets, sent.bytes);
    }
    let (virtual_time, real_time) = (sim.now(), clock.elapsed());
    println!("{virtual_time:?} simulated in {real_time:?}; seed {seed}");
    println!("trace hash {:016x}", sim.trace_hash());
    Ok(())
}
