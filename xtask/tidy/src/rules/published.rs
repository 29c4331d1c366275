//! The needs of a crate before it is published: metadata of its own, a README, the texts of both licences, and
//! docs that show every feature.

use std::collections::BTreeMap;
use std::path::Path;

use cargo_metadata::{DependencyKind, Package};

use super::Offence;
use super::sources::{self, Source};
use crate::workspace::is_published;

/// The texts that every package contains: a link to the workspace's own, which cargo follows.
const LICENCES: &[&str] = &["LICENSE-APACHE", "LICENSE-MIT"];

/// The categories of crates.io that our crates may name; it ignores any other without an error.
const CATEGORIES: &[&str] = &[
    "asynchronous",
    "command-line-utilities",
    "concurrency",
    "database",
    "development-tools::debugging",
    "development-tools::testing",
    "encoding",
    "filesystem",
    "network-programming",
    "parser-implementations",
    "template-engine",
    "web-programming",
    "web-programming::http-server",
];

/// The most keywords, and their longest, that crates.io accepts.
const MAX_KEYWORDS: usize = 5;
const MAX_KEYWORD_LEN: usize = 20;

/// A package, and what the rules need to know of its folder.
#[derive(Debug)]
pub(super) struct Candidate<'a> {
    pub(super) package: &'a Package,
    /// From the root, with `/` between its parts.
    pub(super) folder: String,
    pub(super) lib: Option<&'a Source>,
}

/// Finds omissions in the packages under `crates/`, and others that could be published by accident.
pub(super) fn offences(root: &Path, packages: &[Candidate<'_>]) -> Vec<Offence> {
    let mut offences = Vec::new();
    let mut owners = BTreeMap::new();
    for candidate in packages {
        let manifest = format!("{}/Cargo.toml", candidate.folder);
        let mut offend = |what: String| offences.push(Offence::in_file(&manifest, what));
        let package = candidate.package;
        if !candidate.folder.starts_with("crates/") {
            if is_published(package) {
                offend("does not say `publish = false`; only crates are published".to_owned());
            }
            continue;
        }
        metadata(package).into_iter().for_each(&mut offend);
        dependencies(package).into_iter().for_each(&mut offend);
        files(root, candidate).into_iter().for_each(&mut offend);
        docs(candidate).into_iter().for_each(&mut offend);
        for own in [package.description.clone(), Some(package.keywords.join(", "))] {
            let own = own.filter(|own| !own.is_empty());
            if let Some(other) = own.and_then(|own| owners.insert(own, &package.name)) {
                offend(format!("has the description or the keywords of {other}"));
            }
        }
    }
    offences
}

fn metadata(package: &Package) -> Vec<String> {
    let mut whats = Vec::new();
    if !is_published(package) {
        whats.push("says that it is not published".to_owned());
    }
    if package.description.is_none() {
        whats.push("has no `description`".to_owned());
    }
    if package.keywords.is_empty() || package.keywords.len() > MAX_KEYWORDS {
        whats.push(format!("has {} `keywords`, not 1 to {MAX_KEYWORDS}", package.keywords.len()));
    }
    let bad_keywords = package.keywords.iter().filter(|keyword| !is_keyword(keyword));
    whats.extend(bad_keywords.map(|keyword| format!("crates.io refuses the keyword `{keyword}`")));
    if package.categories.is_empty() {
        whats.push("has no `categories`".to_owned());
    }
    let unknown = package.categories.iter().filter(|it| !CATEGORIES.contains(&it.as_str()));
    whats.extend(unknown.map(|category| {
        format!(
            "names the category `{category}`, which is not in xtask/tidy/src/rules/published.rs"
        )
    }));
    whats
}

fn is_keyword(keyword: &str) -> bool {
    keyword.len() <= MAX_KEYWORD_LEN
        && keyword.starts_with(|c: char| c.is_ascii_alphanumeric())
        && keyword.chars().all(|c| c.is_ascii_alphanumeric() || "_-+".contains(c))
}

/// A path counts in the workspace alone: users of the crate in a registry need the version.
fn dependencies(package: &Package) -> Vec<String> {
    let without_version = package.dependencies.iter().filter(|dependency| {
        dependency.kind != DependencyKind::Development
            && dependency.path.is_some()
            && dependency.req == cargo_metadata::semver::VersionReq::STAR
    });
    without_version.map(|it| format!("depends on {} without a version", it.name)).collect()
}

fn files(root: &Path, candidate: &Candidate<'_>) -> Vec<String> {
    let read = |path: &str| std::fs::read(root.join(path)).ok();
    let mut whats = Vec::new();
    match &candidate.package.readme {
        Some(readme) if read(&format!("{}/{readme}", candidate.folder)).is_some() => {}
        Some(readme) => whats.push(format!("names {readme}, which does not exist")),
        None => whats.push("has no `readme`".to_owned()),
    }
    for licence in LICENCES {
        let own = read(&format!("{}/{licence}", candidate.folder));
        if own.is_none() || own != read(licence) {
            whats.push(format!("has no {licence} beside it (`ln -s ../../{licence}`)"));
        }
    }
    whats
}

fn docs(candidate: &Candidate<'_>) -> Vec<String> {
    let package = candidate.package;
    // Programs have no page on docs.rs.
    let Some(lib) = candidate.lib else { return Vec::new() };
    let mut whats = Vec::new();
    let page = format!("https://docs.rs/{}", package.name);
    if package.documentation.as_ref() != Some(&page) {
        whats.push(format!("does not say `documentation = \"{page}\"`"));
    }
    if package.metadata.pointer("/docs/rs/all-features") != Some(&true.into()) {
        whats.push("does not say `all-features = true` in [package.metadata.docs.rs]".to_owned());
    }
    let attribute = "#![cfg_attr(docsrs, feature(doc_cfg))]";
    let text = sources::without_tests(&lib.text);
    if !package.features.is_empty() && !text.lines().any(|line| line == attribute) {
        whats.push(format!("has features, and no `{attribute}` in its lib.rs to show them"));
    }
    whats
}

#[cfg(test)]
mod tests {
    use super::*;

    use std::fs;

    use serde_json::{Value, json};

    /// A package as cargo describes it, changed by `change`.
    fn package(change: impl FnOnce(&mut Value)) -> Package {
        let mut value = json!({
            "name": "sse-kit-good",
            "version": "0.1.0",
            "id": "path+file:///good#0.1.0",
            "description": "What it is",
            "keywords": ["sse", "http"],
            "categories": ["web-programming"],
            "readme": "README.md",
            "documentation": "https://docs.rs/sse-kit-good",
            "metadata": { "docs": { "rs": { "all-features": true } } },
            "dependencies": [],
            "targets": [],
            "features": { "json": [] },
            "manifest_path": "/good/Cargo.toml",
        });
        change(&mut value);
        serde_json::from_value(value).expect("a package as cargo describes it")
    }

    /// Returns the offences of a package in a folder with all files.
    fn whats(folder: &str, change: impl FnOnce(&mut Value)) -> Vec<String> {
        let root = tempfile::tempdir().expect("a folder");
        fs::create_dir_all(root.path().join(folder)).expect("there is room");
        for licence in LICENCES {
            for path in [(*licence).to_owned(), format!("{folder}/{licence}")] {
                fs::write(root.path().join(path), licence).expect("there is room");
            }
        }
        fs::write(root.path().join(folder).join("README.md"), "# good").expect("there is room");
        let lib = Source::new("src/lib.rs", "//! Docs.\n#![cfg_attr(docsrs, feature(doc_cfg))]\n");
        let package = package(change);
        let candidate = Candidate { package: &package, folder: folder.to_owned(), lib: Some(&lib) };
        offences(root.path(), &[candidate]).into_iter().map(|offence| offence.what).collect()
    }

    #[test]
    fn a_complete_crate_is_well() {
        assert!(whats("crates/good", |_| {}).is_empty());
    }

    #[test]
    fn whatever_is_missing_is_an_offence() {
        let without = |field: &str| {
            whats("crates/good", |package| {
                package.as_object_mut().expect("an object").remove(field);
            })
        };
        assert_eq!(without("description"), ["has no `description`"]);
        assert_eq!(without("readme"), ["has no `readme`"]);
        assert_eq!(without("keywords"), ["has 0 `keywords`, not 1 to 5"]);
        assert_eq!(without("categories"), ["has no `categories`"]);
        assert_eq!(without("documentation").len(), 1);
        assert_eq!(without("metadata").len(), 1);
    }

    #[test]
    fn what_crates_io_would_refuse_is_an_offence() {
        let with = |field: &str, value: Value| {
            whats("crates/good", |package| package[field] = value.clone())
        };
        assert_eq!(with("keywords", json!(["a", "b", "c", "d", "e", "f"])).len(), 1);
        assert_eq!(with("keywords", json!(["two words"])).len(), 1);
        assert_eq!(with("keywords", json!(["a-keyword-that-is-too-long"])).len(), 1);
        assert_eq!(with("categories", json!(["web"])).len(), 1);
        assert_eq!(with("publish", json!([])), ["says that it is not published"]);
        assert_eq!(with("readme", json!("OTHER.md")), ["names OTHER.md, which does not exist"]);
        let dependency = |kind: Value, req: &str| {
            json!([{ "name": "sse-kit-event", "req": req, "kind": kind, "path": "/event",
                "optional": false, "uses_default_features": true, "features": [], "target": null }])
        };
        let whats = with("dependencies", dependency(Value::Null, "*"));
        assert_eq!(whats, ["depends on sse-kit-event without a version"]);
        assert!(with("dependencies", dependency(Value::Null, "^0.1.0")).is_empty());
        assert!(with("dependencies", dependency(json!("dev"), "*")).is_empty());
    }

    #[test]
    fn what_is_no_crate_of_ours_is_not_published() {
        let expected = ["does not say `publish = false`; only crates are published"];
        assert_eq!(whats("examples/good", |_| {}), expected);
        assert!(whats("examples/good", |package| package["publish"] = json!([])).is_empty());
    }

    #[test]
    fn a_licence_that_differs_is_an_offence() {
        let root = tempfile::tempdir().expect("a folder");
        let package = package(|package| package["features"] = json!({}));
        let candidate = Candidate { package: &package, folder: "crate".to_owned(), lib: None };
        let write = |folder: &str, name: &str, text: &str| {
            let folder = root.path().join(folder);
            fs::create_dir_all(&folder).expect("there is room");
            fs::write(folder.join(name), text).expect("there is room");
        };
        write("crate", "README.md", "# good");
        assert_eq!(files(root.path(), &candidate).len(), 2);
        for licence in LICENCES {
            write("crate", licence, "text");
            write("", licence, "text");
        }
        assert!(files(root.path(), &candidate).is_empty());
        write("crate", LICENCES[0], "other");
        assert_eq!(files(root.path(), &candidate).len(), 1);
    }

    #[test]
    fn crates_do_not_share_their_descriptions() {
        let one = package(|_| {});
        let other = package(|package| package["keywords"] = json!(["own"]));
        let root = tempfile::tempdir().expect("a folder");
        let candidate = |package| Candidate { package, folder: "crates/x".to_owned(), lib: None };
        let offences = offences(root.path(), &[candidate(&one), candidate(&other)]);
        let shared = offences.iter().filter(|it| it.what.contains("the description or"));
        assert_eq!(shared.count(), 1);
    }
}
