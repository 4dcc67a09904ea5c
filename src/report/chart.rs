//! A figure along the slices as an inline SVG picture.

use super::text::escape;
use std::fmt::Write;

/// What to draw.
pub(super) struct Profile<'a> {
    pub title: &'a str,
    /// Label of the vertical axis.
    pub axis: &'a str,
    /// Slice and value, in order of slice; `None` where the structure is missed, drawn as a red cross.
    pub points: Vec<(usize, Option<f64>)>,
    /// Top of the vertical axis; `None` fits the largest value.
    pub top: Option<f64>,
    /// Whether a miss is as bad as the top of the axis (distances) or as its bottom (Dice).
    pub miss_at_top: bool,
}

const WIDTH: f64 = 640.0;
const HEIGHT: f64 = 170.0;
const LEFT: f64 = 52.0;
const RIGHT: f64 = 10.0;
const UPPER: f64 = 24.0;
const LOWER: f64 = 34.0;

/// The picture; empty text when there are no points.
pub(super) fn svg(profile: &Profile) -> String {
    let (Some(first), Some(last)) = (profile.points.first(), profile.points.last()) else { return String::new() };
    let (first, last) = (first.0 as f64, last.0 as f64);
    let largest = profile.points.iter().filter_map(|p| p.1).fold(0.0, f64::max);
    let top = profile.top.unwrap_or_else(|| round_up(largest));
    let x = |k: usize| LEFT + (k as f64 - first) / (last - first).max(1.0) * (WIDTH - LEFT - RIGHT);
    let y = |v: f64| UPPER + (1.0 - v / top) * (HEIGHT - UPPER - LOWER);
    let mut out = format!(
        "<svg class=\"profile\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" role=\"img\" aria-label=\"{0}\"><title>{0}</title>\
         <text x=\"{LEFT}\" y=\"14\" class=\"name\">{0}</text>",
        escape(profile.title)
    );
    for n in 0..=4 {
        let value = top * f64::from(n) / 4.0;
        let at = y(value);
        // Writing to a String cannot fail.
        let _ = write!(
            out,
            "<line x1=\"{LEFT}\" x2=\"{}\" y1=\"{at:.1}\" y2=\"{at:.1}\" class=\"grid\"/><text x=\"{}\" y=\"{:.1}\" \
             text-anchor=\"end\">{}</text>",
            WIDTH - RIGHT,
            LEFT - 5.0,
            at + 4.0,
            short(value)
        );
    }
    for k in ticks(first as usize, last as usize) {
        let _ =
            write!(out, "<text x=\"{:.1}\" y=\"{}\" text-anchor=\"middle\">{k}</text>", x(k), HEIGHT - LOWER + 14.0);
    }
    let _ = write!(
        out,
        "<text x=\"{}\" y=\"{}\" text-anchor=\"middle\">slice k</text><text x=\"12\" y=\"14\">{}</text>",
        (LEFT + WIDTH - RIGHT) / 2.0,
        HEIGHT - 5.0,
        escape(profile.axis)
    );
    // Neighbouring slices are joined; a gap in the structure is a gap in the line.
    for run in profile.points.chunk_by(|p, q| q.0 == p.0 + 1 && p.1.is_some() && q.1.is_some()) {
        let line: Vec<String> =
            run.iter().filter_map(|(k, v)| v.map(|v| format!("{:.1},{:.1}", x(*k), y(v.min(top))))).collect();
        if line.len() > 1 {
            let _ = write!(out, "<polyline points=\"{}\" class=\"line\"/>", line.join(" "));
        }
    }
    for (k, value) in &profile.points {
        let _ = match value {
            Some(v) => write!(
                out,
                "<circle cx=\"{:.1}\" cy=\"{:.1}\" r=\"1.8\" class=\"dot\"><title>slice {k}: {}</title></circle>",
                x(*k),
                y(v.min(top)),
                short(*v)
            ),
            None => {
                let (cx, cy) = (x(*k), y(if profile.miss_at_top { top } else { 0.0 }));
                write!(
                    out,
                    "<path d=\"M{:.1} {:.1}l6 6m0 -6l-6 6\" class=\"miss\"><title>slice {k}: missed</title></path>",
                    cx - 3.0,
                    cy - 3.0
                )
            }
        };
    }
    out.push_str("</svg>");
    out
}

/// The next of 1, 2, 4, 8 times a power of ten, so that quarters are short numbers.
fn round_up(value: f64) -> f64 {
    if value <= 0.0 || !value.is_finite() {
        return 1.0;
    }
    let power = 10f64.powf(value.log10().floor());
    [1.0, 2.0, 4.0, 8.0].into_iter().map(|m| m * power).find(|&v| v >= value).unwrap_or(10.0 * power)
}

fn short(value: f64) -> String {
    let text = format!("{value:.3}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

/// At most about ten round slice numbers.
fn ticks(first: usize, last: usize) -> impl Iterator<Item = usize> {
    let span = last - first;
    let step = [1, 2, 5, 10, 20, 50, 100, 200, 500, 1000].into_iter().find(|s| span / s <= 10).unwrap_or(span / 5);
    (first.div_ceil(step)..=last / step).map(move |n| n * step)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn axes_end_on_round_numbers() {
        assert_eq!([0.0, 0.03, 1.0, 1.1, 57.3, 81.0].map(round_up), [1.0, 0.04, 1.0, 2.0, 80.0, 100.0]);
        assert_eq!(ticks(3, 41).collect::<Vec<_>>(), [5, 10, 15, 20, 25, 30, 35, 40]);
        assert_eq!(ticks(7, 7).collect::<Vec<_>>(), [7]);
        assert_eq!([0.0, 0.25, 1.0, 80.0].map(short), ["0", "0.25", "1", "80"]);
    }

    #[test]
    fn a_gap_breaks_the_line_and_a_miss_is_a_cross() {
        let points = vec![(1, Some(0.5)), (2, Some(0.75)), (5, Some(0.5)), (6, Some(1.0)), (7, None)];
        let picture = svg(&Profile { title: "a<b", axis: "", points, top: Some(1.0), miss_at_top: false });
        assert_eq!(picture.matches("<polyline").count(), 2);
        assert_eq!(picture.matches("<circle").count(), 4);
        assert_eq!(picture.matches("class=\"miss\"").count(), 1);
        assert!(picture.contains("a&lt;b") && !picture.contains("a<b"));
        let none = Profile { title: "", axis: "", points: vec![], top: None, miss_at_top: true };
        assert_eq!(svg(&none), "");
    }
}
