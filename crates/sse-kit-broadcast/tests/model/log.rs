//! A log that keeps what is published. It delivers, answers and reads at once, or when the story says so.

use std::collections::VecDeque;
use std::sync::Arc;

use parking_lot::Mutex;
use sse_kit_broadcast::{
    Append, AppendError, Appended, BoxFuture, Inlet, InletError, Log, LogPage, Mark, ReadError,
    Record,
};
use sse_kit_event::{Epoch, EventId, Topics};
use tokio::sync::oneshot;

/// The settings of a log.
#[derive(Clone, Copy, Debug)]
pub(crate) struct LogSettings {
    /// It delivers and answers later, as one over a network does, and other nodes share it.
    pub(crate) is_late: bool,
    /// The maximum number of records in a page.
    pub(crate) page: usize,
    /// It leaves out of a page what is not for the reader.
    pub(crate) selects: bool,
    pub(crate) max_backfill: u64,
}

#[derive(Clone, Debug)]
pub(crate) struct ModelLog {
    settings: LogSettings,
    state: Arc<Mutex<State>>,
}

#[derive(Debug)]
struct State {
    epoch: Epoch,
    /// By offset, from 1 on: all that was ever published in this epoch and those that it continues.
    records: Vec<Record>,
    /// The offset through which the hub has what there is.
    delivered: u64,
    /// The offset through which the log no longer has the records.
    deleted: u64,
    inlet: Option<Inlet>,
    /// The connections that were there, and the end of the log at that time.
    mark: Option<(Mark, u64)>,
    /// The appends that wait for an answer, oldest first.
    appends: VecDeque<oneshot::Sender<Result<Appended, AppendError>>>,
    /// The reads that wait for one.
    reads: Vec<oneshot::Sender<bool>>,
    reads_wait: bool,
    is_closed: bool,
}

impl ModelLog {
    pub(crate) fn new(epoch: Epoch, settings: LogSettings) -> Self {
        let state = State {
            epoch,
            records: Vec::new(),
            delivered: 0,
            deleted: 0,
            inlet: None,
            mark: None,
            appends: VecDeque::new(),
            reads: Vec::new(),
            reads_wait: true,
            is_closed: false,
        };
        Self { settings, state: Arc::new(Mutex::new(state)) }
    }

    /// Returns the id of the newest record, which the hub may not have yet.
    pub(crate) fn end(&self) -> EventId {
        self.state.lock().end()
    }

    pub(crate) fn newest(&self) -> Option<Record> {
        self.state.lock().records.last().cloned()
    }

    /// Returns the offset through which the records are deleted.
    pub(crate) fn deleted(&self) -> u64 {
        self.state.lock().deleted
    }

    /// Delivers the next record. Returns it with the number of receivers.
    pub(crate) fn deliver(&self) -> Option<(Record, Result<usize, InletError>)> {
        self.state.lock().deliver()
    }

    /// Answers the append that is at this place among those that wait: what was written, or an error
    /// that says nothing. Returns `false` if nobody waits for it.
    pub(crate) fn answer(&self, place: usize, answer: Result<EventId, &'static str>) -> bool {
        let append = self.state.lock().appends.remove(place);
        let answer = answer.map(Appended::new).map_err(|what| AppendError::Ambiguous(what.into()));
        append.is_some_and(|append| append.send(answer).is_ok())
    }

    /// Answers a read with a page, or with an error. Returns `false` if none waits.
    pub(crate) fn answer_read(&self, succeeds: bool) -> bool {
        let mut state = self.state.lock();
        state.reads.retain(|read| !read.is_closed());
        let read = (!state.reads.is_empty()).then(|| state.reads.remove(0));
        read.is_some_and(|read| read.send(succeeds).is_ok())
    }

    /// Answers every read at once from now on.
    pub(crate) fn answer_all_reads(&self) {
        self.state.lock().reads_wait = false;
        while self.answer_read(true) {}
    }

    /// Deletes all but this many of the records that it has delivered.
    pub(crate) fn delete_but(&self, keep: u64) {
        let mut state = self.state.lock();
        state.deleted = state.deleted.max(state.delivered.saturating_sub(keep));
    }

    /// Deletes so many records before it has delivered them. Returns these.
    pub(crate) fn lose(&self, many: usize) -> Vec<Record> {
        let mut state = self.state.lock();
        let from = usize::try_from(state.delivered).expect("small");
        let lost: Vec<_> = state.records[from..].iter().take(many).cloned().collect();
        if !lost.is_empty() && !state.is_closed {
            state.delivered += lost.len() as u64;
            state.deleted = state.delivered;
            let inlet = state.inlet.as_ref().expect("it is attached");
            inlet.mark_lost_through(state.delivered).expect("the hub is open");
        }
        lost
    }

    /// Marks the connections that are there by now.
    pub(crate) fn mark(&self) {
        let mut state = self.state.lock();
        let mark = state.inlet.as_ref().and_then(|inlet| inlet.mark().ok());
        let end = state.records.len() as u64;
        state.mark = mark.map(|mark| (mark, end));
    }

    /// Returns the number of records that it must deliver before it has caught up with its mark.
    pub(crate) fn lacks_to_mark(&self) -> Option<u64> {
        let state = self.state.lock();
        state.mark.map(|(_, end)| end.saturating_sub(state.delivered))
    }

    /// Says that the hub has all that there was at the mark.
    pub(crate) fn caught_up(&self) {
        let mut state = self.state.lock();
        if let (Some((mark, _)), Some(inlet)) = (state.mark.take(), &state.inlet) {
            inlet.caught_up(mark);
        }
    }

    /// Begins an epoch that shares everything up to this offset, or nothing.
    pub(crate) fn begin_epoch(&self, epoch: Epoch, shared: Option<u64>) -> Result<(), InletError> {
        let mut state = self.state.lock();
        let through = shared.unwrap_or(0);
        let inlet = state.inlet.as_ref().ok_or(InletError::Closed)?;
        match shared {
            Some(through) => _ = inlet.begin_epoch_after(epoch, through)?,
            None => inlet.begin_epoch(EventId::new(epoch, 0))?,
        }
        state.epoch = epoch;
        state.records.truncate(usize::try_from(through).expect("small"));
        state.delivered = state.delivered.min(through);
        state.deleted = state.deleted.min(through);
        state.mark = None;
        Ok(())
    }

    async fn page(
        &self,
        after: EventId,
        topics: Option<&Topics>,
        limit: usize,
    ) -> Result<LogPage, ReadError> {
        let waits = self.state.lock().begin_read();
        let succeeds = match waits {
            Some(answer) => answer.await.unwrap_or(false),
            None => true,
        };
        if !succeeds {
            return Err(ReadError::Unavailable("it is down".into()));
        }
        self.state.lock().page(after, topics, limit.min(self.settings.page))
    }
}

impl Log for ModelLog {
    fn position(&self) -> EventId {
        self.state.lock().end()
    }

    fn attach(&self, inlet: Inlet) {
        self.state.lock().inlet = Some(inlet);
    }

    fn append(&self, append: Append) -> BoxFuture<'_, Result<Appended, AppendError>> {
        let mut state = self.state.lock();
        if state.is_closed {
            return Box::pin(std::future::ready(Err(AppendError::Closed)));
        }
        state.records.push(append.record);
        if !self.settings.is_late {
            let id = state.end();
            let is_delivered = state.deliver().is_some_and(|(_, delivered)| delivered.is_ok());
            let appended = is_delivered.then(|| Appended::new(id)).ok_or(AppendError::Closed);
            return Box::pin(std::future::ready(appended));
        }
        let (answer, answered) = oneshot::channel();
        state.appends.push_back(answer);
        Box::pin(async move { answered.await.unwrap_or(Err(AppendError::Closed)) })
    }

    fn read(&self, after: EventId, limit: usize) -> BoxFuture<'_, Result<LogPage, ReadError>> {
        Box::pin(self.page(after, None, limit))
    }

    fn read_topics<'a>(
        &'a self,
        after: EventId,
        topics: &'a Topics,
        limit: usize,
    ) -> BoxFuture<'a, Result<LogPage, ReadError>> {
        Box::pin(self.page(after, Some(topics).filter(|_| self.settings.selects), limit))
    }

    fn max_backfill(&self) -> u64 {
        self.settings.max_backfill
    }

    fn is_shared(&self) -> bool {
        self.settings.is_late
    }

    fn close(&self) {
        self.state.lock().is_closed = true;
    }
}

impl State {
    fn end(&self) -> EventId {
        EventId::new(self.epoch, self.records.len() as u64)
    }

    fn deliver(&mut self) -> Option<(Record, Result<usize, InletError>)> {
        let record = self.records.get(usize::try_from(self.delivered).ok()?)?.clone();
        let id = EventId::new(self.epoch, self.delivered + 1);
        let delivered = self.inlet.as_ref()?.deliver(id, record.clone());
        self.delivered += u64::from(delivered.is_ok());
        Some((record, delivered))
    }

    fn begin_read(&mut self) -> Option<oneshot::Receiver<bool>> {
        let (answer, answered) = oneshot::channel();
        self.reads_wait.then(|| {
            self.reads.push(answer);
            answered
        })
    }

    /// Returns the records after an id, as a page that is complete up to its end.
    fn page(
        &self,
        after: EventId,
        topics: Option<&Topics>,
        limit: usize,
    ) -> Result<LogPage, ReadError> {
        if after.epoch() != self.epoch || after.offset() < self.deleted {
            return Err(ReadError::NotKept);
        }
        let (mut records, mut through) = (Vec::new(), after);
        let from = usize::try_from(after.offset()).expect("small");
        for (offset, record) in (after.offset() + 1..).zip(self.records.iter().skip(from)) {
            if records.len() == limit {
                break;
            }
            through = EventId::new(self.epoch, offset);
            if topics.is_none_or(|topics| topics.include(&record.audience)) {
                records.push((through, record.clone()));
            }
        }
        Ok(LogPage::new(records, through))
    }
}
