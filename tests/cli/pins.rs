//! Certificates and pinned keys of members that run.

use std::{fs, os::unix::fs::PermissionsExt, path::Path};

use tempfile::TempDir;

use crate::{
    ask::Site,
    fixture::{Agent, Certs, check_failure, owned, run, stderr, text},
};

#[test]
fn certificates_are_listed_with_who_trusts_whom_and_taken_up_when_told() {
    let site = Site::new();
    let table = site.text(&["certs", "list"]);
    let rows: Vec<Vec<_>> = table
        .lines()
        .map(|line| line.split_whitespace().collect())
        .collect();
    assert_eq!(rows[0], ["MEMBER", "EXPIRES", "DAYS", "KEY", "TRUSTS"]);
    assert_eq!((rows[1][0], rows[1][2]), ("a", "89"), "{table}");
    let trusted = format!("authority {} is trusted by 3 of 3 members", rows[1][4]);
    assert!(table.contains(&trusted), "{table}");
    let list = site.json(&["certs", "list"]);
    let keys: Vec<_> = (0..3)
        .map(|nth| list[nth]["public_key"].to_string())
        .collect();
    assert!(
        keys[0] != keys[1] && keys[1] != keys[2] && keys[0].len() > 64,
        "{list}"
    );

    let dir = text(site.certs.dir.path());
    let days = ["--days", "7", "--force"];
    let issued = run(&[&["certs", "issue", "a", "--dir", &dir][..], &days].concat());
    assert!(issued.status.success(), "{}", stderr(&issued));
    let said = site.text(&["certs", "reload"]);
    assert!(said.contains("good until"), "{said}");
    let list = site.json(&["certs", "list"]);
    assert_eq!(list[0]["certificate_days"], 6, "{list}");
    let reloaded = site.json(&["certs", "reload"]);
    assert_eq!(
        reloaded["certificate_expires"],
        list[0]["certificate_expires"]
    );

    fs::copy(site.certs.path("b-key.pem"), site.certs.path("a-key.pem")).expect("copied");
    check_failure(
        &site.ask(&["certs", "reload"]),
        &["a-key.pem", "does not belong"],
    );
    assert_eq!(site.json(&["certs", "list"])[0]["certificate_days"], 6);
    check_failure(
        &site.ask(&["keys", "list"]),
        &["no keys", "hint: ", "certs list"],
    );
    check_failure(
        &site.ask(&["keys", "use", "00000000", "--force"]),
        &["no shared ones"],
    );
}

#[test]
fn what_cannot_be_installed_safely_leaves_the_files_as_they_were() {
    let site = Site::new();
    let other = Certs::new(&["a"]);
    let read = |certs: &Certs, file| fs::read_to_string(certs.path(file)).expect("a file");
    let ca = read(&site.certs, "ca.pem") + &read(&other, "ca.pem");
    fs::write(site.certs.path("ca.pem"), ca).expect("written");
    let [cert, key] = ["a.pem", "a-key.pem"].map(|file| text(&other.path(file)));
    let former = read(&site.certs, "a.pem");

    // Certificates are for all to read.
    let both = text(&other.path("both.pem"));
    let together = read(&other, "a.pem") + &read(&other, "a-key.pem");
    fs::write(&both, together).expect("written");
    let install = ["certs", "install", "--cert", &both, "--key", &key];
    check_failure(&site.ask(&install), &["private key among the certificates"]);
    assert_eq!(read(&site.certs, "a.pem"), former);

    // The second file cannot be replaced.
    fs::remove_file(site.certs.path("a-key.pem")).expect("removed");
    fs::create_dir(site.certs.path("a-key.pem")).expect("made");
    let install = ["certs", "install", "--cert", &cert, "--key", &key];
    check_failure(&site.ask(&install), &["cannot write", "a-key.pem"]);
    assert_eq!(read(&site.certs, "a.pem"), former);
}

#[test]
fn a_file_that_has_certificate_and_key_is_not_replaced_by_one_of_them() {
    let certs = Certs::new(&["a"]);
    let read = |file| fs::read_to_string(certs.path(file)).expect("a file");
    let one = certs.path("one.pem");
    let together = read("a.pem") + &read("a-key.pem");
    fs::write(&one, &together).expect("written");
    let [ca, socket, file] = ["ca.pem", "one.sock", "one.pem"].map(|it| text(&certs.path(it)));
    let mut args = owned(&["agent", "--bind", "127.0.0.1:0", "--name", "a", "--json"]);
    args.extend(owned(&["--ca", &ca, "--cert", &file, "--key", &file]));
    args.extend(owned(&["--admin", &socket]));
    let _agent = Agent::start("a", &args);
    let [cert, key] = ["a.pem", "a-key.pem"].map(|it| text(&certs.path(it)));
    let install = ["certs", "install", "--admin", &socket, "--cert", &cert];
    let output = run(&[&install[..], &["--key", &key]].concat());
    check_failure(&output, &["one file"]);
    assert_eq!(fs::read_to_string(&one).expect("a file"), together);
}

#[test]
fn the_authority_of_three_members_is_replaced_by_commands_alone_and_nobody_is_lost() {
    let mut site = Site::new();
    let other = Certs::new(&["a", "b", "c"]);
    let read = |certs: &Certs, file| fs::read_to_string(certs.path(file)).expect("a file");
    let both = text(&other.path("both.pem"));
    let together = read(&site.certs, "ca.pem") + &read(&other, "ca.pem");
    fs::write(&both, together).expect("written");
    let install = |name: &str, args: &[&str]| {
        let socket = text(&site.certs.path(&format!("{name}.sock")));
        run(&[&["certs", "install", "--admin", &socket][..], args].concat())
    };
    let certificate = |name: &str| {
        let [cert, key] =
            [".pem", "-key.pem"].map(|end| text(&other.path(&format!("{name}{end}"))));
        ["--cert".to_owned(), cert, "--key".to_owned(), key]
    };
    // Too early: nobody trusts that authority.
    let early = certificate("a");
    let early = install("a", &early.each_ref().map(String::as_str));
    check_failure(&early, &["the agent refused", "authority"]);
    assert_ne!(read(&site.certs, "a.pem"), read(&other, "a.pem"));
    for name in ["a", "b", "c"] {
        let done = install(name, &["--ca", &both]);
        assert!(done.status.success(), "{}", stderr(&done));
    }
    let table = site.text(&["certs", "list"]);
    assert_eq!(
        table.matches("is trusted by 3 of 3 members").count(),
        2,
        "{table}"
    );
    for name in ["a", "b", "c"] {
        let done = install(name, &certificate(name).each_ref().map(String::as_str));
        assert!(done.status.success(), "{}", stderr(&done));
    }
    for name in ["a", "b", "c"] {
        let done = install(name, &["--ca", &text(&other.path("ca.pem")), "--json"]);
        assert!(done.status.success(), "{}", stderr(&done));
    }
    for file in ["ca.pem", "a.pem", "a-key.pem", "c.pem"] {
        assert_eq!(read(&site.certs, file), read(&other, file), "{file}");
    }
    let mode = fs::metadata(site.certs.path("a-key.pem"))
        .expect("a key")
        .permissions()
        .mode();
    assert_eq!(mode & 0o777, 0o600);
    let table = site.text(&["certs", "list"]);
    assert_eq!(
        table.matches("is trusted by 3 of 3 members").count(),
        1,
        "{table}"
    );
    assert_eq!(install("a", &[]).status.code(), Some(2));
    // One that starts now finds only those of the new authority.
    let join = site.a.addr.to_string();
    site.b.signal("TERM");
    assert_eq!(site.b.wait(), Some(0));
    let mut b = Agent::start("b", &site.certs.args("b", &["--join", &join]));
    b.until_event("joined", "a");
}

/// A list of the lines of these members, whose keys are made if need be.
fn pin(dir: &TempDir, list: &str, names: &[&str]) -> String {
    let mut lines = String::from("# who we are\n");
    for name in names {
        let key = dir.path().join(format!("{name}-key.pem"));
        let made = match key.exists() {
            true => run(&["certs", "pin", name, "--key", &text(&key)]),
            false => run(&["certs", "key", name, "--dir", &text(dir.path())]),
        };
        assert!(made.status.success(), "{}", stderr(&made));
        let line = String::from_utf8(made.stdout).expect("text");
        assert!(line.starts_with(&format!("{name} ")), "{line}");
        lines.push_str(&line);
    }
    let file = dir.path().join(list);
    fs::write(&file, lines).expect("written");
    text(&file)
}

fn pinned(dir: &Path, name: &'static str, list: &str, more: &[&str]) -> Vec<String> {
    let key = text(&dir.join(format!("{name}-key.pem")));
    let args = [
        "--bind",
        "127.0.0.1:0",
        "--name",
        name,
        "--pins",
        list,
        "--key",
        &key,
    ];
    owned(&[&args[..], more].concat())
}

#[test]
fn members_known_by_their_keys_find_each_other_and_who_is_taken_off_the_list_is_out() {
    let dir = tempfile::tempdir().expect("a directory");
    let list = pin(&dir, "pins", &["a", "b"]);
    let socket = text(&dir.path().join("a.sock"));
    let mut a = Agent::start("a", &pinned(dir.path(), "a", &list, &["--admin", &socket]));
    let join = a.addr.to_string();
    let mut b = Agent::start("b", &pinned(dir.path(), "b", &list, &["--join", &join]));
    a.until_event("joined", "b");
    b.until_event("joined", "a");
    let ask = |args: &[&str]| run(&[args, &["--admin", &socket]].concat());
    let listed = ask(&["certs", "list"]);
    let table = String::from_utf8(listed.stdout).expect("text");
    assert!(
        table.starts_with("MEMBER") && table.contains("\nb "),
        "{table}"
    );
    assert!(ask(&["reach"]).status.success());

    // One whom they do not know is a stranger, and is told what to do.
    let theirs = pin(&dir, "theirs", &["a", "b", "c"]);
    let mut c = Agent::start("c", &pinned(dir.path(), "c", &theirs, &["--join", &join]));
    c.until_stderr("our key is not on its list");
    // Both take the new list up, one at once, the other by itself.
    fs::copy(&theirs, &list).expect("copied");
    let reloaded = ask(&["certs", "reload"]);
    assert!(reloaded.status.success(), "{}", stderr(&reloaded));
    a.until_event("joined", "c");
    c.until_event("joined", "b");

    // And out again.
    let list = pin(&dir, "pins", &["a", "b"]);
    assert!(ask(&["certs", "reload"]).status.success());
    a.until_event("down", "c");

    // A list of no use changes nothing.
    fs::write(&list, "a key\n").expect("written");
    check_failure(
        &ask(&["certs", "reload"]),
        &["line 1", "pins", "no public key"],
    );
    assert!(ask(&["rtt", "b"]).status.success());
}

#[test]
fn lists_that_cannot_be_used_are_named() {
    let dir = tempfile::tempdir().expect("a directory");
    let list = pin(&dir, "pins", &["a"]);
    let path = |name: &str| text(&dir.path().join(name));
    let agent = |more: &[&str]| run(&[&["agent", "--bind", "127.0.0.1:0"][..], more].concat());
    check_failure(
        &agent(&["--pins", &list]),
        &["--key", "hint: ", "certs key"],
    );
    let key = path("a-key.pem");
    check_failure(
        &agent(&["--pins", &path("none"), "--key", &key]),
        &["none", "No such file", "certs pin"],
    );
    check_failure(
        &agent(&["--pins", &list, "--key", &path("none")]),
        &["none", "No such file", "certs key"],
    );
    let udp = ["--pins", &list, "--key", &key, "--transport", "udp"];
    check_failure(&agent(&udp), &["--pins", "UDP", "hint: "]);
    let both = ["--pins", &list, "--key", &key, "--ca", "ca.pem"];
    assert_eq!(agent(&both).status.code(), Some(2));
    let checked = agent(&["--pins", &list, "--key", &key, "--check"]);
    assert!(checked.status.success(), "{}", stderr(&checked));
    fs::write(&list, "# nobody\n").expect("written");
    check_failure(
        &agent(&["--pins", &list, "--key", &key]),
        &["no public key in it"],
    );

    // No key is overwritten unasked, nor the authority's at all.
    let dir = text(dir.path());
    check_failure(
        &run(&["certs", "key", "a", "--dir", &dir]),
        &["exists", "--force"],
    );
    check_failure(
        &run(&["certs", "key", "ca", "--dir", &dir, "--force"]),
        &["another name"],
    );
    check_failure(
        &run(&["certs", "pin", "a", "--key", &list]),
        &["hint: ", "certs key"],
    );
}
