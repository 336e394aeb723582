//! Files that do not answer, as on a mount whose server is gone: the agent goes on without them.

use std::{
    fs::{self, File},
    io::Write,
    path::Path,
    process::{Child, Command, Stdio},
    sync::mpsc::{self, Receiver},
    thread,
    time::Instant,
};

use tempfile::TempDir;

use crate::fixture::{Agent, Certs, DEADLINE, owned, run, stderr, text, wait};

/// A file of which nothing can be read.
struct Stalled(Receiver<File>);

impl Stalled {
    /// In the place of this one.
    fn put(path: &Path) -> Self {
        let aside = path.with_extension("stalled");
        let made = Command::new("mkfifo").arg(&aside).status();
        assert!(made.expect("mkfifo").success());
        fs::rename(&aside, path).expect("moved");
        let (tx, opened) = mpsc::channel();
        let path = path.to_owned();
        thread::spawn(move || {
            // Waits for somebody who reads.
            let file = File::options().write(true).open(path).expect("opened");
            let _ = tx.send(file);
        });
        Self(opened)
    }

    /// From now on somebody waits for what is in it, until this is written to, or dropped.
    #[track_caller]
    fn until_read(&self) -> File {
        self.0.recv_timeout(DEADLINE).expect("it is not read")
    }
}

/// Two members, the first of which can be asked.
struct Site {
    dir: TempDir,
    a: Agent,
    _b: Agent,
}

impl Site {
    /// With what each proves itself by.
    fn new(dir: TempDir, proof: impl Fn(&'static str) -> Vec<String>) -> Self {
        let args = |name, more: &[&str]| {
            let mut args = owned(&["--bind", "127.0.0.1:0", "--name", name]);
            args.extend(proof(name));
            args.extend(owned(more));
            args
        };
        let socket = text(&dir.path().join("a.sock"));
        let mut a = Agent::start("a", &args("a", &["--admin", &socket]));
        let join = a.addr.to_string();
        let b = Agent::start("b", &args("b", &["--join", &join]));
        a.until_event("joined", "b");
        Self { dir, a, _b: b }
    }

    fn command(&self, args: &[&str]) -> Child {
        Command::new(env!("CARGO_BIN_EXE_selkie"))
            .args(args)
            .args(["--admin", &text(&self.dir.path().join("a.sock"))])
            .stdout(Stdio::null())
            .spawn()
            .expect("started")
    }

    /// It asks and answers others, and leaves when told to, though a file does not answer.
    #[track_caller]
    fn check_goes_on(mut self) {
        assert_eq!(wait(&mut self.command(&["rtt", "b"])), Some(0));
        self.a.signal("TERM");
        assert_eq!(self.a.wait(), Some(0));
    }
}

#[test]
fn sealing_keys_that_cannot_be_read_hold_nobody_up_and_are_taken_up_once_they_can() {
    let dir = tempfile::tempdir().expect("a directory");
    let path = |name: &str| text(&dir.path().join(name));
    for key in ["one", "two"] {
        let made = run(&["keys", "generate", "--out", &path(key)]);
        assert!(made.status.success(), "{}", stderr(&made));
    }
    let read = |name: &str| fs::read_to_string(path(name)).expect("a key");
    let (one, two) = (read("one"), read("two"));
    for name in ["a.key", "b.key"] {
        fs::write(path(name), &one).expect("written");
    }
    let keys = dir.path().join("a.key");
    let folder = dir.path().to_owned();
    let site = Site::new(dir, |name| {
        let file = text(&folder.join(format!("{name}.key")));
        owned(&["--transport", "udp", "--seal-key", &file])
    });
    let mut file = Stalled::put(&keys).until_read();
    assert_eq!(wait(&mut site.command(&["rtt", "b"])), Some(0));
    file.write_all((one + &two).as_bytes()).expect("read");
    drop(file);
    let socket = text(&folder.join("a.sock"));
    let has_both = || {
        let list = run(&["keys", "list", "--admin", &socket]);
        String::from_utf8_lossy(&list.stdout).contains(" opens ")
    };
    let deadline = Instant::now() + DEADLINE;
    while !has_both() {
        assert!(Instant::now() < deadline, "it does not have both keys");
    }
    let _file = Stalled::put(&keys).until_read();
    site.check_goes_on();
}

#[test]
fn a_list_of_keys_that_cannot_be_read_holds_nobody_up() {
    let dir = tempfile::tempdir().expect("a directory");
    let folder = text(dir.path());
    let mut list = Vec::new();
    for name in ["a", "b"] {
        let made = run(&["certs", "key", name, "--dir", &folder]);
        assert!(made.status.success(), "{}", stderr(&made));
        list.extend(made.stdout);
    }
    for name in ["a", "b"] {
        fs::write(dir.path().join(format!("{name}.pins")), &list).expect("written");
    }
    let pins = dir.path().join("a.pins");
    let site = Site::new(dir, |name| {
        let [pins, key] = [".pins", "-key.pem"].map(|end| format!("{folder}/{name}{end}"));
        owned(&["--pins", &pins, "--key", &key])
    });
    let _file = Stalled::put(&pins).until_read();
    site.check_goes_on();
}

#[test]
fn certificates_that_cannot_be_read_hold_nobody_up() {
    let Certs { dir } = Certs::new(&["a", "b"]);
    let folder = text(dir.path());
    let cert = dir.path().join("a.pem");
    let site = Site::new(dir, |name| {
        let ca = format!("{folder}/ca.pem");
        let [cert, key] = [".pem", "-key.pem"].map(|end| format!("{folder}/{name}{end}"));
        owned(&["--ca", &ca, "--cert", &cert, "--key", &key])
    });
    let _file = Stalled::put(&cert).until_read();
    site.check_goes_on();
}

#[test]
fn settings_that_cannot_be_read_again_keep_nobody_from_leaving() {
    let dir = tempfile::tempdir().expect("a directory");
    let settings = dir.path().join("agent.toml");
    fs::write(&settings, "transport = \"udp\"\n").expect("written");
    let file = text(&settings);
    let args = ["--config", &file, "--bind", "127.0.0.1:0", "--name", "a"];
    let mut a = Agent::start("a", &owned(&args));
    let stalled = Stalled::put(&settings);
    a.signal("HUP");
    let _file = stalled.until_read();
    a.signal("TERM");
    assert_eq!(a.wait(), Some(0));
}
