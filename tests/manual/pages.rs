//! The pages, each carried out.

use std::collections::BTreeSet;

use crate::{page, terminal::Site};

/// What an operator does; carried out here.
const MANUAL: &[&str] = &[
    "docs/README.md",
    "docs/certificates.md",
    "docs/first-steps.md",
    "docs/kubernetes.md",
    "docs/ops/README.md",
    "docs/production.md",
    "docs/systemd.md",
    "docs/troubleshooting.md",
    "docs/upgrading.md",
];

/// What was found out, with the commands that show it again: in hours, or as root.
const REPORTS: &[&str] = &[
    "docs/benchmarks.md",
    "docs/from-foca.md",
    "docs/network-faults.md",
    "docs/protocol.md",
    "docs/security.md",
    "docs/simulation.md",
    "docs/wire.md",
];

/// What is typed elsewhere, by page, and why not here.
const ELSEWHERE: &[(&str, &[&str])] = &[
    // What is run here was built by what runs this.
    (
        "docs/first-steps.md",
        &["cargo install --locked --path . --features cli"],
    ),
    // There is no Kubernetes here. `ops.rs` tries what the files tell it to run.
    (
        "docs/kubernetes.md",
        &[
            "docker build -f docs/ops/Dockerfile -t registry.example.org/selkie:0.1.0 .",
            "docker push registry.example.org/selkie:0.1.0",
            "kubectl apply -f docs/ops/kubernetes.yaml",
            "kubectl create secret generic selkie-certificates --from-file=pods/",
            "kubectl create secret generic selkie-certificates --from-file=pods/ \
             --dry-run=client -o yaml | kubectl apply -f -",
            "kubectl exec selkie-0 -- selkie doctor",
            "kubectl exec selkie-0 -- selkie members",
            "kubectl exec selkie-0 -- selkie why selkie-1",
            "kubectl logs selkie-0",
            "kubectl port-forward selkie-0 9464:9464",
            "kubectl rollout status statefulset/selkie",
            "kubectl set image statefulset/selkie selkie=registry.example.org/selkie:0.2.0",
        ],
    ),
    // There is one machine here.
    (
        "docs/ops/README.md",
        &["ssh -N -L 9465:127.0.0.1:9464 db-2.example.org"],
    ),
    // They change the machine. `ops.rs` tries the unit and its settings.
    (
        "docs/systemd.md",
        &[
            "journalctl -u selkie -f",
            "sudo -u selkie selkie doctor --admin /run/selkie/agent.sock",
            "sudo -u selkie selkie members --admin /run/selkie/agent.sock",
            "sudo install -d -o selkie -m 700 /etc/selkie",
            "sudo install -m 644 selkie.service /etc/systemd/system/",
            "sudo install -m 755 target/release/selkie /usr/local/bin/selkie",
            "sudo install -o selkie -m 600 agent.toml ca.pem db-1.pem db-1-key.pem /etc/selkie/",
            "sudo systemctl daemon-reload",
            "sudo systemctl enable --now selkie",
            "sudo systemctl reload selkie",
            "sudo systemctl restart selkie",
            "sudo useradd --system --no-create-home --shell /usr/sbin/nologin selkie",
        ],
    ),
];

#[test]
fn every_page_is_carried_out_or_a_report() {
    let mut known: Vec<_> = [MANUAL, REPORTS].concat();
    known.sort_unstable();
    assert_eq!(page::all(), known);
}

#[test]
fn every_page_with_something_to_type_has_its_test() {
    for page in MANUAL {
        let has_any = page::blocks(page)
            .iter()
            .any(|block| block.language == "sh");
        let has_test = include_str!("pages.rs").contains(&format!("    carry_out(\"{page}\");"));
        assert_eq!(has_any, has_test, "{page}");
    }
}

#[test]
fn what_is_typed_elsewhere_is_known() {
    for page in MANUAL {
        let blocks = page::blocks(page);
        let elsewhere = blocks.iter().filter(|block| block.language == "console");
        let typed: BTreeSet<_> = elsewhere.flat_map(page::Block::typed).collect();
        let known = ELSEWHERE.iter().find(|(of, _)| of == page);
        let known = known.map_or(&[][..], |(_, known)| known);
        let known: BTreeSet<_> = known.iter().map(|&line| line.to_owned()).collect();
        assert_eq!(typed, known, "{page}");
    }
}

#[test]
fn the_first_ten_minutes_go_as_they_are_told() {
    carry_out("docs/first-steps.md");
}

#[test]
fn a_member_in_production_goes_as_it_is_told() {
    carry_out("docs/production.md");
}

#[test]
fn certificates_authorities_and_keys_are_replaced_while_members_run() {
    carry_out("docs/certificates.md");
}

#[test]
fn certificates_for_pods_are_made_as_it_is_told() {
    carry_out("docs/kubernetes.md");
}

#[test]
fn a_node_is_upgraded_as_it_is_told() {
    carry_out("docs/upgrading.md");
}

#[test]
fn symptoms_show_as_they_are_told() {
    carry_out("docs/troubleshooting.md");
}

/// Types all that a page tells to, in order.
#[track_caller]
fn carry_out(page: &'static str) {
    let number = MANUAL.iter().position(|known| *known == page);
    let mut site = Site::new(page, number.expect("a page of the manual"));
    let blocks = page::blocks(page);
    let mut typed = 0;
    for (at, block) in blocks.iter().enumerate() {
        match &*block.language {
            "sh" => {
                let shown = blocks.get(at + 1).filter(|next| next.language == "text");
                site.carry_out(block, shown);
                typed += 1;
            }
            "text" => {
                let before = blocks.get(at.wrapping_sub(1)).map(|block| &*block.language);
                let is_shown = matches!(before, Some("sh" | "console"));
                assert!(is_shown, "{page}, line {}: of what?", block.line);
            }
            "console" | "toml" | "yaml" | "dockerfile" => {}
            other => panic!("{page}, line {}: what is {other:?}?", block.line),
        }
    }
    assert!(typed > 0, "{page}: nothing to type");
    site.close();
}
