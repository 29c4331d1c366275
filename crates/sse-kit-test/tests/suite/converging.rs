//! Pages of a right app converge, and what is wrong with an app is found.

use sse_kit_test::{GapHandling, Scenario, TestPage, assert_converges, converges};

use crate::board::{Board, Fault};

fn scenario(path: &str) -> Scenario {
    Scenario::page(path)
        .and_page(path)
        .leave_out("input")
        .action("add", async |page: &mut TestPage, choice| {
            page.fill("[name=text]", &format!("note {choice}"));
            page.click("#new button").await;
        })
        .action("remove", async |page: &mut TestPage, choice| {
            let count = page.count("#notes li");
            if count > 0 {
                let nth = choice as usize % count + 1;
                page.click(&format!("#notes li:nth-child({nth}) button")).await;
            }
        })
        .cases(sse_kit_test_support::scaled(24))
        .seed(sse_kit_test_support::seed())
}

fn found(fault: Fault, scenario: &Scenario) -> String {
    let app = async || Board::new(fault).client();
    converges(app, scenario).expect_err("the fault is found")
}

#[test]
fn pages_of_a_right_app_converge_with_htmx_4() {
    assert_converges(async || Board::new(Fault::Nothing).client(), &scenario("/"));
}

#[test]
fn pages_of_a_right_app_converge_with_htmx_2() {
    assert_converges(async || Board::new(Fault::Nothing).client(), &scenario("/?htmx=2"));
}

#[test]
fn an_event_that_is_lost_is_found() {
    let failure = found(Fault::LosesEvents, &scenario("/"));
    assert!(failure.contains("the pages do not converge, by the seed"), "{failure}");
    assert!(failure.contains("page 0: add"), "{failure}");
    assert!(failure.contains("\n+ "), "what is lacking is shown: {failure}");
    // Three changes are what it takes, and the run was made nearly that short.
    let steps = failure.lines().skip(1).take_while(|line| line.starts_with("  page ")).count();
    assert!((3..6).contains(&steps), "{failure}");
}

#[test]
fn a_lost_event_is_found_without_faults_of_the_connection() {
    found(Fault::LosesEvents, &scenario("/?htmx=2").without_faults());
}

#[test]
fn a_page_that_ignores_gaps_is_found() {
    let failure = found(Fault::IgnoresGaps, &scenario("/"));
    assert!(failure.contains("sse-kit:gap"), "the page was told of one: {failure}");
    let healed = scenario("/").on_gap(GapHandling::Reload);
    assert_eq!(converges(async || Board::new(Fault::IgnoresGaps).client(), &healed), Ok(()));
}

#[test]
fn events_in_the_wrong_order_are_found() {
    found(Fault::SwapsEvents, &scenario("/").without_faults());
}

#[test]
fn runs_are_the_same_each_time() {
    let failures = [(); 2].map(|()| found(Fault::LosesEvents, &scenario("/")));
    let without_connections = failures.map(|failure| {
        let lines = failure.lines().filter(|line| !line.contains("sse-kit:hello"));
        lines.collect::<Vec<_>>().join("\n")
    });
    assert_eq!(without_connections[0], without_connections[1]);
}

#[test]
#[should_panic(expected = "has no action")]
fn a_scenario_in_which_nothing_can_happen_is_refused() {
    assert_converges(async || Board::new(Fault::Nothing).client(), &Scenario::page("/"));
}
