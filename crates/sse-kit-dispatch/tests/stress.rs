//! Registering, clearing and dispatching on several threads at once.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;

use serde_json::{Value, json};
use sse_kit_dispatch::{Dispatcher, DomainEvent};

fn block_on<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().build().expect("a runtime").block_on(future)
}

/// Each round registers a pair of handlers in one pattern each, and removes it. As changes are seen
/// in the order in which they are made, a dispatch sees the second of a pair only with the first.
#[test]
fn a_dispatch_sees_no_change_and_changes_are_seen_in_order() {
    let dispatcher = Dispatcher::new();
    dispatcher.on("a:b", |_| json!("always")).expect("a pattern");
    let (done, both) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
    let dispatching: Vec<_> = (0..3)
        .map(|_| {
            let (dispatcher, done, both) = (dispatcher.clone(), done.clone(), both.clone());
            thread::spawn(move || {
                block_on(async {
                    while !done.load(Ordering::Relaxed) {
                        let event = DomainEvent::new("a:b", &Value::Null).expect("an event");
                        let dispatched = dispatcher.dispatch(event).await.expect("no obstacle");
                        let values = dispatched.results.iter().map(|it| it.value.as_str());
                        let values: Vec<_> = values.map(|value| value.expect("text")).collect();
                        let pairs: &[&[&str]] =
                            &[&["always"], &["always", "first"], &["always", "first", "second"]];
                        assert!(pairs.contains(&&*values), "{values:?}");
                        both.fetch_add(usize::from(values.len() == 3), Ordering::Relaxed);
                    }
                });
            })
        })
        .collect();
    for round in 0..2_000 {
        let first = dispatcher.on("a:*", |_| json!("first")).expect("a pattern");
        let second = dispatcher.on("**:b", |_| json!("second")).expect("a pattern");
        // Now and then a pair stays until somebody has seen it.
        let seen = both.load(Ordering::Relaxed);
        while round % 100 == 0 && both.load(Ordering::Relaxed) == seen {
            assert!(dispatching.iter().all(|it| !it.is_finished()), "half of a change was seen");
            thread::yield_now();
        }
        assert!(dispatcher.remove(&second));
        assert!(dispatcher.remove(&first));
    }
    done.store(true, Ordering::Relaxed);
    for dispatching in dispatching {
        dispatching.join().expect("no dispatch saw half of a change");
    }
}

#[test]
fn what_threads_register_at_the_same_time_is_all_there() {
    let dispatcher = Dispatcher::new();
    thread::scope(|scope| {
        for thread in 0..4 {
            let dispatcher = &dispatcher;
            scope.spawn(move || {
                for n in 0..50 {
                    let pattern = format!("{thread}*:{n}:**");
                    dispatcher.on(pattern, |_| ()).expect("a pattern");
                    let event = DomainEvent::new(format!("{thread}x:{n}:y"), &Value::Null);
                    let dispatched = block_on(dispatcher.dispatch(event.expect("an event")));
                    assert_eq!(dispatched.expect("no obstacle").results.len(), 1, "at once");
                }
            });
        }
    });
    for thread in 0..4 {
        for n in 0..50 {
            let event = DomainEvent::new(format!("{thread}x:{n}:y"), &Value::Null);
            let dispatched = block_on(dispatcher.dispatch(event.expect("an event")));
            assert_eq!(dispatched.expect("no obstacle").results.len(), 1);
        }
    }
}

/// A value that a handler owns may come back to the dispatcher when it is dropped.
#[test]
fn handlers_are_dropped_when_no_lock_is_held() {
    struct Caller(Dispatcher, Arc<AtomicUsize>);
    impl Drop for Caller {
        fn drop(&mut self) {
            self.0.on("dropped", |_| ()).expect("a pattern");
            self.1.fetch_add(1, Ordering::Relaxed);
        }
    }
    let (dispatcher, dropped) = (Dispatcher::new(), Arc::new(AtomicUsize::new(0)));
    let register = || {
        let caller = Caller(dispatcher.clone(), dropped.clone());
        dispatcher.on("t", move |_| drop(caller.1.clone())).expect("a pattern")
    };
    let first = register();
    assert!(dispatcher.remove(&first));
    register();
    assert_eq!(dispatcher.clear(&"t".parse().expect("a pattern")), 1);
    register();
    dispatcher.clear_all();
    assert_eq!(dropped.load(Ordering::Relaxed), 3);
}
