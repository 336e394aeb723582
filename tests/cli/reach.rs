//! How far members are, and whether they see the same.

use crate::{
    ask::Site,
    fixture::{check_failure, stderr},
};

#[test]
fn distances_are_measured_from_here_and_between_others() {
    let site = Site::new();
    let all = site.json(&["rtt"]);
    let pairs: Vec<_> = all.as_array().expect("a list").iter().collect();
    assert_eq!(pairs.len(), 2, "{all}");
    for pair in pairs {
        assert_eq!(pair["from"], "a");
        let [min, median, max] =
            ["min_ns", "median_ns", "max_ns"].map(|name| pair[name].as_u64().expect("a time"));
        assert!(0 < min && min <= median && median <= max, "{pair}");
        assert_eq!((&pair["echoes"], &pair["error"]), (&5.into(), &().into()));
    }
    let table = site.text(&["rtt", "b"]);
    let rows: Vec<Vec<_>> = table
        .lines()
        .map(|line| line.split_whitespace().collect())
        .collect();
    assert_eq!(rows[0], ["FROM", "TO", "MIN", "MEDIAN", "MAX"]);
    assert_eq!((rows.len(), &rows[1][..2]), (2, &["a", "b"][..]), "{table}");
    let between = site.json(&["rtt", "b", "c"]);
    assert_eq!(
        (&between[0]["from"], &between[0]["to"]),
        (&"b".into(), &"c".into())
    );
    let back = site.json(&["rtt", "b", "a"]);
    assert_eq!(
        (&back[0]["from"], &back[0]["to"]),
        (&"b".into(), &"a".into())
    );

    check_failure(&site.ask(&["rtt", "nobody"]), &["nobody", "hint: "]);
    check_failure(&site.ask(&["rtt", "b", "nobody"]), &["nobody", "hint: "]);
    check_failure(
        &site.ask(&["rtt", "b", "b"]),
        &["b is no distance from itself"],
    );
    assert_eq!(site.ask(&["rtt", "b", "c", "d"]).status.code(), Some(2));
}

#[test]
fn who_sees_somebody_otherwise_or_does_not_answer_is_told() {
    let mut site = Site::new();
    // What is just being spread is a difference, too.
    let mut agrees = site.ask(&["reach"]);
    for _ in 0..50 {
        if agrees.status.success() {
            break;
        }
        agrees = site.ask(&["reach"]);
    }
    assert!(agrees.status.success(), "{}", stderr(&agrees));
    let table = String::from_utf8(agrees.stdout).expect("text");
    let rows: Vec<Vec<_>> = table
        .lines()
        .map(|line| line.split_whitespace().collect())
        .collect();
    assert_eq!(rows[0], ["MEMBER", "ANSWERS", "GROUP", "ACTIVE"]);
    assert_eq!(rows[1], ["a", "yes", "1", "3"]);
    assert_eq!(rows.len(), 4, "{table}");
    let reach = site.json(&["reach"]);
    assert_eq!(reach["agrees"], true);
    assert_eq!(reach["differences"], serde_json::json!([]));

    site.c.signal("STOP");
    site.a.until_event("suspect", "c");
    let reach = site.ask(&["reach", "--json"]);
    let value: serde_json::Value = serde_json::from_slice(&reach.stdout).expect("JSON");
    // It may have been declared down by now: then it is nobody's member any more.
    if value["agrees"] == false {
        check_failure(&reach, &["do not see the same", "hint: ", "selkie why"]);
        let members = value["members"].as_array().expect("a list");
        let c = members.iter().find(|it| it["name"] == "c");
        let is_told = c.is_none_or(|c| c["error"].is_string() && c["group"].is_null());
        assert!(is_told, "{value}");
        let differences = value["differences"].as_array().expect("a list");
        assert!(differences.iter().all(|it| it["member"] == "c"), "{value}");
    }
    site.a.until_event("down", "c");
    site.c.signal("CONT");
    site.a.until_event("joined", "c");
}
