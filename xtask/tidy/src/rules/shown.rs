//! Every type that a user makes is shown in an example: in its own docs, or in those of one of its methods.

use std::collections::BTreeMap;

use syn::visit::{self, Visit};

use super::Offence;
use super::items::{is_public, is_test};
use super::libraries::Library;
use super::sources::Source;

/// Finds public types of the libraries that have a constructor, and no example.
pub(super) fn offences(sources: &[Source]) -> Vec<Offence> {
    Library::all(sources).iter().flat_map(of_library).collect()
}

fn of_library(library: &Library<'_>) -> Vec<Offence> {
    let mut types = BTreeMap::new();
    let mut methods: BTreeMap<String, Methods> = BTreeMap::new();
    for source in &library.files {
        // A file that does not parse is the compiler's to tell of.
        let Ok(file) = source.rust() else { continue };
        let mut found = Found::default();
        found.visit_file(file);
        let shown = found.types.into_iter().filter(|(name, ..)| library.shows(source, name));
        types.extend(shown.map(|(name, line, shown)| (name, (source.path.as_str(), line, shown))));
        for (name, these) in found.methods {
            let all = methods.entry(name).or_default();
            all.construct |= these.construct;
            all.shown |= these.shown;
        }
    }
    let is_missing = |name: &str, shown: bool| {
        let methods = methods.get(name).copied().unwrap_or_default();
        !shown && methods.construct && !methods.shown && !name.ends_with("Error")
    };
    types
        .iter()
        .filter(|(name, (_, _, shown))| is_missing(name, *shown))
        .map(|(name, (path, line, _))| {
            let what = format!("users make a `{name}`, and no example in its docs shows how");
            Offence::at_line(path, *line, what)
        })
        .collect()
}

/// The roles of a type's inherent methods.
#[derive(Clone, Copy, Debug, Default)]
struct Methods {
    /// One of them makes a value, from something else than a value.
    construct: bool,
    /// One of them has an example.
    shown: bool,
}

/// The public types of a file, and the inherent methods of any type.
#[derive(Debug, Default)]
struct Found {
    /// Names, lines, and whether their docs have an example.
    types: Vec<(String, usize, bool)>,
    methods: Vec<(String, Methods)>,
}

impl Found {
    fn data_type(&mut self, name: &syn::Ident, attributes: &[syn::Attribute], public: bool) {
        if public {
            let line = name.span().start().line;
            self.types.push((name.to_string(), line, has_example(attributes)));
        }
    }
}

impl<'ast> Visit<'ast> for Found {
    fn visit_item_mod(&mut self, item: &'ast syn::ItemMod) {
        if !item.attrs.iter().any(is_test) {
            visit::visit_item_mod(self, item);
        }
    }

    fn visit_item_struct(&mut self, item: &'ast syn::ItemStruct) {
        self.data_type(&item.ident, &item.attrs, is_public(&item.vis));
    }

    fn visit_item_enum(&mut self, item: &'ast syn::ItemEnum) {
        self.data_type(&item.ident, &item.attrs, is_public(&item.vis));
    }

    fn visit_item_impl(&mut self, item: &'ast syn::ItemImpl) {
        let syn::Type::Path(ty) = &*item.self_ty else { return };
        let Some(name) = ty.path.segments.last().map(|segment| segment.ident.to_string()) else {
            return;
        };
        if item.trait_.is_some() {
            return;
        }
        let mut methods = Methods { shown: has_example(&item.attrs), ..Methods::default() };
        for function in item.items.iter().filter_map(|item| match item {
            syn::ImplItem::Fn(function) if is_public(&function.vis) => Some(function),
            _ => None,
        }) {
            methods.shown |= has_example(&function.attrs);
            methods.construct |= makes(&function.sig, &name);
        }
        self.methods.push((name, methods));
    }
}

/// Returns whether a function is a constructor: it returns its type, bare or wrapped, and has no receiver.
fn makes(signature: &syn::Signature, name: &str) -> bool {
    let mut named = Named { name, found: false };
    named.visit_return_type(&signature.output);
    signature.receiver().is_none() && named.found
}

/// Looks for a type by its name, or for `Self`.
struct Named<'a> {
    name: &'a str,
    found: bool,
}

impl<'ast> Visit<'ast> for Named<'_> {
    fn visit_path_segment(&mut self, segment: &'ast syn::PathSegment) {
        self.found |= segment.ident == "Self" || segment.ident == self.name;
        visit::visit_path_segment(self, segment);
    }
}

fn has_example(attributes: &[syn::Attribute]) -> bool {
    attributes.iter().any(|attribute| {
        let syn::Meta::NameValue(doc) = &attribute.meta else { return false };
        let syn::Expr::Lit(syn::ExprLit { lit: syn::Lit::Str(text), .. }) = &doc.value else {
            return false;
        };
        doc.path.is_ident("doc") && text.value().trim_start().starts_with("```")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The names that are missing an example.
    fn missing(lib: &str, file: &str) -> Vec<String> {
        let sources =
            [Source::new("crates/a/src/lib.rs", lib), Source::new("crates/a/src/file.rs", file)];
        let name = |offence: Offence| offence.what.split('`').nth(1).map(str::to_owned);
        offences(&sources).into_iter().filter_map(name).collect()
    }

    #[test]
    fn what_is_made_and_not_shown_is_an_offence() {
        let file = "pub struct Hub;\nimpl Hub { pub fn new() -> Self { Hub } }";
        assert_eq!(missing("pub use file::Hub;", file), ["Hub"]);
        let shown = format!("/// A hub.\n///\n/// ```\n/// Hub::new();\n/// ```\n{file}");
        assert!(missing("pub use file::Hub;", &shown).is_empty());
    }

    #[test]
    fn an_example_of_a_method_shows_it_too() {
        let file = "pub struct Hub;\nimpl Hub {\n/// ```\n/// Hub::open();\n/// ```\n\
                    pub fn open() -> Result<Self, ()> { Ok(Hub) } }";
        assert!(missing("pub use file::Hub;", file).is_empty());
        assert_eq!(missing("pub use file::Hub;", &file.replace("```", "")), ["Hub"]);
    }

    #[test]
    fn what_users_cannot_make_needs_no_example() {
        let receives = "pub struct Hub;\nimpl Hub { pub fn with(self) -> Self { self } }";
        assert!(missing("pub use file::Hub;", receives).is_empty());
        let private = "pub struct Hub;\nimpl Hub { pub(crate) fn new() -> Self { Hub } }";
        assert!(missing("pub use file::Hub;", private).is_empty());
        let public = "pub struct Hub;\nimpl Hub { pub fn new() -> Self { Hub } }";
        assert!(missing("mod file;", public).is_empty());
        let of_trait = "pub struct Hub;\nimpl Make for Hub { fn new() -> Self { Hub } }";
        assert!(missing("pub use file::Hub;", of_trait).is_empty());
        let error = "pub struct HubError;\nimpl HubError { pub fn new() -> Self { HubError } }";
        assert!(missing("pub use file::HubError;", error).is_empty());
    }
}
