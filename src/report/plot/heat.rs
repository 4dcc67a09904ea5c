//! Confusion of classes as a table of coloured cells, each row a class of A in percent.

use super::scene::{Anchor, Item, QUIET, SERIES, Scene, TEXT};
use crate::metrics::Confusion;

/// Cells in percent of the voxels that A gives the row's class.
pub fn confusion(title: &str, counts: &Confusion) -> Scene {
    let n = counts.classes.len();
    let (left, top, cell) = (104.0, 50.0, 54.0f64.min(360.0 / n as f64));
    let width = left + cell * n as f64 + 20.0;
    let mut scene = Scene::new(title, width.max(260.0), top + cell * 0.55 * n as f64 + 16.0);
    scene.word([left - 6.0, top - 6.0], "A \\ B", Anchor::End);
    let name = |class: usize| -> String {
        let text = &counts.classes[class];
        if text.chars().count() > 18 { text.chars().take(17).chain(['…']).collect() } else { text.clone() }
    };
    for row in 0..n {
        let y = top + row as f64 * cell * 0.55;
        scene.word([left - 6.0, y + cell * 0.3 + 3.0], name(row), Anchor::End);
        let all: u64 = counts.voxels[row].iter().sum();
        for column in 0..n {
            let x = left + column as f64 * cell;
            if row == 0 {
                let text: String = name(column).chars().take((cell / 4.6) as usize).collect();
                scene.text([x + cell / 2.0, top - 6.0], text, 8.0, QUIET, Anchor::Middle);
            }
            let count = counts.voxels[row][column];
            let share = if all > 0 { count as f64 / all as f64 } else { 0.0 };
            scene.items.push(Item::Rect {
                min: [x, y],
                max: [x + cell - 2.0, y + cell * 0.55 - 2.0],
                ink: if row == column { SERIES[0] } else { SERIES[1] },
                filled: true,
                opacity: 0.06 + 0.54 * share.sqrt(),
                note: format!("{} as {}: {count} voxels", counts.classes[row], counts.classes[column]),
            });
            let text = if all == 0 { "–".into() } else { percent(share) };
            scene.text([x + cell / 2.0 - 1.0, y + cell * 0.3 + 2.0], text, 8.5, TEXT, Anchor::Middle);
        }
    }
    scene
}

fn percent(share: f64) -> String {
    let value = 100.0 * share;
    if value > 0.0 && value < 0.01 { "<0.01 %".into() } else { format!("{value:.2} %") }
}
