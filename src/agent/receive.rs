//! What becomes of a packet: out of its envelope, into the engine.

use super::{
    admission::{Claim, Source},
    driver::Agent,
    envelope::{Kind, Unopened},
};
use crate::{BroadcastHandler, Codec, Header, Locate, Transport, trace::debug, transport::Packet};

impl<I, C, T, H> Agent<I, C, T, H>
where
    I: Locate<Addr: Send> + Send + Sync + 'static,
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
            Some(Kind::Engine) => {
                let sender = self.hand_in(packet, opened.body, !opened.items.is_empty());
                if let Some(sender) = sender.filter(|sender| self.is_active(sender)) {
                    self.hear_items(opened.items, &sender);
                }
            }
            Some(Kind::Aside) => {
                let source = source_of(packet);
                if let Some(sender) = self.recognise(opened.body, &source) {
                    self.hear_items(opened.items, &sender);
                } else {
                    self.stats.packets_refused += 1;
                }
            }
            Some(Kind::Message) => self.hear_message(opened.body, &source_of(packet)),
            None => self.stats.packets_of_unknown_kind += 1,
        }
    }

    /// Hands the engine its datagram. Returns who sent it, if that is `wanted` and may be so.
    fn hand_in(&mut self, packet: &Packet<'_>, datagram: &[u8], wanted: bool) -> Option<I> {
        let source = source_of(packet);
        let mut sender = None;
        let rule = self.outputs.door.senders();
        let check = {
            let source = source.clone();
            let (sync, sender) = (&mut self.sync, &mut sender);
            move |header: &Header<I>| {
                let may_speak = rule.may_speak(&Claim::new(&header.src, &source, false));
                if may_speak && sync.wants_all {
                    sync.last_heard = Some(header.src.clone());
                }
                if may_speak && wanted {
                    *sender = Some(header.src.clone());
                }
                may_speak
            }
        };
        self.outputs.source = Some(source);
        let handled = self
            .engine
            .handle_data_if(datagram, check, &mut self.outputs);
        self.outputs.source = None;
        if let Err(error) = handled {
            self.stats.packets_refused += 1;
            debug!(from = %packet.from, bytes = datagram.len(), %error, "packet refused");
        }
        sender
    }
}

fn source_of(packet: &Packet<'_>) -> Source {
    Source {
        from: packet.from,
        peer: packet.peer.cloned(),
    }
}
