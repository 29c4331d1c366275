//! Draws diagrams as SVG: boxes, arrows, and the lifelines of a sequence. Colours follow the reader's light or
//! dark scheme, on a ground of their own, so that a page of either scheme can show them.

use std::fmt::Write;

const STYLE: &str = "\
svg{font:14px system-ui,-apple-system,'Segoe UI',sans-serif}\
.ground{fill:#fff;stroke:#d0d7de}.box{fill:#eef4fb;stroke:#54708f}.store{fill:#fdf3dc;stroke:#9a7220}\
.gone{fill:#fbe9e7;stroke:#b3402e}.band{fill:#f4f6f8;stroke:none}\
text{fill:#1f2328}.small{font-size:12px;fill:#57606a}.head{font-weight:600}\
.line{stroke:#54708f;stroke-width:1.5;fill:none}.life{stroke:#8c959f;stroke-dasharray:4 4}\
.tip{fill:#54708f}.cross{stroke:#b3402e;stroke-width:3}.lost{stroke:#b3402e;stroke-dasharray:5 4}\
@media (prefers-color-scheme:dark){.ground{fill:#161b22;stroke:#30363d}.box{fill:#1c2f45;stroke:#7ea6d0}\
.store{fill:#3a2f14;stroke:#d0a03c}.gone{fill:#45201b;stroke:#f0806c}.band{fill:#1d242d}\
text{fill:#e6edf3}.small{fill:#9aa5b1}.line{stroke:#7ea6d0}.life{stroke:#6e7681}.tip{fill:#7ea6d0}\
.lost,.cross{stroke:#f0806c}}";

/// A point, in pixels from the top left.
pub(super) type Point = (i32, i32);

/// A drawing that grows by its parts.
#[derive(Debug)]
pub(super) struct Sketch {
    size: Point,
    body: String,
    title: &'static str,
    description: &'static str,
}

impl Sketch {
    /// Begins a drawing; the description is for people who cannot see it.
    pub(super) fn new(size: Point, title: &'static str, description: &'static str) -> Self {
        Self { size, body: String::new(), title, description }
    }

    /// Draws a box of a class with a heading and a smaller line below, both in its middle.
    pub(super) fn block(&mut self, class: &str, at: Point, size: Point, head: &str, line: &str) {
        let ((x, y), (width, height)) = (at, size);
        self.push(format_args!(
            "<rect class=\"{class}\" x=\"{x}\" y=\"{y}\" width=\"{width}\" height=\"{height}\" rx=\"6\"/>"
        ));
        let (middle, centre) = (x + width / 2, y + height / 2);
        if line.is_empty() {
            self.middle("head", (middle, centre + 5), head);
        } else {
            self.middle("head", (middle, centre - 3), head);
            self.middle("small", (middle, centre + 14), line);
        }
    }

    /// Draws a plain ground for a group, with a heading in its upper left corner.
    pub(super) fn band(&mut self, at: Point, size: Point, head: &str) {
        let ((x, y), (width, height)) = (at, size);
        self.push(format_args!(
            "<rect class=\"band\" x=\"{x}\" y=\"{y}\" width=\"{width}\" height=\"{height}\" rx=\"8\"/>"
        ));
        if !head.is_empty() {
            self.text("head", (x + 14, y + 22), head);
        }
    }

    pub(super) fn text(&mut self, class: &str, (x, y): Point, text: &str) {
        let text = escaped(text);
        self.push(format_args!("<text class=\"{class}\" x=\"{x}\" y=\"{y}\">{text}</text>"));
    }

    /// Writes a text around a point.
    pub(super) fn middle(&mut self, class: &str, (x, y): Point, text: &str) {
        let text = escaped(text);
        self.push(format_args!(
            "<text class=\"{class}\" x=\"{x}\" y=\"{y}\" text-anchor=\"middle\">{text}</text>"
        ));
    }

    /// Draws an arrow along points.
    pub(super) fn arrow(&mut self, points: &[Point]) {
        self.path("line", " marker-end=\"url(#tip)\"", points);
    }

    /// Draws a line without a tip, of one or more classes.
    pub(super) fn line(&mut self, class: &str, points: &[Point]) {
        self.path(class, "", points);
    }

    fn path(&mut self, class: &str, attributes: &str, points: &[Point]) {
        let path: Vec<String> = points.iter().map(|(x, y)| format!("{x} {y}")).collect();
        self.push(format_args!("<path class=\"{class}\"{attributes} d=\"M{}\"/>", path.join("L")));
    }

    /// Draws the participants of a sequence, each with a line down to `end`.
    pub(super) fn lifelines(&mut self, columns: &[(i32, &str)], end: i32) {
        for (x, name) in columns {
            self.line("life", &[(*x, 56), (*x, end)]);
            self.block("box", (x - 75, 20), (150, 36), name, "");
        }
    }

    /// Draws a message of a sequence, with its text above it.
    pub(super) fn message(&mut self, y: i32, from: i32, to: i32, text: &str) {
        let inset = if to > from { -4 } else { 4 };
        self.arrow(&[(from, y), (to + inset, y)]);
        self.middle("", (i32::midpoint(from, to), y - 7), text);
    }

    /// Marks the loss of something: a cross at a point, and a text beside it.
    pub(super) fn cross(&mut self, (x, y): Point, text: &str) {
        self.push(format_args!(
            "<path class=\"cross\" d=\"M{} {}l14 14m0-14l-14 14\"/>",
            x - 7,
            y - 7
        ));
        self.text("", (x + 16, y + 5), text);
    }

    pub(super) fn finish(self) -> String {
        let Self { size: (width, height), body, title, description } = self;
        let (title, description) = (escaped(title), escaped(description));
        format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width}\" height=\"{height}\" \
             viewBox=\"0 0 {width} {height}\" role=\"img\">\n<title>{title}</title>\n<desc>{description}</desc>\n\
             <style>{STYLE}</style>\n<defs><marker id=\"tip\" viewBox=\"0 0 10 10\" refX=\"9\" refY=\"5\" \
             markerWidth=\"7\" markerHeight=\"7\" orient=\"auto-start-reverse\"><path class=\"tip\" \
             d=\"M0 0L10 5L0 10z\"/></marker></defs>\n<rect class=\"ground\" x=\"0.5\" y=\"0.5\" width=\"{}\" \
             height=\"{}\" rx=\"10\"/>\n{body}</svg>\n",
            width - 1,
            height - 1,
        )
    }

    fn push(&mut self, part: std::fmt::Arguments<'_>) {
        // Writing to a text cannot fail.
        let _ = writeln!(self.body, "{part}");
    }
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_escaped_and_arrows_have_tips() {
        let mut sketch = Sketch::new((100, 80), "a < b", "c & d");
        sketch.message(40, 10, 90, "<id>");
        let svg = sketch.finish();
        assert!(svg.contains("<title>a &lt; b</title>\n<desc>c &amp; d</desc>"), "{svg}");
        assert!(svg.contains("d=\"M10 40L86 40\""), "{svg}");
        assert!(svg.contains("marker-end=\"url(#tip)\""), "{svg}");
        assert!(svg.contains(">&lt;id&gt;</text>"), "{svg}");
    }
}
