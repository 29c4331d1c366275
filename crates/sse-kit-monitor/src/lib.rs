//! Watches the connection of a page, shows whether it is live, and reconnects it.
//!
//! ```
//! use std::time::Duration;
//! use sse_kit_monitor::{MonitorConfig, State};
//!
//! let monitor = MonitorConfig::new()
//!     .reconnect_delay(Duration::from_secs(1))
//!     .indicator(State::Live, "Up to date");
//!
//! // The page shows the state here,
//! assert_eq!(
//!     monitor.status_element().as_str(),
//!     "<span id=\"connection-status\" role=\"status\" aria-live=\"polite\" \
//!      data-state=\"connecting\">Connecting</span>",
//! );
//! // says what to watch,
//! assert!(monitor.data_block().as_str().starts_with("<script type=\"application/json\""));
//! // and loads what watches.
//! let script = sse_kit_monitor::script();
//! assert!(script.file_name().starts_with("sse-kit-monitor."));
//! ```
//!
//! - A [`MonitorConfig`] is for one connection of the page: the element that holds it, the element
//!   that shows its [`State`], and the reaction to a lost connection. A page can have several.
//! - [`script`] is the same for all of them, and for htmx 2, htmx 4 and pages without htmx. Load it
//!   before the page is parsed, so before htmx connects. If it loads later, it watches a stream
//!   that htmx 2 has opened only until that stream is lost.
//! - Each change of state is a DOM event `sse-kit:state` on the element that holds the connection,
//!   with `{from, to, reason}` as its detail. It bubbles.
//! - Control events of the stream are DOM events there too, `sse-kit:gap` among them. A script that
//!   calls `preventDefault()` on it handles the gap itself, instead of [`OnGap`].
#![cfg_attr(docsrs, feature(doc_cfg))]

mod config;
mod indicator;
mod state;

mod data_block;
mod script;

pub use config::{ConsoleLog, MonitorConfig, OnGap, Overlay};
pub use indicator::Indicator;
pub use script::script;
pub use state::State;
