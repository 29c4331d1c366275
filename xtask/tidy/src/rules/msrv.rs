//! The oldest Rust that we promise is one that our dependencies promise too.

use cargo_metadata::Package;
use cargo_metadata::semver::Version;

use super::Offence;

/// Finds packages of the lock file that require a newer Rust than the workspace does. Tools and tests count:
/// `cargo xtask demo` is to work with that Rust.
pub(super) fn offences(ours: &Version, packages: &[Package]) -> Vec<Offence> {
    let newer = packages.iter().filter(|it| it.rust_version.as_ref().is_some_and(|v| v > ours));
    newer
        .map(|package| {
            let Package { name, version, .. } = package;
            let theirs = package.rust_version.as_ref().map(Version::to_string).unwrap_or_default();
            let what = format!(
                "{name} {version} requires Rust {theirs}, and we promise {ours}; \
                 `cargo update -p {name}` takes the newest that does not"
            );
            Offence::in_file("Cargo.lock", what)
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    use serde_json::json;

    fn package(rust_version: Option<&str>) -> Package {
        serde_json::from_value(json!({
            "name": "tool",
            "version": "3.1.0",
            "id": "tool",
            "rust_version": rust_version,
            "dependencies": [],
            "targets": [],
            "features": {},
            "manifest_path": "/tool/Cargo.toml",
        }))
        .expect("a package as cargo describes it")
    }

    #[test]
    fn only_a_newer_rust_is_an_offence() {
        let ours = Version::new(1, 88, 0);
        let packages = [None, Some("1.63"), Some("1.88"), Some("1.88.0")].map(package);
        assert!(offences(&ours, &packages).is_empty());
        let offences = offences(&ours, &[package(Some("1.88.1")), package(Some("1.91"))]);
        assert_eq!(offences.len(), 2);
        assert!(
            offences[1].what.starts_with("tool 3.1.0 requires Rust 1.91.0, and we promise 1.88.0")
        );
    }
}
