//! The parts of the book that are made from the code are up to date.

use anyhow::Result;

use super::Offence;
use super::sources::{Source, find};
use crate::book;

/// Finds files that differ from what `cargo xtask book` would write.
pub(super) fn offences(sources: &[Source]) -> Result<Vec<Offence>> {
    let is_stale =
        |page: &book::Page| find(sources, &page.path).map(|file| &file.text) != Some(&page.text);
    let stale = book::pages(sources)?.into_iter().filter(is_stale);
    Ok(stale
        .map(|page| Offence::in_file(&page.path, "is out of date; run `cargo xtask book`"))
        .collect())
}
