//! An answer under way.

use sse_kit::Event;
use sse_kit::event::EventName;
use sse_kit::http::SharedProgress;

/// A question, and its answer so far.
#[derive(Clone, Debug)]
pub(crate) struct Answer {
    pub(crate) prompt: String,
    pub(crate) text: String,
    pub(crate) ending: Option<Ending>,
}

/// The end of an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ending {
    Done,
    Failed,
}

/// A message of the model.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Piece {
    Token(String),
    End(Ending),
}

impl Answer {
    pub(crate) fn new(prompt: String) -> Self {
        Self { prompt, text: String::new(), ending: None }
    }
}

impl SharedProgress for Answer {
    type Item = Piece;

    fn event(&self, piece: &Piece) -> Event {
        match piece {
            Piece::Token(token) => Event::new(token.as_str()),
            Piece::End(Ending::Done) => Event::new("").with_name(name("done")),
            Piece::End(Ending::Failed) => Event::new("").with_name(name("failed")),
        }
    }

    fn apply(&mut self, piece: Piece) {
        match piece {
            Piece::Token(token) => self.text.push_str(&token),
            Piece::End(ending) => self.ending = Some(ending),
        }
    }
}

fn name(name: &str) -> EventName {
    name.parse().expect("it is a name")
}
