//! Of two connections with the same peer, one remains.

use alloc::sync::Arc;
use core::{net::SocketAddr, time::Duration};

use async_io::Timer;

use super::{links::Pair, shared::Shared};

/// For how long nothing moves over a connection that is closed in favour of another.
const QUIET: Duration = Duration::from_secs(1);

/// How often we look whether it is quiet before it is closed anyway.
const QUIET_LOOKS_MAX: u32 = 30;

/// Closes the loser of two connections once nothing moves over it any more, so that what is under
/// way on it arrives.
pub(super) async fn collapse(shared: Arc<Shared>, peer: SocketAddr, pair: Pair) {
    let heard = pair.keeper.heard();
    let began = pair.loser.heard();
    let mut before = pair.loser.traffic();
    for _ in 0..QUIET_LOOKS_MAX {
        Timer::after(QUIET).await;
        if pair.loser.is_closed() || pair.keeper.is_closed() {
            return;
        }
        let now = pair.loser.traffic();
        if now == before && pair.loser.streams.is_empty() {
            break;
        }
        before = now;
    }
    let alive = pair.loser.heard() > began;
    shared.settle(peer, &pair, heard, alive);
}
