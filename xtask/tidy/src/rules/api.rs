//! The promises of a library's public API: no `bool` parameters, and for each type a name of its own, room to
//! grow (`#[non_exhaustive]`), `Send` and `Sync`, and for a text type the conversions that all text types have.

use std::collections::{BTreeMap, BTreeSet};

use syn::visit::{self, Visit};

use super::Offence;
use super::items::{self, is_public, is_test};
use super::libraries::{Library, is_word_of};
use super::sources::{Source, find};

/// Types that will never grow, each with its crate and the reason.
const CLOSED: &[(&str, &str, &str)] = &[
    ("sse-kit-broadcast", "PublishedBefore", "a log has to handle each case"),
    ("sse-kit-dispatch", "Pattern", "a pattern has wildcards or has none"),
    ("sse-kit-event", "LastEventId", "a text is an id of ours or is not"),
    ("sse-kit-event", "Message", "the fields of the standard's `MessageEvent`"),
    ("sse-kit-event", "Text", "the inside of text types, not for users"),
    ("sse-kit-htmx", "HtmlBlock", "a newtype, whose one field the user fills"),
    ("sse-kit-update", "PageUpdates", "a newtype"),
];

/// Finds public types of the libraries that do not keep a promise.
pub(super) fn offences(sources: &[Source]) -> Vec<Offence> {
    let libraries = Library::all(sources);
    let mut offences: Vec<_> =
        libraries.iter().flat_map(|library| of_library(sources, library)).collect();
    offences.extend(names_of_two(&libraries));
    offences
}

/// Finds public types that have the name of a type of another library: an app may import both.
fn names_of_two(libraries: &[Library<'_>]) -> Vec<Offence> {
    let mut owners = BTreeMap::new();
    let mut offences = Vec::new();
    for library in libraries {
        for (source, name, line, _) in public_types(library).0 {
            let owner = *owners.entry(name.clone()).or_insert(library.name);
            if owner != library.name {
                let what =
                    format!("`{name}` is the name of a type in {owner}, too; choose another");
                offences.push(Offence::at_line(&source.path, line, what));
            }
        }
    }
    offences
}

/// Returns the public types of a library, with their files, lines, and whether they are open, and all types.
fn public_types<'a>(library: &Library<'a>) -> (Vec<(&'a Source, String, usize, bool)>, Types) {
    let mut types = Types::default();
    let mut public = Vec::new();
    for source in &library.files {
        // A file that does not parse is the compiler's to report.
        let Ok(file) = source.rust() else { continue };
        types.visit_file(file);
        let shown = std::mem::take(&mut types.public).into_iter();
        let shown = shown.filter(|(name, ..)| library.shows(source, name));
        public.extend(shown.map(|(name, line, is_open)| (*source, name, line, is_open)));
    }
    (public, types)
}

fn of_library(sources: &[Source], library: &Library<'_>) -> Vec<Offence> {
    let test = format!("crates/{}/tests/send_sync.rs", library.name);
    let asserted = find(sources, &test).map_or("", |source| &source.text);
    // The methods of a type, and its traits, may be in other files.
    let (public, types) = public_types(library);
    let unlike = types.unlike();
    let closed = CLOSED.iter().filter(|(of, ..)| *of == library.name);
    let closed: Vec<_> = closed.map(|(_, name, _)| *name).collect();
    let mut offences = Vec::new();
    for (source, name, line, is_open) in &public {
        let mut offence = |what: String| {
            offences.push(Offence::at_line(&source.path, *line, what));
        };
        if *is_open && !closed.contains(&name.as_str()) {
            offence(format!(
                "`{name}` is not `#[non_exhaustive]`; add it, or list the type with a reason in \
                 xtask/tidy/src/rules/api.rs"
            ));
        }
        if !is_word_of(asserted, name) {
            offence(format!("{test} does not say whether `{name}` is `Send` and `Sync`"));
        }
        if unlike.contains(name.as_str()) {
            offence(format!(
                "`{name}` is a text type; give it all conversions, by `sse_kit_event::text_type!`"
            ));
        }
    }
    for source in &library.files {
        let with_bool = items::read(source).map(|items| items.with_bool).unwrap_or_default();
        offences.extend(with_bool.into_iter().map(|(line, name)| {
            let what = format!("`{name}` takes a `bool`; take an enum, or make it two functions");
            Offence::at_line(&source.path, line, what)
        }));
    }
    let is_open =
        |closed: &str| public.iter().any(|(_, name, _, is_open)| *is_open && name == closed);
    offences.extend(closed.into_iter().filter(|name| !is_open(name)).map(|name| {
        let what =
            format!("{} has no type `{name}` that is open; it needs no reason", library.name);
        Offence::in_file("xtask/tidy/src/rules/api.rs", what)
    }));
    offences
}

/// The types of a file or more.
#[derive(Debug, Default)]
struct Types {
    /// Public types, with their lines, and whether another crate can match or build them exhaustively.
    public: Vec<(String, usize, bool)>,
    structs: BTreeSet<String>,
    /// Types with a method `as_str`.
    texts: BTreeSet<String>,
    /// Traits that a type implements without the macro.
    traits: BTreeSet<(String, String)>,
}

impl Types {
    /// Returns the structs of text that are parsed from a text, and lack another conversion.
    fn unlike(&self) -> BTreeSet<&str> {
        let has = |name: &str, of: &str| self.traits.contains(&(name.to_owned(), of.to_owned()));
        let is_unlike = |name: &&str| {
            has(name, "FromStr") && !["AsRef", "Display", "TryFrom"].iter().all(|of| has(name, of))
        };
        self.texts.intersection(&self.structs).map(String::as_str).filter(is_unlike).collect()
    }

    fn note(&mut self, name: &syn::Ident, attributes: &[syn::Attribute], is_open: bool) {
        let is_closed = attributes.iter().any(|it| it.path().is_ident("non_exhaustive"));
        self.public.push((name.to_string(), name.span().start().line, is_open && !is_closed));
    }
}

impl<'ast> Visit<'ast> for Types {
    fn visit_item_mod(&mut self, item: &'ast syn::ItemMod) {
        if !item.attrs.iter().any(is_test) {
            visit::visit_item_mod(self, item);
        }
    }

    fn visit_item_enum(&mut self, item: &'ast syn::ItemEnum) {
        // An enum without variants only marks an implementation.
        if is_public(&item.vis) && !item.variants.is_empty() {
            self.note(&item.ident, &item.attrs, true);
        }
    }

    fn visit_item_struct(&mut self, item: &'ast syn::ItemStruct) {
        self.structs.insert(item.ident.to_string());
        if is_public(&item.vis) {
            // A private field keeps others from building it, but not from naming the public ones in a pattern
            // with `..`, which stays valid.
            let mut fields = item.fields.iter().peekable();
            let is_open = fields.peek().is_some() && fields.all(|field| is_public(&field.vis));
            self.note(&item.ident, &item.attrs, is_open);
        }
    }

    fn visit_item_impl(&mut self, item: &'ast syn::ItemImpl) {
        let syn::Type::Path(ty) = &*item.self_ty else { return };
        let Some(name) = ty.path.segments.last().map(|last| last.ident.to_string()) else { return };
        if let Some((_, path, _)) = &item.trait_ {
            let of = path.segments.last().map(|last| last.ident.to_string());
            self.traits.extend(of.map(|of| (name, of)));
            return;
        }
        let has_text = |item: &syn::ImplItem| matches!(item, syn::ImplItem::Fn(it) if it.sig.ident == "as_str" && is_public(&it.vis));
        if item.items.iter().any(has_text) {
            self.texts.insert(name);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn whats(file: &str, asserted: &str) -> Vec<String> {
        let sources = [
            Source::new("crates/a/src/lib.rs", "pub use it::It;"),
            Source::new("crates/a/src/it.rs", file),
            Source::new("crates/a/tests/send_sync.rs", asserted),
        ];
        offences(&sources).into_iter().map(|offence| offence.what).collect()
    }

    #[test]
    fn what_others_can_match_is_non_exhaustive() {
        for open in ["pub enum It { A }", "pub struct It { pub a: u8 }", "pub struct It(pub u8);"] {
            let found = whats(open, "It");
            assert!(found[0].contains("`It` is not `#[non_exhaustive]`"), "{open}: {found:?}");
            assert!(whats(&format!("#[non_exhaustive]\n{open}"), "It").is_empty(), "{open}");
        }
        for closed in
            ["pub struct It;", "pub struct It { a: u8 }", "enum It { A }", "pub enum Other { A }"]
        {
            assert!(whats(closed, "It").is_empty(), "{closed}");
        }
    }

    #[test]
    fn a_type_of_a_public_module_is_public() {
        let sources = [
            Source::new("crates/a/src/lib.rs", "pub mod open;"),
            Source::new("crates/a/src/open.rs", "pub enum It { A }"),
        ];
        assert_eq!(offences(&sources).len(), 2);
    }

    #[test]
    fn a_public_function_takes_no_bool() {
        let found = whats("impl It { pub fn set(self, on: bool) {} }", "");
        assert_eq!(found, ["`set` takes a `bool`; take an enum, or make it two functions"]);
        assert!(whats("pub(crate) fn set(on: bool) {}", "").is_empty());
        assert!(whats("pub fn set(is: impl Fn() -> bool) -> bool { is() }", "").is_empty());
    }

    #[test]
    fn a_public_name_stands_for_one_type() {
        let library = |name: &str, public: &str| {
            let file = |path: &str, text: &str| Source::new(format!("crates/{name}/{path}"), text);
            let lib = file("src/lib.rs", &format!("mod it;\npub use it::{public};"));
            [
                lib,
                file("src/it.rs", "pub struct It;\npub struct Own;"),
                file("tests/send_sync.rs", "It Own"),
            ]
        };
        let both = |of_a, of_b| -> Vec<_> {
            library("a", of_a).into_iter().chain(library("b", of_b)).collect()
        };
        let found = offences(&both("It", "It"));
        assert_eq!(
            found.iter().map(ToString::to_string).collect::<Vec<_>>(),
            ["crates/b/src/it.rs:1: `It` is the name of a type in a, too; choose another"]
        );
        assert!(offences(&both("It", "Own")).is_empty());
    }

    #[test]
    fn a_reason_is_for_a_type_of_its_crate() {
        let sources = |text: &str| {
            let lib = "crates/sse-kit-update/src/lib.rs";
            let test = "crates/sse-kit-update/tests/send_sync.rs";
            [Source::new(lib, text), Source::new(test, "PageUpdates HtmlBlock")]
        };
        assert!(offences(&sources("pub struct PageUpdates(pub u8);")).is_empty());
        assert_eq!(offences(&sources("")).len(), 1);
        let other = "pub struct PageUpdates(pub u8);\npub struct HtmlBlock(pub u8);";
        assert_eq!(offences(&sources(other)).len(), 1);
    }

    #[test]
    fn every_public_type_is_in_the_test_of_send_and_sync() {
        let found = whats("pub struct It;", "");
        assert_eq!(
            found,
            ["crates/a/tests/send_sync.rs does not say whether `It` is `Send` and `Sync`"]
        );
        assert_eq!(whats("pub struct It;", "struct NotIt;").len(), 1);
    }

    #[test]
    fn a_text_type_has_all_conversions() {
        let text = "pub struct It(u8);\nimpl It { pub fn as_str(&self) -> &str { \"\" } }\n";
        assert!(whats(text, "It").is_empty());
        let parsed = format!("{text}impl std::str::FromStr for It {{ }}");
        assert!(whats(&parsed, "It")[0].contains("text_type!"));
        let all = "impl AsRef<str> for It {}\nimpl Display for It {}\nimpl TryFrom<&str> for It {}";
        assert!(whats(&format!("{parsed}\n{all}"), "It").is_empty());
        let apart = [
            Source::new("crates/a/src/it.rs", text),
            Source::new("crates/a/src/lib.rs", "pub use it::It;"),
            Source::new("crates/a/src/parse.rs", "impl FromStr for It {}"),
            Source::new("crates/a/tests/send_sync.rs", "It"),
        ];
        assert_eq!(offences(&apart).len(), 1);
    }
}
