//! `selkie doctor`: what an agent's figures say of it, and what to do.

use std::{collections::BTreeMap, time::SystemTime};

use hyper::{Method, StatusCode};
use selkie::admin::{ClockOffset, Entry, Info, timestamp};
use serde::Serialize;

use super::{args::AskArgs, client::Place, line, understood};
use crate::{failure::Failure, print};

/// Runs `selkie doctor`.
pub(crate) fn doctor(args: &AskArgs) -> Result<(), Failure> {
    let place = Place::find(&args.at)?;
    let ask = |path| smol::block_on(place.ask(Method::GET, path, Vec::new()));
    let info: Info = understood(ask("/v1/info")?)?;
    let figures: BTreeMap<String, u64> = understood(ask("/v1/stats")?)?;
    // To be read only, or of an earlier version: it tells nothing of clocks.
    let clocks = smol::block_on(place.ask(Method::POST, "/v1/clocks", Vec::new()));
    let clocks: Vec<ClockOffset> = clocks.and_then(understood).unwrap_or_default();
    let mut findings = examine(&info, &figures, SystemTime::now());
    findings.extend(clock(&clocks));
    findings.extend(smol::block_on(way_back(&place, &info)));
    if args.at.json {
        print::json(&findings).map_err(|error| print::failed(&error))?;
    } else {
        for finding in &findings {
            line(format_args!(
                "{:<10}{}",
                finding.verdict.name(),
                finding.what
            ))?;
            if let Some(hint) = finding.hint {
                line(format_args!("          {hint}"))?;
            }
        }
    }
    match findings
        .iter()
        .filter(|it| it.verdict == Verdict::Bad)
        .count()
    {
        0 => Ok(()),
        count => Err(Failure::new(
            "the agent is not well",
            format!("{count} of {} things are bad", findings.len()),
        )),
    }
}

/// Something that was looked at.
#[derive(Debug, PartialEq, Eq, Serialize)]
struct Finding {
    verdict: Verdict,
    what: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    hint: Option<&'static str>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
enum Verdict {
    Good,
    Doubtful,
    Bad,
}

impl Verdict {
    fn name(self) -> &'static str {
        match self {
            Self::Good => "good",
            Self::Doubtful => "doubtful",
            Self::Bad => "bad",
        }
    }
}

fn examine(info: &Info, figures: &BTreeMap<String, u64>, now: SystemTime) -> Vec<Finding> {
    let mut findings = vec![status(info), company(info), health(info)];
    findings.extend(certificate(info, now));
    findings.extend(SIGNS.iter().map(|sign| {
        let count = sign
            .figures
            .iter()
            .filter_map(|name| figures.get(*name))
            .sum::<u64>();
        match count {
            0 => good(sign.absent),
            count => Finding {
                verdict: Verdict::Doubtful,
                what: format!("{}: {count} times since it started", sign.present),
                hint: Some(sign.hint),
            },
        }
    }));
    findings
}

fn status(info: &Info) -> Finding {
    match info.status.as_str() {
        "running" => good("it takes part"),
        status => bad(
            format!("it does not take part: {status}"),
            "start it again; if its name is taken, under another one",
        ),
    }
}

fn company(info: &Info) -> Finding {
    match info.members.alive + info.members.suspect {
        0 => bad(
            "it knows no other active member".to_owned(),
            "is anybody there, at the port that it was told to join at, and does the firewall \
             let packets through, both ways? `selkie join ADDRESS:PORT` tries again",
        ),
        1 => good("it knows another active member"),
        others => good(&format!("it knows {others} other active members")),
    }
}

fn health(info: &Info) -> Finding {
    match info.local_health {
        0..=2 => good("it finds itself quick enough"),
        health => bad(
            format!("it finds itself slow: {health} of 8"),
            "its process gets too little CPU, or its packets are lost: see `selkie top`",
        ),
    }
}

fn certificate(info: &Info, now: SystemTime) -> Option<Finding> {
    let expires = info.certificate_expires.as_deref()?;
    let hint = "put new files in the place of the old ones: they are taken up by themselves";
    // As text: such timestamps sort as what they stand for.
    Some(if expires < timestamp(now).as_str() {
        bad(format!("its certificate expired at {expires}"), hint)
    } else if expires < timestamp(now + SOON).as_str() {
        Finding {
            verdict: Verdict::Doubtful,
            ..bad(format!("its certificate expires at {expires}"), hint)
        }
    } else {
        good(&format!("its certificate is good until {expires}"))
    })
}

/// Whether another member reaches us by stream: over UDP, by a connection to our port.
async fn way_back(place: &Place, info: &Info) -> Option<Finding> {
    let members = place.ask(Method::GET, "/v1/members", Vec::new()).await;
    let members: Vec<Entry> = members.and_then(understood).ok()?;
    let alive = |it: &&Entry| !it.is_ourselves && it.state == "alive";
    let other = members.iter().find(alive)?.member.name;
    let path = format!("/v1/rtt/{other}/{}", info.member.name);
    let response = place.open(Method::POST, &path, Vec::new()).await.ok()?;
    match response.status() {
        StatusCode::OK => Some(good(&format!("{other} reaches it at {}", info.member.addr))),
        // To be read only: nothing is known of it.
        StatusCode::BAD_GATEWAY => Some(Finding {
            verdict: Verdict::Doubtful,
            ..bad(
                format!(
                    "{other} did not reach it at {}, or did not say",
                    info.member.addr
                ),
                "does the firewall let others connect to this port, by UDP, and, without QUIC, by \
                 TCP?",
            )
        }),
        _ => None,
    }
}

/// Our clock, and those of the others that differ from it.
fn clock(clocks: &[ClockOffset]) -> Option<Finding> {
    let hint = "is the time set, here and there, by NTP or the like? certificates and metadata go \
                by the clock";
    let mut known: Vec<_> = clocks.iter().filter_map(|it| it.ahead_ms).collect();
    known.sort_unstable();
    let median = *known.get(known.len().checked_sub(1)? / 2)?;
    let seconds = |ms: i64| ms.unsigned_abs() / 1000;
    if median.unsigned_abs() >= CLOCKS_APART_MS {
        let side = if median > 0 { "behind" } else { "ahead of" };
        let what = format!("its clock is {} s {side} those of others", seconds(median));
        let finding = bad(what, hint);
        return Some(match median.unsigned_abs() >= CLOCKS_FAR_APART_MS {
            true => finding,
            false => Finding {
                verdict: Verdict::Doubtful,
                ..finding
            },
        });
    }
    let other = clocks.iter().find_map(|it| {
        let ms = it.ahead_ms?;
        (ms.unsigned_abs() >= CLOCKS_APART_MS).then_some((it.member, ms))
    });
    Some(match other {
        Some((member, ms)) => {
            let side = if ms > 0 { "ahead" } else { "behind" };
            Finding {
                verdict: Verdict::Doubtful,
                ..bad(
                    format!("the clock of {member} is {} s {side}", seconds(ms)),
                    hint,
                )
            }
        }
        None => good("its clock agrees with those of the others"),
    })
}

fn good(what: &str) -> Finding {
    Finding {
        verdict: Verdict::Good,
        what: what.to_owned(),
        hint: None,
    }
}

fn bad(what: String, hint: &'static str) -> Finding {
    Finding {
        verdict: Verdict::Bad,
        what,
        hint: Some(hint),
    }
}

/// What is not to happen, and is counted.
struct Sign {
    figures: &'static [&'static str],
    absent: &'static str,
    present: &'static str,
    hint: &'static str,
}

const SIGNS: &[Sign] = &[
    Sign {
        figures: &["probes_answered_reliably"],
        absent: "packets reach whomever streams reach",
        present: "a member answered by stream only",
        hint: "a firewall lets streams through and not packets: `selkie watch` names the member",
    },
    Sign {
        figures: &[
            "packets_of_strangers",
            "transport_inbound_other_cluster",
            "transport_rejected_protocol",
        ],
        absent: "it met nobody of another cluster",
        present: "it met somebody of another cluster, or of another version",
        hint: "give all members the same --cluster, or each cluster ports of its own",
    },
    Sign {
        figures: &["transport_inbound_untrusted", "transport_dials_untrusted"],
        absent: "it was shown no certificate that it does not trust",
        present: "it was shown a certificate that it does not trust",
        hint: "all members need unexpired certificates of one authority: that of --ca",
    },
    Sign {
        figures: &["transport_rejected_by_peer"],
        absent: "its own certificate is trusted",
        present: "a peer did not trust its certificate",
        hint: "to that peer, it is of another authority, or has expired",
    },
    Sign {
        figures: &["transport_datagrams_unopened"],
        absent: "it has a key for what it receives, if that is sealed",
        present: "it received what none of its keys opens",
        hint: "all members need a key that the others have: see `selkie keys --help`",
    },
    Sign {
        figures: &["send_too_big"],
        absent: "its packets fit the network",
        present: "a packet was larger than the network carries",
        hint: "the MTU on the way is smaller than usual: is there a tunnel?",
    },
    Sign {
        figures: &[
            "dropped_undecodable",
            "dropped_malformed",
            "packets_malformed",
        ],
        absent: "it understands what it receives",
        present: "it received what it cannot read",
        hint: "do all members have the same --codec, and does nothing else send to this port?",
    },
    Sign {
        figures: &["dropped_bad_sender"],
        absent: "nobody uses its name",
        present: "somebody else used its name",
        hint: "give each member a --name of its own",
    },
    Sign {
        figures: &["renewals"],
        absent: "it was never declared down while it lived",
        present: "it was declared down while it lived",
        hint: "it was cut off, or far too slow: `selkie why` at the others tells who accused it",
    },
    Sign {
        figures: &["recv_failed", "send_io"],
        absent: "its socket works",
        present: "its socket failed",
        hint: "the log tells why: --log debug",
    },
    Sign {
        figures: &["snapshots_failed"],
        absent: "its snapshot is read and written, if it has one",
        present: "its snapshot could not be read or written",
        hint: "is there room on the disk, and may we write there?",
    },
];

/// From when on clocks are apart: two seconds.
const CLOCKS_APART_MS: u64 = 2000;
/// From when on that is bad: an hour, for which new certificates are valid before they are made.
const CLOCKS_FAR_APART_MS: u64 = 3_600_000;
/// From when on a certificate's end is to be thought of: two weeks.
const SOON: core::time::Duration = core::time::Duration::from_secs(14 * 86_400);

#[cfg(test)]
mod tests {
    use std::{
        collections::BTreeMap,
        time::{Duration, UNIX_EPOCH},
    };

    use selkie::{
        Counters,
        admin::Info,
        agent::Stats,
        transports::{quic, udp},
    };
    use serde_json::json;

    use super::{SIGNS, Verdict, clock, examine};

    fn info(status: &str, alive: u32, health: u32, expires: &str) -> Info {
        let info = json!({
            "name": "a", "addr": "10.0.0.1:7946", "generation": 1, "status": status,
            "local_addr": "10.0.0.1:7946", "local_health": health, "since": "", "pid": 1,
            "members": {"alive": alive, "suspect": 0, "down": 0, "left": 0},
            "version": "0.1.0", "metadata": null, "certificate_expires": expires, "facts": {},
        });
        serde_json::from_value(info).expect("an agent")
    }

    fn verdicts(info: &Info, figures: &[(&str, u64)]) -> Vec<Verdict> {
        let figures: BTreeMap<_, _> = figures
            .iter()
            .map(|(name, value)| ((*name).to_owned(), *value))
            .collect();
        let now = UNIX_EPOCH + Duration::from_secs(1_000_000_000);
        examine(info, &figures, now)
            .iter()
            .map(|it| it.verdict)
            .collect()
    }

    #[test]
    fn who_is_well_is_told_so() {
        let well = info("running", 2, 0, "2002-01-01T00:00:00.000Z");
        assert!(verdicts(&well, &[]).iter().all(|it| *it == Verdict::Good));
    }

    #[test]
    fn what_is_wrong_is_found() {
        let ill = info("defunct", 0, 5, "2001-09-01T00:00:00.000Z");
        assert_eq!(verdicts(&ill, &[])[..4], [Verdict::Bad; 4]);
        let soon = info("running", 2, 0, "2001-09-20T00:00:00.000Z");
        let found = verdicts(&soon, &[("send_too_big", 2)]);
        assert_eq!(
            found.iter().filter(|it| **it == Verdict::Doubtful).count(),
            2
        );
    }

    #[test]
    fn clocks_that_are_apart_are_told_whose_they_are() {
        let offsets = |all: &[Option<i64>]| -> Vec<_> {
            let offset = |(nth, ahead): (usize, &Option<i64>)| {
                let offset = json!({
                    "member": format!("m{nth}"), "ahead_ms": ahead, "uncertainty_ms": 1,
                    "error": null,
                });
                serde_json::from_value(offset).expect("an offset")
            };
            all.iter().enumerate().map(offset).collect()
        };
        assert_eq!(clock(&offsets(&[None])), None);
        for (all, verdict, what) in [
            (&[Some(-30), Some(1999), None][..], Verdict::Good, "agrees"),
            (&[Some(3000), Some(2500)], Verdict::Doubtful, "2 s behind"),
            (
                &[Some(-9000), Some(-9000)],
                Verdict::Doubtful,
                "9 s ahead of",
            ),
            (&[Some(3_600_000)], Verdict::Bad, "3600 s behind"),
            (
                &[Some(1), Some(2), Some(5000)],
                Verdict::Doubtful,
                "m2 is 5 s ahead",
            ),
        ] {
            let finding = clock(&offsets(all)).expect("a finding");
            assert_eq!(finding.verdict, verdict, "{finding:?}");
            assert!(finding.what.contains(what), "{finding:?}");
        }
    }

    #[test]
    fn every_figure_that_is_looked_at_exists() {
        let described = Counters::describe().chain(Stats::describe());
        let mut known: Vec<_> = described.map(|(name, _)| name.to_owned()).collect();
        let (quic, udp) = (quic::Counters::default(), udp::Counters::default());
        let transports = quic.iter().chain(udp.iter());
        known.extend(transports.map(|(name, _)| format!("transport_{name}")));
        for name in SIGNS.iter().flat_map(|sign| sign.figures) {
            assert!(known.iter().any(|known| known == name), "{name}");
        }
    }
}
