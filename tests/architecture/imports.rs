//! Who may import whom.

use std::collections::BTreeMap;

use crate::source::{code_of, files_below, imports, read};

/// The files that every part may use, beside `lib.rs`.
const CORE: &[&str] = &[
    "broadcast",
    "codec",
    "config",
    "counters",
    "error",
    "identity",
    "member",
    "message",
    "node",
    "runtime",
    "timer",
    "trace",
    "traffic",
];

#[test]
fn codecs_know_what_is_encoded_and_nothing_else() {
    let allowed = &["codecs", "codec", "member", "message", "identity"];
    check_imports("codecs", allowed);
}

#[test]
fn transports_know_the_transport_and_nothing_else() {
    check_imports("transports", &["transports", "transport", "trace"]);
}

#[test]
fn transports_know_nothing_of_each_other() {
    for (path, import) in imports_below("transports") {
        let [_, part, module, ..] = import.as_slice() else {
            continue;
        };
        // Whoever uses the development authority is gated on it; all count by the same.
        let own = path.starts_with(&format!("transports/{module}")) || path == "transports/mod.rs";
        let is_module = module.starts_with(char::is_lowercase);
        assert!(
            part != "transports"
                || !is_module
                || own
                || ["certs", "counters"].contains(&module.as_str()),
            "{path} imports {}",
            import.join("::")
        );
    }
}

#[test]
fn codecs_know_nothing_of_each_other() {
    for (path, import) in imports_below("codecs") {
        let [_, part, module, ..] = import.as_slice() else {
            continue;
        };
        let own = path.starts_with(&format!("codecs/{module}")) || path == "codecs/mod.rs";
        let is_module = module.starts_with(char::is_lowercase);
        assert!(
            part != "codecs" || !is_module || own || module == "parts",
            "{path} imports {}",
            import.join("::")
        );
    }
}

#[test]
fn the_engine_knows_the_files_beside_it() {
    check_imports("src/engine", &[CORE, &["engine"]].concat());
}

#[test]
fn the_files_beside_the_engine_know_nothing_of_it() {
    for module in CORE {
        check_file(&format!("src/{module}.rs"), CORE);
    }
    check_imports("src/transport", &["transport"]);
}

#[test]
fn the_agent_knows_engine_and_transport() {
    check_imports(
        "src/agent",
        &[CORE, &["agent", "engine", "transport"]].concat(),
    );
}

#[test]
fn the_metrics_know_the_agent_from_outside() {
    check_imports("src/metrics", &[CORE, &["metrics", "agent"]].concat());
}

#[test]
fn the_admin_channel_knows_the_agent_from_outside() {
    check_imports(
        "src/admin",
        &[CORE, &["admin", "agent", "metrics", "transport"]].concat(),
    );
}

#[test]
fn the_simulator_knows_the_engine_and_only_one_file_of_it_does() {
    check_imports("src/sim", &[CORE, &["sim", "engine"]].concat());
    for (path, import) in imports_below("src/sim") {
        let is_coupling = path == "src/sim/engine.rs" || path == "src/sim/chaos.rs";
        let names_engine = import.iter().any(|part| part == "Engine");
        assert!(is_coupling || !names_engine, "{path} imports the engine");
    }
}

/// The command is a program of its own: it sees the public items, as every user does, unless it
/// takes in files.
#[test]
fn the_command_takes_in_no_file_of_the_library() {
    for path in files_below("src/cli", ".rs") {
        let code = code_of(&read(&path));
        for way in ["#[path", "include!", "include_str!"] {
            assert!(!code.contains(way), "{path} has {way}");
        }
    }
}

#[test]
fn engine_and_simulator_need_neither_std_nor_a_clock() {
    let beside = CORE.iter().map(|module| format!("src/{module}.rs"));
    let files = ["src/engine", "src/sim"].map(|folder| files_below(folder, ".rs"));
    for path in files.into_iter().flatten().chain(beside) {
        let code = code_of(&read(&path));
        for word in ["Instant", "SystemTime", "thread_local"] {
            // The ready-made identity counts its lives by the wall clock, where there is one.
            let is_allowed = path == "src/node.rs" && word == "SystemTime";
            assert!(is_allowed || !code.contains(word), "{path} mentions {word}");
        }
        for import in imports(&code, &module_of(&path)) {
            let is_allowed = path == "src/node.rs";
            assert!(
                is_allowed || import.first().is_none_or(|root| root != "std"),
                "{path} imports {}",
                import.join("::")
            );
        }
    }
}

#[track_caller]
fn check_imports(folder: &str, allowed: &[&str]) {
    let files = files_below(folder, ".rs");
    assert!(!files.is_empty(), "{folder} has no files");
    for path in files {
        check_file(&path, allowed);
    }
}

/// Checks that whatever a file imports from the crate is of the modules `allowed`.
#[track_caller]
fn check_file(path: &str, allowed: &[&str]) {
    let exports = exports();
    for import in imports(&code_of(&read(path)), &module_of(path)) {
        let [root, first, ..] = import.as_slice() else {
            continue;
        };
        if root != "crate" {
            continue;
        }
        let module = exports.get(first).unwrap_or(first);
        assert!(
            allowed.contains(&module.as_str()),
            "{path} imports {}, of module {module}; it may import from {allowed:?}",
            import.join("::")
        );
    }
}

fn imports_below(folder: &str) -> Vec<(String, Vec<String>)> {
    let mut found = Vec::new();
    for path in files_below(folder, ".rs") {
        for import in imports(&code_of(&read(&path)), &module_of(&path)) {
            if import.first().is_some_and(|root| root == "crate") {
                found.push((path.clone(), import));
            }
        }
    }
    found
}

/// The names at the crate's root, and the module that each is from.
fn exports() -> BTreeMap<String, String> {
    let imports = imports(&code_of(&read("src/lib.rs")), &[]);
    let exports: BTreeMap<_, _> = imports
        .into_iter()
        .filter(|path| path.len() > 2)
        .map(|path| (path[path.len() - 1].clone(), path[1].clone()))
        .collect();
    assert!(exports.len() > 20, "lib.rs was not understood: {exports:?}");
    exports
}

/// The module that a file is.
fn module_of(path: &str) -> Vec<String> {
    let path = path.strip_prefix("src/").unwrap_or(path);
    let path = path.strip_suffix(".rs").unwrap_or(path);
    let path = path.strip_suffix("/mod").unwrap_or(path);
    path.split('/').map(str::to_owned).collect()
}
