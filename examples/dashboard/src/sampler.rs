//! One task, which measures once a second while somebody watches.

use std::time::Duration;

use sse_kit::broadcast::PresenceByKey;
use sse_kit::{ChangeError, IntoChange, SseKit};
use tokio::task::{JoinError, spawn_blocking};
use tokio::time::{Instant, Interval, MissedTickBehavior, interval_at};

use crate::figures::Dashboard;
use crate::panels::{DisksChanged, PAGES, Sampled};
use crate::reading::{Reading, Source};

/// The time between two readings.
pub(crate) const EVERY: Duration = Duration::from_secs(1);

/// Measures while there are pages, until `stop`.
///
/// While nobody watches, the task waits for the first page: no timer runs, and nothing is read. A page that loads
/// itself again is not away, as it counts for three more seconds.
pub(crate) async fn run(
    kit: SseKit<Dashboard>,
    source: impl Source,
    stop: impl Future<Output = ()>,
) -> Result<(), JoinError> {
    tokio::select! {
        () = stop => Ok(()),
        ended = measure(kit, source) => ended,
    }
}

async fn measure(kit: SseKit<Dashboard>, mut source: impl Source) -> Result<(), JoinError> {
    let mut pages = kit.hub().presence_by_key([PAGES.into()], |_page| Some(()));
    let mut newest = None;
    while let Ok(watching) = pages.changed().await {
        if watching.is_empty() {
            continue;
        }
        // Rates are those since the reading before, which may be hours old: this one does not count.
        (source, _) = read(source).await?;
        let mut ticks = interval_at(Instant::now() + EVERY, EVERY);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        while is_watched_until_tick(&mut pages, &mut ticks).await {
            let reading;
            (source, reading) = read(source).await?;
            let missed = missed_since(newest.replace(Instant::now()));
            change(&kit, |dashboard| add(dashboard, &reading, missed)).await;
        }
        // Figures that nobody keeps up to date are not shown to the next page.
        newest = Some(Instant::now());
        change(&kit, |dashboard| {
            dashboard.figures.skip(1);
            Sampled(dashboard.figures.clone())
        })
        .await;
    }
    Ok(())
}

/// Adds a reading, and returns what happened.
pub(crate) fn add(
    dashboard: &mut Dashboard,
    reading: &Reading,
    missed: u64,
) -> (Sampled, Option<DisksChanged>) {
    let have_changed = dashboard.add(reading, missed);
    let disks = have_changed.then(|| DisksChanged(dashboard.disks.clone()));
    (Sampled(dashboard.figures.clone()), disks)
}

/// Waits for the next tick; returns false if all pages leave before it.
async fn is_watched_until_tick(pages: &mut PresenceByKey<()>, ticks: &mut Interval) -> bool {
    loop {
        tokio::select! {
            watching = pages.changed() => match watching {
                Ok(watching) if !watching.is_empty() => {}
                _ => return false,
            },
            _ = ticks.tick() => return true,
        }
    }
}

/// Reads on a thread that may wait: a file system of the network takes its time to say how full it is.
async fn read<S: Source>(mut source: S) -> Result<(S, Reading), JoinError> {
    spawn_blocking(move || {
        let reading = source.read();
        (source, reading)
    })
    .await
}

/// Returns the seconds without a value since the newest one.
fn missed_since(newest: Option<Instant>) -> u64 {
    newest.map_or(0, |newest| (newest.elapsed() + EVERY / 2).as_secs().saturating_sub(1))
}

/// Changes what pages show. When open pages are not told, which the kit logs, the next change tells them.
async fn change<C, K>(kit: &SseKit<Dashboard>, change: impl FnOnce(&mut Dashboard) -> C)
where
    C: IntoChange<K, Value = ()>,
{
    kit.change(change).await.unwrap_or_else(ChangeError::into_value);
}
