//! The client, the page, the record and the property, on a small app and on ones with faults.

mod board;
mod converging;
mod markup;
mod pages;
mod recording;
mod streams;
