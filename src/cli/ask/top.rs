//! `selkie top`: an agent, live.

use core::time::Duration;
use std::{
    collections::BTreeMap,
    io::{self, IsTerminal, stdout},
    time::Instant,
};

use hyper::Method;
use ratatui::{
    Frame, Terminal,
    backend::CrosstermBackend,
    crossterm::{
        cursor,
        event::{self, Event, KeyCode, KeyModifiers},
        execute,
        terminal::{self, EnterAlternateScreen, LeaveAlternateScreen},
    },
    layout::{Constraint, Layout, Rect},
    style::{Color, Modifier, Style},
    text::Line,
    widgets::{Row, Table},
};
use selkie::admin::{Entry, Info};
use serde::Serialize;

use super::{args::TopArgs, client::Place, understood};
use crate::{failure::Failure, print, text::printable};

/// Runs `selkie top`.
pub(crate) fn top(args: &TopArgs) -> Result<(), Failure> {
    let place = Place::find(&args.at)?;
    let period = Duration::from_secs(args.period.into());
    let mut before = Sample::take(&place)?;
    if args.at.json {
        loop {
            std::thread::sleep(period);
            let now = Sample::take(&place)?;
            print::json(&Picture::new(&before, &now)).map_err(|error| print::failed(&error))?;
            before = now;
        }
    }
    if !stdout().is_terminal() {
        return Err(Failure::new("cannot draw", "stdout is no terminal")
            .hint("give --json, or take `selkie members --watch`"));
    }
    let mut picture = Picture::new(&before, &before);
    let mut screen = Screen::open().map_err(|error| print::failed(&error))?;
    loop {
        let drawn = screen.show(&picture, period);
        if drawn.map_err(|error| print::failed(&error))? {
            return Ok(());
        }
        let now = Sample::take(&place)?;
        picture = Picture::new(&before, &now);
        before = now;
    }
}

/// What an agent tells at one moment.
struct Sample {
    at: Instant,
    info: Info,
    members: Vec<Entry>,
    stats: BTreeMap<String, u64>,
}

impl Sample {
    fn take(place: &Place) -> Result<Self, Failure> {
        let ask = |path| smol::block_on(place.ask(Method::GET, path, Vec::new()));
        Ok(Self {
            at: Instant::now(),
            info: understood(ask("/v1/info")?)?,
            members: understood(ask("/v1/members")?)?,
            stats: understood(ask("/v1/stats")?)?,
        })
    }

    fn stat(&self, name: &str) -> u64 {
        self.stats.get(name).copied().unwrap_or_default()
    }
}

/// What is shown, or printed.
#[derive(Serialize)]
struct Picture {
    info: Info,
    /// The unusual ones first.
    members: Vec<Entry>,
    bytes_in_per_second: u64,
    bytes_out_per_second: u64,
    datagrams_in_per_second: u64,
    datagrams_out_per_second: u64,
    updates_waiting: u64,
    broadcasts_waiting: u64,
}

impl Picture {
    fn new(before: &Sample, now: &Sample) -> Self {
        let elapsed = now.at.saturating_duration_since(before.at).as_millis();
        let per_second = |name| {
            let more = u128::from(now.stat(name).wrapping_sub(before.stat(name)));
            let rate = (more * 1000).checked_div(elapsed).unwrap_or_default();
            u64::try_from(rate).unwrap_or(u64::MAX)
        };
        let mut members = now.members.clone();
        members.sort_by_key(|it| (!it.is_ourselves, rank(&it.state), it.member.name));
        Self {
            info: now.info.clone(),
            members,
            bytes_in_per_second: per_second("bytes_in"),
            bytes_out_per_second: per_second("bytes_out"),
            datagrams_in_per_second: per_second("datagrams_in"),
            datagrams_out_per_second: per_second("datagrams_out"),
            updates_waiting: now.stat("updates_waiting"),
            broadcasts_waiting: now.stat("broadcasts_waiting"),
        }
    }
}

fn rank(state: &str) -> u8 {
    match state {
        "suspect" => 0,
        "down" => 1,
        "alive" => 2,
        _ => 3,
    }
}

/// The terminal, which is as it was before when this is dropped.
struct Screen(Terminal<CrosstermBackend<io::Stdout>>);

impl Screen {
    fn open() -> io::Result<Self> {
        terminal::enable_raw_mode()?;
        // Whatever fails from here on, dropping it undoes.
        let screen = Self(Terminal::new(CrosstermBackend::new(stdout()))?);
        execute!(stdout(), EnterAlternateScreen, cursor::Hide)?;
        Ok(screen)
    }

    /// Draws, and waits for so long. Returns whether that is enough.
    fn show(&mut self, picture: &Picture, period: Duration) -> io::Result<bool> {
        let until = Instant::now() + period;
        loop {
            self.0.draw(|frame| draw(frame, picture))?;
            let left = until.saturating_duration_since(Instant::now());
            if !event::poll(left)? {
                return Ok(false);
            }
            if let Event::Key(key) = event::read()? {
                let is_control = key.modifiers.contains(KeyModifiers::CONTROL);
                match key.code {
                    KeyCode::Char('q') | KeyCode::Esc => return Ok(true),
                    KeyCode::Char('c') if is_control => return Ok(true),
                    _ => {}
                }
            }
        }
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        let _ = execute!(stdout(), LeaveAlternateScreen, cursor::Show);
        let _ = terminal::disable_raw_mode();
    }
}

fn draw(frame: &mut Frame<'_>, picture: &Picture) {
    let [head, members, traffic, _, table, foot] = Layout::vertical([
        Constraint::Length(1),
        Constraint::Length(1),
        Constraint::Length(1),
        Constraint::Length(1),
        Constraint::Fill(1),
        Constraint::Length(1),
    ])
    .areas(frame.area());
    let Picture { info, .. } = picture;
    let who = &info.member;
    let text = format!(
        "{} at {}, {} since {}",
        who.name,
        who.addr,
        info.status,
        clock(&info.since)
    );
    let bold = Style::new().add_modifier(Modifier::BOLD);
    frame.render_widget(Line::styled(text, bold), head);
    let counts = info.members;
    let text = format!(
        "others   {} alive, {} suspect, {} down, {} left; local health {} of 8",
        counts.alive, counts.suspect, counts.down, counts.left, info.local_health
    );
    frame.render_widget(Line::raw(text), members);
    let text = format!(
        "traffic  in {} B/s, {}/s; out {} B/s, {}/s; waiting {} updates, {} broadcasts",
        picture.bytes_in_per_second,
        picture.datagrams_in_per_second,
        picture.bytes_out_per_second,
        picture.datagrams_out_per_second,
        picture.updates_waiting,
        picture.broadcasts_waiting
    );
    frame.render_widget(Line::raw(text), traffic);
    draw_members(frame, table, &picture.members);
    let dim = Style::new().add_modifier(Modifier::DIM);
    frame.render_widget(Line::styled("q ends", dim), foot);
}

fn draw_members(frame: &mut Frame<'_>, area: Rect, members: &[Entry]) {
    // The header takes a line, and so does what tells of those that do not fit.
    let fits = usize::from(area.height.saturating_sub(1));
    let shown = match members.len() > fits {
        true => fits.saturating_sub(1),
        false => members.len(),
    };
    let mut rows: Vec<_> = members.iter().take(shown).map(row).collect();
    if shown < members.len() {
        rows.push(Row::new([format!("and {} more", members.len() - shown)]));
    }
    let name = members.iter().map(|it| it.member.name.as_str().len()).max();
    let name = u16::try_from(name.unwrap_or(0)).unwrap_or(u16::MAX);
    let widths = [
        Constraint::Length(name.clamp(12, 24)),
        Constraint::Length(7),
        Constraint::Length(21),
        Constraint::Length(14),
        Constraint::Fill(1),
    ];
    let header = Row::new(["NAME", "STATE", "ADDRESS", "SINCE", "METADATA"]);
    let header = header.style(Style::new().add_modifier(Modifier::DIM));
    frame.render_widget(Table::new(rows, widths).header(header), area);
}

fn row(member: &Entry) -> Row<'static> {
    let color = match member.state.as_str() {
        "alive" => Color::Green,
        "suspect" => Color::Yellow,
        "down" => Color::Red,
        _ => Color::DarkGray,
    };
    let said = member.metadata.as_ref();
    let said = said.and_then(|said| said.text.as_deref().map(printable));
    Row::new([
        member.member.name.to_string(),
        member.state.clone(),
        member.member.addr.to_string(),
        clock(&member.since),
        said.unwrap_or_default(),
    ])
    .style(Style::new().fg(color))
}

/// Day and time of a timestamp.
fn clock(timestamp: &str) -> String {
    timestamp.get(5..19).unwrap_or_default().replace('T', " ")
}

#[cfg(test)]
mod tests;
