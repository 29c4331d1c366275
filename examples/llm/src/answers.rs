//! The answers, and what they have come to.

use std::collections::VecDeque;
use std::error::Error;
use std::sync::{Arc, Mutex, PoisonError};

use sse_kit::Hub;
use sse_kit::event::ConnectionId;
use sse_kit::http::SharedStream;

use crate::answer::Answer;
use crate::model::Model;

/// The number of answers that are kept; a new one replaces the oldest.
const KEPT: usize = 1_000;

/// The maximum number of answers under way.
pub(crate) const MAX_OPEN: usize = 16;

/// An answer and its id.
type Kept = (String, SharedStream<Answer>);

/// All answers. Cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct Answers {
    hub: Hub,
    model: Model,
    kept: Arc<Mutex<VecDeque<Kept>>>,
}

impl Answers {
    pub(crate) fn new(hub: Hub, model: Model) -> Self {
        Self { hub, model, kept: Arc::default() }
    }

    /// Asks the model, and returns the id of the answer. Everybody who knows the id may read the
    /// answer, so it cannot be guessed.
    pub(crate) fn ask(&self, prompt: String) -> Result<String, AskError> {
        let id = ConnectionId::random().map_err(|_| AskError::Random)?.to_string();
        let topic = format!("answers:{id}").parse().map_err(|_| AskError::Random)?;
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.iter().filter(|(_, answer)| is_open(answer)).count() >= MAX_OPEN {
            return Err(AskError::Busy);
        }
        let pieces = self.model.clone().answer(prompt.clone());
        let (answer, produce) =
            SharedStream::new(self.hub.clone(), topic, Answer::new(prompt), pieces);
        kept.push_back((id.clone(), answer));
        if kept.len() > KEPT {
            kept.pop_front();
        }
        drop(kept);
        // The model goes on when every page is closed; at shutdown the runtime drops it.
        tokio::spawn(async move {
            if let Err(error) = produce.await {
                tracing::warn!(error = &error as &dyn Error, "an answer was not published");
            }
        });
        Ok(id)
    }

    pub(crate) fn get(&self, id: &str) -> Option<SharedStream<Answer>> {
        let kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.iter().find(|(known, _)| known == id).map(|(_, answer)| answer.clone())
    }
}

fn is_open(answer: &SharedStream<Answer>) -> bool {
    answer.read(|_| ()).1.is_some()
}

/// The reason why nothing was asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum AskError {
    #[error("{MAX_OPEN} answers are under way")]
    Busy,
    #[error("there is no random number for the answer's id")]
    Random,
}
