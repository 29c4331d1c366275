//! A configuration as the script reads it.

use std::time::Duration;

use serde_json::{Map, Value, json};
use sse_kit_htmx::{Html, Reconnect};

use crate::config::{Debug, MonitorConfig, OnGap, Overlay};
use crate::indicator::Indicator;

pub(crate) fn data_block(config: &MonitorConfig) -> Html {
    let json = json!({
        "connection": config.connection.as_str(),
        "status": config.status.as_str(),
        "autoReconnect": config.auto_reconnect == Reconnect::On,
        "reconnectDelay": milliseconds(config.reconnect_delay),
        "heartbeatTimeout": config.heartbeat_timeout.map(milliseconds),
        "gap": match config.on_gap {
            OnGap::Reload => "reload",
            OnGap::Report => "report",
        },
        "debug": config.debug == Debug::On,
        "overlay": config.overlay == Overlay::On,
        "indicators": indicators(config),
    });
    Html::trusted(format!(
        "<script type=\"application/json\" data-sse-kit-monitor>{}</script>",
        escaped(&json)
    ))
}

fn milliseconds(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

fn indicators(config: &MonitorConfig) -> Map<String, Value> {
    let value = |indicator: &Indicator| match indicator {
        Indicator::Text(text) => json!({ "text": text }),
        Indicator::Html(html) => json!({ "html": html.as_str() }),
    };
    let all = config.indicators.iter();
    all.map(|(state, indicator)| (state.to_string(), value(indicator))).collect()
}

/// JSON in which nothing ends a tag, begins a comment, or is a line end to a script. These characters
/// can only stand in strings, where an escape means the same.
fn escaped(json: &Value) -> String {
    let mut safe = String::new();
    for c in json.to_string().chars() {
        match c {
            '<' => safe.push_str("\\u003c"),
            '>' => safe.push_str("\\u003e"),
            '&' => safe.push_str("\\u0026"),
            '\u{2028}' => safe.push_str("\\u2028"),
            '\u{2029}' => safe.push_str("\\u2029"),
            c => safe.push(c),
        }
    }
    safe
}
