//! What the agent puts before each of the engine's datagrams: `docs/wire.md` has the layout.
//!
//! Whose datagram it is, what kind it is, and whatever else there is to say, as items that are
//! read past by those who do not know them.

use alloc::vec::Vec;
use core::hash::Hasher;

use siphasher::sip::SipHasher13;

use crate::Name;

/// What the datagrams of a cluster begin with.
#[derive(Clone, Copy, Debug)]
pub(super) struct Envelope {
    /// The cluster's mark, where the transport does not keep clusters apart.
    mark: Option<Mark>,
    /// Whether datagrams are sent as the engine wrote them, for foca's sake.
    pub(super) is_bare: bool,
    /// Whether such datagrams are taken, too.
    takes_bare: bool,
}

/// Tells one cluster's datagrams from another's, as long as nobody means harm.
type Mark = [u8; 4];

/// What is in an envelope.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Opened<'a> {
    /// `None`: one from a later version.
    pub(super) kind: Option<Kind>,
    pub(super) items: Items<'a>,
    pub(super) body: &'a [u8],
}

/// What the body of a datagram is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// What the engine sends and takes.
    Engine,
    /// A header that says who speaks to whom: it is the items that matter.
    Aside,
    /// Such a header, and a user's message.
    Message,
}

/// Why a datagram was not opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Unopened {
    /// It has no envelope, one of another version, or another cluster's mark.
    Stranger,
    /// It ends too early.
    Malformed,
}

impl Envelope {
    /// The envelope of a cluster. `is_marked` if the transport does not keep clusters apart.
    pub(super) fn new(cluster: &Name, is_marked: bool, is_bare: bool) -> Self {
        Self {
            mark: is_marked.then(|| mark_of(cluster)),
            is_bare,
            takes_bare: is_bare,
        }
    }

    /// Changes how datagrams are sent. Once bare ones were, they are taken: not all members change
    /// at once.
    pub(super) fn set_bare(&mut self, is_bare: bool) {
        self.is_bare = is_bare;
        self.takes_bare |= is_bare;
    }

    /// How many bytes it takes, without items.
    pub(super) fn len(&self) -> usize {
        match self.is_bare {
            true => 0,
            false => self.head_len(),
        }
    }

    /// Puts it into `buf`, for a body to follow, with items as they are on the wire. Items beyond
    /// 65,535 bytes are left out.
    pub(super) fn put(&self, kind: Kind, items: &[u8], buf: &mut Vec<u8>) {
        if self.is_bare {
            debug_assert_eq!(kind, Kind::Engine, "foca knows no other");
            return;
        }
        match u16::try_from(items.len()) {
            Ok(len @ 1..) => {
                self.put_head(kind.tag() | HAS_ITEMS, buf);
                buf.extend_from_slice(&len.to_be_bytes());
                buf.extend_from_slice(items);
            }
            _ => self.put_head(kind.tag(), buf),
        }
    }

    /// How many bytes [`put_head`](Self::put_head) puts.
    pub(super) fn head_len(&self) -> usize {
        2 + self.mark.map_or(0, |mark| mark.len())
    }

    /// Puts version, mark and kind, be it bare or not: what streams begin with.
    pub(super) fn put_head(&self, tag: u8, buf: &mut Vec<u8>) {
        buf.push(VERSION);
        buf.extend_from_slice(self.mark.as_ref().map_or(&[], |mark| mark.as_slice()));
        buf.push(tag);
    }

    /// Takes it off.
    pub(super) fn open<'a>(&self, datagram: &'a [u8]) -> Result<Opened<'a>, Unopened> {
        match self.strip_mark(datagram) {
            Some(rest) => open(rest).ok_or(Unopened::Malformed),
            None if self.takes_bare => Ok(Opened {
                kind: Some(Kind::Engine),
                items: Items(&[]),
                body: datagram,
            }),
            None => Err(Unopened::Stranger),
        }
    }

    /// What follows version and mark, if they are ours.
    pub(super) fn strip_mark<'a>(&self, bytes: &'a [u8]) -> Option<&'a [u8]> {
        let rest = bytes.strip_prefix(&[VERSION])?;
        match &self.mark {
            Some(mark) => rest.strip_prefix(mark),
            None => Some(rest),
        }
    }
}

fn open(after_mark: &[u8]) -> Option<Opened<'_>> {
    let (&tag, mut body) = after_mark.split_first()?;
    let mut items = Items(&[]);
    if tag & HAS_ITEMS != 0 {
        let (len, rest) = body.split_first_chunk()?;
        let len = usize::from(u16::from_be_bytes(*len));
        let (listed, rest) = rest.split_at_checked(len)?;
        (items, body) = (Items(listed), rest);
    }
    let is_whole = items.is_whole();
    is_whole.then_some(Opened {
        kind: Kind::from_tag(tag & !HAS_ITEMS),
        items,
        body,
    })
}

impl Kind {
    fn tag(self) -> u8 {
        match self {
            Self::Engine => 0,
            Self::Aside => 1,
            Self::Message => 2,
        }
    }

    fn from_tag(tag: u8) -> Option<Self> {
        match tag {
            0 => Some(Self::Engine),
            1 => Some(Self::Aside),
            2 => Some(Self::Message),
            _ => None,
        }
    }
}

/// What is said beside the body: pairs of a tag and bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Items<'a>(&'a [u8]);

impl Items<'_> {
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    fn is_whole(mut self) -> bool {
        while self.next().is_some() {}
        self.0.is_empty()
    }
}

impl<'a> Iterator for Items<'a> {
    type Item = (u8, &'a [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        let (&tag, rest) = self.0.split_first()?;
        let (len, rest) = rest.split_first_chunk()?;
        let len = usize::from(u16::from_be_bytes(*len));
        let (bytes, rest) = rest.split_at_checked(len)?;
        self.0 = rest;
        Some((tag, bytes))
    }
}

fn mark_of(cluster: &Name) -> Mark {
    let mut hasher = SipHasher13::new();
    hasher.write(cluster.as_str().as_bytes());
    let [a, b, c, d, ..] = hasher.finish().to_be_bytes();
    [a, b, c, d]
}

/// The tag of an item about a member's metadata.
pub(super) const METADATA_ITEM: u8 = 1;
/// How many bytes say how many bytes of items there are.
pub(super) const ITEMS_LEN_LEN: usize = 2;
/// The first byte of every envelope: of this layout. No codec of ours begins a datagram with it.
const VERSION: u8 = 0xe1;
/// The bit of the kind that says that items precede the body.
const HAS_ITEMS: u8 = 0x80;

#[cfg(test)]
mod tests;
