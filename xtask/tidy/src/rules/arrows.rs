//! Who may name whom: the arrows of docs/src/architecture.md, in one table.

use cargo_metadata::DependencyKind;

use super::Offence;
use crate::workspace::Workspace;

/// A crate of ours, and which of ours it may depend on. The facade may name all.
const ARROWS: &[(&str, &[&str])] = &[
    ("sse-kit-event", &[]),
    ("sse-kit-broadcast", &["sse-kit-event"]),
    ("sse-kit-dispatch", &["sse-kit-event"]),
    ("sse-kit-htmx", &["sse-kit-event"]),
    ("sse-kit-update", &["sse-kit-dispatch", "sse-kit-event", "sse-kit-htmx"]),
    ("sse-kit-client", &["sse-kit-htmx"]),
    ("sse-kit-monitor", &["sse-kit-client", "sse-kit-htmx"]),
    ("sse-kit-tabs", &["sse-kit-client", "sse-kit-event", "sse-kit-htmx"]),
    ("sse-kit-http", &["sse-kit-event", "sse-kit-broadcast"]),
    ("sse-kit-shutdown", &["sse-kit-event", "sse-kit-broadcast"]),
    (
        "sse-kit-axum",
        &[
            "sse-kit-event",
            "sse-kit-broadcast",
            "sse-kit-http",
            "sse-kit-shutdown",
            "sse-kit-htmx",
            "sse-kit-monitor",
            "sse-kit-tabs",
        ],
    ),
    (
        "sse-kit-inspector",
        &[
            "sse-kit-event",
            "sse-kit-broadcast",
            "sse-kit-dispatch",
            "sse-kit-htmx",
            "sse-kit-http",
            "sse-kit-monitor",
        ],
    ),
    ("sse-kit-serve", &["sse-kit-event", "sse-kit-http", "sse-kit-shutdown"]),
    ("sse-kit-file", &["sse-kit-event", "sse-kit-broadcast"]),
    ("sse-kit-opentelemetry", &["sse-kit-event", "sse-kit-broadcast"]),
    ("sse-kit-postgres", &["sse-kit-event", "sse-kit-broadcast"]),
    ("sse-kit-redis", &["sse-kit-event", "sse-kit-broadcast"]),
    ("sse-kit-test", &["sse-kit-event", "sse-kit-broadcast", "sse-kit-htmx"]),
];

/// Composes the others; none of them, nor a tool, may know of it.
const FACADE: &str = "sse-kit";

/// A program built on the facade, as examples are.
const HUB: &str = "sse-hub";

/// The apps that `cargo xtask new` writes, which follow the rules of examples.
const STARTERS: &str = "xtask/starters/";

/// Crates of others that are one crate's business, and the crates, and folders outside `crates/`,
/// that may name them too.
const GUARDED: &[(&str, &str, &[&str])] = &[
    ("async-broadcast", "sse-kit-broadcast", &["tests"]),
    ("globset", "sse-kit-dispatch", &["bench"]),
    ("opentelemetry", "sse-kit-opentelemetry", &[]),
    ("redis", "sse-kit-redis", &[]),
    ("tokio-postgres", "sse-kit-postgres", &["examples"]),
    ("hyper", "sse-kit-serve", &[HUB, "examples", "tests", "bench"]),
    ("hyper-util", "sse-kit-serve", &["examples", "tests", "bench"]),
];

/// A package of the workspace, as far as the rules look at it.
#[derive(Debug)]
pub(super) struct PackageFacts {
    pub(super) name: String,
    /// From the root, with `/` between its parts.
    pub(super) folder: String,
    /// The normal and build dependencies.
    pub(super) needs: Vec<String>,
    /// The dependencies of its tests and examples.
    pub(super) tested_with: Vec<String>,
}

pub(super) fn packages(workspace: &Workspace) -> Vec<PackageFacts> {
    let facts = |package: &cargo_metadata::Package| {
        let (tests, needs): (Vec<_>, Vec<_>) = package
            .dependencies
            .iter()
            .partition(|dependency| dependency.kind == DependencyKind::Development);
        let names = |dependencies: Vec<&cargo_metadata::Dependency>| {
            dependencies.iter().map(|dependency| dependency.name.clone()).collect()
        };
        PackageFacts {
            name: package.name.to_string(),
            folder: workspace.folder(package),
            needs: names(needs),
            tested_with: names(tests),
        }
    };
    workspace.packages().iter().map(facts).collect()
}

pub(super) fn offences(packages: &[PackageFacts]) -> Vec<Offence> {
    packages
        .iter()
        .flat_map(|package| {
            let whats = unknown(package)
                .into_iter()
                .chain(facade_named(package))
                .chain(wrong_arrows(package))
                .chain(guarded_named(package));
            let manifest = format!("{}/Cargo.toml", package.folder);
            whats.map(move |what| Offence::in_file(&manifest, what)).collect::<Vec<_>>()
        })
        .collect()
}

fn unknown(package: &PackageFacts) -> Option<String> {
    let is_known = !package.folder.starts_with("crates/")
        || [FACADE, HUB].contains(&package.name.as_str())
        || arrows_of(package).is_some();
    (!is_known).then(|| {
        format!("{} is not in the table of arrows (xtask/tidy/src/rules/arrows.rs)", package.name)
    })
}

fn facade_named(package: &PackageFacts) -> Option<String> {
    let may = is_in(package, &[HUB, "examples", "tests"]) || package.folder.starts_with(STARTERS);
    let names = package.needs.iter().chain(&package.tested_with).any(|name| name == FACADE);
    (names && !may)
        .then(|| format!("{} names the facade; only the hub, examples and tests may", package.name))
}

fn wrong_arrows(package: &PackageFacts) -> Vec<String> {
    let Some(may) = arrows_of(package) else {
        return Vec::new();
    };
    package
        .needs
        .iter()
        .filter(|name| name.starts_with("sse-kit-") && !may.contains(&name.as_str()))
        .map(|name| format!("{} may not depend on {name}", package.name))
        .collect()
}

fn guarded_named(package: &PackageFacts) -> Vec<String> {
    GUARDED
        .iter()
        .filter(|(guarded, _, _)| package.needs.iter().any(|name| name == guarded))
        .filter(|(_, owner, folders)| package.name != *owner && !is_in(package, folders))
        .map(|(guarded, owner, _)| {
            format!("{} may not depend on {guarded}, which is {owner}'s business", package.name)
        })
        .collect()
}

fn arrows_of(package: &PackageFacts) -> Option<&'static [&'static str]> {
    ARROWS.iter().find(|(name, _)| *name == package.name).map(|(_, may)| *may)
}

fn is_in(package: &PackageFacts, folders: &[&str]) -> bool {
    let first = package.folder.split('/').next();
    first.is_some_and(|first| folders.contains(&first)) || folders.contains(&package.name.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn package(folder: &str, needs: &[&str], tested_with: &[&str]) -> PackageFacts {
        let owned = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
        PackageFacts {
            name: folder.rsplit('/').next().unwrap_or(folder).to_owned(),
            folder: folder.to_owned(),
            needs: owned(needs),
            tested_with: owned(tested_with),
        }
    }

    fn whats(package: PackageFacts) -> Vec<String> {
        offences(&[package]).into_iter().map(|offence| offence.what).collect()
    }

    #[test]
    fn arrows_go_one_way() {
        assert_eq!(
            whats(package("crates/sse-kit-event", &["bytes", "sse-kit-broadcast"], &[])),
            ["sse-kit-event may not depend on sse-kit-broadcast"]
        );
        assert!(whats(package("crates/sse-kit-broadcast", &["sse-kit-event"], &[])).is_empty());
        assert!(whats(package("crates/sse-kit-event", &[], &["sse-kit-broadcast"])).is_empty());
    }

    #[test]
    fn a_new_crate_needs_its_row() {
        let whats = whats(package("crates/sse-kit-new", &[], &[]));
        assert!(whats[0].starts_with("sse-kit-new is not in the table"), "{whats:?}");
    }

    #[test]
    fn only_the_hub_examples_and_tests_name_the_facade() {
        let expected = ["sse-kit-http names the facade; only the hub, examples and tests may"];
        assert_eq!(whats(package("crates/sse-kit-http", &["sse-kit"], &[])), expected);
        assert_eq!(whats(package("crates/sse-kit-http", &[], &["sse-kit"])), expected);
        assert!(whats(package("examples/jobs", &["sse-kit"], &[])).is_empty());
        assert!(whats(package("crates/sse-hub", &["sse-kit"], &[])).is_empty());
        assert!(whats(package("tests", &["sse-kit"], &[])).is_empty());
        assert!(whats(package("xtask/starters/axum", &["sse-kit"], &[])).is_empty());
        assert_eq!(whats(package("xtask", &["sse-kit"], &[])).len(), 1);
    }

    #[test]
    fn the_facade_names_all_of_ours_but_nothing_guarded() {
        let facade = package("crates/sse-kit", &["sse-kit-serve", "sse-kit-redis", "hyper"], &[]);
        assert_eq!(
            whats(facade),
            ["sse-kit may not depend on hyper, which is sse-kit-serve's business"]
        );
    }

    #[test]
    fn guarded_crates_have_one_owner() {
        let named = |folder, needs| whats(package(folder, needs, &[])).len();
        assert_eq!(named("crates/sse-kit-http", &["async-broadcast", "globset", "hyper"]), 3);
        assert_eq!(named("crates/sse-kit-broadcast", &["async-broadcast"]), 0);
        assert_eq!(named("crates/sse-kit-dispatch", &["globset"]), 0);
        assert_eq!(named("crates/sse-kit-serve", &["hyper", "hyper-util"]), 0);
        assert_eq!(named("bench/fanbench", &["hyper"]), 0);
        assert_eq!(named("crates/sse-hub", &["hyper", "async-broadcast"]), 1);
        assert!(whats(package("crates/sse-kit-http", &[], &["hyper", "globset"])).is_empty());
    }
}
