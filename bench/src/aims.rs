//! The aims of the scenarios, and whether they are met.

use super::figures::Figures;
use super::name;
use super::peer::Peer;
use super::scenario::Scenario;
use super::spread::{Measured, Spread};
use super::tables::{churn, cpu, deliveries_per_second, number, p99_millis};

/// A bound for a figure of one of our servers.
pub(super) struct Aim {
    pub(super) peer: Peer,
    title: &'static str,
    figure: fn(&Figures) -> Option<f64>,
    bound: Bound,
}

enum Bound {
    Most(f64),
    Least(f64),
    /// At most the figure of another server, in the same repetition, so many times.
    Times(f64, Peer),
}

impl Scenario {
    pub(super) fn aims(self) -> Vec<Aim> {
        let both = |title, figure, bounds: [Bound; 2]| {
            let peers = [Peer::Hub, Peer::HubHyper].into_iter().zip(bounds);
            peers.map(move |(peer, bound)| Aim { peer, title, figure, bound }).collect()
        };
        let of_loop = |hub, by_hyper| {
            let bounds = [hub, by_hyper].map(|times| Bound::Times(times, Peer::Epoll));
            both("CPU per delivery", cpu, bounds)
        };
        match self {
            Self::Broadcast1k | Self::Broadcast10k | Self::Broadcast10kLong | Self::Sized(_) => {
                of_loop(1.10, 1.25)
            }
            Self::Targeted1k => {
                let axum = || Bound::Times(1.0, Peer::Axum);
                let mut aims = both("CPU per delivery", cpu, [axum(), axum()]);
                aims.extend(of_loop(1.15, 1.15));
                aims
            }
            Self::Window1k => {
                let least = || Bound::Least(500_000.0);
                both("deliveries/s", deliveries_per_second, [least(), least()])
            }
            Self::Idle10k => {
                let kib = |figures: &Figures| figures.kib_per_idle_connection;
                both("KiB per idle connection", kib, [Bound::Most(2.0), Bound::Most(11.0)])
            }
            Self::Churn => {
                let rate = |figures: &Figures| Some(churn(figures)?.connections_per_second);
                let least = || Bound::Least(40_000.0);
                both("connections/s", rate, [least(), least()])
            }
            Self::Slow500 => {
                let most = || Bound::Most(10.0);
                both("p99 of the others, ms", p99_millis, [most(), most()])
            }
            Self::Gzip1k | Self::GzipWindow1k => Vec::new(),
        }
    }
}

impl Aim {
    /// Returns a line that says whether the aim is met; `None` if the figures are missing.
    pub(super) fn line(&self, of: impl Fn(Peer) -> Vec<(u32, Figures)>) -> Option<String> {
        let measured = |peer| -> Vec<Measured> {
            let all = of(peer).into_iter();
            let value = |(repetition, figures)| {
                Some(Measured { repetition, value: (self.figure)(&figures)? })
            };
            all.filter_map(value).collect()
        };
        let own = measured(self.peer);
        let (spread, aim, limit, is_least) = match self.bound {
            Bound::Most(limit) => (values(&own)?, format!("at most {limit}"), limit, false),
            Bound::Least(limit) => {
                (values(&own)?, format!("at least {}", number(limit, 0)), limit, true)
            }
            Bound::Times(limit, peer) => {
                let aim = format!("at most {limit:.2} × `{}`", name(&peer));
                (Spread::of_ratios(&own, &measured(peer))?, aim, limit, false)
            }
        };
        let decimals = if limit < 100.0 { 2 } else { 0 };
        let [median, low, high] =
            [spread.median, spread.low, spread.high].map(|value| number(value, decimals));
        let range = if spread.is_known() { format!(" [{low}–{high}]") } else { String::new() };
        let verdict = verdict(&spread, limit, is_least);
        Some(format!("- `{}`: {} {aim}: {median}{range}, {verdict}", name(&self.peer), self.title))
    }
}

fn values(measured: &[Measured]) -> Option<Spread> {
    Spread::of(measured.iter().map(|measured| measured.value))
}

/// An aim within the spread is neither met nor missed.
fn verdict(spread: &Spread, limit: f64, is_least: bool) -> &'static str {
    let (best, worst) =
        if is_least { (spread.high, spread.low) } else { (spread.low, spread.high) };
    let holds = |value: f64| if is_least { value >= limit } else { value <= limit };
    match (spread.is_known(), holds(worst), holds(best)) {
        (false, ..) => "one repetition, which decides nothing",
        (true, true, _) => "**met**",
        (true, false, true) => "not decided: the aim is within the spread",
        (true, false, false) => "**missed**",
    }
}

#[cfg(test)]
mod tests {
    use super::super::figures::tests::figures;
    use super::*;

    /// The lines of a scenario with these CPU times of our servers, the loop's being 4 and axum's 6.
    fn lines(scenario: Scenario, hub: &[f64], by_hyper: &[f64]) -> Vec<String> {
        let all =
            |values: &[f64]| (1..).zip(values.iter().map(|&cpu| figures(cpu, 0.0, 0))).collect();
        let of = |peer| match peer {
            Peer::Hub => all(hub),
            Peer::HubHyper => all(by_hyper),
            Peer::Axum => all(&[6.0; 5]),
            _ => all(&[4.0; 5]),
        };
        scenario.aims().iter().filter_map(|aim| aim.line(of)).collect()
    }

    #[test]
    fn an_aim_is_met_missed_or_not_decided() {
        let aims = lines(Scenario::Broadcast1k, &[4.8, 4.9, 5.0], &[4.8, 4.9, 5.0]);
        let expected = [
            "- `hub`: CPU per delivery at most 1.10 × `epoll`: 1.23 [1.20–1.25], **missed**",
            "- `hub-hyper`: CPU per delivery at most 1.25 × `epoll`: 1.23 [1.20–1.25], **met**",
        ];
        assert_eq!(aims, expected);
        let aims = lines(Scenario::Targeted1k, &[5.8, 6.2], &[5.9]);
        assert!(
            aims[0].ends_with(
                "at most 1.00 × `axum`: 1.00 [0.97–1.03], not decided: the aim is within the spread"
            ),
            "{aims:?}"
        );
        assert!(aims[1].ends_with("0.98, one repetition, which decides nothing"), "{aims:?}");
        assert_eq!(aims.len(), 4);
    }

    #[test]
    fn some_figures_are_to_be_large() {
        let aims = lines(Scenario::Window1k, &[4.0, 4.0], &[]);
        assert_eq!(aims.len(), 1, "there is no figure of the other");
        assert!(
            aims[0].ends_with(
                "deliveries/s at least 500,000: 1,234,568 [1,234,568–1,234,568], **met**"
            ),
            "{aims:?}"
        );
    }
}
