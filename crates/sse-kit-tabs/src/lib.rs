//! One connection to the server for all tabs of a browser.
//!
//! A browser opens at most six HTTP/1.1 connections to a host. If each tab has a stream, the
//! seventh tab hangs, like every further request of the others. The script of this crate lets all tabs
//! use one connection. It is in a `SharedWorker`; without that, in one tab that the tabs elect; and
//! without both, each tab has its own. The script decides at run time.
//!
//! ```
//! use sse_kit_htmx::{Dialect, PageScripts};
//! use sse_kit_tabs::{Identity, TabsConfig};
//!
//! let identity = Identity::fingerprint("the id of the session");
//! let tabs = TabsConfig::new(["/events".parse()?], identity);
//! let scripts = PageScripts::new(Dialect::V4).script(tabs.script());
//!
//! // The app serves the script with the others of the page.
//! let path = format!("/sse-kit/{}", sse_kit_tabs::script().file_name());
//! assert!(scripts.file(&path).is_some() && scripts.to_string().contains(&path));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! Pages stay as they are: the script gives htmx 2 its `EventSource`, and htmx 4 its responses of
//! `fetch`, both only for the [paths](StreamPath) that the app names. A page without htmx uses the
//! class `SharedEventSource`. Every tab gets every event once and in order, even if another tab
//! closes or crashes, as far as the server's history goes back.
//!
//! - [`TabsConfig`] holds the settings, and makes the script of a page from them.
//! - [`StreamPath`] names the streams to share.
//! - [`Identity`] keeps one user's stream out of another user's tab.
//!
//! The guide, `docs/src/tabs.md`, documents the JavaScript interface and the content security
//! policy.

mod config;
mod identity;
mod script;
mod stream_path;

pub use config::TabsConfig;
pub use identity::Identity;
pub use script::script;
pub use stream_path::StreamPath;
