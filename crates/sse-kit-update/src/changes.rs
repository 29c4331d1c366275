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
/// use sse_kit_update::{BoxError, Changes, IntoOutput};
///
/// let fill = Update::fill("total".parse()?, &Html::text(3))?;
/// let both = (fill, Some(Update::delete("loading".parse()?)));
/// let changes: Changes = both.into_output()?;
/// assert_eq!(changes.0.len(), 2);
/// # Ok::<(), BoxError>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Changes(pub Updates);

impl IntoOutput<Changes> for Changes {
    fn into_output(self) -> Result<Changes, BoxError> {
        Ok(self)
    }
}

impl IntoOutput<Changes> for () {
    fn into_output(self) -> Result<Changes, BoxError> {
        Ok(Changes::default())
    }
}

impl IntoOutput<Changes> for Update {
    fn into_output(self) -> Result<Changes, BoxError> {
        Ok(Changes(self.into()))
    }
}

impl IntoOutput<Changes> for Updates {
    fn into_output(self) -> Result<Changes, BoxError> {
        Ok(Changes(self))
    }
}

impl<R: IntoOutput<Changes>> IntoOutput<Changes> for Option<R> {
    fn into_output(self) -> Result<Changes, BoxError> {
        flatten(self)
    }
}

impl<R: IntoOutput<Changes>> IntoOutput<Changes> for Vec<R> {
    fn into_output(self) -> Result<Changes, BoxError> {
        flatten(self)
    }
}

impl<R: IntoOutput<Changes>, const N: usize> IntoOutput<Changes> for [R; N] {
    fn into_output(self) -> Result<Changes, BoxError> {
        flatten(self)
    }
}

impl<A, B> IntoOutput<Changes> for (A, B)
where
    A: IntoOutput<Changes>,
    B: IntoOutput<Changes>,
{
    fn into_output(self) -> Result<Changes, BoxError> {
        let (a, b) = self;
        flatten([a.into_output(), b.into_output()])
    }
}

impl<A, B, C> IntoOutput<Changes> for (A, B, C)
where
    A: IntoOutput<Changes>,
    B: IntoOutput<Changes>,
    C: IntoOutput<Changes>,
{
    fn into_output(self) -> Result<Changes, BoxError> {
        let (a, b, c) = self;
        flatten([a.into_output(), b.into_output(), c.into_output()])
    }
}

fn flatten<R: IntoOutput<Changes>>(many: impl IntoIterator<Item = R>) -> Result<Changes, BoxError> {
    let mut all = Updates::default();
    for one in many {
        all.extend(one.into_output()?.0);
    }
    Ok(Changes(all))
}
