//! What a handler may return.

use sse_kit_htmx::{Update, Updates};

use crate::failure::BoxError;

/// What a handler may return: nothing, one update or many, or a `Result` of these.
///
/// Nested ones are flattened, in order.
///
/// ```
/// use sse_kit_htmx::{Html, Update};
/// use sse_kit_update::IntoUpdates;
///
/// let fill = Update::fill("total".parse()?, &Html::text(3))?;
/// let both = (fill, Some(Update::delete("loading".parse()?)));
/// assert_eq!(both.into_updates()?.len(), 2);
/// # Ok::<(), Box<dyn std::error::Error + Send + Sync>>(())
/// ```
pub trait IntoUpdates {
    /// The updates, in order.
    ///
    /// # Errors
    ///
    /// The first error among them.
    fn into_updates(self) -> Result<Updates, BoxError>;
}

impl IntoUpdates for () {
    fn into_updates(self) -> Result<Updates, BoxError> {
        Ok(Updates::default())
    }
}

impl IntoUpdates for Update {
    fn into_updates(self) -> Result<Updates, BoxError> {
        Ok(self.into())
    }
}

impl IntoUpdates for Updates {
    fn into_updates(self) -> Result<Updates, BoxError> {
        Ok(self)
    }
}

/// The error has one type, so that a closure may end in `Ok(…)` without saying which.
impl<T: IntoUpdates> IntoUpdates for Result<T, BoxError> {
    fn into_updates(self) -> Result<Updates, BoxError> {
        self?.into_updates()
    }
}

impl<T: IntoUpdates> IntoUpdates for Option<T> {
    fn into_updates(self) -> Result<Updates, BoxError> {
        flatten(self)
    }
}

impl<T: IntoUpdates> IntoUpdates for Vec<T> {
    fn into_updates(self) -> Result<Updates, BoxError> {
        flatten(self)
    }
}

impl<T: IntoUpdates, const N: usize> IntoUpdates for [T; N] {
    fn into_updates(self) -> Result<Updates, BoxError> {
        flatten(self)
    }
}

impl<A: IntoUpdates, B: IntoUpdates> IntoUpdates for (A, B) {
    fn into_updates(self) -> Result<Updates, BoxError> {
        let (a, b) = self;
        flatten([a.into_updates(), b.into_updates()])
    }
}

impl<A: IntoUpdates, B: IntoUpdates, C: IntoUpdates> IntoUpdates for (A, B, C) {
    fn into_updates(self) -> Result<Updates, BoxError> {
        let (a, b, c) = self;
        flatten([a.into_updates(), b.into_updates(), c.into_updates()])
    }
}

fn flatten<T: IntoUpdates>(many: impl IntoIterator<Item = T>) -> Result<Updates, BoxError> {
    let mut all = Updates::default();
    for one in many {
        all.extend(one.into_updates()?);
    }
    Ok(all)
}
