//! The fields that every package takes from the workspace, and the packages that may name the facade.

use cargo_metadata::{DependencyKind, Package};
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

/// The facade composes the others; no other crate and no tool may know of it, not in tests either.
const FACADE: &str = "sse-kit";

/// The crate for the tests of apps. Only tests depend on it, so it has no arrows.
const FOR_TESTS: &str = "sse-kit-test";

/// The folders of packages that may: the hub is a program built on the facade, as examples are.
const ON_THE_FACADE: &[&str] = &["crates/sse-hub", "examples/", "tests", "xtask/starters/"];

/// Finds a package that names the facade, and a crate whose arrows are not drawn.
pub(super) fn arrows(package: &Package, folder: &str, deny: Option<&Source>) -> Option<Offence> {
    let name = &package.name;
    let may = ON_THE_FACADE.iter().any(|on_it| folder.starts_with(on_it));
    let what = if !may && package.dependencies.iter().any(|it| it.name == FACADE) {
        format!("{name} names the facade; only the hub, examples and tests may")
    } else if ships(package, FOR_TESTS) {
        format!("{name} depends on {FOR_TESTS}, which is for tests: make it a dev-dependency")
    } else if !may && folder.starts_with("crates/") && !draws(deny, name) {
        format!("deny.toml does not say which crates may depend on {name}")
    } else {
        return None;
    };
    Some(Offence::in_file(&format!("{folder}/Cargo.toml"), what))
}

fn ships(package: &Package, name: &str) -> bool {
    let mut dependencies = package.dependencies.iter();
    dependencies.any(|it| it.name == name && it.kind != DependencyKind::Development)
}

/// Returns whether the arrows to a crate are drawn: those to the facade and the crate for tests are checked here,
/// and cargo-deny asks for those from a crate.
fn draws(deny: Option<&Source>, name: &str) -> bool {
    let entry = format!("{{ crate = \"{name}\", wrappers = [");
    [FACADE, FOR_TESTS].contains(&name) || deny.is_some_and(|deny| deny.text.contains(&entry))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

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
    fn arrows_are_drawn_and_lead_from_the_facade() {
        let package = |name: &str, needs: &[&str]| -> Package {
            let dependency = |name: &&str| {
                let (name, kind) = name.split_once(' ').unwrap_or((name, "dev"));
                json!({ "name": name, "req": "*", "kind": kind, "optional": false, "target": null,
                    "uses_default_features": true, "features": [] })
            };
            let dependencies: Vec<_> = needs.iter().map(dependency).collect();
            serde_json::from_value(json!({ "name": name, "version": "0.1.0", "id": name,
                "dependencies": dependencies, "targets": [], "features": {}, "manifest_path": "/a" }))
            .expect("a package as cargo describes it")
        };
        let arrows_to = "{ crate = \"sse-kit-event\", wrappers = [\"sse-kit-new\"] }";
        let deny = Source::new("deny.toml", arrows_to);
        let what = |folder: &str, needs: &[&str]| {
            let name = folder.rsplit('/').next().expect("a name");
            Some(arrows(&package(name, needs), folder, Some(&deny))?.what)
        };
        assert_eq!(what("crates/sse-kit-event", &["bytes"]), None);
        let drawn = what("crates/sse-kit-new", &[]).expect("an offence");
        assert!(drawn.ends_with("which crates may depend on sse-kit-new"), "{drawn}");
        assert_eq!(what("crates/sse-kit-event", &["sse-kit-test"]), None);
        let shipped = what("examples/jobs", &["sse-kit-test normal"]).expect("an offence");
        assert!(shipped.contains("make it a dev-dependency"), "{shipped}");
        for crate_of_rules in ["crates/sse-kit-test", "crates/sse-kit"] {
            assert_eq!(what(crate_of_rules, &[]), None);
        }
        for folder in ["crates/sse-kit-event", "xtask", "bench"] {
            let named = what(folder, &[FACADE]).expect("an offence");
            assert!(named.contains("names the facade"), "{named}");
        }
        for folder in ["crates/sse-hub", "examples/jobs", "tests/schedules", "xtask/starters/axum"]
        {
            assert_eq!(what(folder, &[FACADE]), None);
        }
    }
}
