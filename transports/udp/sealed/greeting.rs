//! How streams are sealed, and how they begin.
//!
//! ```text
//! opener:   magic (5) | hint of the key (1) | opener's nonce (16) | sealed port (2 + 16)
//! acceptor: magic (5) | acceptor's nonce (16) | sealed nothing (16)
//! opener:   sealed nothing (16)
//! both:     chunks
//! ```
//!
//! What the opener says first is sealed with a key that comes of the cluster's key and its nonce:
//! strangers get no answer. All else is sealed with a key that comes of both nonces, so that what
//! was recorded of one stream opens in no other. Each chunk has the next number of its direction,
//! and says whether it is the last: none can be left out, repeated, moved or cut off unnoticed.

use alloc::{boxed::Box, sync::Arc, vec::Vec};
use std::{io, net::TcpStream};

use async_io::Async;
use chacha20poly1305::{AeadInOut, ChaCha20Poly1305, KeyInit, Nonce};
use futures::{AsyncReadExt, AsyncWriteExt};

use super::{
    super::{
        companion::{Greeter, Ungreeted},
        stream::{Chunks, invalid},
    },
    key::{Secret, derive, random},
    keyring::InUse,
    seal::{Secrets, TAG_LEN},
};

impl Greeter for Secrets {
    async fn greet(
        &self,
        mut tcp: &Async<TcpStream>,
        port: u16,
    ) -> Result<Box<dyn Chunks>, Ungreeted> {
        let key = self.keyring.primary();
        let associated = self.associated();
        let mut nonce = [0; NONCE_LEN];
        random(&mut nonce)?;
        let mut greeting = [&MAGIC[..], &[key.id.hint()], &nonce].concat();
        let start = greeting.len();
        greeting.extend_from_slice(&port.to_be_bytes());
        let mut sealer = Direction::greeting(&key, &nonce, &associated);
        sealer.seal(&mut greeting, start, false)?;
        tcp.write_all(&greeting).await?;

        let mut answer = [0; ANSWER_LEN];
        tcp.read_exact(&mut answer).await?;
        let (magic, answer) = split::<{ MAGIC.len() }>(&answer)?;
        let (theirs, proof) = split::<NONCE_LEN>(answer)?;
        if *magic != MAGIC {
            return Err(Ungreeted::Refused("not a greeting of sealed streams"));
        }
        let mut sealed = Sealed::new(&key, [&nonce, theirs], &associated, Side::Opener);
        sealed.check(proof)?;
        tcp.write_all(&sealed.prove()?).await?;
        Ok(Box::new(sealed))
    }

    async fn welcome(
        &self,
        mut tcp: &Async<TcpStream>,
    ) -> Result<(u16, Box<dyn Chunks>), Ungreeted> {
        let associated = self.associated();
        let mut greeting = [0; GREETING_LEN];
        tcp.read_exact(&mut greeting).await?;
        let (magic, greeting) = split::<{ MAGIC.len() }>(&greeting)?;
        let (hint, greeting) = split::<1>(greeting)?;
        let (theirs, sealed_port) = split::<NONCE_LEN>(greeting)?;
        if *magic != MAGIC {
            return Err(Ungreeted::Refused("not a greeting of sealed streams"));
        }
        let opened = self.keyring.hinted(hint[0]).find_map(|key| {
            let mut port = sealed_port.to_vec();
            let mut opener = Direction::greeting(&key, theirs, &associated);
            opener.open(&mut port, false).ok()?;
            let port = port.first_chunk()?;
            Some((u16::from_be_bytes(*port), key))
        });
        let (port, key) = opened.ok_or(STRANGER)?;

        let mut ours = [0; NONCE_LEN];
        random(&mut ours)?;
        let mut sealed = Sealed::new(&key, [theirs, &ours], &associated, Side::Acceptor);
        let answer = [&MAGIC[..], &ours, &sealed.prove()?].concat();
        tcp.write_all(&answer).await?;
        let mut proof = [0; TAG_LEN];
        tcp.read_exact(&mut proof).await?;
        sealed.check(&proof)?;
        Ok((port, Box::new(sealed)))
    }
}

/// Chunks that are sealed.
struct Sealed {
    ours: Direction,
    theirs: Direction,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Side {
    Opener = 1,
    Acceptor = 2,
}

impl Sealed {
    fn new(
        key: &InUse,
        [opener, acceptor]: [&[u8; NONCE_LEN]; 2],
        associated: &Arc<[u8]>,
        ours: Side,
    ) -> Self {
        let secret = derive(&derive(&key.streams, opener), acceptor);
        let theirs = match ours {
            Side::Opener => Side::Acceptor,
            Side::Acceptor => Side::Opener,
        };
        let direction = |side: Side| Direction::new(&secret, side as u8, associated);
        Self {
            ours: direction(ours),
            theirs: direction(theirs),
        }
    }

    /// The first of our direction: it says that we have the key, for this very stream.
    fn prove(&mut self) -> io::Result<Vec<u8>> {
        let mut proof = Vec::new();
        self.ours.seal(&mut proof, 0, false)?;
        Ok(proof)
    }

    fn check(&mut self, proof: &[u8]) -> Result<(), Ungreeted> {
        let opened = self.theirs.open(&mut proof.to_vec(), false);
        opened.map(|_| ()).map_err(|_| STRANGER)
    }
}

impl Chunks for Sealed {
    fn overhead(&self) -> usize {
        TAG_LEN
    }

    fn seal(&mut self, chunk: &mut Vec<u8>, start: usize, is_last: bool) -> io::Result<()> {
        self.ours.seal(chunk, start, is_last)
    }

    fn open(&mut self, chunk: &mut [u8], is_last: bool) -> io::Result<usize> {
        self.theirs.open(chunk, is_last)
    }
}

/// What is sealed with one key and counted up.
struct Direction {
    cipher: ChaCha20Poly1305,
    associated: Arc<[u8]>,
    side: u8,
    next: u64,
}

impl Direction {
    fn new(secret: &Secret, side: u8, associated: &Arc<[u8]>) -> Self {
        Self {
            cipher: ChaCha20Poly1305::new(&(**secret).into()),
            associated: Arc::clone(associated),
            side,
            next: 0,
        }
    }

    /// For what the opener says first, which is all that this key is for.
    fn greeting(key: &InUse, nonce: &[u8; NONCE_LEN], associated: &Arc<[u8]>) -> Self {
        Self::new(&derive(&key.greetings, nonce), 0, associated)
    }

    fn seal(&mut self, chunk: &mut Vec<u8>, start: usize, is_last: bool) -> io::Result<()> {
        let nonce = self.nonce(is_last)?;
        let content = chunk.get_mut(start..).unwrap_or_default();
        let tag = self
            .cipher
            .encrypt_inout_detached(&nonce, &self.associated, content.into())
            .map_err(|_| invalid("cannot seal"))?;
        chunk.extend_from_slice(&tag);
        Ok(())
    }

    fn open(&mut self, chunk: &mut [u8], is_last: bool) -> io::Result<usize> {
        let nonce = self.nonce(is_last)?;
        let unopened = || invalid("what was sealed does not open");
        let (content, tag) = chunk
            .split_last_chunk_mut::<TAG_LEN>()
            .ok_or_else(unopened)?;
        let len = content.len();
        self.cipher
            .decrypt_inout_detached(&nonce, &self.associated, content.into(), &(*tag).into())
            .map_err(|_| unopened())?;
        Ok(len)
    }

    /// The nonce of the next one.
    fn nonce(&mut self, is_last: bool) -> io::Result<Nonce> {
        let number = self.next;
        self.next = number
            .checked_add(1)
            .ok_or_else(|| invalid("too long a stream"))?;
        let mut nonce = [0; 12];
        nonce[0] = self.side;
        nonce[1] = u8::from(is_last);
        nonce[4..].copy_from_slice(&number.to_be_bytes());
        Ok(nonce.into())
    }
}

fn split<const N: usize>(bytes: &[u8]) -> Result<(&[u8; N], &[u8]), Ungreeted> {
    bytes.split_first_chunk().ok_or(STRANGER)
}

const STRANGER: Ungreeted =
    Ungreeted::Refused("sealed with no key of ours, or for another cluster");
/// What each direction begins with: what we are, the version, and that it is sealed.
const MAGIC: [u8; 5] = *b"slk\x01s";
const NONCE_LEN: usize = 16;
const GREETING_LEN: usize = MAGIC.len() + 1 + NONCE_LEN + 2 + TAG_LEN;
const ANSWER_LEN: usize = MAGIC.len() + NONCE_LEN + TAG_LEN;
