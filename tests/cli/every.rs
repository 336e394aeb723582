//! Every command, against members that run.

use std::{collections::BTreeSet, fs};

use crate::{
    ask::Site,
    fixture::{run, stderr, text},
};

/// The commands that `selkie --help`, or that of one of them, lists.
fn listed(of: &[&str]) -> BTreeSet<String> {
    let help = run(&[of, &["--help"]].concat());
    assert_eq!(help.status.code(), Some(0), "{}", stderr(&help));
    let help = String::from_utf8(help.stdout).expect("text");
    let (_, list) = help.split_once("Commands:\n").expect("commands");
    let names = list.lines().take_while(|line| !line.is_empty());
    // What goes on in the next line is indented by more.
    let names = names.filter(|line| line.starts_with("  ") && !line.starts_with("   "));
    let names = names.filter_map(|line| line.split_whitespace().next());
    names
        .filter(|name| *name != "help")
        .map(str::to_owned)
        .collect()
}

/// What is asked of a member, with something that its text, and its JSON, have in them.
const ASKED: &[(&[&str], &str, &str)] = &[
    (&["members"], "NAME", "state"),
    (
        &["members", "--name", "b", "--status", "alive"],
        "b ",
        "incarnation",
    ),
    (&["info"], "local health", "version"),
    (&["ready", "--members", "2"], "other active members: 2", "2"),
    (&["doctor"], "it takes part", "verdict"),
    (&["why", "b"], "b was not suspected", "[]"),
    (&["rtt"], "MEDIAN", "median_ns"),
    (&["rtt", "b"], "MEDIAN", "median_ns"),
    (&["rtt", "b", "c"], "MEDIAN", "median_ns"),
    (&["reach"], "GROUP", "agrees"),
    (&["certs", "list"], "TRUSTS", "public_key"),
    (&["certs", "reload"], "good until", "certificate_expires"),
    (&["set-meta", "rack 7"], "6 bytes", "len"),
    (&["send", "b", "hello"], "b has it", "acknowledged"),
    (
        &["send", "b", "hello", "--unacknowledged"],
        "on its way",
        "acknowledged",
    ),
];

/// Those that other tests here drive, since they wait, end something, or need no member.
const ELSEWHERE: &[&str] = &[
    "agent",
    "demo",
    "sim",
    "watch",
    "top",
    "join",
    "leave",
    "down",
    "broadcast",
    "completions",
    "man",
];

#[test]
fn every_command_answers_as_text_and_as_json_and_says_how_it_is_used() {
    let site = Site::new();
    let mut driven: BTreeSet<String> = ELSEWHERE.iter().map(|&name| name.to_owned()).collect();
    for (args, text, json) in ASKED {
        driven.insert(args[0].to_owned());
        // What is just being spread may differ for a moment.
        let mut output = site.ask(args);
        for _ in 0..50 {
            if output.status.success() {
                break;
            }
            output = site.ask(args);
        }
        assert_eq!(
            output.status.code(),
            Some(0),
            "{args:?}: {}",
            stderr(&output)
        );
        let said = String::from_utf8(output.stdout).expect("text");
        assert!(said.contains(text), "{args:?}: {said}");
        let said = site.json(args).to_string();
        assert!(said.contains(json), "{args:?}: {said}");
        // Wrong usage, whatever it is.
        assert_eq!(
            site.ask(&[args, &["--what"][..]].concat()).status.code(),
            Some(2),
            "{args:?}"
        );
    }
    let joined = site.json(&["join", &site.b.addr.to_string()]);
    assert_eq!(joined["announced"][0], site.b.addr.to_string());
    assert_eq!(site.json(&["broadcast", "deploy 6"])["is_news"], true);
    assert_eq!(site.json(&["down", "c"])["was_active"], true);

    for (args, file) in [
        (&["certs", "key", "d"][..], "d-key.pem"),
        (&["certs", "issue", "e"], "e.pem"),
    ] {
        driven.insert(args[0].to_owned());
        let dir = text(site.certs.dir.path());
        let made = run(&[args, &["--dir", &dir]].concat());
        assert!(made.status.success(), "{}", stderr(&made));
        assert!(fs::exists(site.certs.path(file)).expect("known"), "{file}");
    }
    driven.insert("keys".to_owned());
    assert!(site.json(&["leave"])["wanted"].is_u64());
    assert_eq!(listed(&[]), driven);

    for (of, commands) in [
        (
            &["certs"][..],
            &["init", "install", "issue", "key", "list", "pin", "reload"][..],
        ),
        (&["keys"], &["add", "generate", "list", "remove", "use"]),
    ] {
        assert_eq!(
            listed(of),
            commands.iter().map(|&name| name.to_owned()).collect()
        );
    }
}

#[test]
fn every_command_that_asks_an_agent_has_examples_or_exit_codes_in_its_help_and_knows_json() {
    let subcommands = |of: &str| {
        listed(&[of])
            .into_iter()
            .map(|name| vec![of.to_owned(), name])
            .collect::<Vec<_>>()
    };
    let alone = listed(&[])
        .into_iter()
        .filter(|name| !["certs", "keys"].contains(&name.as_str()));
    let all = alone
        .map(|name| vec![name])
        .chain(subcommands("certs"))
        .chain(subcommands("keys"));
    // They make files, or text for other programs.
    let silent = [
        "completions",
        "man",
        "init",
        "issue",
        "key",
        "pin",
        "generate",
    ];
    for command in all {
        let args: Vec<_> = command.iter().map(String::as_str).collect();
        let help = run(&[&args[..], &["--help"]].concat());
        let help = String::from_utf8(help.stdout).expect("text");
        if silent.contains(args.last().expect("a command")) {
            continue;
        }
        assert!(help.contains("--json"), "{args:?}: {help}");
        assert!(help.contains("Exit codes:"), "{args:?}: {help}");
    }
    let man = tempfile::tempdir().expect("a directory");
    let written = run(&["man", "--dir", &text(man.path())]);
    assert!(written.status.success(), "{}", stderr(&written));
    for page in [
        "selkie-rtt.1",
        "selkie-reach.1",
        "selkie-keys-use.1",
        "selkie-certs-pin.1",
    ] {
        let page = fs::read_to_string(man.path().join(page)).expect("a page");
        assert!(page.contains("selkie"), "{page}");
    }
}
