//! Calls of a handle from inside the agent itself, which cannot be waited for there.

use alloc::{boxed::Box, sync::Arc};
use core::{cell::Cell, error::Error};

use super::shared::Shared;
use crate::{BroadcastHandler, Identity};

std::thread_local! {
    /// The agent whose handler runs on this thread, by the address of what it shares; 0: none.
    static RUNNING: Cell<usize> = const { Cell::new(0) };
}

/// A user's broadcast handler. While it runs, the agent's handles know.
pub(super) struct Inside<H, I: Identity> {
    handler: H,
    shared: Arc<Shared<I>>,
}

impl<H, I: Identity> Inside<H, I> {
    pub(super) fn new(handler: H, shared: Arc<Shared<I>>) -> Self {
        Self { handler, shared }
    }

    fn enter(&self) -> Visit {
        visit(address(&self.shared))
    }
}

impl<I: Identity, H: BroadcastHandler<I>> BroadcastHandler<I> for Inside<H, I> {
    type Key = H::Key;

    fn receive_item(
        &mut self,
        data: &[u8],
        sender: Option<&I>,
    ) -> Result<Option<Self::Key>, Box<dyn Error + Send + Sync>> {
        let _visit = self.enter();
        self.handler.receive_item(data, sender)
    }

    fn should_add_broadcast_data(&self, member: &I) -> bool {
        let _visit = self.enter();
        self.handler.should_add_broadcast_data(member)
    }
}

/// Whether this thread runs a handler or a rule of this agent: the driver goes on only when it returns.
pub(super) fn is_inside<I: Identity>(shared: &Arc<Shared<I>>) -> bool {
    RUNNING.get() == address(shared)
}

/// Says so while the visit lasts: of the agent whose shared part has this address.
pub(super) fn visit(address: usize) -> Visit {
    Visit(RUNNING.replace(address))
}

pub(super) fn address<I: Identity>(shared: &Arc<Shared<I>>) -> usize {
    Arc::as_ptr(shared).addr()
}

/// Ends even if the handler panics. Has what ran before, if a handler runs another agent.
pub(super) struct Visit(usize);

impl Drop for Visit {
    fn drop(&mut self) {
        RUNNING.set(self.0);
    }
}
