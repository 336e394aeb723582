//! `selkie sim`: each scenario, small. That the figures are good is not asked here.

use serde_json::Value;

use crate::fixture::{run, stderr};

#[test]
fn load_is_two_packets_per_member_and_period() {
    let object = check("load", &["--nodes", "6"]);
    let sent = object["figures"]["sizes"][0]["sent_per_period"].as_f64();
    assert!((1.9..2.1).contains(&sent.expect("a figure")), "{object}");
    assert_eq!(object["pass"], true, "{object}");
}

#[test]
fn crashes_are_found_after_what_accusers_imply() {
    let object = check("detection", &["--nodes", "8"]);
    let row = &object["figures"]["sizes"][0];
    assert_eq!(row["crashes"], 1, "{object}");
    assert_eq!(row["known_to_all"], 1, "{object}");
    assert!(
        row["off_most_percent"].as_f64().expect("a figure") < 10.0,
        "{object}"
    );
}

#[test]
fn clusters_too_small_for_three_accusers_are_judged_by_as_many_as_they_have() {
    for nodes in ["3", "4"] {
        let object = check("detection", &["--nodes", nodes]);
        let row = &object["figures"]["sizes"][0];
        let off = row["off_most_percent"].as_f64().expect("a figure");
        assert!(off < 1.0, "{object}");
    }
}

#[test]
fn each_crash_must_be_known_to_all() {
    for (scenario, bar) in [
        ("detection", "crashes known to all survivors, 8 members"),
        ("dissemination", "crashes known to all, 8 members"),
        ("dissemination", "crashes known to all survivors, 8 members"),
        ("crashes", "half crashed, all know in the end"),
        ("crashes", "few crashed, all know in the end"),
        ("split", "two halves: all see those on their side alone"),
    ] {
        let object = check(scenario, &["--nodes", "8"]);
        let bars = object["bars"].as_array().expect("bars");
        let is_it = |of: &&Value| {
            of["what"]
                .as_str()
                .is_some_and(|what| what.starts_with(bar))
        };
        let found = bars.iter().find(is_it);
        let found = found.unwrap_or_else(|| panic!("no {bar:?} in {object}"));
        assert_eq!(found["found"], "1 of 1", "{object}");
    }
}

#[test]
fn news_spreads() {
    let object = check("dissemination", &["--nodes", "8"]);
    assert!(
        object["figures"]["lan"][0]["all_know_median_s"].is_f64(),
        "{object}"
    );
}

#[test]
fn suspicion_keeps_members_that_loss_would_take() {
    let object = check("lossy-join", &[]);
    assert_eq!(object["bars"][0]["holds"], true, "{object}");
}

#[test]
fn lifeguard_is_compared_part_by_part() {
    let object = check("lifeguard", &["--nodes", "16"]);
    let rows = object["figures"]["variants"].as_array().expect("rows");
    assert_eq!(rows.len(), 6, "{object}");
    assert_eq!(rows[0]["packets_percent"], 100.0, "{object}");
    // One run is of one setting, which is told, and of no other.
    let settings = object["figures"]["settings"].as_array().expect("rows");
    assert_eq!(settings.len(), 3, "{object}");
    let keys = [
        "setting",
        "runs",
        "swim_fp",
        "swim_fp_at_healthy",
        "lifeguard_fp",
        "lifeguard_fp_at_healthy",
    ];
    assert!(
        keys.iter().all(|key| !settings[0][key].is_null()),
        "{object}"
    );
    assert!(settings[0]["swim_fp"].is_u64(), "{object}");
    assert!(
        object["notes"]
            .to_string()
            .contains("Settings that were run: C = "),
        "{object}"
    );
    // One run of a small cluster is no proof, and is not taken for one.
    assert_eq!(object["pass"], false, "{object}");
}

#[test]
fn a_sample_of_the_lifeguard_experiment_keeps_its_promise() {
    let object = check_runs("lifeguard", &["--nodes", "128", "--runs", "2"]);
    let bars = object["bars"].as_array().expect("bars");
    for what in [
        "wrong declarations, of SWIM's",
        "those at healthy members",
        "enough to judge by",
    ] {
        let bar = bars.iter().find(|bar| {
            bar["what"]
                .as_str()
                .is_some_and(|text| text.starts_with(what))
        });
        let bar = bar.unwrap_or_else(|| panic!("no {what} in {object}"));
        assert_eq!(bar["holds"], true, "{bar}");
    }
}

#[test]
fn members_find_together() {
    let object = check("bootstrap", &["--nodes", "10"]);
    assert_eq!(object["pass"], true, "{object}");
}

#[test]
fn crashes_at_once_are_known_to_all() {
    let object = check("crashes", &["--nodes", "10"]);
    assert!(
        object["figures"]["half"][0]["all_know_median_s"].is_f64(),
        "{object}"
    );
}

#[test]
fn healthy_members_stay_while_others_are_ill() {
    for scenario in ["flip-flop", "lossy-few"] {
        let object = check(scenario, &["--nodes", "5"]);
        assert!(
            object["figures"]["ways"][0]["least_seen"].is_u64(),
            "{object}"
        );
    }
}

#[test]
fn losses_are_counted() {
    let object = check("healthy-loss", &["--nodes", "3"]);
    let rows = object["figures"]["losses"].as_array().expect("rows");
    assert_eq!(rows.len(), 4, "{object}");
}

#[test]
fn halves_become_one_again() {
    let object = check("split", &["--nodes", "6"]);
    assert_eq!(object["pass"], true, "{object}");
}

#[test]
fn broadcasts_miss_nobody_where_nothing_is_lost() {
    let object = check("broadcasts", &["--nodes", "8"]);
    let rows = object["figures"]["broadcasts"].as_array().expect("rows");
    assert_eq!(rows.len(), 5, "{object}");
    for row in &rows[..3] {
        assert_eq!(row["broadcasts"], 500, "{object}");
        assert_eq!(row["misses"], 0, "{object}");
        // Four times each, by each.
        assert_eq!(row["copies"], 4.0, "{object}");
    }
}

#[test]
fn chaos_breaks_no_rule() {
    let object = check("chaos", &[]);
    assert_eq!(object["pass"], true, "{object}");
    assert_eq!(object["figures"]["runs"][0]["runs"], 1, "{object}");
    assert_eq!(
        object["figures"]["broken"],
        serde_json::json!([]),
        "{object}"
    );
}

#[test]
fn tables_have_the_papers_figures_beside_ours_and_plots_are_drawn() {
    let dir = tempfile::tempdir().expect("a directory");
    let path = dir.path().join("plots");
    let path = path.to_str().expect("text");
    let output = run(&["sim", "load", "--nodes", "28", "--svg", path]);
    let stdout = String::from_utf8(output.stdout.clone()).expect("text");
    assert!(output.status.success(), "{stdout}{}", stderr(&output));
    for part in ["sent per period", "paper: each", "met "] {
        assert!(stdout.contains(part), "no {part:?} in {stdout}");
    }
    // No progress bar where nobody sees it.
    assert_eq!(stderr(&output), "");
    let svg = std::fs::read_to_string(format!("{path}/load-packets.svg")).expect("a plot");
    assert!(
        svg.starts_with("<svg") && svg.contains("LAN preset"),
        "{svg}"
    );
}

#[test]
fn a_directory_that_cannot_be_written_is_told_before_the_run() {
    let output = run(&["sim", "lifeguard", "--svg", "/dev/null/plots"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(output.stdout.is_empty());
    let told = stderr(&output);
    assert!(told.contains("cannot write /dev/null/plots"), "{told}");
}

#[test]
fn a_scenario_without_plots_says_so_and_makes_no_directory() {
    let dir = tempfile::tempdir().expect("a directory");
    let path = dir.path().join("plots");
    let text = path.to_str().expect("text");
    let object = check("split", &["--nodes", "4", "--svg", text]);
    assert!(object["notes"].to_string().contains("No plots"), "{object}");
    assert!(!path.exists());
}

#[test]
fn the_last_seed_is_followed_by_the_first() {
    let seed = u64::MAX.to_string();
    let object = check("lossy-join", &["--nodes", "50", "--seed", &seed]);
    let setup = object["setup"].as_str().expect("text");
    assert!(setup.contains("After 250 s"), "{setup}");
}

#[test]
fn the_same_seed_gives_the_same_figures() {
    let figures = |seed| check("detection", &["--nodes", "9", "--seed", seed])["figures"].clone();
    assert_eq!(figures("7"), figures("7"));
    assert_ne!(figures("7"), figures("8"));
}

#[test]
fn wrong_scenario_is_named_beside_those_that_exist() {
    let output = run(&["sim", "no-such-thing"]);
    assert_eq!(output.status.code(), Some(2));
    for part in ["no-such-thing", "possible values", "flip-flop", "lifeguard"] {
        assert!(stderr(&output).contains(part), "{}", stderr(&output));
    }
    let output = run(&["sim", "load", "--seed", "-1"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(
        stderr(&output).contains("invalid value '-1' for '--seed <S>'"),
        "{}",
        stderr(&output)
    );
    let output = run(&["sim", "load", "--nodes", "2"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(
        stderr(&output).contains("2 is not in 3..=100000"),
        "{}",
        stderr(&output)
    );
}

/// One run; what it found. Missed bars are an exit code, not an end before the end.
#[track_caller]
fn check(scenario: &str, more: &[&str]) -> Value {
    check_runs(scenario, &[&["--runs", "1"], more].concat())
}

#[track_caller]
fn check_runs(scenario: &str, more: &[&str]) -> Value {
    let args = ["sim", scenario, "--json"];
    let output = run(&[&args, more].concat());
    let stdout = String::from_utf8(output.stdout.clone()).expect("text");
    let last = stdout.lines().last().expect("a line");
    let object: Value = serde_json::from_str(last).expect("JSON");
    assert_eq!(object["scenario"], scenario);
    let pass = object["pass"].as_bool().expect("a verdict");
    let code = i32::from(!pass);
    assert_eq!(
        output.status.code(),
        Some(code),
        "{stdout}{}",
        stderr(&output)
    );
    object
}
