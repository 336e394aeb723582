//! The identity and codec of these tests: small, and written by hand, so that the engine is tested
//! with no feature on.

use core::fmt;

use selkie::{
    Codec, Fields, Header, Identity, Incarnation, Layout, Member, Message, ProbeNumber, State,
    StateBody,
};

/// An address, and which life of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Peer {
    pub addr: u16,
    pub life: u8,
}

/// The first life of an address.
pub fn peer(addr: u16) -> Peer {
    Peer { addr, life: 0 }
}

/// The address of a [`Peer`] that cannot be renewed.
pub const MORTAL: u16 = 60_000;

impl Identity for Peer {
    type Addr = u16;

    fn addr(&self) -> u16 {
        self.addr
    }

    fn renew(&self) -> Option<Self> {
        let life = self.life.checked_add(1)?;
        (self.addr < MORTAL).then_some(Self { life, ..*self })
    }

    fn win_addr_conflict(&self, adversary: &Self) -> bool {
        self.life > adversary.life
    }

    fn renew_past(&self, winner: &Self) -> Option<Self> {
        Self {
            life: self.life.max(winner.life),
            ..*self
        }
        .renew()
    }

    fn accepts_announce(&self, dst: &Self) -> bool {
        dst.addr == self.addr || *dst == ANYBODY
    }

    fn names_member(&self) -> bool {
        self.addr != 0
    }
}

/// Names no member: an Announce to it is for everybody.
pub const ANYBODY: Peer = Peer { addr: 0, life: 0 };

#[derive(Clone, Copy, Debug, Default)]
pub struct PlainCodec;

#[derive(Debug)]
pub struct NotPlain;

impl fmt::Display for NotPlain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("not what this codec writes")
    }
}

impl core::error::Error for NotPlain {}

fn take<const N: usize>(data: &mut &[u8]) -> Result<[u8; N], NotPlain> {
    let (taken, rest) = data.split_first_chunk().ok_or(NotPlain)?;
    *data = rest;
    Ok(*taken)
}

fn put_peer(peer: &Peer, buf: &mut Vec<u8>) {
    buf.extend(peer.addr.to_be_bytes());
    buf.push(peer.life);
}

fn take_peer(data: &mut &[u8]) -> Result<Peer, NotPlain> {
    let [a, b, life] = take(data)?;
    Ok(Peer {
        addr: u16::from_be_bytes([a, b]),
        life,
    })
}

impl Codec<Peer> for PlainCodec {
    type Error = NotPlain;

    fn encode_header(&mut self, header: &Header<Peer>, buf: &mut Vec<u8>) -> Result<(), NotPlain> {
        put_peer(&header.src, buf);
        buf.extend(header.src_incarnation.0.to_be_bytes());
        put_peer(&header.dst, buf);
        buf.push(header.message.tag() as u8);
        match header.message.fields() {
            Fields::None => {}
            Fields::Number(number) => buf.push(number.0),
            Fields::MemberAndNumber(member, number) => {
                put_peer(member, buf);
                buf.push(number.0);
            }
        }
        Ok(())
    }

    fn decode_header(&mut self, data: &mut &[u8]) -> Result<Header<Peer>, NotPlain> {
        let src = take_peer(data)?;
        let src_incarnation = Incarnation(u16::from_be_bytes(take(data)?));
        let dst = take_peer(data)?;
        let [tag] = take(data)?;
        let tag = u32::from(tag);
        let fields = match Message::<Peer>::layout(tag) {
            Layout::None => Fields::None,
            Layout::Number => Fields::Number(ProbeNumber(take::<1>(data)?[0])),
            Layout::MemberAndNumber => {
                Fields::MemberAndNumber(take_peer(data)?, ProbeNumber(take::<1>(data)?[0]))
            }
        };
        let message = Message::from_parts(tag, fields).ok_or(NotPlain)?;
        Ok(Header {
            src,
            src_incarnation,
            dst,
            message,
        })
    }

    fn encode_member(&mut self, member: &Member<Peer>, buf: &mut Vec<u8>) -> Result<(), NotPlain> {
        put_peer(&member.id, buf);
        buf.extend(member.incarnation.0.to_be_bytes());
        buf.push(member.tag() as u8);
        match (StateBody::of(member.tag()), &member.accuser) {
            (StateBody::None, _) => {}
            (StateBody::Accuser, Some(accuser)) => {
                let len_at = buf.len();
                buf.push(0);
                put_peer(accuser, buf);
                buf[len_at] = (buf.len() - len_at - 1) as u8;
            }
            _ => buf.push(0),
        }
        Ok(())
    }

    fn decode_member(&mut self, data: &mut &[u8]) -> Result<Member<Peer>, NotPlain> {
        let id = take_peer(data)?;
        let incarnation = Incarnation(u16::from_be_bytes(take(data)?));
        let tag = u32::from(take::<1>(data)?[0]);
        let mut accuser = None;
        if StateBody::of(tag) != StateBody::None {
            let len = usize::from(take::<1>(data)?[0]);
            let (mut body, rest) = data.split_at_checked(len).ok_or(NotPlain)?;
            *data = rest;
            if StateBody::of(tag) == StateBody::Accuser {
                accuser = Some(take_peer(&mut body)?);
            }
        }
        Ok(Member::from_parts(id, incarnation, tag, accuser))
    }
}

/// A datagram as its parts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Packet {
    pub header: Header<Peer>,
    pub members: Vec<Member<Peer>>,
    pub broadcasts: Vec<Vec<u8>>,
    /// What follows the header of a Digest.
    pub digest: Vec<u8>,
}

impl Packet {
    pub fn new(src: Peer, dst: Peer, message: Message<Peer>) -> Self {
        let header = Header {
            src,
            src_incarnation: Incarnation(0),
            dst,
            message,
        };
        Self {
            header,
            members: Vec::new(),
            broadcasts: Vec::new(),
            digest: Vec::new(),
        }
    }

    pub fn incarnation(mut self, incarnation: u16) -> Self {
        self.header.src_incarnation = Incarnation(incarnation);
        self
    }

    pub fn member(mut self, id: Peer, incarnation: u16, state: State) -> Self {
        self.members
            .push(Member::new(id, Incarnation(incarnation), state));
        self
    }

    pub fn suspected_by(mut self, id: Peer, incarnation: u16, accuser: Peer) -> Self {
        self.members
            .push(Member::suspected_by(id, Incarnation(incarnation), accuser));
        self
    }

    pub fn broadcast(mut self, data: &[u8]) -> Self {
        self.broadcasts.push(data.to_vec());
        self
    }

    pub fn encode(&self) -> Vec<u8> {
        let mut buf = Vec::new();
        PlainCodec.encode_header(&self.header, &mut buf).unwrap();
        if carries_members(&self.header.message) {
            buf.extend((self.members.len() as u16).to_be_bytes());
            for member in &self.members {
                PlainCodec.encode_member(member, &mut buf).unwrap();
            }
        }
        buf.extend(&self.digest);
        for data in &self.broadcasts {
            buf.extend((data.len() as u16).to_be_bytes());
            buf.extend(data);
        }
        buf
    }

    #[track_caller]
    pub fn decode(data: &[u8]) -> Self {
        let mut rest = data;
        let header = PlainCodec.decode_header(&mut rest).unwrap();
        let mut packet = Self {
            header,
            members: Vec::new(),
            broadcasts: Vec::new(),
            digest: Vec::new(),
        };
        if header.message == Message::Digest {
            packet.digest = rest.to_vec();
            return packet;
        }
        if carries_members(&header.message) && !rest.is_empty() {
            let count = u16::from_be_bytes(take(&mut rest).unwrap());
            for _ in 0..count {
                packet
                    .members
                    .push(PlainCodec.decode_member(&mut rest).unwrap());
            }
        }
        while !rest.is_empty() {
            let len = usize::from(u16::from_be_bytes(take(&mut rest).unwrap()));
            let (item, after) = rest.split_at(len);
            packet.broadcasts.push(item.to_vec());
            rest = after;
        }
        packet
    }
}

fn carries_members(message: &Message<Peer>) -> bool {
    !matches!(
        message,
        Message::Announce | Message::TurnUndead | Message::Broadcast | Message::Digest
    )
}
