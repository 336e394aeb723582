//! What the driver makes of streams.

use super::{Outcome, Stage};
use crate::{BroadcastHandler, Codec, Locate, Transport, agent::driver::Agent, trace::debug};

impl<I, C, T, H> Agent<I, C, T, H>
where
    I: Locate<Addr: Send> + Send + Sync + 'static,
    C: Codec<I>,
    T: Transport,
    H: BroadcastHandler<I>,
{
    /// Whether there are any to be opened.
    pub(in crate::agent) fn has_streams(&self) -> bool {
        !self.outputs.envelope.is_bare && self.transport.has_streams()
    }

    /// Acts on what became of streams.
    pub(in crate::agent) fn handle_streams(&mut self) {
        let envelope = self.outputs.envelope;
        if let Some(stream) = self.inputs.accepted.take() {
            let from = stream.addr;
            if !self.inputs.streams.greet(stream, envelope) {
                self.stats.streams_refused += 1;
                debug!(%from, "no place for a greeting");
            }
        }
        let mut outcomes = core::mem::take(&mut self.inputs.outcomes);
        for outcome in outcomes.drain(..) {
            match outcome {
                Outcome::Greeted(greeting) => self.on_greeting(greeting),
                Outcome::Frame(Stage::Sync(stage), frame, conversation) => {
                    self.on_sync_frame(stage, frame, conversation);
                }
                Outcome::Frame(Stage::Probe(stage), frame, conversation) => {
                    self.on_probe_frame(stage, &frame, conversation);
                }
                Outcome::Frame(Stage::Metadata(stage), frame, conversation) => {
                    self.on_metadata_frame(stage, &frame, conversation);
                }
                Outcome::Frame(Stage::Queries(stage), frame, conversation) => {
                    self.on_question(stage, &frame, conversation);
                }
                Outcome::Frame(Stage::Messages(_), ..) => {}
                Outcome::Ended(Stage::Metadata(stage), result) => {
                    self.stats.streams_failed += u64::from(result.is_err());
                    self.on_metadata_ended(stage);
                }
                Outcome::Ended(Stage::Messages(stage), result) => {
                    self.stats.streams_failed += u64::from(result.is_err());
                    self.on_messages_ended(stage);
                }
                Outcome::Ended(Stage::Sync(stage), result) => {
                    self.stats.streams_failed += u64::from(result.is_err());
                    self.on_sync_ended(&stage, result);
                }
                Outcome::Ended(Stage::Probe(stage), result) => {
                    let has_failed = self.on_probe_ended(&stage, &result);
                    self.stats.streams_failed += u64::from(has_failed);
                }
                Outcome::Ended(Stage::Queries(stage), result) => {
                    let has_failed = self.on_queries_ended(stage, &result);
                    self.stats.streams_failed += u64::from(has_failed);
                }
                Outcome::Nothing(error) => {
                    self.stats.streams_refused += 1;
                    debug!(%error, "stream refused");
                }
            }
        }
        // Seldom are there two at once, and each takes half a kilobyte.
        outcomes.shrink_to(1);
        self.inputs.outcomes = outcomes;
        self.open_parked_if_room();
        self.stats.dials_put_off = self.inputs.streams.put_off;
        self.stats.streams_inbound = self.inputs.streams.places.inbound() as u64;
        self.stats.streams_outbound = self.inputs.streams.places.outbound() as u64;
    }
}
