//! Of two connections with the same peer, one remains.

use alloc::sync::Arc;
use core::{net::SocketAddr, time::Duration};

use async_io::Timer;

use super::{links::Pair, shared::Shared};

/// For how long nothing moves over a connection that is closed in favour of another.
const QUIET: Duration = Duration::from_secs(1);

/// How often we look whether it is quiet before it is closed anyway.
const QUIET_LOOKS_MAX: u32 = 30;

/// In how many of those spans something must have come for us over the one that is to be closed,
/// before we take it that the peer keeps that one.
const DISAGREED_MAX: u32 = 2;

/// Closes the loser of two connections once nothing moves over it any more, so that what is under
/// way on it arrives.
///
/// Who accepts a connection beside another one cannot know whether the peer had that, too, when it
/// dialled; so the two ends may keep different ones. Then both come round to the one with the lower
/// mark.
pub(super) async fn collapse(shared: Arc<Shared>, peer: SocketAddr, mut pair: Pair) {
    let mut heard = pair.keeper.heard();
    let mut began = pair.loser.heard();
    let (mut traffic, mut told) = (pair.loser.traffic(), pair.loser.told());
    let (mut quiet, mut disagreed) = (0, 0);
    for _ in 0..QUIET_LOOKS_MAX {
        Timer::after(QUIET).await;
        if pair.loser.is_closed() || pair.keeper.is_closed() {
            return;
        }
        let is_quiet = pair.loser.traffic() == traffic && pair.loser.streams.is_empty();
        quiet = if is_quiet { quiet + 1 } else { 0 };
        // Who keeps the lower one closes first: so no two close both at once.
        let is_agreed = pair.is_lower_kept();
        if quiet > u32::from(!is_agreed) {
            break;
        }
        disagreed += u32::from(pair.loser.told() != told);
        if disagreed >= DISAGREED_MAX && !is_agreed && shared.come_round(peer, &pair) {
            pair = pair.swapped();
            (heard, began, disagreed) = (pair.keeper.heard(), pair.loser.heard(), 0);
        }
        (traffic, told) = (pair.loser.traffic(), pair.loser.told());
    }
    let alive = pair.loser.heard() > began;
    shared.settle(peer, &pair, heard, alive);
}
