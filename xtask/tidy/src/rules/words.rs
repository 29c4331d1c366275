//! Words that must not be in what we ship.

use super::Offence;
use super::sources::Source;

// This file would offend against itself: its words are put together from halves.

/// Folders of the machine that something was written on.
const MACHINE_PATHS: &[&str] =
    &[concat!("/wo", "rk/"), concat!("/ro", "ot/"), concat!("/ho", "me/")];

/// Macros that mark unfinished work.
const UNFINISHED: &[&str] =
    &[concat!("to", "do!("), concat!("unimple", "mented!("), concat!("d", "bg!(")];

/// Words for lists that are not in the repository, after which nobody can look up a name.
const LISTS: &[&str] =
    &[concat!("parity", " list"), concat!("reliability", " rules"), concat!("fn ", "bug_")];

/// A key of npm's lock files that names the registry they were written from.
const REGISTRY: &str = concat!("\"reso", "lved\":");

pub(super) fn offences(source: &Source) -> Vec<Offence> {
    let mut offences = Vec::new();
    for (index, line) in source.text.lines().enumerate() {
        let mut offend = |what: String| {
            offences.push(Offence::at_line(&source.path, index + 1, what));
        };
        for path in MACHINE_PATHS.iter().filter(|path| begins_a_path(line, path)) {
            offend(format!("names a path of somebody's machine, {path}"));
        }
        if source.extension() == "rs" {
            for words in LISTS.iter().filter(|words| line.contains(**words)) {
                offend(format!("says `{words}`, and no such list is here; name the subject"));
            }
            for name in UNFINISHED.iter().filter(|name| stands_alone(line, name)) {
                offend(format!("has {name}...)"));
            }
        }
        if source.path.ends_with("package-lock.json") && line.contains(REGISTRY) {
            offend("names a registry; .npmrc leaves that out".to_owned());
        }
    }
    offences
}

/// Returns whether the line has an absolute path with this beginning; `docs` before it makes it relative.
fn begins_a_path(line: &str, path: &str) -> bool {
    line.match_indices(path)
        .any(|(at, _)| !line[..at].ends_with(|c: char| c.is_alphanumeric() || "_-.}".contains(c)))
}

/// Returns whether the line has the name, not as the end of a longer one.
pub(super) fn stands_alone(line: &str, name: &str) -> bool {
    line.match_indices(name)
        .any(|(at, _)| !line[..at].ends_with(|c: char| c.is_alphanumeric() || c == '_'))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn whats(path: &str, text: &str) -> Vec<String> {
        offences(&Source::new(path, text)).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn a_path_of_a_machine_is_an_offence() {
        for path in MACHINE_PATHS {
            let text = format!("fine\nlook in `{path}sse-kit`\n");
            let expected = format!("a.md:2: names a path of somebody's machine, {path}");
            assert_eq!(whats("a.md", &text), [expected]);
            assert_eq!(whats("a.md", &format!("file://{path}x\n")).len(), 1);
            assert!(whats("a.md", &format!("docs{path}x and ..{path}x\n")).is_empty());
        }
    }

    #[test]
    fn unfinished_work_is_an_offence_in_rust() {
        for name in UNFINISHED {
            let text = format!("    {name});\n");
            assert_eq!(whats("src/a.rs", &text), [format!("src/a.rs:1: has {name}...)")]);
            assert!(whats("style.md", &text).is_empty());
            assert!(whats("src/a.rs", &format!("my_{name})\n")).is_empty());
        }
    }

    #[test]
    fn a_list_that_is_not_here_is_an_offence_in_rust() {
        for words in LISTS {
            assert_eq!(whats("tests/a.rs", &format!("//! A ({words}4).\n")).len(), 1, "{words}");
            assert!(whats("a.md", words).is_empty());
        }
    }

    #[test]
    fn a_registry_in_a_lock_file_is_an_offence() {
        let text = format!("  {REGISTRY} \"https://registry.example/htmx.tgz\"\n");
        assert_eq!(whats("examples/assets/package-lock.json", &text).len(), 1);
    }
}
