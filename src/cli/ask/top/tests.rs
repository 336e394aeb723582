use core::time::Duration;
use std::{collections::BTreeMap, time::Instant};

use ratatui::{Terminal, backend::TestBackend};
use serde_json::{Value, json};

use super::{Picture, Sample, draw};

#[test]
fn everything_fits_80_columns_and_24_lines() {
    let others = [
        ("b", "alive", "10.0.0.2:7946", json!("rack 7\u{1b}[2J")),
        ("c", "suspect", "[2001:db8::1]:7946", Value::Null),
    ];
    let before = sample(&others, 0);
    let mut now = sample(&others, 4000);
    now.at = before.at + Duration::from_secs(2);
    let drawn = draw_at(80, 24, &Picture::new(&before, &now));
    assert_eq!(
        drawn.get(..8).expect("lines"),
        [
            "a at 10.0.0.1:7946, running since 11-23 16:15:36",
            "others   1 alive, 1 suspect, 0 down, 0 left; local health 3 of 8",
            "traffic  in 2000 B/s, 0/s; out 0 B/s, 0/s; waiting 0 updates, 0 broadcasts",
            "",
            "NAME         STATE   ADDRESS               SINCE          METADATA",
            "a            alive   10.0.0.1:7946         11-23 16:15:36",
            "c            suspect [2001:db8::1]:7946    11-23 16:15:36",
            "b            alive   10.0.0.2:7946         11-23 16:15:36 rack 7\\u{1b}[2J",
        ]
    );
    assert_eq!(drawn.last().map(String::as_str), Some("q ends"));
}

#[test]
fn who_does_not_fit_is_counted() {
    let names: Vec<_> = (10..40).map(|n| format!("n-{n}")).collect();
    let member = |name| (name, "alive", "10.0.0.2:7946", Value::Null);
    let others: Vec<_> = names.iter().map(|name| member(name.as_str())).collect();
    let now = sample(&others, 0);
    let drawn = draw_at(80, 10, &Picture::new(&now, &now)).join("\n");
    assert!(drawn.contains("n-11 "), "{drawn}");
    assert!(drawn.contains("and 28 more"), "{drawn}");
}

fn sample(others: &[(&str, &str, &str, Value)], bytes_in: u64) -> Sample {
    let since = "2026-11-23T16:15:36.522Z";
    let mut members = vec![json!({
        "name": "a", "addr": "10.0.0.1:7946", "generation": 1, "state": "alive",
        "incarnation": null, "since": since, "is_ourselves": true, "metadata": null,
    })];
    members.extend(others.iter().map(|(name, state, addr, said)| {
        let said = said
            .as_str()
            .map(|said| json!({"version": 1, "len": 9, "text": said}));
        json!({
            "name": name, "addr": addr, "generation": 1, "state": state,
            "incarnation": 0, "since": since, "is_ourselves": false, "metadata": said,
        })
    }));
    let info = json!({
        "name": "a", "addr": "10.0.0.1:7946", "generation": 1, "status": "running",
        "local_addr": "10.0.0.1:7946", "local_health": 3, "since": since, "pid": 1,
        "members": {"alive": 1, "suspect": 1, "down": 0, "left": 0},
        "version": "0.1.0", "metadata": null, "facts": {},
    });
    Sample {
        at: Instant::now(),
        info: serde_json::from_value(info).expect("an agent"),
        members: serde_json::from_value(members.into()).expect("members"),
        stats: BTreeMap::from([("bytes_in".to_owned(), bytes_in)]),
    }
}

fn draw_at(width: u16, height: u16, picture: &Picture) -> Vec<String> {
    let mut terminal = Terminal::new(TestBackend::new(width, height)).expect("a terminal");
    terminal.draw(|frame| draw(frame, picture)).expect("drawn");
    let buf = terminal.backend().buffer();
    let lines = buf.content().chunks(width.into());
    let text = lines.map(|line| line.iter().map(|cell| cell.symbol()).collect::<String>());
    text.map(|line| line.trim_end().to_owned()).collect()
}
