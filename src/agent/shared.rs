//! What the driver and the handles share: the driver writes, the handles read.

use alloc::{
    boxed::Box,
    sync::{Arc, Weak},
    vec::Vec,
};
use core::net::SocketAddr;
use std::{
    sync::{Mutex, MutexGuard, PoisonError},
    time::SystemTime,
};

use super::{
    Departure, Event, Limits, Metadata, Stats, accusations::Accusations, events::Readers,
    messages::Mailbox, view::View,
};
use crate::{Config, Identity, Member, Transport, transport::Fingerprints};

/// One lock for members and readers, so that a reader sees both change together, one for figures,
/// and one for accusations. None is ever held while foreign code runs or a task waits.
pub(super) struct Shared<I: Identity> {
    pub(super) local_addr: SocketAddr,
    published: Mutex<Published<I>>,
    stats: Mutex<Stats>,
    accusations: Mutex<Accusations<I>>,
    pub(super) mailbox: Arc<Mailbox<I>>,
    transport: Box<dyn Reachable>,
}

/// A transport that is asked as long as it is there: handles do not keep its address.
pub(super) trait Reachable: Send + Sync {
    /// What it counted.
    fn counted(&self) -> Option<Vec<(&'static str, u64)>>;

    /// What its keys are called.
    fn fingerprints(&self) -> Option<Fingerprints>;
}

impl<T: Transport> Reachable for Weak<T> {
    fn counted(&self) -> Option<Vec<(&'static str, u64)>> {
        Some(counted(&*self.upgrade()?))
    }

    fn fingerprints(&self) -> Option<Fingerprints> {
        Some(self.upgrade()?.fingerprints())
    }
}

/// What a transport counted.
pub(super) fn counted(transport: &impl Transport) -> Vec<(&'static str, u64)> {
    let mut figures = Vec::new();
    transport.count(&mut |name, figure| figures.push((name, figure)));
    figures
}

pub(super) struct Published<I: Identity> {
    pub(super) identity: I,
    pub(super) config: Config,
    pub(super) view: View<I>,
    pub(super) readers: Readers<I>,
    pub(super) is_stopped: bool,
    pub(super) is_defunct: bool,
    pub(super) departure: Option<Departure>,
    /// Our own.
    pub(super) metadata: Option<Metadata>,
}

/// What is known of whoever has an address, by now.
pub(super) type Change<I> = (<I as Identity>::Addr, Option<Member<I>>, Option<Metadata>);

impl<I: Identity> Shared<I> {
    pub(super) fn new(
        identity: I,
        config: Config,
        limits: &Limits,
        local_addr: SocketAddr,
        transport: Box<dyn Reachable>,
    ) -> Arc<Self> {
        Arc::new(Self {
            local_addr,
            transport,
            published: Mutex::new(Published {
                identity,
                config,
                view: View::new(),
                readers: Readers::new(limits),
                is_stopped: false,
                is_defunct: false,
                departure: None,
                metadata: None,
            }),
            stats: Mutex::new(Stats::default()),
            accusations: Mutex::new(Accusations::new()),
            mailbox: Mailbox::new(limits),
        })
    }

    pub(super) fn published(&self) -> MutexGuard<'_, Published<I>> {
        // Nothing panics while holding it but an identity's own `clone` or `eq`.
        self.published
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn accusations(&self) -> MutexGuard<'_, Accusations<I>> {
        self.accusations
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether this is not the identity that handles know of.
    pub(super) fn is_renewed(&self, identity: &I) -> bool {
        self.published().identity != *identity
    }

    pub(super) fn stats(&self) -> Stats {
        let counted = self.transport.counted();
        let mut stats = self.locked_stats().clone();
        if let Some(counted) = counted {
            stats.transport = counted;
        }
        let readers = &self.published().readers;
        stats.readers = readers.len() as u64;
        stats.readers_refused = readers.refused;
        stats.events_coalesced = readers.coalesced;
        stats
    }

    pub(super) fn fingerprints(&self) -> Fingerprints {
        self.transport.fingerprints().unwrap_or_default()
    }

    pub(super) fn set_config(&self, config: &Config) {
        self.published().config.clone_from(config);
    }

    pub(super) fn set_stats(&self, stats: &Stats) {
        self.locked_stats().clone_from(stats);
    }

    /// Shows a change: what is believed about some members now, and the events that say so.
    pub(super) fn publish(
        &self,
        identity: &I,
        members: Vec<Change<I>>,
        events: &[Event<I>],
        now: SystemTime,
    ) {
        let mut wakers = Vec::new();
        let mut published = self.published();
        if published.identity != *identity {
            published.identity = identity.clone();
        }
        published.is_defunct |= events.contains(&Event::Defunct);
        let Published { view, readers, .. } = &mut *published;
        readers.reserve(events.len(), || view.copy());
        for (addr, member, metadata) in members {
            view.set(&addr, member, now);
            view.set_metadata(&addr, metadata);
        }
        if !events.is_empty() {
            readers.push(events, &mut wakers);
        }
        drop(published);
        wakers.into_iter().for_each(|waker| waker.wake());
    }

    /// Tells everybody that the driver is no more.
    pub(super) fn stop(&self) {
        self.mailbox.close();
        let mut published = self.published();
        published.is_stopped = true;
        let wakers = published.readers.take_wakers();
        drop(published);
        wakers.into_iter().for_each(|waker| waker.wake());
    }

    fn locked_stats(&self) -> MutexGuard<'_, Stats> {
        self.stats.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
