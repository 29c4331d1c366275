//! The property that matters: a live page is what a fresh one is.

use std::cell::RefCell;
use std::panic::Location;

use proptest::test_runner::{Config, RngSeed, TestCaseError, TestError, TestRunner};
use tokio::runtime::Builder;

use crate::client::TestClient;
use crate::failure::{At, fail, listed};
use crate::page::TestPage;
use crate::scenario::{Scenario, Step};

/// Fails the test unless pages of an app converge: after any sequence of what users do, of cuts, of
/// reconnects and of gaps, each live page shows what a page shows that is loaded again.
///
/// `app` makes a new app for each run, in which the clock is paused and nothing is left to chance but
/// what the seed decides: see [`seeded`](crate::seeded). A run that fails is made shorter as far as it still
/// fails; the failure has its steps, the seed, and where the pages differ.
///
/// A page whose stream the server has ended for good is not compared, as it gets no more events; neither is the
/// answer to a form, which cannot be asked for again.
///
/// ```
/// # use std::sync::{Arc, Mutex};
/// # use http::{Request, Response};
/// # use http_body_util::{BodyExt, Full};
/// # use sse_kit_broadcast::Hub;
/// # use sse_kit_event::{Event, Topic};
/// # use sse_kit_htmx::{Connect, Dialect, Html, Update, Updates};
/// # use sse_kit_http::{SseRequest, SseResponse};
/// # use sse_kit_test::{Scenario, TestBody, TestClient, assert_converges};
/// # type Error = Box<dyn std::error::Error + Send + Sync>;
/// # async fn answer(hub: Hub, count: Arc<Mutex<u32>>, request: Request<TestBody>)
/// # -> Result<Response<http_body_util::Either<sse_kit_http::SseBody, Full<bytes::Bytes>>>, Error> {
/// #     let topic: Topic = "count".parse()?;
/// #     if request.uri().path() == "/events" {
/// #         let seen = SseRequest::from(&request).last_event_id();
/// #         let response = SseResponse::new(hub.subscribe(topic).resume(seen).open()?).into_response();
/// #         return Ok(response.map(http_body_util::Either::Left));
/// #     }
/// #     if request.method() == "POST" {
/// #         let update = { let mut count = count.lock().unwrap(); *count += 1;
/// #             Update::fill("count".parse()?, &Html::text(*count))? };
/// #         hub.publish(&topic, Event::new(Updates::from(update).render(Dialect::V4)?.as_str())).await?;
/// #     }
/// #     let connect = Connect::new("/events".parse()?).out_of_band().resume_from(hub.cursor());
/// #     let page = format!("<div{}></div><b id=count>{}</b><button hx-post=/ hx-swap=none>+1</button>",
/// #         connect.attributes(Dialect::V4)?, count.lock().unwrap());
/// #     Ok(Response::new(http_body_util::Either::Right(Full::from(page))))
/// # }
/// fn app() -> TestClient {
///     // Such as `TestClient::new(my_app::router())`.
///     # let (hub, count) = (Hub::new(), Arc::default());
///     # TestClient::new(tower::service_fn(move |request| answer(hub.clone(), Arc::clone(&count), request)))
/// }
///
/// let scenario = Scenario::page("/")
///     .and_page("/")
///     .action("click", async |page, _| page.click("button").await)
///     # .cases(4).on_gap(sse_kit_test::GapHandling::Reload);
/// assert_converges(async || app(), &scenario);
/// ```
///
/// # Panics
///
/// If pages do not converge; if there is nothing that users can do; or within a runtime of Tokio, as each
/// run has one of its own: begin the test with `#[test]`.
#[track_caller]
pub fn assert_converges(app: impl AsyncFn() -> TestClient, scenario: &Scenario) {
    let at = Location::caller();
    if let Err(failure) = converge(at, &app, scenario) {
        fail(at, failure);
    }
}

/// Looks for a run in which the pages of an app do not converge, as [`assert_converges`] does, and returns
/// what that would say.
///
/// # Errors
///
/// The text of the failure.
///
/// # Panics
///
/// As [`assert_converges`], but for pages that do not converge.
#[track_caller]
pub fn converges(app: impl AsyncFn() -> TestClient, scenario: &Scenario) -> Result<(), String> {
    converge(Location::caller(), &app, scenario)
}

fn converge(at: At, app: &impl AsyncFn() -> TestClient, scenario: &Scenario) -> Result<(), String> {
    if scenario.actions.is_empty() {
        fail(at, "the scenario has no action, so nothing can happen on the pages");
    }
    let config = Config {
        cases: scenario.cases,
        rng_seed: RngSeed::Fixed(scenario.seed),
        failure_persistence: None,
        max_shrink_iters: 2_000,
        ..Config::default()
    };
    let last = RefCell::new(String::new());
    let outcome = TestRunner::new(config).run(&scenario.strategy(), |steps| {
        let runtime = Builder::new_current_thread().enable_time().start_paused(true).build();
        let runtime = runtime.map_err(|error| TestCaseError::reject(error.to_string()))?;
        crate::seed::seed_all(scenario.seed);
        runtime.block_on(run(at, app, scenario, &steps)).map_err(|difference| {
            last.replace(difference.clone());
            TestCaseError::fail(difference)
        })
    });
    let Err(error) = outcome else { return Ok(()) };
    Err(match error {
        TestError::Fail(reason, steps) => format!(
            "the pages do not converge, by the seed {}, after:{}\n{reason}",
            scenario.seed,
            listed(steps.iter().map(|step| step.describe(scenario))),
        ),
        TestError::Abort(reason) => format!("no run could be made: {reason}"),
    })
}

/// Makes one run; returns how a page differs in the end.
async fn run(
    at: At,
    app: &impl AsyncFn() -> TestClient,
    scenario: &Scenario,
    steps: &[Step],
) -> Result<(), String> {
    let client = app().await;
    let mut pages = Vec::new();
    for path in &scenario.pages {
        let mut page = TestPage::open_at(at, &client, path).await;
        page.on_gap(scenario.on_gap);
        pages.push(page);
    }
    for step in steps {
        make(at, scenario, &mut pages, step).await;
    }
    for page in &mut pages {
        page.come_back(at).await;
    }
    // A page that returns causes events for the others, such as those of presence.
    for page in &mut pages {
        page.settle_at(at).await;
    }
    for (number, page) in pages.iter_mut().enumerate() {
        page.settle_at(at).await;
        if page.is_closed() || page.is_posted() {
            continue;
        }
        if let Some(difference) = page.staleness(at, &scenario.left_out).await {
            return Err(format!("page {number}: {difference}"));
        }
    }
    Ok(())
}

async fn make(at: At, scenario: &Scenario, pages: &mut [TestPage], step: &Step) {
    match step {
        Step::Act { action, page, choice } => {
            if let Some((_, act)) = scenario.actions.get(*action) {
                act(&mut pages[*page], *choice).await;
            }
        }
        Step::Settle(page) => pages[*page].settle_at(at).await,
        Step::Cut { page, bytes } => pages[*page].streams_mut().for_each(|s| s.cut_after(*bytes)),
        Step::Disconnect(page) => pages[*page].disconnect(),
        Step::Reconnect(page) => pages[*page].reconnect_at(at).await,
        Step::ResumeFrom { page, id } => {
            pages[*page].streams_mut().for_each(|stream| stream.resume_from(id));
            pages[*page].reconnect_at(at).await;
        }
        Step::Reload(page) => pages[*page].reload_at(at).await,
    }
}
