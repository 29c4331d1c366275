//! The diagrams of the book.

use anyhow::Result;

use super::Page;
use super::limits::default_of;
use super::sketch::Sketch;
use crate::rules::sources::Source;

/// Draws all of them, with the defaults that the code has.
pub(super) fn all(sources: &[Source]) -> Result<Vec<Page>> {
    let drawings = [
        ("event", event()),
        ("resume", resume()),
        ("tabs", tabs(&default_of(sources, "TabsConfig::replay_events")?)),
        ("failover", failover(&default_of(sources, "RedisConfig::append_deadline")?)),
        ("shutdown", shutdown(sources)?),
    ];
    let pages = drawings.into_iter().map(|(name, sketch)| Page {
        path: format!("docs/src/diagrams/{name}.svg"),
        text: sketch.finish(),
    });
    Ok(pages.collect())
}

fn event() -> Sketch {
    let mut sketch = Sketch::new(
        (780, 420),
        "The way of an event",
        "The app changes its state and emits an event. Handlers react, the updater renders HTML, hooks may veto, and \
         the log assigns the id. Fan-out puts the event into history and into the queue of each page. Each page takes \
         events from its own queue at its own speed; a page that is behind reads from history.",
    );
    sketch.band((16, 16), (364, 132), "Your app");
    sketch.band((396, 16), (368, 132), "The hub, once for each event");
    sketch.band((16, 164), (748, 240), "The hub, for each page");
    sketch.block("box", (30, 56), (100, 72), "change", "state + event");
    sketch.block("box", (152, 56), (96, 72), "handlers", "mail, counts");
    sketch.block("box", (270, 56), (96, 72), "updater", "event → HTML");
    sketch.block("box", (410, 56), (96, 72), "hooks", "may veto");
    sketch.block("store", (528, 56), (100, 72), "log", "assigns the id");
    sketch.block("box", (650, 56), (100, 72), "fan-out", "by topic");
    for (from, to) in [(130, 152), (248, 270), (366, 410), (506, 528), (628, 650)] {
        sketch.arrow(&[(from, 92), (to, 92)]);
    }
    sketch.block("store", (600, 206), (150, 60), "history", "the newest of a topic");
    sketch.arrow(&[(700, 128), (700, 206)]);
    let pages = [
        (206, "queue", "3 events wait", "Ada's page", "reads at once"),
        (274, "queue", "empty", "Bob's page", "reads at once"),
        (342, "queue", "full", "Eve's page", "slow: slows nobody"),
    ];
    for (y, queue, state, page, speed) in pages {
        sketch.block("store", (420, y), (120, 48), queue, state);
        sketch.block("box", (250, y), (110, 48), "SseBody", "the same bytes");
        sketch.block("box", (40, y), (150, 48), page, speed);
        sketch.arrow(&[(420, y + 24), (360, y + 24)]);
        sketch.arrow(&[(250, y + 24), (190, y + 24)]);
    }
    sketch.line("line", &[(664, 128), (664, 180), (570, 180), (570, 366)]);
    for y in [230, 298, 366] {
        sketch.arrow(&[(570, y), (540, y)]);
    }
    sketch.arrow(&[(676, 266), (676, 380), (540, 380)]);
    sketch.text("small", (590, 330), "replay:");
    sketch.text("small", (590, 346), "the rest");
    sketch
}

fn resume() -> Sketch {
    let mut sketch = Sketch::new(
        (780, 560),
        "Render, cursor, stream, cut, resume",
        "The page is rendered with the cursor 5. Event 6 happens before the stream opens, and is replayed. After a cut \
         the page reconnects with the last id it saw, 7, and gets 8 and 9. If history no longer has them, it gets a gap \
         event and loads itself again.",
    );
    let (page, app, hub) = (110, 390, 670);
    sketch.band((20, 450), (740, 78), "");
    sketch.lifelines(&[(page, "page"), (app, "your app"), (hub, "hub")], 540);
    sketch.message(92, page, app, "GET /");
    sketch.message(116, app, hub, "read: cursor 5, then the state");
    sketch.message(146, app, page, "HTML with the cursor 5");
    sketch.message(182, app, hub, "publish: event 6");
    sketch.message(218, page, app, "GET /events?last_event_id=5");
    sketch.message(242, app, hub, "subscribe, resume after 5");
    sketch.message(272, hub, page, "hello; event 6, from history; then live");
    sketch.message(302, hub, page, "event 7");
    sketch.cross((250, 332), "the connection is cut");
    sketch.message(362, app, hub, "publish: events 8 and 9");
    sketch.message(398, page, app, "GET /events, Last-Event-ID: 7");
    sketch.message(428, hub, page, "hello; events 8 and 9, each once and in order");
    sketch.text("head", (36, 474), "If the hub no longer has event 8:");
    sketch.message(
        508,
        hub,
        page,
        "hello; sse-kit:gap: the page loads itself again, with a new cursor",
    );
    sketch
}

fn tabs(kept: &str) -> Sketch {
    let mut sketch = Sketch::new(
        (780, 330),
        "Tabs and their transports",
        "With the transport worker, a shared worker has the one connection of all tabs. With leader, one of the tabs has \
         it and passes events on. With direct, each tab has its own connection.",
    );
    let panels = [
        (16, "worker", "a SharedWorker holds it"),
        (268, "leader", "one tab holds it"),
        (520, "direct", "each tab has its own"),
    ];
    for (x, head, line) in panels {
        sketch.band((x, 16), (244, 298), head);
        sketch.text("small", (x + 80, 38), line);
        sketch.block("store", (x + 62, 254), (120, 44), "server", "");
        for tab in 0..3 {
            sketch.block("box", (x + 12 + tab * 76, 56), (68, 40), &format!("tab {}", tab + 1), "");
        }
    }
    sketch.block("box", (72, 150), (132, 44), "worker", &format!("keeps {kept} events"));
    for tab in 0..3 {
        let x = 62 + tab * 76;
        sketch.arrow(&[(138 + (tab - 1) * 30, 150), (x, 96)]);
        sketch.arrow(&[(642 + (tab - 1) * 30, 254), (566 + tab * 76, 96)]);
    }
    sketch.arrow(&[(138, 254), (138, 194)]);
    sketch.text("small", (146, 230), "one stream");
    sketch.arrow(&[(360, 254), (314, 96)]);
    sketch.text("small", (352, 200), "one stream");
    sketch.arrow(&[(314, 96), (314, 126), (390, 126), (390, 96)]);
    sketch.arrow(&[(390, 126), (466, 126), (466, 96)]);
    sketch.text("small", (356, 144), "BroadcastChannel");
    sketch
}

fn failover(deadline: &str) -> Sketch {
    let mut sketch = Sketch::new(
        (780, 640),
        "A failover",
        "A node dies: its page reconnects to another node with the last id it saw, and continues. The primary of Redis \
         dies: streams stay open, and the nodes compare what they know. If the replica has everything, the epoch \
         continues; if it lacks acknowledged events, a new epoch begins and every page gets a gap.",
    );
    let (page, one, two, redis) = (100, 295, 490, 680);
    sketch.band((20, 276), (740, 344), "");
    sketch.lifelines(
        &[(page, "page"), (one, "node A"), (two, "node B"), (redis, "log on Redis")],
        620,
    );
    sketch.message(92, two, redis, "append: event 7");
    sketch.message(122, redis, one, "event 7");
    sketch.message(122, one, page, "event 7");
    sketch.cross((one, 152), "node A dies");
    sketch.message(188, two, redis, "append: event 8");
    sketch.message(222, page, two, "reconnect by the balancer, Last-Event-ID: 7");
    sketch.message(252, two, page, "hello; event 8: no gap");
    sketch.text("head", (36, 300), "The primary of Redis dies");
    sketch.cross((redis - 110, 330), "primary dies");
    sketch.message(362, two, page, "the stream stays open, with heartbeats");
    sketch.message(392, two, redis, &format!("append: retried up to {deadline}"));
    sketch.message(428, two, redis, "roll call: I know 8");
    sketch.text("small", (36, 418), "The replica takes over.");
    sketch.text("small", (36, 436), "Nodes report the newest offset they know.");
    sketch.line("life", &[(36, 452), (744, 452)]);
    sketch.text("", (36, 476), "The replica has 8:");
    sketch.message(506, redis, two, "epoch continues");
    sketch.message(506, two, page, "event 9");
    sketch.line("life", &[(36, 526), (744, 526)]);
    sketch.text("", (36, 550), "The replica lacks 8:");
    sketch.message(584, redis, two, "new epoch");
    sketch.message(584, two, page, "sse-kit:gap: the page loads itself again");
    sketch
}

fn shutdown(sources: &[Source]) -> Result<Sketch> {
    let default = |setting: &str| default_of(sources, &format!("ShutdownBuilder::{setting}"));
    let (pre_drain, delay) = (default("pre_drain")?, default("shutdown_delay")?);
    let (pre_drain, delay) = (format!("pre_drain, {pre_drain}"), format!("up to {delay}"));
    let mut sketch = Sketch::new(
        (780, 330),
        "A shutdown",
        "After the signal the server serves for pre_drain while it reports not ready. Then it accepts no connections and \
         waits for work. Then every stream gets a goodbye. When all clients have read it, the process ends; the \
         deadline cuts off what remains.",
    );
    let steps = [
        (130, 150, "leaving", &*pre_drain),
        (280, 150, "draining", "waits for work"),
        (430, 150, "closing", "goodbyes"),
        (580, 120, "closed", &delay),
    ];
    for (x, width, head, line) in steps {
        sketch.block("box", (x, 48), (width, 52), head, line);
    }
    sketch.middle("small", (130, 36), "SIGTERM");
    sketch.middle("small", (702, 36), "exit 0");
    let rows = [
        (136, "readiness", "503 from the signal on", 130, 700, "gone"),
        (180, "connections", "accepted as before", 130, 280, "box"),
        (224, "streams", "events as before", 130, 430, "box"),
        (268, "pages", "come back to other nodes, over time", 430, 700, "store"),
    ];
    for (y, name, text, from, to, class) in rows {
        sketch.text("", (16, y + 21), name);
        sketch.block(class, (from, y), (to - from, 32), "", "");
        sketch.middle("small", (i32::midpoint(from, to), y + 20), text);
    }
    sketch.block("gone", (280, 180), (420, 32), "", "");
    sketch.middle("small", (490, 200), "refused");
    sketch.block("store", (430, 224), (150, 32), "", "");
    sketch.middle("small", (505, 244), "last events, goodbye");
    sketch.line("lost", &[(744, 40), (744, 310)]);
    sketch.text("small", (712, 322), "deadline");
    let deadline = default("deadline")?;
    let end = format!(
        "A second signal, or the deadline ({deadline}), cuts off what is still open; the exit code says so."
    );
    sketch.text("small", (16, 322), &end);
    Ok(sketch)
}
