//! The bundled script.

use sse_kit_htmx::Script;

/// Returns the monitor script. One serves every page, independent of the number of its connections.
///
/// Load it as a classic script. It works under a content security policy without any `unsafe-…`.
pub fn script() -> Script {
    Script::new("sse-kit-monitor", include_str!("../dist/sse-kit-monitor.js"))
}
