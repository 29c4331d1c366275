//! Lines and bars, as SVG.
//!
//! Both are one path in whole units, so that an update is small. A line is written in steps from one value to the
//! next, and a step to the same height needs nothing but its length: a quiet hour is a few bytes.

use std::fmt::{Display, Write};

use sse_kit::htmx::Html;

use crate::series::Series;

/// The height of a drawing, in its own units; the width of a line has one unit for each second.
const HEIGHT: i32 = 40;

/// Draws a series, from 0 at the foot to `top`, with a label for people who do not see it. Holes
/// interrupt the line.
pub(crate) fn line(series: &Series, top: f64, label: impl Display) -> Html {
    let mut path = String::new();
    let mut run = Run::default();
    for (x, value) in series.values().enumerate() {
        match value {
            Some(value) => run.to(&mut path, x, height(value, top)),
            None => run.end(&mut path),
        }
    }
    run.end(&mut path);
    svg("class=\"line\"", Series::LENGTH - 1, &path, label)
}

/// Draws a bar for each value, in percent, with a label for people who do not see it. Values that
/// are unknown have no bar.
pub(crate) fn bars(values: &[Option<f64>], label: impl Display) -> Html {
    let mut path = String::new();
    for (index, value) in values.iter().enumerate() {
        let bar = value.map_or(0, |value| height(value, 100.0));
        if bar > 0 {
            push(&mut path, format_args!("M{} {HEIGHT}v-{bar}h3v{bar}z", index * 4));
        }
    }
    // A bar is as wide on a screen with two as on one with ten, unless there is no room.
    let attributes = format!("class=\"bars\" width=\"{}\"", values.len() * 16);
    svg(&attributes, (values.len() * 4).max(1), &path, label)
}

fn svg(attributes: &str, width: usize, path: &str, label: impl Display) -> Html {
    Html::trusted(format!(
        "<svg {attributes} viewBox=\"0 0 {width} {HEIGHT}\" preserveAspectRatio=\"none\" role=\"img\" \
         aria-label=\"{}\"><path d=\"{path}\"/></svg>",
        Html::text(label),
    ))
}

/// Returns how high a value is, in whole units: nothing leaves the drawing, whatever the value.
fn height(value: f64, top: f64) -> i32 {
    let share = (value / top).clamp(0.0, 1.0);
    // The share of a top of 0.
    let share = if share.is_nan() { 0.0 } else { share };
    #[expect(clippy::cast_possible_truncation, reason = "it is between 0 and HEIGHT")]
    let units = (share * f64::from(HEIGHT)).round() as i32;
    units
}

/// A part of a line without holes: the ground below it is filled.
#[derive(Debug, Default)]
struct Run {
    /// The height of the last value; `None` between runs.
    height: Option<i32>,
    /// The number of steps to the same height that are not written yet.
    level: u32,
}

impl Run {
    fn to(&mut self, path: &mut String, x: usize, height: i32) {
        match self.height.replace(height) {
            None => push(path, format_args!("M{x} {HEIGHT}v-{height}")),
            Some(before) if before == height => self.level += 1,
            Some(before) => {
                self.write_level(path);
                let separator = if before > height { " " } else { "" };
                push(path, format_args!("l1{separator}{}", before - height));
            }
        }
    }

    fn end(&mut self, path: &mut String) {
        self.write_level(path);
        if let Some(height) = self.height.take() {
            push(path, format_args!("v{height}"));
        }
    }

    fn write_level(&mut self, path: &mut String) {
        if self.level > 0 {
            push(path, format_args!("h{}", self.level));
            self.level = 0;
        }
    }
}

fn push(path: &mut String, part: std::fmt::Arguments<'_>) {
    path.write_fmt(part).expect("a string takes everything");
}

#[cfg(test)]
mod tests {
    use super::*;

    fn series(newest: impl IntoIterator<Item = Option<f64>>) -> Series {
        let mut series = Series::default();
        newest.into_iter().for_each(|value| series.push(value));
        series
    }

    /// The data of the path.
    fn path(svg: &Html) -> &str {
        svg.as_str()
            .split("<path d=\"")
            .nth(1)
            .and_then(|rest| rest.split('"').next())
            .expect("a path")
    }

    /// The height of a line at each second, by what the standard says of a path's commands.
    fn heights(path: &str) -> Vec<Option<i32>> {
        let (mut x, mut y, mut heights) = (0_usize, HEIGHT, vec![None; Series::LENGTH]);
        let mut rest = path;
        while !rest.is_empty() {
            let end = rest[1..].find(char::is_alphabetic).map_or(rest.len(), |at| at + 1);
            let numbers = rest[1..end].replace('-', " -");
            let numbers: Vec<i32> = numbers
                .split_whitespace()
                .map(|number| number.parse().expect("a number"))
                .collect();
            match (&rest[..1], &numbers[..]) {
                ("M", [to, HEIGHT]) => (x, y) = (usize::try_from(*to).expect("a second"), HEIGHT),
                ("l", [1, by]) => (x, y) = (x + 1, y + by),
                ("h", [by]) => {
                    (0..*by).for_each(|_| {
                        x += 1;
                        heights[x] = Some(HEIGHT - y);
                    });
                }
                ("v", [by]) if heights[x].is_none() => y += by,
                ("v", [by]) => assert_eq!(y + by, HEIGHT, "the run ends on the ground"),
                other => panic!("{other:?}"),
            }
            heights[x] = heights[x].or((!rest.starts_with('M')).then_some(HEIGHT - y));
            rest = &rest[end..];
        }
        heights
    }

    #[test]
    fn a_line_goes_through_its_values() {
        let line = line(&series([0.0, 50.0, 50.0, 50.0, 100.0, 25.0].map(Some)), 100.0, "Load");
        assert_eq!(path(&line), "M114 40v-0l1-20h2l1-20l1 30v10");
        let newest = heights(path(&line)).split_off(Series::LENGTH - 7);
        assert_eq!(newest, [None, Some(0), Some(20), Some(20), Some(20), Some(40), Some(10)]);
    }

    #[test]
    fn a_hole_interrupts_the_line() {
        let line = line(&series([Some(1.0), None, Some(1.0), Some(1.0), None]), 1.0, "Load");
        assert_eq!(path(&line), "M115 40v-40v40M117 40v-40h1v40");
    }

    #[test]
    fn nothing_is_an_empty_drawing() {
        assert_eq!(path(&line(&Series::default(), 100.0, "Load")), "");
        assert_eq!(path(&bars(&[], "Cores")), "");
        assert_eq!(path(&bars(&[None, Some(0.0)], "Cores")), "");
    }

    #[test]
    fn bars_stand_beside_each_other() {
        let bars = bars(&[Some(100.0), None, Some(50.0)], "Cores");
        assert_eq!(path(&bars), "M0 40v-40h3v40zM8 40v-20h3v20z");
        assert!(bars.as_str().contains("viewBox=\"0 0 12 40\""), "{bars}");
    }

    #[test]
    fn nothing_leaves_the_drawing() {
        let odd = [-1.0, 1e300, f64::NAN, f64::INFINITY, f64::NEG_INFINITY, 0.0, f64::MIN_POSITIVE];
        for top in odd.into_iter().chain([1.0]) {
            let line = line(&series(odd.map(Some)), top, "Load");
            let heights: Vec<_> = heights(path(&line)).into_iter().flatten().collect();
            assert_eq!(heights.len(), odd.len(), "{top}: {line}");
            assert!(heights.iter().all(|height| (0..=HEIGHT).contains(height)), "{top}: {line}");
        }
        for odd in odd {
            let bars = bars(&[Some(odd)], "Cores");
            assert!(["", "M0 40v-40h3v40z"].contains(&path(&bars)), "{odd}: {bars}");
        }
    }

    #[test]
    fn a_label_is_no_markup() {
        let line = line(&Series::default(), 1.0, "\"><script>");
        assert!(
            line.as_str().contains("role=\"img\" aria-label=\"&quot;&gt;&lt;script&gt;\""),
            "{line}"
        );
    }

    #[test]
    fn any_line_is_as_high_as_its_values() {
        let mut rng = sse_kit_test_support::rng();
        for _ in 0..sse_kit_test_support::scaled(200) {
            let values: Vec<_> =
                (0..Series::LENGTH).map(|_| (rng.u8(..4) > 0).then(|| rng.i32(0..=4))).collect();
            let drawn = line(&series(values.iter().map(|value| value.map(f64::from))), 4.0, "Load");
            let expected: Vec<_> =
                values.iter().map(|value| value.map(|value| value * 10)).collect();
            assert_eq!(heights(path(&drawn)), expected, "{drawn}");
        }
    }
}
