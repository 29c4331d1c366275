//! The script, joined from its parts.

use std::sync::LazyLock;

use sse_kit_htmx::Script;

/// In an order in which nothing is used before it stands there.
const PARTS: [&str; 9] = [
    include_str!("../scripts/backoff.js"),
    include_str!("../scripts/cursor.js"),
    include_str!("../scripts/watchdog.js"),
    include_str!("../scripts/parser.js"),
    include_str!("../scripts/connection.js"),
    include_str!("../scripts/source.js"),
    include_str!("../scripts/htmx2.js"),
    include_str!("../scripts/htmx4.js"),
    include_str!("../scripts/overlay.js"),
];
const MAIN: &str = include_str!("../scripts/monitor.js");

/// The script that watches: one for every page, however many connections it has.
///
/// It is to be loaded as a classic script, and works under a content security policy without any
/// `unsafe-…`.
pub fn script() -> Script {
    static JOINED: LazyLock<String> = LazyLock::new(joined);
    Script::new("sse-kit-monitor", JOINED.as_str())
}

/// The parts are modules, so that each can be checked and tested by itself. Together they are one
/// function: what one exports is in sight of the others, which need not import it.
fn joined() -> String {
    let mut script = String::from("(() => {\n");
    for line in PARTS.iter().chain([&MAIN]).flat_map(|part| part.lines()) {
        if line.starts_with("import ") {
            continue;
        }
        script.push_str(line.strip_prefix("export ").unwrap_or(line));
        script.push('\n');
    }
    script.push_str("})();\n");
    script
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_of_a_module_is_left() {
        let script = script();
        let source = script.source();
        assert!(source.contains("\nclass Connection {"), "what was exported stands there");
        for line in source.lines() {
            assert!(!line.starts_with("import ") && !line.starts_with("export "), "{line}");
            // An import over several lines would be left in part.
            assert!(!line.starts_with("} from "), "{line}");
        }
    }

    #[test]
    fn what_is_imported_stands_above() {
        let mut above = String::new();
        for part in PARTS.iter().chain([&MAIN]) {
            let imports = part.lines().filter(|line| line.starts_with("import "));
            for import in imports {
                let names = import.split(['{', '}']).nth(1).expect("names in braces");
                for name in names.split(',').map(str::trim) {
                    let is_there = ["const", "function", "class"]
                        .iter()
                        .any(|kind| above.contains(&format!("export {kind} {name}")));
                    assert!(is_there, "`{name}` is imported, but stands further down");
                }
            }
            above.push_str(part);
        }
    }
}
