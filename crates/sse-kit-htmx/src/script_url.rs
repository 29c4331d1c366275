//! The name and the version of a script, by its URL.

/// The version of a script, as far as its URL says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Version {
    Unknown,
    /// The major version.
    Major(u32),
}

/// Looks whether a URL is that of a script with this name, and of which version: `htmx.js`,
/// `/a/htmx.min.js?v=3`, `htmx-2.0.4.min.js`, `htmx.3f9a01.js`,
/// `https://unpkg.com/htmx.org@2.0.4/dist/htmx.min.js`, `https://unpkg.com/htmx.org@4`.
pub(crate) fn version_of(src: &str, name: &str) -> Option<Version> {
    let path = src.split(['?', '#']).next().unwrap_or_default();
    // The `/` of `<script src=/htmx.js/>` is part of the URL, and some servers drop it.
    let path = path.strip_suffix('/').unwrap_or(path);
    let (folder, file) = path.rsplit_once('/').unwrap_or(("", path));
    let package = if name == "htmx" { "htmx.org" } else { name };
    let Some(stem) = file.strip_suffix(".js") else {
        // A package without a file is its script.
        let rest = file.strip_prefix(package)?;
        let is_whole = rest.is_empty() || rest.starts_with('@');
        return is_whole.then(|| major(rest.trim_start_matches('@')));
    };
    let stem = stem.strip_suffix(".min").unwrap_or(stem);
    let format = [".esm", ".amd", ".cjs"].iter().find_map(|format| stem.strip_suffix(format));
    let rest = format.unwrap_or(stem).strip_prefix(name)?;
    if rest.is_empty() {
        return Some(version_in(folder, package));
    }
    let version = rest.strip_prefix(['-', '.', '@', '_'])?;
    let number = version.strip_prefix('v').unwrap_or(version);
    if number.contains('.') && number.starts_with(|c: char| c.is_ascii_digit()) {
        return Some(major(number));
    }
    // A hash that a bundler has put in.
    let is_hash = version.contains(|c: char| c.is_ascii_digit())
        && version.chars().all(|c| c.is_ascii_alphanumeric());
    is_hash.then_some(Version::Unknown)
}

/// The version of a package in a path, as in `/npm/htmx.org@2.0.11/dist`.
fn version_in(folder: &str, package: &str) -> Version {
    let mut versions =
        folder.split('/').filter_map(|part| part.strip_prefix(package)?.strip_prefix('@'));
    versions.next().map_or(Version::Unknown, major)
}

fn major(version: &str) -> Version {
    let digits = version.split(|c: char| !c.is_ascii_digit()).next().unwrap_or_default();
    digits.parse().map_or(Version::Unknown, Version::Major)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn htmx_is_known_by_its_url() {
        let version = |src| version_of(src, "htmx");
        for src in ["htmx.js", "/a/htmx.min.js?v=1.2#x", "//a.test/htmx.js?", "htmx.3f9a01.js"] {
            assert_eq!(version(src), Some(Version::Unknown), "{src}");
        }
        for src in [
            "/htmx-2.0.4.min.js",
            "htmx.2.0.4.js",
            "htmx@2.0.4.min.js",
            "htmx-v2.0.js",
            "https://unpkg.com/htmx.org@2.0.4",
            "https://unpkg.com/htmx.org@2.0.4/dist/htmx.min.js",
        ] {
            assert_eq!(version(src), Some(Version::Major(2)), "{src}");
        }
        // It is not htmx 2.
        assert_eq!(version("/htmx.org@20.1.0/htmx.js"), Some(Version::Major(20)));
        let endless = format!("htmx-{}.0.js", "9".repeat(30));
        assert_eq!(version(&endless), Some(Version::Unknown));
        assert_eq!(version("https://unpkg.com/htmx.org"), Some(Version::Unknown));
        for src in [
            "/htmx-ext-sse@2.2.4/sse.js",
            "https://unpkg.com/htmx-ext-sse@2.2.4",
            "htmx-ext-sse.js",
            "/htmx.org@4.0.1/dist/ext/hx-sse.min.js",
            "not-htmx.js",
            "htmx.css",
            "htmx/app.js",
            "htmx-helpers.js",
            "",
        ] {
            assert_eq!(version(src), None, "{src}");
        }
    }
}
