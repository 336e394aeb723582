//! Messages, as a handle sends and receives them.

use alloc::{boxed::Box, vec::Vec};

use futures::channel::oneshot;
use smol::channel::Sender;

use super::{MessageError, Messages, lane::Outgoing};
use crate::{
    Identity,
    agent::cluster::{Cluster, Command},
};

/// What the driver makes of a message.
pub(in crate::agent) enum Waybill {
    /// It went as a packet.
    Sent,
    /// It goes by stream, this way.
    Lane(Sender<Outgoing>, Vec<u8>),
}

impl<I: Identity> Cluster<I> {
    /// Sends bytes to a member, best effort: as one packet if it fits, which may be lost, and else
    /// over a stream by itself, of which the end is not waited for.
    ///
    /// Returns when it is on its way; waits while too much is on its way by stream to this member,
    /// or, if one has to be opened, to [others](super::super::Limits::dials).
    ///
    /// # Errors
    ///
    /// [`MessageError`]: what to do about it. It is never dropped without a word but on its way.
    pub async fn send(&self, to: &I, bytes: impl Into<Vec<u8>>) -> Result<(), MessageError> {
        match self.dispatch(to, bytes.into(), false).await? {
            Waybill::Sent => Ok(()),
            Waybill::Lane(lane, bytes) => {
                let outgoing = Outgoing { bytes, reply: None };
                let Err(unsent) = lane.send(outgoing).await else {
                    return Ok(());
                };
                // Its stream came to an end: there will be another one.
                let bytes = unsent.into_inner().bytes;
                let Waybill::Lane(lane, bytes) = self.dispatch(to, bytes, true).await? else {
                    return Ok(());
                };
                let queued = lane.send(Outgoing { bytes, reply: None }).await;
                queued.map_err(|_| MessageError::Unacknowledged)
            }
        }
    }

    /// Sends bytes to a member over a stream, and waits until it acknowledged that they wait to be
    /// read there.
    ///
    /// They arrive at most once, and whole. Messages of ours, each sent when the last one was
    /// acknowledged, arrive in this order; of calls at the same time, in the order in which they
    /// were first polled, unless one fails. While the other member has no room, or there are as many
    /// streams as [may be](super::super::Limits::dials), this waits; for room no longer than the
    /// transport lets a stream be silent, which is 10 s over QUIC and 30 s over UDP by default.
    ///
    /// # Errors
    ///
    /// [`MessageError`]. After [`Unacknowledged`](MessageError::Unacknowledged) it may have arrived
    /// or not; after all others it did not.
    pub async fn send_reliably(
        &self,
        to: &I,
        bytes: impl Into<Vec<u8>>,
    ) -> Result<(), MessageError> {
        let Waybill::Lane(lane, bytes) = self.dispatch(to, bytes.into(), true).await? else {
            return Err(MessageError::Unacknowledged);
        };
        let (reply, answer) = oneshot::channel();
        let reply = Some(reply);
        if let Err(unsent) = lane.send(Outgoing { bytes, reply }).await {
            // Its stream came to an end: there will be another one.
            let bytes = unsent.into_inner().bytes;
            let Waybill::Lane(lane, bytes) = self.dispatch(to, bytes, true).await? else {
                return Err(MessageError::Unacknowledged);
            };
            return Self::acknowledged(lane, bytes).await;
        }
        answer.await.unwrap_or(Err(MessageError::Unacknowledged))
    }

    /// Messages that come in from now on. While there is no such stream, who sends reliably learns
    /// that nobody reads: [`NotListening`](MessageError::NotListening).
    #[must_use]
    pub fn messages(&self) -> Messages<I> {
        Messages::new(self.shared.clone())
    }

    async fn acknowledged(lane: Sender<Outgoing>, bytes: Vec<u8>) -> Result<(), MessageError> {
        let (reply, answer) = oneshot::channel();
        let reply = Some(reply);
        let sent = lane.send(Outgoing { bytes, reply }).await;
        sent.map_err(|_| MessageError::Unreachable(std::io::ErrorKind::ConnectionReset.into()))?;
        answer.await.unwrap_or(Err(MessageError::Unacknowledged))
    }

    async fn dispatch(
        &self,
        to: &I,
        bytes: Vec<u8>,
        is_reliable: bool,
    ) -> Result<Waybill, MessageError> {
        let to = to.clone();
        self.ask(|reply| Command::Send {
            to: Box::new(to),
            bytes,
            is_reliable,
            reply,
        })
        .await?
    }
}
