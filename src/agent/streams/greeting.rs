//! How a stream begins: version, mark and kind, as a packet does; then a frame with a header that
//! says who speaks to whom.

use alloc::{vec, vec::Vec};
use core::{net::SocketAddr, time::Duration};
use std::io;

use futures::{AsyncRead, AsyncReadExt};

use super::{
    Conversation, StreamKind,
    frames::{read_frame, within},
    places::Place,
};
use crate::{
    BroadcastHandler, Codec, Header, Locate, Transport,
    agent::{
        admission::{Claim, Source},
        driver::Agent,
        envelope::Envelope,
        leave::Phase,
    },
    trace::debug,
};

/// What a peer opened a stream for, as it says.
pub(in crate::agent) struct Greeting<S> {
    tag: u8,
    hello: Vec<u8>,
    source: Source,
    stream: S,
    /// Held until it is known whose stream it is.
    _place: Place,
}

/// Hears how a stream begins.
pub(super) async fn hear<S: AsyncRead + Unpin>(
    mut stream: S,
    source: Source,
    envelope: Envelope,
    place: Place,
) -> io::Result<Greeting<S>> {
    let (tag, hello) = within(GREETING_MAX, async {
        let mut head = vec![0; envelope.head_len()];
        stream.read_exact(&mut head).await?;
        let Some(&[tag]) = envelope.strip_mark(&head) else {
            return Err(io::ErrorKind::PermissionDenied.into());
        };
        Ok((tag, read_frame(&mut stream, HELLO_MAX).await?))
    })
    .await?;
    Ok(Greeting {
        tag,
        hello,
        source,
        stream,
        _place: place,
    })
}

impl<I, C, T, H> Agent<I, C, T, H>
where
    I: Locate<Addr: Send> + Send + Sync + 'static,
    C: Codec<I>,
    T: Transport,
    H: BroadcastHandler<I>,
{
    /// How a stream to a member begins. `None` if the codec cannot write it.
    pub(in crate::agent) fn preface(&mut self, kind: StreamKind, to: &I) -> Option<Vec<u8>> {
        let hello = self.hello(to)?;
        let mut preface = Vec::new();
        self.outputs.envelope.put_head(kind.tag(), &mut preface);
        preface.extend_from_slice(&u32::try_from(hello.len()).ok()?.to_be_bytes());
        preface.extend_from_slice(&hello);
        Some(preface)
    }

    /// Whether who answers at an address may be a member.
    pub(in crate::agent) fn answers_as(
        &self,
        member: &I,
    ) -> impl FnOnce(&Source) -> bool + Send + 'static
    where
        I: Sync,
    {
        let rule = self.outputs.door.senders();
        let member = member.clone();
        move |source: &Source| rule.may_speak(&Claim::new(&member, source, false))
    }

    /// Somebody opened a stream: goes on if it is a member, and may.
    pub(in crate::agent) fn on_greeting(&mut self, greeting: Greeting<T::Stream>) {
        let from: SocketAddr = greeting.source.from;
        let Some(peer) = self.recognise(&greeting.hello, &greeting.source) else {
            self.stats.streams_refused += 1;
            debug!(%from, kind = greeting.tag, "stream refused");
            return;
        };
        let place = self.inputs.streams.places.of_peer(peer.addr());
        let (Some(kind), Some(place)) = (StreamKind::from_tag(greeting.tag), place) else {
            self.stats.streams_refused += 1;
            debug!(%from, kind = greeting.tag, "no place for a stream");
            return;
        };
        self.stats.streams_in += 1;
        let conversation = Conversation {
            source: greeting.source,
            stream: greeting.stream,
            _place: place,
        };
        match kind {
            StreamKind::Sync => self.await_sync(peer, conversation),
            StreamKind::Metadata => self.await_fetch(conversation),
            StreamKind::Messages => self.await_messages(peer, conversation),
            StreamKind::Probe => self.await_probe(peer, conversation),
            StreamKind::Queries => self.await_questions(peer, conversation),
        }
    }

    /// Which member speaks to us, if it is one, and may say so.
    pub(in crate::agent) fn recognise(&mut self, mut hello: &[u8], source: &Source) -> Option<I> {
        let sender = self.recognise_sender(&mut hello, source)?;
        hello.is_empty().then_some(sender)
    }

    /// The same, of what begins so.
    pub(in crate::agent) fn recognise_sender(
        &mut self,
        bytes: &mut &[u8],
        source: &Source,
    ) -> Option<I> {
        let header = self.engine.codec_mut().decode_header(bytes).ok()?;
        let Header { src, dst, .. } = header;
        let is_for_us = dst.addr() == self.engine.identity().addr();
        let known = self.engine.member(&src.addr())?;
        let is_member = known.state.is_active()
            && (*known.id == src || src.win_addr_conflict(known.id))
            && matches!(self.phase, Phase::Running);
        let rule = self.outputs.door.senders();
        let may_speak = rule.may_speak(&Claim::new(&src, source, false));
        (is_for_us && is_member && may_speak).then_some(src)
    }

    /// Whether this very identity is an active member.
    pub(in crate::agent) fn is_active(&self, id: &I) -> bool {
        let known = self.engine.member(&id.addr());
        known.is_some_and(|m| m.id == id && m.state.is_active())
    }
}

/// The most bytes that say who speaks to whom.
const HELLO_MAX: usize = 4096;
/// How long that may take.
const GREETING_MAX: Duration = Duration::from_secs(5);
