//! Waiting for the cluster to be ready.

use core::{error::Error, fmt, time::Duration};

use futures::StreamExt;
use smol::Timer;

use super::{Cluster, Status};
use crate::{
    Identity, State,
    agent::{Events, Members, inside::is_inside},
};

impl<I: Identity> Cluster<I> {
    /// Waits until at least `n` other members are active, and returns them all; at once, if they
    /// are. Suspected ones count, as in [`Members::num_active`].
    ///
    /// # Errors
    ///
    /// [`WaitError`], after `timeout` at the latest.
    pub async fn wait_for(&self, n: usize, timeout: Duration) -> Result<Members<I>, WaitError> {
        self.wait(timeout, async {
            let mut events = Events::beyond_limits(self.shared.clone());
            loop {
                let members = self.members();
                if members.num_active() >= n {
                    return Ok(members);
                }
                self.check_running()?;
                events.next().await;
            }
        })
        .await
    }

    /// Waits until nothing was heard of any member for `quiet`, from this call on, nor anybody is
    /// suspected, and returns the members. Nobody but ourselves is stable, too: see
    /// [`wait_for`](Self::wait_for).
    ///
    /// # Errors
    ///
    /// [`WaitError`], after `timeout` at the latest, which had better be the longer.
    pub async fn wait_stable(
        &self,
        quiet: Duration,
        timeout: Duration,
    ) -> Result<Members<I>, WaitError> {
        self.wait(timeout, async {
            let mut events = Events::beyond_limits(self.shared.clone());
            loop {
                self.check_running()?;
                let is_quiet = smol::future::or(
                    async {
                        Timer::after(quiet).await;
                        true
                    },
                    async {
                        // Whatever is not about members disturbs nobody.
                        while let Some(event) = events.next().await {
                            if event.member().is_some() || self.check_running().is_err() {
                                break;
                            }
                        }
                        false
                    },
                )
                .await;
                let members = self.members();
                let is_calm = members.active().all(|member| member.state == State::Alive);
                if is_quiet && is_calm {
                    self.check_running()?;
                    return Ok(members);
                }
            }
        })
        .await
    }

    async fn wait(
        &self,
        timeout: Duration,
        ready: impl Future<Output = Result<Members<I>, WaitError>>,
    ) -> Result<Members<I>, WaitError> {
        if is_inside(&self.shared) {
            return Err(WaitError::InHandler);
        }
        smol::future::or(ready, async {
            Timer::after(timeout).await;
            let active = self.members().num_active();
            Err(WaitError::TimedOut { active })
        })
        .await
    }

    fn check_running(&self) -> Result<(), WaitError> {
        match self.status() {
            Status::Running => Ok(()),
            Status::Defunct | Status::Stopped => Err(WaitError::NotRunning),
        }
    }
}

/// Why waiting for members ended without them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum WaitError {
    /// The time was up.
    TimedOut {
        /// How many other members were active then.
        active: usize,
    },
    /// The agent is [defunct or stopped](Status): it will hear of nobody.
    NotRunning,
    /// The caller is this agent's own broadcast handler, which the agent waits for.
    InHandler,
}

impl fmt::Display for WaitError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TimedOut { active } => {
                write!(f, "not ready in time, with {active} other members active")
            }
            Self::NotRunning => f.write_str("the agent is defunct or has stopped"),
            Self::InHandler => f.write_str("asked from inside the agent's own broadcast handler"),
        }
    }
}

impl Error for WaitError {}
