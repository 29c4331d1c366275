//! x
use anyhow::Result;
pub(super) fn run(_r: u32, _q: bool) -> Result<()> {
    Ok(())
}
