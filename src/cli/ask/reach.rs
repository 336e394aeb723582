//! `selkie reach`: whether all members see the same.

use hyper::Method;
use selkie::admin::{Difference, Reach};

use super::{args::AskArgs, ask, json, line, table::Table};
use crate::failure::Failure;

/// Runs `selkie reach`.
pub(crate) fn reach(args: &AskArgs) -> Result<(), Failure> {
    let (value, reach): (_, Reach) = ask(&args.at, Method::POST, "/v1/reach", Vec::new())?;
    if args.at.json {
        json(&value)?;
    } else {
        show(&reach)?;
    }
    if reach.agrees {
        return Ok(());
    }
    let silent = reach.members.iter().filter(|it| it.error.is_some()).count();
    let why = format!(
        "{silent} of {} did not answer, and there are {} differences",
        reach.members.len(),
        reach.differing
    );
    Err(Failure::new("the members do not see the same", why).hint(
        "what is just being spread is gone in a moment: try again\n\
         `selkie why NAME`, at those that see somebody otherwise, tells who accused whom",
    ))
}

fn show(reach: &Reach) -> Result<(), Failure> {
    let mut table = Table::new(&["MEMBER", "ANSWERS", "GROUP", "ACTIVE"]);
    for it in &reach.members {
        let (answers, active) = match it.error {
            None => ("yes", it.active.to_string()),
            Some(_) => ("no", "-".to_owned()),
        };
        table.row([
            it.member.name.to_string(),
            answers.to_owned(),
            it.group.map_or("-".to_owned(), |group| group.to_string()),
            active,
        ]);
    }
    table.print()?;
    for it in &reach.members {
        if let Some(error) = &it.error {
            line(format_args!("{} does not answer: {error}", it.member.name))?;
        }
        if it.is_partial {
            line(format_args!(
                "{} knows more members than it told of",
                it.member.name
            ))?;
        }
    }
    let untold = reach.differing.saturating_sub(reach.differences.len());
    let differences = reach.differences.iter();
    let told = differences.map(difference);
    let rest = (untold > 0).then(|| format!("and {untold} more differences"));
    told.chain(rest)
        .try_for_each(|it| line(format_args!("{it}")))
}

fn difference(it: &Difference) -> String {
    let (by, member) = (it.seen_by, it.member);
    match it.state.as_str() {
        "missing" => format!("{by} does not know {member}"),
        "outdated" => format!("{by} knows an earlier life of {member}"),
        state => format!("{by} sees {member} as {state}"),
    }
}
