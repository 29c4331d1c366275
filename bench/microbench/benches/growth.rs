//! Operations of a hub, each at two sizes of something: valgrind counts the instructions, and
//! `cargo xtask bench --check` compares them.
//!
//! An operation stands in the group that is its class: it costs the same whatever the size (`constant`), or
//! grows with it (`per_receiver` and the others). The name of a case says what there is ten times as much
//! of.
#![expect(missing_docs, unused_qualifications, reason = "of what the macros make of the functions")]

mod world;

use std::hint::black_box;

use gungraun::{library_benchmark, library_benchmark_group, main};
use sse_kit_broadcast::{Drain, Goodbye, SlowConsumer, Start, Subscription};
use sse_kit_event::{Audience, ConnectionId, Event, EventKey};

use crate::world::{MISSED, OWN, World, topic};

/// The number of operations in one measurement.
const TIMES: usize = 100;

// What there is much of, beside what takes part.

fn other_topics(n: usize) -> World {
    World::with(n, |world| world.publish_to(n, |n| format!("u:{n}")))
}

/// Topics that begin as the one that is used.
fn alike_topics(n: usize) -> World {
    World::with(n, |world| world.publish_to(n, |n| format!("t:{n}")))
}

fn older_events(n: usize) -> World {
    World::with(n, |world| world.publish_and_take(n, |_| Event::new("x")))
}

/// A full history, whose topic has dropped as many events as it keeps: a few more, and the hub tidies up.
fn kept_events(n: usize) -> World {
    World::with_history(n, n, |world| world.publish_and_take(2 * n, |_| Event::new("x")))
}

/// Topics with a full history beside the one that is used, which has dropped so many events that the hub
/// tidies up after a few more.
fn full_topics(n: usize) -> World {
    World::with_history(n, 1, |world| {
        world.publish_to(n, |n| format!("u:{n}"));
        world.publish_and_take(3 * n, |_| Event::new("x"));
    })
}

fn other_connections(n: usize) -> World {
    World::new(n).connected(n, |n| format!("u:{n}"))
}

/// Connections on the topic that is used.
fn same_connections(n: usize) -> World {
    World::new(n).connected(n, |_| OWN.to_owned())
}

fn other_patterns(n: usize) -> World {
    World::new(n).connected(n, |n| format!("u:{n}:*"))
}

/// Patterns that begin as the topic that is used, and do not match it. That was found out already, as
/// it is once for each topic.
fn alike_patterns(n: usize) -> World {
    let mut world = World::new(n).connected(n, |n| format!("t:*:{n}"));
    world.publish_and_take(1, |_| Event::new("x"));
    world
}

fn watched_rooms(n: usize) -> World {
    World::new(n).watched(n, |n| format!("u:{n}"))
}

#[library_benchmark]
#[benches::other_topics(args = [1_000, 10_000], setup = other_topics)]
#[benches::alike_topics(args = [1_000, 10_000], setup = alike_topics)]
#[benches::older_events(args = [1_000, 10_000], setup = older_events)]
#[benches::kept_events(args = [1_000, 10_000], setup = kept_events)]
#[benches::full_topics(args = [1_000, 10_000], setup = full_topics)]
#[benches::other_connections(args = [1_000, 10_000], setup = other_connections)]
#[benches::other_patterns(args = [1_000, 10_000], setup = other_patterns)]
#[benches::alike_patterns(args = [100, 1_000], setup = alike_patterns)]
#[benches::watched_rooms(args = [1_000, 10_000], setup = watched_rooms)]
fn publish(mut world: World) -> World {
    world.publish_and_take(TIMES, |_| Event::new("x"));
    world
}

#[library_benchmark]
#[benches::other_topics(args = [1_000, 10_000], setup = other_topics)]
#[benches::other_connections(args = [1_000, 10_000], setup = other_connections)]
#[benches::other_patterns(args = [1_000, 10_000], setup = other_patterns)]
fn publish_to_new_topics(mut world: World) -> World {
    world.publish_to(TIMES, |n| format!("new:{n}"));
    world
}

#[library_benchmark]
#[benches::other_topics(args = [1_000, 10_000], setup = other_topics)]
#[benches::older_events(args = [1_000, 10_000], setup = older_events)]
#[benches::other_connections(args = [1_000, 10_000], setup = other_connections)]
#[benches::same_connections(args = [1_000, 10_000], setup = same_connections)]
#[benches::other_patterns(args = [1_000, 10_000], setup = other_patterns)]
#[benches::watched_rooms(args = [1_000, 10_000], setup = watched_rooms)]
fn join(world: World) -> World {
    world.connected(TIMES, |_| OWN.to_owned())
}

#[library_benchmark]
#[benches::alike_topics(args = [1_000, 10_000], setup = alike_topics)]
#[benches::other_patterns(args = [1_000, 10_000], setup = other_patterns)]
#[benches::alike_patterns(args = [100, 1_000], setup = alike_patterns)]
#[benches::watched_rooms(args = [1_000, 10_000], setup = watched_rooms)]
fn join_with_pattern(world: World) -> World {
    world.connected(TIMES, |n| format!("t:*:joins{}", n % 10))
}

fn joined(world: World, to: &str) -> (World, Vec<Subscription>) {
    let before = world.others.len();
    let mut world = world.connected(TIMES, |_| to.to_owned());
    let joined = world.others.split_off(before);
    (world, joined)
}

fn on_other_topics(n: usize) -> (World, Vec<Subscription>) {
    joined(other_topics(n), OWN)
}

fn on_other_connections(n: usize) -> (World, Vec<Subscription>) {
    joined(other_connections(n), OWN)
}

fn on_same_connections(n: usize) -> (World, Vec<Subscription>) {
    joined(same_connections(n), OWN)
}

fn on_other_patterns(n: usize) -> (World, Vec<Subscription>) {
    joined(other_patterns(n), "t:*:leaves")
}

fn on_watched_rooms(n: usize) -> (World, Vec<Subscription>) {
    joined(watched_rooms(n), OWN)
}

#[library_benchmark]
#[benches::other_topics(args = [1_000, 10_000], setup = on_other_topics)]
#[benches::other_connections(args = [1_000, 10_000], setup = on_other_connections)]
#[benches::same_connections(args = [1_000, 10_000], setup = on_same_connections)]
#[benches::other_patterns(args = [1_000, 10_000], setup = on_other_patterns)]
#[benches::watched_rooms(args = [1_000, 10_000], setup = on_watched_rooms)]
fn leave((world, leaving): (World, Vec<Subscription>)) -> World {
    drop(leaving);
    world
}

#[library_benchmark]
#[benches::other_topics(args = [1_000, 10_000], setup = other_topics)]
#[benches::older_events(args = [1_000, 10_000], setup = older_events)]
#[benches::other_connections(args = [1_000, 10_000], setup = other_connections)]
#[benches::other_patterns(args = [1_000, 10_000], setup = other_patterns)]
fn resume_topic(world: World) -> World {
    world.resume(&[OWN], MISSED);
    world
}

#[library_benchmark]
#[benches::other_topics(args = [1_000, 10_000], setup = other_topics)]
#[benches::alike_topics(args = [1_000, 10_000], setup = alike_topics)]
#[benches::older_events(args = [1_000, 10_000], setup = older_events)]
#[benches::other_connections(args = [1_000, 10_000], setup = other_connections)]
fn resume_pattern(world: World) -> World {
    world.resume(&["t:*"], MISSED);
    world
}

#[library_benchmark]
#[benches::other_topics(args = [1_000, 10_000], setup = other_topics)]
#[benches::alike_topics(args = [1_000, 10_000], setup = alike_topics)]
fn resume_every_topic(world: World) -> World {
    world.resume(&["**"], MISSED + 1);
    world
}

// It finds nothing but the one event on a topic of its own.
#[library_benchmark]
#[benches::other_topics(args = [1_000, 10_000], setup = other_topics)]
#[benches::alike_topics(args = [1_000, 10_000], setup = alike_topics)]
fn resume_pattern_without_matches(world: World) -> World {
    world.resume(&["t:*:nothing", "last"], 1);
    world
}

#[library_benchmark]
#[benches::other_topics(args = [1_000, 10_000], setup = other_topics)]
#[benches::alike_topics(args = [1_000, 10_000], setup = alike_topics)]
#[benches::older_events(args = [1_000, 10_000], setup = older_events)]
fn begin_with_last_20(world: World) -> World {
    world.begin(&["t:*"], Start::Last(20), 20);
    world
}

/// One that reads nothing, and has `n` events waiting.
fn stalled(policy: SlowConsumer, n: usize, queue: usize, event: impl Fn(usize) -> Event) -> World {
    World::with(n, |world| {
        let stalled = world.hub.subscribe(topic(OWN)).slow_consumer(policy).queue(queue);
        world.others.push(stalled.open().expect("it is open"));
        world.publish_and_take(n, event);
    })
}

fn keyed(n: usize) -> Event {
    let key: EventKey = format!("job{n}").parse().expect("a key");
    Event::new("x").with_key(key)
}

fn waiting_with_keys(n: usize) -> World {
    stalled(SlowConsumer::Conflate, n, 2 * n, keyed)
}

fn waiting_without_keys(n: usize) -> World {
    stalled(SlowConsumer::Conflate, n, 2 * n, |_| Event::new("x"))
}

fn waiting_in_full_queue(n: usize) -> World {
    stalled(SlowConsumer::DropOldest, n, n, |_| Event::new("x"))
}

#[library_benchmark]
#[benches::waiting_events(args = [1_000, 10_000], setup = waiting_with_keys)]
fn conflate(mut world: World) -> World {
    world.publish_and_take(TIMES, |n| keyed(7 * n));
    world
}

#[library_benchmark]
#[benches::waiting_events(args = [1_000, 10_000], setup = waiting_without_keys)]
fn conflate_without_keys(mut world: World) -> World {
    world.publish_and_take(TIMES, |_| Event::new("x"));
    world
}

#[library_benchmark]
#[benches::waiting_events(args = [1_000, 10_000], setup = waiting_in_full_queue)]
fn drop_oldest(mut world: World) -> World {
    world.publish_and_take(TIMES, |_| Event::new("x"));
    world
}

#[library_benchmark]
#[benches::watched_rooms(args = [1_000, 10_000], setup = watched_rooms)]
#[benches::other_connections(args = [1_000, 10_000], setup = other_connections)]
fn watch_presence(world: World) -> World {
    world.watched(TIMES, |n| format!("new:{n}"))
}

#[library_benchmark]
#[benches::other_connections(args = [1_000, 10_000], setup = other_connections)]
fn disconnect(world: World) -> World {
    for other in &world.others[..TIMES] {
        black_box(world.hub.disconnect(other.connection().id()));
    }
    world
}

fn draining(n: usize) -> (World, Drain) {
    let mut world = other_connections(n);
    world.listening.clear();
    let drain = world.hub.drain();
    (world, drain)
}

#[library_benchmark]
#[benches::other_connections(args = [1_000, 10_000], setup = draining)]
fn drain_100((world, mut drain): (World, Drain)) -> (World, Drain) {
    drain.end(TIMES, Goodbye::StayAway);
    world.settle();
    (world, drain)
}

#[library_benchmark]
#[benches::connections(args = [100, 1_000], setup = draining)]
fn drain_all((mut world, mut drain): (World, Drain)) -> World {
    drain.end(usize::MAX, Goodbye::StayAway);
    world.take_until_end();
    world
}

#[library_benchmark]
#[benches::connections(args = [100, 1_000], setup = other_connections)]
fn shut_down(mut world: World) -> World {
    world.hub.shut_down(Goodbye::StayAway);
    world.take_until_end();
    world
}

#[library_benchmark]
#[benches::receivers(args = [100, 1_000], setup = same_connections)]
fn publish_to_all(mut world: World) -> World {
    world.publish_to_others(&topic(OWN).into());
    world
}

#[library_benchmark]
#[benches::receivers(args = [100, 1_000], setup = other_connections)]
fn publish_to_everyone(mut world: World) -> World {
    world.publish_to_others(&Audience::Everyone);
    world
}

#[library_benchmark]
#[benches::receivers(args = [100, 1_000], setup = same_connections)]
fn publish_to_several_topics(mut world: World) -> World {
    let audience = Audience::several([topic(OWN), topic("last")]).expect("two topics");
    world.publish_to_others(&audience);
    world
}

#[library_benchmark]
#[benches::present(args = [100, 1_000], setup = same_connections)]
fn presence(world: World) -> World {
    black_box(world.hub.presence(&topic(OWN)));
    world
}

fn ids(n: usize) -> Vec<ConnectionId> {
    (0..n).map(|n| format!("absent{n}").parse().expect("an id")).collect()
}

fn leaving_out(n: usize) -> (World, Vec<ConnectionId>) {
    (same_connections(n), ids(n))
}

// As many receivers as there are connections that are left out.
#[library_benchmark]
#[benches::receivers_and_left_out(args = [100, 1_000], setup = leaving_out)]
fn publish_except((mut world, except): (World, Vec<ConnectionId>)) -> World {
    world.publish_except(except);
    world
}

fn missed_on_topic(n: usize) -> (World, usize) {
    (World::missed(n, |_| OWN.to_owned()), n)
}

fn missed_on_topics(n: usize) -> (World, usize) {
    (World::missed(n, |n| format!("t:{n}")), n)
}

#[library_benchmark]
#[benches::missed(args = [100, 1_000], setup = missed_on_topic)]
fn resume_missed_on_topic((world, missed): (World, usize)) -> World {
    world.resume(&[OWN], missed);
    world
}

#[library_benchmark]
#[benches::missed(args = [100, 1_000], setup = missed_on_topics)]
#[benches::many_missed(args = [1_000, 10_000], setup = missed_on_topics)]
fn resume_missed_by_pattern((world, missed): (World, usize)) -> World {
    world.resume(&["t:*"], missed);
    world
}

#[library_benchmark]
#[benches::many_missed(args = [1_000, 10_000], setup = missed_on_topics)]
fn resume_missed_of_every_topic((world, missed): (World, usize)) -> World {
    world.resume(&["**"], missed);
    world
}

#[library_benchmark]
#[benches::many_events(args = [1_000, 10_000], setup = missed_on_topics)]
fn begin_with_all((world, missed): (World, usize)) -> World {
    world.begin(&["**"], Start::All, missed);
    world
}

library_benchmark_group!(
    name = constant,
    benchmarks = [
        publish,
        publish_to_new_topics,
        join,
        join_with_pattern,
        leave,
        resume_topic,
        resume_pattern,
        resume_every_topic,
        resume_pattern_without_matches,
        begin_with_last_20,
        conflate,
        conflate_without_keys,
        drop_oldest,
        watch_presence,
        disconnect,
        drain_100
    ]
);

library_benchmark_group!(
    name = per_receiver,
    benchmarks = [
        publish_to_all,
        publish_to_everyone,
        publish_to_several_topics,
        publish_except,
        presence,
        drain_all,
        shut_down
    ]
);

library_benchmark_group!(
    name = per_replayed_event,
    benchmarks = [
        resume_missed_on_topic,
        resume_missed_by_pattern,
        resume_missed_of_every_topic,
        begin_with_all
    ]
);

main!(library_benchmark_groups = constant, per_receiver, per_replayed_event);
