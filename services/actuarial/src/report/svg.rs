//! Drawings as SVG: lines, bars, intervals.

use std::fmt::Write as _;

use crate::report::html::escaped;

/// Colours, in the order of series.
const COLOURS: [&str; 10] = [
    "#2b6cb0", "#c05621", "#2f855a", "#6b46c1", "#b83280", "#2c7a7b", "#975a16", "#4a5568",
    "#c53030", "#3182ce",
];
const WIDTH: f64 = 960.0;
const LEFT: f64 = 90.0;
const TOP: f64 = 16.0;

/// A line with its name; points from left to right.
pub(crate) struct Series {
    pub(crate) name: String,
    pub(crate) points: Vec<(f64, f64)>,
}

/// A value with how far it may be off to both sides.
pub(crate) struct Bar {
    pub(crate) name: String,
    pub(crate) value: f64,
    pub(crate) error: Option<f64>,
}

/// An estimate between two bounds.
pub(crate) struct Interval {
    pub(crate) name: String,
    pub(crate) low: f64,
    pub(crate) value: f64,
    pub(crate) high: f64,
}

/// A level with its weight, and what was and what was expected.
pub(crate) struct Compared {
    pub(crate) name: String,
    pub(crate) weight: f64,
    pub(crate) observed: f64,
    pub(crate) expected: f64,
}

/// Lines over a common axis.
pub(crate) fn lines(title: &str, series: &[Series]) -> String {
    let points = || series.iter().flat_map(|series| &series.points);
    let x = Axis::over(points().map(|point| point.0), false);
    let y = Axis::over(points().map(|point| point.1), true);
    let (height, right) = (380.0, 110.0);
    let mut svg = Drawing::new(title, height);
    let place =
        |(px, py): (f64, f64)| (x.place(px, LEFT, WIDTH - right), y.place(py, height - 36.0, TOP));
    svg.grid(&y, height - 36.0, WIDTH - right);
    for tick in &x.ticks {
        let at = x.place(*tick, LEFT, WIDTH - right);
        svg.text(at, height - 18.0, "middle", &label(*tick));
    }
    for (index, series) in series.iter().enumerate() {
        let colour = COLOURS[index % COLOURS.len()];
        let path: Vec<String> = series
            .points
            .iter()
            .map(|point| {
                let (x, y) = place(*point);
                format!("{x:.1},{y:.1}")
            })
            .collect();
        svg.add(format_args!(
            "<polyline fill=\"none\" stroke=\"{colour}\" stroke-width=\"1.6\" points=\"{}\"/>",
            path.join(" ")
        ));
        if let Some((x, y)) = series.points.last().map(|point| place(*point)) {
            svg.add(format_args!(
                "<circle cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"2.6\" fill=\"{colour}\"/>"
            ));
        }
        let y = TOP + 12.0 * index as f64 + 8.0;
        if y < height - 40.0 {
            let x = WIDTH - right + 10.0;
            svg.add(format_args!(
                "<rect x=\"{x:.1}\" y=\"{:.1}\" width=\"10\" height=\"3\" fill=\"{colour}\"/>",
                y - 5.0
            ));
            svg.text(x + 14.0, y, "start", &series.name);
        }
    }
    svg.end()
}

/// Upright bars, with how far each may be off.
pub(crate) fn bars(title: &str, bars: &[Bar]) -> String {
    let ends = bars.iter().flat_map(|bar| {
        let error = bar.error.unwrap_or(0.0);
        [bar.value, bar.value - error, bar.value + error]
    });
    let y = Axis::over(ends, true);
    let height = 340.0;
    let mut svg = Drawing::new(title, height);
    svg.grid(&y, height - 36.0, WIDTH);
    let step = (WIDTH - LEFT) / bars.len().max(1) as f64;
    let up = |value: f64| y.place(value, height - 36.0, TOP);
    // So many names fit beside each other.
    let every = (bars.len() / 24) + 1;
    for (place, bar) in bars.iter().enumerate() {
        let x = LEFT + step * place as f64;
        let (top, base) = (up(bar.value.max(0.0)), up(bar.value.min(0.0)));
        svg.add(format_args!(
            "<rect x=\"{:.1}\" y=\"{top:.1}\" width=\"{:.1}\" height=\"{:.1}\" fill=\"#2b6cb0\"/>",
            x + step * 0.15,
            step * 0.7,
            (base - top).max(0.5)
        ));
        let middle = x + step / 2.0;
        if let Some(error) = bar.error {
            let (low, high) = (up(bar.value - error), up(bar.value + error));
            svg.add(format_args!(
                "<path d=\"M{middle:.1} {low:.1}V{high:.1}M{:.1} {low:.1}h8M{:.1} {high:.1}h8\" \
                 stroke=\"#1a2433\" fill=\"none\"/>",
                middle - 4.0,
                middle - 4.0
            ));
        }
        if place % every == 0 {
            svg.text(middle, height - 18.0, "middle", &bar.name);
        }
    }
    svg.end()
}

/// Lying bars with their names to the left.
pub(crate) fn lying(title: &str, bars: &[Bar]) -> String {
    let x = Axis::over(bars.iter().map(|bar| bar.value), true);
    let (left, row) = (240.0, 20.0);
    let height = TOP + row * bars.len() as f64 + 10.0;
    let mut svg = Drawing::new(title, height);
    for (place, bar) in bars.iter().enumerate() {
        let y = TOP + row * place as f64;
        let (from, to) = (x.place(0.0, left, WIDTH - 90.0), x.place(bar.value, left, WIDTH - 90.0));
        svg.add(format_args!(
            "<rect x=\"{:.1}\" y=\"{y:.1}\" width=\"{:.1}\" height=\"14\" fill=\"#2b6cb0\"/>",
            from.min(to),
            (to - from).abs().max(0.5)
        ));
        svg.text(left - 8.0, y + 11.0, "end", &bar.name);
        svg.text(from.max(to) + 6.0, y + 11.0, "start", &label(bar.value));
    }
    svg.end()
}

/// Estimates with their intervals, one below the other, around a line at `neutral`.
pub(crate) fn intervals(title: &str, neutral: f64, intervals: &[Interval]) -> String {
    let ends = intervals.iter().flat_map(|it| [it.low, it.value, it.high]);
    let x = Axis::over(ends.chain([neutral]), false);
    let (left, row) = (260.0, 18.0);
    let height = TOP + row * intervals.len() as f64 + 30.0;
    let across = |value: f64| x.place(value, left, WIDTH - 20.0);
    let mut svg = Drawing::new(title, height);
    for tick in &x.ticks {
        let at = across(*tick);
        svg.add(format_args!(
            "<path d=\"M{at:.1} {TOP}V{:.1}\" stroke=\"#dde3ea\"/>",
            height - 26.0
        ));
        svg.text(at, height - 10.0, "middle", &label(*tick));
    }
    let at = across(neutral);
    svg.add(format_args!(
        "<path d=\"M{at:.1} {TOP}V{:.1}\" stroke=\"#8a97a8\" stroke-dasharray=\"4 3\"/>",
        height - 26.0
    ));
    for (place, it) in intervals.iter().enumerate() {
        let y = TOP + row * place as f64 + 9.0;
        svg.text(left - 8.0, y + 4.0, "end", &it.name);
        svg.add(format_args!(
            "<path d=\"M{:.1} {y:.1}H{:.1}\" stroke=\"#2b6cb0\" stroke-width=\"2\"/>\
             <circle cx=\"{:.1}\" cy=\"{y:.1}\" r=\"3.2\" fill=\"#2b6cb0\"/>",
            across(it.low),
            across(it.high),
            across(it.value)
        ));
    }
    svg.end()
}

/// What was against what was expected, by level, over bars of weight.
pub(crate) fn compared(title: &str, levels: &[Compared]) -> String {
    two(title, ("observed", "expected"), levels)
}

/// Two lines of these names, by level, over bars of weight.
pub(crate) fn two(title: &str, names: (&str, &str), levels: &[Compared]) -> String {
    let y = Axis::over(levels.iter().flat_map(|level| [level.observed, level.expected]), true);
    let most = levels.iter().map(|level| level.weight).fold(0.0, f64::max);
    let height = 300.0;
    let mut svg = Drawing::new(title, height);
    svg.grid(&y, height - 36.0, WIDTH);
    let step = (WIDTH - LEFT) / levels.len().max(1) as f64;
    let every = (levels.len() / 24) + 1;
    let middle = |place: usize| LEFT + step * (place as f64 + 0.5);
    for (place, level) in levels.iter().enumerate() {
        let tall = if most > 0.0 { 90.0 * level.weight / most } else { 0.0 };
        svg.add(format_args!(
            "<rect x=\"{:.1}\" y=\"{:.1}\" width=\"{:.1}\" height=\"{tall:.1}\" fill=\"#e2e8f0\"/>",
            middle(place) - step * 0.35,
            height - 36.0 - tall,
            step * 0.7
        ));
        if place % every == 0 {
            svg.text(middle(place), height - 18.0, "middle", &level.name);
        }
    }
    let observed: Vec<f64> = levels.iter().map(|level| level.observed).collect();
    let expected: Vec<f64> = levels.iter().map(|level| level.expected).collect();
    let kinds = [(names.0, observed), (names.1, expected)];
    for (index, (name, values)) in kinds.iter().enumerate() {
        let colour = COLOURS[index];
        let points: Vec<(f64, f64)> = values
            .iter()
            .enumerate()
            .map(|(place, value)| (middle(place), y.place(*value, height - 36.0, TOP)))
            .collect();
        let path: Vec<String> = points.iter().map(|(x, y)| format!("{x:.1},{y:.1}")).collect();
        svg.add(format_args!(
            "<polyline fill=\"none\" stroke=\"{colour}\" stroke-width=\"1.8\" points=\"{}\"/>",
            path.join(" ")
        ));
        for (x, y) in points {
            svg.add(format_args!(
                "<circle cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"2.8\" fill=\"{colour}\"/>"
            ));
        }
        let x = WIDTH - 160.0 + 80.0 * index as f64;
        svg.add(format_args!(
            "<rect x=\"{x:.1}\" y=\"4\" width=\"10\" height=\"3\" fill=\"{colour}\"/>"
        ));
        svg.text(x + 14.0, 9.0, "start", name);
    }
    svg.end()
}

/// A line over named places; it breaks where there is nothing.
pub(crate) struct Course {
    pub(crate) name: String,
    pub(crate) values: Vec<Option<f64>>,
}

/// Lines over named places, such as periods, with marks on the first line at some of them.
pub(crate) fn courses(title: &str, names: &[String], lines: &[Course], marks: &[usize]) -> String {
    let y = Axis::over(lines.iter().flat_map(|line| line.values.iter().flatten().copied()), true);
    let (height, right) = (340.0, 110.0);
    let mut svg = Drawing::new(title, height);
    svg.grid(&y, height - 36.0, WIDTH - right);
    let step = (WIDTH - right - LEFT) / names.len().max(1) as f64;
    let across = |place: usize| LEFT + step * (place as f64 + 0.5);
    let up = |value: f64| y.place(value, height - 36.0, TOP);
    let every = (names.len() / 12) + 1;
    for (place, name) in names.iter().enumerate().step_by(every) {
        svg.text(across(place), height - 18.0, "middle", name);
    }
    for (index, line) in lines.iter().enumerate() {
        let colour = COLOURS[index % COLOURS.len()];
        let places: Vec<(usize, Option<f64>)> = line.values.iter().copied().enumerate().collect();
        for part in places.split(|(_, value)| value.is_none()).filter(|part| !part.is_empty()) {
            let points = part.iter().filter_map(|(place, value)| {
                Some(format!("{:.1},{:.1}", across(*place), up((*value)?)))
            });
            svg.add(format_args!(
                "<polyline fill=\"none\" stroke=\"{colour}\" stroke-width=\"1.6\" points=\"{}\"/>",
                points.collect::<Vec<_>>().join(" ")
            ));
        }
        let (x, y) = (WIDTH - right + 10.0, TOP + 12.0 * index as f64 + 8.0);
        svg.add(format_args!(
            "<rect x=\"{x:.1}\" y=\"{:.1}\" width=\"10\" height=\"3\" fill=\"{colour}\"/>",
            y - 5.0
        ));
        svg.text(x + 14.0, y, "start", &line.name);
    }
    let marked = |place: usize| lines.first()?.values.get(place).copied().flatten();
    for (place, value) in marks.iter().filter_map(|place| Some((*place, marked(*place)?))) {
        svg.add(format_args!(
            "<circle cx=\"{:.1}\" cy=\"{:.1}\" r=\"4.5\" fill=\"#c53030\"/>",
            across(place),
            up(value)
        ));
    }
    svg.end()
}

/// Names to the left and to the right, and lines between those that are tied, by their places.
pub(crate) fn ties(
    title: &str,
    left: &[String],
    right: &[String],
    links: &[(usize, usize)],
) -> String {
    let row = 20.0;
    let height = TOP + row * left.len().max(right.len()) as f64 + 10.0;
    let mut svg = Drawing::new(title, height);
    let (from, to) = (0.32 * WIDTH, 0.68 * WIDTH);
    // The shorter side is spread over the height of the longer.
    let y = |place: usize, count: usize| {
        TOP + (height - TOP - 10.0) * (place as f64 + 0.5) / count.max(1) as f64
    };
    for (a, b) in links {
        svg.add(format_args!(
            "<path d=\"M{from:.1} {:.1}L{to:.1} {:.1}\" stroke=\"{}\" stroke-opacity=\"0.5\"/>",
            y(*a, left.len()),
            y(*b, right.len()),
            COLOURS[b % COLOURS.len()]
        ));
    }
    for (names, x, anchor, off) in [(left, from, "end", -8.0), (right, to, "start", 8.0)] {
        for (place, name) in names.iter().enumerate() {
            let y = y(place, names.len());
            svg.add(format_args!(
                "<circle cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"3.2\" fill=\"#1a2433\"/>"
            ));
            svg.text(x + off, y + 4.0, anchor, name);
        }
    }
    svg.end()
}

/// A drawing being made.
struct Drawing(String);

impl Drawing {
    fn new(title: &str, height: f64) -> Drawing {
        let title = escaped(title);
        Drawing(format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {height:.0}\" \
             role=\"img\" aria-label=\"{title}\"><title>{title}</title>"
        ))
    }

    fn add(&mut self, part: std::fmt::Arguments<'_>) {
        let _ = self.0.write_fmt(part);
    }

    fn text(&mut self, x: f64, y: f64, anchor: &str, text: &str) {
        let text = escaped(&short(text));
        self.add(format_args!(
            "<text x=\"{x:.1}\" y=\"{y:.1}\" text-anchor=\"{anchor}\">{text}</text>"
        ));
    }

    fn grid(&mut self, y: &Axis, base: f64, right: f64) {
        for tick in &y.ticks {
            let at = y.place(*tick, base, TOP);
            self.add(format_args!("<path d=\"M{LEFT} {at:.1}H{right}\" stroke=\"#dde3ea\"/>"));
            self.text(LEFT - 8.0, at + 4.0, "end", &label(*tick));
        }
    }

    fn end(mut self) -> String {
        self.0.push_str("</svg>");
        self.0
    }
}

fn short(text: &str) -> String {
    match text.char_indices().nth(36) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

/// A range of values with round marks on it.
struct Axis {
    low: f64,
    high: f64,
    ticks: Vec<f64>,
}

impl Axis {
    fn over(values: impl Iterator<Item = f64>, with_zero: bool) -> Axis {
        let zero = if with_zero { Some(0.0) } else { None };
        let (mut low, mut high) = values
            .chain(zero)
            .filter(|value| value.is_finite())
            .fold((f64::MAX, f64::MIN), |(low, high), value| (low.min(value), high.max(value)));
        if low > high {
            (low, high) = (0.0, 1.0);
        }
        if high - low <= f64::EPSILON * high.abs() {
            (low, high) = (low - 0.5, high + 0.5);
        }
        // 1, 2 or 5 times a power of ten, so that there are some five marks.
        let rough = (high - low) / 5.0;
        let power = 10f64.powf(rough.log10().floor());
        let step = [1.0, 2.0, 5.0, 10.0].map(|times| times * power);
        let step = step.into_iter().find(|step| *step >= rough).unwrap_or(rough);
        let (first, last) = ((low / step).floor() as i64, (high / step).ceil() as i64);
        let ticks: Vec<f64> = (first..=last).map(|tick| tick as f64 * step).collect();
        Axis { low: first as f64 * step, high: last as f64 * step, ticks }
    }

    /// Where a value lies when the axis goes from `start` to `end`.
    fn place(&self, value: f64, start: f64, end: f64) -> f64 {
        start + (value - self.low) / (self.high - self.low) * (end - start)
    }
}

/// A mark on an axis, as short as it can be.
fn label(value: f64) -> String {
    let units = [(1e9, "G"), (1e6, "M"), (1e3, "k")];
    let unit = units.into_iter().find(|(unit, _)| value.abs() >= *unit);
    let (scaled, name) = unit.map_or((value, ""), |(unit, name)| (value / unit, name));
    let text = format!("{scaled:.3}");
    let text = text.trim_end_matches('0').trim_end_matches('.');
    format!("{}{name}", if text == "-0" { "0" } else { text })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn marks_are_round_and_reach_around_the_values() {
        let axis = Axis::over([3.0, 47.0].into_iter(), true);
        assert_eq!(axis.ticks, [0.0, 10.0, 20.0, 30.0, 40.0, 50.0]);
        assert_eq!(axis.place(25.0, 100.0, 0.0), 50.0);
        let marks = [18_680_855.6, 2_500.0, 0.25, 0.0].map(label);
        assert_eq!(marks, ["18.681M", "2.5k", "0.25", "0"]);
    }

    #[test]
    fn courses_break_where_there_is_nothing_and_are_marked() {
        let names = ["a", "b", "c", "d"].map(String::from);
        let values = vec![Some(1.0), Some(2.0), None, Some(3.0)];
        let lines = [Course { name: "seen".to_owned(), values }];
        let svg = courses("t", &names, &lines, &[1, 2, 9]);
        assert_eq!((svg.matches("<polyline").count(), svg.matches("<circle").count()), (2, 1));
        assert!(!courses("t", &[], &[], &[]).contains("NaN"));
    }

    #[test]
    fn ties_join_names_of_both_sides() {
        let (left, right) = (["a", "b"].map(String::from), ["<y>"].map(String::from));
        let svg = ties("t", &left, &right, &[(0, 0), (1, 0)]);
        assert_eq!((svg.matches("<path").count(), svg.matches("<circle").count()), (2, 3));
        // The one to the right lies between both to the left, at 26 and 46.
        assert!(svg.contains("M307.2 26.0L652.8 36.0") && svg.contains("M307.2 46.0L652.8 36.0"));
        assert!(svg.contains("&lt;y&gt;") && !svg.contains("<y>"));
        assert!(!ties("t", &[], &[], &[]).contains("NaN"));
    }

    #[test]
    fn a_drawing_of_nothing_and_of_one_value_has_no_odd_numbers() {
        let one = [Bar { name: "<x>".to_owned(), value: 7.0, error: None }];
        for svg in [bars("t", &[]), bars("t", &one), lying("t", &one), lines("t", &[])] {
            assert!(!svg.contains("NaN") && !svg.contains("inf") && !svg.contains("<x>"), "{svg}");
            assert!(svg.starts_with("<svg") && svg.ends_with("</svg>"));
        }
    }
}
