//! Hubs on one Redis that are restarted in turn under streams of other processes, at a size that takes seconds.
//!
//! `cargo xtask soak fleet` does the same with 100,000 streams.

use std::env;
use std::time::Duration;

use fleet::{GeneratorProgram, Lane, Plan};

/// The variable that makes this program a generator of the fleet at the address in it.
const GENERATE: &str = "SSE_KIT_FLEET_OF";

const STREAMS: u32 = 300;

fn plan(lane: Lane) -> Plan {
    Plan {
        streams: STREAMS,
        hubs: 2,
        group_size: 100,
        messages: 30,
        interval: Duration::from_millis(200),
        payload: 128,
        threads: 1,
        lane,
        hub: env!("CARGO_BIN_EXE_hub").into(),
        redis: env::var_os("SSE_KIT_REDIS_SERVER").unwrap_or("redis-server".into()).into(),
        generator: GeneratorProgram {
            program: env::current_exe().expect("it runs"),
            arguments: ["--exact", "a_generator"].map(Into::into).into(),
            variable: Some(GENERATE),
        },
    }
}

/// Opens streams when a fleet asks for it; in any other run there is none.
#[test]
fn a_generator() {
    if let Ok(address) = env::var(GENERATE) {
        fleet::generate(address.parse().expect("an address")).expect("no hub misbehaves");
    }
}

fn hubs_restart_and_nothing_is_lost(lane: Lane) {
    let outcome = fleet::run(&plan(lane)).expect("nothing stops");
    outcome.check().expect("every message comes once, in order");
    assert_eq!(outcome.gaps(), 0);
    // Nobody could have lost what was never sent.
    assert!(outcome.received() >= u64::from(STREAMS * 30), "{outcome}");
    let restarted: Vec<_> = outcome.restarts().collect();
    assert!(restarted.len() == 2 && restarted.iter().all(|(streams, _)| *streams > 0), "{outcome}");
    assert!(restarted.iter().all(|(_, code)| *code == Some(0)), "{outcome}");
    let (told, cut) = outcome.ends();
    assert_eq!(cut, 0, "{outcome}");
    assert_eq!(told, restarted.iter().map(|(streams, _)| streams).sum::<u64>(), "{outcome}");
}

#[test]
fn hubs_restart_on_the_fast_path_and_nothing_is_lost() {
    hubs_restart_and_nothing_is_lost(Lane::Fast);
}

#[test]
fn hubs_restart_with_hyper_and_nothing_is_lost() {
    hubs_restart_and_nothing_is_lost(Lane::Hyper);
}
