//! Another library's members on the same network: foca's.

#[path = "../../benches/sim/foreigner.rs"]
mod foreigner;

use selkie::sim::{Bounds, Link, News};

use self::foreigner::foreigners;
use crate::secs;

#[test]
fn foca_runs_on_the_same_network_under_the_same_checks() {
    let mut sim = foreigners(16, 1);
    sim.guard(Bounds::new());
    sim.set_links(Link::lan().loss(0.02));
    sim.expect_all_seen(secs(300)).unwrap();
    let crash = sim.crash(5);
    let took = sim.run_until(secs(300), |sim| sim.seen_by(5) == 0);
    assert!(took.is_some());
    assert!(sim.history().first(News::Down, 5, crash).is_some());
    assert!(sim.traffic().sent_of("ping").packets > 50 && sim.faults().lost > 0);
}
