//! The end of a server that returns or panics by itself, or whose future is dropped: everything ends with it.

use std::process::ExitCode;
use std::time::Duration;

use sse_kit_broadcast::{Delivery, Hub, Subscription};
use sse_kit_event::Topic;
use sse_kit_shutdown::{Ended, Phase, ProgressLine, Shutdown};
use sse_kit_test_support::in_time;

fn start() -> (Shutdown, Subscription) {
    let hub = Hub::new();
    let topic: Topic = "t".parse().expect("a topic");
    let stream = hub.subscribe(&topic).open().expect("the hub is open");
    let shutdown = Shutdown::builder()
        .hub(hub)
        .pre_drain(Duration::from_secs(20))
        .progress_line(ProgressLine::Never)
        .build();
    (shutdown, stream)
}

/// Reads a stream to its end, and returns whether it got a goodbye.
async fn has_goodbye(mut stream: Subscription) -> bool {
    let mut last = None;
    while let Some(delivery) = stream.recv().await {
        last = Some(delivery);
    }
    last.is_some_and(|last| matches!(last, Delivery::Goodbye(_)))
}

async fn assert_all_ended(shutdown: Shutdown, stream: Subscription) {
    in_time("stopping", shutdown.stopping()).await;
    in_time("the phase", shutdown.reached(Phase::Closed)).await;
    assert!(!shutdown.is_ready());
    assert!(shutdown.should_exit());
    assert!(in_time("the goodbye", has_goodbye(stream)).await);
}

#[tokio::test(start_paused = true)]
async fn a_server_that_returns_an_error_ends_its_streams_and_the_exit_code_says_so() {
    let (shutdown, stream) = start();
    let waits = tokio::spawn(shutdown.stopping());
    let reads = tokio::spawn(has_goodbye(stream));
    let work = shutdown.work().expect("it runs");
    let run = {
        let shutdown = shutdown.clone();
        tokio::spawn(async move { shutdown.run(None, async { Err::<(), _>("port in use") }).await })
    };
    in_time("the phase", shutdown.reached(Phase::Draining)).await;
    assert!(!shutdown.is_ready());
    // Work that is under way is waited for, as after a signal.
    assert_eq!(shutdown.phase(), Phase::Draining);
    drop(work);
    let outcome = in_time("the end", run).await.expect("no panic");
    assert_eq!((outcome.ended, outcome.served), (Ended::Returned, Some(Err("port in use"))));
    assert_eq!(outcome.streams, 1);
    assert_eq!(format!("{:?}", outcome.exit_code()), format!("{:?}", ExitCode::from(1)));
    assert!(in_time("the goodbye", reads).await.expect("no panic"));
    in_time("stopping", waits).await.expect("no panic");
}

#[tokio::test]
async fn a_server_that_panics_ends_its_streams() {
    let (shutdown, stream) = start();
    let run = {
        let shutdown = shutdown.clone();
        tokio::spawn(async move {
            let serving = async {
                tokio::task::yield_now().await;
                std::panic::panic_any("a server that panics");
            };
            shutdown.run(None, serving).await
        })
    };
    assert!(in_time("the end", run).await.expect_err("it panics").is_panic());
    assert_all_ended(shutdown, stream).await;
}

#[tokio::test]
async fn a_server_whose_future_is_dropped_ends_its_streams() {
    let (shutdown, stream) = start();
    let run = {
        let shutdown = shutdown.clone();
        tokio::spawn(async move { shutdown.run(None, std::future::pending::<()>()).await })
    };
    tokio::task::yield_now().await;
    run.abort();
    assert!(in_time("the end", run).await.expect_err("it is aborted").is_cancelled());
    assert_all_ended(shutdown, stream).await;
}
