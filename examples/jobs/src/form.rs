//! The posted form, and why it may be refused.

use std::time::Duration;

use bytes::Bytes;
use http::StatusCode;
use http_body_util::{BodyExt, LengthLimitError, Limited};
use hyper::body::Body;
use sse_kit::http::CrossSiteError;

use crate::board::{Full, NoSuchJob};
use crate::job::{Folder, FolderError};

/// The largest form, in bytes.
const MAX_FORM: usize = 64 * 1024;

/// The time that a client may take to send the form.
const FORM_TIMEOUT: Duration = Duration::from_secs(10);

/// Reads the field `path` of the form.
pub(crate) async fn read_folder<B>(body: B) -> Result<Folder, Refusal>
where
    B: Body<Data = Bytes, Error: Into<Box<dyn std::error::Error + Send + Sync>>>,
{
    let body = Limited::new(body, MAX_FORM).collect();
    let body = tokio::time::timeout(FORM_TIMEOUT, body).await.map_err(|_| Refusal::TooSlow)?;
    let body = match body {
        Ok(body) => body.to_bytes(),
        Err(error) if error.is::<LengthLimitError>() => return Err(Refusal::TooLarge),
        Err(_broken_off) => return Err(Refusal::Broken),
    };
    let path = form_urlencoded::parse(&body).find(|(name, _)| name == "path");
    Ok(Folder::parse(&path.map(|(_, path)| path).unwrap_or_default())?)
}

/// The reason why a form is refused. The messages are read on the page.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Refusal {
    #[error(transparent)]
    Folder(#[from] FolderError),
    #[error(transparent)]
    Full(#[from] Full),
    #[error(transparent)]
    NoSuchJob(#[from] NoSuchJob),
    #[error("A page of another site asked for this.")]
    CrossSite(#[from] CrossSiteError),
    #[error("That is more than a form holds.")]
    TooLarge,
    #[error("The form took too long to arrive.")]
    TooSlow,
    #[error("The form did not arrive whole.")]
    Broken,
}

impl Refusal {
    pub(crate) fn status(&self) -> StatusCode {
        match self {
            Self::Folder(_) => StatusCode::UNPROCESSABLE_ENTITY,
            Self::Full(_) => StatusCode::TOO_MANY_REQUESTS,
            Self::NoSuchJob(_) => StatusCode::NOT_FOUND,
            Self::CrossSite(_) => StatusCode::FORBIDDEN,
            Self::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Self::TooSlow => StatusCode::REQUEST_TIMEOUT,
            Self::Broken => StatusCode::BAD_REQUEST,
        }
    }
}

#[cfg(test)]
mod tests {
    use http_body_util::Full as Whole;

    use super::*;

    async fn folder(form: &str) -> Result<String, Refusal> {
        read_folder(Whole::<Bytes>::new(form.to_owned().into())).await.map(|f| f.to_string())
    }

    #[tokio::test]
    async fn the_path_is_decoded() {
        assert_eq!(folder("x=1&path=%2Ftmp%2Fa+b&y=2").await.unwrap(), "/tmp/a b");
        for empty in ["", "path=", "path=++", "other=%2Ftmp"] {
            let refusal = folder(empty).await.unwrap_err();
            assert!(matches!(refusal, Refusal::Folder(FolderError::Empty)), "{empty}");
        }
    }

    #[tokio::test]
    async fn a_large_form_is_not_read_to_its_end() {
        let fits = format!("path={}", "x".repeat(4096));
        assert!(folder(&fits).await.is_ok());
        let refusal = folder(&format!("x={}", "x".repeat(MAX_FORM))).await.unwrap_err();
        assert_eq!(refusal.status(), StatusCode::PAYLOAD_TOO_LARGE);
    }
}
