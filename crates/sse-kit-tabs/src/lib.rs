//! One connection to the server for all tabs of a browser.
//!
//! A browser opens at most six connections of HTTP/1.1 to a host. With a stream for each tab the
//! seventh tab hangs, and every request of the others with it. The script of this crate has all tabs
//! listen to one connection: in a `SharedWorker`, or else in one of the tabs, which they elect, or
//! else, where a browser can do neither, each tab has its own. That is decided at run time.
//!
//! ```
//! use sse_kit_tabs::{Identity, TabsConfig};
//!
//! let tabs = TabsConfig::new(["/events".parse()?])
//!     .identity(Identity::fingerprint("the id of the session"));
//!
//! // In the head of a page, before the scripts of htmx:
//! let tags = tabs.tags(&"/assets".parse()?, None);
//! assert!(tags.as_str().contains("<script data-sse-kit=\"sse-kit-tabs\" src=\"/assets/sse-kit-tabs."));
//!
//! // Served from that folder:
//! let script = TabsConfig::script();
//! assert!(tags.as_str().contains(&script.file_name()));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! Pages stay as they are: htmx 2 gets its `EventSource` from the script, htmx 4 its answers of
//! `fetch`, both only for the [paths](StreamPath) that the app names. A page without htmx has the
//! class `SharedEventSource`. Every tab gets every event once and in order, whichever tab is closed or
//! crashes, as long as the server's history reaches back.
//!
//! - [`TabsConfig`] is what the script is told, and makes its tags.
//! - [`StreamPath`] names streams that are shared.
//! - [`Identity`] keeps one user's stream from another's tab.
//!
//! What a page can do with it in JavaScript, and what its content security policy has to allow, is in
//! the guide, `docs/src/tabs.md`.

mod config;
mod identity;
mod stream_path;

pub use config::TabsConfig;
pub use identity::{Identity, IdentityError};
pub use stream_path::{StreamPath, StreamPathError};
