//! Moves events from the outbox to the log, reads the log, and delivers its records to the hub.

use std::sync::Arc;
use std::time::Duration;

use sse_kit_broadcast::{Inlet, InletError, Lineage, Mark};
use sse_kit_event::{Epoch, EventId};
use tokio::time::{Instant, sleep, timeout};

use crate::config::PostgresConfig;
use crate::error::{PostgresConnectError, described};
use crate::link::Link;
use crate::pace::Pace;
use crate::page::{LogRow, MAX_ROWS, Page, PageError};
use crate::status::{Place, Shared};

/// The first and the maximum pause before a new connection.
const PAUSES: [Duration; 2] = [Duration::from_millis(20), Duration::from_millis(500)];

/// The interval between deletions of old records.
const TRIM_EVERY: Duration = Duration::from_secs(1);

/// The minimum interval between checks that everything was delivered.
const SETTLE_EVERY: Duration = Duration::from_millis(200);

/// Reads the log on its own connection.
#[derive(Debug)]
pub(crate) struct Reader {
    config: PostgresConfig,
    inlet: Inlet,
    shared: Arc<Shared>,
    pace: Pace,
    place: Place,
    /// The lineage of the epoch of that place.
    lineage: Lineage,
    trim_at: Instant,
    /// The end of the log at some look, and the connections that had joined by then. When the reader
    /// has delivered up to there, they have every event that they may claim to have seen.
    goal: Option<(u64, Mark)>,
    settled_at: Option<Instant>,
}

/// The reason why reading stopped.
pub(crate) enum Stopped {
    Failed(String),
    Closed,
}

impl From<PageError> for Stopped {
    fn from(error: PageError) -> Self {
        Self::Failed(described(&error))
    }
}

impl From<tokio_postgres::Error> for Stopped {
    fn from(error: tokio_postgres::Error) -> Self {
        Self::Failed(described(&error))
    }
}

impl From<PostgresConnectError> for Stopped {
    fn from(error: PostgresConnectError) -> Self {
        Self::Failed(described(&error))
    }
}

impl Reader {
    pub(crate) fn new(
        config: PostgresConfig,
        inlet: Inlet,
        shared: Arc<Shared>,
        lineage: Lineage,
    ) -> Self {
        let place = shared.place();
        let trim_at = Instant::now() + TRIM_EVERY;
        Self {
            config,
            inlet,
            shared,
            pace: Pace::default(),
            place,
            lineage,
            trim_at,
            goal: None,
            settled_at: None,
        }
    }

    /// Reads until the hub is gone.
    pub(crate) async fn run(mut self, link: Link) {
        let mut link = Some(link);
        let mut pause = PAUSES[0];
        loop {
            match self.read(link.take(), &mut pause).await {
                Stopped::Closed => return self.shared.close(),
                Stopped::Failed(error) => {
                    if self.shared.monitor.down(&error) {
                        tracing::warn!(error, "the log could not be read; retrying");
                    }
                }
            }
            self.pace = Pace::default();
            sleep(pause).await;
            pause = (pause * 2).min(PAUSES[1]);
            self.shared.reconnects.add(1);
        }
    }

    /// Reads until an error occurs.
    async fn read(&mut self, link: Option<Link>, pause: &mut Duration) -> Stopped {
        let link = match link {
            Some(link) => link,
            None => match Link::open(&self.config).await {
                Ok(link) => link,
                Err(error) => return error.into(),
            },
        };
        loop {
            if let Err(stopped) = self.step(&link).await {
                return stopped;
            }
            *pause = PAUSES[0];
        }
    }

    /// Moves and reads once, and waits for the next time.
    async fn step(&mut self, link: &Link) -> Result<(), Stopped> {
        let mark = self.mark()?;
        let patience = self.config.read_timeout();
        let view = self.shared.view();
        // Sent together, so the page has what was moved.
        let (moved, page) = tokio::join!(
            timeout(patience, link.sequence(&view)),
            link.pages.read(&link.session, self.place.at.offset(), MAX_ROWS, patience)
        );
        let moved = moved.map_err(PageError::from)??;
        let page = page?;
        if moved > 0 {
            self.pace.moved(Instant::now());
            self.shared.moved.add(moved.unsigned_abs());
        }
        let is_complete = self.take(link, page, mark).await?;
        if self.shared.monitor.up() {
            tracing::info!("the log can be read again");
        }
        self.trim(link).await;
        if !is_complete {
            return Ok(());
        }
        if self.pace.falls_asleep(Instant::now()) {
            timeout(patience, link.rest(&view.node)).await.map_err(PageError::from)??;
            // Looks once more: a publisher may have seen this node awake.
            return Ok(());
        }
        if self.pace.is_awake() {
            sleep(self.pace.interval()).await;
        } else {
            tokio::select! {
                () = link.session.news.notified() => {}
                () = sleep(self.pace.interval()) => {}
            }
        }
        Ok(())
    }

    /// Makes a mark, if it is time to confirm that everything was delivered.
    fn mark(&mut self) -> Result<Option<Mark>, Stopped> {
        let is_due = self.settled_at.is_none_or(|at| at.elapsed() >= SETTLE_EVERY);
        if self.goal.is_some() || !is_due {
            return Ok(None);
        }
        self.inlet.mark().map(Some).map_err(|_| Stopped::Closed)
    }

    /// Delivers the records of a page. Returns `true` if it was the end of the log.
    async fn take(&mut self, link: &Link, page: Page, mark: Option<Mark>) -> Result<bool, Stopped> {
        if page.epoch != self.place.at.epoch() {
            self.follow(link, &page).await?;
            return Ok(false);
        }
        let is_other = |tag| self.place.tag.is_some_and(|own| own != tag);
        if page.last < self.place.at.offset() || page.tag.is_some_and(is_other) {
            // The log was set back. The next call of `sse.sequence` begins a new epoch.
            return Ok(false);
        }
        if let Some(mark) = mark {
            self.goal = Some((page.last, mark));
        }
        self.shared.keeps_after(page.kept_after);
        self.skip_through(page.kept_after)?;
        let is_complete = page.rows.last().is_none_or(|row| row.offset >= page.last);
        let is_empty = page.rows.is_empty();
        for row in page.rows {
            self.deliver(row)?;
        }
        if is_empty {
            // Records that existed are gone.
            self.skip_through(page.last)?;
        }
        self.shared.see(EventId::new(page.epoch, page.last));
        if let Some((_, mark)) = self.goal.take_if(|(goal, _)| *goal <= self.place.at.offset()) {
            self.settled_at = Some(Instant::now());
            self.inlet.caught_up(mark);
        }
        Ok(is_complete)
    }

    /// Follows the log into a new epoch.
    async fn follow(&mut self, link: &Link, page: &Page) -> Result<(), Stopped> {
        let Some(lineage) = link.lineage(page.epoch, self.config.read_timeout()).await? else {
            return Ok(()); // it has begun another one since
        };
        let before = self.place;
        let shared = shared_with(&lineage, before.at.epoch(), &self.lineage);
        let began = if let Some(shared) = shared {
            self.inlet.begin_epoch_after(page.epoch, shared)
        } else {
            let begin = EventId::new(page.epoch, page.last);
            self.inlet.begin_epoch(begin).map(|()| begin)
        };
        let begin = match began {
            Ok(begin) => begin,
            Err(InletError::Closed) => return Err(Stopped::Closed),
            // The hub is in this epoch already, which it reports in the log.
            Err(_) => EventId::new(page.epoch, before.at.offset()),
        };
        let is_same = shared.is_some() && begin.offset() == before.at.offset();
        self.place = Place { at: begin, tag: before.tag.filter(|_| is_same) };
        tracing::warn!(from = %before.at, to = %begin, ?shared, "the log is in a new epoch");
        self.lineage = lineage;
        self.shared.begin(self.place);
        self.shared.epochs.add(1);
        self.goal = None;
        Ok(())
    }

    fn deliver(&mut self, row: LogRow) -> Result<(), Stopped> {
        self.skip_through(row.offset.saturating_sub(1))?;
        self.place =
            Place { at: EventId::new(self.place.at.epoch(), row.offset), tag: Some(row.tag) };
        self.shared.read_through(self.place);
        self.shared.read.add(1);
        deliver(self.place.at, row, &self.inlet, &self.shared)
    }

    /// Skips records up to this offset that were trimmed; the hub sends a gap for those that were not
    /// read.
    fn skip_through(&mut self, offset: u64) -> Result<(), Stopped> {
        let before = self.place.at.offset();
        if offset <= before {
            return Ok(());
        }
        tracing::warn!(
            after = before,
            through = offset,
            "records were deleted before they were read"
        );
        self.shared.lost.add(offset - before);
        self.place = Place { at: EventId::new(self.place.at.epoch(), offset), tag: None };
        self.shared.read_through(self.place);
        heard(self.inlet.mark_lost_through(offset))
    }

    /// Deletes old records, if it is time to. If that fails, reading goes on.
    async fn trim(&mut self, link: &Link) {
        let now = Instant::now();
        if now < self.trim_at {
            return;
        }
        self.trim_at = now + TRIM_EVERY;
        let trimming = link.trim(self.config.keep_events, self.config.keep_for);
        let trimmed = timeout(self.config.read_timeout(), trimming).await;
        let trimmed = trimmed.map_err(PageError::from).and_then(|trimmed| Ok(trimmed?));
        match trimmed {
            // The rest of many follows soon.
            Ok(true) => self.trim_at = now + TRIM_EVERY / 20,
            Ok(false) => {}
            Err(error) => {
                let error = described(&error);
                tracing::warn!(error, "old records could not be deleted; retrying");
            }
        }
    }
}

/// Returns the offset through which an epoch with the lineage `new` shares the records of `epoch`, which
/// has the lineage `own`: directly, or because both continue a third one, as after a restored backup.
fn shared_with(new: &Lineage, epoch: Epoch, own: &Lineage) -> Option<u64> {
    let through = |lineage: &Lineage, epoch| {
        let mut shared = lineage.as_slice().iter();
        shared.find(|shared| shared.epoch() == epoch).map(|shared| shared.offset())
    };
    through(new, epoch).or_else(|| {
        let both = own
            .as_slice()
            .iter()
            .filter_map(|older| Some(through(new, older.epoch())?.min(older.offset())));
        both.max()
    })
}

/// Delivers a row to the hub. It skips a row that is not a record, as all nodes do.
pub(crate) fn deliver(
    id: EventId,
    row: LogRow,
    inlet: &Inlet,
    shared: &Shared,
) -> Result<(), Stopped> {
    match row.record {
        Ok(record) => heard(inlet.deliver(id, record).map(drop)),
        Err(error) => {
            shared.skip(id, error);
            Ok(())
        }
    }
}

/// Reports the end of the task, also when it panics or is aborted.
impl Drop for Reader {
    fn drop(&mut self) {
        self.shared.close();
    }
}

/// Stops reading only if the hub is closed. The hub rejects and logs a record that is out of order,
/// and reading continues after it.
fn heard(answer: Result<(), InletError>) -> Result<(), Stopped> {
    match answer {
        Err(InletError::Closed) => Err(Stopped::Closed),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn epochs_share_what_both_continue() {
        let id = |epoch, offset| EventId::new(Epoch::new(epoch), offset);
        let (none, first) = (Lineage::default(), Lineage::default().continued(id(1, 10)));
        let second = first.continued(id(2, 15));
        assert_eq!(shared_with(&second, Epoch::new(2), &first), Some(15));
        // The backup was made in the first epoch.
        assert_eq!(shared_with(&first, Epoch::new(2), &second), Some(10));
        let earlier = Lineage::default().continued(id(1, 7));
        assert_eq!(shared_with(&earlier, Epoch::new(2), &first), Some(7));
        assert_eq!(shared_with(&none, Epoch::new(2), &first), None);
        assert_eq!(shared_with(&first, Epoch::new(3), &none), None);
    }
}
