//! The probe of last resort: a datagram that goes by a stream, and what is said to it.
//!
//! ```text
//!   prober                                member
//!     | the datagram, as a frame            |
//!     |------------------------------------>|
//!     |   what it has to say to the prober  |
//!     |<------------------------------------|
//! ```
//!
//! What is said goes as packets as well: one way may be open in one direction only.

use alloc::{boxed::Box, sync::Arc, vec::Vec};
use std::io;

use super::{
    driver::Agent,
    streams::{self, Conversation, Dial, Next, Opening, StreamKind},
};
use crate::{
    BroadcastHandler, Codec, Locate, Transport,
    trace::debug,
    transport::{Batch, Packet},
};

/// The datagrams that go by streams.
pub(super) struct LastResort<I> {
    /// To be sent in this turn.
    pub(super) waiting: Vec<(I, Vec<u8>)>,
    under_way: Arc<()>,
}

/// How far one is.
pub(super) enum Stage<I> {
    /// It is sent; so many answers came.
    Asked(Arc<()>, usize),
    /// A member sends us one.
    Answering(I),
    /// All is said.
    Said,
}

impl<I> LastResort<I> {
    pub(super) fn new() -> Self {
        Self {
            waiting: Vec::new(),
            under_way: Arc::new(()),
        }
    }

    /// Whether there may be another one.
    pub(super) fn has_place(&self) -> bool {
        let under_way = Arc::strong_count(&self.under_way) - 1;
        self.waiting.len().saturating_add(under_way) < PROBES_MAX
    }
}

impl<I, C, T, H> Agent<I, C, T, H>
where
    I: Locate<Addr: Send> + Send + Sync + 'static,
    C: Codec<I>,
    T: Transport,
    H: BroadcastHandler<I>,
{
    /// Opens streams for what waits.
    pub(super) fn send_last_resort(&mut self) {
        for (to, datagram) in core::mem::take(&mut self.outputs.last_resort.waiting) {
            let Some(preface) = self.preface(StreamKind::Probe, &to) else {
                continue;
            };
            let dial = Dial {
                to: to.socket_addr(),
                preface,
                check: Box::new(self.answers_as(&to)),
            };
            let stage = Stage::Asked(self.outputs.last_resort.under_way.clone(), 0);
            self.inputs.streams.open(Opening {
                dial,
                frames: [datagram].into(),
                next: Next::Read(Batch::PACKET_MAX, streams::Stage::Probe(stage)),
            });
        }
    }

    /// A member sends a datagram by a stream.
    pub(super) fn await_probe(&mut self, peer: I, conversation: Conversation<T::Stream>) {
        let stage = streams::Stage::Probe(Stage::Answering(peer));
        let next = Next::Read(Batch::PACKET_MAX, stage);
        self.inputs.streams.converse(conversation, Vec::new(), next);
    }

    /// A datagram came by a stream.
    pub(super) fn on_probe_frame(
        &mut self,
        stage: Stage<I>,
        frame: &[u8],
        conversation: Conversation<T::Stream>,
    ) {
        let from = conversation.source.from;
        let peer = conversation.source.peer.clone();
        let waiting = self.outputs.num_waiting();
        self.outputs.now = self.inputs.now();
        self.take_in(&Packet {
            from,
            peer: peer.as_ref(),
            bytes: frame,
        });
        let (say, next) = match stage {
            Stage::Asked(place, heard) if heard + 1 < ANSWERS_MAX => {
                let stage = Stage::Asked(place, heard + 1);
                (Vec::new(), Next::Read(Batch::PACKET_MAX, stage))
            }
            Stage::Asked(..) | Stage::Said => (Vec::new(), Next::Close(Stage::Said)),
            Stage::Answering(peer) => {
                let said = self.outputs.waiting_since(waiting);
                let to_it = said.filter(|(to, _)| *to == peer.socket_addr());
                let say = to_it.take(ANSWERS_MAX).map(|(_, bytes)| bytes.to_vec());
                (say.collect(), Next::Close(Stage::Said))
            }
        };
        let next = next.map(streams::Stage::Probe);
        self.inputs.streams.converse(conversation, say, next);
    }

    /// It ended. Returns whether that is a failure.
    pub(super) fn on_probe_ended(&self, stage: &Stage<I>, result: &io::Result<()>) -> bool {
        match (stage, result) {
            // How many answers there are, only the end tells.
            (Stage::Asked(_, 1..), Err(error)) if error.kind() == io::ErrorKind::UnexpectedEof => {
                false
            }
            (_, Err(error)) => {
                debug!(%error, "a probe by stream failed");
                true
            }
            (_, Ok(())) => false,
        }
    }
}

/// The most datagrams that are under way by streams.
const PROBES_MAX: usize = 8;
/// The most packets that are said to one.
const ANSWERS_MAX: usize = 4;
