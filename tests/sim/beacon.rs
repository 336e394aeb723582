//! A machine that makes the network visible: it sends numbered packets and notes what comes.

use std::time::Duration;

use selkie::{
    Identity, Member, State,
    sim::{Limits, Load, Machine, Peer, Port, Simulation},
};

pub struct Beacon {
    id: Peer,
    to: Option<Peer>,
    every: Duration,
    next: u32,
    /// Bytes added to each packet.
    pub padding: usize,
    /// Whether each packet is answered by another.
    pub echoes: bool,
    /// When it sent.
    pub sent: Vec<Duration>,
    /// When which numbers arrived.
    pub received: Vec<(Duration, u32)>,
    /// How much it says that it holds, and may.
    pub load: Load,
    pub limits: Limits,
    /// What it says that it believes.
    pub beliefs: Vec<Member<Peer>>,
}

pub type Beacons = Simulation<Beacon>;

/// So many beacons.
pub fn beacons(count: usize, seed: u64) -> Beacons {
    let mut sim = Simulation::of(seed, |id, _| Beacon {
        id,
        to: None,
        every: Duration::MAX,
        next: 0,
        padding: 0,
        echoes: false,
        sent: Vec::new(),
        received: Vec::new(),
        load: Load::default(),
        limits: Limits::default(),
        beliefs: Vec::new(),
    });
    sim.add_peers(count);
    sim
}

/// Lets node 0 send a packet to node 1 every so often.
pub fn send_every(sim: &mut Beacons, every: Duration) {
    let to = *sim.identity(1);
    sim.input(0, |beacon, port| {
        beacon.to = Some(to);
        beacon.every = every;
        port.after(every, ());
    });
}

/// What node 1 received.
pub fn received(sim: &Beacons) -> &[(Duration, u32)] {
    &sim.machine(1).unwrap().received
}

/// The numbers that node 1 received, in the order of their arrival.
pub fn numbers(sim: &Beacons) -> Vec<u32> {
    received(sim).iter().map(|(_, number)| *number).collect()
}

impl Machine for Beacon {
    type Id = Peer;
    type Timer = ();

    fn start(&mut self, _port: &mut Port<'_, Peer, ()>) {}

    fn handle_data(&mut self, data: &[u8], port: &mut Port<'_, Peer, ()>) {
        let number = u32::from_be_bytes(*data.first_chunk().unwrap());
        self.received.push((port.now(), number));
        if self.echoes {
            let other = Peer::numbered(2 - port.node());
            port.send(&other, "echo", data);
        }
    }

    fn handle_timer(&mut self, (): (), port: &mut Port<'_, Peer, ()>) {
        let mut data = self.next.to_be_bytes().to_vec();
        data.resize(4 + self.padding, 0);
        self.next += 1;
        self.sent.push(port.now());
        port.send(&self.to.unwrap(), "beacon", &data);
        port.after(self.every, ());
    }

    fn announce(&mut self, _to: Peer, _port: &mut Port<'_, Peer, ()>) {}

    fn leave(&mut self, _port: &mut Port<'_, Peer, ()>) {}

    fn identity(&self) -> &Peer {
        &self.id
    }

    fn belief(&self, addr: &<Peer as Identity>::Addr) -> Option<Member<&Peer>> {
        let belief = self.beliefs.iter().find(|belief| belief.id.addr == *addr)?;
        Some(Member::new(&belief.id, belief.incarnation, belief.state))
    }

    fn beliefs(&self, each: &mut dyn FnMut(Member<&Peer>)) {
        for belief in &self.beliefs {
            each(Member::new(&belief.id, belief.incarnation, belief.state));
        }
    }

    fn num_active(&self) -> usize {
        let is_active = |belief: &&Member<Peer>| belief.state != State::Down;
        self.beliefs.iter().filter(is_active).count()
    }

    fn load(&self) -> Load {
        self.load
    }

    fn limits(&self) -> Limits {
        self.limits
    }
}
