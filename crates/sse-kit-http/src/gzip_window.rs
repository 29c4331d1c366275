//! The choice of what a compressed event may refer to.

/// The text that a compressed event may repeat by a reference: see
/// [`SseResponse::gzip_window`](crate::SseResponse::gzip_window).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum GzipWindow {
    /// Only the text of the event itself. The length of an event tells nothing about other events.
    #[default]
    Event,
    /// Also the text of the last four events of the same stream, if nothing was sent between them.
    ///
    /// Small events that resemble one another shrink: the updates of a progress bar to a tenth of their
    /// size, and alone to two thirds. Streams that were sent the same events still share the compressed
    /// bytes.
    Stream,
}
