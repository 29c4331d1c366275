//! One measurement from its start to its report.

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};

use crate::cpu_sample::CpuSample;
use crate::generator::{Generator, Waiting};
use crate::latencies::Latencies;
use crate::options::{Options, Scenario};
use crate::process_tree::ProcessTree;
use crate::report::{Churn, Report, Slow, Traffic};
use crate::subscriber::Subscriber;

/// For what comes twice: it may come after all else.
const AFTER_ALL: Duration = Duration::from_millis(100);

/// For a server to see that its clients have gone, which belongs to what they cost.
const SEE_THEM_GO: Duration = Duration::from_millis(300);

/// The time that a server may take to close the connections of clients that left.
const CLOSE: Duration = Duration::from_secs(2);

pub(crate) fn measure(options: &Options) -> Result<Report> {
    let server = ProcessTree::new(options.pid);
    let mut generator = Generator::new(options)?;
    if options.scenario == Scenario::Churn {
        return measure_churn(options, &mut generator, server);
    }
    let memory_before = server.memory_kib()?;
    generator.connect()?;
    generator.idle(options.settle())?;
    let memory_idle = server.memory_kib()?;
    let mut report = Report {
        connections: options.connections,
        kib_per_idle_connection: Some(
            (memory_idle - memory_before) / f64::from(options.connections),
        ),
        traffic: None,
        slow: None,
        churn: None,
    };
    if options.scenario != Scenario::Idle {
        report.traffic = Some(measure_traffic(options, &mut generator, server)?);
    }
    if options.scenario == Scenario::Slow {
        report.slow = Some(Slow {
            clients: options.slow_connections(),
            memory_growth_kib: server.memory_kib()? - memory_idle,
        });
    }
    Ok(report)
}

#[expect(clippy::cast_precision_loss, reason = "they are not 2^53 bytes")]
fn measure_traffic(
    options: &Options,
    generator: &mut Generator,
    server: ProcessTree,
) -> Result<Traffic> {
    generator.connect_publishers()?;
    if !options.sleep {
        generator.wait_by(Waiting::Spin);
    }
    generator.publish(options.warm_up)?;

    generator.ledger.record(Latencies::with_capacity(options.messages * options.receivers()));
    let deliveries_before = generator.ledger.deliveries();
    let bytes_before = generator.ledger.bytes();
    let cpu_before = CpuSample::now(server)?;
    let begun = generator.ledger.now();
    generator.publish(options.messages)?;
    let cpu = CpuSample::now(server)?;

    generator.wait_by(Waiting::Sleep);
    let seconds = generator.ledger.last_delivery().saturating_sub(begun).as_secs_f64();
    let deliveries = generator.ledger.deliveries() - deliveries_before;
    let bytes = generator.ledger.bytes() - bytes_before;
    ensure!(deliveries > 0, "the server delivered nothing");
    let latencies = generator.ledger.recorded();
    let mut latencies = latencies.expect("it was told to record above");
    generator.idle(AFTER_ALL)?;

    let readers: Vec<&Subscriber> =
        generator.subscribers.iter().filter(|subscriber| subscriber.reads()).collect();
    Ok(Traffic {
        deliveries,
        seconds,
        deliveries_per_second: f64::from(deliveries) / seconds,
        cpu_micros_per_delivery: cpu.server_since(&cpu_before) * 1e6 / f64::from(deliveries),
        bytes_per_delivery: bytes as f64 / f64::from(deliveries),
        p50_micros: latencies.percentile(50),
        p99_micros: latencies.percentile(99),
        max_micros: latencies.percentile(100),
        lost: readers.iter().map(|reader| reader.lost(generator.sent_to(reader))).sum(),
        twice: readers.iter().map(|reader| reader.twice()).sum(),
        cut_off: readers.iter().map(|reader| u32::from(reader.is_closed())).sum(),
        steal_percent: cpu.steal_percent_since(&cpu_before),
        others_percent: cpu.others_percent_since(&cpu_before),
    })
}

fn measure_churn(
    options: &Options,
    generator: &mut Generator,
    server: ProcessTree,
) -> Result<Report> {
    if !options.sleep {
        generator.wait_by(Waiting::Spin);
    }
    let (memory_before, open_files_before) = (server.memory_kib()?, server.open_files()?);
    let cpu_before = CpuSample::now(server)?;
    let begun = Instant::now();
    generator.churn(options.cycles)?;
    let seconds = begun.elapsed().as_secs_f64();
    generator.wait_by(Waiting::Sleep);
    generator.idle(SEE_THEM_GO)?;
    let cpu = CpuSample::now(server)?;

    let closing = Instant::now();
    while server.open_files()? > open_files_before && closing.elapsed() < CLOSE {
        generator.idle(SEE_THEM_GO)?;
    }
    let cycles = f64::from(options.cycles);
    let churn = Churn {
        connections_per_second: cycles / seconds,
        cpu_micros_per_connection: cpu.server_since(&cpu_before) * 1e6 / cycles,
        memory_growth_kib: server.memory_kib()? - memory_before,
        descriptors_left: server.open_files()? - open_files_before,
        steal_percent: cpu.steal_percent_since(&cpu_before),
        others_percent: cpu.others_percent_since(&cpu_before),
    };
    Ok(Report {
        connections: options.cycles,
        kib_per_idle_connection: None,
        traffic: None,
        slow: None,
        churn: Some(churn),
    })
}
