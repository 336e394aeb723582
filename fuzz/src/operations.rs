//! Inputs of every kind, in any order, into three engines that talk to each other over a network
//! that loses, repeats and reorders; their timers fire in any order, or twice, or never.

use core::time::Duration;

use selkie::{Engine, Timer, TimerQueue, codecs::PostcardCodec};

use super::{
    engine::{
        Heard, Id, Outbox, Subject, check, check_counters, check_sent, config, datagram, id, member,
    },
    input::Input,
};

/// More than this on the way, or on the clock, and the oldest is lost.
const KEPT_MAX: usize = 256;

/// Options, then operations.
pub fn operations(data: &[u8]) {
    let mut input = Input::new(data);
    let mut world = World::new(&mut input);
    while !world.sites.is_empty() && !input.is_empty() {
        world.step(&mut input);
    }
}

struct World {
    now: Duration,
    sites: Vec<Site>,
    on_the_way: Vec<(Id, Vec<u8>)>,
}

struct Site {
    engine: Subject,
    out: Outbox,
    timers: TimerQueue<Timer<Id>>,
    /// Those that were handed back, to be handed back again.
    fired: Vec<Timer<Id>>,
}

impl World {
    fn new(input: &mut Input<'_>) -> Self {
        let mut world = Self {
            now: Duration::ZERO,
            sites: Vec::new(),
            on_the_way: Vec::new(),
        };
        // The third has no second life.
        for addr in [1, 2, 200] {
            let identity = Id { addr, life: 0 };
            let config = config(input);
            let handler = Heard::default();
            let engine = Engine::with_broadcasts(identity, config, 1, PostcardCodec, handler);
            let Ok(engine) = engine else { continue };
            world.sites.push(Site {
                engine,
                out: Outbox::default(),
                timers: TimerQueue::new(),
                fired: Vec::new(),
            });
            let at = world.sites.len() - 1;
            world.input(at, |engine, out| engine.start(out));
        }
        world
    }

    fn step(&mut self, input: &mut Input<'_>) {
        let at = input.below(self.sites.len());
        match input.below(16) {
            0 => self.deliver(input.byte().into(), Fate::Gone),
            1 => self.deliver(input.byte().into(), Fate::Repeated),
            2 => self.on_the_way.clear(),
            3 => {
                let millis = u64::from(input.byte()) * 20;
                self.passes(at, Duration::from_millis(millis));
            }
            4 => self.fires_early(at),
            5 => self.fires_again(at, input.byte().into()),
            6 => {
                let dst = *self.sites[at].engine.identity();
                let data = datagram(input, dst);
                self.input(at, |engine, out| engine.handle_data(&data, out).ok());
            }
            7 => {
                let other = input.below(self.sites.len());
                let dst = *self.sites[other].engine.identity();
                self.input(at, |engine, out| engine.announce(dst, out).ok());
            }
            8 => {
                let members: Vec<_> = (0..input.below(6)).map(|_| member(input)).collect();
                self.input(at, |engine, out| engine.apply_many(members, out));
            }
            9 => {
                let data = input.bytes();
                self.input(at, |engine, out| engine.add_broadcast(data, out).ok());
            }
            10 => {
                self.input(at, |engine, out| engine.gossip(out).ok());
            }
            11 => {
                self.input(at, |engine, out| engine.broadcast(out).ok());
            }
            12 => {
                let identity = id(input);
                self.input(at, |engine, out| engine.change_identity(identity, out).ok());
            }
            13 => {
                self.input(at, |engine, out| engine.leave_cluster(out).ok());
            }
            14 => {
                self.input(at, |engine, out| engine.reuse_down_identity(out).ok());
            }
            _ => {
                let config = config(input);
                self.sites[at].out.room = input.flip().then(|| input.byte());
                self.input(at, |engine, out| engine.set_config(config, out).ok());
            }
        }
    }

    /// Gives an engine an input, and checks what it makes of it.
    fn input<T>(&mut self, at: usize, act: impl FnOnce(&mut Subject, &mut Outbox) -> T) {
        let Site {
            engine,
            out,
            timers,
            ..
        } = &mut self.sites[at];
        let (src, counted) = (*engine.identity(), *engine.counters());
        act(engine, out);
        check(engine);
        check_sent(engine, src, &out.sent);
        check_counters(&counted, engine.counters());
        self.on_the_way.append(&mut out.sent);
        for (timer, after) in out.timers.drain(..) {
            timers.push(self.now.saturating_add(after), timer);
        }
        let lost = self.on_the_way.len().saturating_sub(KEPT_MAX);
        self.on_the_way.drain(..lost);
    }

    fn deliver(&mut self, which: usize, fate: Fate) {
        if self.on_the_way.is_empty() {
            return;
        }
        let which = which % self.on_the_way.len();
        let (to, data) = match fate {
            Fate::Gone => self.on_the_way.remove(which),
            Fate::Repeated => self.on_the_way[which].clone(),
        };
        let at = self
            .sites
            .iter()
            .position(|site| site.engine.identity().addr == to.addr);
        if let Some(at) = at {
            self.input(at, |engine, out| engine.handle_data(&data, out).ok());
        }
    }

    /// Time passes, and the timers of one site that are due fire.
    fn passes(&mut self, at: usize, time: Duration) {
        self.now += time;
        for _ in 0..KEPT_MAX {
            let Some(timer) = self.sites[at].timers.pop_due(self.now) else {
                break;
            };
            self.fire(at, timer);
        }
    }

    /// The next timer fires before its time.
    fn fires_early(&mut self, at: usize) {
        if let Some(timer) = self.sites[at].timers.pop_due(Duration::MAX) {
            self.fire(at, timer);
        }
    }

    fn fires_again(&mut self, at: usize, which: usize) {
        let fired = &self.sites[at].fired;
        if let Some(&timer) = fired.get(which % fired.len().max(1)) {
            self.input(at, |engine, out| engine.handle_timer(timer, out));
        }
    }

    fn fire(&mut self, at: usize, timer: Timer<Id>) {
        let fired = &mut self.sites[at].fired;
        fired.push(timer);
        fired.drain(..fired.len().saturating_sub(KEPT_MAX));
        self.input(at, |engine, out| engine.handle_timer(timer, out));
    }
}

/// What becomes of a datagram that arrives.
enum Fate {
    Gone,
    /// It will arrive once more.
    Repeated,
}
