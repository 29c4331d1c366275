//! `cargo xtask tidy --report`: the figures of the house, per crate, as a Markdown table.

use std::fmt::Write as _;

use anyhow::{Result, anyhow};

use super::items::{self, Counts};
use super::prose::{FirstWords, crate_names, crate_sources, share};
use super::sources::{self, Source};

/// Writes one figure as a cell.
type Cell = fn(&Figures) -> String;

/// The columns, and the figure that each shows.
const COLUMNS: &[(&str, Cell)] = &[
    ("files", |it| it.files.len().to_string()),
    ("lines", |it| it.files.iter().sum::<usize>().to_string()),
    ("code", |it| it.code.to_string()),
    ("file median / max", |it| {
        format!("{} / {}", quantile(&it.files, 50), quantile(&it.files, 100))
    }),
    ("fns", |it| it.functions.len().to_string()),
    ("fn median / p90 / max", |it| {
        let of = |percent| quantile(&it.functions, percent);
        format!("{} / {} / {}", of(50), of(90), of(100))
    }),
    ("doc %", |it| percent(share(it.docs, it.docs + it.code))),
    ("plain comment %", |it| percent(share(it.comments, it.comments + it.code))),
    ("fn: verb %", |it| percent(it.words.verbs())),
    ("fn: wh %", |it| percent(it.words.wh_functions())),
    ("other: wh %", |it| percent(it.words.wh_others())),
    ("type: article %", |it| percent(share(it.words.articles, it.words.types))),
    ("pub types / fns / traits", |it| {
        let counts = &it.counts;
        format!("{} / {} / {}", counts.pub_types, counts.pub_functions, counts.pub_traits)
    }),
    ("generic types / fns", |it| {
        format!("{} / {}", it.counts.generic_types, it.counts.generic_functions)
    }),
    ("`impl` args", |it| it.counts.impl_arguments.to_string()),
    ("`dyn` / `macro_rules!`", |it| format!("{} / {}", it.counts.dyn_types, it.counts.macros)),
    ("error types (enums)", |it| format!("{} ({})", it.counts.errors, it.counts.error_enums)),
    ("unwrap / expect / panic!", |it| {
        format!("{} / {} / {}", it.counts.unwraps, it.counts.expects, it.counts.panics)
    }),
    ("unsafe / `#[allow]` / `#[expect]`", |it| {
        format!("{} / {} / {}", it.counts.unsafes, it.counts.allows, it.counts.expectations)
    }),
    ("non_exhaustive / must_use", |it| {
        format!("{} / {}", it.counts.non_exhaustive, it.counts.must_use)
    }),
];

/// Writes the table: a row for each crate, and one for all of them. Tests are left out.
pub(super) fn table(sources: &[Source]) -> Result<String> {
    let mut all = Figures::default();
    let mut table = String::from("| crate |");
    for (title, _) in COLUMNS {
        let _ = write!(table, " {title} |");
    }
    table.push_str("\n|---|");
    table.push_str(&"---|".repeat(COLUMNS.len()));
    table.push('\n');
    for name in crate_names(sources) {
        let mut figures = Figures::default();
        for source in crate_sources(sources, name) {
            figures.add(source)?;
            all.add(source)?;
        }
        table.push_str(&figures.row(name));
    }
    table.push_str(&all.row("all"));
    Ok(table)
}

/// The figures of one crate, or of all.
#[derive(Debug, Default)]
struct Figures {
    /// Lines per file.
    files: Vec<usize>,
    /// Lines per function.
    functions: Vec<usize>,
    code: usize,
    docs: usize,
    comments: usize,
    words: FirstWords,
    counts: Counts,
}

impl Figures {
    fn add(&mut self, source: &Source) -> Result<()> {
        let text = sources::without_tests(&source.text);
        self.files.push(text.lines().count());
        for line in text.lines().map(str::trim_start).filter(|line| !line.is_empty()) {
            let is_doc = line.starts_with("///") || line.starts_with("//!");
            self.docs += usize::from(is_doc);
            self.comments += usize::from(!is_doc && line.starts_with("//"));
            self.code += usize::from(!line.starts_with("//"));
        }
        let items = items::read(source).map_err(|it| anyhow!("{}: {it}", source.path))?;
        self.functions.extend(items.functions.iter().map(|function| function.lines));
        self.words.add(&source.path, &items.documented);
        self.counts += items.counts;
        Ok(())
    }

    fn row(&self, name: &str) -> String {
        let mut row = format!("| {name} |");
        for (_, figure) in COLUMNS {
            let _ = write!(row, " {} |", figure(self));
        }
        row.push('\n');
        row
    }
}

fn percent(share: f64) -> String {
    format!("{:.0}", share * 100.0)
}

/// Returns the value that `percent` of the values do not exceed; 0 if there are none.
fn quantile(values: &[usize], percent: usize) -> usize {
    let mut sorted = values.to_vec();
    sorted.sort_unstable();
    let rank = (sorted.len() * percent).div_ceil(100).max(1);
    sorted.get(rank - 1).copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_values_that_occur() {
        assert_eq!(quantile(&[], 50), 0);
        assert_eq!(quantile(&[3], 90), 3);
        let values: Vec<usize> = (1..=10).rev().collect();
        assert_eq!([50, 90, 100].map(|percent| quantile(&values, percent)), [5, 9, 10]);
    }

    #[test]
    fn a_row_for_each_crate_and_one_for_all() {
        let source = |name| {
            let text =
                "//! A crate.\n\n/// Returns it.\npub fn it() {\n}\n\n#[cfg(test)]\nmod t {}\n";
            Source::new(format!("crates/{name}/src/lib.rs"), text)
        };
        let table = table(&[source("a"), source("b")]).expect("it is Rust");
        let rows: Vec<&str> = table.lines().skip(2).collect();
        assert!(rows[0].starts_with("| a | 1 | 6 | 2 | 6 / 6 | 1 | 2 / 2 / 2 | 50 | 0 | 100 |"));
        assert!(rows[2].starts_with("| all | 2 | 12 | 4 | 6 / 6 | 2 |"), "{table}");
    }
}
