//! Plots, as SVG.

use core::ops::Range;
use std::{fs, path::Path};

use plotters::prelude::*;

use crate::failure::Failure;

/// Lines over an axis.
pub(super) struct Plot {
    /// Distinguishes the plots of a scenario.
    pub(super) name: &'static str,
    pub(super) title: &'static str,
    pub(super) x: &'static str,
    pub(super) y: &'static str,
    pub(super) lines: Vec<Line>,
}

/// Points of one sort, joined.
pub(super) struct Line {
    pub(super) name: String,
    pub(super) points: Vec<(f64, f64)>,
}

impl Line {
    pub(super) fn new(name: impl Into<String>, points: Vec<(f64, f64)>) -> Self {
        Self {
            name: name.into(),
            points,
        }
    }
}

/// Makes the directory if need be, and sees whether files can be made in it: before a run, which
/// may take long.
pub(super) fn check(dir: &Path) -> Result<(), Failure> {
    let made = fs::create_dir_all(dir).and_then(|()| tempfile::tempfile_in(dir));
    made.map(drop).map_err(|error| failed(dir, &error))
}

fn failed(path: &Path, why: &dyn core::fmt::Display) -> Failure {
    Failure::new(format!("cannot write {}", path.display()), why)
}

/// Writes `SCENARIO-NAME.svg` for each.
pub(super) fn save(dir: &Path, scenario: &str, plots: &[Plot]) -> Result<(), Failure> {
    for plot in plots {
        let path = dir.join(format!("{scenario}-{}.svg", plot.name));
        let mut svg = String::new();
        plot.draw(&mut svg).map_err(|error| failed(&path, &error))?;
        fs::write(&path, svg).map_err(|error| failed(&path, &error))?;
    }
    Ok(())
}

type Drawn = Result<(), DrawingAreaErrorKind<std::io::Error>>;

impl Plot {
    fn draw(&self, svg: &mut String) -> Drawn {
        let area = SVGBackend::with_string(svg, (800, 480)).into_drawing_area();
        area.fill(&WHITE)?;
        let (width, height) = (self.range(|point| point.0), self.range(|point| point.1));
        let legend = (height.end - height.start) * 0.08 * self.lines.len() as f64;
        let height = height.start..height.end + legend;
        let mut chart = ChartBuilder::on(&area)
            .caption(self.title, ("sans-serif", 20))
            .margin(16)
            .x_label_area_size(48)
            .y_label_area_size(64)
            .build_cartesian_2d(width, height)?;
        chart
            .configure_mesh()
            .light_line_style(WHITE)
            .x_desc(self.x)
            .y_desc(self.y)
            .x_label_formatter(&label)
            .y_label_formatter(&label)
            .draw()?;
        for (place, line) in self.lines.iter().enumerate() {
            let color = COLORS[place % COLORS.len()];
            let points = || line.points.iter().copied().filter(|(_, y)| y.is_finite());
            chart
                .draw_series(LineSeries::new(points(), color.stroke_width(2)))?
                .label(&line.name)
                .legend(move |(x, y)| PathElement::new([(x, y), (x + 16, y)], color));
            if line.points.len() <= DOTS_MAX {
                chart.draw_series(points().map(|point| Circle::new(point, 3, color.filled())))?;
            }
        }
        // In the room above the lines.
        chart
            .configure_series_labels()
            .position(SeriesLabelPosition::UpperRight)
            .background_style(WHITE.mix(0.8))
            .border_style(BLACK)
            .draw()?;
        area.present()
    }

    /// From zero, or from a little below the lowest if all are far from it, to a little above the
    /// highest.
    fn range(&self, pick: impl Fn(&(f64, f64)) -> f64) -> Range<f64> {
        let points = self.lines.iter().flat_map(|line| &line.points);
        let values = points.map(pick).filter(|value| value.is_finite());
        let bounds = (f64::INFINITY, 0.0_f64);
        let (least, most) = values.fold(bounds, |(least, most), value| {
            (least.min(value), most.max(value))
        });
        match least > most * 0.97 && least < most {
            true => least - (most - least) * 0.1..most + (most - least) * 0.1,
            false => 0.0..(most * 1.1).max(1e-9),
        }
    }
}

/// A number as short as it can be told apart from its neighbours.
fn label(value: &f64) -> String {
    // Sums of steps are off by little.
    let rounded = (value * 1000.0).round() / 1000.0;
    rounded.to_string()
}

/// Apart for colour-blind eyes, too (Okabe and Ito).
const COLORS: [RGBColor; 6] = [
    RGBColor(0, 114, 178),
    RGBColor(213, 94, 0),
    RGBColor(0, 158, 115),
    RGBColor(204, 121, 167),
    RGBColor(86, 180, 233),
    RGBColor(0, 0, 0),
];

/// A line of more points than this shows them by itself.
const DOTS_MAX: usize = 50;
