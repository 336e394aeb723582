//! How datagrams are sealed.
//!
//! ```text
//! version (1) | hint of the key (1) | session (16) | number (8) | sealed packet | tag (16)
//! ```
//!
//! The cipher is XChaCha20-Poly1305. Its nonce of 24 bytes is session and number: a session is
//! drawn at random when a transport is made, and numbers count up within it, whatever the key. So
//! no nonce is ever used twice, and each datagram has its place in the order of its sender, which
//! is what replays are known by. The associated data are the version and the cluster's name.

use alloc::{sync::Arc, vec::Vec};
use core::sync::atomic::{AtomicU64, Ordering};
use std::{
    io,
    sync::{Mutex, OnceLock, PoisonError},
};

use chacha20poly1305::{AeadInOut, KeyInit, XChaCha20Poly1305, XNonce};

use super::{
    key::random,
    keyring::Keyring,
    replay::{Replays, Session},
};

/// What sealing adds to a packet, in bytes.
pub(super) const OVERHEAD: usize = HEAD_LEN + TAG_LEN;

const HEAD_LEN: usize = 2 + NONCE_LEN;
const NONCE_LEN: usize = 24;
pub(super) const TAG_LEN: usize = 16;
const VERSION: u8 = 1;

/// What both datagrams and streams are sealed with.
pub(super) struct Secrets {
    pub(super) keyring: Keyring,
    cluster: OnceLock<Arc<[u8]>>,
    /// What stands for the cluster until it is named.
    nameless: Arc<[u8]>,
}

impl Secrets {
    pub(super) fn new(keyring: Keyring) -> Self {
        Self {
            keyring,
            cluster: OnceLock::new(),
            nameless: associated(""),
        }
    }

    /// Settles which cluster is spoken to, if that is not settled yet.
    pub(super) fn enter_cluster(&self, cluster: &str) {
        let _ = self.cluster.set(associated(cluster));
    }

    /// What must be the same at both ends, beside the key.
    pub(super) fn associated(&self) -> Arc<[u8]> {
        Arc::clone(self.cluster.get().unwrap_or(&self.nameless))
    }
}

fn associated(cluster: &str) -> Arc<[u8]> {
    [&b"selkie\0"[..], &[VERSION], cluster.as_bytes()]
        .concat()
        .into()
}

/// Seals datagrams, and opens those that are new.
pub(super) struct Datagrams {
    session: Session,
    next: AtomicU64,
    replays: Mutex<Replays>,
}

/// Why a datagram was not opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Unopened {
    /// It is too short, or of another version: nothing that was sealed.
    Malformed,
    /// None of our keys opens it, for our cluster.
    Stranger,
    /// It arrived before, or is too far behind.
    Replayed,
}

impl Datagrams {
    pub(super) fn new() -> io::Result<Self> {
        let mut session = Session::default();
        random(&mut session)?;
        Ok(Self {
            session,
            next: AtomicU64::new(0),
            replays: Mutex::default(),
        })
    }

    /// The datagram that a packet becomes.
    pub(super) fn seal(&self, secrets: &Secrets, packet: &[u8]) -> io::Result<Vec<u8>> {
        let key = secrets.keyring.primary();
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        let mut nonce = [0; NONCE_LEN];
        nonce[..16].copy_from_slice(&self.session);
        nonce[16..].copy_from_slice(&number.to_be_bytes());

        let mut datagram = Vec::with_capacity(packet.len().saturating_add(OVERHEAD));
        datagram.extend_from_slice(&[VERSION, key.id.hint()]);
        datagram.extend_from_slice(&nonce);
        datagram.extend_from_slice(packet);
        let cipher = XChaCha20Poly1305::new(&(*key.datagrams).into());
        let content = datagram.get_mut(HEAD_LEN..).unwrap_or_default();
        let tag = cipher
            .encrypt_inout_detached(&XNonce::from(nonce), &secrets.associated(), content.into())
            .map_err(|_| io::Error::other("cannot seal"))?;
        datagram.extend_from_slice(&tag);
        Ok(datagram)
    }

    /// Opens a datagram; the packet is at its front then. Returns how long it is.
    pub(super) fn open(&self, secrets: &Secrets, datagram: &mut [u8]) -> Result<usize, Unopened> {
        let (head, sealed) = datagram
            .split_first_chunk_mut::<HEAD_LEN>()
            .ok_or(Unopened::Malformed)?;
        let (content, tag) = sealed
            .split_last_chunk_mut::<TAG_LEN>()
            .ok_or(Unopened::Malformed)?;
        let [version, hint, nonce @ ..] = *head;
        if version != VERSION {
            return Err(Unopened::Malformed);
        }
        let associated = secrets.associated();
        // The tag is checked before anything is deciphered.
        let is_open = secrets.keyring.hinted(hint).any(|key| {
            XChaCha20Poly1305::new(&(*key.datagrams).into())
                .decrypt_inout_detached(
                    &XNonce::from(nonce),
                    &associated,
                    (&mut *content).into(),
                    &(*tag).into(),
                )
                .is_ok()
        });
        if !is_open {
            return Err(Unopened::Stranger);
        }
        let len = content.len();
        let mut session = Session::default();
        session.copy_from_slice(&nonce[..16]);
        let number = nonce
            .last_chunk()
            .map_or(0, |last| u64::from_be_bytes(*last));
        let mut replays = self.replays.lock().unwrap_or_else(PoisonError::into_inner);
        if !replays.admit(&session, number) {
            return Err(Unopened::Replayed);
        }
        datagram.copy_within(HEAD_LEN..HEAD_LEN.saturating_add(len), 0);
        Ok(len)
    }
}
