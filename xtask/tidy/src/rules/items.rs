//! Reads a Rust file as items: functions, types, fields and variants, each with its doc comment.

use std::ops::AddAssign;

use syn::spanned::Spanned;
use syn::visit::{self, Visit};

use super::sources::Source;

/// The parsed form of one Rust file, without its tests.
#[derive(Debug, Default)]
pub(super) struct Items {
    pub(super) documented: Vec<Documented>,
    pub(super) functions: Vec<Function>,
    /// Public functions that are async or return a future, and have no section `# Cancel safety`, with their lines.
    pub(super) without_cancel_safety: Vec<(usize, String)>,
    /// Public functions with a parameter of the type `bool`, with their lines.
    pub(super) with_bool: Vec<(usize, String)>,
    /// Every string literal outside attributes other than `#[error]`, with its line.
    pub(super) strings: Vec<(usize, String)>,
    pub(super) counts: Counts,
}

/// An item that has a doc comment.
#[derive(Debug)]
pub(super) struct Documented {
    pub(super) kind: Kind,
    pub(super) name: String,
    /// The line of the comment's first word, from 1.
    pub(super) line: usize,
    pub(super) text: String,
}

/// The kinds of items that differ in how their comments begin.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Kind {
    Function,
    Type,
    /// A field, a variant or a constant.
    Member,
}

/// A function or method.
#[derive(Debug)]
pub(super) struct Function {
    /// Lines from `fn` to the closing brace.
    pub(super) lines: usize,
}

/// The number of uses of each construct in a file.
#[derive(Debug, Default, Clone, Copy)]
pub(super) struct Counts {
    pub(super) pub_types: usize,
    pub(super) pub_functions: usize,
    pub(super) pub_traits: usize,
    pub(super) generic_types: usize,
    pub(super) generic_functions: usize,
    pub(super) impl_arguments: usize,
    pub(super) dyn_types: usize,
    pub(super) macros: usize,
    pub(super) errors: usize,
    pub(super) error_enums: usize,
    pub(super) unwraps: usize,
    pub(super) expects: usize,
    pub(super) panics: usize,
    pub(super) unsafes: usize,
    pub(super) allows: usize,
    pub(super) expectations: usize,
    pub(super) non_exhaustive: usize,
    pub(super) must_use: usize,
}

impl AddAssign for Counts {
    fn add_assign(&mut self, other: Self) {
        self.pub_types += other.pub_types;
        self.pub_functions += other.pub_functions;
        self.pub_traits += other.pub_traits;
        self.generic_types += other.generic_types;
        self.generic_functions += other.generic_functions;
        self.impl_arguments += other.impl_arguments;
        self.dyn_types += other.dyn_types;
        self.macros += other.macros;
        self.errors += other.errors;
        self.error_enums += other.error_enums;
        self.unwraps += other.unwraps;
        self.expects += other.expects;
        self.panics += other.panics;
        self.unsafes += other.unsafes;
        self.allows += other.allows;
        self.expectations += other.expectations;
        self.non_exhaustive += other.non_exhaustive;
        self.must_use += other.must_use;
    }
}

/// Reads a file; items under `#[cfg(test)]` are left out.
pub(super) fn read(source: &Source) -> Result<Items, &syn::Error> {
    let mut items = Items::default();
    items.visit_file(source.rust()?);
    Ok(items)
}

impl Items {
    fn document(&mut self, kind: Kind, name: &syn::Ident, attributes: &[syn::Attribute]) {
        let mut lines = attributes.iter().filter_map(doc_line).peekable();
        let Some(line) = lines.peek().map(|(line, _)| *line) else { return };
        let text: Vec<String> = lines.map(|(_, text)| text.trim().to_owned()).collect();
        let text = text.join("\n");
        self.documented.push(Documented { kind, name: name.to_string(), line, text });
    }

    fn function(
        &mut self,
        attributes: &[syn::Attribute],
        visibility: Option<&syn::Visibility>,
        signature: &syn::Signature,
        end: usize,
    ) {
        self.document(Kind::Function, &signature.ident, attributes);
        let begin = signature.span().start().line;
        self.functions.push(Function { lines: end - begin + 1 });
        let is_public = visibility.is_some_and(is_public);
        self.counts.pub_functions += usize::from(is_public);
        let mut docs = attributes.iter().filter_map(doc_line);
        if is_public
            && (signature.asyncness.is_some() || returns_future(&signature.output))
            && !docs.any(|(_, text)| text.trim() == "# Cancel safety")
        {
            self.without_cancel_safety.push((begin, signature.ident.to_string()));
        }
        self.counts.unsafes += usize::from(signature.unsafety.is_some());
        let typed = signature.inputs.iter().filter_map(|input| match input {
            syn::FnArg::Typed(input) => Some(&*input.ty),
            syn::FnArg::Receiver(_) => None,
        });
        if is_public && typed.clone().any(|ty| ends_with(ty, "bool")) {
            self.with_bool.push((begin, signature.ident.to_string()));
        }
        let with_impl = typed.filter(|ty| matches!(ty, syn::Type::ImplTrait(_))).count();
        self.counts.impl_arguments += with_impl;
        let is_generic = signature.generics.type_params().next().is_some();
        self.counts.generic_functions += usize::from(is_generic);
    }

    fn data_type(
        &mut self,
        name: &syn::Ident,
        attributes: &[syn::Attribute],
        visibility: &syn::Visibility,
        generics: &syn::Generics,
        is_enum: bool,
    ) {
        self.document(Kind::Type, name, attributes);
        self.counts.pub_types += usize::from(is_public(visibility));
        self.counts.generic_types += usize::from(generics.type_params().next().is_some());
        if name.to_string().ends_with("Error") || attributes.iter().any(derives_error) {
            self.counts.errors += 1;
            self.counts.error_enums += usize::from(is_enum);
        }
    }
}

/// Returns whether a type is written as a path with this last word.
fn ends_with(ty: &syn::Type, name: &str) -> bool {
    let syn::Type::Path(ty) = ty else { return false };
    ty.path.segments.last().is_some_and(|last| last.ident == name)
}

fn returns_future(output: &syn::ReturnType) -> bool {
    let syn::ReturnType::Type(_, ty) = output else { return false };
    let is_future = |bound: &syn::TypeParamBound| match bound {
        syn::TypeParamBound::Trait(bound) => {
            bound.path.segments.last().is_some_and(|last| last.ident == "Future")
        }
        _ => false,
    };
    match &**ty {
        syn::Type::ImplTrait(ty) => ty.bounds.iter().any(is_future),
        ty => ends_with(ty, "BoxFuture"),
    }
}

impl<'ast> Visit<'ast> for Items {
    fn visit_item(&mut self, item: &'ast syn::Item) {
        if !attributes_of(item).iter().any(is_test) {
            visit::visit_item(self, item);
        }
    }

    fn visit_item_fn(&mut self, item: &'ast syn::ItemFn) {
        let end = item.block.span().end().line;
        self.function(&item.attrs, Some(&item.vis), &item.sig, end);
        visit::visit_item_fn(self, item);
    }

    fn visit_impl_item_fn(&mut self, item: &'ast syn::ImplItemFn) {
        if item.attrs.iter().any(is_test) {
            return;
        }
        let end = item.block.span().end().line;
        self.function(&item.attrs, Some(&item.vis), &item.sig, end);
        visit::visit_impl_item_fn(self, item);
    }

    fn visit_trait_item_fn(&mut self, item: &'ast syn::TraitItemFn) {
        self.function(&item.attrs, None, &item.sig, item.span().end().line);
        visit::visit_trait_item_fn(self, item);
    }

    fn visit_item_struct(&mut self, item: &'ast syn::ItemStruct) {
        self.data_type(&item.ident, &item.attrs, &item.vis, &item.generics, false);
        visit::visit_item_struct(self, item);
    }

    fn visit_item_enum(&mut self, item: &'ast syn::ItemEnum) {
        self.data_type(&item.ident, &item.attrs, &item.vis, &item.generics, true);
        visit::visit_item_enum(self, item);
    }

    fn visit_item_type(&mut self, item: &'ast syn::ItemType) {
        self.document(Kind::Type, &item.ident, &item.attrs);
        visit::visit_item_type(self, item);
    }

    fn visit_item_trait(&mut self, item: &'ast syn::ItemTrait) {
        self.document(Kind::Type, &item.ident, &item.attrs);
        self.counts.pub_traits += usize::from(is_public(&item.vis));
        visit::visit_item_trait(self, item);
    }

    fn visit_field(&mut self, field: &'ast syn::Field) {
        if let Some(name) = &field.ident {
            self.document(Kind::Member, name, &field.attrs);
        }
        visit::visit_field(self, field);
    }

    fn visit_variant(&mut self, variant: &'ast syn::Variant) {
        self.document(Kind::Member, &variant.ident, &variant.attrs);
        visit::visit_variant(self, variant);
    }

    fn visit_item_const(&mut self, item: &'ast syn::ItemConst) {
        self.document(Kind::Member, &item.ident, &item.attrs);
        visit::visit_item_const(self, item);
    }

    fn visit_impl_item_const(&mut self, item: &'ast syn::ImplItemConst) {
        self.document(Kind::Member, &item.ident, &item.attrs);
        visit::visit_impl_item_const(self, item);
    }

    fn visit_attribute(&mut self, attribute: &'ast syn::Attribute) {
        let path = attribute.path();
        self.counts.allows += usize::from(path.is_ident("allow"));
        self.counts.expectations += usize::from(path.is_ident("expect"));
        self.counts.non_exhaustive += usize::from(path.is_ident("non_exhaustive"));
        self.counts.must_use += usize::from(path.is_ident("must_use"));
        if path.is_ident("error")
            && let syn::Meta::List(list) = &attribute.meta
        {
            for token in list.tokens.clone() {
                if let Ok(text) = syn::parse2::<syn::LitStr>(token.into()) {
                    self.visit_lit_str(&text);
                }
            }
        }
    }

    fn visit_lit_str(&mut self, text: &'ast syn::LitStr) {
        self.strings.push((text.span().start().line, text.value()));
    }

    fn visit_expr_method_call(&mut self, call: &'ast syn::ExprMethodCall) {
        self.counts.unwraps += usize::from(call.method == "unwrap");
        self.counts.expects += usize::from(call.method == "expect");
        visit::visit_expr_method_call(self, call);
    }

    fn visit_macro(&mut self, call: &'ast syn::Macro) {
        let panics = ["panic", "unreachable", "todo", "unimplemented"];
        self.counts.panics += usize::from(panics.iter().any(|name| call.path.is_ident(name)));
        self.counts.macros += usize::from(call.path.is_ident("macro_rules"));
    }

    fn visit_type_trait_object(&mut self, ty: &'ast syn::TypeTraitObject) {
        self.counts.dyn_types += 1;
        visit::visit_type_trait_object(self, ty);
    }

    fn visit_expr_unsafe(&mut self, block: &'ast syn::ExprUnsafe) {
        self.counts.unsafes += 1;
        visit::visit_expr_unsafe(self, block);
    }
}

pub(super) fn is_public(visibility: &syn::Visibility) -> bool {
    matches!(visibility, syn::Visibility::Public(_))
}

/// Returns the line and the text of a line of a doc comment.
fn doc_line(attribute: &syn::Attribute) -> Option<(usize, String)> {
    let syn::Meta::NameValue(doc) = &attribute.meta else { return None };
    let syn::Expr::Lit(syn::ExprLit { lit: syn::Lit::Str(text), .. }) = &doc.value else {
        return None;
    };
    doc.path.is_ident("doc").then(|| (attribute.span().start().line, text.value()))
}

pub(super) fn is_test(attribute: &syn::Attribute) -> bool {
    attribute.path().is_ident("test")
        || attribute.path().is_ident("cfg")
            && attribute.parse_args::<syn::Path>().is_ok_and(|path| path.is_ident("test"))
}

fn derives_error(attribute: &syn::Attribute) -> bool {
    let mut found = false;
    if attribute.path().is_ident("derive") {
        // A list that is not understood derives nothing that counts here.
        let _ = attribute.parse_nested_meta(|meta| {
            found |= meta.path.segments.last().is_some_and(|last| last.ident == "Error");
            Ok(())
        });
    }
    found
}

fn attributes_of(item: &syn::Item) -> &[syn::Attribute] {
    match item {
        syn::Item::Const(item) => &item.attrs,
        syn::Item::Enum(item) => &item.attrs,
        syn::Item::Fn(item) => &item.attrs,
        syn::Item::Impl(item) => &item.attrs,
        syn::Item::Macro(item) => &item.attrs,
        syn::Item::Mod(item) => &item.attrs,
        syn::Item::Static(item) => &item.attrs,
        syn::Item::Struct(item) => &item.attrs,
        syn::Item::Trait(item) => &item.attrs,
        syn::Item::Type(item) => &item.attrs,
        syn::Item::Use(item) => &item.attrs,
        _ => &[],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn items_have_their_comments_lines_and_counts() {
        let text = "\
/// A thing.
#[non_exhaustive]
#[derive(Debug, thiserror::Error)]
pub enum Thing {
    /// The thing is broken.
    #[error(\"broken\")]
    Broken,
}

impl Thing {
    /// Returns it.
    ///
    /// Never fails.
    pub fn it(&self, by: impl Fn()) -> u8 {
        self.x().expect(\"there\")
    }
}

#[cfg(test)]
mod tests {
    /// Not counted.
    fn test() {}
}
";
        let source = Source::new("a.rs", text);
        let items = read(&source).expect("it is Rust");
        let found: Vec<_> =
            items.documented.iter().map(|item| (item.kind, &*item.name, item.line)).collect();
        let expected =
            [(Kind::Type, "Thing", 1), (Kind::Member, "Broken", 5), (Kind::Function, "it", 11)];
        assert_eq!(found, expected);
        assert_eq!(items.documented[2].text, "Returns it.\n\nNever fails.");
        assert_eq!(items.functions[0].lines, 3);
        assert_eq!(items.strings, [(6, "broken".to_owned()), (15, "there".to_owned())]);
        let counts = items.counts;
        assert_eq!((counts.errors, counts.error_enums, counts.pub_functions), (1, 1, 1));
        assert_eq!((counts.expects, counts.impl_arguments, counts.non_exhaustive), (1, 1, 1));
    }
}
