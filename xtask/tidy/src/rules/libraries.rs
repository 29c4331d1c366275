//! The libraries in `crates`, and the names that their users see.

use super::prose::{crate_names, crate_sources};
use super::sources::{Source, find};

/// A crate with an API; a program has none.
#[derive(Debug)]
pub(crate) struct Library<'a> {
    /// The name of its folder.
    pub(crate) name: &'a str,
    /// All files but those of tests.
    pub(crate) files: Vec<&'a Source>,
    /// The files whose names are public, `lib.rs` and public modules, each after the beginning of the paths in which
    /// it can name something.
    doors: Vec<(String, &'a Source)>,
}

impl<'a> Library<'a> {
    /// Returns all libraries.
    pub(crate) fn all(sources: &'a [Source]) -> Vec<Self> {
        crate_names(sources).into_iter().filter_map(|name| Self::find(sources, name)).collect()
    }

    fn find(sources: &'a [Source], name: &'a str) -> Option<Self> {
        let folder = format!("crates/{name}/src/");
        let lib = find(sources, &format!("{folder}lib.rs"))?;
        let mut doors = vec![(folder.clone(), lib)];
        for module in public_modules(lib) {
            let file = [".rs", "/mod.rs"].map(|end| format!("{folder}{module}{end}"));
            if let Some(file) = file.iter().find_map(|path| find(sources, path)) {
                doors.push((format!("{folder}{module}."), file));
                doors.push((format!("{folder}{module}/"), file));
            }
        }
        Some(Self { name, files: crate_sources(sources, name), doors })
    }

    /// Returns whether users see a public name of a file: a door names it.
    pub(crate) fn shows(&self, file: &Source, name: &str) -> bool {
        let is_named = |(folder, door): &(String, &Source)| {
            file.path.starts_with(folder.as_str()) && is_word_of(&door.text, name)
        };
        self.doors.iter().any(is_named)
    }
}

/// Returns the names of the modules in files of their own that are public.
fn public_modules(lib: &Source) -> Vec<String> {
    // A file that does not parse is the compiler's to report.
    let items = lib.rust().map_or(&[][..], |file| &file.items);
    let name = |item: &syn::Item| match item {
        syn::Item::Mod(item) if super::items::is_public(&item.vis) && item.content.is_none() => {
            Some(item.ident.to_string())
        }
        _ => None,
    };
    items.iter().filter_map(name).collect()
}

/// Returns whether a text has the name as a word.
pub(super) fn is_word_of(text: &str, name: &str) -> bool {
    text.split(|c: char| !c.is_alphanumeric() && c != '_').any(|word| word == name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn users_see_names_of_lib_and_of_public_modules() {
        let sources = [
            Source::new("crates/a/src/inner.rs", "pub struct One; pub struct Two;"),
            Source::new(
                "crates/a/src/lib.rs",
                "mod inner; pub mod open;\npub use inner::One;\npub mod three { }",
            ),
            Source::new("crates/a/src/open.rs", "mod deep; pub use deep::Deep; pub struct Two;"),
            Source::new("crates/a/src/open/deep.rs", "pub struct Deep; pub struct Hidden;"),
            Source::new("crates/program/src/main.rs", "pub struct One;"),
        ];
        let libraries = Library::all(&sources);
        assert_eq!(libraries.iter().map(|library| library.name).collect::<Vec<_>>(), ["a"]);
        let shows = |file: usize, name| libraries[0].shows(&sources[file], name);
        assert!(shows(0, "One") && shows(2, "Two") && shows(3, "Deep"));
        assert!(!shows(0, "Two") && !shows(3, "Hidden"));
    }
}
