//! The page of a running cluster: real agents, over QUIC, with certificates.

use core::net::SocketAddr;

use serde_json::{Value, json};

use crate::{
    browser::Browser,
    fixture::{Agent, Certs, owned},
    judge::check_looks,
};

#[test]
fn the_page_shows_a_member_die_and_says_when_the_agent_itself_is_gone() {
    let Some(mut browser) = Browser::start() else {
        return;
    };
    let mut site = Site::new();
    browser.open(&site.url());
    browser.until("document.querySelectorAll('#rows tr').length === 3");
    browser.until("document.body.dataset.link === 'live'");
    browser.until(&is_in_state("gamma", "alive"));
    browser.until("document.title.startsWith('alpha')");
    assert_eq!(browser.text("#shown"), "3 members");
    assert_eq!(browser.text("[data-count=alive]"), "3");

    check_hostile_text_is_text(&mut browser);
    check_drawing(&mut browser);
    check_looks(&mut browser, "desktop", 1280);
    check_looks(&mut browser, "phone", 360);
    check_roles(&mut browser);
    check_keyboard(&mut browser);
    check_search(&mut browser);

    browser.read(WATCH);
    site.gamma.kill();
    browser.until("window.states.at(-1) === 'down'");
    assert_eq!(
        browser.read("window.states"),
        json!(["alive", "suspect", "down"])
    );
    browser.until("document.querySelectorAll('#events li.suspect, #events li.down').length > 1");
    browser.until("document.querySelector('#news').textContent.includes('gamma')");
    browser.until(
        "[...document.querySelectorAll('#events li.suspect .about')] \
         .some((it) => it.textContent.startsWith('gamma accused by '))",
    );
    assert_eq!(browser.text("[data-count=down]"), "1");
    browser.until("document.querySelectorAll('#charts .moment.down').length > 0");
    check_looks(&mut browser, "desktop-down", 1280);
    check_looks(&mut browser, "phone-down", 360);
    assert_eq!(browser.complaints(), Vec::<String>::new());

    site.alpha.kill();
    browser
        .until("document.body.dataset.link === 'gone' && !document.querySelector('#gone').hidden");
    check_looks(&mut browser, "phone-gone", 360);
    site.start_alpha_again();
    browser
        .until("document.body.dataset.link === 'live' && document.querySelector('#gone').hidden");
    browser.until(&is_in_state("beta", "alive"));
    // It was the same page all along.
    assert_eq!(browser.read("window.states.at(-1)"), "down");
}

/// Notes each state that the page shows gamma in.
const WATCH: &str = include_str!("watch.js");

#[track_caller]
fn check_hostile_text_is_text(browser: &mut Browser) {
    let row = "document.querySelector('#rows tr:nth-child(2)')";
    browser.until(&format!(
        "{row}.querySelector('.metadata').textContent === {HOSTILE:?}"
    ));
    assert_eq!(
        browser.read("document.querySelectorAll('main img').length"),
        0
    );
    assert_eq!(browser.read("typeof window.hacked"), "undefined");
}

#[track_caller]
fn check_drawing(browser: &mut Browser) {
    browser.until("document.querySelectorAll('#ring .dot').length === 3");
    browser.until("document.querySelectorAll('#ring .arrow.out').length > 0");
    browser.until("document.querySelectorAll('#ring .arrow.in').length > 0");
    browser.until(
        "/^It probes (beta|gamma), which answered\\. The last to probe it was (beta|gamma)\\.$/\
         .test(document.querySelector('#ring-says').textContent)",
    );
}

/// Who listens to the page is told what it is made of, at phone width, too, where the table is none
/// to look at.
#[track_caller]
fn check_roles(browser: &mut Browser) {
    for width in [360, 1280] {
        browser.resize(width, 800);
        assert_eq!(browser.roles("table"), ["Members"]);
        assert_eq!(browser.roles("row").len(), 4);
        let headers = browser.roles("rowheader");
        assert!(headers[0].starts_with("alpha"), "{headers:?}");
        assert_eq!(
            browser.roles("columnheader").len(),
            6 - usize::from(width == 360)
        );
        assert_eq!(
            browser.roles("heading")[1..],
            ["Members", "Events", "Who probes whom", "Health and traffic"]
        );
        let drawings = browser.roles("image");
        assert!(
            drawings.iter().any(|name| name == "Who probes whom"),
            "{drawings:?}"
        );
        for role in ["slider", "checkbox", "searchbox", "button", "list"] {
            let names = browser.roles(role);
            let has_names = role == "list" || names.iter().all(|name| !name.is_empty());
            assert!(!names.is_empty() && has_names, "{role}: {names:?}");
        }
    }
}

/// All that can be used is reached by Tab, and shows that it is.
#[track_caller]
fn check_keyboard(browser: &mut Browser) {
    browser.resize(1280, 800);
    let mut reached = Vec::new();
    for _ in 0..40 {
        browser.press("Tab");
        let at = browser.read(FOCUSED);
        if at[0] == "BODY" {
            break;
        }
        assert_eq!(at[1], true, "nothing shows that the focus is at {at}");
        reached.push(at[0].as_str().expect("text").to_owned());
    }
    let usable = [
        "A",
        "INPUT alive",
        "INPUT suspect",
        "INPUT down",
        "INPUT left",
        "INPUT search",
    ];
    let heads =
        ["name", "state", "since", "address", "incarnation"].map(|it| format!("BUTTON {it}"));
    let charts = (0..6).map(|_| "svg slider".to_owned());
    let events = ["OL events".to_owned()];
    let expected: Vec<_> = owned(&usable)
        .into_iter()
        .chain(heads)
        .chain(events)
        .chain(charts)
        .collect();
    assert_eq!(reached, expected);

    browser.read("document.querySelector('#charts svg').focus()");
    browser.press("ArrowLeft");
    browser.until("document.querySelector('#charts .when').textContent !== ''");
    let told = browser.read("document.activeElement.getAttribute('aria-valuetext')");
    assert!(
        told.as_str().is_some_and(|it| it.contains("alive 3")),
        "{told}"
    );
}

const FOCUSED: &str = include_str!("focused.js");

#[track_caller]
fn check_search(browser: &mut Browser) {
    browser.read("document.querySelector('#search').focus()");
    browser.write("BET");
    browser.until("document.querySelector('#shown').textContent === '1 of 3 members match'");
    let events = browser.read(
        "[...document.querySelectorAll('#events li:not([hidden]) .about')] \
         .map((it) => it.textContent)",
    );
    let events = events.as_array().expect("texts");
    let is_of_beta = |text: &Value| text.as_str().is_some_and(|it| it.contains("beta"));
    assert!(
        !events.is_empty() && events.iter().all(is_of_beta),
        "{events:?}"
    );
    browser.read(
        "(() => { const it = document.querySelector('#search'); it.value = ''; \
         it.dispatchEvent(new Event('input', { bubbles: true })); })()",
    );
    browser.until("document.querySelectorAll('#rows tr').length === 3");
    // The worst come first; of those that are alike, by name. Then the other way round.
    browser.read("document.querySelector('th[data-sort=name] button').focus()");
    for (order, names) in [
        ("ascending", json!(["alpha", "beta", "gamma"])),
        ("descending", json!(["gamma", "beta", "alpha"])),
    ] {
        browser.press("Enter");
        let sorted = format!("document.querySelector('th[data-sort=name]').ariaSort === '{order}'");
        browser.until(&sorted);
        let shown = browser
            .read("[...document.querySelectorAll('#rows .name b')].map((it) => it.textContent)");
        assert_eq!(shown, names);
    }
    browser.read("document.querySelector('th[data-sort=state] button').click()");
}

fn is_in_state(name: &str, state: &str) -> String {
    format!(
        "[...document.querySelectorAll('#rows tr')].some((row) => \
         row.querySelector('.name b').textContent === '{name}' && \
         row.querySelector('.state').textContent.trim() === '{state}')"
    )
}

/// Three members, the first of which has a page.
struct Site {
    certs: Certs,
    http: SocketAddr,
    alpha: Agent,
    beta: Agent,
    gamma: Agent,
}

impl Site {
    #[track_caller]
    fn new() -> Self {
        let certs = Certs::new(&["alpha", "beta", "gamma"]);
        let (mut alpha, http) = alpha(&certs, "127.0.0.1:0", &[]);
        let seed = alpha.addr.to_string();
        let said = ["--join", &seed, "--metadata", HOSTILE];
        let beta = Agent::start("beta", &certs.args("beta", &said));
        let gamma = Agent::start("gamma", &certs.args("gamma", &["--join", &seed]));
        alpha.until_event("joined", "beta");
        alpha.until_event("joined", "gamma");
        Self {
            certs,
            http,
            alpha,
            beta,
            gamma,
        }
    }

    fn url(&self) -> String {
        format!("http://{}/", self.http)
    }

    #[track_caller]
    fn start_alpha_again(&mut self) {
        let seed = self.beta.addr.to_string();
        let (again, _) = alpha(&self.certs, &self.http.to_string(), &["--join", &seed]);
        self.alpha = again;
    }
}

/// The member whose page is looked at, and where that is, as it says itself.
#[track_caller]
fn alpha(certs: &Certs, http: &str, more: &[&str]) -> (Agent, SocketAddr) {
    let args = [&["--admin-http", http, "--no-admin"], more].concat();
    let mut alpha = Agent::start("alpha", &certs.args("alpha", &args));
    let line = alpha.until_stderr("the status page is at");
    let (_, url) = line.split_once("http://").expect("an address");
    let addr = url.trim_end_matches('/').parse().expect("an address");
    (alpha, addr)
}

const HOSTILE: &str = "<img src=x onerror=window.hacked=1><script>window.hacked=1</script>";
