//! Contact sheets: for the worst cases, and for those that two models differ most on, the slice where it happens, with
//! what only A has, what only B has and what both have in colour.

use super::read::{CaseMask, Reader};
use super::{CohortCase, CohortError, CohortEvent};
use crate::core::{Volume, VoxelBox};
use crate::jobs::JobContext;
use crate::metrics::{Agreement, BOTH, ONLY_A, ONLY_B, SegmentRow, Select, SliceRow, difference_map};
use crate::report::{CaseReport, Picture, ReportInputs, paired};

/// Cases of each kind.
const COUNT: usize = 5;
/// Longest side of a picture in pixels; small ones are enlarged.
const SIDE: usize = 280;
/// Only A, only B, both: apart for the common forms of colour blindness.
const COLORS: [[u8; 3]; 3] = [[230, 159, 0], [0, 114, 178], [0, 158, 115]];

/// One picture: which comparison, which structure, and why it is shown.
struct Wanted {
    case: String,
    side: usize,
    segment: String,
    why: String,
}

/// The five worst of each side; with several sides also the five most improved and most regressed.
pub(super) fn contact_sheets(
    inputs: &ReportInputs,
    cases: &[CohortCase],
    reader: &Reader,
    ctx: &JobContext<CohortEvent>,
) -> Result<Vec<Picture>, CohortError> {
    let mut wanted = worst(inputs);
    for test in paired(inputs).into_iter().filter(|t| t.figure == "Dice") {
        let side = inputs.judged.iter().position(|j| *j == test.second).unwrap_or(0);
        let improved = test.cases.iter().filter(|c| c.gain > 0.0).take(COUNT).map(|c| (c, "Improved"));
        let regressed = test.cases.iter().rev().filter(|c| c.gain < 0.0).take(COUNT).map(|c| (c, "Regressed"));
        for (case, what) in improved.chain(regressed) {
            let why = format!("{what} from {:.3} ({}) to {:.3} ({})", case.first, test.first, case.second, test.second);
            wanted.push(Wanted { case: case.case.clone(), side, segment: test.segment.clone(), why });
        }
    }
    let mut pictures = Vec::new();
    for want in wanted {
        if ctx.is_cancelled() {
            return Err(CohortError::Cancelled);
        }
        let Some(case) = cases.iter().find(|c| c.name == want.case) else { continue };
        let Some(report) = inputs.cases.iter().find(|c| c.name == want.case && c.judged == want.side) else { continue };
        // The masks are read again: keeping those of a whole cohort would not fit in memory.
        let (truth, judged) = match reader.pair(case, want.side, ctx) {
            Err(CohortError::Cancelled) => return Err(CohortError::Cancelled),
            // It could be read a moment ago; its figures stand without the picture.
            Err(_) => continue,
            Ok(pair) => pair,
        };
        let volume = truth.volume.clone().or_else(|| reader.volume(case, ctx));
        pictures.extend(picture(&want, report, &truth, &judged, volume.as_deref()));
    }
    Ok(pictures)
}

fn worst(inputs: &ReportInputs) -> Vec<Wanted> {
    let mut all = Vec::new();
    for side in 0..inputs.sides() {
        let rows = inputs.cases_of(side).flat_map(|c| c.metrics.rows.iter().map(move |r| (c, r)));
        let mut rows: Vec<_> = rows.filter(|(_, r)| r.agreement != Agreement::Neither).collect();
        rows.sort_by(|(_, x), (_, y)| x.figures.dice.unwrap_or(0.0).total_cmp(&y.figures.dice.unwrap_or(0.0)));
        all.extend(rows.into_iter().take(COUNT).enumerate().map(|(n, (case, row))| Wanted {
            case: case.name.clone(),
            side,
            segment: row.name.clone(),
            why: format!("Worst {} of {}: Dice {:.3}", n + 1, inputs.side_name(side), row.figures.dice.unwrap_or(0.0)),
        }));
    }
    all
}

/// The slice with most wrong pixels.
fn picture(
    want: &Wanted,
    report: &CaseReport,
    truth: &CaseMask,
    judged: &CaseMask,
    volume: Option<&Volume>,
) -> Option<Picture> {
    let row = report.metrics.rows.iter().find(|r| r.name == want.segment)?;
    let wrong = |s: &&SliceRow| s.overlap.fp + s.overlap.fn_;
    let slice = row.slices.iter().max_by_key(wrong)?;
    let rgb = slice_picture(truth, row.a, judged, row.b, volume, slice.k)?;
    let dice = slice.figures.dice.map_or_else(|| "undefined".into(), |d| format!("{d:.3}"));
    let place = format!("{}. {}, {}, slice {}", want.why, want.case, want.segment, slice.k);
    let caption = format!("{place}, where most pixels are wrong (Dice {dice}){}", lower(row, slice));
    Some(Picture { caption, ..rgb })
}

/// Where Dice is lower than in the slice that is shown: the picture is not to be taken for the worst figure.
fn lower(row: &SegmentRow, shown: &SliceRow) -> String {
    let dice = |s: &SliceRow| s.figures.dice.unwrap_or(1.0);
    let least = row.slices.iter().map(dice).fold(1.0, f64::min);
    if least >= dice(shown) {
        return String::new();
    }
    let slices: Vec<usize> = row.slices.iter().filter(|s| dice(s) == least).map(|s| s.k).collect();
    let runs: Vec<String> = slices
        .chunk_by(|a, b| a + 1 == *b)
        .map(|run| match run {
            [one] => one.to_string(),
            [first, .., last] => format!("{first} to {last}"),
            [] => String::new(),
        })
        .collect();
    format!("; Dice is lowest ({least:.3}) in slice {}", runs.join(", "))
}

/// One slice with the difference over the image; without an image over black.
pub(super) fn slice_picture(
    truth: &CaseMask,
    a: Select,
    judged: &CaseMask,
    b: Select,
    volume: Option<&Volume>,
    k: usize,
) -> Option<Picture> {
    let difference = difference_map(&truth.labels, a, &judged.labels, b).ok()?;
    let [nx, ny, nz] = truth.labels.geometry().dims();
    if k >= nz {
        return None;
    }
    let mut labels = vec![0; nx * ny];
    difference.copy_box(VoxelBox { min: [0, 0, k], max: [nx, ny, k + 1] }, &mut labels);
    let volume = volume.filter(|v| v.geometry().dims() == [nx, ny, nz]);
    let window = volume.map(Volume::first_window);
    let hu = volume.and_then(|v| v.slice(k));
    // The pixels' true proportions, at a size that fits beside others.
    let spacing = truth.labels.geometry().spacing();
    let (wide, high) = (nx as f64 * spacing.x, ny as f64 * spacing.y);
    let scale = SIDE as f64 / wide.max(high);
    let (width, height) = (((wide * scale).round() as usize).max(1), ((high * scale).round() as usize).max(1));
    let mut rgb = Vec::with_capacity(width * height * 3);
    for y in 0..height {
        for x in 0..width {
            let at = (y * ny / height) * nx + x * nx / width;
            let grey = match (hu, &window) {
                (Some(hu), Some(window)) => window.grey(f64::from(hu[at])) * 255.0,
                _ => 0.0,
            };
            let color = match labels[at] {
                ONLY_A => Some(COLORS[0]),
                ONLY_B => Some(COLORS[1]),
                BOTH => Some(COLORS[2]),
                _ => None,
            };
            let share = if labels[at] == BOTH { 0.35 } else { 0.7 };
            for channel in 0..3 {
                let value = color.map_or(grey, |c| (1.0 - share) * grey + share * f64::from(c[channel]));
                rgb.push(value.round() as u8);
            }
        }
    }
    Some(Picture { caption: String::new(), width: width as u32, height: height as u32, rgb })
}
