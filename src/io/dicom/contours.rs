//! Closed contours around the pixels of a label on one slice. Private to `io::dicom`. Pure arithmetic.
//!
//! Contours follow pixel edges, drawn in by a twentieth of a pixel. So they hold exactly the pixels whose centres they
//! enclose, by even-odd or winding rule; tools that round points to the nearest pixel and fill to the edge find the
//! same pixels; and parts that touch at a corner stay apart. Holes are joined to the outside by a channel of no width
//! (the keyhole of PS3.3 C.8.8.6.3), because many readers fill every closed planar contour for itself.

use glam::DVec2;
use std::collections::{HashMap, HashSet};

/// How far inside its pixels' edges a contour runs, in pixels.
const INSET: f64 = 0.05;
/// Where a channel crosses its row, in pixels from the row's centre: on no centre and on no corner.
const CHANNEL: f64 = -0.25;

/// A step along a pixel edge, in columns and rows. The inside is on the right hand (rows grow downwards).
type Step = (i64, i64);
const UP: Step = (0, -1);
const DOWN: Step = (0, 1);

/// A pixel edge: the grid corner it starts from (corner (x, y) is the upper left one of pixel (x, y)), and its step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Edge {
    at: (i64, i64),
    step: Step,
}

impl Edge {
    /// The left edge of a pixel, upwards.
    fn left_of((x, y): (i64, i64)) -> Self {
        Self { at: (x, y + 1), step: UP }
    }

    /// The right edge of the pixel left of (x, y), downwards: where a hole begins at pixel (x, y).
    fn before((x, y): (i64, i64)) -> Self {
        Self { at: (x, y), step: DOWN }
    }

    /// The next edge of the same contour. Where pixels meet at a corner only, it stays with its own.
    fn next(self, inside: &impl Fn(i64, i64) -> bool) -> Self {
        let (dx, dy) = self.step;
        let at = (self.at.0 + dx, self.at.1 + dy);
        // Pixels that touch the corner ahead, to the right and to the left of the step.
        let (right, left) = match self.step {
            (1, _) => ((at.0, at.1), (at.0, at.1 - 1)),
            (-1, _) => ((at.0 - 1, at.1 - 1), (at.0 - 1, at.1)),
            (_, 1) => ((at.0 - 1, at.1), (at.0, at.1)),
            _ => ((at.0, at.1 - 1), (at.0 - 1, at.1 - 1)),
        };
        let step = if !inside(right.0, right.1) {
            (-dy, dx)
        } else if inside(left.0, left.1) {
            (dy, -dx)
        } else {
            self.step
        };
        Self { at, step }
    }

    /// The point where this edge and the one before it meet, drawn in, in pixel coordinates (centres are whole).
    fn corner(self, before: Step) -> DVec2 {
        let inwards = |(dx, dy): Step| DVec2::new(-dy as f64, dx as f64) * INSET;
        DVec2::new(self.at.0 as f64 - 0.5, self.at.1 as f64 - 0.5) + inwards(before) + inwards(self.step)
    }

    /// Where a channel through this upright edge's row begins or ends.
    fn gate(self) -> DVec2 {
        let row = if self.step == UP { self.at.1 - 1 } else { self.at.1 };
        let inwards = if self.step == UP { INSET } else { -INSET };
        DVec2::new(self.at.0 as f64 - 0.5 + inwards, row as f64 + CHANNEL)
    }
}

/// Contours of the pixels for which `inside` holds, in pixel coordinates: one for each part that hangs together by
/// edges, clockwise on the screen, without repeating the first point. `columns` and `rows` bound where it can hold.
pub(super) fn contours(
    columns: std::ops::Range<usize>,
    rows: std::ops::Range<usize>,
    inside: impl Fn(usize, usize) -> bool,
) -> Vec<Vec<DVec2>> {
    let inside = |x: i64, y: i64| match (usize::try_from(x), usize::try_from(y)) {
        (Ok(x), Ok(y)) => columns.contains(&x) && rows.contains(&y) && inside(x, y),
        _ => false,
    };
    let (mut outer, mut holes) = (Vec::new(), HashMap::new());
    let mut seen: HashSet<(i64, i64)> = HashSet::new();
    for y in rows.start as i64..rows.end as i64 {
        for x in columns.start as i64..columns.end as i64 {
            if !inside(x, y) || inside(x - 1, y) || !seen.insert((x, y)) {
                continue;
            }
            let first = Edge::left_of((x, y));
            match walk(first, &inside, &mut seen) {
                None => outer.push(first),
                Some(hole) => {
                    // Left of a hole's leftmost pixel everything is inside up to another contour, which so owns it.
                    let mut gate = hole.0 - 1;
                    while inside(gate - 1, hole.1) {
                        gate -= 1;
                    }
                    holes.insert((gate, hole.1), hole);
                }
            }
        }
    }
    outer.into_iter().map(|first| points(first, &holes, &inside)).collect()
}

/// Walks a contour once, notes its upward edges, and gives back the leftmost pixel of the hole when it is one.
fn walk(first: Edge, inside: &impl Fn(i64, i64) -> bool, seen: &mut HashSet<(i64, i64)>) -> Option<(i64, i64)> {
    let (mut edge, mut doubled_area, mut leftmost) = (first, 0, None);
    loop {
        let (x, y) = edge.at;
        match edge.step {
            UP => {
                seen.insert((x, y - 1));
            }
            DOWN if leftmost.is_none_or(|l| (x, y) < l) => leftmost = Some((x, y)),
            _ => {}
        }
        doubled_area += x * edge.step.1 - y * edge.step.0;
        edge = edge.next(inside);
        if edge == first {
            break;
        }
    }
    // Clockwise on the screen is positive where rows grow downwards.
    if doubled_area < 0 { leftmost } else { None }
}

/// The points of an outer contour, with a detour around each hole that hangs on it.
fn points(first: Edge, holes: &HashMap<(i64, i64), (i64, i64)>, inside: &impl Fn(i64, i64) -> bool) -> Vec<DVec2> {
    struct Round {
        first: Edge,
        edge: Edge,
        /// Where the channel to this hole began.
        from: Option<DVec2>,
    }
    let mut points = Vec::new();
    // Not recursive: holes may hang on holes by the thousand.
    let mut rounds = vec![Round { first, edge: first, from: None }];
    while let Some(round) = rounds.last_mut() {
        let edge = round.edge;
        let next = edge.next(inside);
        round.edge = next;
        let ended = next == round.first;
        if next.step != edge.step {
            points.push(next.corner(edge.step));
        }
        if ended && let Some(from) = round.from {
            points.push(next.gate());
            points.push(from);
        }
        if ended {
            rounds.pop();
            continue;
        }
        let pixel = (next.at.0, next.at.1 - 1);
        if next.step == UP
            && let Some(&hole) = holes.get(&pixel)
        {
            let (from, start) = (next.gate(), Edge::before(hole));
            points.push(from);
            points.push(start.gate());
            rounds.push(Round { first: start, edge: start, from: Some(from) });
        }
    }
    points
}
