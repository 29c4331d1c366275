//! The bundled script.

use sse_kit_htmx::Script;

/// Returns the script, for pages and for the worker: the file to serve, from the page's own origin. Its name
/// contains a hash of its content, so clients may cache it without a limit.
///
/// A page has it [with its settings](crate::TabsConfig::script).
pub fn script() -> Script {
    Script::new("sse-kit-tabs", include_str!("../dist/sse-kit-tabs.js"))
}
