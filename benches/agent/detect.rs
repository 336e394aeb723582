//! Processes that are killed, or fall silent.

use std::{
    collections::BTreeSet,
    error::Error,
    fs,
    io::{BufRead, BufReader},
    net::SocketAddr,
    path::Path,
    process::{Child, Command, Stdio},
    sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel},
    thread,
    time::{Duration, Instant},
};

use selkie::transports::{certs::DevCa, udp::Key};
use serde_json::Value;

const AGENTS: usize = 32;

/// What takes longer is given up.
const PATIENCE: Duration = Duration::from_secs(120);

/// Members that have just met have other things to say.
const CALM: Duration = Duration::from_secs(10);

/// Prints how soon the others know of members that were killed, and of members that were stopped.
pub fn rows(transport: &str, times: usize) -> Result<(), Box<dyn Error>> {
    println!("| transport | how | times | all know: median s | least | most |");
    println!("| --- | --- | --- | --- | --- | --- |");
    let dir = tempfile::tempdir()?;
    for (how, signal) in [("killed", "KILL"), ("silent", "STOP")] {
        let mut cluster = Processes::start(transport, dir.path())?;
        let mut took = (0..times)
            .map(|_| cluster.lose_one(signal).map(|took| took.as_secs_f64()))
            .collect::<Result<Vec<f64>, _>>()?;
        took.sort_by(f64::total_cmp);
        println!(
            "| {transport} | {how} | {times} | {:.2} | {:.2} | {:.2} |",
            took[took.len() / 2],
            took[0],
            took[took.len() - 1],
        );
    }
    Ok(())
}

/// What a process printed: which one it was, and when.
type Said = (String, Instant, Value);

struct Processes<'a> {
    transport: &'a str,
    dir: &'a Path,
    ca: DevCa,
    running: Vec<(String, Child)>,
    seed: Option<SocketAddr>,
    started: usize,
    said: Receiver<Said>,
    says: Sender<Said>,
}

impl<'a> Processes<'a> {
    fn start(transport: &'a str, dir: &'a Path) -> Result<Self, Box<dyn Error>> {
        let (says, said) = channel();
        let ca = DevCa::new("bench")?;
        fs::write(dir.join("ca.pem"), ca.cert_pem())?;
        fs::write(dir.join("key"), &*Key::generate()?.to_base64())?;
        let mut this = Self {
            transport,
            dir,
            ca,
            running: Vec::new(),
            seed: None,
            started: 0,
            said,
            says,
        };
        while this.running.len() < AGENTS {
            this.add()?;
        }
        Ok(this)
    }

    /// Starts one more, and waits until all others see it.
    fn add(&mut self) -> Result<(), Box<dyn Error>> {
        self.started += 1;
        let name = format!("agent-{}", self.started);
        let mut command = Command::new(env!("CARGO_BIN_EXE_selkie"));
        command.args([
            "agent",
            "--json",
            "--no-admin",
            "--preset",
            "lan",
            "--bind",
            "127.0.0.1:0",
        ]);
        let transport = match self.transport {
            "sealed" => "udp",
            other => other,
        };
        command.args(["--name", &name, "--transport", transport]);
        if self.transport == "sealed" {
            command.arg("--seal-key").arg(self.dir.join("key"));
        }
        if self.transport == "quic" {
            let issued = self.ca.issue(&name)?;
            for (option, file, text) in [
                ("--cert", format!("{name}.pem"), issued.cert_pem()),
                ("--key", format!("{name}-key.pem"), issued.key_pem()),
            ] {
                fs::write(self.dir.join(&file), text)?;
                command.arg(option).arg(self.dir.join(file));
            }
            command.arg("--ca").arg(self.dir.join("ca.pem"));
        }
        if let Some(seed) = self.seed {
            command.args(["--join", &seed.to_string()]);
        }
        let mut child = command.stdout(Stdio::piped()).spawn()?;
        let stdout = child.stdout.take().ok_or("no output")?;
        let (says, who) = (self.says.clone(), name.clone());
        thread::spawn(move || {
            for line in BufReader::new(stdout).lines().map_while(Result::ok) {
                let Ok(value) = serde_json::from_str(&line) else {
                    continue;
                };
                if says.send((who.clone(), Instant::now(), value)).is_err() {
                    break;
                }
            }
        });
        self.running.push((name.clone(), child));
        if self.seed.is_none() {
            let started = self.until(|who, said| who == name && said["event"] == "started")?;
            self.seed = Some(started.1["addr"].as_str().ok_or("no address")?.parse()?);
        } else {
            self.until_others("joined", &name)?;
        }
        Ok(())
    }

    /// Signals the last one, tells when the last of the others knew that it is down, and starts
    /// another one in its place.
    fn lose_one(&mut self, signal: &str) -> Result<Duration, Box<dyn Error>> {
        thread::sleep(CALM);
        let (name, mut child) = self.running.pop().ok_or("nobody runs")?;
        let signalled = Instant::now();
        let pid = child.id().to_string();
        let sent = Command::new("kill")
            .args([&format!("-{signal}"), &pid])
            .status()?;
        if !sent.success() {
            return Err(format!("cannot send {signal} to {pid}").into());
        }
        let known = self.until_others("down", &name)?;
        child.kill()?;
        child.wait()?;
        self.add()?;
        Ok(known - signalled)
    }

    /// Waits until all running ones, but that one itself, say something of it.
    fn until_others(&self, event: &str, name: &str) -> Result<Instant, Box<dyn Error>> {
        let names = self.running.iter().map(|(running, _)| running.clone());
        let mut missing: BTreeSet<String> = names.filter(|running| running != name).collect();
        let mut last = Instant::now();
        while !missing.is_empty() {
            let found = self.until(|who, said| {
                said["event"] == event && said["name"] == name && missing.remove(who)
            });
            (last, _) =
                found.map_err(|error| format!("{missing:?} say no {event} {name}: {error}"))?;
        }
        Ok(last)
    }

    fn until(
        &self,
        mut is_it: impl FnMut(&str, &Value) -> bool,
    ) -> Result<(Instant, Value), Box<dyn Error>> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            match self.said.recv_timeout(left) {
                Ok((who, at, said)) if is_it(&who, &said) => return Ok((at, said)),
                Ok(_) => {}
                Err(RecvTimeoutError::Timeout) => return Err("not in time".into()),
                Err(RecvTimeoutError::Disconnected) => return Err("nobody speaks".into()),
            }
        }
    }
}

impl Drop for Processes<'_> {
    fn drop(&mut self) {
        for (_, child) in &mut self.running {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}
