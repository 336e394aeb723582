//! `selkie rtt`: how far members are from each other.

use hyper::Method;
use selkie::admin::Distance;

use super::{args::RttArgs, ask, table::Table};
use crate::{failure::Failure, print, text::printable};

/// Runs `selkie rtt`.
pub(crate) fn rtt(args: &RttArgs) -> Result<(), Failure> {
    let one = |path: String| -> Result<_, Failure> {
        let (_, distance) = ask(&args.at, Method::POST, &path, Vec::new())?;
        Ok(vec![distance])
    };
    let distances: Vec<Distance> = match (args.a, args.b) {
        (None, _) => ask(&args.at, Method::POST, "/v1/rtt", Vec::new())?.1,
        (Some(to), None) => one(format!("/v1/rtt/{to}"))?,
        (Some(from), Some(to)) => one(format!("/v1/rtt/{from}/{to}"))?,
    };
    if args.at.json {
        print::json(&distances).map_err(|error| print::failed(&error))?;
    } else {
        let mut table = Table::new(&["FROM", "TO", "MIN", "MEDIAN", "MAX"]);
        for it in &distances {
            let time = |nanos| match it.error {
                Some(_) => "-".to_owned(),
                None => millis(nanos),
            };
            table.row([
                it.from.to_string(),
                it.to.to_string(),
                time(it.min_ns),
                time(it.median_ns),
                time(it.max_ns),
            ]);
        }
        table.print()?;
    }
    let silent: Vec<_> = distances
        .iter()
        .filter_map(|it| Some(format!("{} ({})", it.to, it.error.as_deref()?)))
        .collect();
    match silent.len() {
        0 => Ok(()),
        count => Err(Failure::new(
            format!("{count} of {} members did not answer", distances.len()),
            printable(&silent.join(", ")),
        )
        .hint("`selkie why NAME` tells whether they are suspected, and by whom")),
    }
}

/// Milliseconds, with three digits behind the point: microseconds are what echoes take nearby.
fn millis(nanos: u64) -> String {
    let micros = nanos.saturating_add(500) / 1000;
    format!("{}.{:03} ms", micros / 1000, micros % 1000)
}

#[cfg(test)]
mod tests {
    use super::millis;

    #[test]
    fn times_are_milliseconds_to_the_microsecond() {
        for (nanos, text) in [
            (0, "0.000 ms"),
            (499, "0.000 ms"),
            (500, "0.001 ms"),
            (1_234_567, "1.235 ms"),
            (2_000_000_000, "2000.000 ms"),
        ] {
            assert_eq!(millis(nanos), text);
        }
    }
}
