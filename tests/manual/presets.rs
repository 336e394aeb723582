//! What the manual says of presets is what they are.

use core::time::Duration;

use selkie::{Config, Suspicion};

use crate::page::{self, words};

#[test]
fn the_table_of_presets_has_what_they_come_to() {
    let text = page::read("docs/production.md");
    for (name, config) in [
        ("local", Config::local()),
        ("lan", Config::lan()),
        ("wan", Config::wan()),
    ] {
        let row = text
            .lines()
            .find(|line| line.starts_with(&format!("| `{name}` |")));
        let row = row.unwrap_or_else(|| panic!("no row of {name}"));
        let cells: Vec<_> = row.split('|').skip(3).map(words).collect();
        let mut wanted = vec![shown(config.probe_period), shown(config.probe_rtt)];
        let Suspicion::Confirmed { min, .. } = config.suspicion else {
            panic!("{name}: {:?}", config.suspicion);
        };
        for members in [10, 100, 1000] {
            let least = Suspicion::PeriodsPerLog10(min).at(members, config.probe_period);
            let most = config.suspicion.at(members, config.probe_period);
            wanted.push(format!("{} to {} s", least.as_secs(), most.as_secs()));
        }
        assert_eq!(cells[..wanted.len()], wanted, "{name}");
    }
}

fn shown(time: Duration) -> String {
    match time.as_millis() {
        millis if millis.is_multiple_of(1000) => format!("{} s", millis / 1000),
        millis => format!("{millis} ms"),
    }
}
