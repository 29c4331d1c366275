//! The chat as its users see it: pages on which something is done, and pages that show it.

mod converging;

use std::net::SocketAddr;
use std::time::Duration;

use axum::extract::connect_info::MockConnectInfo;
use sse_kit::Hub;
use sse_kit::http::Quota;
use sse_kit::shutdown::Shutdown;
use sse_kit_test::{Recorder, TestClient, TestPage, seeded};

use crate::assets::Assets;
use crate::chat::Chat;
use crate::routes::{self, App};

fn hub() -> Hub {
    Hub::builder().history(20).log(seeded(17)).build().expect("settings that fit")
}

/// A client of a chat in which the room `tea` is open.
async fn client(hub: &Hub) -> TestClient {
    let app = App {
        chat: Chat::new(hub.clone()),
        shutdown: Shutdown::builder().hub(hub.clone()).build(),
        assets: Assets::new(None),
        limits: Quota::new().total(100).per_client(100),
    };
    let client = SocketAddr::from(([127, 0, 0, 1], 4000));
    let client = TestClient::new(routes::router(app).layer(MockConnectInfo(client)));
    open_tea(&client).await;
    client
}

async fn open_tea(client: &TestClient) {
    client.post("/enter", &[("room", "tea"), ("nick", "Ada")]).await.expect_status(303);
}

const ADA: &str = "/rooms/tea?nick=Ada";
const BOB: &str = "/rooms/tea?nick=Bob&htmx=2";

async fn say(page: &mut TestPage, text: &str) {
    page.fill("#text", text);
    page.submit("#say").await;
}

#[tokio::test(start_paused = true)]
async fn what_is_said_shows_on_every_page_once() {
    let client = client(&hub()).await;
    let mut ada = TestPage::open(&client, ADA).await;
    let mut bob = TestPage::open(&client, BOB).await;
    let mut lobby = TestPage::open(&client, "/").await;
    say(&mut ada, "<b>Tea?</b>").await;
    ada.expect_text("#said li", "Ada <b>Tea?</b>").await;
    bob.expect_text("#said li", "Ada <b>Tea?</b>").await;
    lobby.expect_text("#room-tea td:last-child", "Ada <b>Tea?</b>").await;
    ada.settle().await;
    assert_eq!(ada.count("#said li"), 1);
}

#[tokio::test(start_paused = true)]
async fn who_comes_and_goes_shows() {
    let client = client(&hub()).await;
    let mut ada = TestPage::open(&client, ADA).await;
    ada.expect_text("#people", "Ada").await;
    let mut bob = TestPage::open(&client, BOB).await;
    let _second_tab = TestPage::open(&client, BOB).await;
    ada.expect_text("#people", "AdaBob2 tabs").await;
    bob.expect_text("#people", "AdaBob2 tabs").await;
    bob.disconnect();
    ada.expect_text("#people", "AdaBob").await;
}

#[tokio::test(start_paused = true)]
async fn a_room_is_entered_from_the_lobby() {
    let client = client(&hub()).await;
    let mut page = TestPage::open(&client, "/").await;
    page.fill("[name=room]", "No Such Room!");
    page.submit("#open").await;
    assert_eq!(page.status(), 422);
    assert!(page.text("#refusal").is_some_and(|refusal| !refusal.is_empty()));

    page.fill("[name=room]", "tea");
    page.fill("[name=nick]", "Zoë & Co");
    page.submit("#open").await;
    assert_eq!(page.path(), "/rooms/tea?htmx=4&nick=Zo%C3%AB+%26+Co");
    page.expect_text("#people", "Zoë & Co").await;
}

#[tokio::test(start_paused = true)]
async fn who_was_away_gets_what_was_said() {
    let client = client(&hub()).await;
    let mut ada = TestPage::open(&client, ADA).await;
    let mut bob = TestPage::open(&client, BOB).await;
    bob.settle().await;
    bob.disconnect();
    say(&mut ada, "one").await;
    say(&mut ada, "two").await;
    bob.reconnect().await;
    bob.expect_count("#said li", 2).await;
    assert_eq!(bob.loads(), 1);

    bob.disconnect();
    for number in 0..30 {
        say(&mut ada, &number.to_string()).await;
    }
    bob.reconnect().await;
    bob.expect_count("#said li", 32).await;
    assert_eq!(bob.loads(), 2, "history has 20, so the page is loaded anew");
}

/// Also after many messages, on a page that stays open.
#[tokio::test(start_paused = true)]
async fn a_page_keeps_what_a_fresh_one_shows() {
    for path in [ADA, BOB] {
        let client = client(&hub()).await;
        let mut page = TestPage::open(&client, path).await;
        for number in 1..=103 {
            say(&mut page, &number.to_string()).await;
        }
        page.expect_count("#said-103", 1).await;
        let fresh = TestPage::open(&client, path).await;
        assert_eq!((page.count("#said li"), page.loads()), (100, 1));
        assert_eq!(page.text("#said"), fresh.text("#said"));
    }
}

#[tokio::test(start_paused = true)]
async fn a_link_opens_no_room() {
    let client = client(&hub()).await;
    let mut page = TestPage::open(&client, "/rooms/attic?nick=Ada").await;
    assert_eq!(page.status(), 404);
    client.get("/enter?room=attic&nick=Ada").await.expect_status(405);
    assert_eq!(TestPage::open(&client, "/").await.count("#room-attic"), 0);
    page.fill("[name=nick]", "Ada");
    page.submit("#open").await;
    page.expect_text("#people", "Ada").await;
}

#[tokio::test(start_paused = true)]
async fn what_is_refused_is_said_on_the_page_alone() {
    let hub = hub();
    let client = client(&hub).await;
    for path in [ADA, BOB] {
        let mut page = TestPage::open(&client, path).await;
        page.settle().await;
        let recorder = Recorder::new(&hub);
        say(&mut page, "   ").await;
        assert_eq!(page.text("#refusal").as_deref(), Some("Say something first."), "{path}");
        assert_eq!(page.count("#said li"), 0);
        recorder.assert_nothing_published();
        say(&mut page, "something").await;
        assert_eq!(page.text("#refusal").as_deref(), Some(""));
        recorder.assert_published("rooms:tea", "something");
        recorder.assert_inserts("#said", &format!("{} something", page.text("#people").unwrap()));
        page.disconnect();
        client.post("/rooms/tea/close", &[]).await.expect_status(303);
        open_tea(&client).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_closed_room_sends_its_pages_away_for_good() {
    let client = client(&hub()).await;
    let mut ada = TestPage::open(&client, ADA).await;
    let mut bob = TestPage::open(&client, BOB).await;
    let mut late = TestPage::open(&client, BOB).await;
    late.settle().await;
    late.disconnect();
    ada.click(".top button").await;
    assert_eq!((ada.path(), ada.count("#room-tea")), ("/", 0));
    bob.expect("the room is closed", TestPage::is_closed).await;
    late.reconnect().await;
    late.expect("who comes back later is told too", TestPage::is_closed).await;
    say(&mut bob, "anybody?").await;
    assert_eq!(bob.text("#refusal").as_deref(), Some("This room is closed."));
}

#[tokio::test(start_paused = true)]
async fn a_form_of_another_site_is_refused() {
    let client = client(&hub()).await;
    TestPage::open(&client, ADA).await;
    let foreign = client.clone().header("sec-fetch-site", "cross-site");
    let form = [("nick", "Eve"), ("text", "hi")];
    foreign.post("/rooms/tea/said", &form).await.expect_status(403);
    foreign.post("/rooms/tea/close", &[]).await.expect_status(403);
    foreign.post("/enter", &[("room", "attic"), ("nick", "Eve")]).await.expect_status(403);
}

#[tokio::test(start_paused = true)]
async fn a_quiet_room_is_quiet() {
    let client = client(&hub()).await;
    let _ada = TestPage::open(&client, ADA).await;
    let mut stream = client.stream("/rooms/tea/events?nick=Bob").await;
    assert!(stream.next_named("people").await.data.contains("Bob"));
    stream.expect_silence(Duration::from_secs(3600)).await;
    client.stream("/events").await.expect_silence(Duration::from_secs(3600)).await;
}
