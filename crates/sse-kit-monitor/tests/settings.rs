//! The settings of the monitor, as the page gets them. Their effect is shown by the browser tests
//! `monitor.test.js` and `monitor-options.test.js`.

use std::time::Duration;

use scraper::{Html as Page, Selector};
use serde_json::{Value, json};
use sse_kit_htmx::{ElementId, Html, Reconnect};
use sse_kit_monitor::{ConsoleLog, MonitorConfig, OnGap, Overlay, State, script};

/// Reads the settings as the script would, by a real parser.
fn read(config: &MonitorConfig) -> Value {
    let page = Page::parse_fragment(config.data_block().as_str());
    let block = Selector::parse("script[type='application/json'][data-sse-kit-monitor]")
        .expect("a selector");
    let text: String = page.select(&block).next().expect("a block").text().collect();
    serde_json::from_str(&text).expect("JSON")
}

#[test]
fn the_defaults_are_those_of_the_reference() {
    let config = read(&MonitorConfig::new());
    assert_eq!(config["connection"], "sse-connection");
    assert_eq!(config["status"], "connection-status");
    assert_eq!(config["autoReconnect"], true);
    assert_eq!(config["reconnectDelay"], 3000);
    // 30 s, which the script knows, until the server says how often heartbeats come.
    assert_eq!(config["heartbeatTimeout"], Value::Null);
    assert_eq!(config["debug"], false);
    assert_eq!(config["overlay"], false);
    assert_eq!(config["gap"], "reload");
    for state in State::ALL {
        assert!(config["indicators"][state.as_str()]["text"].is_string(), "{state}");
    }
}

#[test]
fn one_indicator_given_leaves_the_others() {
    let given = MonitorConfig::new().indicator(State::Live, Html::trusted("<b>up</b>"));
    let mut expected = read(&MonitorConfig::new());
    expected["indicators"]["live"] = json!({ "html": "<b>up</b>" });
    assert_eq!(read(&given), expected);
}

#[test]
fn every_option_is_in_what_the_script_reads() {
    let id = |id: &str| id.parse::<ElementId>().unwrap();
    let config = MonitorConfig::new()
        .connection(id("feed"))
        .status(id("state"))
        .auto_reconnect(Reconnect::Off)
        .reconnect_delay(Duration::from_millis(250))
        .heartbeat_timeout(Duration::from_secs(30))
        .on_gap(OnGap::Report)
        .console_log(ConsoleLog::On)
        .overlay(Overlay::On)
        .indicator(State::Closed, "gone");
    let config = read(&config);
    assert_eq!(config["connection"], "feed");
    assert_eq!(config["status"], "state");
    assert_eq!(config["autoReconnect"], false);
    assert_eq!(config["reconnectDelay"], 250);
    assert_eq!(config["heartbeatTimeout"], 30_000);
    assert_eq!(config["gap"], "report");
    assert_eq!(config["debug"], true);
    assert_eq!(config["overlay"], true);
    assert_eq!(config["indicators"]["closed"], json!({ "text": "gone" }));
}

#[test]
fn no_time_is_one_that_a_script_would_turn_into_a_storm() {
    let with = |time| read(&MonitorConfig::new().reconnect_delay(time).heartbeat_timeout(time));
    let (none, endless) = (with(Duration::ZERO), with(Duration::MAX));
    for name in ["reconnectDelay", "heartbeatTimeout"] {
        assert_eq!(none[name], 100, "{name}");
        // `setTimeout` takes more for nothing at all.
        assert_eq!(endless[name], i32::MAX, "{name}");
    }
}

#[test]
fn the_status_is_announced_and_begins_as_connecting() {
    let config = MonitorConfig::new().indicator(State::Connecting, "a < b");
    assert_eq!(
        config.status_element().as_str(),
        "<span id=\"connection-status\" role=\"status\" aria-live=\"polite\" \
         data-state=\"connecting\">a &lt; b</span>"
    );
}

#[test]
fn the_script_is_the_same_for_all_and_needs_nothing_unsafe() {
    let source = script().source().to_owned();
    assert_eq!(script().file_name(), script().file_name());
    for unsafe_in_a_policy in ["eval(", "new Function", ".setAttribute('style'", "document.write"] {
        assert!(!source.contains(unsafe_in_a_policy), "{unsafe_in_a_policy}");
    }
    // It can stand inline as it is.
    assert!(script().inline(None).as_str().contains(&source));
}
