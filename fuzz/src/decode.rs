//! Codecs: whatever is decoded can be encoded, and is the same when decoded again.

use core::{fmt::Debug, net::SocketAddr};

use selkie::{
    Codec, Node,
    codecs::{BincodeCodec, MsgpackCodec, PostcardCodec},
};

use super::engine::Id;

/// Bincode in both of its integer encodings.
pub fn decode_bincode(data: &[u8]) {
    decode(BincodeCodec::standard(), data);
    decode(BincodeCodec::legacy(), data);
}

/// Postcard.
pub fn decode_postcard(data: &[u8]) {
    decode(PostcardCodec, data);
}

/// MessagePack.
pub fn decode_msgpack(data: &[u8]) {
    decode(MsgpackCodec, data);
}

fn decode<C>(codec: C, data: &[u8])
where
    C: Codec<SocketAddr> + Codec<Node> + Codec<Id> + Clone,
{
    decode_as::<SocketAddr, _>(codec.clone(), data);
    decode_as::<Node, _>(codec.clone(), data);
    decode_as::<Id, _>(codec, data);
}

fn decode_as<I: PartialEq + Debug, C: Codec<I>>(mut codec: C, data: &[u8]) {
    let mut rest = data;
    if let Ok(header) = codec.decode_header(&mut rest) {
        assert!(data.ends_with(rest), "took bytes that are not at the front");
        let mut again = Vec::new();
        codec
            .encode_header(&header, &mut again)
            .expect("what was decoded can be encoded");
        let mut again = &again[..];
        let same = codec
            .decode_header(&mut again)
            .expect("what was encoded can be decoded");
        assert_eq!(same, header);
        assert!(again.is_empty());
    }
    let mut rest = data;
    if let Ok(member) = codec.decode_member(&mut rest) {
        assert!(data.ends_with(rest), "took bytes that are not at the front");
        let mut again = Vec::new();
        codec
            .encode_member(&member, &mut again)
            .expect("what was decoded can be encoded");
        let mut again = &again[..];
        let same = codec
            .decode_member(&mut again)
            .expect("what was encoded can be decoded");
        assert_eq!(same, member);
        assert!(again.is_empty());
    }
}
