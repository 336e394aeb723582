//! Who a member is.

use core::{
    fmt::Debug,
    hash::Hash,
    net::{SocketAddr, SocketAddrV4, SocketAddrV6},
};

/// Who a member is, and who takes its place.
///
/// An identity has an address, unique among the members, and whatever else it wants to carry. Two
/// identities with one address are two lives of one member: [`win_addr_conflict`] decides which
/// one is meant. An identity that can be [renewed](Self::renew) comes back by itself after the
/// cluster declared it down.
///
/// Ready ones: [`Node`](crate::Node), and the socket addresses of `core::net`, which cannot be
/// renewed: a socket address that was declared down stays so until it is forgotten.
///
/// [`win_addr_conflict`]: Self::win_addr_conflict
pub trait Identity: Clone + Eq + Debug {
    /// What is unique to a member: a socket address, a name.
    type Addr: Clone + Eq + Hash + Debug;

    /// The address. Cheap: asked for at every look-up.
    fn addr(&self) -> Self::Addr;

    /// The next life of this identity: same address, and it [wins](Self::win_addr_conflict)
    /// against this one. `None` when there is none.
    fn renew(&self) -> Option<Self>;

    /// Whether this identity stands and `adversary`, which has the same address, goes.
    ///
    /// Must be a strict order: of two different identities with one address exactly one wins, the
    /// same one at every member.
    fn win_addr_conflict(&self, adversary: &Self) -> bool;

    /// A renewal that also wins against `winner`. By default a plain [`renew`](Self::renew), if
    /// it does.
    fn renew_past(&self, winner: &Self) -> Option<Self> {
        self.renew()
            .filter(|renewed| renewed.win_addr_conflict(winner))
    }

    /// Whether an Announce to `dst` is for us. By default, one to our address.
    ///
    /// A joiner may know less than the whole identity of whom it joins at.
    fn accepts_announce(&self, dst: &Self) -> bool {
        self.addr() == dst.addr()
    }

    /// Whether this names one member, rather than whoever lives somewhere. Only such ones are
    /// ever held as members; the others are destinations of an Announce.
    fn names_member(&self) -> bool {
        true
    }
}

/// Where an identity lives, and how to address a stranger: what the agent needs to know beyond
/// [`Identity`].
pub trait Locate: Identity {
    /// The socket address at which the member receives.
    fn socket_addr(&self) -> SocketAddr;

    /// An identity to announce to, made from the address of a seed. `None` when this kind of
    /// identity cannot live there, such as an IPv6 address for a [`SocketAddrV4`].
    fn from_seed(addr: SocketAddr) -> Option<Self>;

    /// What a certificate has to call this member, where members prove who they are. By default
    /// `None`: it is not told by a name, but at most by its address.
    fn certified_name(&self) -> Option<&str> {
        None
    }
}

macro_rules! socket_addr_identity {
    ($kind:ty, $into:expr, $from:expr) => {
        impl Identity for $kind {
            type Addr = Self;

            fn addr(&self) -> Self {
                *self
            }

            fn renew(&self) -> Option<Self> {
                None
            }

            fn win_addr_conflict(&self, _adversary: &Self) -> bool {
                false
            }

            fn names_member(&self) -> bool {
                !self.ip().is_unspecified() && self.port() != 0
            }
        }

        impl Locate for $kind {
            fn socket_addr(&self) -> SocketAddr {
                $into(*self)
            }

            fn from_seed(addr: SocketAddr) -> Option<Self> {
                $from(addr)
            }
        }
    };
}

socket_addr_identity!(SocketAddr, |addr| addr, Some);
socket_addr_identity!(SocketAddrV4, SocketAddr::V4, |addr| match addr {
    SocketAddr::V4(addr) => Some(addr),
    SocketAddr::V6(_) => None,
});
socket_addr_identity!(SocketAddrV6, SocketAddr::V6, |addr| match addr {
    SocketAddr::V6(addr) => Some(addr),
    SocketAddr::V4(_) => None,
});
