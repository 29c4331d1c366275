//! The settings of shared streams, as the page gets them. The browser test `tabs.test.js` shows that
//! tabs share one connection and lose nothing.

use std::time::Duration;

use proptest::prelude::*;
use scraper::{Html, Selector};
use serde_json::Value;
use sse_kit_htmx::PageScripts;
use sse_kit_tabs::{Identity, StreamPath, TabsConfig};
use sse_kit_test_support::cases;

fn page(config: &TabsConfig) -> Html {
    let nonce = "abc".parse().expect("a nonce");
    let tags = config.script().tag(&PageScripts::FOLDER, Some(&nonce));
    Html::parse_document(&format!("<!DOCTYPE html><head>{tags}</head><body></body>"))
}

fn settings(page: &Html) -> Value {
    let block = Selector::parse("script[type='application/json']#sse-kit-tabs");
    let block = block.expect("a selector");
    let text: String = page.select(&block).next().expect("a block").text().collect();
    serde_json::from_str(&text).expect("JSON")
}

#[test]
fn tabs_of_one_identity_share_the_streams_that_the_app_names() {
    let streams = ["/events".parse().unwrap(), "/jobs/".parse().unwrap()];
    let config = TabsConfig::new(streams, "me".parse().unwrap())
        .replay_events(7.try_into().unwrap())
        .replay_characters(70.try_into().unwrap())
        .reconnect_delay(Duration::from_millis(1))
        .heartbeat_timeout(Duration::from_secs(4));
    let settings = settings(&page(&config));
    assert_eq!(settings["streams"], serde_json::json!(["/events", "/jobs/"]));
    assert_eq!(settings["identity"], "me");
    let options = serde_json::json!({ "events": 7, "characters": 70, "reconnectDelay": 100, "heartbeatTimeout": 4000 });
    assert_eq!(settings["options"], options, "no delay is shorter than 100 ms");
}

#[test]
fn a_page_has_the_settings_before_the_script_that_is_served() {
    let page = page(&TabsConfig::new([], Identity::anyone()));
    let file = sse_kit_tabs::script().file_name();
    assert!(file.starts_with("sse-kit-tabs."));
    let src = PageScripts::FOLDER.file(&file);
    assert_eq!(settings(&page)["identity"], "");
    let scripts = Selector::parse("script[src]").unwrap();
    let script = page.select(&scripts).next().unwrap();
    assert_eq!(script.attr("src"), Some(&*src));
    assert_eq!(script.attr("integrity"), Some(&*sse_kit_tabs::script().integrity()));
    assert_eq!(script.attr("nonce"), Some("abc"));
}

#[test]
fn the_file_is_one_strict_script() {
    let script = sse_kit_tabs::script();
    let source = script.source();
    assert!(source.starts_with("\"use strict\";"));
    assert!(!source.contains("import ") && !source.contains("export "));
}

proptest! {
    #![proptest_config(cases(256))]

    #[test]
    fn no_value_breaks_out(paths in prop::collection::vec("/[ -~]{0,20}", 0..4), identity in ".{0,20}") {
        let hostile = ["/</script><script>alert(1)</script>", "/<!--<script>", "/'&lt;"];
        let paths: Vec<StreamPath> = paths
            .iter()
            .map(String::as_str)
            .chain(hostile)
            .filter_map(|path| path.parse().ok())
            .collect();
        let identity = identity.parse().unwrap_or_else(|_| Identity::anyone());
        let page = page(&TabsConfig::new(paths.clone(), identity));
        let all = Selector::parse("*").unwrap();
        let names: Vec<_> = page.select(&all).map(|element| element.value().name()).collect();
        prop_assert_eq!(names, ["html", "head", "script", "script", "body"]);
        let settings = settings(&page);
        let streams: Vec<_> = paths.iter().map(StreamPath::as_str).collect();
        prop_assert_eq!(&settings["streams"], &serde_json::json!(streams));
    }
}
