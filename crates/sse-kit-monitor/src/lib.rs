//! A page that knows whether it is live, shows it, and heals itself.
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
//!   that shows its [`State`], and what is done when it is lost. A page can have several.
//! - [`script`] is the same for all of them, and for htmx 2, htmx 4 and pages without htmx. Load it
//!   before the page has been parsed, so before htmx connects; later works too, but what htmx 2 has
//!   opened by then is only watched until it is lost.
//! - Each change of state is a DOM event `sse-kit:state` on the element that holds the connection,
//!   with `{from, to, reason}` as its detail; it bubbles.
//! - What the server says of the stream are DOM events there too, `sse-kit:gap` among them. Whoever
//!   calls `preventDefault()` on it handles the gap in another way than [`OnGap`] says.
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
