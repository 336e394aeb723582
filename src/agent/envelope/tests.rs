use super::*;

fn name(name: &str) -> Name {
    name.parse().expect("a name")
}

fn envelope(cluster: &str) -> Envelope {
    Envelope::new(&name(cluster), true, false)
}

fn put(envelope: Envelope, items: &[u8], body: &[u8]) -> Vec<u8> {
    let mut datagram = Vec::new();
    envelope.put(Kind::Engine, items, &mut datagram);
    datagram.extend_from_slice(body);
    datagram
}

/// The dump in `docs/wire.md`.
#[test]
fn an_envelope_is_laid_out_as_the_document_says() {
    let plain = [0xe1, 0x95, 0x7d, 0x7a, 0x85, 0x00, b'b'];
    assert_eq!(put(envelope("selkie"), &[], b"b"), plain);
    let items = [0x01, 0x00, 0x02, b'h', b'i'];
    let with_items = [
        0xe1, 0x95, 0x7d, 0x7a, 0x85, 0x80, 0x00, 0x05, 0x01, 0x00, 0x02, b'h', b'i', b'b',
    ];
    assert_eq!(put(envelope("selkie"), &items, b"b"), with_items);
    let unmarked = Envelope::new(&name("selkie"), false, false);
    assert_eq!(put(unmarked, &[], b"b"), [0xe1, 0x00, b'b']);
    assert_eq!(unmarked.len(), 2);
    assert_eq!(envelope("selkie").len(), 6);
}

#[test]
fn what_was_put_is_opened() {
    let datagram = put(envelope("a"), &[7, 0, 1, 9, 8, 0, 0], b"body");
    let opened = envelope("a").open(&datagram).expect("one of ours");
    assert_eq!(opened.kind, Some(Kind::Engine));
    assert_eq!(opened.body, b"body");
    let items: Vec<_> = opened.items.collect();
    assert_eq!(items, [(7, &[9][..]), (8, &[][..])]);
}

#[test]
fn another_clusters_datagram_is_a_strangers() {
    let datagram = put(envelope("a"), &[], b"body");
    assert_eq!(envelope("b").open(&datagram), Err(Unopened::Stranger));
    for len in 0..5 {
        assert_eq!(
            envelope("a").open(&datagram[..len]),
            Err(Unopened::Stranger)
        );
    }
    assert_eq!(envelope("a").open(b"without"), Err(Unopened::Stranger));
}

#[test]
fn what_ends_early_is_malformed() {
    let datagram = put(envelope("a"), &[7, 0, 1, 9], b"");
    for len in 5..datagram.len() {
        let opened = envelope("a").open(&datagram[..len]);
        assert_eq!(opened, Err(Unopened::Malformed), "{len}");
    }
    let overlong = put(envelope("a"), &[7, 0, 2, 9], b"");
    assert_eq!(envelope("a").open(&overlong), Err(Unopened::Malformed));
}

#[test]
fn a_kind_from_a_later_version_is_told_from_rubbish() {
    let mut datagram = put(envelope("a"), &[], b"body");
    datagram[5] = 0x55;
    let opened = envelope("a").open(&datagram).expect("one of ours");
    assert_eq!(opened.kind, None);
}

/// A cluster leaves foca's wire member by member.
#[test]
fn who_is_bare_or_was_takes_both() {
    let mut bare = Envelope::new(&name("a"), true, true);
    assert_eq!(put(bare, &[], b"body"), b"body");
    assert_eq!(bare.len(), 0);
    let enveloped = put(envelope("a"), &[], b"body");
    for is_bare in [true, false] {
        bare.is_bare = is_bare;
        for datagram in [&b"body"[..], &enveloped] {
            assert_eq!(bare.open(datagram).expect("one of ours").body, b"body");
        }
    }
}
