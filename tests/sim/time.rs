//! How time passes, whatever a scenario does meanwhile.

use selkie::{
    Config,
    codecs::PostcardCodec,
    sim::{Bounds, Rule, Simulation},
};

use crate::{Peers, joined, secs};

#[test]
fn time_never_runs_backwards_when_an_action_lets_it_pass() {
    let mut sim = joined(5, Config::lan(), 1);
    sim.guard(Bounds::new().packets_per_second(1000));
    let start = sim.now();
    sim.after(secs(1), |sim| sim.run_for(secs(20)));
    sim.after(secs(5), move |sim| {
        assert_eq!(sim.now(), start + secs(5));
        sim.crash(3);
    });
    sim.run_for(secs(12));
    assert_eq!(sim.now(), start + secs(21));
    sim.run_for(secs(12));
    assert_eq!(sim.now(), start + secs(33));
    sim.verdict().unwrap();
}

#[test]
fn an_action_can_expect_something() {
    let mut sim = joined(5, Config::lan(), 1);
    sim.after(secs(1), |sim| {
        sim.crash(3);
        sim.expect_all_seen(secs(60)).unwrap();
        sim.restart(3);
    });
    sim.run_for(secs(100));
    sim.verdict().unwrap();
    assert!(sim.all_see_all() && sim.live().count() == 5);
}

#[test]
fn actions_within_actions_without_end_are_found() {
    fn again(sim: &mut Peers) {
        sim.after(secs(1), again);
        sim.run_for(secs(2));
    }
    let mut sim = joined(3, Config::lan(), 1);
    sim.after(secs(1), again);
    sim.run_for(secs(1000));
    assert_eq!(sim.verdict().unwrap_err().rule(), Rule::Livelock);
}

#[test]
fn a_simulation_may_begin_without_nodes() {
    let mut sim = Simulation::new(1, Config::lan(), PostcardCodec);
    sim.after(secs(0), |sim: &mut Peers| {
        sim.add_peers(3);
        sim.join_all(0);
    });
    sim.run_for(secs(10));
    sim.verdict().unwrap();
    assert!(sim.all_see_all());
}
