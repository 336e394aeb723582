//! What a scenario found: tables, bars that are met or missed, and plots.

use core::fmt;
use std::time::Instant;

use serde_json::{Map, Value, json};

use super::plot::Plot;
use crate::{args::SimArgs, failure::Failure};

/// All that a scenario has to say.
pub(super) struct Report {
    setup: String,
    tables: Vec<Table>,
    bars: Vec<Bar>,
    plots: Vec<Plot>,
    notes: Vec<String>,
    started: Instant,
}

/// Figures in rows. Without any it is not printed, but in JSON it is there.
pub(super) struct Table {
    name: &'static str,
    columns: Vec<Column>,
    rows: Vec<Vec<Cell>>,
}

/// What a column is called: in JSON, and at its head.
type Column = (&'static str, &'static str);

/// What is in a table.
pub(super) enum Cell {
    /// A whole number.
    Count(u64),
    /// A figure, and how many decimals of it are worth printing.
    Number(f64, usize),
    /// A word.
    Text(String),
    /// Nobody knows.
    Blank,
}

/// What must hold.
struct Bar {
    what: String,
    found: String,
    holds: bool,
}

impl Report {
    /// Of an experiment that is set up like this. The clock starts.
    pub(super) fn new(setup: impl Into<String>) -> Self {
        Self {
            setup: setup.into(),
            tables: Vec::new(),
            bars: Vec::new(),
            plots: Vec::new(),
            notes: Vec::new(),
            started: Instant::now(),
        }
    }

    pub(super) fn table(&mut self, table: Table) {
        self.tables.push(table);
    }

    /// Something that must hold, and what was found.
    pub(super) fn bar(&mut self, what: impl Into<String>, found: impl Into<String>, holds: bool) {
        self.bars.push(Bar {
            what: what.into(),
            found: found.into(),
            holds,
        });
    }

    /// A figure that must not be above a bound.
    pub(super) fn at_most(&mut self, what: &str, found: f64, most: f64, unit: &str) {
        let what = match most == 0.0 {
            true => format!("{what}: none"),
            false => format!("{what}: at most {most}{unit}"),
        };
        let told = match found {
            none if none.is_nan() => "nothing to judge by".to_owned(),
            never if never.is_infinite() => plain(never, 0),
            whole if whole.fract() == 0.0 => format!("{whole}{unit}"),
            _ => format!("{found:.2}{unit}"),
        };
        // NaN is no success.
        self.bar(what, told, found <= most);
    }

    /// Something that must happen each time that it should.
    pub(super) fn each(&mut self, what: impl Into<String>, happened: usize, of: usize) {
        self.bar(
            what,
            format!("{happened} of {of}"),
            happened == of && of > 0,
        );
    }

    /// A figure that must be near another one.
    pub(super) fn near(&mut self, what: &str, found: f64, target: f64, percent: f64) {
        let holds = (found - target).abs() <= target * percent / 100.0;
        let what = format!("{what}: within {percent} % of {target}");
        self.bar(what, plain(found, 3), holds);
    }

    pub(super) fn plot(&mut self, plot: Plot) {
        self.plots.push(plot);
    }

    /// A line below the tables.
    pub(super) fn note(&mut self, note: impl Into<String>) {
        self.notes.push(note.into());
    }

    pub(super) fn plots(&self) -> &[Plot] {
        &self.plots
    }

    /// Since the report was begun.
    pub(super) fn wall_seconds(&self) -> f64 {
        self.started.elapsed().as_secs_f64()
    }

    /// Whether all bars are met.
    pub(super) fn passes(&self) -> bool {
        self.bars.iter().all(|bar| bar.holds)
    }

    /// A failure when a bar is missed.
    pub(super) fn verdict(&self) -> Result<(), Failure> {
        let mut missed = self.bars.iter().filter(|bar| !bar.holds);
        let Some(bar) = missed.next() else {
            return Ok(());
        };
        let why = format!("{}, and it is {}", bar.what, bar.found);
        let more = match missed.count() {
            0 => String::new(),
            count => format!("; {count} more"),
        };
        Err(Failure::new("a bar is missed", format!("{why}{more}")))
    }

    /// All of it, for machines.
    pub(super) fn json(&self, args: &SimArgs) -> Value {
        let tables: Map<String, Value> = self
            .tables
            .iter()
            .map(|table| (table.name.to_owned(), table.json()))
            .collect();
        let bar = |bar: &Bar| json!({"what": bar.what, "found": bar.found, "holds": bar.holds});
        let bars: Vec<Value> = self.bars.iter().map(bar).collect();
        json!({
            "scenario": args.scenario.name(),
            "seed": args.seed,
            "setup": self.setup,
            "figures": tables,
            "notes": self.notes,
            "bars": bars,
            "wall_seconds": (self.wall_seconds() * 1000.0).round() / 1000.0,
            "pass": self.passes(),
        })
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.setup)?;
        for table in self.tables.iter().filter(|table| !table.rows.is_empty()) {
            write!(f, "\n{table}")?;
        }
        for note in &self.notes {
            write!(f, "\n{note}\n")?;
        }
        writeln!(f)?;
        for Bar { what, found, holds } in &self.bars {
            let verdict = if *holds { "met   " } else { "MISSED" };
            writeln!(f, "{verdict}  {what}: {found}")?;
        }
        write!(f, "{:.1} s", self.wall_seconds())
    }
}

impl Table {
    pub(super) fn new(name: &'static str, columns: &[Column]) -> Self {
        Self {
            name,
            columns: columns.to_vec(),
            rows: Vec::new(),
        }
    }

    /// A row, with a cell for each column.
    pub(super) fn row<const N: usize>(&mut self, cells: [Cell; N]) {
        debug_assert_eq!(N, self.columns.len(), "a cell for each column");
        self.rows.push(cells.into());
    }

    fn json(&self) -> Value {
        let row = |row: &Vec<Cell>| -> Value {
            let cells = self.columns.iter().zip(row);
            let object: Map<String, Value> = cells
                .map(|((key, _), cell)| ((*key).to_owned(), cell.json()))
                .collect();
            object.into()
        };
        self.rows.iter().map(row).collect()
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let texts: Vec<Vec<String>> = self
            .rows
            .iter()
            .map(|row| row.iter().map(Cell::to_string).collect())
            .collect();
        let widths: Vec<usize> = self
            .columns
            .iter()
            .enumerate()
            .map(|(place, (_, column))| {
                let cells = texts.iter().map(|row| row[place].chars().count());
                cells.chain([column.chars().count()]).max().unwrap_or(0)
            })
            .collect();
        for ((_, column), width) in self.columns.iter().zip(&widths) {
            write!(f, "  {column:>width$}")?;
        }
        writeln!(f)?;
        for row in &texts {
            for (text, width) in row.iter().zip(&widths) {
                write!(f, "  {text:>width$}")?;
            }
            writeln!(f)?;
        }
        Ok(())
    }
}

impl Cell {
    fn json(&self) -> Value {
        match self {
            Self::Count(count) => json!(count),
            // What is not a number is null.
            Self::Number(number, _) => json!(number),
            Self::Text(text) => json!(text),
            Self::Blank => Value::Null,
        }
    }
}

impl fmt::Display for Cell {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Count(count) => count.fmt(f),
            Self::Number(number, decimals) => f.write_str(&plain(*number, *decimals)),
            Self::Text(text) => f.write_str(text),
            Self::Blank => f.write_str("-"),
        }
    }
}

fn plain(number: f64, decimals: usize) -> String {
    match number {
        none if none.is_nan() => "none".to_owned(),
        never if never.is_infinite() => "never".to_owned(),
        _ => format!("{number:.decimals$}"),
    }
}

/// A count, or any whole number.
pub(super) fn count(number: impl TryInto<u64>) -> Cell {
    Cell::Count(number.try_into().unwrap_or(u64::MAX))
}

/// A figure with this many decimals.
pub(super) fn number(number: f64, decimals: usize) -> Cell {
    Cell::Number(number, decimals)
}

/// A figure that a paper may have.
pub(super) fn maybe(figure: Option<f64>, decimals: usize) -> Cell {
    figure.map_or(Cell::Blank, |figure| number(figure, decimals))
}

pub(super) fn text(text: impl Into<String>) -> Cell {
    Cell::Text(text.into())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{Report, Table, count, number};

    #[test]
    fn what_never_came_and_what_was_not_measured_meet_no_bar() {
        for (found, told) in [
            (f64::INFINITY, "x: at most 30 s: never"),
            (f64::NAN, "x: at most 30 s: nothing to judge by"),
            (30.5, "x: at most 30 s: 30.50 s"),
        ] {
            let mut report = Report::new("a set-up");
            report.at_most("x", found, 30.0, " s");
            assert!(!report.passes());
            assert!(report.to_string().contains(told), "{report}");
        }
        for (happened, of) in [(0, 0), (1, 2)] {
            let mut report = Report::new("a set-up");
            report.each("x", happened, of);
            assert!(!report.passes());
        }
        let mut report = Report::new("a set-up");
        report.each("x", 2, 2);
        report.at_most("y", 0.0, 0.0, "");
        assert!(report.passes() && report.to_string().contains("y: none: 0\n"));
    }

    #[test]
    fn columns_of_one_heading_have_keys_of_their_own_and_counts_are_whole() {
        let mut table = Table::new("sizes", &[("one", "FP-"), ("other", "FP-"), ("late", "s")]);
        assert_eq!(
            (table.to_string().lines().count(), table.json()),
            (1, json!([]))
        );
        table.row([count(3_u32), count(4_u32), number(f64::INFINITY, 1)]);
        assert_eq!(
            table.json().to_string(),
            r#"[{"late":null,"one":3,"other":4}]"#
        );
    }
}
