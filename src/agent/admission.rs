//! Whom an agent listens to, and whom it lets in.

use alloc::{borrow::Cow, string::String, sync::Arc, vec::Vec};
use core::{
    any::Any,
    cell::RefCell,
    fmt::{self, Debug},
    net::SocketAddr,
};

use super::{inside, shared::Shared};
use crate::{Config, Identity, Locate, Transport, transport::ProvenPeer};

/// Somebody, and what vouches for it.
#[derive(Clone, Copy)]
#[non_exhaustive]
pub struct Claim<'a> {
    /// What a certificate would call it: [`Locate::certified_name`].
    pub name: Option<&'a str>,
    /// Where it says that it receives.
    pub addr: SocketAddr,
    /// Where the packet or stream came from: from itself, or of hearsay, from whoever told us.
    pub from: SocketAddr,
    /// Who that is proven to be, where the transport makes its peers prove that.
    pub peer: Option<&'a ProvenPeer>,
    /// Whether another member told us of it.
    pub is_hearsay: bool,
    identity: &'a dyn Identified,
}

impl<'a> Claim<'a> {
    pub(super) fn new<I: Locate + 'static>(
        identity: &'a I,
        source: &'a Source,
        is_hearsay: bool,
    ) -> Self {
        Self {
            name: identity.certified_name(),
            addr: identity.socket_addr(),
            from: source.from,
            peer: source.peer.as_ref(),
            is_hearsay,
            identity,
        }
    }

    /// Its identity. `None` unless `I` is the type of this cluster's identities.
    #[must_use]
    pub fn identity<I: 'static>(&self) -> Option<&'a I> {
        self.identity.as_any().downcast_ref()
    }
}

impl Debug for Claim<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Claim")
            .field("identity", &self.identity)
            .field("from", &self.from)
            .field("peer", &self.peer)
            .field("is_hearsay", &self.is_hearsay)
            .finish_non_exhaustive()
    }
}

/// Any kind of identity.
trait Identified: Debug {
    fn as_any(&self) -> &dyn Any;
}

impl<I: Debug + 'static> Identified for I {
    fn as_any(&self) -> &dyn Any {
        self
    }
}

/// Whether a packet or a stream may speak for whom it names as its sender: asked before anything
/// in it is believed. See [`Builder::senders`](super::Builder::senders).
///
/// Also any function of a [`Claim`] that returns a `bool`.
pub trait SenderRule: Send + Sync + 'static {
    /// Whether it may. If not, the packet is dropped, and counted.
    fn may_speak(&self, sender: &Claim<'_>) -> bool;
}

impl<F: Fn(&Claim<'_>) -> bool + Send + Sync + 'static> SenderRule for F {
    fn may_speak(&self, sender: &Claim<'_>) -> bool {
        self(sender)
    }
}

/// Nobody speaks for another: the rule unless another is given.
///
/// A peer that proved who it is speaks as those whom its certificate, or whatever it is, names;
/// and if that has addresses, only as members that live there. Identities without
/// [a name](Locate::certified_name) are held to the addresses alone. Who proved nothing, since the
/// transport does not ask for it, may say what it likes.
#[derive(Clone, Copy, Debug, Default)]
pub struct CertifiedSenders;

impl SenderRule for CertifiedSenders {
    fn may_speak(&self, sender: &Claim<'_>) -> bool {
        let Some(peer) = sender.peer else {
            return true;
        };
        let is_named = sender
            .name
            .is_none_or(|name| peer.names().any(|certified| certified == name));
        let ip = sender.addr.ip().to_canonical();
        let lives_there = peer.addrs().is_empty()
            || peer
                .addrs()
                .iter()
                .any(|certified| certified.to_canonical() == ip);
        is_named && lives_there
    }
}

/// Who becomes a member: asked of each newcomer, and of each new identity of a member, before it
/// is believed to be there. See [`Builder::admission`](super::Builder::admission).
///
/// A refused one is no member here, whatever others believe, until it is heard of again and let
/// in. Also any function of a [`Claim`] with this result.
pub trait Admission: Send + Sync + 'static {
    /// Lets it in, or says why not.
    ///
    /// # Errors
    ///
    /// The reason, by which [`Stats::refusals`](super::Stats::refusals) counts.
    fn admit(&self, newcomer: &Claim<'_>) -> Result<(), Refusal>;
}

impl<F> Admission for F
where
    F: Fn(&Claim<'_>) -> Result<(), Refusal> + Send + Sync + 'static,
{
    fn admit(&self, newcomer: &Claim<'_>) -> Result<(), Refusal> {
        self(newcomer)
    }
}

/// Why a newcomer was not let in: one of a few words, as they are counted.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Refusal(Cow<'static, str>);

impl Refusal {
    /// The reason, in words.
    #[must_use]
    pub fn reason(&self) -> &str {
        &self.0
    }
}

impl From<&'static str> for Refusal {
    fn from(reason: &'static str) -> Self {
        Self(Cow::Borrowed(reason))
    }
}

impl From<String> for Refusal {
    fn from(reason: String) -> Self {
        Self(Cow::Owned(reason))
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// How many newcomers were refused, by the reason.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Refusals(Vec<(Refusal, u64)>);

impl Refusals {
    /// The most reasons that are told apart. Further ones are all `other`.
    pub const REASONS_MAX: usize = 32;

    /// The reasons, in the order in which they were first given, and how often.
    pub fn iter(&self) -> impl Iterator<Item = (&str, u64)> {
        self.0
            .iter()
            .map(|(reason, count)| (reason.reason(), *count))
    }

    fn count(&mut self, reason: Refusal) {
        let is_full = self.0.len() >= Self::REASONS_MAX;
        let known = self.0.iter().position(|(known, _)| *known == reason);
        let place = match known {
            Some(place) => place,
            // The last place is that of all others.
            None if is_full => Self::REASONS_MAX,
            None => {
                self.0.push((reason, 0));
                self.0.len() - 1
            }
        };
        if place == Self::REASONS_MAX && self.0.len() == place {
            self.0.push(("other".into(), 0));
        }
        if let Some((_, count)) = self.0.get_mut(place) {
            *count = count.wrapping_add(1);
        }
    }
}

/// Where what is being handled came from.
#[derive(Clone, Debug)]
pub(super) struct Source {
    pub(super) from: SocketAddr,
    pub(super) peer: Option<ProvenPeer>,
}

/// Whether newcomers prove their addresses, whatever the engine's settings say of it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Proof {
    /// What the user wants, if it said so.
    wanted: Option<bool>,
    /// Whether strangers are heard.
    hears_strangers: bool,
}

impl Proof {
    pub(super) fn new(wanted: Option<bool>, transport: &impl Transport) -> Self {
        Self {
            wanted,
            hears_strangers: !transport.proves_peers(),
        }
    }

    /// Settles it. On foca's wire, what is not asked for is as with foca.
    pub(super) fn settle(self, config: &mut Config) {
        let by_default = self.hears_strangers && !config.foca_wire;
        config.prove_joiners = self.wanted.unwrap_or(config.prove_joiners || by_default);
    }
}

/// The rule about senders, which knows while it runs that it is inside the agent.
#[derive(Clone)]
pub(super) struct Senders {
    rule: Arc<dyn SenderRule>,
    agent: usize,
}

impl Senders {
    pub(super) fn may_speak(&self, sender: &Claim<'_>) -> bool {
        let _visit = inside::visit(self.agent);
        self.rule.may_speak(sender)
    }
}

/// Both rules, and what became of newcomers.
pub(super) struct Door {
    senders: Senders,
    admission: Option<Arc<dyn Admission>>,
    refusals: RefCell<Refusals>,
}

impl Door {
    /// For the agent that shares this with its handles.
    pub(super) fn new<I: Identity>(
        rule: Arc<dyn SenderRule>,
        admission: Option<Arc<dyn Admission>>,
        shared: &Arc<Shared<I>>,
    ) -> Self {
        let agent = inside::address(shared);
        Self {
            senders: Senders { rule, agent },
            admission,
            refusals: RefCell::default(),
        }
    }

    pub(super) fn senders(&self) -> Senders {
        self.senders.clone()
    }

    /// Whether somebody becomes a member, of whom `source` told, or is.
    pub(super) fn admits<I: Locate + 'static>(
        &self,
        newcomer: &I,
        source: Option<&Source>,
        is_hearsay: bool,
    ) -> bool {
        let (Some(admission), Some(source)) = (&self.admission, source) else {
            return true;
        };
        let _visit = inside::visit(self.senders.agent);
        let admitted = admission.admit(&Claim::new(newcomer, source, is_hearsay));
        let Err(reason) = admitted else {
            return true;
        };
        if let Ok(mut refusals) = self.refusals.try_borrow_mut() {
            refusals.count(reason);
        }
        false
    }

    pub(super) fn refusals(&mut self) -> &Refusals {
        self.refusals.get_mut()
    }
}

#[cfg(test)]
mod tests;
