//! The bytes that a page gets each second, as the README has them.

use axum::body::Body;
use axum::http::Request;
use http_body_util::BodyExt;
use sse_kit_test_support::in_time;
use tower::ServiceExt;

use super::{busy, kit, sample};
use crate::reading::{Reading, Space};
use crate::routes::{App, router};
use crate::series::Series;

const README: &str = include_str!("../../README.md");

/// Readings of a machine on which everything changes every second, as much as it can. They are the same at each run, as
/// the README has the figures.
fn restless(cores: usize) -> impl FnMut() -> Reading {
    let mut state = 17_u32;
    move || {
        // A linear congruential generator.
        let mut below = |limit: u32| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 8) % limit
        };
        let mut percent = || u8::try_from(below(101)).map_or(0.0, f32::from);
        let cores = (0..cores).map(|_| percent()).collect();
        let mut gib = |total: u32| {
            let (used, total) = (u64::from(below(total << 10)) << 20, u64::from(total) << 30);
            Space { used, total }
        };
        let (memory, swap) = (gib(8), gib(2));
        let load = [(); 3].map(|()| f64::from(below(1_000)) / 100.0);
        let (received, sent) = (f64::from(below(1 << 24)), f64::from(below(1 << 24)));
        Reading { cores, memory, swap, load, received, sent, disks: Vec::new() }
    }
}

/// Readings of a machine on which nothing changes.
fn quiet() -> Reading {
    Reading { disks: Vec::new(), ..busy(3.0) }
}

/// The mean bytes of a message in a minute, once the lines are full, for a client that accepts `encoding`.
async fn mean_bytes(encoding: &str, mut read: impl FnMut() -> Reading) -> usize {
    const SECONDS: usize = 60;
    let kit = kit();
    for _ in 0..Series::LENGTH {
        sample(&kit, read()).await;
    }
    let app = router(App { kit: kit.clone(), machine: "a machine".into() });
    let request = Request::get("/events").header("accept-encoding", encoding).body(Body::empty());
    let Ok(response) = app.oneshot(request.expect("a request")).await;
    let mut body = response.into_body();
    let mut next = async || {
        let frame = in_time("a frame", body.frame()).await.expect("it is open");
        frame.expect("it never fails").into_data().expect("data").len()
    };
    next().await;
    let mut bytes = 0;
    for _ in 0..SECONDS {
        sample(&kit, read()).await;
        bytes += next().await;
    }
    bytes / SECONDS
}

/// Rounds up to tenths of a kilobyte.
fn kilobytes(bytes: usize) -> String {
    let tenths = bytes.div_ceil(100);
    format!("{}.{} kB", tenths / 10, tenths % 10)
}

#[tokio::test(start_paused = true)]
async fn the_readme_says_how_much_a_page_is_sent() {
    let mut rows = Vec::new();
    for (machine, [plain, gzip]) in [
        ("nothing changes, 2 cores", both(|| quiet).await),
        ("everything changes at random, 2 cores", both(|| restless(2)).await),
        ("everything changes at random, 64 cores", both(|| restless(64)).await),
    ] {
        rows.push(format!("| {machine} | {} | {} |", kilobytes(plain), kilobytes(gzip)));
    }
    let rows = rows.join("\n");
    assert!(README.contains(&rows), "the README lacks these rows:\n{rows}");
}

/// The mean bytes of a message without and with compression.
async fn both<R: FnMut() -> Reading>(source: impl Fn() -> R) -> [usize; 2] {
    [mean_bytes("identity", source()).await, mean_bytes("gzip", source()).await]
}
