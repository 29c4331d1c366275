//! The script, as it is bundled.

use sse_kit_htmx::Script;

/// Returns the script that watches: one for every page, however many connections it has.
///
/// Load it as a classic script. It works under a content security policy without any `unsafe-…`.
pub fn script() -> Script {
    Script::new("sse-kit-monitor", include_str!("../dist/sse-kit-monitor.js"))
}
