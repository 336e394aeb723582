//! The page of a member of a large cluster. The agent is played: thousands of real ones would need a
//! machine each.

use core::net::SocketAddr;
use std::{
    io::{BufRead, BufReader, Write},
    net::{TcpListener, TcpStream},
    path::Path,
    sync::{Arc, Mutex, PoisonError},
    thread,
};

use serde_json::{Value, json};

use crate::{browser::Browser, judge::check_looks};

#[test]
fn thousands_of_members_stay_readable_and_what_did_not_change_is_not_drawn_again() {
    let Some(mut browser) = Browser::start() else {
        return;
    };
    let agent = Played::new(3000);
    browser.open(&agent.url());
    browser.until("document.querySelector('#shown').textContent === '25 of 3,000 members'");
    assert_eq!(browser.text("[data-count=suspect]"), "5");
    assert_eq!(browser.text("[data-count=down]"), "7");
    // The worst come first.
    let first = browser.read(STATES);
    assert_eq!(first[0], "suspect");
    assert_eq!(first[11], "down");
    assert_eq!(first[12], "alive");
    check_drawing(&mut browser);
    check_looks(&mut browser, "crowd-phone", 360);
    check_looks(&mut browser, "crowd-desktop", 1280);
    check_choice(&mut browser);
    check_changes(&mut browser, &agent);
    check_events(&mut browser);
    assert_eq!(browser.read("typeof window.hacked"), "undefined");
    assert_eq!(browser.complaints(), Vec::<String>::new());
}

const STATES: &str =
    "[...document.querySelectorAll('#rows .state')].map((it) => it.textContent.trim())";

/// It says what it leaves out, and has those with something the matter.
#[track_caller]
fn check_drawing(browser: &mut Browser) {
    browser.until("document.querySelectorAll('#ring .dot').length === 61");
    let omitted = browser.text("#ring-omits");
    assert!(
        omitted.starts_with("Drawn are 60 of 2,999 others"),
        "{omitted}"
    );
    assert!(omitted.contains("2,939 are left out"), "{omitted}");
    for (state, number) in [("suspect", 5), ("down", 7)] {
        let drawn = format!("document.querySelectorAll('#ring .dot.{state}').length");
        assert_eq!(browser.read(&drawn), number);
    }
}

#[track_caller]
fn check_choice(browser: &mut Browser) {
    browser.read("document.querySelector('#more').click()");
    browser.until("document.querySelector('#shown').textContent === '125 of 3,000 members'");
    assert_eq!(
        browser.read("document.querySelectorAll('#rows tr').length"),
        125
    );
    browser.read("document.querySelector('#filter input[value=alive]').click()");
    browser.until("document.querySelector('#shown').textContent === '12 of 3,000 members match'");
    browser.read("document.querySelector('#filter input[value=alive]').click()");
    browser.read("document.querySelector('#search').focus()");
    browser.write("member-299");
    browser.until("document.querySelector('#shown').textContent === '11 of 3,000 members match'");
    browser.read(
        "(() => { const it = document.querySelector('#search'); it.value = ''; \
         it.dispatchEvent(new Event('input', { bubbles: true })); })()",
    );
    browser.until("document.querySelectorAll('#rows tr').length === 25");
}

/// Of what is shown, one member changes.
#[track_caller]
fn check_changes(browser: &mut Browser, agent: &Played) {
    browser.read(
        "(() => { window.touched = new Set(); new MutationObserver((all) => all.forEach((it) => { \
         const at = it.target.nodeType === 1 ? it.target : it.target.parentElement; \
         if (!at || at.closest('time')) return; window.touched.add(at.closest('tr') ?? at); })) \
         .observe(document.querySelector('#rows'), { subtree: true, childList: true, \
         characterData: true, attributes: true }); })()",
    );
    agent.change(0, "down");
    browser.until("document.querySelector('[data-count=down]').textContent === '8'");
    let touched = browser
        .read("window.touched.size")
        .as_u64()
        .expect("a number");
    assert!(
        (1..=3).contains(&touched),
        "{touched} rows were drawn again"
    );
}

/// There is an end to what is kept.
#[track_caller]
fn check_events(browser: &mut Browser) {
    browser.until("document.querySelectorAll('#events li').length === 200");
    browser.until("document.querySelector('#news').textContent.endsWith(' more')");
}

/// An agent, as far as its page can tell.
struct Played {
    addr: SocketAddr,
    crowd: Arc<Mutex<Crowd>>,
}

struct Crowd {
    members: Vec<Value>,
    edition: u64,
}

impl Played {
    fn new(members: usize) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let addr = listener.local_addr().expect("an address");
        let crowd = Crowd {
            members: (0..members).map(member).collect(),
            edition: 0,
        };
        let crowd = Arc::new(Mutex::new(crowd));
        let shared = crowd.clone();
        thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let crowd = shared.clone();
                // Whoever asked may have gone before it was answered.
                thread::spawn(move || answer(stream, &crowd).unwrap_or_default());
            }
        });
        Self { addr, crowd }
    }

    fn url(&self) -> String {
        format!("http://{}/", self.addr)
    }

    fn change(&self, index: usize, state: &str) {
        let mut crowd = self.crowd.lock().unwrap_or_else(PoisonError::into_inner);
        crowd.members[index]["state"] = json!(state);
        crowd.edition += 1;
    }
}

/// The last one is ourselves. All have something to say that must stay text.
fn member(index: usize) -> Value {
    let state = match index {
        0..5 => "suspect",
        5..12 => "down",
        _ => "alive",
    };
    let mut member = who(index);
    member["state"] = json!(state);
    member["incarnation"] = json!(0);
    member["since"] = json!("2026-01-02T03:04:05.000Z");
    member["is_ourselves"] = json!(index == 2999);
    let said = format!(
        "<img src=x onerror='window.hacked={index}'> {}",
        "long".repeat(99)
    );
    member["metadata"] = json!({ "version": 1, "len": said.len(), "text": said });
    member
}

fn who(index: usize) -> Value {
    let name = format!("member-{index}");
    let addr = format!("10.0.{}.{}:7946", index / 250, index % 250);
    json!({ "name": name, "addr": addr, "generation": 1 })
}

fn answer(mut stream: TcpStream, crowd: &Mutex<Crowd>) -> std::io::Result<()> {
    let mut reader = BufReader::new(stream.try_clone()?);
    let (mut line, mut known) = (String::new(), String::new());
    reader.read_line(&mut line)?;
    loop {
        let mut header = String::new();
        reader.read_line(&mut header)?;
        match header.trim_end() {
            "" => break,
            header => {
                if let Some((name, value)) = header.split_once(": ")
                    && name.eq_ignore_ascii_case("if-none-match")
                {
                    value.clone_into(&mut known);
                }
            }
        }
    }
    let path = line.split(' ').nth(1).unwrap_or_default();
    if path == "/v1/events" {
        return tell(stream);
    }
    let (status, kind, etag, body) = found(path, &known, crowd);
    write!(
        stream,
        "HTTP/1.1 {status}\r\ncontent-type: {kind}\r\netag: {etag}\r\nconnection: close\r\n\
         content-length: {}\r\n\r\n{body}",
        body.len()
    )
}

fn found(path: &str, known: &str, crowd: &Mutex<Crowd>) -> (u16, &'static str, String, String) {
    let crowd = crowd.lock().unwrap_or_else(PoisonError::into_inner);
    let edition = format!("\"{}\"", crowd.edition);
    let body = match path {
        "/v1/members" if known == edition => {
            return (304, "application/json", edition, String::new());
        }
        "/v1/members" => Value::from(crowd.members.clone()),
        "/v1/why" => json!([]),
        "/v1/stats" => json!({ "local_health": 0, "probes": 1, "pings_heard": 1 }),
        "/v1/probing" => json!({
            "target": who(100), "is_answered": true, "helpers": [], "pinged_by": who(200),
        }),
        "/v1/info" => {
            let mut info = who(2999);
            info["status"] = json!("running");
            info["since"] = json!("2026-01-02T03:04:05.000Z");
            info["version"] = json!("0");
            info["facts"] = json!({ "cluster": "large" });
            info
        }
        file => return asset(file),
    };
    (200, "application/json", edition, body.to_string())
}

fn asset(path: &str) -> (u16, &'static str, String, String) {
    let name = path.strip_prefix("/page/").unwrap_or("index.html");
    let kind = match name.rsplit_once('.') {
        Some((_, "html")) => "text/html; charset=utf-8",
        Some((_, "css")) => "text/css",
        Some((_, "svg")) => "image/svg+xml",
        _ => "text/javascript",
    };
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/admin/page");
    match std::fs::read_to_string(folder.join(name)) {
        Ok(text) => (200, kind, "\"0\"".to_owned(), text),
        Err(_) => (404, kind, "\"0\"".to_owned(), String::new()),
    }
}

/// Far more events than anybody reads.
fn tell(mut stream: TcpStream) -> std::io::Result<()> {
    write!(
        stream,
        "HTTP/1.1 200\r\ncontent-type: application/x-ndjson\r\nconnection: close\r\n\r\n\n"
    )?;
    writeln!(
        stream,
        "{}",
        json!({ "time": "2026-01-02T03:04:05.000Z", "event": "connected" })
    )?;
    thread::sleep(core::time::Duration::from_millis(500));
    for index in 0..1000 {
        let mut event = who(index);
        event["time"] = json!("2026-01-02T03:04:06.000Z");
        event["event"] = json!("joined");
        writeln!(stream, "{event}")?;
    }
    // It goes on, but nothing happens any more: until the page closes it.
    let mut rest = BufReader::new(stream);
    rest.read_line(&mut String::new())?;
    Ok(())
}
