//! The output of a handler.

use sse_kit_dispatch::{BoxError, IntoOutput};
use sse_kit_htmx::{Update, Updates};

/// The updates that one handler made: nothing, one update, or many.
///
/// A handler returns `()`, an [`Update`], [`Updates`], or an `Option`, a `Vec`, an array or a tuple of
/// two or three of these. Nested ones are flattened, in order. Any of them may stand in a `Result` with
/// any error.
///
/// ```
/// use sse_kit_htmx::{Html, Update};
/// use sse_kit_update::{BoxError, PageUpdates, IntoOutput};
///
/// let fill = Update::fill("total".parse()?, &Html::text(3))?;
/// let both = (fill, Some(Update::delete("loading".parse()?)));
/// let changes: PageUpdates = both.into_output()?;
/// assert_eq!(changes.0.len(), 2);
/// # Ok::<(), BoxError>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq)]
pub struct PageUpdates(pub Updates);

impl IntoOutput<PageUpdates> for PageUpdates {
    fn into_output(self) -> Result<PageUpdates, BoxError> {
        Ok(self)
    }
}

impl IntoOutput<PageUpdates> for () {
    fn into_output(self) -> Result<PageUpdates, BoxError> {
        Ok(PageUpdates::default())
    }
}

impl IntoOutput<PageUpdates> for Update {
    fn into_output(self) -> Result<PageUpdates, BoxError> {
        Ok(PageUpdates(self.into()))
    }
}

impl IntoOutput<PageUpdates> for Updates {
    fn into_output(self) -> Result<PageUpdates, BoxError> {
        Ok(PageUpdates(self))
    }
}

impl<R: IntoOutput<PageUpdates>> IntoOutput<PageUpdates> for Option<R> {
    fn into_output(self) -> Result<PageUpdates, BoxError> {
        flatten(self)
    }
}

impl<R: IntoOutput<PageUpdates>> IntoOutput<PageUpdates> for Vec<R> {
    fn into_output(self) -> Result<PageUpdates, BoxError> {
        flatten(self)
    }
}

impl<R: IntoOutput<PageUpdates>, const N: usize> IntoOutput<PageUpdates> for [R; N] {
    fn into_output(self) -> Result<PageUpdates, BoxError> {
        flatten(self)
    }
}

impl<A, B> IntoOutput<PageUpdates> for (A, B)
where
    A: IntoOutput<PageUpdates>,
    B: IntoOutput<PageUpdates>,
{
    fn into_output(self) -> Result<PageUpdates, BoxError> {
        let (a, b) = self;
        flatten([a.into_output(), b.into_output()])
    }
}

impl<A, B, C> IntoOutput<PageUpdates> for (A, B, C)
where
    A: IntoOutput<PageUpdates>,
    B: IntoOutput<PageUpdates>,
    C: IntoOutput<PageUpdates>,
{
    fn into_output(self) -> Result<PageUpdates, BoxError> {
        let (a, b, c) = self;
        flatten([a.into_output(), b.into_output(), c.into_output()])
    }
}

fn flatten<R: IntoOutput<PageUpdates>>(
    many: impl IntoIterator<Item = R>,
) -> Result<PageUpdates, BoxError> {
    let mut all = Updates::default();
    for one in many {
        all.extend(one.into_output()?.0);
    }
    Ok(PageUpdates(all))
}
