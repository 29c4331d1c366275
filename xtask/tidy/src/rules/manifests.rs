//! What every package takes from the workspace, and what every crate begins with.

use toml::{Table, Value};

use super::Offence;
use super::sources::Source;

/// The fields of `[package]` that packages inherit from the workspace.
const INHERITED: &[&str] = &["edition", "license", "rust-version"];

/// Finds what a package's manifest does not inherit.
pub(super) fn inheritance(manifest: &Source) -> Vec<Offence> {
    let table: Table = match manifest.text.parse() {
        Ok(table) => table,
        Err(error) => return vec![Offence::in_file(&manifest.path, error.to_string())],
    };
    let inherits = |value: Option<&Value>| {
        value.and_then(|value| value.get("workspace")).and_then(Value::as_bool) == Some(true)
    };
    let mut offences = Vec::new();
    for field in INHERITED {
        if !inherits(table.get("package").and_then(|package| package.get(field))) {
            let what = format!("does not say `{field}.workspace = true` in [package]");
            offences.push(Offence::in_file(&manifest.path, what));
        }
    }
    if !inherits(table.get("lints")) {
        let what = "does not say `workspace = true` in [lints]";
        offences.push(Offence::in_file(&manifest.path, what));
    }
    offences
}

/// Crate docs are the first thing in `lib.rs`, or in the `main.rs` of a program: written there, or taken from a file.
pub(super) fn crate_docs(lib: &Source) -> Option<Offence> {
    let first = lib.text.lines().find(|line| !line.trim().is_empty()).unwrap_or_default();
    let has_docs = first.starts_with("//!") || first.starts_with("#![doc = include_str!(");
    (!has_docs).then(|| {
        let what = "does not begin with crate docs (`//!` or `#![doc = include_str!(...)]`)";
        Offence::in_file(&lib.path, what)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = r#"
[package]
name = "good"
edition.workspace = true
license = { workspace = true }
rust-version.workspace = true

[lints]
workspace = true
"#;

    fn inherited(text: &str) -> Vec<String> {
        let offences = inheritance(&Source::new("Cargo.toml", text));
        offences.into_iter().map(|offence| offence.what).collect()
    }

    #[test]
    fn what_is_inherited_is_well() {
        assert!(inherited(GOOD).is_empty());
    }

    #[test]
    fn what_is_said_again_is_an_offence() {
        let said = GOOD.replace("edition.workspace = true", "edition = \"2024\"");
        assert_eq!(inherited(&said), ["does not say `edition.workspace = true` in [package]"]);
        let without = GOOD.replace("license = { workspace = true }", "");
        assert_eq!(inherited(&without), ["does not say `license.workspace = true` in [package]"]);
        let lax = GOOD.replace("[lints]\nworkspace = true", "");
        assert_eq!(inherited(&lax), ["does not say `workspace = true` in [lints]"]);
    }

    #[test]
    fn a_broken_manifest_is_an_offence() {
        assert_eq!(inherited("[package").len(), 1);
    }

    #[test]
    fn crate_docs_come_first() {
        let docs = |text: &str| crate_docs(&Source::new("src/lib.rs", text));
        assert_eq!(docs("//! One sentence.\n"), None);
        assert_eq!(docs("\n#![doc = include_str!(\"../README.md\")]\n"), None);
        assert!(docs("mod event;\n").is_some());
        assert!(docs("").is_some());
    }
}
