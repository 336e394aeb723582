//! A codec of one's own: no serde, a fixed layout, for members that are IPv4 addresses.
//!
//! `cargo run --example custom_codec --features smol`
//!
//! A codec knows three kinds of things: identities, which are its own affair; tags and numbers,
//! which `Message` and `State` take apart and put together; and nothing else.

use core::time::Duration;
use std::{
    error::Error,
    fmt,
    net::{Ipv4Addr, SocketAddrV4},
};

use selkie::{
    Builder, Codec, Fields, Header, Incarnation, Layout, Member, Message, ProbeNumber, StateBody,
    agent::Event, transports::MemoryNetwork,
};
use smol::stream::StreamExt;

/// All numbers big-endian, all tags one byte.
struct FixedCodec;

impl Codec<SocketAddrV4> for FixedCodec {
    type Error = NotOurs;

    fn encode_header(
        &mut self,
        header: &Header<SocketAddrV4>,
        buf: &mut Vec<u8>,
    ) -> Result<(), NotOurs> {
        put_addr(&header.src, buf);
        buf.extend(header.src_incarnation.0.to_be_bytes());
        put_addr(&header.dst, buf);
        put_tag(header.message.tag(), buf)?;
        match header.message.fields() {
            Fields::None => {}
            Fields::Number(number) => buf.push(number.0),
            Fields::MemberAndNumber(member, number) => {
                put_addr(member, buf);
                buf.push(number.0);
            }
        }
        Ok(())
    }

    fn decode_header(&mut self, data: &mut &[u8]) -> Result<Header<SocketAddrV4>, NotOurs> {
        let src = take_addr(data)?;
        let src_incarnation = Incarnation(u16::from_be_bytes(take(data)?));
        let dst = take_addr(data)?;
        let tag = take_tag(data)?;
        let fields = match Message::<SocketAddrV4>::layout(tag) {
            Layout::None => Fields::None,
            Layout::Number => Fields::Number(take_number(data)?),
            Layout::MemberAndNumber => {
                Fields::MemberAndNumber(take_addr(data)?, take_number(data)?)
            }
        };
        Ok(Header {
            src,
            src_incarnation,
            dst,
            message: Message::from_parts(tag, fields).ok_or(NotOurs)?,
        })
    }

    fn encode_member(
        &mut self,
        member: &Member<SocketAddrV4>,
        buf: &mut Vec<u8>,
    ) -> Result<(), NotOurs> {
        put_addr(&member.id, buf);
        buf.extend(member.incarnation.0.to_be_bytes());
        put_tag(member.tag(), buf)?;
        match (StateBody::of(member.tag()), &member.accuser) {
            (StateBody::None, _) => {}
            (StateBody::Accuser, Some(accuser)) => {
                buf.push(6);
                put_addr(accuser, buf);
            }
            _ => buf.push(0), // nothing to say, in no bytes
        }
        Ok(())
    }

    fn decode_member(&mut self, data: &mut &[u8]) -> Result<Member<SocketAddrV4>, NotOurs> {
        let id = take_addr(data)?;
        let incarnation = Incarnation(u16::from_be_bytes(take(data)?));
        let tag = take_tag(data)?;
        let mut accuser = None;
        if StateBody::of(tag) != StateBody::None {
            let [len] = take(data)?;
            let (mut body, rest) = data.split_at_checked(len.into()).ok_or(NotOurs)?;
            *data = rest;
            // What a state from the future says is read past.
            if StateBody::of(tag) == StateBody::Accuser {
                accuser = Some(take_addr(&mut body)?);
            }
        }
        Ok(Member::from_parts(id, incarnation, tag, accuser))
    }
}

fn put_addr(addr: &SocketAddrV4, buf: &mut Vec<u8>) {
    buf.extend(addr.ip().octets());
    buf.extend(addr.port().to_be_bytes());
}

fn take_addr(data: &mut &[u8]) -> Result<SocketAddrV4, NotOurs> {
    let ip = Ipv4Addr::from(take::<4>(data)?);
    Ok(SocketAddrV4::new(ip, u16::from_be_bytes(take(data)?)))
}

fn put_tag(tag: u32, buf: &mut Vec<u8>) -> Result<(), NotOurs> {
    buf.push(u8::try_from(tag).map_err(|_| NotOurs)?);
    Ok(())
}

fn take_tag(data: &mut &[u8]) -> Result<u32, NotOurs> {
    take(data).map(|[tag]| u32::from(tag))
}

fn take_number(data: &mut &[u8]) -> Result<ProbeNumber, NotOurs> {
    take(data).map(|[number]| ProbeNumber(number))
}

/// The next bytes, if there are as many. The only way to the data: nothing here can panic.
fn take<const N: usize>(data: &mut &[u8]) -> Result<[u8; N], NotOurs> {
    let (taken, rest) = data.split_first_chunk().ok_or(NotOurs)?;
    *data = rest;
    Ok(*taken)
}

#[derive(Debug)]
struct NotOurs;

impl fmt::Display for NotOurs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("not what this codec writes")
    }
}

impl Error for NotOurs {}

fn main() -> Result<(), Box<dyn Error>> {
    let [first, second] = [1, 2].map(|host| SocketAddrV4::new([10, 0, 0, host].into(), 7946));
    let mut bytes = Vec::new();
    FixedCodec.encode_member(&Member::alive(first), &mut bytes)?;
    println!("a member takes {} bytes: {bytes:02x?}", bytes.len());

    smol::block_on(async {
        let network = MemoryNetwork::new();
        let builder = || Builder::new().codec(FixedCodec);
        let transport = network.bind(first.into())?;
        let first = builder()
            .transport(transport)
            .identity(first)
            .spawn()
            .await?;
        let mut events = first.events();
        let transport = network.bind(second.into())?;
        let builder = builder().transport(transport).identity(second);
        let second = builder.seeds([first.local_addr()]).spawn().await?;
        let mut seen_by_second = second.events();
        // Who goes before the other is sure of it is not missed.
        second.wait_for(1, Duration::from_secs(30)).await?;
        while let Some(event) = events.next().await {
            if let Event::Joined(member) = event {
                println!("{member} joined {}", first.identity());
                first.leave().await?;
            }
        }
        while let Some(event) = seen_by_second.next().await {
            if let Event::Left(member) = event {
                println!("{member} left {}", second.identity());
                second.leave().await?;
            }
        }
        Ok(())
    })
}
