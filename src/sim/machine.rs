//! What can be simulated.

use super::Port;
use crate::{Identity, Member};

/// A member's state machine: what a [`Simulation`](super::Simulation) runs many of.
///
/// [`Engine`](crate::Engine) is one, and there is nothing to do for those who simulate it. Another
/// one, such as an engine wrapped into more code or another library's, can be run on the same
/// network, under the same faults and before the same checks.
///
/// ```
/// use core::time::Duration;
/// use selkie::{Identity, Member, sim::{Limits, Load, Machine, Peer, Port, Simulation}};
///
/// /// Knows whoever spoke to it.
/// struct Parrot {
///     id: Peer,
///     heard: Vec<Peer>,
/// }
///
/// impl Machine for Parrot {
///     type Id = Peer;
///     type Timer = ();
///
///     fn start(&mut self, _port: &mut Port<'_, Peer, ()>) {}
///
///     fn handle_data(&mut self, data: &[u8], _port: &mut Port<'_, Peer, ()>) {
///         self.heard.push(Peer::numbered(usize::from(data[0])));
///     }
///
///     fn handle_timer(&mut self, _timer: (), _port: &mut Port<'_, Peer, ()>) {}
///
///     fn announce(&mut self, to: Peer, port: &mut Port<'_, Peer, ()>) {
///         let [.., number] = self.id.addr.ip().octets();
///         port.send(&to, "announce", &[number]);
///     }
///
///     fn leave(&mut self, _port: &mut Port<'_, Peer, ()>) {}
///
///     fn identity(&self) -> &Peer {
///         &self.id
///     }
///
///     fn belief(&self, addr: &<Peer as Identity>::Addr) -> Option<Member<&Peer>> {
///         self.heard.iter().find(|id| id.addr() == *addr).map(Member::alive)
///     }
///
///     fn beliefs(&self, each: &mut dyn FnMut(Member<&Peer>)) {
///         self.heard.iter().for_each(|id| each(Member::alive(id)));
///     }
///
///     fn num_active(&self) -> usize {
///         self.heard.len()
///     }
///
///     fn load(&self) -> Load {
///         Load::default()
///     }
///
///     fn limits(&self) -> Limits {
///         Limits::default()
///     }
/// }
///
/// let mut sim = Simulation::of(1, |id, _seed| Parrot { id, heard: Vec::new() });
/// sim.add_peers(2);
/// sim.join(1, 0);
/// sim.run_for(Duration::from_secs(1));
/// assert!(sim.sees(0, 1));
/// ```
pub trait Machine: 'static {
    /// Who its members are.
    type Id: Identity;
    /// What it is to be reminded of.
    type Timer;

    /// Begins. Called once, before all else.
    fn start(&mut self, port: &mut Port<'_, Self::Id, Self::Timer>);

    /// A datagram arrived.
    fn handle_data(&mut self, data: &[u8], port: &mut Port<'_, Self::Id, Self::Timer>);

    /// A timer is due.
    fn handle_timer(&mut self, timer: Self::Timer, port: &mut Port<'_, Self::Id, Self::Timer>);

    /// Asks a member to be let in.
    fn announce(&mut self, to: Self::Id, port: &mut Port<'_, Self::Id, Self::Timer>);

    /// Leaves the cluster for good.
    fn leave(&mut self, port: &mut Port<'_, Self::Id, Self::Timer>);

    /// Who it is at present.
    fn identity(&self) -> &Self::Id;

    /// What it believes about the member with this address.
    fn belief(&self, addr: &<Self::Id as Identity>::Addr) -> Option<Member<&Self::Id>>;

    /// All that it believes about others, down members included.
    fn beliefs(&self, each: &mut dyn FnMut(Member<&Self::Id>));

    /// How many other members are active in its eyes.
    fn num_active(&self) -> usize;

    /// How much it holds.
    fn load(&self) -> Load;

    /// How much it may hold.
    fn limits(&self) -> Limits;
}

/// How much a [`Machine`] holds at a time.
///
/// ```
/// # #[cfg(feature = "postcard")] {
/// use selkie::{Config, codecs::PostcardCodec, sim::{Machine, Simulation}};
///
/// let mut sim = Simulation::new(1, Config::lan(), PostcardCodec);
/// let node = sim.add_peers(1).start;
/// assert!(sim.machine(node).is_some_and(|engine| engine.load().updates == 0));
/// # }
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Load {
    /// Updates that wait to be sent.
    pub updates: usize,
    /// Custom broadcasts that wait to be sent.
    pub broadcasts: usize,
    /// Active members.
    pub active: usize,
    /// Down members remembered.
    pub down: usize,
}

/// How much a [`Machine`] may hold and send by its own settings.
///
/// ```
/// use selkie::sim::Limits;
///
/// let limits = Limits { packet_size: 1400, ..Limits::default() };
/// assert_eq!(limits.updates, usize::MAX);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// The largest packet, in bytes.
    pub packet_size: usize,
    /// The most updates that wait to be sent.
    pub updates: usize,
    /// The most custom broadcasts that wait to be sent.
    pub broadcasts: usize,
    /// The most active members.
    pub active: usize,
    /// The most down members remembered.
    pub down: usize,
}

impl Default for Limits {
    /// None at all.
    fn default() -> Self {
        Self {
            packet_size: usize::MAX,
            updates: usize::MAX,
            broadcasts: usize::MAX,
            active: usize::MAX,
            down: usize::MAX,
        }
    }
}
