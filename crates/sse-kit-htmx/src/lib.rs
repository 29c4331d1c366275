//! The markup of live pages: script tags, connections and updates, for htmx 2 and htmx 4.
//!
//! ```
//! use sse_kit_htmx::{Dialect, Html, Update, Updates};
//!
//! let updates = Updates::from_iter([
//!     Update::fill("job-17-state".parse()?, &Html::text("<done>"))?,
//!     Update::append("jobs".parse()?, &Html::trusted("<li id=\"job-18\">queued</li>"))?,
//! ]);
//!
//! // The data of one Server-Sent Event, without a name.
//! assert_eq!(
//!     updates.render(Dialect::V4)?.as_str(),
//!     "<hx-partial hx-target=\"#job-17-state\" hx-swap=\"innerHTML\">&lt;done&gt;</hx-partial>\
//!      <hx-partial hx-target=\"#jobs\" hx-swap=\"beforeend\"><li id=\"job-18\">queued</li></hx-partial>",
//! );
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! - [`Dialect`] is the version of htmx on the page. All else is the same for both versions; a feature that a
//!   version lacks is a typed error.
//! - [`Html`] is content that is safe on a page: text is escaped, and markup has to be [trusted by
//!   name](Html::trusted). A [`Fragment`] renders to it, such as a template.
//! - [`Update`] changes one target out of band; [`Updates`] are one message, in the [`MessageFormat`] that the
//!   pages can read.
//! - [`Connect`] makes an element hold a connection, [`NamedSwap`] puts events into an element by their names, and
//!   [`EventTrigger`] makes a request when an event arrives. They return [`Attributes`], for a template or for
//!   an [`Element`]; [`compat`] has such elements for jobs.
//! - [`PageScripts`] are the script tags of a page; a [`Script`] of sse-kit is served as a file, or
//!   is inline with a [`Nonce`].
//!
//! # Features
//!
//! | feature | adds |
//! |---|---|
//! | `askama` | templates declared by `HtmlTemplate` are [`Fragment`]s |
//! | `maud`, `hypertext` | their output becomes [`Html`] |
//! | `minijinja` | `HtmlTemplates`, which insist on escaping, give [`Html`] |
//!
//! None of these engines escapes [`Html`], [`Element`], [`Attributes`] and [`PageScripts`] again.
#![cfg_attr(docsrs, feature(doc_cfg))]

mod dialect;
mod error;
mod text;

mod escape;
mod html;

mod engines;
mod fragment;

mod element_id;
mod selector;
mod target;

mod message_format;
mod modifiers;
mod swap;
mod update;
mod updates;

mod first_tag;
mod out_of_band;
mod placement;
mod tree;

mod attribute_name;
mod attributes;
mod script_attributes;
mod style;

mod endpoint;
mod script_folder;

mod connect;
mod event_trigger;
mod named_swap;

pub mod compat;
mod element;
mod tag;

mod head;
mod nonce;
mod page_scripts;
mod script;
mod script_url;

pub use attribute_name::AttributeName;
pub use attributes::Attributes;
pub use connect::{Connect, Reconnect};
pub use dialect::Dialect;
pub use element::Element;
pub use element_id::ElementId;
pub use endpoint::Endpoint;
#[cfg(feature = "minijinja")]
#[cfg_attr(docsrs, doc(cfg(feature = "minijinja")))]
pub use engines::HtmlTemplates;
#[cfg(feature = "askama")]
#[cfg_attr(docsrs, doc(cfg(feature = "askama")))]
pub use engines::{HtmlBlock, HtmlTemplate};
pub use error::{MarkupError, MarkupErrorKind};
pub use event_trigger::EventTrigger;
pub use fragment::{Fragment, RenderError};
pub use html::Html;
pub use message_format::MessageFormat;
pub use modifiers::{Edge, FocusScroll, Transition};
pub use named_swap::NamedSwap;
pub use nonce::Nonce;
pub use page_scripts::PageScripts;
pub use script::Script;
pub use script_folder::ScriptFolder;
pub use selector::Selector;
pub use sse_kit_event::{RandomError, TextError, TextErrorKind};
pub use swap::Swap;
pub use tag::Tag;
pub use target::Target;
pub use update::Update;
pub use updates::Updates;
