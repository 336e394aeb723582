//! Columns.

use crate::{failure::Failure, print, text::printable};

/// Rows of text, each column as wide as what is in it.
pub(super) struct Table<const N: usize> {
    rows: Vec<[String; N]>,
}

impl<const N: usize> Table<N> {
    pub(super) fn new(header: &[&str; N]) -> Self {
        let rows = vec![header.map(str::to_owned)];
        Self { rows }
    }

    pub(super) fn row(&mut self, row: [String; N]) {
        self.rows.push(row);
    }

    pub(super) fn print(&self) -> Result<(), Failure> {
        let widths: [usize; N] = core::array::from_fn(|column| {
            let cells = self.rows.iter().map(|row| row[column].chars().count());
            cells.max().unwrap_or_default()
        });
        for row in &self.rows {
            let mut line = String::new();
            for (cell, width) in row.iter().zip(widths) {
                line.push_str(&format!("{cell:<width$}  "));
            }
            let printed = print::line(format_args!("{}", printable(line.trim_end())));
            printed.map_err(|error| print::failed(&error))?;
        }
        Ok(())
    }
}
