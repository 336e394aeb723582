//! Members that do not trust each other: silence on the wire, a word to the operator.

use core::time::Duration;

use selkie::transports::quic::{Counters, Quic};
use smol::Timer;

use crate::{failure::Failure, print};

/// How often the counters are looked at.
const LOOK_EVERY: Duration = Duration::from_secs(1);

const HINT: &str = "all members need unexpired certificates of one authority: that of --ca";

/// Says once of each kind of refusal that it happens.
pub(super) async fn watch(quic: Quic) {
    let mut kinds: Vec<Kind> = vec![
        (
            |counters| counters.dials_untrusted,
            "cannot join at a peer",
            "its certificate is not of our authority, or has expired",
        ),
        (
            |counters| counters.rejected_by_peer,
            "a peer refuses us",
            "to it, our certificate is not of its authority, or has expired",
        ),
        (
            |counters| counters.inbound_untrusted,
            "refused a stranger",
            "its certificate is not of our authority, or has expired",
        ),
        (
            |counters| counters.renewals_failed,
            "cannot use the changed certificates",
            "they do not belong together, or every peer would refuse them: the former ones stay",
        ),
    ];
    while !kinds.is_empty() {
        Timer::after(LOOK_EVERY).await;
        let counters = quic.counters();
        kinds.retain(|(count, what, why)| {
            let is_quiet = count(&counters) == 0;
            if !is_quiet {
                print::error(Failure::new(*what, why).hint(HINT));
            }
            is_quiet
        });
    }
}

/// What is counted, and what to say when there is something.
type Kind = (fn(&Counters) -> u64, &'static str, &'static str);
