//! Does the cost of an operation grow with something that should not matter to it?

use std::fmt::Write as _;

use anyhow::{Context, Result, bail, ensure};
use serde_json::{Deserializer, Value};

use super::callgrind::Callgrind;
use super::tables::number;
use crate::process;

/// A class of operations: how the number of their instructions may grow.
#[derive(Debug)]
struct Class {
    /// The name of the group in the benchmark.
    group: &'static str,
    /// The factor by which the instructions may grow with ten times as much.
    limit: f64,
    must: &'static str,
}

/// A search through ten times as much takes a few comparisons more: hence more than 1, and more than 10.
const CLASSES: [Class; 3] = [
    Class { group: "constant", limit: 1.3, must: "must stay the same" },
    Class { group: "per_receiver", limit: 13.0, must: "may grow with the receivers alone" },
    Class {
        group: "per_replayed_event",
        limit: 13.0,
        must: "may grow with the replayed events alone",
    },
];

/// The instructions of one operation, with so much of something and with ten times as much.
#[derive(Debug, PartialEq)]
struct Growth {
    group: String,
    operation: String,
    /// The thing of which there is ten times as much.
    of: String,
    instructions: [u64; 2],
}

/// Counts the instructions of each operation at two sizes, prints a table, and fails when one grew more
/// than its class allows.
pub(super) fn check(callgrind: &Callgrind) -> Result<()> {
    let mut count = callgrind.bench("growth", callgrind.workspace().root());
    let output = process::output(count.arg("--output-format=json"))?;
    let growths = parse(&output)?;
    println!("{}", table(&growths));
    let faults: Vec<_> = growths.iter().filter_map(|growth| growth.fault().transpose()).collect();
    let faults = faults.into_iter().collect::<Result<Vec<_>>>()?;
    ensure!(faults.is_empty(), "{}", faults.join("\n"));
    Ok(())
}

/// Reads one summary after another, of which each two belong together.
fn parse(summaries: &str) -> Result<Vec<Growth>> {
    let mut growths: Vec<Growth> = Vec::new();
    let mut smaller = None;
    for summary in Deserializer::from_str(summaries).into_iter::<Value>() {
        let summary = summary.context("a summary of a benchmark is not JSON")?;
        let text = |field: &str| {
            let text = summary[field].as_str().map(str::to_owned);
            text.with_context(|| format!("a summary of a benchmark has no `{field}`"))
        };
        let (group, operation, id) = (text("group")?, text("function_name")?, text("id")?);
        let instructions = summary
            .pointer("/profiles/0/data/total/metrics/Ir/values/new")
            .and_then(Value::as_u64)
            .with_context(|| format!("no instructions of {operation} {id}"))?;
        let (of, size) = id.rsplit_once('_').with_context(|| format!("{id} has no number"))?;
        match (size, smaller.take()) {
            ("0", None) => smaller = Some((id.clone(), instructions)),
            ("1", Some((before, fewer))) if before == format!("{of}_0") => growths.push(Growth {
                group,
                operation,
                of: of.to_owned(),
                instructions: [fewer, instructions],
            }),
            _ => bail!("{operation} {id} was not measured at two sizes"),
        }
    }
    ensure!(smaller.is_none() && !growths.is_empty(), "something was not measured at two sizes");
    Ok(growths)
}

impl Growth {
    #[expect(clippy::cast_precision_loss, reason = "far fewer instructions than that")]
    fn ratio(&self) -> f64 {
        let [fewer, more] = self.instructions;
        more as f64 / fewer.max(1) as f64
    }

    #[expect(clippy::cast_precision_loss, reason = "as above")]
    fn counts(&self) -> [String; 2] {
        self.instructions.map(|count| number(count as f64, 0))
    }

    fn class(&self) -> Result<&'static Class> {
        let class = CLASSES.iter().find(|class| class.group == self.group);
        class.with_context(|| format!("`{}` is no class of operations", self.group))
    }

    /// Returns the reason why this operation has left its class, if it has.
    fn fault(&self) -> Result<Option<String>> {
        let Class { limit, must, .. } = self.class()?;
        let ratio = self.ratio();
        if ratio <= *limit {
            return Ok(None);
        }
        let [fewer, more] = self.counts();
        let (operation, of) = (words(&self.operation), words(&self.of));
        Ok(Some(format!(
            "`{operation}` takes {ratio:.1} times as many instructions with ten times as many {of} \
             ({fewer} before, {more} then); it {must}: at most {limit} times"
        )))
    }
}

fn table(growths: &[Growth]) -> String {
    let mut table = String::from(
        "| operation | ten times as many | class | instructions | then | ratio |\n\
         |---|---|---|---|---|---|\n",
    );
    for growth in growths {
        let [fewer, more] = growth.counts();
        let [operation, of, class] =
            [&growth.operation, &growth.of, &growth.group].map(|name| words(name));
        let ratio = growth.ratio();
        writeln!(table, "| {operation} | {of} | {class} | {fewer} | {more} | {ratio:.2} |")
            .expect("a string takes it");
    }
    table
}

/// Writes the name of a function or of a case in words.
fn words(name: &str) -> String {
    name.replace('_', " ")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn summary(group: &str, id: &str, instructions: u64) -> String {
        let metrics = json!({ "Ir": { "values": { "new": instructions } } });
        let profiles = json!([{ "data": { "total": { "metrics": metrics } } }]);
        json!({ "group": group, "function_name": "publish", "id": id, "profiles": profiles })
            .to_string()
    }

    fn growths(group: &str, fewer: u64, more: u64) -> Vec<Growth> {
        let both = [("other_topics_0", fewer), ("other_topics_1", more)];
        let both = both.map(|(id, instructions)| summary(group, id, instructions));
        parse(&both.join("\n")).expect("two sizes")
    }

    fn fault(group: &str, fewer: u64, more: u64) -> Option<String> {
        growths(group, fewer, more)[0].fault().expect("a class")
    }

    #[test]
    fn an_operation_that_leaves_its_class_is_named() {
        assert_eq!(fault("constant", 1_000, 1_300), None);
        assert_eq!(fault("per_receiver", 1_000, 13_000), None);
        assert_eq!(
            fault("constant", 1_000, 9_800).expect("it grew"),
            "`publish` takes 9.8 times as many instructions with ten times as many other topics \
             (1,000 before, 9,800 then); it must stay the same: at most 1.3 times"
        );
        assert!(fault("per_replayed_event", 1_000, 100_000).is_some());
        assert!(growths("quadratic", 1, 1)[0].fault().is_err());
    }

    #[test]
    fn what_was_not_measured_twice_is_an_error() {
        for ids in [&["a_0"][..], &["a_1"], &["a_0", "b_1"], &["a_0", "a_0"], &["a"], &[]] {
            let summaries: Vec<_> = ids.iter().map(|id| summary("constant", id, 1)).collect();
            assert!(parse(&summaries.join("\n")).is_err(), "{ids:?}");
        }
    }
}
