//! The entry of one version in a changelog as keepachangelog.com has it.

/// Returns the text of a version's entry, or of the unreleased one; `None` if neither says anything.
pub(super) fn entry<'a>(changelog: &'a str, version: &str) -> Option<&'a str> {
    [version, "Unreleased"].into_iter().find_map(|name| section(changelog, name))
}

/// Returns the text from a heading `## [NAME]` to the next of its level.
fn section<'a>(changelog: &'a str, name: &str) -> Option<&'a str> {
    let heading = format!("\n## [{name}]");
    let from = changelog.find(&heading)? + 1;
    let length = changelog[from..].find("\n## ").unwrap_or(changelog.len() - from);
    let text = changelog[from..from + length].trim_end();
    text.contains('\n').then_some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    const CHANGELOG: &str = "\
# Changelog

## [Unreleased]

## [0.2.0] - 2026-12-01

### Added

- A thing.

## [0.1.0] - 2026-11-01

- The first.
";

    #[test]
    fn an_entry_ends_where_the_next_begins() {
        let second = "## [0.2.0] - 2026-12-01\n\n### Added\n\n- A thing.";
        assert_eq!(entry(CHANGELOG, "0.2.0"), Some(second));
        assert_eq!(entry(CHANGELOG, "0.1.0"), Some("## [0.1.0] - 2026-11-01\n\n- The first."));
    }

    #[test]
    fn what_is_not_released_is_the_entry_of_a_new_version() {
        let changelog = CHANGELOG.replace("[Unreleased]\n", "[Unreleased]\n\n- New.\n");
        assert_eq!(entry(&changelog, "0.3.0"), Some("## [Unreleased]\n\n- New."));
    }

    #[test]
    fn a_heading_alone_is_no_entry() {
        assert_eq!(entry(CHANGELOG, "0.3.0"), None);
        assert_eq!(entry("", "0.3.0"), None);
    }
}
