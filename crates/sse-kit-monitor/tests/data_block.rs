//! No setting can break out of the data block of the monitor, or of its status element.

use std::time::Duration;

use proptest::prelude::*;
use scraper::{Html as Page, Node, Selector};
use serde_json::Value;
use sse_kit_htmx::{ElementId, Html};
use sse_kit_monitor::{MonitorConfig, State, script};
use sse_kit_test_support::cases;

/// Values that attackers try.
const HOSTILE: &[&str] = &[
    "</script><script>alert(1)</script>",
    "</SCRIPT ><img src=x onerror=alert(1)>",
    "<!--<script>",
    "-->",
    "'; alert(1); '",
    "\"},\"debug\":true,\"x\":{\"",
    "\\\"; alert(1); //",
    "`${alert(1)}`",
    "]]>",
    "\u{2028}alert(1)\u{2029}",
    "&lt;/script&gt;",
    "&quot;",
    "\" onmouseover=\"alert(1)",
    "\0",
];

fn texts() -> impl Strategy<Value = String> {
    prop_oneof![
        prop::sample::select(HOSTILE).prop_map(str::to_owned),
        prop::collection::vec(prop::sample::select(HOSTILE), 2..4).prop_map(|parts| parts.concat()),
        any::<String>(),
    ]
}

fn ids() -> impl Strategy<Value = ElementId> {
    texts().prop_filter_map("not an id", |text| {
        ElementId::new(&text.replace(|c: char| c.is_whitespace() || c.is_control(), "")).ok()
    })
}

/// The elements of a page, without those that every page has.
fn elements(page: &Page) -> Vec<String> {
    let all = page.tree.values().filter_map(|node| match node {
        Node::Element(element) => Some(element.name().to_owned()),
        _ => None,
    });
    all.filter(|name| !["html", "head", "body"].contains(&name.as_str())).collect()
}

proptest! {
    #![proptest_config(cases(256))]

    #[test]
    fn no_setting_breaks_out_of_the_data(
        connection in ids(),
        status in ids(),
        indicator in texts(),
    ) {
        let config = MonitorConfig::new()
            .connection(connection.clone())
            .status(status.clone())
            .indicator(State::Live, indicator.as_str())
            .indicator(State::Closed, Html::trusted(indicator.as_str()));
        let block = config.data_block();
        let has_line_ends = block.as_str().contains(['\u{2028}', '\u{2029}']);
        prop_assert!(!has_line_ends);
        let page = Page::parse_document(&format!("<!DOCTYPE html><p>before</p>{block}<p>after</p>"));
        prop_assert!(page.errors.is_empty(), "{:?}", page.errors);
        prop_assert_eq!(elements(&page), ["p", "script", "p"]);

        let text: String =
            page.select(&Selector::parse("script").unwrap()).flat_map(|block| block.text()).collect();
        let read: Value = serde_json::from_str(&text).unwrap();
        prop_assert_eq!(&read["connection"], connection.as_str());
        prop_assert_eq!(&read["status"], status.as_str());
        prop_assert_eq!(&read["indicators"]["live"]["text"], &indicator);
        prop_assert_eq!(&read["indicators"]["closed"]["html"], &indicator);
        prop_assert_eq!(&read["debug"], false);
    }

    #[test]
    fn no_setting_breaks_out_of_the_status(status in ids(), indicator in texts()) {
        let config =
            MonitorConfig::new().status(status.clone()).indicator(State::Connecting, indicator.as_str());
        let page = Page::parse_document(&config.status_element().to_string());
        prop_assert_eq!(elements(&page), ["span"]);
        let span = page.select(&Selector::parse("span").unwrap()).next().unwrap();
        prop_assert_eq!(span.value().id(), Some(status.as_str()));
        prop_assert_eq!(span.value().attrs().count(), 4);
        // A parser drops NUL, and makes one line end of all.
        let kept: String = indicator.replace('\0', "").replace("\r\n", "\n").replace('\r', "\n");
        prop_assert_eq!(span.text().collect::<String>(), kept);
    }
}

#[test]
fn delay_and_timeout_are_settings_of_the_data_and_not_of_the_code() {
    let (one, other) = (Duration::from_millis(1234), Duration::from_millis(5678));
    let config = MonitorConfig::new().reconnect_delay(one).heartbeat_timeout(other);
    let block = config.data_block().into_string();
    assert!(
        block.contains("\"reconnectDelay\":1234") && block.contains("\"heartbeatTimeout\":5678")
    );
    assert!(script().source().contains("reconnectDelay"));
    assert!(script().source().contains("heartbeatTimeout"));
}

#[test]
fn no_event_is_relied_on_that_no_htmx_has() {
    let source = script().source().to_owned();
    let quoted = source.match_indices("\"htmx:").map(|(at, _)| &source[at + 1..]);
    let events: Vec<&str> = quoted.filter_map(|text| text.split('"').next()).collect();
    assert!(events.len() > 8);
    for event in events {
        assert!(KNOWN.contains(&event), "{event}");
    }
}

/// Seen in a browser, with htmx 2.0.11 and htmx-ext-sse 2.2.4, and with htmx 4.0.1 and its hx-sse.
const KNOWN: &[&str] = &[
    "htmx:abort",
    "htmx:after:request",
    "htmx:afterRequest",
    "htmx:before:request",
    "htmx:before:response",
    "htmx:error",
    "htmx:finally:request",
    "htmx:sse:after:connection",
    "htmx:sse:before:connection",
    "htmx:sse:before:message",
    "htmx:sse:close",
    "htmx:sse:error",
    "htmx:sseClose",
    "htmx:sseOpen",
];
