//! The demo on a terminal: told steps scroll up, the table below them stays.

use core::time::Duration;
use std::io::{self, Stdout, Write, stdout};

use ratatui::{
    Frame, Terminal, TerminalOptions, Viewport,
    backend::CrosstermBackend,
    crossterm::terminal,
    layout::{Constraint, Layout, Position, Rect},
    style::{Color, Modifier, Style},
    text::{Line, Span},
    widgets::{Cell, Row as TableRow, Table, Widget},
};

use super::story::Present;
use crate::{
    text::seconds,
    view::{Row, Standing},
};

/// The lines beside the members: the heading, what is waited for, and where the cursor rests.
const FRAME_LINES: u16 = 4;
/// Left above the table for the steps told, where the terminal is not high enough for everything.
const STEP_LINES: u16 = 8;

/// What all columns take, with names of the demo's length.
const WIDTH_OF_ALL: u16 = 74;

/// A table that redraws in place.
#[derive(Debug)]
pub(crate) struct Screen {
    terminal: Terminal<CrosstermBackend<Stdout>>,
}

impl Screen {
    /// Makes room for so many members, or as many as fit.
    pub(crate) fn open(members: u16) -> io::Result<Self> {
        let (_, lines) = terminal::size()?;
        let fits = lines.saturating_sub(STEP_LINES).max(FRAME_LINES + 3);
        let height = members.saturating_add(FRAME_LINES).min(fits);
        let options = TerminalOptions {
            viewport: Viewport::Inline(height),
        };
        let terminal = Terminal::with_options(CrosstermBackend::new(stdout()), options)?;
        Ok(Self { terminal })
    }

    /// Adds a line above the table.
    pub(crate) fn tell(&mut self, line: Line<'_>) -> io::Result<()> {
        self.terminal
            .insert_before(1, |buf| line.render(buf.area, buf))
    }

    /// Draws the table and, below it, what is going on, and for how long.
    pub(crate) fn show(&mut self, rows: &[Row], now: &Present) -> io::Result<()> {
        self.terminal.draw(|frame| draw(frame, rows, now))?;
        Ok(())
    }

    /// Leaves the table where it is, and the cursor below it.
    pub(crate) fn close(mut self) -> io::Result<()> {
        self.terminal.show_cursor()?;
        stdout().flush()
    }
}

/// A step that was made.
pub(crate) fn step_line(took: Duration, text: &str) -> Line<'_> {
    Line::from(vec![
        Span::styled("  ✓ ", Style::new().fg(Color::Green)),
        Span::styled(
            format!("{:>8}  ", seconds(took)),
            Style::new().add_modifier(Modifier::BOLD),
        ),
        Span::raw(text),
    ])
}

/// What opens the story, or an act in it.
pub(crate) fn plain_line(text: &str) -> Line<'_> {
    Line::from(vec![Span::raw("  "), Span::raw(text)])
}

fn draw(frame: &mut Frame<'_>, rows: &[Row], now: &Present) {
    let [_, table, below, rest] = Layout::vertical([
        Constraint::Length(1),
        Constraint::Fill(1),
        Constraint::Length(1),
        Constraint::Length(1),
    ])
    .areas(frame.area());
    draw_table(frame, table, rows);
    let mark = if now.text.is_empty() { "" } else { "  … " };
    let lasting = now.lasting.map(seconds).unwrap_or_default();
    let line = Line::from(vec![
        Span::styled(mark, Style::new().fg(Color::Cyan)),
        Span::raw(format!("{lasting:>8}  ")),
        Span::styled(now.text.as_str(), Style::new().add_modifier(Modifier::DIM)),
    ]);
    frame.render_widget(line, below);
    // A cursor that is seen, and out of the way: an interrupt leaves the terminal in order.
    frame.set_cursor_position(Position::new(rest.x, rest.y));
}

fn draw_table(frame: &mut Frame<'_>, area: Rect, rows: &[Row]) {
    let fits = usize::from(area.height.saturating_sub(1));
    let (shown, hidden) = choose(rows, fits);
    let with_incarnation = area.width >= WIDTH_OF_ALL;
    let row_of = |row| table_row(row, with_incarnation);
    let mut lines: Vec<_> = shown.into_iter().map(row_of).collect();
    if hidden > 0 {
        let more = format!("and {hidden} more");
        lines.push(
            TableRow::new(vec![Cell::from(""), Cell::from(more)])
                .style(Style::new().fg(Color::DarkGray)),
        );
    }
    let name = rows.iter().map(|row| row.name.as_str().len()).max();
    let name = name.unwrap_or(0).clamp(12, 24);
    let mut columns = vec![
        ("", 3),
        ("NAME", u16::try_from(name).unwrap_or(24)),
        ("ADDRESS", 17),
        ("STATE", 18),
        ("   SINCE", 8),
    ];
    if with_incarnation {
        columns.insert(4, ("INCARNATION", 11));
    }
    let heading = TableRow::new(columns.iter().map(|(heading, _)| *heading))
        .style(Style::new().add_modifier(Modifier::DIM));
    let widths = columns.iter().map(|(_, width)| Constraint::Length(*width));
    let table = Table::new(lines, widths).header(heading);
    frame.render_widget(table, area);
}

/// The rows to show where not all fit, and how many are left out: what is not as usual first, all
/// in the order in which they came.
fn choose(rows: &[Row], fits: usize) -> (Vec<&Row>, usize) {
    if rows.len() <= fits {
        return (rows.iter().collect(), 0);
    }
    let places = fits.saturating_sub(1);
    let unusual = rows
        .iter()
        .filter(|row| row.standing != Standing::Alive)
        .count();
    let mut usual = places.saturating_sub(unusual);
    let mut shown = Vec::new();
    for row in rows {
        let is_shown = if row.standing == Standing::Alive {
            let is_room = usual > 0;
            usual = usual.saturating_sub(1);
            is_room
        } else {
            true
        };
        if is_shown && shown.len() < places {
            shown.push(row);
        }
    }
    let hidden = rows.len().saturating_sub(shown.len());
    (shown, hidden)
}

fn table_row(row: &Row, with_incarnation: bool) -> TableRow<'static> {
    let style = match row.standing {
        Standing::Ourselves | Standing::Alive => Style::new().fg(Color::Green),
        Standing::Suspect => Style::new().fg(Color::Yellow).add_modifier(Modifier::BOLD),
        Standing::Down => Style::new().fg(Color::Red).add_modifier(Modifier::BOLD),
        Standing::Left => Style::new().fg(Color::DarkGray),
    };
    let mark = match row.standing {
        Standing::Ourselves => "  ◉",
        Standing::Alive => "  ●",
        Standing::Suspect => "  ?",
        Standing::Down => "  ✗",
        Standing::Left => "  ○",
    };
    let mut cells = vec![
        Cell::from(mark).style(style),
        Cell::from(row.name.as_str().to_owned()),
        Cell::from(row.addr.to_string()),
        Cell::from(row.standing.name()).style(style),
        Cell::from(format!("{:>8}", seconds(row.lasting))),
    ];
    if with_incarnation {
        cells.insert(4, Cell::from(format!("{:>11}", row.incarnation)));
    }
    TableRow::new(cells)
}

#[cfg(test)]
mod tests;
