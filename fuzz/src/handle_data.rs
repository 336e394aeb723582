//! Bytes into an engine that knows members: what is refused changes nothing.

use selkie::{Codec, Engine, Error, Header, Member, codecs::PostcardCodec};

use super::{
    engine::{Heard, Id, Outbox, Subject, check, check_counters, check_sent, config, view},
    input::Input,
};

const US: Id = Id { addr: 1, life: 0 };

/// Options, then datagrams.
pub fn handle_data(data: &[u8]) {
    let mut input = Input::new(data);
    let Some((mut engine, mut out)) = engine(&mut input) else {
        return;
    };
    while !input.is_empty() {
        let is_for_us = input.flip();
        let bytes = input.bytes();
        let readdressed = is_for_us
            .then(|| readdress(bytes, *engine.identity()))
            .flatten();
        let bytes = readdressed.as_deref().unwrap_or(bytes);

        let (before, src, counted) = (view(&engine), *engine.identity(), *engine.counters());
        let outcome = engine.handle_data(bytes, &mut out);
        match outcome {
            Ok(()) | Err(Error::CustomBroadcast(_) | Error::Encode(_)) => {}
            Err(error) => {
                assert_eq!(view(&engine), before, "{error:?} changed something");
                assert!(out.sent.is_empty(), "{error:?}, and yet an answer");
            }
        }
        check(&engine);
        check_sent(&engine, src, &out.sent);
        check_counters(&counted, engine.counters());
        out.sent.clear();
        out.timers.clear();
    }
}

fn engine(input: &mut Input<'_>) -> Option<(Subject, Outbox)> {
    let config = config(input);
    let handler = Heard::default();
    let mut engine = Engine::with_broadcasts(US, config, 1, PostcardCodec, handler).ok()?;
    let mut out = Outbox::default();
    engine.start(&mut out);
    let known = (2..8).map(|addr| Member::alive(Id { addr, life: 1 }));
    engine.apply_many(known, &mut out);
    engine.announce(Id { addr: 9, life: 0 }, &mut out).ok()?;
    out.sent.clear();
    Some((engine, out))
}

/// The same datagram, to somebody else.
fn readdress(data: &[u8], dst: Id) -> Option<Vec<u8>> {
    let mut rest = data;
    let header: Header<Id> = PostcardCodec.decode_header(&mut rest).ok()?;
    let header = Header { dst, ..header };
    let mut readdressed = Vec::new();
    PostcardCodec
        .encode_header(&header, &mut readdressed)
        .ok()?;
    readdressed.extend(rest);
    Some(readdressed)
}
