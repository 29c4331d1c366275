//! A gzip stream without the feature `gzip`: there is none.

use bytes::Bytes;
use sse_kit_broadcast::Delivery;

/// What nothing is ever compressed with.
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
