//! The table of limits and defaults: each value is read from the constant or the setting that the code uses.

mod table;

use std::fmt::Write;

use anyhow::{Context, Result, bail};
use syn::visit::{self, Visit};

use self::table::{GROUPS, Limit, Unit};
use crate::tidy::sources::{self, Source};

/// Returns a table for each group of limits.
pub(super) fn parts(sources: &[Source]) -> Result<Vec<(&'static str, String)>> {
    GROUPS.iter().map(|(name, limits)| Ok((*name, table(sources, limits)?))).collect()
}

fn table(sources: &[Source], limits: &[Limit]) -> Result<String> {
    let mut text = String::from("| limit or default | value | setting |\n|---|---|---|\n");
    for Limit { what, setting, file, name, unit } in limits {
        let path = format!("crates/{file}");
        let source = sources::find(sources, &path).with_context(|| format!("{path} is missing"))?;
        let value = value_of(&source.text, name).with_context(|| format!("{name} in {path}"))?;
        let setting = if setting.is_empty() { "fixed".to_owned() } else { format!("`{setting}`") };
        writeln!(text, "| {what} | {} | {setting} |", shown(value, *unit))?;
    }
    Ok(text)
}

/// A value in the code: a number, a time in milliseconds, or none.
type Value = Option<u128>;

/// Finds a constant, or a field that a function sets, by its name: `field` or `Type.field`.
fn value_of(text: &str, name: &str) -> Result<Value> {
    let mut found = Named { name, value: None };
    found.visit_file(&syn::parse_file(text)?);
    found.value.context("there is no such constant or field")?
}

struct Named<'a> {
    name: &'a str,
    value: Option<Result<Value>>,
}

impl Named<'_> {
    fn take(&mut self, name: &impl ToString, value: &syn::Expr) {
        if self.value.is_none() && name.to_string() == self.name {
            self.value = Some(evaluate(value));
        }
    }
}

impl<'ast> Visit<'ast> for Named<'_> {
    fn visit_item_const(&mut self, item: &'ast syn::ItemConst) {
        self.take(&item.ident, &item.expr);
    }

    fn visit_impl_item_const(&mut self, item: &'ast syn::ImplItemConst) {
        self.take(&item.ident, &item.expr);
    }

    fn visit_expr_struct(&mut self, value: &'ast syn::ExprStruct) {
        let of = value.path.segments.last().map(|segment| segment.ident.to_string());
        for field in &value.fields {
            let syn::Member::Named(name) = &field.member else { continue };
            self.take(name, &field.expr);
            self.take(&format!("{}.{name}", of.as_deref().unwrap_or_default()), &field.expr);
        }
        visit::visit_expr_struct(self, value);
    }
}

fn evaluate(value: &syn::Expr) -> Result<Value> {
    let number = |value: &syn::Expr| evaluate(value)?.context("a number is missing");
    Ok(match value {
        syn::Expr::Lit(syn::ExprLit { lit: syn::Lit::Int(int), .. }) => Some(int.base10_parse()?),
        syn::Expr::Binary(binary) => {
            let (left, right) = (number(&binary.left)?, number(&binary.right)?);
            Some(match binary.op {
                syn::BinOp::Shl(_) => left << right,
                syn::BinOp::Mul(_) => left * right,
                syn::BinOp::Add(_) => left + right,
                _ => bail!("an operator that this table does not know"),
            })
        }
        syn::Expr::Call(call) => {
            let syn::Expr::Path(function) = &*call.func else { bail!("a call of no function") };
            let function = function.path.segments.last().map(|segment| segment.ident.to_string());
            let argument = call.args.first().context("a call without an argument")?;
            match function.as_deref() {
                Some("Some" | "new" | "from_millis") => evaluate(argument)?,
                Some("from_secs") => Some(number(argument)? * 1000),
                _ => bail!("a function that this table does not know"),
            }
        }
        syn::Expr::MethodCall(call) if call.method == "expect" => evaluate(&call.receiver)?,
        syn::Expr::Path(path) if path.path.is_ident("None") => None,
        syn::Expr::Path(path) if path.path.segments.last().is_some_and(|s| s.ident == "ZERO") => {
            Some(0)
        }
        _ => bail!("an expression that this table does not know"),
    })
}

fn shown(value: Value, unit: Unit) -> String {
    let Some(value) = value else { return "none".to_owned() };
    match unit {
        Unit::Count => grouped(value),
        Unit::Bytes => match value {
            0..1024 => format!("{value} bytes"),
            _ if value.is_multiple_of(1 << 20) => format!("{} MiB", value >> 20),
            _ => format!("{} KiB", value >> 10),
        },
        Unit::Time if value != 0 && value.is_multiple_of(60_000) => {
            format!("{} min", value / 60_000)
        }
        Unit::Time if value.is_multiple_of(1000) => format!("{} s", value / 1000),
        Unit::Time => format!("{value} ms"),
    }
}

/// Writes a number with a comma between its thousands.
fn grouped(value: u128) -> String {
    let digits = value.to_string();
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn constants_and_settings_are_found_and_shown() {
        let text = "const A: usize = 16 << 20;\nimpl X { pub const B: usize = 10 * 1_000;\n\
                    fn new() -> X { X { c: Some(Duration::from_secs(90)), d: Y { e: None }, \
                    f: Duration::from_millis(50), g: NonZeroU32::new(7).expect(\"7\") } } }";
        let value = |name| value_of(text, name).expect("it is there");
        assert_eq!(shown(value("A"), Unit::Bytes), "16 MiB");
        assert_eq!(shown(value("B"), Unit::Count), "10,000");
        assert_eq!(shown(value("c"), Unit::Time), "90 s");
        assert_eq!(shown(value("e"), Unit::Time), "none");
        assert_eq!(shown(value("Y.e"), Unit::Time), "none");
        assert_eq!(shown(value("f"), Unit::Time), "50 ms");
        assert_eq!(shown(value("g"), Unit::Count), "7");
        assert!(value_of(text, "h").is_err());
        assert!(value_of("const A: f64 = 0.5;", "A").is_err());
    }
}
