//! What service managers are told to run is what the command takes.

use std::{
    collections::BTreeMap,
    fs,
    path::Path,
    process::{Command, Output},
};

use tempfile::TempDir;
use yaml_rust2::{Yaml, YamlLoader};

use crate::page;

#[test]
fn the_agent_of_kubernetes_has_settings_that_are_good() {
    let etc = certificates("selkie-0");
    let container = container();
    let mut env = BTreeMap::new();
    for variable in list(&container["env"]) {
        let name = text(&variable["name"]);
        let from = variable["valueFrom"]["fieldRef"]["fieldPath"].as_str();
        let value = match from {
            Some("metadata.name") => "selkie-0",
            Some("status.podIP") => "10.0.0.7",
            other => variable["value"]
                .as_str()
                .unwrap_or_else(|| panic!("{other:?}")),
        };
        env.insert(name.to_owned(), value.to_owned());
    }
    let args = list(&container["command"])
        .iter()
        .chain(list(&container["args"]));
    let args: Vec<String> = args
        .map(|arg| {
            let expand = |arg: String, (name, value): (&String, &String)| {
                arg.replace(&format!("$({name})"), value)
            };
            let arg = env.iter().fold(text(arg).to_owned(), expand);
            arg.replace("/etc/selkie", etc.path().to_str().expect("text"))
        })
        .collect();
    assert_eq!(args[0], "selkie");
    let mut selkie = Command::new(env!("CARGO_BIN_EXE_selkie"));
    let output = selkie.args(&args[1..]).arg("--check").envs(&env).output();
    let said = check_good(&output.expect("run"));
    for part in ["\"name\":\"selkie-0\"", "\"addr\":\"10.0.0.7:7946\""] {
        assert!(said.contains(part), "{said}");
    }
}

#[test]
fn the_probes_of_kubernetes_are_commands_that_answer() {
    let container = container();
    let folder = tempfile::tempdir().expect("a folder");
    let socket = folder.path().join("none.sock");
    for probe in ["livenessProbe", "readinessProbe"] {
        let command = list(&container[probe]["exec"]["command"]);
        let args: Vec<_> = command.iter().map(text).collect();
        assert_eq!(args[..2], ["selkie", "ready"], "{probe}");
        let mut selkie = Command::new(env!("CARGO_BIN_EXE_selkie"));
        selkie.args(&args[1..]).env("SELKIE_ADMIN", &socket);
        let output = selkie.output().expect("run");
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        // The usage is right, and nobody is there.
        assert_eq!(output.status.code(), Some(1), "{said}");
        assert!(said.contains("no agent answers"), "{said}");
    }
}

#[test]
fn what_kubernetes_mounts_and_opens_is_what_the_agent_uses() {
    let documents = documents();
    let service = of_kind(&documents, "Service");
    let set = of_kind(&documents, "StatefulSet");
    let container = container();
    let name = text(&service["metadata"]["name"]);
    assert_eq!(text(&set["spec"]["serviceName"]), name);
    assert_eq!(text(&service["spec"]["clusterIP"]), "None");
    let args: Vec<_> = list(&container["args"]).iter().map(text).collect();
    let port = service["spec"]["ports"][0]["port"]
        .as_i64()
        .expect("a port");
    assert!(
        args.contains(&&*format!("--join={name}:{port}")),
        "{args:?}"
    );
    assert!(
        args.contains(&&*format!("--bind=0.0.0.0:{port}")),
        "{args:?}"
    );
    let opened = container["ports"][0]["containerPort"].as_i64();
    assert_eq!(opened, Some(port));
    let labels = &set["spec"]["template"]["metadata"]["labels"];
    for selector in [
        &service["spec"]["selector"],
        &set["spec"]["selector"]["matchLabels"],
        &of_kind(&documents, "PodDisruptionBudget")["spec"]["selector"]["matchLabels"],
    ] {
        assert_eq!(selector, labels);
    }
    let mounts = list(&container["volumeMounts"]).iter();
    let mounted: Vec<_> = mounts.map(|mount| text(&mount["mountPath"])).collect();
    let env = list(&container["env"]).iter();
    let values = env.filter_map(|variable| variable["value"].as_str());
    let paths: Vec<&str> = args
        .iter()
        .filter_map(|arg| arg.split_once('='))
        .map(|(_, value)| value)
        .chain(values)
        .filter(|value| value.starts_with('/'))
        .collect();
    assert_eq!(paths.len(), 5, "{paths:?}");
    for path in paths {
        let folder = Path::new(path).parent().and_then(Path::to_str);
        assert!(
            folder.is_some_and(|folder| mounted.contains(&folder)),
            "{path}"
        );
    }
}

#[test]
fn the_unit_of_systemd_runs_settings_that_are_good() {
    let etc = certificates("db-1");
    let path = etc.path().to_str().expect("text");
    let settings = page::read("docs/ops/agent.toml").replace("/etc/selkie", path);
    fs::write(etc.path().join("agent.toml"), settings).expect("written");
    let unit = page::read("docs/ops/selkie.service");
    let mut lines = 0;
    for (key, value) in unit.lines().filter_map(|line| line.split_once('=')) {
        if !["ExecStartPre", "ExecStart"].contains(&key) {
            continue;
        }
        lines += 1;
        let command = value.replace("/etc/selkie", path);
        let mut words = command.split_whitespace();
        assert_eq!(words.next(), Some("/usr/local/bin/selkie"));
        let mut selkie = Command::new(env!("CARGO_BIN_EXE_selkie"));
        selkie.args(words);
        if key == "ExecStart" {
            selkie.arg("--check");
        }
        check_good(&selkie.output().expect("run"));
    }
    assert_eq!(lines, 2);
}

/// Where there is no systemd, it says so, and nothing is tested.
#[test]
fn systemd_finds_nothing_wrong_with_the_unit() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("selkie.service");
    let unit = page::read("docs/ops/selkie.service");
    let unit = unit.replace("/usr/local/bin/selkie", env!("CARGO_BIN_EXE_selkie"));
    // It would have to be there.
    let user = unit.replace("User=selkie", "User=root");
    fs::write(&file, user).expect("written");
    let verified = Command::new("systemd-analyze")
        .args(["verify", "--man=no", "--recursive-errors=no"])
        .arg(&file)
        .output();
    match verified {
        Ok(output) => {
            let said = String::from_utf8_lossy(&output.stderr).into_owned();
            assert!(output.status.success(), "{said}");
            assert!(!said.contains("selkie.service"), "{said}");
        }
        Err(error) => println!("not tested: systemd-analyze: {error}"),
    }
}

#[test]
fn the_image_is_built_with_the_command_that_is_told_to_people() {
    let image = page::read("docs/ops/Dockerfile");
    let told = page::blocks("docs/first-steps.md");
    let told = told.iter().find(|block| block.language == "console");
    let install = told.expect("a block").typed().remove(0);
    assert!(
        image.contains(&format!("RUN {install} --root /out\n")),
        "{install}"
    );
}

/// A folder as the agent of this name wants it.
fn certificates(name: &str) -> TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().to_str().expect("text");
    for args in [&["init"][..], &["issue", name]] {
        let mut selkie = Command::new(env!("CARGO_BIN_EXE_selkie"));
        let output = selkie
            .arg("certs")
            .args(args)
            .args(["--dir", path])
            .output();
        assert!(output.expect("run").status.success());
    }
    folder
}

#[track_caller]
fn check_good(output: &Output) -> String {
    let errors = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{errors}");
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(said.contains("the settings are good"), "{said}");
    said
}

fn documents() -> Vec<Yaml> {
    YamlLoader::load_from_str(&page::read("docs/ops/kubernetes.yaml")).expect("YAML")
}

#[track_caller]
fn of_kind<'a>(documents: &'a [Yaml], kind: &str) -> &'a Yaml {
    let found = documents
        .iter()
        .find(|it| it["kind"].as_str() == Some(kind));
    found.unwrap_or_else(|| panic!("no {kind}"))
}

fn container() -> Yaml {
    let documents = documents();
    let set = of_kind(&documents, "StatefulSet");
    set["spec"]["template"]["spec"]["containers"][0].clone()
}

#[track_caller]
fn list(yaml: &Yaml) -> &Vec<Yaml> {
    yaml.as_vec().expect("a list")
}

#[track_caller]
fn text(yaml: &Yaml) -> &str {
    yaml.as_str().expect("text")
}
