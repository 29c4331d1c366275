//! The measurements of a server by the load generator.

use std::process::Command;

use anyhow::{Context, Result, ensure};
use serde::{Deserialize, Serialize};

use super::load::Load;
use super::peer::Peer;
use super::scenario::Scenario;
use super::server::Server;

/// One measurement.
#[derive(Debug)]
pub(super) struct Row {
    pub(super) scenario: Scenario,
    pub(super) peer: Peer,
    pub(super) repetition: u32,
    pub(super) figures: Figures,
}

/// The generator's line of JSON; its own source says what each means.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub(super) struct Figures {
    pub(super) connections: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) kib_per_idle_connection: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) traffic: Option<Traffic>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) slow: Option<Slow>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) churn: Option<Churn>,
}

#[derive(Clone, Debug, Deserialize, Serialize)]
pub(super) struct Traffic {
    pub(super) deliveries: u32,
    pub(super) seconds: f64,
    pub(super) deliveries_per_second: f64,
    pub(super) cpu_micros_per_delivery: f64,
    pub(super) bytes_per_delivery: f64,
    pub(super) p50_micros: u32,
    pub(super) p99_micros: u32,
    pub(super) max_micros: u32,
    pub(super) lost: u32,
    pub(super) twice: u32,
    pub(super) cut_off: u32,
    pub(super) steal_percent: f64,
    pub(super) others_percent: f64,
}

#[derive(Clone, Debug, Deserialize, Serialize)]
pub(super) struct Slow {
    pub(super) clients: u32,
    pub(super) memory_growth_kib: f64,
}

#[derive(Clone, Debug, Deserialize, Serialize)]
pub(super) struct Churn {
    pub(super) connections_per_second: f64,
    pub(super) cpu_micros_per_connection: f64,
    pub(super) memory_growth_kib: f64,
    pub(super) descriptors_left: i32,
    pub(super) steal_percent: f64,
    pub(super) others_percent: f64,
}

impl Figures {
    /// Loads a server by the load generator, and reads what it prints.
    pub(super) fn measure(
        mut generator: Command,
        load: &Load,
        peer: Peer,
        server: &mut Server,
    ) -> Result<Self> {
        let address = server.address()?;
        generator.args(load.generator_options(peer));
        generator.args(["--server", &address.to_string(), "--pid", &server.pid().to_string()]);
        let output = generator.output().context("cannot start the load generator")?;
        server.check_running()?;
        let said = String::from_utf8_lossy(&output.stderr);
        ensure!(output.status.success(), "{}", said.trim());
        serde_json::from_slice(&output.stdout).context("cannot read the load generator's figures")
    }

    /// Returns the figures in half a line.
    pub(super) fn summary(&self) -> String {
        let disturbed = self.disturbed_percent();
        if let Some(traffic) = &self.traffic {
            format!(
                "{:.2} µs of CPU per delivery, {:.0} deliveries/s, p99 {} µs, disturbed {disturbed:.1} %",
                traffic.cpu_micros_per_delivery, traffic.deliveries_per_second, traffic.p99_micros,
            )
        } else if let Some(churn) = &self.churn {
            format!(
                "{:.1} µs of CPU per connection, {:.0} connections/s, disturbed {disturbed:.1} %",
                churn.cpu_micros_per_connection, churn.connections_per_second,
            )
        } else {
            format!("{:.2} KiB per idle connection", self.kib_per_idle_connection.unwrap_or(0.0))
        }
    }

    /// Returns the faults, if there are any.
    pub(super) fn faults(&self) -> Option<String> {
        if let Some(Traffic { lost, twice, cut_off, .. }) = self.traffic
            && lost + twice + cut_off > 0
        {
            return Some(format!(
                "{lost} deliveries lost, {twice} made twice or out of order, {cut_off} readers \
                 cut off"
            ));
        }
        let left = self.churn.as_ref()?.descriptors_left;
        (left > 0).then(|| format!("{left} files are open that no client needs"))
    }

    /// Returns the share of the CPUs that other processes took meanwhile, in percent.
    pub(super) fn disturbed_percent(&self) -> f64 {
        let traffic = self.traffic.as_ref().map(|t| t.steal_percent.max(t.others_percent));
        let churn = self.churn.as_ref().map(|c| c.steal_percent.max(c.others_percent));
        traffic.or(churn).unwrap_or(0.0)
    }

    /// Returns the less disturbed of two measurements of the same; faults of either are kept.
    pub(super) fn or_better(self, again: Self) -> Self {
        let keep = self.faults().is_some()
            || again.faults().is_none() && self.disturbed_percent() <= again.disturbed_percent();
        if keep { self } else { again }
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// Figures of the given CPU time, disturbance and loss.
    pub(in super::super) fn figures(cpu: f64, steal_percent: f64, lost: u32) -> Figures {
        let traffic = Traffic {
            deliveries: 1_000,
            seconds: 1.0,
            deliveries_per_second: 1_234_567.8,
            cpu_micros_per_delivery: cpu,
            bytes_per_delivery: 170.0,
            p50_micros: 900,
            p99_micros: 1_900,
            max_micros: 2_000,
            lost,
            twice: 0,
            cut_off: 0,
            steal_percent,
            others_percent: 0.0,
        };
        Figures {
            connections: 1_000,
            kib_per_idle_connection: Some(11.0),
            traffic: Some(traffic),
            slow: None,
            churn: None,
        }
    }

    fn steal_of_better(one: Figures, other: Figures) -> f64 {
        one.or_better(other).disturbed_percent()
    }

    #[test]
    fn the_less_disturbed_is_kept() {
        let exactly = |one: f64, other: f64| assert!((one - other).abs() < 1e-9, "{one} {other}");
        exactly(steal_of_better(figures(3.0, 9.0, 0), figures(3.0, 4.0, 0)), 4.0);
        exactly(steal_of_better(figures(3.0, 4.0, 0), figures(3.0, 9.0, 0)), 4.0);
        // A fault stays, whichever has it.
        exactly(steal_of_better(figures(3.0, 9.0, 1), figures(3.0, 4.0, 0)), 9.0);
        exactly(steal_of_better(figures(3.0, 4.0, 0), figures(3.0, 9.0, 1)), 9.0);
    }

    #[test]
    fn what_the_generator_prints_is_read() {
        let json = r#"{"connections":9,"kib_per_idle_connection":0.5}"#;
        let idle: Figures = serde_json::from_str(json).expect("an idle run");
        assert!(idle.traffic.is_none() && idle.faults().is_none());
        assert_eq!(serde_json::to_string(&idle).expect("plain values"), json);
    }

    #[test]
    fn faults_are_counted() {
        assert_eq!(figures(3.0, 0.0, 0).faults(), None);
        let faults = figures(3.0, 0.0, 2).faults().expect("two are lost");
        assert!(faults.starts_with("2 deliveries lost, 0 made twice"), "{faults}");
        let json = r#"{"connections":9,"churn":{"connections_per_second":1.5,"descriptors_left":3,
            "cpu_micros_per_connection":1.5,"memory_growth_kib":0.5,"steal_percent":0.5,
            "others_percent":7.5}}"#;
        let churn: Figures = serde_json::from_str(json).expect("as it is printed");
        let faults = churn.faults().expect("three are left");
        assert!(faults.starts_with("3 files"), "{faults}");
        assert!((churn.disturbed_percent() - 7.5).abs() < 1e-9);
    }
}
