//! Settings from a file: below what is typed and what the environment has, above the defaults.

use std::{
    env,
    ffi::OsString,
    fs,
    path::{Path, PathBuf},
};

use clap::{ArgMatches, CommandFactory, Parser, parser::ValueSource};
use toml::{Table, Value};

use crate::{
    args::{AgentArgs, Cli, Command},
    failure::Failure,
};

/// Parses what was typed, and, for an agent with a file of settings, that. Ends the process where
/// the usage is wrong.
pub(crate) fn parse() -> Result<Cli, Failure> {
    Ok(Cli::parse_from(all_of(env::args_os().collect())?))
}

/// The settings of this agent, as they are by now.
pub(crate) fn again() -> Result<AgentArgs, Failure> {
    let parsed = Cli::try_parse_from(all_of(env::args_os().collect())?);
    match parsed.map(|cli| cli.command) {
        Ok(Command::Agent(args)) => Ok(*args),
        Ok(_) => Err(Failure::new(
            "cannot read the settings",
            "they are not an agent's",
        )),
        Err(error) => Err(Failure::new("cannot use the settings", error.render())),
    }
}

/// What was typed, followed by what a file adds to it, as if that had been typed, too: so it obeys
/// the same rules.
fn all_of(mut typed: Vec<OsString>) -> Result<Vec<OsString>, Failure> {
    // What is missing or wrong is told of once all is there.
    let command = Cli::command().ignore_errors(true);
    let Ok(matches) = command.try_get_matches_from(&typed) else {
        return Ok(typed);
    };
    if let Some(("agent", matches)) = matches.subcommand()
        && let Ok(Some(file)) = matches.try_get_one::<PathBuf>("config")
    {
        typed.extend(options(file, matches)?.into_iter().map(OsString::from));
    }
    Ok(typed)
}

/// The options that a file stands for, without those that were given otherwise.
fn options(file: &Path, given: &ArgMatches) -> Result<Vec<String>, Failure> {
    let what = || format!("cannot use the settings in {}", file.display());
    let text = fs::read_to_string(file).map_err(|error| {
        Failure::caused(what(), &error).hint("is the path right, and the file readable by us?")
    })?;
    let table: Table = text.parse().map_err(|error: toml::de::Error| {
        Failure::new(what(), error.to_string().trim_end()).hint("it is to be TOML: name = \"db-1\"")
    })?;
    let command = Cli::command();
    let known = command.find_subcommand("agent").into_iter();
    let known: Vec<&str> = known
        .flat_map(clap::Command::get_arguments)
        .filter_map(clap::Arg::get_long)
        .filter(|name| !matches!(*name, "config" | "check" | "help" | "version"))
        .collect();
    let mut options = Vec::new();
    for (key, value) in &table {
        let name = key.replace('_', "-");
        if !known.contains(&name.as_str()) {
            return Err(Failure::new(what(), format!("there is no setting {key}"))
                .hint(format!("there are: {}", known.join(", "))));
        }
        let source = given.try_get_raw(&name.replace('-', "_")).ok().flatten();
        let source = source.and_then(|_| given.value_source(&name.replace('-', "_")));
        if matches!(
            source,
            Some(ValueSource::CommandLine | ValueSource::EnvVariable)
        ) {
            continue;
        }
        let Some(values) = values(&name, value) else {
            let why = format!("{key} is neither text, number, truth nor a list of texts");
            return Err(Failure::new(what(), why));
        };
        options.extend(values);
    }
    Ok(options)
}

/// An option, as it would be typed, for each value.
fn values(name: &str, value: &Value) -> Option<Vec<String>> {
    let option = |text: &str| format!("--{name}={text}");
    Some(match value {
        Value::String(text) => vec![option(text)],
        Value::Integer(number) => vec![option(&number.to_string())],
        Value::Boolean(true) => vec![format!("--{name}")],
        Value::Boolean(false) => Vec::new(),
        Value::Array(all) => {
            let texts = all.iter().map(|value| value.as_str().map(option));
            texts.collect::<Option<_>>()?
        }
        _ => return None,
    })
}
