//! Lines in an SVG.

use anyhow::{Context, Result};
use plotters::prelude::*;

use super::tables::number;

/// The legend is above the lines.
const HEADROOM: f64 = 1.6;

type DrawingError = DrawingAreaErrorKind<<SVGBackend<'static> as DrawingBackend>::ErrorType>;

/// A line: its label, and a value at each place of the axis, where there is one.
pub(super) struct Series {
    pub(super) label: &'static str,
    pub(super) values: Vec<Option<f64>>,
}

const SIZE: (u32, u32) = (720, 380);

/// Told apart without seeing red or green (Okabe and Ito).
const COLOURS: [RGBColor; 5] = [
    RGBColor(0, 114, 178),
    RGBColor(86, 180, 233),
    RGBColor(90, 90, 90),
    RGBColor(213, 94, 0),
    RGBColor(0, 158, 115),
];

/// Draws the lines over places that are evenly spread, whatever they stand for.
pub(super) fn svg<'a>(
    title: &str,
    axis: &str,
    places: &[u32],
    series: impl IntoIterator<Item = &'a Series>,
) -> Result<String> {
    let mut text = String::new();
    let series: Vec<&Series> = series.into_iter().collect();
    draw(&mut text, title, axis, places, &series).context("cannot draw a plot")?;
    Ok(text)
}

fn draw(
    text: &mut String,
    title: &str,
    axis: &str,
    places: &[u32],
    series: &[&Series],
) -> Result<(), DrawingError> {
    let area = SVGBackend::with_string(text, SIZE).into_drawing_area();
    area.fill(&WHITE)?;
    let highest =
        series.iter().flat_map(|line| &line.values).flatten().fold(0.0, |a: f64, b| a.max(*b));
    let last = i32::try_from(places.len()).unwrap_or(i32::MAX) - 1;
    let mut chart = ChartBuilder::on(&area)
        .margin(16)
        .x_label_area_size(44)
        .y_label_area_size(64)
        .caption(title, ("sans-serif", 18))
        .build_cartesian_2d(0..last, 0.0..highest * HEADROOM)?;
    let value_at = |place: i32| places.get(usize::try_from(place).ok()?);
    chart
        .configure_mesh()
        .disable_x_mesh()
        .light_line_style(TRANSPARENT)
        .x_desc(axis)
        .x_labels(places.len())
        .x_label_formatter(&|place| {
            value_at(*place).map_or_else(String::new, |value| number((*value).into(), 0))
        })
        .y_label_formatter(&|value| number(*value, usize::from(highest < 10.0)))
        .label_style(("sans-serif", 14))
        .draw()?;
    for (line, colour) in series.iter().zip(COLOURS) {
        let points = (0..).zip(&line.values);
        let points: Vec<(i32, f64)> =
            points.filter_map(|(place, value)| Some((place, (*value)?))).collect();
        chart
            .draw_series(LineSeries::new(points.iter().copied(), colour.stroke_width(2)))?
            .label(line.label)
            .legend(move |(x, y)| PathElement::new([(x, y), (x + 20, y)], colour.stroke_width(2)));
        chart.draw_series(points.iter().map(|&point| Circle::new(point, 3, colour.filled())))?;
    }
    chart
        .configure_series_labels()
        .position(SeriesLabelPosition::UpperLeft)
        .background_style(WHITE.mix(0.8))
        .label_font(("sans-serif", 14))
        .draw()?;
    area.present()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plot_has_its_lines_and_labels() {
        let series = [
            Series { label: "one", values: vec![Some(4.0), Some(5.0), None] },
            Series { label: "other", values: vec![Some(8.0), None, Some(9.0)] },
        ];
        let svg = svg("CPU", "connections", &[10, 1_000, 15_000], &series).expect("it is drawn");
        for part in ["CPU", "connections", "15,000", "one", "other", "</svg>"] {
            assert!(svg.contains(part), "{part}");
        }
        for colour in ["#0072B2", "#56B4E9"] {
            let points =
                svg.lines().filter(|line| line.contains("circle") && line.contains(colour));
            assert_eq!(points.count(), 2, "{colour}");
        }
    }
}
