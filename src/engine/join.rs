//! Joining, and letting join.

use super::{Engine, Recent, Result};
use crate::{BroadcastHandler, Codec, Error, Header, Identity, Message, ProbeNumber, Runtime};

/// Senders that must answer a ping before they are believed.
pub(super) struct Challenges<I>(Recent<Challenge<I>, CHALLENGES_MAX>);

/// How many can be under way; beyond it the oldest is given up.
const CHALLENGES_MAX: usize = 64;

pub(super) struct Challenge<I> {
    joiner: I,
    number: ProbeNumber,
    wanted: Wanted,
}

/// What the challenged datagram was about.
#[derive(Clone, Copy)]
enum Wanted {
    /// To join: gets a Feed.
    Feed,
    /// To feed us: is asked for its Feed again.
    ToFeed,
    Nothing,
}

impl<I: Identity> Challenges<I> {
    pub(super) fn new() -> Self {
        Self(Recent::new())
    }
}

impl<I: Identity, C: Codec<I>, H: BroadcastHandler<I>> Engine<I, C, H> {
    /// Asks `dst` to let us in. It answers with a Feed of members.
    ///
    /// `dst` need not be a whole identity, if whoever receives it
    /// [accepts](Identity::accepts_announce) it. Lost or unanswered, nothing more happens: it is
    /// up to the caller to try again.
    ///
    /// # Errors
    ///
    /// [`Error::Undead`] after leaving or being declared down; [`Error::SameIdentity`] when `dst`
    /// is ourselves; [`Error::Encode`] or [`Error::TooBigToSend`] when the codec cannot put `dst`
    /// into a packet.
    pub fn announce<R: Runtime<I>>(&mut self, dst: I, runtime: &mut R) -> Result<(), I, C> {
        self.refuse_if_undead()?;
        if dst == self.identity {
            return Err(Error::SameIdentity);
        }
        self.announce_to(dst, runtime)
    }

    pub(super) fn announce_to<R: Runtime<I>>(
        &mut self,
        dst: I,
        runtime: &mut R,
    ) -> Result<(), I, C> {
        self.try_send(&dst, Message::Announce, runtime)?;
        self.announced.take(|known| *known == dst);
        self.announced.push(dst);
        Ok(())
    }

    /// Pings a stranger, with nothing attached: its address may be somebody else's.
    pub(super) fn challenge<R: Runtime<I>>(&mut self, header: &Header<I>, runtime: &mut R) {
        let wanted = match header.message {
            Message::Announce => Wanted::Feed,
            Message::Feed => Wanted::ToFeed,
            _ => Wanted::Nothing,
        };
        let joiner = header.src.clone();
        // Not the next one: whoever forges an address could tell that from its own challenge.
        let number = ProbeNumber(self.rng.u8(..));
        self.send_bare(&joiner, Message::Ping(number), runtime);
        self.challenges
            .0
            .take(|challenge| challenge.joiner == joiner);
        self.challenges.0.push(Challenge {
            joiner,
            number,
            wanted,
        });
    }

    /// Whether this is the answer to a challenge.
    pub(super) fn is_proven(&self, header: &Header<I>) -> bool {
        match header.message {
            Message::Ack(number) => self
                .challenges
                .0
                .any(|challenge| challenge.number == number && challenge.joiner == header.src),
            _ => false,
        }
    }

    /// Gives a stranger that answered what it wanted.
    pub(super) fn ends_challenge<R: Runtime<I>>(
        &mut self,
        sender: &I,
        number: ProbeNumber,
        runtime: &mut R,
    ) -> bool {
        let answered = self
            .challenges
            .0
            .take(|challenge| challenge.number == number && challenge.joiner == *sender);
        match answered.as_ref().map(|challenge| challenge.wanted) {
            Some(Wanted::Feed) => self.send(sender, Message::Feed, runtime),
            Some(Wanted::ToFeed) => self.announce_to(sender.clone(), runtime).is_ok(),
            Some(Wanted::Nothing) | None => false,
        };
        answered.is_some()
    }
}
