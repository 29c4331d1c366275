//! Elements that show how a job is doing.

use crate::connect::{Connect, ConnectError};
use crate::dialect::Dialect;
use crate::element::Element;
use crate::element_id::{ElementId, ElementIdError};
use crate::endpoint::{Endpoint, EndpointError, PLACEHOLDER, has_other_placeholder};
use crate::html::Html;
use crate::tag::Tag;

/// A `<span>` with a connection of its own that shows how a job is doing.
///
/// The endpoint and the id come from templates, in which `{job_id}` stands for the job. It is
/// encoded in the URL, and has to be good as part of an [`ElementId`].
///
/// ```
/// use sse_kit_htmx::{Dialect, Html, JobSpan};
///
/// assert_eq!(
///     JobSpan::progress("17").initial(Html::text(0)).element(Dialect::V4)?.to_string(),
///     "<span id=\"progress-span-17\" hx-sse:connect=\"/stream_job_progress?job_id=17\" \
///      hx-status:4xx=\"swap:none\" hx-status:5xx=\"swap:none\">0</span>",
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
    /// The progress of a job: `/stream_job_progress?job_id={job_id}` in `progress-span-{job_id}`.
    pub fn progress(job_id: impl Into<String>) -> Self {
        Self::new(job_id, "/stream_job_progress?job_id={job_id}", "progress-span-{job_id}")
    }

    /// The status of a job: `/stream_job_status?job_id={job_id}` in `status-span-{job_id}`.
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

    /// Another template for the endpoint.
    pub fn endpoint_template(mut self, template: impl Into<String>) -> Self {
        self.endpoint_template = template.into();
        self
    }

    /// Another template for the element's id.
    pub fn id_template(mut self, template: impl Into<String>) -> Self {
        self.id_template = template.into();
        self
    }

    /// What it shows until the first event comes.
    pub fn initial(mut self, content: impl Into<Html>) -> Self {
        self.initial = content.into();
        self
    }

    /// The element for pages with this htmx.
    ///
    /// # Errors
    ///
    /// [`JobSpanError`] when what a template gives is no endpoint or no id.
    pub fn element(&self, dialect: Dialect) -> Result<Element, JobSpanError> {
        let endpoint = Endpoint::from_template(&self.endpoint_template, &self.job_id)?;
        if has_other_placeholder(&self.id_template) {
            return Err(JobSpanError::Placeholder);
        }
        let id = ElementId::new(&self.id_template.replace(PLACEHOLDER, &self.job_id))?;
        let element = Element::new(Tag::SPAN).id(&id).sse(&Connect::new(endpoint), dialect)?;
        Ok(element.child(self.initial.clone()))
    }
}

/// Why there is no element for a job.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum JobSpanError {
    /// The template of the endpoint gives none.
    #[error(transparent)]
    Endpoint(#[from] EndpointError),
    /// The template of the id holds another placeholder than `{job_id}`.
    #[error("the only placeholder of a template is `{PLACEHOLDER}`")]
    Placeholder,
    /// The template of the id gives none.
    #[error(transparent)]
    Id(#[from] ElementIdError),
    /// The element cannot connect so.
    #[error(transparent)]
    Connect(#[from] ConnectError),
}
