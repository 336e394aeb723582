//! The identity of these tests, to selkie and to both focas, and custom broadcasts.

use std::{
    collections::BTreeSet,
    convert::Infallible,
    error::Error,
    net::{Ipv4Addr, SocketAddr, SocketAddrV4},
    sync::{Arc, Mutex},
};

use serde::{Deserialize, Serialize};

/// Where a member lives, and which life of it this is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub(crate) struct Peer {
    pub(crate) addr: SocketAddrV4,
    pub(crate) bump: u16,
}

/// The first life of a member of a virtual world.
pub(crate) fn peer(number: u16) -> Peer {
    Peer {
        addr: SocketAddrV4::new(Ipv4Addr::new(10, 0, 0, 1), 7000 + number),
        bump: 0,
    }
}

impl Peer {
    pub(crate) fn next(self) -> Self {
        Self {
            bump: self.bump + 1,
            ..self
        }
    }
}

impl selkie::Identity for Peer {
    type Addr = SocketAddrV4;

    fn addr(&self) -> SocketAddrV4 {
        self.addr
    }

    fn renew(&self) -> Option<Self> {
        let bump = self.bump.checked_add(1)?;
        Some(Self { bump, ..*self })
    }

    fn win_addr_conflict(&self, adversary: &Self) -> bool {
        self.bump > adversary.bump
    }
}

impl selkie::Locate for Peer {
    fn socket_addr(&self) -> SocketAddr {
        self.addr.into()
    }

    fn from_seed(addr: SocketAddr) -> Option<Self> {
        match addr {
            SocketAddr::V4(addr) => Some(Self { addr, bump: 0 }),
            SocketAddr::V6(_) => None,
        }
    }
}

/// Broadcasts that were heard, each once. Clones share what they heard.
#[derive(Clone, Debug, Default)]
pub(crate) struct Heard(Arc<Mutex<BTreeSet<Vec<u8>>>>);

#[derive(Clone, Copy, Debug)]
pub(crate) struct Distinct;

impl Heard {
    pub(crate) fn contains(&self, data: &[u8]) -> bool {
        self.0.lock().unwrap().contains(data)
    }

    fn hear(&self, data: &[u8]) -> Option<Distinct> {
        self.0
            .lock()
            .unwrap()
            .insert(data.to_vec())
            .then_some(Distinct)
    }
}

impl selkie::Invalidates for Distinct {
    fn invalidates(&self, _other: &Self) -> bool {
        false
    }
}

impl<I> selkie::BroadcastHandler<I> for Heard {
    type Key = Distinct;

    fn receive_item(
        &mut self,
        data: &[u8],
        _sender: Option<&I>,
    ) -> Result<Option<Distinct>, Box<dyn Error + Send + Sync>> {
        Ok(self.hear(data))
    }
}

macro_rules! foca_peer {
    ($foca:ident) => {
        impl $foca::Identity for Peer {
            type Addr = SocketAddrV4;

            fn renew(&self) -> Option<Self> {
                selkie::Identity::renew(self)
            }

            fn addr(&self) -> SocketAddrV4 {
                self.addr
            }

            fn win_addr_conflict(&self, adversary: &Self) -> bool {
                selkie::Identity::win_addr_conflict(self, adversary)
            }
        }

        impl $foca::Invalidates for Distinct {
            fn invalidates(&self, _other: &Self) -> bool {
                false
            }
        }

        impl<I> $foca::BroadcastHandler<I> for Heard {
            type Key = Distinct;
            type Error = Infallible;

            fn receive_item(
                &mut self,
                data: &[u8],
                _sender: Option<&I>,
            ) -> Result<Option<Distinct>, Infallible> {
                Ok(self.hear(data))
            }
        }
    };
}

foca_peer!(foca);
foca_peer!(foca1);
