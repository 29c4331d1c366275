//! Ways to find the handlers of an event, each as a function that dispatches it once and returns
//! how many handlers were called.

use std::sync::Arc;

use anyhow::Result;
use globset::{GlobBuilder, GlobMatcher};
use serde_json::{Value, json};
use sse_kit_dispatch::{Dispatcher, DomainEvent};

use crate::patterns::EVENT_TYPE;

fn event() -> Result<DomainEvent> {
    Ok(DomainEvent::new(EVENT_TYPE, &json!({ "percent": 40 }))?)
}

fn percent(event: &DomainEvent) -> Value {
    event.data()["percent"].clone()
}

pub(crate) fn dispatcher(patterns: &[String]) -> Result<impl FnMut() -> usize + use<>> {
    let runtime = tokio::runtime::Builder::new_current_thread().build()?;
    let dispatcher = Dispatcher::new();
    for pattern in patterns {
        dispatcher.on(pattern.as_str(), |event| percent(&event))?;
    }
    let event = event()?;
    Ok(move || {
        let dispatched = runtime.block_on(dispatcher.dispatch(event.clone()));
        dispatched.map_or(0, |dispatched| dispatched.results.len())
    })
}

pub(crate) fn naive_loop(patterns: &[String]) -> Result<impl FnMut() -> usize + use<>> {
    type Handler = Box<dyn Fn(&DomainEvent) -> Value>;
    let handler = |pattern: &String| {
        let glob = GlobBuilder::new(&pattern.replace(':', "/")).literal_separator(true).build()?;
        Ok((glob.compile_matcher(), Box::new(percent) as Handler))
    };
    let handlers: Vec<(GlobMatcher, Handler)> =
        patterns.iter().map(handler).collect::<Result<_>>()?;
    let event = Arc::new(event()?);
    Ok(move || {
        let path = event.full_type().as_str().replace(':', "/");
        let matching = handlers.iter().filter(|(matcher, _)| matcher.is_match(&path));
        let results: Vec<Value> = matching.map(|(_, handler)| handler(&event)).collect();
        results.len()
    })
}
