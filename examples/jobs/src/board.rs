//! All jobs, and telling every open page what happens to them.

use std::collections::{HashMap, VecDeque};
use std::error::Error;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Instant;

use sse_kit::broadcast::{SlowConsumer, SubscribeError, Subscription};
use sse_kit::event::{EventId, LastEventId};
use sse_kit::{Change, ChangeError, Dispatcher, Hub, IntoChange, SseKit};
use tokio::time::MissedTickBehavior;
use tokio_util::sync::CancellationToken;

use crate::job::{Folder, Job, JobId, State};
use crate::messages::{self, Added, Changed, Ended, Progressed, Unreadable};
use crate::peers::{ALIVE_EVERY, GONE_AFTER, Heard, Hearing, NodeId, Peers, Word};
use crate::progress::Progress;
use crate::store::{Saved, Store};

/// The number of jobs that are kept. Beyond it, jobs that have ended are removed, the oldest first.
const KEPT: usize = 200;

/// The maximum number of jobs that are queued or running.
const UNFINISHED: usize = 32;

/// All jobs. Each change is emitted, so that it shows on every page.
#[derive(Debug)]
pub(crate) struct Board {
    kit: SseKit<Jobs>,
    /// The other boards that are this one, if there are any.
    peers: Option<Peers>,
    /// The store that keeps the jobs for the next process, if there is one.
    store: Option<Store>,
}

#[derive(Debug)]
struct Jobs {
    newest_first: VecDeque<Entry>,
    next: JobId,
    /// The time at which a job was last added here.
    added: Option<Instant>,
    /// The time of the last message from each other node.
    heard: HashMap<NodeId, Instant>,
    /// The position up to which the messages of other nodes are known here.
    known_through: Option<EventId>,
}

#[derive(Debug)]
struct Entry {
    job: Job,
    started: Option<Instant>,
    cancel: CancellationToken,
    /// The node that runs it, when that is another.
    node: Option<NodeId>,
}

/// A job that nobody runs yet; the token is cancelled when it is to stop.
pub(crate) type Unstarted = (JobId, Folder, CancellationToken);

/// The content of a page, and the cursor from which the stream has everything that the page lacks.
#[derive(Debug)]
pub(crate) struct Snapshot {
    pub(crate) cursor: EventId,
    pub(crate) newest_first: Vec<Job>,
}

impl Board {
    pub(crate) fn new(hub: Hub, peers: Option<Peers>) -> Self {
        let next = peers.as_ref().map_or(JobId::FIRST, |peers| peers.me().first_job());
        let jobs = Jobs {
            newest_first: VecDeque::new(),
            next,
            added: None,
            heard: HashMap::new(),
            known_through: None,
        };
        Self { kit: messages::kit(hub, jobs), peers, store: None }
    }

    /// Restores a board with the jobs of the process before. Jobs that had not ended begin again.
    ///
    /// The second part is the jobs to run, the oldest first. The hub sends pages that were open
    /// these changes, and those that the process before may have been too late to send.
    pub(crate) async fn restored(hub: Hub, store: Store, saved: Saved) -> (Self, Vec<Unstarted>) {
        let Saved { newest_first, changed } = saved;
        let board = Self { store: Some(store), ..Self::new(hub, None) };
        let restore = move |jobs: &mut Jobs| {
            if newest_first.is_empty() {
                return Change::new(Vec::new());
            }
            let (mut told, mut unstarted) = (Vec::new(), Vec::new());
            for job in newest_first.into_iter().rev() {
                let is_lost = !job.state.has_ended();
                let job = if is_lost { Job::new(job.id, job.folder) } else { job };
                let entry =
                    Entry { job, started: None, cancel: CancellationToken::new(), node: None };
                if is_lost || changed == Some(entry.job.id) {
                    told.push(Changed(entry.job.clone()));
                }
                if is_lost {
                    unstarted.push((entry.job.id, entry.job.folder.clone(), entry.cancel.clone()));
                }
                jobs.next = entry.job.id.next();
                jobs.newest_first.push_front(entry);
            }
            Change::new(unstarted).emit(jobs.added()).emit(told)
        };
        let unstarted = board.change(restore).await;
        (board, unstarted)
    }

    /// Returns the dispatcher, through which all changes go.
    pub(crate) fn dispatcher(&self) -> &Dispatcher {
        self.kit.dispatcher()
    }

    pub(crate) async fn snapshot(&self) -> Snapshot {
        let read =
            |jobs: &Jobs| (jobs.known_through, jobs.newest_first.iter().map(Entry::now).collect());
        let ((known_through, newest_first), cursor) = self.kit.read(read).await;
        // With other nodes it is what this one has heard of them, as their messages to the pages may be
        // there already.
        Snapshot { cursor: known_through.unwrap_or(cursor), newest_first }
    }

    /// Subscribes a page to every change after `cursor`. A page that cannot keep up skips outdated
    /// changes: of each part of a job it gets only the newest.
    pub(crate) async fn watch(
        &self,
        seen: Option<LastEventId>,
        client: IpAddr,
    ) -> Result<Subscription, SubscribeError> {
        let subscribe = self.kit.hub().subscribe(messages::topic());
        let subscribe = subscribe.resume(seen).slow_consumer(SlowConsumer::Conflate);
        subscribe.client(client).metadata(client).backfill().await
    }

    /// Adds a job, which is queued. The token is cancelled when the job is to stop.
    pub(crate) async fn add(&self, folder: Folder) -> Result<(JobId, CancellationToken), Full> {
        let added = self.change(|jobs| {
            if jobs.unfinished() >= UNFINISHED {
                return Err(Full);
            }
            let added = jobs.add(folder);
            jobs.added = Some(Instant::now());
            let told = jobs.newest_first.front().map(|newest| self.tell_peers(&newest.job));
            Ok(Change::new(added).emit(told).emit(jobs.added()))
        });
        let added = added.await?;
        self.save(added.0).await;
        Ok(added)
    }

    /// Changes the jobs. If the hub cannot update the pages, which the kit logs, the state is right
    /// nevertheless, as is every page that is loaded later.
    async fn change<C, K>(&self, change: impl FnOnce(&mut Jobs) -> C) -> C::Value
    where
        C: IntoChange<K>,
    {
        self.kit.change(change).await.unwrap_or_else(ChangeError::into_value)
    }

    /// Tells a job to stop. It is [`State::Cancelled`] once it has.
    pub(crate) async fn cancel(&self, id: JobId) -> Result<(), NoSuchJob> {
        let find = |jobs: &Jobs| {
            let entry = jobs.newest_first.iter().find(|entry| entry.job.id == id)?;
            Some((entry.node, entry.cancel.clone()))
        };
        let (node, cancel) = self.kit.read(find).await.0.ok_or(NoSuchJob)?;
        match (node, &self.peers) {
            (Some(_), Some(peers)) => peers.tell(&Word::Cancel(id)).await,
            _ => cancel.cancel(),
        }
        Ok(())
    }

    pub(crate) async fn cancel_all(&self) {
        let cancel = |jobs: &Jobs| jobs.newest_first.iter().for_each(|it| it.cancel.cancel());
        self.kit.read(cancel).await;
    }

    pub(crate) async fn enter(&self, id: JobId, state: State, progress: Progress) {
        if self.has_left() {
            return;
        }
        self.change(|jobs| {
            let entry = jobs.entry(id)?;
            entry.enter(state, progress);
            let ended = entry.has_ended().then(|| Ended(entry.job.clone()));
            Some((self.tell_peers(&entry.job), Changed(entry.job.clone()), ended))
        })
        .await;
        self.save(id).await;
    }

    /// Returns `true` if jobs are left to the next process: no page would learn how they end here.
    fn has_left(&self) -> bool {
        self.store.is_some() && self.kit.hub().is_shut_down()
    }

    /// Keeps the jobs for the next process, of which this one has changed.
    async fn save(&self, changed: JobId) {
        let Some(store) = &self.store else { return };
        let jobs = |jobs: &Jobs| jobs.newest_first.iter().map(Entry::now).collect();
        let saved = async {
            let newest_first = self.kit.read(jobs).await.0;
            Saved { newest_first, changed: Some(changed) }
        };
        if let Err(error) = store.save(saved).await {
            tracing::error!(
                error = &*error as &dyn Error,
                "the next process will not know of a change"
            );
        }
    }

    pub(crate) async fn progress(&self, id: JobId, progress: Progress) {
        self.change(|jobs| {
            let entry = jobs.entry(id)?;
            let more_errors = progress.errors != entry.job.progress.errors;
            entry.job.progress = progress;
            let job = entry.now();
            let unreadable = more_errors.then(|| Unreadable(job.clone()));
            Some((Progressed(job), unreadable))
        })
        .await;
    }

    /// Reads the messages from before this node joined, so that its first page shows all jobs.
    pub(crate) async fn catch_up_with_peers(&self) -> Result<Option<Hearing>, SubscribeError> {
        let Some(peers) = &self.peers else { return Ok(None) };
        let mut hearing = peers.hear()?;
        while let Some(heard) = hearing.next().await {
            let at = match heard {
                Heard::Word(id, word) => {
                    self.hear(peers.me(), id, word).await;
                    id
                }
                // What this node cannot hear any more concerns jobs that are long over.
                Heard::Gap(to) => to,
            };
            if peers.has_joined(at) {
                break;
            }
        }
        Ok(Some(hearing))
    }

    /// Returns the number of connections that are those of the board itself.
    pub(crate) fn own_connections(&self) -> usize {
        usize::from(self.peers.is_some())
    }

    /// Keeps up with what other nodes say, for as long as the server runs.
    pub(crate) async fn follow_peers(self: Arc<Self>, mut hearing: Hearing) {
        let Some(peers) = &self.peers else { return };
        let mut tick = tokio::time::interval(ALIVE_EVERY);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                _ = tick.tick() => {
                    peers.tell(&Word::Alive(peers.me())).await;
                    self.give_up_on_the_gone().await;
                }
                heard = hearing.next() => match heard {
                    Some(Heard::Word(id, word)) => self.hear(peers.me(), id, word).await,
                    Some(Heard::Gap(to)) => self.repeat(to).await,
                    None => return,
                }
            }
        }
    }

    async fn hear(&self, me: NodeId, id: EventId, word: Word) {
        self.change(|jobs| {
            jobs.known_through = Some(id);
            match word {
                Word::Hello => {}
                Word::Alive(node) => jobs.hear_of(node),
                Word::Job(node, _) if node == me => {}
                Word::Job(node, job) => {
                    jobs.hear_of(node);
                    let is_new = jobs.take(node, job);
                    // What this node told the pages lately may not have had it among the others.
                    if is_new && jobs.added.is_some_and(|at| at.elapsed() < ALIVE_EVERY * 2) {
                        return jobs.added();
                    }
                }
                Word::Cancel(id) => {
                    if let Some(entry) = jobs.entry(id) {
                        entry.cancel.cancel();
                    }
                }
            }
            None
        })
        .await;
    }

    /// Others may have missed what this node said, as this one has missed theirs.
    async fn repeat(&self, known_through: EventId) {
        self.change(|jobs| {
            jobs.known_through = Some(known_through);
            let own = jobs.newest_first.iter().filter(|entry| entry.node.is_none());
            own.map(|entry| self.tell_peers(&entry.job)).collect::<Vec<_>>()
        })
        .await;
    }

    /// Ends the jobs of nodes that are gone, which would never end.
    async fn give_up_on_the_gone(&self) {
        self.change(|jobs| {
            let Jobs { newest_first, heard, .. } = jobs;
            let mut ended = Vec::new();
            for entry in newest_first.iter_mut().filter(|entry| !entry.has_ended()) {
                let heard = entry.node.and_then(|node| heard.get(&node));
                if heard.is_some_and(|heard| heard.elapsed() > GONE_AFTER) {
                    entry.job.state = State::Failed("the node that ran it is gone".into());
                    ended.push((Changed(entry.job.clone()), Ended(entry.job.clone())));
                }
            }
            heard.retain(|_, heard| heard.elapsed() <= GONE_AFTER * 2);
            ended
        })
        .await;
    }

    /// Returns the message about a job for the other nodes, if there are any, in the order of the
    /// changes.
    fn tell_peers(&self, job: &Job) -> Change {
        let change = Change::new(());
        match &self.peers {
            Some(peers) => peers.add_job(change, job),
            None => change,
        }
    }

    /// Returns the number of jobs, and of those that have not ended.
    pub(crate) async fn count(&self) -> (usize, usize) {
        self.kit.read(|jobs| (jobs.newest_first.len(), jobs.unfinished())).await.0
    }
}

impl Jobs {
    fn add(&mut self, folder: Folder) -> (JobId, CancellationToken) {
        let id = self.next;
        self.next = id.next();
        self.make_room();
        let cancel = CancellationToken::new();
        let job = Job::new(id, folder);
        let entry = Entry { job, started: None, cancel: cancel.clone(), node: None };
        self.newest_first.push_front(entry);
        (id, cancel)
    }

    /// Returns the newest job, with the ids of the others.
    fn added(&self) -> Option<Added> {
        let mut all = self.newest_first.iter();
        let job = all.next()?.now();
        Some(Added { job, others: all.map(|entry| entry.job.id).collect() })
    }

    /// Takes in what another node says of a job; true when it is new here.
    fn take(&mut self, node: NodeId, job: Job) -> bool {
        if let Some(entry) = self.entry(job.id) {
            entry.job = job;
            return false;
        }
        self.make_room();
        let cancel = CancellationToken::new();
        self.newest_first.push_front(Entry { job, started: None, cancel, node: Some(node) });
        true
    }

    fn hear_of(&mut self, node: NodeId) {
        self.heard.insert(node, Instant::now());
    }

    fn make_room(&mut self) {
        if self.newest_first.len() >= KEPT
            && let Some(oldest) = self.newest_first.iter().rposition(Entry::has_ended)
        {
            self.newest_first.remove(oldest);
        }
    }

    fn entry(&mut self, id: JobId) -> Option<&mut Entry> {
        self.newest_first.iter_mut().find(|entry| entry.job.id == id)
    }

    fn unfinished(&self) -> usize {
        let here = self.newest_first.iter().filter(|entry| entry.node.is_none());
        here.filter(|entry| !entry.has_ended()).count()
    }
}

impl Entry {
    fn enter(&mut self, state: State, progress: Progress) {
        if state == State::Running {
            self.started = Some(Instant::now());
        }
        self.job = Job { progress, ..self.now() };
        self.job.state = state;
    }

    /// Returns the job as it is now.
    fn now(&self) -> Job {
        let mut job = self.job.clone();
        if let (State::Running, Some(started)) = (&job.state, self.started) {
            job.elapsed = started.elapsed();
        }
        job
    }

    fn has_ended(&self) -> bool {
        self.job.state.has_ended()
    }
}

/// The message is read on the page.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{UNFINISHED} jobs are waiting or running. Wait for one to end, or cancel one.")]
pub(crate) struct Full;

#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("There is no such job any more.")]
pub(crate) struct NoSuchJob;

#[cfg(test)]
mod tests;
