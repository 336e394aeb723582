//! A network of one's own, and what goes over it.

use std::{
    error::Error,
    fs,
    process::{Command, Stdio},
};

/// Runs this program again with other arguments: as root, in a network of its own.
pub fn within_own(args: &[&str]) -> Result<(), Box<dyn Error>> {
    let program = std::env::current_exe()?;
    let program = program.to_str().ok_or("the program's path is no text")?;
    let is_root = Command::new("unshare")
        .args(["--net", "true"])
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|status| status.success());
    let mut command = match is_root {
        true => {
            let mut command = Command::new("unshare");
            let within = "ip link set lo up && exec \"$0\" \"$@\"";
            command.args(["--net", "sh", "-c", within, program]);
            command
        }
        false => Command::new(program),
    };
    match command.args(args).status()?.success() {
        true => Ok(()),
        false => Err(format!("{args:?} failed").into()),
    }
}

/// Bytes that went over the loopback of this network so far, all headers included.
pub fn bytes_sent() -> Result<u64, Box<dyn Error>> {
    let devices = fs::read_to_string("/proc/self/net/dev")?;
    let lo = devices
        .lines()
        .find_map(|line| line.trim().strip_prefix("lo:"))
        .ok_or("no loopback")?;
    Ok(lo.split_whitespace().nth(8).ok_or("no figures")?.parse()?)
}
