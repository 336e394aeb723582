//! Who the members are, and the datagrams they send.

use core::net::{Ipv4Addr, SocketAddrV4};

use selkie::{Codec, Header, Incarnation, Member, Message, codecs::PostcardCodec};
use serde::{Deserialize, Serialize};

/// An address and a generation: 7 to 11 bytes in postcard.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Id {
    pub addr: SocketAddrV4,
    pub bump: u16,
}

impl selkie::Identity for Id {
    type Addr = SocketAddrV4;

    fn addr(&self) -> SocketAddrV4 {
        self.addr
    }

    fn renew(&self) -> Option<Self> {
        None
    }

    fn win_addr_conflict(&self, adversary: &Self) -> bool {
        self.bump > adversary.bump
    }
}

impl foca::Identity for Id {
    type Addr = SocketAddrV4;

    fn addr(&self) -> SocketAddrV4 {
        self.addr
    }

    fn renew(&self) -> Option<Self> {
        None
    }

    fn win_addr_conflict(&self, adversary: &Self) -> bool {
        self.bump > adversary.bump
    }
}

/// Whom the engine under test is.
pub const OURSELVES: Id = Id {
    addr: SocketAddrV4::new(Ipv4Addr::new(192, 168, 0, 1), 7000),
    bump: 1,
};

/// The largest datagram, for both.
pub const PACKET_SIZE_MAX: usize = 1400;

/// The member with this number. Ports and generations take one, two and three bytes on the wire,
/// in all combinations.
pub fn member(number: usize) -> Id {
    let [_, a, b, c] = (number as u32).to_be_bytes();
    let port = [70, 7000, 40_000][number % 3];
    let bump = [1, 300, 20_000][number / 3 % 3];
    Id {
        addr: SocketAddrV4::new(Ipv4Addr::new(10, a, b, c), port),
        bump,
    }
}

/// A datagram to ourselves without updates.
pub fn bare(src: Id, src_incarnation: u16, message: Message<Id>) -> Vec<u8> {
    let carries_count = message != Message::Announce;
    let mut data = header(src, src_incarnation, message);
    if carries_count {
        data.extend([0, 0]);
    }
    data
}

/// A Gossip to ourselves that is full of `updates`, as far as they go.
pub fn full(src: Id, updates: &mut impl Iterator<Item = Member<Id>>) -> Vec<u8> {
    const UPDATE_MAX: usize = 14;
    let mut data = header(src, 0, Message::Gossip);
    let count_at = data.len();
    data.extend([0, 0]);
    let mut count = 0_u16;
    while data.len() + UPDATE_MAX <= PACKET_SIZE_MAX {
        let Some(update) = updates.next() else {
            break;
        };
        PostcardCodec
            .encode_member(&update, &mut data)
            .expect("appending to a Vec cannot fail");
        count += 1;
    }
    data[count_at..count_at + 2].copy_from_slice(&count.to_be_bytes());
    data
}

fn header(src: Id, src_incarnation: u16, message: Message<Id>) -> Vec<u8> {
    let header = Header {
        src,
        src_incarnation: Incarnation(src_incarnation),
        dst: OURSELVES,
        message,
    };
    let mut data = Vec::with_capacity(PACKET_SIZE_MAX);
    PostcardCodec
        .encode_header(&header, &mut data)
        .expect("appending to a Vec cannot fail");
    data
}
