//! The replacement for gzip streams without the feature `gzip`.

use bytes::Bytes;
use sse_kit_broadcast::Delivery;

/// An uninhabited type: without the feature, no stream is compressed.
#[derive(Debug)]
pub(crate) enum Gzip {}

impl Gzip {
    pub(crate) fn delivery(&mut self, _: Delivery) -> Bytes {
        match *self {}
    }

    pub(crate) fn frame(&mut self, _: &Bytes) -> Bytes {
        match *self {}
    }

    pub(crate) fn end(self) -> Bytes {
        match self {}
    }
}
