//! What is mentioned of the command, and not typed here, is there to be typed.

use std::{collections::BTreeMap, process::Command};

use crate::page::{self, words};

#[test]
fn every_mention_of_the_command_is_known_to_its_help() {
    let mut help = Help::default();
    let mut mentions = 0;
    let pages = page::all().into_iter().chain(["README.md".to_owned()]);
    // What it quotes are bytes.
    for page in pages.filter(|page| page != "docs/wire.md") {
        for mention in mentions_in(&page) {
            help.check(&page, &mention);
            mentions += 1;
        }
    }
    assert!(mentions > 80, "the pages were not understood: {mentions}");
}

/// What begins with `selkie `, in backquotes or on a line of a block; several commands on a line are
/// several.
fn mentions_in(page: &str) -> Vec<String> {
    let text = page::read(page);
    let mut quoted: Vec<String> = Vec::new();
    for block in page::blocks(page) {
        if ["sh", "console"].contains(&&*block.language) {
            quoted.extend(block.typed());
        }
    }
    let mut is_block = false;
    let prose: Vec<&str> = text
        .lines()
        .filter(|line| {
            let is_fence = line.trim_start().starts_with("```");
            is_block ^= is_fence;
            !is_block && !is_fence
        })
        .collect();
    let prose = prose.join(" ");
    quoted.extend(prose.split('`').skip(1).step_by(2).map(words));
    let commands = quoted.iter().flat_map(|line| {
        line.split(['|', ';', '(', ')'])
            .flat_map(|part| part.split("&&"))
    });
    commands
        .filter_map(|command| {
            let words: Vec<_> = command.split_whitespace().collect();
            // Nothing but what runs it stands before it.
            let is_command = |at: usize| {
                let before = &words[..at];
                before.is_empty()
                    || before.ends_with(&["--"])
                    || matches!(before, ["sudo", "-u", _])
            };
            let at = (0..words.len()).find(|&at| words[at] == "selkie" && is_command(at))?;
            (words.len() > at + 1).then(|| words[at..].join(" "))
        })
        .collect()
}

/// What the command says of itself, by its parts.
#[derive(Default)]
struct Help(BTreeMap<String, String>);

impl Help {
    #[track_caller]
    fn check(&mut self, page: &str, mention: &str) {
        let mut words = mention.split_whitespace().skip(1);
        let mut command = Vec::from([words.next().expect("a word")]);
        if let ["certs" | "keys"] = command[..] {
            match words.next() {
                Some(part) if !part.starts_with('-') => command.push(part),
                Some(_) | None => {}
            }
        }
        if command[0].starts_with('-') || command[0] == "help" {
            return;
        }
        let help = self.of(page, &command);
        for word in words {
            let Some(option) = word.strip_prefix("--").filter(|option| !option.is_empty()) else {
                continue;
            };
            let (option, _) = option.split_once('=').unwrap_or((option, ""));
            let is_known = help
                .split(|c: char| !c.is_ascii_alphanumeric() && c != '-')
                .any(|word| word == format!("--{option}"));
            assert!(is_known, "{page}: {mention}: nobody knows --{option}");
        }
    }

    #[track_caller]
    fn of(&mut self, page: &str, command: &[&str]) -> &str {
        self.0.entry(command.join(" ")).or_insert_with(|| {
            let mut selkie = Command::new(env!("CARGO_BIN_EXE_selkie"));
            let output = selkie.args(command).arg("--help").output().expect("run");
            assert!(output.status.success(), "{page}: no selkie {command:?}");
            String::from_utf8(output.stdout).expect("text")
        })
    }
}
