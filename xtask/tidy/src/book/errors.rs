//! The error catalogue: public errors, their messages and their meanings, as the code has them.

use std::fmt::Write;

use anyhow::{Context, Result, anyhow};
use syn::visit::Visit;

use crate::rules::libraries::Library;
use crate::rules::markdown::plain;
use crate::rules::sources::{self, Source};

/// Crates whose errors an app does not meet by their types.
const LEFT_OUT: &[&str] = &["sse-kit-client"];

/// Enums that the page on control events lists: the part's name, the file, the enum.
const REASONS: &[(&str, &str, &str)] = &[
    ("gap reasons", "crates/sse-kit-event/src/control.rs", "GapReason"),
    ("close reasons", "crates/sse-kit-broadcast/src/ending.rs", "CloseReason"),
];

/// Returns a section for each crate that has public errors, with a table for each error.
pub(super) fn catalogue(sources: &[Source]) -> Result<String> {
    let mut text = String::new();
    let libraries = Library::all(sources).into_iter();
    for library in libraries.filter(|library| !LEFT_OUT.contains(&library.name)) {
        let mut errors = Vec::new();
        for file in &library.files {
            errors.extend(read(file)?.into_iter().filter(|error| library.shows(file, &error.name)));
        }
        if !errors.is_empty() {
            write!(text, "## {}\n\n", library.name)?;
        }
        for error in errors {
            write!(text, "### `{}`\n\n{}\n\n", error.name, error.doc)?;
            text.push_str(&error.table());
        }
    }
    Ok(text)
}

/// Returns the tables of the enums that name reasons.
pub(super) fn reasons(sources: &[Source]) -> Result<Vec<(&'static str, String)>> {
    let part = |(part, path, name): &(&'static str, &str, &str)| {
        let file = sources::find(sources, path).with_context(|| format!("{path} is missing"))?;
        let found = public_types(file)?.into_iter().find(|found| found.name == *name);
        let found = found.with_context(|| format!("{path} has no enum {name}"))?;
        Ok((*part, found.table()))
    };
    REASONS.iter().map(part).collect()
}

fn read(source: &Source) -> Result<Vec<Documented>> {
    let mut found = public_types(source)?;
    found.retain(|found| found.name.ends_with("Error") || found.name.ends_with("ErrorKind"));
    Ok(found)
}

fn public_types(source: &Source) -> Result<Vec<Documented>> {
    let file = source.rust().map_err(|error| anyhow!("{}: {error}", source.path))?;
    let mut enums = Enums::default();
    enums.visit_file(file);
    Ok(enums.found)
}

/// A public type with its doc comment, and its variants.
#[derive(Debug)]
struct Documented {
    name: String,
    doc: String,
    /// Name, message and doc comment; a struct has one without a name.
    variants: Vec<(String, Option<String>, String)>,
}

impl Documented {
    fn table(&self) -> String {
        let has_names = self.variants.iter().any(|(name, ..)| !name.is_empty());
        let has_messages = self.variants.iter().any(|(_, message, _)| message.is_some());
        let mut text = String::new();
        if !has_names {
            for (_, message, _) in &self.variants {
                text.extend(message.iter().flat_map(|message| [message.as_str(), "\n\n"]));
            }
            return text;
        }
        text.push_str(if has_messages {
            "| variant | meaning | message |\n|---|---|---|\n"
        } else {
            "| variant | meaning |\n|---|---|\n"
        });
        for (name, message, doc) in &self.variants {
            let message = message.as_deref().unwrap_or("that of its source");
            let message = if has_messages { format!(" {message} |") } else { String::new() };
            text.extend(["| `", name, "` | ", doc, " |", &message, "\n"]);
        }
        text.push('\n');
        text
    }
}

#[derive(Debug, Default)]
struct Enums {
    found: Vec<Documented>,
}

impl<'ast> Visit<'ast> for Enums {
    fn visit_item_mod(&mut self, _: &'ast syn::ItemMod) {}

    fn visit_item_enum(&mut self, item: &'ast syn::ItemEnum) {
        if matches!(item.vis, syn::Visibility::Public(_)) {
            let variant = |variant: &syn::Variant| {
                let name = variant.ident.to_string();
                (name, message(&variant.attrs), doc(&variant.attrs))
            };
            self.found.push(Documented {
                name: item.ident.to_string(),
                doc: doc(&item.attrs),
                variants: item.variants.iter().map(variant).collect(),
            });
        }
    }

    fn visit_item_struct(&mut self, item: &'ast syn::ItemStruct) {
        if matches!(item.vis, syn::Visibility::Public(_)) {
            self.found.push(Documented {
                name: item.ident.to_string(),
                doc: doc(&item.attrs),
                variants: vec![(String::new(), message(&item.attrs), String::new())],
            });
        }
    }
}

/// Returns the message of `#[error("…")]` as code, or none for `#[error(transparent)]`.
fn message(attributes: &[syn::Attribute]) -> Option<String> {
    let error = attributes.iter().find(|attribute| attribute.path().is_ident("error"))?;
    let syn::Meta::List(list) = &error.meta else { return None };
    let literal = list.tokens.clone().into_iter().next()?;
    let literal: syn::LitStr = syn::parse2(literal.into()).ok()?;
    Some(format!("`` {} ``", literal.value().replace('|', "\\|")))
}

/// Returns the first paragraph of a doc comment, on one line.
fn doc(attributes: &[syn::Attribute]) -> String {
    let lines = attributes.iter().filter_map(|attribute| {
        let syn::Meta::NameValue(doc) = &attribute.meta else { return None };
        let syn::Expr::Lit(syn::ExprLit { lit: syn::Lit::Str(text), .. }) = &doc.value else {
            return None;
        };
        doc.path.is_ident("doc").then(|| text.value().trim().to_owned())
    });
    let lines: Vec<String> = lines.take_while(|line| !line.is_empty()).collect();
    plain(&lines.join(" ")).replace('|', "\\|")
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIB: &str = "pub use error::PublishError;";

    fn catalogue_of(file: &str) -> String {
        let sources =
            [Source::new("crates/a/src/lib.rs", LIB), Source::new("crates/a/src/error.rs", file)];
        catalogue(&sources).expect("it parses")
    }

    #[test]
    fn a_public_error_has_a_row_for_each_variant() {
        let text = catalogue_of(
            "/// A [failure](Hub::publish).\n///\n/// More.\npub enum PublishError {\n\
             /// The hub has [`Closed`].\n#[error(\"the hub | has shut down\")]\nClosed,\n\
             /// The log.\n#[error(transparent)]\nLog(X) }\npub enum OtherError { A }",
        );
        assert_eq!(
            text,
            "## a\n\n### `PublishError`\n\nA failure.\n\n| variant | meaning | message |\n\
             |---|---|---|\n| `Closed` | The hub has `Closed`. | `` the hub \\| has shut down `` |\n\
             | `Log` | The log. | that of its source |\n\n"
        );
    }

    #[test]
    fn an_error_without_variants_has_its_message() {
        let text = catalogue_of("/// No.\n#[error(\"denied\")]\npub struct PublishError;");
        assert_eq!(text, "## a\n\n### `PublishError`\n\nNo.\n\n`` denied ``\n\n");
    }
}
