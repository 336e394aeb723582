//! Questions, as a handle asks them.

use alloc::{boxed::Box, vec::Vec};
use core::time::Duration;

use futures::channel::oneshot;

use super::{Clocks, MemberView, QueryError, Question, Reply};
use crate::{
    Identity,
    agent::cluster::{Cluster, Command},
    transport::Fingerprints,
};

/// How long echoes took, there and back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RoundTrips(Vec<Duration>);

impl RoundTrips {
    /// The most echoes of one measurement.
    pub const ECHOES_MAX: usize = 32;

    /// `None` of none.
    pub(super) fn new(mut times: Vec<Duration>) -> Option<Self> {
        times.sort_unstable();
        (!times.is_empty()).then_some(Self(times))
    }

    /// The shortest.
    #[must_use]
    pub fn min(&self) -> Duration {
        self.0.first().copied().unwrap_or_default()
    }

    /// The one in the middle; of an even number, the earlier one of the two.
    #[must_use]
    pub fn median(&self) -> Duration {
        let middle = self.0.len().saturating_sub(1) / 2;
        self.0.get(middle).copied().unwrap_or_default()
    }

    /// The longest.
    #[must_use]
    pub fn max(&self) -> Duration {
        self.0.last().copied().unwrap_or_default()
    }

    /// All of them, the shortest first: at least one.
    pub fn iter(&self) -> impl Iterator<Item = Duration> + '_ {
        self.0.iter().copied()
    }
}

/// Questions to other members. They go by streams, each of its own, change nothing there, and are
/// answered to active members only, of whom each may ask two at a time. At most 32 of ours are
/// under way at a time: more are [`Busy`](QueryError::Busy).
impl<I: Identity> Cluster<I> {
    /// Measures how long so many echoes of a member take, from 1 to
    /// [`ECHOES_MAX`](RoundTrips::ECHOES_MAX), one after the other, after one that is not counted:
    /// the connection is there by then. In it is the time that both agents take for what else they
    /// do. Takes 20 seconds at most.
    ///
    /// # Errors
    ///
    /// [`QueryError`].
    pub async fn rtt(&self, to: &I, echoes: usize) -> Result<RoundTrips, QueryError> {
        let count = echoes.clamp(1, RoundTrips::ECHOES_MAX);
        self.query(to, |reply| Question::Echo { count, reply })
            .await
    }

    /// Asks one member to [measure](Self::rtt) how long echoes of another one take, and to tell.
    /// It takes 8 seconds at most for that.
    ///
    /// # Errors
    ///
    /// [`QueryError`]; among them [`Refused`](QueryError::Refused) when the second member is none
    /// to the first, or did not answer it.
    pub async fn rtt_between(
        &self,
        from: &I,
        to: &I,
        echoes: usize,
    ) -> Result<RoundTrips, QueryError> {
        let count = echoes.clamp(1, RoundTrips::ECHOES_MAX);
        let to = Box::new(to.clone());
        self.query(from, |reply| Question::Distance { to, count, reply })
            .await
    }

    /// Asks a member whom it sees, down ones included. Takes 60 seconds at most.
    ///
    /// # Errors
    ///
    /// [`QueryError`].
    pub async fn view_of(&self, member: &I) -> Result<MemberView<I>, QueryError> {
        self.query(member, |reply| Question::View { reply }).await
    }

    /// Asks a member what its clock shows. Takes 20 seconds at most.
    ///
    /// # Errors
    ///
    /// [`QueryError`].
    pub async fn clock_of(&self, member: &I) -> Result<Clocks, QueryError> {
        self.query(member, |reply| Question::Clock { reply }).await
    }

    /// Asks a member by which keys and certificates it proves itself, and whom it trusts. Takes 20
    /// seconds at most.
    ///
    /// # Errors
    ///
    /// [`QueryError`].
    pub async fn fingerprints_of(&self, member: &I) -> Result<Fingerprints, QueryError> {
        self.query(member, |reply| Question::Fingerprints { reply })
            .await
    }

    /// By which keys and certificates our own transport proves itself, and whom it trusts: see
    /// [`Transport::fingerprints`](crate::Transport::fingerprints). Nothing once it is no more.
    #[must_use]
    pub fn fingerprints(&self) -> Fingerprints {
        self.shared.fingerprints()
    }

    async fn query<R>(
        &self,
        of: &I,
        question: impl FnOnce(Reply<R>) -> Question<I>,
    ) -> Result<R, QueryError> {
        let of = Box::new(of.clone());
        let ask = |reply: oneshot::Sender<_>| Command::Query {
            of,
            question: question(reply),
        };
        self.ask(ask).await?
    }
}

#[cfg(test)]
mod tests {
    use core::time::Duration;

    use super::RoundTrips;

    #[test]
    fn the_median_is_one_of_those_that_were_measured() {
        assert_eq!(RoundTrips::new([].into()), None);
        let of = |times: &[u64]| {
            let times = times.iter().map(|&time| Duration::from_millis(time));
            let trips = RoundTrips::new(times.collect()).expect("some");
            [trips.min(), trips.median(), trips.max()].map(|it| it.as_millis())
        };
        assert_eq!(of(&[7]), [7, 7, 7]);
        assert_eq!(of(&[9, 1]), [1, 1, 9]);
        assert_eq!(of(&[5, 9, 1]), [1, 5, 9]);
    }
}
