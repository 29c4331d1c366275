//! Crates of others in our public signatures. Each ties our versions to theirs: their next
//! breaking version is a breaking version of ours.

use std::collections::{HashMap, HashSet};

use syn::visit::{self, Visit};

use super::Offence;
use super::items::{is_public, is_test};
use super::sources::Source;

/// Crates whose types any of our crates may show: what all the field speaks, and has been stable for years.
const COMMON: &[&str] =
    &["bytes", "futures_core", "http", "http_body", "serde", "serde_json", "tokio"];

/// Crates of ours that may show more: to join ours to others is what they are for, or it is of version 1.
const GLUE: &[(&str, &[&str])] = &[
    ("sse-kit-axum", &["axum", "tower_layer", "tower_service"]),
    ("sse-kit-dispatch", &["jiff"]),
    ("sse-kit-htmx", &["askama", "hypertext", "maud", "minijinja"]),
    ("sse-kit-http", &["tower_layer", "tower_service"]),
    ("sse-kit-inspector", &["axum"]),
    ("sse-kit-postgres", &["rustls", "tokio_postgres"]),
    ("sse-kit-serve", &["hyper", "tokio_rustls"]),
    ("sse-kit-test", &["proptest", "tower_service"]),
];

/// The first words of paths that name no third-party crate.
const OURS: &[&str] = &["crate", "self", "super", "Self", "std", "core", "alloc"];

/// Finds the types and traits of others in what a library shows.
pub(super) fn offences(source: &Source) -> Vec<Offence> {
    let Some((package, _)) = source
        .path
        .strip_prefix("crates/")
        .filter(|_| source.is_library())
        .and_then(|path| path.split_once("/src/"))
    else {
        return Vec::new();
    };
    // A file that does not parse is the compiler's to tell of.
    let Ok(file) = source.rust() else { return Vec::new() };
    let mut shown = Shown::default();
    shown.visit_file(file);
    let glue = GLUE.iter().find(|(name, _)| *name == package).map_or(&[][..], |(_, crates)| crates);
    let is_allowed = |name: &str| {
        name.starts_with("sse_kit") || [COMMON, glue].iter().any(|list| list.contains(&name))
    };
    shown
        .foreign()
        .filter(|(_, name)| !is_allowed(name))
        .map(|(line, name)| {
            Offence::at_line(
                &source.path,
                line,
                format!(
                    "shows a type of `{name}`: wrap it, or allow it in xtask/tidy/src/rules/foreign.rs"
                ),
            )
        })
        .collect()
}

/// The types in a file's public signatures, and the origins of its names.
#[derive(Debug, Default)]
struct Shown {
    /// The crates that names of this file come from.
    imports: HashMap<String, String>,
    /// The modules that this file declares.
    modules: HashSet<String>,
    /// The paths in public signatures, by line: the first name, and whether others follow.
    paths: Vec<(usize, String, bool)>,
    /// `true` while the visitor is in a public signature; bodies of functions never are.
    in_public: bool,
}

impl Shown {
    fn foreign(&self) -> impl Iterator<Item = (usize, &str)> {
        self.paths.iter().filter_map(|(line, first, is_longer)| {
            let name = match self.imports.get(first) {
                Some(name) => name.as_str(),
                // A name that is not brought in is of this file, unless a lower-case name begins a path: a crate.
                None if *is_longer && first.starts_with(char::is_lowercase) => first,
                None => return None,
            };
            let is_ours = OURS.contains(&name) || self.modules.contains(name);
            (!is_ours).then_some((*line, name))
        })
    }

    fn show(&mut self, in_public: bool, visit: impl FnOnce(&mut Self)) {
        let before = std::mem::replace(&mut self.in_public, in_public);
        visit(self);
        self.in_public = before;
    }

    /// Notes the names that a `use` brings in; `above` are the first and the last name of the path so far.
    fn import(&mut self, tree: &syn::UseTree, above: Option<(&str, &str)>) {
        match tree {
            syn::UseTree::Path(path) => {
                let name = path.ident.to_string();
                let first = above.map_or(&*name, |(first, _)| first);
                self.import(&path.tree, Some((first, &name)));
            }
            syn::UseTree::Group(group) => {
                group.items.iter().for_each(|tree| self.import(tree, above));
            }
            syn::UseTree::Name(syn::UseName { ident })
            | syn::UseTree::Rename(syn::UseRename { rename: ident, .. }) => {
                let name = ident.to_string();
                let (first, last) = above.unwrap_or((&name, &name));
                let brought_in = if name == "self" { last } else { &name };
                self.imports.insert(brought_in.to_owned(), first.to_owned());
            }
            syn::UseTree::Glob(_) => {}
        }
    }
}

impl<'ast> Visit<'ast> for Shown {
    fn visit_item_mod(&mut self, item: &'ast syn::ItemMod) {
        self.modules.insert(item.ident.to_string());
        if !item.attrs.iter().any(is_test) {
            visit::visit_item_mod(self, item);
        }
    }

    fn visit_item_use(&mut self, item: &'ast syn::ItemUse) {
        self.import(&item.tree, None);
        if is_public(&item.vis)
            && let syn::UseTree::Path(path) = &item.tree
        {
            self.paths.push((path.ident.span().start().line, path.ident.to_string(), true));
        }
    }

    fn visit_item_fn(&mut self, item: &'ast syn::ItemFn) {
        self.show(is_public(&item.vis), |this| this.visit_signature(&item.sig));
    }

    fn visit_item_struct(&mut self, item: &'ast syn::ItemStruct) {
        let is_public_item = is_public(&item.vis);
        self.show(is_public_item, |this| this.visit_generics(&item.generics));
        for field in &item.fields {
            self.show(is_public_item && is_public(&field.vis), |this| this.visit_type(&field.ty));
        }
    }

    fn visit_item_enum(&mut self, item: &'ast syn::ItemEnum) {
        self.show(is_public(&item.vis), |this| {
            this.visit_generics(&item.generics);
            for field in item.variants.iter().flat_map(|variant| &variant.fields) {
                this.visit_type(&field.ty);
            }
        });
    }

    fn visit_item_type(&mut self, item: &'ast syn::ItemType) {
        self.show(is_public(&item.vis), |this| visit::visit_item_type(this, item));
    }

    fn visit_item_trait(&mut self, item: &'ast syn::ItemTrait) {
        self.show(is_public(&item.vis), |this| {
            item.supertraits.iter().for_each(|bound| this.visit_type_param_bound(bound));
            for item in &item.items {
                match item {
                    syn::TraitItem::Fn(item) => this.visit_signature(&item.sig),
                    item => this.visit_trait_item(item),
                }
            }
        });
    }

    fn visit_item_impl(&mut self, item: &'ast syn::ItemImpl) {
        for item in &item.items {
            if let syn::ImplItem::Fn(item) = item {
                self.show(is_public(&item.vis), |this| this.visit_signature(&item.sig));
            }
        }
    }

    fn visit_path(&mut self, path: &'ast syn::Path) {
        if let Some(first) = path.segments.first().filter(|_| self.in_public) {
            let line = first.ident.span().start().line;
            self.paths.push((line, first.ident.to_string(), path.segments.len() > 1));
        }
        visit::visit_path(self, path);
    }

    fn visit_attribute(&mut self, _: &'ast syn::Attribute) {}
}

#[cfg(test)]
mod tests {
    use super::*;

    fn whats(path: &str, text: &str) -> Vec<(usize, String)> {
        let line = |offence: Offence| {
            let (_, rest) = offence.what.split_once('`').expect("it names the crate");
            let (name, _) = rest.split_once('`').expect("it names the crate");
            (offence.line.expect("it has a line"), name.to_owned())
        };
        offences(&Source::new(path, text)).into_iter().map(line).collect()
    }

    const TEXT: &str = "\
use bytes::Bytes;
use redis::{Client as Redis, aio::{self, Connection}};
use crate::parts::{self, Part};
mod kept;
pub use kept::{Kept, kept};

pub struct Log {
    pub client: Redis,
    pub part: parts::Other,
    connection: aio::Connection,
}

impl Log {
    pub fn open(url: &str) -> Result<Bytes, redis::RedisError> { Connection::open(url) }
    fn inner(&self) -> &Connection { &self.connection }
}

pub trait Source {
    fn take(&self) -> Vec<aio::Connection>;
}

pub(crate) fn hidden(_: Redis) {}

pub use redis::Value;
";

    #[test]
    fn what_stands_in_public_signatures_is_found() {
        let found = whats("crates/sse-kit-redis/src/log.rs", TEXT);
        let redis = |line| (line, "redis".to_owned());
        assert_eq!(found, [redis(8), redis(14), redis(19), redis(24)]);
    }

    #[test]
    fn glue_may_show_what_it_joins_and_others_may_not() {
        let text = "pub fn router() -> axum::Router { here() }";
        assert_eq!(whats("crates/sse-kit-axum/src/lib.rs", text), []);
        assert_eq!(whats("crates/sse-kit-kit/src/lib.rs", text), [(1, "axum".to_owned())]);
        assert_eq!(whats("examples/jobs/src/main.rs", text), []);
    }
}
