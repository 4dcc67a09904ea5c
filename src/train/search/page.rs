//! A search as one HTML page: where good trials lie, and the table of all. Nothing in it is fetched from elsewhere.

use super::plot::{ParallelPlot, readable};
use super::{SearchSummary, TrialResult};
use std::fmt::Write;

const STYLE: &str = "body{font:15px/1.45 system-ui,sans-serif;color:#1c2024;background:#fff;max-width:1200px;margin:2em auto;padding:0 1em}\
h1{font-size:1.5em}table{border-collapse:collapse;font-variant-numeric:tabular-nums;font-size:.9em}\
th,td{padding:.3em .7em;text-align:right;border-bottom:1px solid #dde2e6;vertical-align:top}\
th{background:#f4f6f8;position:sticky;top:0}td.word,th.word{text-align:left}\
.wide{overflow-x:auto}.quiet{color:#5a646e}svg{width:100%;height:auto}svg text{font:11px system-ui,sans-serif;fill:#1c2024}\
svg .title{font-weight:600}svg .axis{stroke:#8a949e}svg path{fill:none;stroke-width:1.8;opacity:.8}svg path:hover{stroke-width:4;opacity:1}";

const WIDTH: f64 = 1160.0;
const HEIGHT: f64 = 380.0;
const SIDE: f64 = 110.0;
const TOP: f64 = 46.0;
const BOTTOM: f64 = 20.0;

/// The page. `name` is the search's.
pub(super) fn page(name: &str, summary: &SearchSummary) -> String {
    let title = format!("Search {}", escape(name));
    let mut out = format!(
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n<meta name=\"viewport\" \
         content=\"width=device-width, initial-scale=1\">\n<title>{title}</title>\n<style>{STYLE}</style>\n</head>\n<body>\n\
         <h1>{title}</h1>\n<p>{}</p>\n",
        escape(&in_words(summary))
    );
    let plot = ParallelPlot::of(&summary.ranking);
    if plot.lines.len() > 1 {
        out.push_str(&svg(&plot));
        out.push_str(
            "<p class=\"quiet\">Each line is a trial; yellow ones reached the highest validation Dice, dark ones the \
             lowest. Hold the pointer over a line for its number.</p>\n",
        );
    }
    out.push_str(&table(&summary.ranking));
    out.push_str("</body>\n</html>\n");
    out
}

fn in_words(summary: &SearchSummary) -> String {
    let done = summary.ranking.len();
    let mut text = format!("{done} trials, ranked by the Dice of their best epoch on the validation part.");
    if !summary.elsewhere.is_empty() {
        let _ = write!(text, " {} more are not done yet.", summary.elsewhere.len());
    }
    match &summary.test {
        Some(test) => {
            let dice = test.mean_dice.map_or_else(|| "undefined".into(), |d| format!("{d:.4}"));
            let _ = write!(
                text,
                " The test part was looked at once, with trial {}: mean Dice {dice} over {} cases.",
                test.trial, test.cases
            );
        }
        None => text.push_str(" The test part has not been looked at."),
    }
    text
}

fn svg(plot: &ParallelPlot) -> String {
    let last = plot.axes.len().saturating_sub(1).max(1) as f64;
    let x = |axis: usize| SIDE + axis as f64 / last * (WIDTH - 2.0 * SIDE);
    let y = |at: f64| TOP + (1.0 - at) * (HEIGHT - TOP - BOTTOM);
    let mut out =
        format!("<svg viewBox=\"0 0 {WIDTH} {HEIGHT}\" role=\"img\" aria-label=\"Trials over parallel axes\">\n");
    // The best are drawn last, on top.
    for line in plot.lines.iter().rev() {
        let points: Vec<String> =
            line.at.iter().enumerate().map(|(axis, at)| format!("{:.1} {:.1}", x(axis), y(*at))).collect();
        let [r, g, b] = rank_color(line.share);
        let _ = writeln!(
            out,
            "<path d=\"M {}\" stroke=\"rgb({r},{g},{b})\"><title>trial {}</title></path>",
            points.join(" L "),
            line.trial
        );
    }
    for (n, axis) in plot.axes.iter().enumerate() {
        let at = x(n);
        let lift = if n % 2 == 0 { 14.0 } else { 32.0 };
        let _ = write!(
            out,
            "<line class=\"axis\" x1=\"{at:.1}\" x2=\"{at:.1}\" y1=\"{:.1}\" y2=\"{:.1}\"/><text class=\"title\" \
             x=\"{at:.1}\" y=\"{lift}\" text-anchor=\"middle\">{}</text>",
            y(1.0),
            y(0.0),
            escape(&axis.title)
        );
        for (place, label) in &axis.ticks {
            let _ = write!(out, "<text x=\"{:.1}\" y=\"{:.1}\">{}</text>", at + 5.0, y(*place) + 4.0, escape(label));
        }
        out.push('\n');
    }
    out.push_str("</svg>\n");
    out
}

/// From dark blue (0) over green to yellow (1): the ends and the middle of matplotlib's viridis.
pub fn rank_color(share: f64) -> [u8; 3] {
    const STOPS: [[f64; 3]; 3] = [[68.0, 1.0, 84.0], [33.0, 145.0, 140.0], [238.0, 205.0, 30.0]];
    let at = share.clamp(0.0, 1.0) * 2.0;
    let (first, part) = if at < 1.0 { (0, at) } else { (1, at - 1.0) };
    std::array::from_fn(|c| (STOPS[first][c] + part * (STOPS[first + 1][c] - STOPS[first][c])).round() as u8)
}

fn table(ranking: &[TrialResult]) -> String {
    let mut paths: Vec<&str> = Vec::new();
    for (path, _) in ranking.iter().flat_map(|r| &r.settings) {
        if !paths.contains(&path.as_str()) {
            paths.push(path);
        }
    }
    let head: String = paths.iter().map(|p| format!("<th class=\"word\">{}</th>", escape(p))).collect();
    let mut out = format!(
        "<div class=\"wide\"><table><thead><tr><th>Rank</th><th>Trial</th><th>Dice</th><th>Best epoch</th><th>Time (s)</th>\
         {head}</tr></thead><tbody>\n"
    );
    for (rank, r) in ranking.iter().enumerate() {
        let reached = match (r.dice, &r.error) {
            (_, Some(error)) => escape(error),
            (Some(dice), None) => format!("{dice:.4}"),
            (None, None) => "undefined".into(),
        };
        let _ = write!(
            out,
            "<tr><td>{}</td><td>{}</td><td>{reached}</td><td>{} of {}</td><td>{:.0}</td>",
            rank + 1,
            r.trial,
            r.best_epoch,
            r.epochs,
            r.seconds
        );
        for path in &paths {
            let value = r.settings.iter().find(|(p, _)| p == path).map_or("", |(_, v)| v);
            let _ = write!(out, "<td class=\"word\">{}</td>", escape(&readable(value)));
        }
        out.push_str("</tr>\n");
    }
    out.push_str("</tbody></table></div>\n");
    out
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::train::TestResult;

    #[test]
    fn the_page_has_a_line_and_a_row_for_each_trial_and_escapes_what_it_was_given() {
        let result = |trial: usize, dice: Option<f64>| TrialResult {
            trial,
            settings: vec![("recipe".into(), format!("<b>{trial}")), ("loss".into(), "Bce".into())],
            dice,
            best_epoch: 2,
            epochs: 3,
            seconds: 4.0,
            error: dice.is_none().then(|| "the loss became NaN".into()),
        };
        let summary = SearchSummary {
            ranking: vec![result(2, Some(0.91)), result(1, Some(0.4)), result(3, None)],
            elsewhere: vec![4],
            test: Some(TestResult { trial: 2, mean_dice: Some(0.875), cases: 5 }),
        };
        let text = page("my <search>", &summary);
        assert_eq!((text.matches("<path").count(), text.matches("<tr>").count()), (2, 4));
        for part in ["&lt;b&gt;2", "Search my &lt;search&gt;", "0.8750", "the loss became NaN", "1 more are not done"] {
            assert!(text.contains(part), "{part}");
        }
        assert!(!text.contains("<b>") && !text.contains("http"));
        assert_eq!((rank_color(0.0), rank_color(1.0)), ([68, 1, 84], [238, 205, 30]));
    }
}
