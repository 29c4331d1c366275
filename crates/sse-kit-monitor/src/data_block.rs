//! Encodes the settings for the script.

use std::time::Duration;

use serde_json::{Map, Value, json};
use sse_kit_htmx::{Html, Reconnect};

use crate::config::{ConsoleLog, MonitorConfig, OnGap, Overlay};
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
            OnGap::Wait => "wait",
            OnGap::Report => "report",
        },
        "debug": config.debug == ConsoleLog::On,
        "overlay": config.overlay == Overlay::On,
        "indicators": indicators(config),
    });
    sse_kit_client::data_block(" data-sse-kit-monitor", &json)
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
