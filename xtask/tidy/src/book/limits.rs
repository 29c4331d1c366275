//! The table of limits and defaults: each value is read from the constant or the setting that the code uses.

use std::collections::BTreeMap;
use std::fmt::Write;

use anyhow::{Context, Result, anyhow, bail, ensure};
use serde::Deserialize;
use syn::visit::{self, Visit};

use crate::digits::grouped;
use crate::rules::sources::{self, Source};

/// The unit in which a value is shown.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Unit {
    Count,
    Bytes,
    Time,
}

/// A row of the table.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Limit {
    what: String,
    /// The method that changes it, if it is not fixed.
    setting: Option<String>,
    /// A path below `crates/`.
    file: String,
    /// A constant, or a field where the defaults are set: `field` or `Type.field`.
    name: String,
    unit: Unit,
}

/// Returns a table for each group of limits, by the name of its mark on the page.
pub(super) fn parts(sources: &[Source]) -> Result<Vec<(String, String)>> {
    groups()?.into_iter().map(|(mark, limits)| Ok((mark, table(sources, &limits)?))).collect()
}

/// Returns the default of a setting, `Type::method`, as the tables show it.
pub(super) fn default_of(sources: &[Source], setting: &str) -> Result<String> {
    let mut limits = groups()?.into_values().flatten();
    let limit = limits.find(|limit| limit.setting.as_deref() == Some(setting));
    limit.with_context(|| format!("no table has the setting {setting}"))?.shown(sources)
}

fn groups() -> Result<BTreeMap<String, Vec<Limit>>> {
    Ok(toml::from_str(include_str!("limits.toml"))?)
}

fn table(sources: &[Source], limits: &[Limit]) -> Result<String> {
    let mut text = String::from("| limit or default | value | setting |\n|---|---|---|\n");
    for limit in limits {
        let setting = limit.setting.as_ref().map(|setting| format!("`{setting}`"));
        let setting = setting.as_deref().unwrap_or("fixed");
        writeln!(text, "| {} | {} | {setting} |", limit.what, limit.shown(sources)?)?;
    }
    Ok(text)
}

impl Limit {
    /// Reads the value from the code.
    fn shown(&self, sources: &[Source]) -> Result<String> {
        let Self { file, name, unit, .. } = self;
        let path = format!("crates/{file}");
        let source = sources::find(sources, &path).with_context(|| format!("{path} is missing"))?;
        let value = value_of(source, name).with_context(|| format!("{name} in {path}"))?;
        Ok(shown(value, *unit))
    }
}

/// A value in the code: a number, a time in milliseconds, or none.
type Value = Option<u128>;

/// Finds a constant, or a field that a function sets, by its name: `field` or `Type.field`.
fn value_of(source: &Source, name: &str) -> Result<Value> {
    let mut named = Named { name, values: Vec::new() };
    named.visit_file(source.rust().map_err(|error| anyhow!("{}: {error}", source.path))?);
    // A method that sets a field has an expression of its argument there, which is no value.
    let (known, unknown): (Vec<_>, Vec<_>) = named.values.into_iter().partition(Result::is_ok);
    let mut known = known.into_iter().chain(unknown);
    let value = known.next().context("there is no such constant or field")??;
    for other in known.map_while(Result::ok) {
        ensure!(other == value, "it stands for two values: say `Type.field`");
    }
    Ok(value)
}

/// The values that a name has in a file.
struct Named<'a> {
    name: &'a str,
    values: Vec<Result<Value>>,
}

impl Named<'_> {
    fn take(&mut self, name: &impl ToString, value: &syn::Expr) {
        if name.to_string() == self.name {
            self.values.push(evaluate(value));
        }
    }
}

impl<'ast> Visit<'ast> for Named<'_> {
    fn visit_item_mod(&mut self, item: &'ast syn::ItemMod) {
        // What tests set is no default.
        if item.ident != "tests" {
            visit::visit_item_mod(self, item);
        }
    }

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
        Unit::Count => grouped(&value.to_string()),
        Unit::Bytes => match value {
            _ if value != 0 && value.is_multiple_of(1 << 20) => format!("{} MiB", value >> 20),
            _ if value != 0 && value.is_multiple_of(1 << 10) => format!("{} KiB", value >> 10),
            _ => format!("{} bytes", grouped(&value.to_string())),
        },
        Unit::Time if value != 0 && value.is_multiple_of(60_000) => {
            format!("{} min", value / 60_000)
        }
        Unit::Time if value.is_multiple_of(1000) => format!("{} s", value / 1000),
        Unit::Time => format!("{value} ms"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn constants_and_settings_are_found_and_shown() {
        let text = "const A: usize = 16 << 20;\nimpl X { pub const B: usize = 10 * 1_000;\n\
                    fn new() -> X { X { c: Some(Duration::from_secs(90)), d: Y { e: None }, \
                    f: Duration::from_millis(50), g: NonZeroU32::new(7).expect(\"7\") } } }";
        let of = |text: &str, name: &str| value_of(&Source::new("a.rs", text), name);
        let value = |name| of(text, name).expect("it is there");
        assert_eq!(shown(value("A"), Unit::Bytes), "16 MiB");
        assert_eq!(shown(value("B"), Unit::Count), "10,000");
        assert_eq!(shown(value("c"), Unit::Time), "90 s");
        assert_eq!(shown(value("e"), Unit::Time), "none");
        assert_eq!(shown(value("Y.e"), Unit::Time), "none");
        assert_eq!(shown(value("f"), Unit::Time), "50 ms");
        assert_eq!(shown(value("g"), Unit::Count), "7");
        assert_eq!(shown(Some(1_500), Unit::Bytes), "1,500 bytes");
        assert!(of(text, "h").is_err());
        assert!(of("mod a { const A: u8 = 1; } mod b { const A: u8 = 2; }", "A").is_err());
        assert!(of("const A: f64 = 0.5;", "A").is_err());
    }

    /// The tests of the largest settings list all settings, and fail where one is missing.
    #[test]
    fn no_setting_is_forgotten() {
        // Those without a default of their own, as the page says: the first five are arguments of constructors or of
        // single events, two have no limit, and the last two follow from other values.
        let without = ["new", "with_retry", "settle", "history_for", "history_age_for"];
        let without =
            [&without[..], &["per_client", "total", "shards", "heartbeat_timeout"]].concat();
        let tried = include_str!("../../../../crates/sse-kit/tests/largest_settings.rs");
        let (_, tried) = tried.split_once("const TRIED:").expect("there is a list");
        let (tried, _) = tried.split_once("];").expect("it ends");
        let listed = include_str!("limits.toml");
        let settings = tried.split('"').filter_map(|text| text.split_once("::"));
        let settings: Vec<_> = settings.map(|(_, name)| name).collect();
        assert!(settings.len() > without.len(), "{settings:?}");
        for name in settings {
            let is_listed = listed.contains(&format!("::{name}\""));
            assert!(is_listed != without.contains(&name), "`{name}`, in {listed}");
        }
    }
}
