//! The dashboard as its users see it, with sources that say what they like.

mod converging;
mod sent;

use std::future::pending;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use sse_kit::broadcast::Goodbye;
use sse_kit::{Hub, SseKit};
use sse_kit_test::{TestClient, TestPage, seeded};
use sse_kit_test_support::in_time;
use tokio::time::sleep;

use crate::figures::{Dashboard, MAX_DISKS};
use crate::panels::{self, PAGES};
use crate::reading::{DiskReading, Reading, Source, Space};
use crate::routes::{App, router};
use crate::sampler;

/// A page on htmx 4, and one on htmx 2.
const PATHS: [&str; 2] = ["/", "/?htmx=2"];

fn kit() -> SseKit<Dashboard> {
    panels::kit(Hub::builder().log(seeded(17)).build().expect("settings that fit"))
}

fn client(kit: &SseKit<Dashboard>) -> TestClient {
    TestClient::new(router(App { kit: kit.clone(), machine: "a machine".into() }))
}

/// Changes the state as the sampler does.
async fn sample(kit: &SseKit<Dashboard>, reading: Reading) {
    kit.change(|dashboard| sampler::add(dashboard, &reading, 0)).await.expect("it is emitted");
}

/// A machine with two cores that are as busy as this, in percent.
fn busy(percent: f32) -> Reading {
    Reading {
        cores: vec![percent; 2],
        memory: Space { used: 3 << 30, total: 8 << 30 },
        load: [0.5, 0.25, 0.125],
        received: 2_048.0,
        sent: 512.0,
        disks: vec![disk("/", 10)],
        ..Reading::default()
    }
}

fn disk(mounted_at: &str, used_gib: u64) -> DiskReading {
    let space = Space { used: used_gib << 30, total: 100 << 30 };
    DiskReading { mounted_at: mounted_at.into(), space }
}

/// A source that counts how often it was read, and says that the machine is as busy as that.
#[derive(Clone, Default)]
struct Counting(Arc<AtomicUsize>);

impl Counting {
    fn count(&self) -> usize {
        self.0.load(Ordering::Relaxed)
    }
}

impl Source for Counting {
    fn read(&mut self) -> Reading {
        let count = self.0.fetch_add(1, Ordering::Relaxed) + 1;
        busy(u8::try_from(count % 100).map_or(0.0, f32::from))
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_measured_shows_on_every_page() {
    let kit = kit();
    let client = client(&kit);
    tokio::spawn(sampler::run(kit.clone(), Counting::default(), pending()));
    let [mut first, mut second] =
        [TestPage::open(&client, PATHS[0]).await, TestPage::open(&client, PATHS[1]).await];
    assert_eq!(first.text("#cpu b").as_deref(), Some("–"), "nothing is known yet");
    // The first reading is where rates begin.
    first.expect_text("#cpu b", "2 %").await;
    for page in [&mut first, &mut second] {
        page.expect_text("#cpu b", "9 %").await;
        page.expect_text("#memory p", "3.0 GiB of 8.0 GiB").await;
        page.expect_text("#disks b", "10.0 GiB").await;
        assert_eq!(page.loads(), 1);
    }
    let label = first.attribute("#cpu .line", "aria-label").expect("a label");
    assert!(label.starts_with("Processor: 9\u{a0}% now, 2\u{a0}% to 9\u{a0}% in"), "{label}");
    let fresh = TestPage::open(&client, "/").await;
    assert!(
        fresh.text("#cpu b").is_some_and(|text| text != "–"),
        "a fresh page has figures at once"
    );
}

#[tokio::test(start_paused = true)]
async fn while_nobody_watches_nothing_is_measured() {
    let (kit, source) = (kit(), Counting::default());
    let client = client(&kit);
    tokio::spawn(sampler::run(kit.clone(), source.clone(), pending()));
    let day = Duration::from_secs(24 * 3600);
    sleep(day).await;
    assert_eq!(source.count(), 0);
    client.get("/").await.expect_status(200);
    sleep(day).await;
    assert_eq!(source.count(), 0, "it is the stream that watches");

    let mut page = TestPage::open(&client, "/").await;
    page.expect_text("#cpu b", "5 %").await;
    page.reload().await;
    page.expect_text("#cpu b", "9 %").await;
    let label = page.attribute("#cpu .line", "aria-label").expect("a label");
    assert!(label.contains("2\u{a0}% to 9\u{a0}%"), "a reload is no break: {label}");
    let line = page.attribute("#cpu .line path", "d").expect("a line");
    assert_eq!(line.matches('M').count(), 1, "{line}");

    page.disconnect();
    sleep(Duration::from_secs(10)).await;
    let count = source.count();
    assert!((9..=14).contains(&count), "{count}");
    sleep(Duration::from_secs(50)).await;
    assert_eq!(source.count(), count);
    let mut late = TestPage::open(&client, "/").await;
    assert_eq!(late.text("#cpu b").as_deref(), Some("–"), "old figures are not shown");
    late.expect("a figure", |page| page.text("#cpu b").is_some_and(|text| text != "–")).await;
    let line = late.attribute("#cpu .line path", "d").expect("a line");
    let runs: Vec<usize> =
        line.split('M').filter_map(|run| run.split_once(' ')?.0.parse().ok()).collect();
    assert_eq!(runs.len(), 2, "{line}");
    let apart = runs[1] - runs[0];
    assert!((60..=80).contains(&apart), "the minute without a page is missing: {line}");
}

#[tokio::test(start_paused = true)]
async fn the_sampler_stops_when_it_is_to() {
    for is_watched in [false, true] {
        let (kit, source) = (kit(), Counting::default());
        // Between two readings.
        let stop = sleep(Duration::from_millis(60_500));
        let sampler = tokio::spawn(sampler::run(kit.clone(), source.clone(), stop));
        let page = if is_watched { Some(TestPage::open(&client(&kit), "/").await) } else { None };
        let stopped = in_time("the end of the sampler", sampler).await.expect("it does not panic");
        assert!(stopped.is_ok());
        let count = source.count();
        assert_eq!(count > 0, is_watched);
        sleep(Duration::from_secs(60)).await;
        assert_eq!(source.count(), count);
        drop(page);
    }
}

#[tokio::test(start_paused = true)]
async fn the_sampler_ends_with_the_hub() {
    let kit = kit();
    let sampler = tokio::spawn(sampler::run(kit.clone(), Counting::default(), pending()));
    let mut page = TestPage::open(&client(&kit), "/").await;
    page.expect_text("#cpu b", "5 %").await;
    kit.hub().shut_down(Goodbye::StayAway);
    page.expect("a goodbye", TestPage::is_closed).await;
    let ended = in_time("the end of the sampler", sampler).await.expect("it does not panic");
    assert!(ended.is_ok());
}

#[tokio::test(start_paused = true)]
async fn a_source_that_fails_is_told_to_the_program() {
    struct Failing;
    impl Source for Failing {
        fn read(&mut self) -> Reading {
            panic!("the test has it fail");
        }
    }
    let kit = kit();
    let sampler = tokio::spawn(sampler::run(kit.clone(), Failing, pending()));
    let _page = TestPage::open(&client(&kit), "/").await;
    let ended = in_time("the end of the sampler", sampler).await.expect("it does not panic");
    assert!(ended.is_err());
}

#[tokio::test(start_paused = true)]
async fn a_slow_page_skips_all_but_the_newest() {
    let kit = kit();
    let mut slow = client(&kit).stream("/events").await;
    let cursor = kit.hub().cursor();
    for percent in 1..=40_u8 {
        let disks = vec![disk("/", u64::from(percent).min(2))];
        sample(&kit, Reading { disks, ..busy(f32::from(percent)) }).await;
    }
    let (disks, figures) = (slow.next().await.data, slow.next().await.data);
    assert!(disks.contains(">2.0\u{a0}GiB<") && !disks.contains("#cpu"), "{disks}");
    assert!(figures.contains("<b>40\u{a0}%</b>"), "{figures}");
    assert!(figures.contains("1\u{a0}% to 40\u{a0}%"), "its line lacks nothing: {figures}");
    slow.expect_silence(Duration::from_secs(5)).await;

    // One that comes back gets no more.
    slow.resume_from(&cursor.to_string());
    slow.disconnect();
    slow.reconnect().await;
    let (disks, figures) = (slow.next().await.data, slow.next().await.data);
    assert!(disks.contains(">2.0\u{a0}GiB<") && figures.contains("<b>40\u{a0}%</b>"));
    slow.expect_silence(Duration::from_secs(5)).await;
}

#[tokio::test(start_paused = true)]
async fn after_a_restart_the_page_loads_itself_again() {
    for path in PATHS {
        let kit = kit();
        let mut page = TestPage::open(&client(&kit), path).await;
        sample(&kit, busy(40.0)).await;
        page.expect_text("#cpu b", "40 %").await;
        page.stream().expect("a stream").resume_from("5f-17");
        page.disconnect();
        page.reconnect().await;
        page.settle().await;
        assert_eq!((page.loads(), page.text("#cpu b").as_deref()), (2, Some("40 %")));
    }
}

#[tokio::test(start_paused = true)]
async fn what_makes_no_sense_is_a_dash() {
    for path in PATHS {
        let kit = kit();
        let mut page = TestPage::open(&client(&kit), path).await;
        sample(&kit, busy(40.0)).await;
        page.expect_text("#disks b", "10.0 GiB").await;
        for odd in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY, -1.0] {
            #[expect(clippy::cast_possible_truncation, reason = "it is as odd as before")]
            let cores = vec![odd as f32, 20.0];
            let disks = vec![DiskReading { mounted_at: "/gone".into(), space: Space::default() }];
            let (received, sent, load) = (odd, odd, [odd; 3]);
            let memory = Space { used: 1, total: 0 };
            let swap = Space { used: u64::MAX, total: u64::MAX };
            sample(&kit, Reading { cores, memory, swap, load, received, sent, disks }).await;
            page.expect_text("#cpu p", "20 % 2 cores: –, 20 %").await;
            page.expect_text("#load p", "– – in 5 min, – in 15 min").await;
            page.expect_text("#received b", "–").await;
            page.expect_text("#memory p", "– · swap 16.0 EiB of 16.0 EiB").await;
            page.expect_text("#disks li", "/gone –").await;
            let html = page.html("main").expect("it is there");
            assert!(!html.contains("NaN") && !html.contains("inf"), "{html}");
        }
        sample(&kit, Reading::default()).await;
        page.expect_text("#cpu p", "– no cores are known").await;
        page.expect_count("#cpu .bars", 0).await;
        page.expect_count("#disks li", 0).await;
        page.expect_fresh(&[]).await;
        assert_eq!(page.loads(), 1);
    }
}

#[tokio::test(start_paused = true)]
async fn many_cores_and_many_disks_have_their_room() {
    let kit = kit();
    let disks: Vec<_> = (0..100_u64).map(|n| disk(&format!("/disk/{n}"), n)).collect();
    let cores = [7.0, 93.0].repeat(64);
    sample(&kit, Reading { cores, disks, ..busy(0.0) }).await;
    let page = TestPage::open(&client(&kit), "/").await;
    assert_eq!(page.text("#cpu p").as_deref(), Some("50 % 128 cores, the busiest 93 %"));
    assert_eq!(page.count("#disks li"), MAX_DISKS);
}

#[tokio::test(start_paused = true)]
async fn the_name_of_a_disk_is_no_markup() {
    for path in PATHS {
        let kit = kit();
        let mut page = TestPage::open(&client(&kit), path).await;
        let disks = vec![disk("/mnt/\"><script>alert(1)</script>", 5)];
        sample(&kit, Reading { disks, ..busy(1.0) }).await;
        page.expect_text("#disks span", "/mnt/\"><script>alert(1)</script>").await;
        assert_eq!(page.count("#disks script"), 0);
        assert_eq!(TestPage::open(&client(&kit), path).await.count("#disks script"), 0);
    }
}

/// The headers of the page, and the parts of its frame.
#[tokio::test(start_paused = true)]
async fn a_page_has_no_script_and_no_style_of_its_own() {
    let kit = kit();
    sample(&kit, busy(1.0)).await;
    let response = client(&kit).get("/").await.expect_status(200);
    let policy = response.header("content-security-policy").expect("a policy");
    assert!(policy.contains("default-src 'self'") && !policy.contains("unsafe"), "{policy}");
    let page = TestPage::open(&client(&kit), "/").await;
    assert_eq!((page.count("script:not([src]):not([type])"), page.count("[style], style")), (0, 0));
    assert_eq!(kit.hub().presence(&PAGES.into()).len(), 1);
}
