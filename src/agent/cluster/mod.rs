//! The handle of a running agent.

mod metadata;
mod tune;
mod wait;

use alloc::{boxed::Box, sync::Arc, vec::Vec};
use core::{fmt, net::SocketAddr};

use futures::channel::oneshot;
use smol::channel::Sender;

pub(super) use self::tune::Tuning;
pub use self::wait::WaitError;
use super::{
    CommandError, Events, Members, MessageError, Stats, inside::is_inside, messages::Waybill,
    queries::Question, shared::Shared,
};
use crate::{Config, Identity, engine::Probing};

/// A handle of a running agent: who is there, what happens, and what to tell the others.
///
/// Cheap to clone, and to be used from any task or thread. When the last one is dropped, the agent
/// closes its transport and stops; it does not [leave](Self::leave): the others will notice.
///
/// A [broadcast handler](crate::BroadcastHandler) may hold one of its own agent's, which counts,
/// too. What can be read, can be read there; what is asked for there is refused with
/// [`CommandError::InHandler`]: it would wait for the handler to return. A task that the handler
/// spawns may ask.
pub struct Cluster<I: Identity> {
    pub(super) shared: Arc<Shared<I>>,
    commands: Sender<Command<I>>,
}

/// What a handle asks the driver for.
pub(super) enum Command<I> {
    Broadcast {
        data: Vec<u8>,
        reply: oneshot::Sender<Result<bool, CommandError>>,
    },
    DeclareDown {
        id: Box<I>,
        reply: oneshot::Sender<Result<bool, CommandError>>,
    },
    Announce {
        to: SocketAddr,
        reply: oneshot::Sender<Result<(), CommandError>>,
    },
    SetConfig {
        config: Box<Config>,
        reply: oneshot::Sender<Result<(), CommandError>>,
    },
    Send {
        to: Box<I>,
        bytes: Vec<u8>,
        is_reliable: bool,
        reply: oneshot::Sender<Result<Waybill, MessageError>>,
    },
    Query {
        of: Box<I>,
        question: Question<I>,
    },
    SetMetadata {
        bytes: Vec<u8>,
        reply: oneshot::Sender<Result<(), CommandError>>,
    },
    Tune {
        tuning: Tuning,
        reply: oneshot::Sender<()>,
    },
    Probing {
        reply: oneshot::Sender<Probing<I>>,
    },
    Leave {
        reply: oneshot::Sender<Departure>,
    },
}

/// How a [leave](Cluster::leave) went.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Departure {
    /// How many members acknowledged it. The news spreads from each; with none, the cluster may
    /// take our departure for a failure.
    pub acked: usize,
    /// How many were waited for: [`Config::num_indirect_probes`], or all active ones if there are
    /// fewer. None if we were alone, or had been declared down before.
    pub wanted: usize,
}

impl Departure {
    /// Whether as many members acknowledged it as were waited for; if not, the deadline passed.
    #[must_use]
    pub fn is_acknowledged(&self) -> bool {
        self.acked >= self.wanted
    }
}

/// How an agent stands: see [`Cluster::status`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Status {
    /// It takes part, or looks for somebody to do so with, or is leaving.
    Running,
    /// It was declared down, and its identity cannot be renewed
    /// ([`Event::Defunct`](super::Event::Defunct)): nobody hears it, and it hears of nothing any
    /// more. Its members are those that it knew last, in the state that they had then; only down
    /// ones are still forgotten. It stays so until it is stopped, by [`leave`](Cluster::leave),
    /// say; another agent with another identity may follow it.
    Defunct,
    /// It does not run any more: it left, its driver was dropped, or its transport was closed.
    Stopped,
}

impl<I: Identity> Cluster<I> {
    pub(super) fn new(shared: Arc<Shared<I>>, commands: Sender<Command<I>>) -> Self {
        Self { shared, commands }
    }

    /// Spreads `data` to all members, as the broadcast handler on each decides. Returns whether
    /// the own handler took it for news; if not, nothing is sent.
    ///
    /// Returns when it is on its way, not when it arrived: nobody acknowledges broadcasts. Once
    /// called and polled, dropping the future does not take it back.
    ///
    /// # Errors
    ///
    /// [`CommandError::Refused`] by the handler, [`TooBig`](CommandError::TooBig),
    /// [`NotAMember`](CommandError::NotAMember) or [`Stopped`](CommandError::Stopped). Nothing
    /// was kept, and nothing sent.
    pub async fn broadcast(&self, data: impl Into<Vec<u8>>) -> Result<bool, CommandError> {
        let data = data.into();
        self.ask(|reply| Command::Broadcast { data, reply }).await?
    }

    /// Asks whoever lives at this address to let us in, once. Seeds of the builder do this by
    /// themselves, and again until somebody answers.
    ///
    /// Returns when it is on its way; [`events`](Self::events) tell whether it worked.
    ///
    /// # Errors
    ///
    /// [`CommandError::WrongAddr`], [`NotAMember`](CommandError::NotAMember),
    /// [`Refused`](CommandError::Refused) or [`TooBig`](CommandError::TooBig) when the codec cannot
    /// put an identity with this address into a packet, or [`Stopped`](CommandError::Stopped).
    pub async fn announce(&self, to: SocketAddr) -> Result<(), CommandError> {
        self.ask(|reply| Command::Announce { to, reply }).await?
    }

    /// Declares an active member failed, at once, and tells the others: for one that is gone for
    /// good and yet does not go away. One that lives hears of it, and comes back. Returns whether
    /// it was active here, under this very identity; if not, nothing is done.
    ///
    /// # Errors
    ///
    /// [`CommandError::NotAMember`] or [`Stopped`](CommandError::Stopped).
    pub async fn declare_down(&self, member: &I) -> Result<bool, CommandError> {
        let id = Box::new(member.clone());
        self.ask(|reply| Command::DeclareDown { id, reply }).await?
    }

    /// Tells the cluster that we go, waits until enough members acknowledged it or two probe
    /// periods have passed, closes the transport and stops the agent. Returns which of the two it
    /// was.
    ///
    /// Calling it again is harmless, and returns the same.
    ///
    /// # Errors
    ///
    /// [`CommandError::Stopped`] when the agent stopped in another way.
    pub async fn leave(&self) -> Result<Departure, CommandError> {
        let left = self.ask(|reply| Command::Leave { reply }).await;
        left.or_else(|error| self.shared.published().departure.ok_or(error))
    }

    /// Who we are. Changes when the agent comes [back](super::Event::Rejoined) after having been
    /// declared down.
    #[must_use]
    pub fn identity(&self) -> I {
        self.shared.published().identity.clone()
    }

    /// Where the transport receives.
    #[must_use]
    pub fn local_addr(&self) -> SocketAddr {
        self.shared.local_addr
    }

    /// How the agent stands.
    #[must_use]
    pub fn status(&self) -> Status {
        let published = self.shared.published();
        match (published.is_stopped, published.is_defunct) {
            (true, _) => Status::Stopped,
            (false, true) => Status::Defunct,
            (false, false) => Status::Running,
        }
    }

    /// The members at this moment, without ourselves; the last ones known, once the agent is
    /// [defunct or stopped](Self::status).
    #[must_use]
    pub fn members(&self) -> Members<I> {
        self.shared.published().view.copy()
    }

    /// The members as they are, as events that introduce them, and what happens from now on: see
    /// [`Events`]. One reader too many ([`Limits::readers`](super::Limits::readers)) is told
    /// nothing: its stream is over at once.
    #[must_use]
    pub fn events(&self) -> Events<I> {
        Events::new(self.shared.clone())
    }

    /// Whom the agent probes at this moment, and who probed it last.
    ///
    /// # Errors
    ///
    /// [`CommandError::Stopped`].
    pub async fn probing(&self) -> Result<Probing<I>, CommandError> {
        self.ask(|reply| Command::Probing { reply }).await
    }

    /// What was counted so far, as of the driver's last turn.
    #[must_use]
    pub fn stats(&self) -> Stats {
        self.shared.stats()
    }

    pub(super) async fn ask<R>(
        &self,
        command: impl FnOnce(oneshot::Sender<R>) -> Command<I>,
    ) -> Result<R, CommandError> {
        if is_inside(&self.shared) {
            return Err(CommandError::InHandler);
        }
        let (reply, answer) = oneshot::channel();
        let sent = self.commands.send(command(reply)).await;
        sent.map_err(|_| CommandError::Stopped)?;
        answer.await.map_err(|_| CommandError::Stopped)
    }
}

impl<I: Identity> Clone for Cluster<I> {
    fn clone(&self) -> Self {
        Self {
            shared: self.shared.clone(),
            commands: self.commands.clone(),
        }
    }
}

impl<I: Identity> fmt::Debug for Cluster<I> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cluster")
            .field("identity", &self.identity())
            .field("local_addr", &self.shared.local_addr)
            .finish_non_exhaustive()
    }
}
