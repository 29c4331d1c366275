//! The model: an API that is compatible with OpenAI's chat completions.

use std::error::Error;
use std::time::Duration;

use futures_util::{Stream, StreamExt, stream};
use serde::Deserialize;
use serde_json::json;
use sse_kit::event::{DecodeError, Decoded, Decoder};

use crate::answer::{Ending, Piece};

/// The time for which the model may say nothing.
const SILENCE: Duration = Duration::from_secs(60);

/// The greatest length of an event, of which each holds one token.
const MAX_EVENT_BYTES: usize = 64 << 10;

/// Asks a model. Cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct Model {
    client: reqwest::Client,
    url: String,
    name: String,
    api_key: Option<String>,
}

impl Model {
    pub(crate) fn new(
        base_url: &str,
        name: String,
        api_key: Option<String>,
    ) -> reqwest::Result<Self> {
        let client = reqwest::Client::builder()
            .connect_timeout(Duration::from_secs(10))
            .read_timeout(SILENCE)
            .build()?;
        let url = format!("{}/chat/completions", base_url.trim_end_matches('/'));
        Ok(Self { client, url, name, api_key })
    }

    /// Streams the answer to a question, piece by piece. The last piece says how it ended.
    pub(crate) fn answer(self, prompt: String) -> impl Stream<Item = Piece> + Send {
        let tokens = stream::once(async move { self.ask(&prompt).await });
        let tokens = tokens.flat_map(|asked| match asked {
            Ok(response) => Tokens::new(response).into_stream().left_stream(),
            Err(error) => stream::iter([Err(error)]).right_stream(),
        });
        // Nothing follows an error.
        tokens.map(Some).chain(stream::iter([None])).scan(false, |is_over, token| {
            let piece = match token {
                _ if *is_over => None,
                Some(Ok(token)) => Some(Piece::Token(token)),
                None => Some(Piece::End(Ending::Done)),
                Some(Err(error)) => {
                    tracing::error!(error = &error as &dyn Error, "an answer ended early");
                    Some(Piece::End(Ending::Failed))
                }
            };
            *is_over |= matches!(piece, Some(Piece::End(_)));
            std::future::ready(piece)
        })
    }

    async fn ask(&self, prompt: &str) -> Result<reqwest::Response, ModelError> {
        let mut request = self.client.post(&self.url).json(&json!({
            "model": self.name,
            "stream": true,
            "messages": [{ "role": "user", "content": prompt }],
        }));
        if let Some(key) = &self.api_key {
            request = request.bearer_auth(key);
        }
        Ok(request.send().await?.error_for_status()?)
    }
}

/// Reads the tokens out of a response.
struct Tokens {
    response: reqwest::Response,
    decoder: Decoder,
    /// The fault in the bytes behind those that can be decoded.
    failure: Option<DecodeError>,
}

impl Tokens {
    fn new(response: reqwest::Response) -> Self {
        Self { response, decoder: Decoder::with_limit(MAX_EVENT_BYTES), failure: None }
    }

    fn into_stream(self) -> impl Stream<Item = Result<String, ModelError>> + Send {
        stream::try_unfold(self, async |mut tokens| {
            Ok(tokens.next().await?.map(|token| (token, tokens)))
        })
    }

    async fn next(&mut self) -> Result<Option<String>, ModelError> {
        loop {
            while let Some(decoded) = self.decoder.pop() {
                let Decoded::Message(message) = decoded else { continue };
                if message.data == "[DONE]" {
                    return Ok(None);
                }
                let chunk: Chunk = serde_json::from_str(&message.data)?;
                let token =
                    chunk.choices.into_iter().next().and_then(|choice| choice.delta.content);
                if let Some(token) = token.filter(|token| !token.is_empty()) {
                    return Ok(Some(token));
                }
            }
            if let Some(failure) = self.failure.take() {
                return Err(failure.into());
            }
            let Some(bytes) = self.response.chunk().await? else { return Err(ModelError::CutOff) };
            self.failure = self.decoder.push(&bytes).err();
        }
    }
}

/// A part of an answer, as the API sends it.
#[derive(Debug, Deserialize)]
struct Chunk {
    #[serde(default)]
    choices: Vec<Choice>,
}

#[derive(Debug, Deserialize)]
struct Choice {
    delta: Delta,
}

#[derive(Debug, Deserialize)]
struct Delta {
    content: Option<String>,
}

/// The reason why there is no whole answer.
#[derive(Debug, thiserror::Error)]
enum ModelError {
    #[error("the model cannot be reached, or refuses")]
    Request(#[from] reqwest::Error),
    #[error("the model sends an event that is too large")]
    Decode(#[from] DecodeError),
    #[error("the model sends something else than a part of an answer")]
    Chunk(#[from] serde_json::Error),
    #[error("the model stopped in the middle of an answer")]
    CutOff,
}
