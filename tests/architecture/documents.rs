//! The documents tell of what exists.

use std::{collections::BTreeSet, path::Path};

use crate::source::{code_of, files_below, read, root};

const DOCUMENTS: &[&str] = &[
    "README.md",
    "ARCHITECTURE.md",
    "CHANGELOG.md",
    "CONTRIBUTING.md",
    "SECURITY.md",
    "examples/README.md",
];

#[test]
fn documents_mention_only_files_that_exist() {
    let more = files_below("docs", ".md");
    for document in DOCUMENTS
        .iter()
        .copied()
        .chain(more.iter().map(String::as_str))
    {
        let text = read(document);
        let beside = Path::new(document).parent().unwrap_or(Path::new(""));
        for mention in links(&text) {
            assert!(
                root().join(beside).join(&mention).exists(),
                "{document} links to {mention}, which does not exist"
            );
        }
        for mention in quoted_paths(&text) {
            let exists = [Path::new(""), beside]
                .iter()
                .any(|folder| root().join(folder).join(&mention).exists());
            assert!(
                exists,
                "{document} mentions {mention}, which does not exist"
            );
        }
    }
}

#[test]
fn the_code_map_has_every_file_and_folder() {
    let map = read("ARCHITECTURE.md");
    for folder in ["src", "codecs", "transports"] {
        for entry in root().join(folder).read_dir().unwrap() {
            let entry = entry.unwrap();
            let name = entry.file_name().into_string().unwrap();
            let is_told = matches!(name.as_str(), "lib.rs" | "mod.rs") || map.contains(&name);
            assert!(
                is_told,
                "ARCHITECTURE.md does not tell what {folder}/{name} is"
            );
        }
    }
}

#[test]
fn the_tables_name_every_feature() {
    let features = features();
    assert!(features.len() > 5, "Cargo.toml was not understood");
    for document in ["README.md", "src/lib.rs"] {
        let text = read(document);
        let (_, table) = text.split_once("| feature | what it adds |").unwrap();
        let rows = table
            .lines()
            .map(|line| line.trim_start_matches("//! "))
            .take_while(|line| line.is_empty() || line.contains('|'))
            .filter_map(|line| line.strip_prefix("| `")?.split_once('`'))
            .map(|(name, _)| name.to_owned());
        let mut named: Vec<String> = rows.collect();
        named.sort();
        assert_eq!(named, features, "the features that {document} names");
    }
}

#[test]
fn the_readme_asks_for_the_rust_that_the_manifest_asks_for() {
    let manifest = read("Cargo.toml");
    let version = value_of(&manifest, "rust-version");
    for document in ["README.md", "CONTRIBUTING.md"] {
        let asked = format!("Rust {version} or newer");
        assert!(read(document).contains(&asked), "{document} lacks: {asked}");
    }
}

#[test]
fn the_examples_are_listed_and_each_needs_the_features_that_its_command_has() {
    let list = read("examples/README.md");
    let manifest = read("Cargo.toml");
    let examples = files_below("examples", ".rs");
    assert!(examples.len() > 5, "found only {examples:?}");
    for path in examples {
        let name = path.trim_start_matches("examples/").trim_end_matches(".rs");
        let entry = format!("[[example]]\nname = \"{name}\"\nrequired-features = [");
        let (_, entry) = manifest
            .split_once(&entry)
            .unwrap_or_else(|| panic!("{name}: no entry"));
        let (features, _) = entry.split_once(']').unwrap();
        let features = features.replace(['"', ' '], "");
        let command = format!("cargo run --example {name} --features {features}`");
        for document in ["examples/README.md", path.as_str()] {
            assert!(
                read(document).contains(&command),
                "{document} lacks: {command}"
            );
        }
        assert!(
            list.contains(&format!("`{name}.rs`")),
            "{name} is not listed"
        );
    }
}

#[test]
fn a_member_takes_few_lines() {
    for (path, lines_max) in [("examples/udp.rs", 19), ("examples/quic.rs", 29)] {
        let text = read(path);
        let (member, _) = text.split_once("/// One joins another").unwrap();
        let is_code = |line: &&str| !line.is_empty() && !line.trim_start().starts_with("//");
        let lines = member.lines().filter(is_code).count();
        assert!(lines <= lines_max, "{path}: a member takes {lines} lines");
    }
}

#[test]
fn the_tables_of_attacks_name_tests_that_exist() {
    let tests = names_of_tests();
    let text = read("docs/security.md");
    let mut in_table = false;
    let mut rows = 0;
    for line in text.lines() {
        in_table = line.ends_with("| test |") || (in_table && line.starts_with('|'));
        if !in_table || line.ends_with("| test |") || line.starts_with("| ---") {
            continue;
        }
        rows += 1;
        let (_, cell) = line.trim_end_matches(" |").rsplit_once(" | ").unwrap();
        let named: Vec<&str> = cell.split('`').skip(1).step_by(2).collect();
        let is_shown = !named.is_empty() || cell.starts_with("the same");
        assert!(is_shown, "docs/security.md names no test for: {line}");
        for name in named {
            assert!(tests.contains(name), "docs/security.md: no test {name}");
        }
    }
    assert!(rows > 40, "docs/security.md was not understood");
}

/// The functions in files of tests. Those of a suite that several things run are not marked.
fn names_of_tests() -> BTreeSet<String> {
    let tests = files_below("tests", ".rs");
    let inner = ["src", "codecs", "transports"].map(|folder| files_below(folder, "/tests.rs"));
    let files = tests.iter().chain(inner.iter().flatten());
    let mut names = BTreeSet::new();
    for path in files {
        let code = code_of(&read(path));
        let functions = code.split("fn ").skip(1);
        let name_of = |function: &str| function.split(['(', '<']).next().map(str::to_owned);
        names.extend(functions.filter_map(name_of));
    }
    names
}

/// Where the links of a document lead, if it is within the project.
fn links(text: &str) -> Vec<String> {
    text.split("](")
        .skip(1)
        .filter_map(|rest| rest.split_once(')'))
        .map(|(link, _)| link.split('#').next().unwrap_or_default().to_owned())
        .filter(|link| !link.is_empty() && !link.contains("://"))
        .collect()
}

/// What stands in backquotes and looks like the path of a file or folder of ours.
fn quoted_paths(text: &str) -> Vec<String> {
    const FOLDERS: &[&str] = &[
        "src/",
        "codecs/",
        "transports/",
        "examples/",
        "tests/",
        "benches/",
        "fuzz/",
        "docs/",
        ".ci/",
    ];
    text.split('`')
        .skip(1)
        .step_by(2)
        .filter(|quoted| FOLDERS.iter().any(|folder| quoted.starts_with(folder)))
        .filter(|quoted| !quoted.contains(char::is_whitespace))
        .map(str::to_owned)
        .collect()
}

/// The names in the manifest's `[features]`, without `default`, in order.
fn features() -> Vec<String> {
    let manifest = read("Cargo.toml");
    let (_, section) = manifest.split_once("\n[features]\n").unwrap();
    let (section, _) = section.split_once("\n[").unwrap();
    let mut names: Vec<String> = section
        .lines()
        .filter(|line| !line.starts_with([' ', '#', ']']))
        .filter_map(|line| line.split_once(" = "))
        .map(|(name, _)| name.to_owned())
        .filter(|name| name != "default" && !name.starts_with("__"))
        .collect();
    names.sort();
    names
}

fn value_of(manifest: &str, key: &str) -> String {
    let line = manifest
        .lines()
        .find_map(|line| line.strip_prefix(key)?.split_once('"'));
    line.unwrap().1.trim_end_matches('"').to_owned()
}
