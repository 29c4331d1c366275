//! The browser's end of a stream: the code that the scripts of `sse-kit-monitor` and `sse-kit-tabs`
//! share, so that both behave the same.
//!
//! The modules in `scripts/` are the parser, the cursor, the backoff, the final responses, the
//! silence timer, and one attempt to connect. The two scripts import them, and `cargo xtask bundle`
//! bundles each script into a minified `dist/*.js` of its crate. `cargo xtask test scripts` fails
//! if one is out of date. Apps do not depend on this crate directly.
//!
//! It has one Rust function:
//!
//! ```
//! use serde_json::json;
//!
//! let block = sse_kit_client::data_block(" id=\"settings\"", &json!({ "text": "</script>" }));
//! assert_eq!(
//!     block.as_str(),
//!     "<script type=\"application/json\" id=\"settings\">{\"text\":\"\\u003c/script\\u003e\"}</script>",
//! );
//! ```
#![cfg_attr(docsrs, feature(doc_cfg))]

mod data_block;

pub use data_block::data_block;
