//! Whether a transport was closed.

use std::sync::{Mutex, PoisonError};

use futures::{
    FutureExt,
    channel::oneshot,
    future::{Future, Shared},
};

/// Open, until closed.
#[derive(Debug)]
pub(super) struct Closing {
    /// Dropped to close.
    open: Mutex<Option<oneshot::Sender<()>>>,
    closed: Shared<oneshot::Receiver<()>>,
}

impl Closing {
    pub(super) fn new() -> Self {
        let (open, closed) = oneshot::channel();
        Self {
            open: Mutex::new(Some(open)),
            closed: closed.shared(),
        }
    }

    pub(super) fn close(&self) {
        // Nothing panics while it holds the lock.
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        drop(open.take());
    }

    pub(super) fn is_closed(&self) -> bool {
        let open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        open.is_none()
    }

    /// Resolves when it is.
    pub(super) fn closed(&self) -> impl Future<Output = ()> + Send + Unpin + use<> {
        self.closed.clone().map(|_| ())
    }
}
