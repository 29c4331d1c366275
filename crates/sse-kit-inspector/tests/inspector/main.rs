//! The inspector: who may see it, what it shows, what it does, and what it keeps.

mod actions;
mod bounds;
mod live;
mod site;
mod texts;
mod viewing;

type TestResult = Result<(), Box<dyn std::error::Error>>;
