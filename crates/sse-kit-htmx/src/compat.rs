//! The elements for jobs of `cjm_fasthtml_sse`, for apps that come from there.
//!
//! Its elements for the progress and the status of a job have fixed endpoints and ids, made from
//! templates in which `{job_id}` stands for the job. New apps write an
//! [`Element`] with a [`Connect`] of their own.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};
use sse_kit_event::{TextError, TextErrorKind};

use crate::connect::Connect;
use crate::dialect::Dialect;
use crate::element::Element;
use crate::element_id::ElementId;
use crate::endpoint::{Endpoint, check_segment};
use crate::error::MarkupError;
use crate::html::Html;
use crate::tag::Tag;

/// A `<span>` with a connection of its own that shows how a job is doing.
///
/// The endpoint and the id come from templates, in which `{job_id}` stands for the job. It is
/// encoded in the URL, and has to be good as part of an [`ElementId`].
///
/// ```
/// use sse_kit_htmx::compat::JobSpan;
/// use sse_kit_htmx::{Dialect, Html};
///
/// assert_eq!(
///     JobSpan::progress("17").initial(Html::text(0)).element(Dialect::V4)?.to_string(),
///     "<span id=\"progress-span-17\" hx-sse:connect=\"/stream_job_progress?job_id=17\" \
///      hx-status:4xx=\"swap:none\" hx-status:5xx=\"swap:none\" hx-sse:close=\"sse-kit:close\">0</span>",
/// );
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct JobSpan {
    job_id: String,
    endpoint_template: String,
    id_template: String,
    initial: Html,
}

impl JobSpan {
    /// Shows the progress of a job: `/stream_job_progress?job_id={job_id}` in `progress-span-{job_id}`.
    pub fn progress(job_id: impl Into<String>) -> Self {
        Self::new(job_id, "/stream_job_progress?job_id={job_id}", "progress-span-{job_id}")
    }

    /// Shows the status of a job: `/stream_job_status?job_id={job_id}` in `status-span-{job_id}`.
    pub fn status(job_id: impl Into<String>) -> Self {
        Self::new(job_id, "/stream_job_status?job_id={job_id}", "status-span-{job_id}")
    }

    fn new(job_id: impl Into<String>, endpoint: &str, id: &str) -> Self {
        Self {
            job_id: job_id.into(),
            endpoint_template: endpoint.to_owned(),
            id_template: id.to_owned(),
            initial: Html::default(),
        }
    }

    /// Sets another template for the endpoint.
    pub fn endpoint_template(mut self, template: impl Into<String>) -> Self {
        self.endpoint_template = template.into();
        self
    }

    /// Sets another template for the element's id.
    pub fn id_template(mut self, template: impl Into<String>) -> Self {
        self.id_template = template.into();
        self
    }

    /// Sets the content until the first event comes.
    pub fn initial(mut self, content: impl Into<Html>) -> Self {
        self.initial = content.into();
        self
    }

    /// Returns the element for pages with this htmx.
    ///
    /// # Errors
    ///
    /// [`MarkupError`] when a template does not give an endpoint or an id.
    pub fn element(&self, dialect: Dialect) -> Result<Element, MarkupError> {
        let endpoint = endpoint_from_template(&self.endpoint_template, &self.job_id)?;
        if has_other_placeholder(&self.id_template) {
            return Err(other_placeholder(&self.id_template).into());
        }
        let id = ElementId::new(&self.id_template.replace(PLACEHOLDER, &self.job_id))?;
        let element = Element::new(Tag::SPAN).id(&id).sse(&Connect::new(endpoint), dialect)?;
        Ok(element.child(self.initial.clone()))
    }
}

/// The text that stands for the job in a template.
const PLACEHOLDER: &str = "{job_id}";

/// Everything but what [RFC 3986](https://www.rfc-editor.org/rfc/rfc3986#section-2.3) calls
/// unreserved.
const RESERVED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// Fills `{job_id}` into a template of an endpoint, encoded for a URL.
///
/// ```
/// use sse_kit_htmx::compat::endpoint_from_template;
///
/// let endpoint = endpoint_from_template("/jobs/{job_id}/events", "a/b & c")?;
/// assert_eq!(endpoint.as_str(), "/jobs/a%2Fb%20%26%20c/events");
/// assert!(endpoint_from_template("/jobs/{job_id}/events", "..").is_err());
/// # Ok::<(), sse_kit_htmx::TextError>(())
/// ```
///
/// # Errors
///
/// [`TextError`] if another placeholder is in the template or the job makes a segment that a
/// browser would resolve, and by the rules of [`Endpoint::new`].
pub fn endpoint_from_template(template: &str, job_id: &str) -> Result<Endpoint, TextError> {
    if has_other_placeholder(template) {
        return Err(other_placeholder(template));
    }
    let job = utf8_percent_encode(job_id, RESERVED).to_string();
    let path = template.split(['?', '#']).next().unwrap_or_default();
    for segment in path.split('/').filter(|segment| segment.contains(PLACEHOLDER)) {
        let segment = segment.replace(PLACEHOLDER, &job);
        check_segment(&percent_decode_str(&segment).decode_utf8_lossy())?;
    }
    Endpoint::new(&template.replace(PLACEHOLDER, &job))
}

/// Returns `true` if there is more between braces than the one placeholder that is filled in.
fn has_other_placeholder(template: &str) -> bool {
    template.replace(PLACEHOLDER, "").contains(['{', '}'])
}

fn other_placeholder(template: &str) -> TextError {
    let rule = "its only placeholder may be `{job_id}`";
    TextError::new(template, "a template", TextErrorKind::Form, rule)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn templates_encode_what_they_are_given() {
        let fill = |template: &str, id: &str| {
            endpoint_from_template(template, id).map(|endpoint| endpoint.as_str().to_owned())
        };
        assert_eq!(fill("/e?job_id={job_id}", "ü&x=1"), Ok("/e?job_id=%C3%BC%26x%3D1".into()));
        assert_eq!(fill("/e/{job_id}", "{job_id}"), Ok("/e/%7Bjob_id%7D".into()));
        assert_eq!(fill("/e?a={job_id}", ".."), Ok("/e?a=..".into()));
        for template in ["/e/{id}", "/e/{job_id"] {
            let error = fill(template, "1").unwrap_err().to_string();
            assert!(error.contains("only placeholder"), "{error}");
        }
    }

    #[test]
    fn a_job_leads_to_no_other_resource() {
        let refused = |template: &str, id: &str| {
            let error = endpoint_from_template(template, id).err();
            error.is_some_and(|error| error.to_string().contains("not a segment of a path"))
        };
        for id in ["..", ".", "", "../x", "..\\x", "a/../b"] {
            assert!(refused("/jobs/{job_id}/events", id), "{id}");
        }
        assert!(refused("/jobs/.{job_id}", "."));
        assert!(refused("/jobs/%2e{job_id}", "."));
        assert!(!refused("/jobs/{job_id}", "..."));
        assert!(!refused("/jobs/{job_id}", "%2e%2e"));
    }
}
