//! Tasks and streams that outlast the goodbye: they have the time of slow clients, and are not said to have ended when
//! they have not.

use std::process::ExitCode;
use std::time::Duration;

use sse_kit_broadcast::Hub;
use sse_kit_event::Topic;
use sse_kit_shutdown::{Ended, Phase, ProgressLine, Shutdown};

type TestResult = Result<(), Box<dyn std::error::Error>>;

fn shutdown(hub: Hub) -> Shutdown {
    let settings = Shutdown::builder().hub(hub).progress_line(ProgressLine::Never);
    settings.shutdown_delay(Duration::from_secs(2)).deadline(Duration::from_secs(10)).build()
}

#[tokio::test(start_paused = true)]
async fn work_that_outlasts_everything_else_is_not_drained() -> TestResult {
    for (ends_after, ended, code) in [
        (Duration::from_secs(9), Ended::Drained, ExitCode::SUCCESS),
        (Duration::from_secs(3600), Ended::Deadline, ExitCode::FAILURE),
    ] {
        let shutdown = shutdown(Hub::new());
        let work = shutdown.work()?;
        tokio::spawn(async move {
            tokio::time::sleep(ends_after).await;
            drop(work);
        });
        shutdown.trigger();
        // The server ends in order.
        let outcome = shutdown.run(None, shutdown.reached(Phase::Closed)).await;
        assert_eq!((outcome.ended, outcome.work_cut > 0), (ended, ended == Ended::Deadline));
        assert_eq!(outcome.took, ends_after.min(Duration::from_secs(10)));
        assert_eq!(format!("{:?}", outcome.exit_code()), format!("{code:?}"));
    }
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn streams_that_the_server_does_not_know_have_time_to_end() -> TestResult {
    for (reads, ended) in [(true, Ended::Drained), (false, Ended::Deadline)] {
        let hub = Hub::new();
        let topic: Topic = "t".parse()?;
        let mut stream = hub.subscribe(&topic).open()?;
        let shutdown = shutdown(hub);
        tokio::spawn({
            let closed = shutdown.reached(Phase::Closed);
            async move {
                closed.await;
                tokio::time::sleep(Duration::from_secs(if reads { 1 } else { 3600 })).await;
                while stream.recv().await.is_some() {}
            }
        });
        shutdown.trigger();
        let outcome = shutdown.run(None, shutdown.stopping()).await;
        assert_eq!((outcome.ended, outcome.streams), (ended, 1));
        assert_eq!(outcome.streams_cut, usize::from(!reads));
    }
    Ok(())
}
