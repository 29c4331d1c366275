//! Serving until the process is told to end.

use std::error::Error;
use std::net::SocketAddr;
use std::pin::pin;
use std::process::ExitCode;
use std::time::Duration;

use http::{Request, Response};
use http_body::Body;
use hyper::body::Incoming;
use tokio::sync::oneshot;

use crate::server::{Outcome, Server};
use crate::signals::{Signal, Signals};

/// How a process that serves until a signal ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Ended {
    /// By one signal, after which it drained.
    Drained(Outcome),
    /// By a second signal, at once.
    Cut(Signal),
}

impl Ended {
    /// What the process is to exit with: 0 when all connections ended by themselves, 1 when some
    /// were cut off, and what the shell expects of a process that a signal ends when it was the
    /// second one (130 or 143).
    pub fn exit_code(self) -> ExitCode {
        match self {
            Self::Drained(Outcome { aborted: 0 }) => ExitCode::SUCCESS,
            Self::Drained(_) => ExitCode::FAILURE,
            Self::Cut(signal) => ExitCode::from(signal.exit_code()),
        }
    }
}

impl Server {
    /// Serves until SIGTERM or SIGINT, then calls `on_signal`, which is to end the streams, and
    /// drains as [`Server::serve`] does. A second signal ends it at once.
    pub async fn serve_until_signal<S, F, B, E>(
        self,
        mut signals: Signals,
        service: S,
        on_signal: impl FnOnce(Signal),
        drain: Duration,
    ) -> Ended
    where
        S: Fn(Request<Incoming>, SocketAddr) -> F + Clone + Send + 'static,
        F: Future<Output = Result<Response<B>, E>> + Send + 'static,
        B: Body + Send + 'static,
        B::Data: Send,
        B::Error: Into<Box<dyn Error + Send + Sync>>,
        E: Into<Box<dyn Error + Send + Sync>> + 'static,
    {
        let (stop, stopped) = oneshot::channel::<()>();
        let second_signal = async move {
            on_signal(signals.next().await);
            drop(stop);
            signals.next().await
        };
        let serving = pin!(self.serve(service, stopped, drain));
        let second_signal = pin!(second_signal);
        tokio::select! {
            outcome = serving => Ended::Drained(outcome),
            signal = second_signal => Ended::Cut(signal),
        }
    }
}
