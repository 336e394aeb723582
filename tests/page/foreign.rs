//! Pages of others, in the browser of somebody who has an agent.

use std::{
    io::{Read, Write},
    net::TcpListener,
    thread,
};

use serde_json::json;

use crate::{
    browser::Browser,
    fixture::{Agent, owned},
};

#[test]
fn no_page_from_elsewhere_reads_along() {
    let Some(mut browser) = Browser::start() else {
        return;
    };
    let args = [
        "--bind",
        "127.0.0.1:0",
        "--transport",
        "udp",
        "--name",
        "victim",
    ];
    let admin = ["--admin-http", "127.0.0.1:0", "--no-admin"];
    let mut agent = Agent::start("victim", &owned(&[&args[..], &admin].concat()));
    let line = agent.until_stderr("the status page is at");
    let (_, place) = line.split_once("http://").expect("an address");
    let (_, port) = place
        .trim_end_matches('/')
        .rsplit_once(':')
        .expect("a port");

    // Whoever owns a name can have it lead to this machine.
    browser.open(&format!("http://rebound.example:{port}/"));
    browser.until("document.body.innerText.includes('the request is for another host')");
    assert_eq!(
        browser.read("fetch('/v1/members').then((it) => it.status)"),
        403
    );

    // Another site, and another port of this machine.
    for from in ["http://localhost", "http://127.0.0.1"] {
        browser.open(&format!("{from}:{}/", elsewhere()));
        browser.until("document.body.innerText.includes('elsewhere')");
        let there = format!("http://127.0.0.1:{port}");
        for path in ["/", "/v1/members", "/v1/events", "/metrics"] {
            let read = format!("fetch('{there}{path}').then(() => 'read', () => 'refused')");
            assert_eq!(browser.read(&read), "refused", "{path}");
        }
        let taken = format!(
            "new Promise((done) => {{ const it = document.createElement('script'); \
             it.onload = () => done('taken in'); it.onerror = () => done('refused'); \
             it.src = '{there}/page/main.js'; document.body.append(it); }})"
        );
        assert_eq!(browser.read(&taken), "refused");
        let framed = format!(
            "new Promise((done) => {{ const it = document.createElement('iframe'); \
             it.onload = () => {{ try {{ done(it.contentDocument.body.innerText); }} \
             catch {{ done('not ours'); }} }}; it.src = '{there}/'; document.body.append(it); }})"
        );
        assert_eq!(browser.read(&framed), "not ours");
    }

    // And its own still does.
    browser.open(&format!("http://localhost:{port}/"));
    browser.until("document.body.dataset.link === 'live'");
    assert_eq!(
        browser.read("document.querySelectorAll('#rows tr').length"),
        json!(1)
    );
}

/// Somebody else's page; its port.
fn elsewhere() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = listener.local_addr().expect("an address").port();
    thread::spawn(move || {
        for mut stream in listener.incoming().map_while(Result::ok) {
            let body = "<p>elsewhere";
            let head = "HTTP/1.1 200 OK\r\ncontent-type: text/html\r\nconnection: close";
            let answer = format!("{head}\r\ncontent-length: {}\r\n\r\n{body}", body.len());
            // A browser opens connections that it does not use.
            thread::spawn(move || {
                let asked = stream.read(&mut [0; 4096]);
                asked.and_then(|_| stream.write_all(answer.as_bytes()))
            });
        }
    });
    port
}
