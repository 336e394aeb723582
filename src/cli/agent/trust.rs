//! Members that do not trust each other: silence on the wire, a word to the operator.

use core::time::Duration;

use selkie::transports::quic::{Counters, Quic};
use smol::Timer;

use crate::{failure::Failure, print};

/// How often the counters are looked at.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// How it is told that somebody is not trusted.
pub(super) struct Words {
    untrusted: &'static str,
    rejected: &'static str,
    hint: &'static str,
}

/// Where members have certificates.
pub(super) const CERTIFICATES: Words = Words {
    untrusted: "its certificate is not of our authority, or has expired",
    rejected: "to it, our certificate is not of its authority, or has expired",
    hint: "all members need unexpired certificates of one authority: that of --ca",
};

/// Where members are known by their keys.
pub(super) const PINS: Words = Words {
    untrusted: "its key is not on our list",
    rejected: "our key is not on its list",
    hint: "the list of each member, --pins, needs a line for every member",
};

/// Says once of each kind of refusal that it happens.
pub(super) async fn watch(quic: Quic, words: Words) {
    let mut kinds: Vec<Kind> = vec![
        (
            |counters| counters.dials_untrusted,
            "cannot join at a peer",
            words.untrusted,
        ),
        (
            |counters| counters.rejected_by_peer,
            "a peer refuses us",
            words.rejected,
        ),
        (
            |counters| counters.inbound_untrusted,
            "refused a stranger",
            words.untrusted,
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
                print::error(Failure::new(*what, why).hint(words.hint));
            }
            is_quiet
        });
    }
}

/// What is counted, and what to say when there is something.
type Kind = (fn(&Counters) -> u64, &'static str, &'static str);
