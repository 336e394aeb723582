use super::{KINDS, Traffic};
use crate::{Fields, Message, ProbeNumber, message::Layout};

#[test]
fn every_kind_is_counted_under_its_name() {
    for tag in 0..20 {
        let number = ProbeNumber(0);
        let fields = match Message::<()>::layout(tag) {
            Layout::None => Fields::None,
            Layout::Number => Fields::Number(number),
            Layout::MemberAndNumber => Fields::MemberAndNumber((), number),
        };
        let message = Message::from_parts(tag, fields).expect("a message");
        let mut traffic = Traffic::default();
        traffic.note_received(&message, 7);
        traffic.note_sent(tag, 8);
        let mut heard = traffic.received().filter(|(_, flow)| flow.datagrams == 1);
        let (kind, flow) = heard.next().expect("counted");
        assert_eq!((kind, flow.bytes), (message.kind(), 7));
        let mut said = traffic.sent().filter(|(_, flow)| flow.bytes == 8);
        assert_eq!(said.next().expect("counted").0, message.kind());
    }
    assert_eq!(KINDS.len(), 14);
}
