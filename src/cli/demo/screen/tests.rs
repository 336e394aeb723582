use core::time::Duration;

use ratatui::{Terminal, backend::TestBackend};

use super::draw;
use crate::{
    demo::story::Present,
    view::{Row, Standing},
};

#[test]
fn everything_about_a_member_fits_80_columns() {
    let rows = [
        row("node-1", 65535, Standing::Ourselves),
        row("node-2", 65534, Standing::Suspect),
    ];
    let drawn = draw_at(80, 6, &rows);
    assert_eq!(
        drawn,
        [
            "",
            "    NAME         ADDRESS           STATE              INCARNATION    SINCE",
            "  ◉ node-1       127.0.0.1:65535   alive (observer)             7   12.3 s",
            "  ? node-2       127.0.0.1:65534   suspect                      7   12.3 s",
            "  …   1.50 s  node-2 is silent",
            "",
        ]
    );
}

#[test]
fn a_narrow_terminal_does_without_the_incarnation() {
    let drawn = draw_at(62, 5, &[row("node-1", 65535, Standing::Ourselves)]);
    assert_eq!(
        drawn.get(2).map(String::as_str),
        Some("  ◉ node-1       127.0.0.1:65535   alive (observer)     12.3 s")
    );
}

#[test]
fn unusual_members_are_shown_where_not_all_fit() {
    let mut rows: Vec<_> = (1..=30)
        .map(|n| row(&format!("node-{n}"), 4000, Standing::Alive))
        .collect();
    rows[0].standing = Standing::Ourselves;
    rows[19].standing = Standing::Down;
    let drawn = draw_at(80, 8, &rows).join("\n");
    for shown in ["node-1 ", "node-2 ", "node-20 ", "and 27 more"] {
        assert!(drawn.contains(shown), "no {shown:?} in\n{drawn}");
    }
}

fn draw_at(width: u16, height: u16, rows: &[Row]) -> Vec<String> {
    let mut terminal = Terminal::new(TestBackend::new(width, height)).expect("a terminal");
    let now = Present {
        text: "node-2 is silent".to_owned(),
        lasting: Some(Duration::from_millis(1500)),
    };
    terminal
        .draw(|frame| draw(frame, rows, &now))
        .expect("drawn");
    let buffer = terminal.backend().buffer();
    let cells: Vec<_> = buffer.content().iter().map(|cell| cell.symbol()).collect();
    cells
        .chunks(usize::from(width))
        .map(|line| line.concat().trim_end().to_owned())
        .collect()
}

fn row(name: &str, port: u16, standing: Standing) -> Row {
    Row {
        name: name.parse().expect("a name"),
        addr: ([127, 0, 0, 1], port).into(),
        standing,
        incarnation: 7,
        generation: 1,
        lasting: Duration::from_millis(12_300),
    }
}
