//! Joining, and letting join.

use super::{Engine, Recent, Result};
use crate::{BroadcastHandler, Codec, Error, Header, Identity, Message, ProbeNumber, Runtime};

/// Senders that must answer a ping before they are believed.
pub(super) struct Challenges<I>(Recent<Challenge<I>, CHALLENGES_MAX>);

/// How many can be under way; beyond it the oldest is given up.
const CHALLENGES_MAX: usize = 256;

struct Challenge<I> {
    joiner: I,
    number: ProbeNumber,
    /// It announced itself: gets a Feed.
    gets_feed: bool,
    /// It fed us: is asked for its Feed again.
    is_asked_for_feed: bool,
    /// Whether the last that it said made us ping it.
    was_pinged: bool,
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
        // Anybody could say to be the one that lives somewhere.
        if dst.names_member() {
            self.announced.take(|known| *known == dst);
            self.announced.push(dst);
        }
        Ok(())
    }

    /// A stranger speaks whose address may be somebody else's. It is pinged, with nothing attached
    /// and under one number until it acknowledges: what is forged in its name must not spoil its
    /// proof. If it pings us it gets an Ack, so that it can prove us, too.
    ///
    /// What it may have said because of our ping does not make us ping again: two that answer
    /// each other's pings with anything but an Ack would never stop.
    pub(super) fn challenge<R: Runtime<I>>(&mut self, header: &Header<I>, runtime: &mut R) {
        let joiner = &header.src;
        match header.message {
            Message::Ack(_) => return,
            Message::Ping(number) => self.send_bare(joiner, Message::Ack(number), runtime),
            _ => {}
        }
        let announces = header.message == Message::Announce;
        let feeds = header.message == Message::Feed;
        let known = self
            .challenges
            .0
            .find_mut(|challenge| challenge.joiner == *joiner);
        let number = if let Some(challenge) = known {
            challenge.gets_feed |= announces;
            challenge.is_asked_for_feed |= feeds;
            challenge.was_pinged = announces || feeds || !challenge.was_pinged;
            if !challenge.was_pinged {
                return;
            }
            challenge.number
        } else {
            // Not the next one: whoever forges an address could tell that from its own challenge.
            let number = ProbeNumber(self.rng.u8(..));
            self.challenges.0.push(Challenge {
                joiner: joiner.clone(),
                number,
                gets_feed: announces,
                is_asked_for_feed: feeds,
                was_pinged: true,
            });
            number
        };
        self.send_bare(joiner, Message::Ping(number), runtime);
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
        if let Some(challenge) = &answered {
            if challenge.gets_feed {
                self.send(sender, Message::Feed, runtime);
            }
            if challenge.is_asked_for_feed {
                self.announce_to(sender.clone(), runtime).ok();
            }
        }
        answered.is_some()
    }
}
