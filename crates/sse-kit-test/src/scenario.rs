//! Scenarios: what may happen to pages in a test of convergence.

use std::fmt;
use std::rc::Rc;

use futures_util::FutureExt;
use futures_util::future::LocalBoxFuture;
use proptest::prelude::{Strategy, any};
use proptest::prop_oneof;
use proptest::strategy::Just;

use crate::page::TestPage;

/// Something that a test lets users do.
type Act = Rc<dyn for<'a> Fn(&'a mut TestPage, u32) -> LocalBoxFuture<'a, ()>>;

/// A set of things that may happen to the pages of an app: which pages are open, what users do on them, and what becomes of
/// their connections. [`assert_converges`](crate::assert_converges) tries many random runs of it.
///
/// Without any other setting there are 30 steps in each of 32 runs, and connections are lost in all the ways
/// that there are.
///
/// ```
/// # use sse_kit_test::TestClient;
/// use sse_kit_test::{Scenario, TestPage, assert_converges};
///
/// # fn client() -> TestClient {
/// #     panic!("the app of the test")
/// # }
/// # fn test() {
/// let scenario = Scenario::page("/")
///     .and_page("/")
///     .action("click", async |page: &mut TestPage, _| page.click("button").await);
/// assert_converges(async || client(), &scenario);
/// # }
/// ```
#[derive(Clone)]
#[must_use = "a scenario does nothing until it is run by `assert_converges`"]
pub struct Scenario {
    pub(crate) pages: Vec<String>,
    pub(crate) actions: Vec<(String, Act)>,
    pub(crate) left_out: Vec<String>,
    pub(crate) steps: usize,
    pub(crate) cases: u32,
    pub(crate) seed: u64,
    pub(crate) faults: bool,
    pub(crate) on_gap: crate::GapHandling,
}

impl Scenario {
    /// Begins a scenario with one page; open it twice by naming it twice.
    pub fn page(path: &str) -> Self {
        Self {
            pages: vec![path.to_owned()],
            actions: Vec::new(),
            left_out: Vec::new(),
            steps: 30,
            cases: 32,
            seed: 0x5eed,
            faults: true,
            on_gap: crate::GapHandling::default(),
        }
    }

    /// Adds a page that is open too.
    pub fn and_page(mut self, path: &str) -> Self {
        self.pages.push(path.to_owned());
        self
    }

    /// Adds something that a user may do on any of the pages. It is given a random number to choose by, so
    /// that a run can be had again.
    ///
    /// Where it cannot be done on a page as it is, it does nothing: a button may be gone, and the page may be
    /// one that does not have it.
    pub fn action<F>(mut self, name: &str, act: F) -> Self
    where
        F: AsyncFn(&mut TestPage, u32) + 'static,
    {
        let act = Rc::new(act);
        let boxed: Act = Rc::new(move |page, choice| {
            let act = Rc::clone(&act);
            async move { act(page, choice).await }.boxed_local()
        });
        self.actions.push((name.to_owned(), boxed));
        self
    }

    /// Leaves elements that match a selector out of the comparison: those that differ from page to page, such
    /// as the user's input, or the id of the connection.
    pub fn leave_out(mut self, selector: &str) -> Self {
        self.left_out.push(selector.to_owned());
        self
    }

    /// Sets how many steps a run has at most.
    pub fn steps(mut self, steps: usize) -> Self {
        self.steps = steps;
        self
    }

    /// Sets how many runs there are.
    pub fn cases(mut self, cases: u32) -> Self {
        self.cases = cases;
        self
    }

    /// Sets the seed of all runs. It is always the same unless this says otherwise, and stands in the failure.
    pub fn seed(mut self, seed: u64) -> Self {
        self.seed = seed;
        self
    }

    /// Leaves all connections as they are: only what users do happens.
    pub fn without_faults(mut self) -> Self {
        self.faults = false;
        self
    }

    /// Sets what pages do when their stream says that events are missing, where that is a script's work.
    pub fn on_gap(mut self, on_gap: crate::GapHandling) -> Self {
        self.on_gap = on_gap;
        self
    }

    /// Returns the strategy by which runs are made up.
    pub(crate) fn strategy(&self) -> impl Strategy<Value = Vec<Step>> + use<> {
        let (pages, actions) = (self.pages.len(), self.actions.len());
        let act = (0..actions.max(1), 0..pages, any::<u32>())
            .prop_map(|(action, page, choice)| Step::Act { action, page, choice });
        let fault = prop_oneof![
            4 => (0..pages).prop_map(Step::Settle),
            2 => (0..pages, 0..600_usize).prop_map(|(page, bytes)| Step::Cut { page, bytes }),
            2 => (0..pages).prop_map(Step::Disconnect),
            3 => (0..pages).prop_map(Step::Reconnect),
            1 => (0..pages, prop_oneof![Just("0-1"), Just("nonsense")])
                .prop_map(|(page, id)| Step::ResumeFrom { page, id }),
            1 => (0..pages).prop_map(Step::Reload),
        ];
        let settle = (0..pages).prop_map(Step::Settle);
        let acts = if actions > 0 { 12 } else { 1 };
        let step = if self.faults {
            prop_oneof![acts => act, 13 => fault].boxed()
        } else {
            prop_oneof![acts => act, 4 => settle].boxed()
        };
        proptest::collection::vec(step, 1..=self.steps.max(1))
    }
}

impl fmt::Debug for Scenario {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Scenario")
            .field("pages", &self.pages)
            .field("actions", &self.actions.iter().map(|(name, _)| name).collect::<Vec<_>>())
            .field("seed", &self.seed)
            .finish_non_exhaustive()
    }
}

/// One step of a run.
#[derive(Clone, Debug)]
pub(crate) enum Step {
    /// A user does something on a page.
    Act { action: usize, page: usize, choice: u32 },
    /// A page takes in the events under way.
    Settle(usize),
    /// A page's connection breaks after so many more bytes.
    Cut { page: usize, bytes: usize },
    /// A page's connection is lost.
    Disconnect(usize),
    /// A page comes back.
    Reconnect(usize),
    /// A page comes back and says that it has seen what it has not.
    ResumeFrom { page: usize, id: &'static str },
    /// A page is loaded again.
    Reload(usize),
}

impl Step {
    /// Describes the step, for a failure.
    pub(crate) fn describe(&self, scenario: &Scenario) -> String {
        match self {
            Self::Act { action, page, choice } => {
                let name = scenario.actions.get(*action).map_or("nothing", |(name, _)| name);
                format!("page {page}: {name} ({choice})")
            }
            Self::Settle(page) => format!("page {page} takes in what is under way"),
            Self::Cut { page, bytes } => {
                format!("page {page}: the connection breaks after {bytes} more bytes")
            }
            Self::Disconnect(page) => format!("page {page} loses its connection"),
            Self::Reconnect(page) => format!("page {page} comes back"),
            Self::ResumeFrom { page, id } => format!("page {page} comes back from `{id}`"),
            Self::Reload(page) => format!("page {page} is loaded again"),
        }
    }
}
