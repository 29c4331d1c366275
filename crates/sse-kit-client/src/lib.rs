//! The browser's end of a stream: what the scripts of `sse-kit-monitor` and `sse-kit-tabs` have in
//! common, so that both follow one law.
//!
//! The modules in `scripts/` are the parser, the cursor, the backoff, the final answers, the silence
//! timer, and one attempt to connect. The two scripts import them, and one bundler joins each script
//! with what it imports: `cargo xtask bundle` writes `dist/*.js` of each crate, minified, and
//! `cargo xtask test scripts` fails when one is out of date. Apps do not depend on this crate directly.
//!
//! In Rust there is one function:
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
