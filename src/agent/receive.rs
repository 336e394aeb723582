//! What becomes of a packet: out of its envelope, into the engine.

use super::{
    driver::Agent,
    envelope::{Kind, Unopened},
};
use crate::{BroadcastHandler, Codec, Locate, Transport, trace::debug, transport::Packet};

impl<I, C, T, H> Agent<I, C, T, H>
where
    I: Locate,
    C: Codec<I>,
    T: Transport,
    H: BroadcastHandler<I>,
{
    pub(super) fn take_in(&mut self, packet: &Packet<'_>) {
        self.stats.packets_in += 1;
        let Packet { from, bytes, .. } = *packet;
        let opened = match self.outputs.envelope.open(bytes) {
            Ok(opened) => opened,
            Err(why) => {
                self.stats.packets_refused += 1;
                match why {
                    Unopened::Stranger => self.stats.packets_of_strangers += 1,
                    Unopened::Malformed => self.stats.packets_malformed += 1,
                }
                debug!(%from, bytes = bytes.len(), ?why, "packet refused");
                return;
            }
        };
        match opened.kind {
            Some(Kind::Engine) => self.hand_in(packet, opened.body),
            None => self.stats.packets_of_unknown_kind += 1,
        }
    }

    /// Hands the engine its datagram.
    fn hand_in(&mut self, packet: &Packet<'_>, datagram: &[u8]) {
        if let Err(error) = self.engine.handle_data(datagram, &mut self.outputs) {
            self.stats.packets_refused += 1;
            debug!(from = %packet.from, bytes = datagram.len(), %error, "packet refused");
        }
    }
}
