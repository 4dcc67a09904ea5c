//! How the width of the window is shared between the panes of the middle and the panels at both sides.

use egui_tiles::{Container, LinearDir, Tile, Tree};

/// Width in points of a window up to which the sides grow with it; of what is beyond, the image gets all.
pub const WIDEST: f32 = 1500.0;

/// Parts of the width of the left side, the middle and the right side; `None` where the user docked them elsewhere.
pub fn parts<P>(tree: &Tree<P>) -> Option<[f32; 3]> {
    let Some(Tile::Container(Container::Linear(row))) = tree.tiles.get(tree.root()?) else { return None };
    let [first, _, .., last] = row.children.as_slice() else { return None };
    let is_side = |id| matches!(tree.tiles.get(id), Some(Tile::Container(Container::Tabs(_))));
    if row.dir != LinearDir::Horizontal || !is_side(*first) || !is_side(*last) {
        return None;
    }
    let all: f32 = row.children.iter().map(|id| row.shares[*id]).sum();
    let [left, right] = [*first, *last].map(|id| row.shares[id] / all);
    let parts = [left, 1.0 - left - right, right];
    parts.iter().all(|p| *p > 0.01).then_some(parts)
}

/// Gives the sides and the middle their parts of the width; the panes of the middle keep theirs among each other.
pub fn divide<P>(tree: &mut Tree<P>, [left, middle, right]: [f32; 3]) {
    let Some(root) = tree.root() else { return };
    let Some(Tile::Container(Container::Linear(row))) = tree.tiles.get_mut(root) else { return };
    let [first, inner @ .., last] = row.children.as_slice() else { return };
    let sum: f32 = inner.iter().map(|id| row.shares[*id]).sum();
    if sum > 0.0 {
        for id in inner {
            row.shares[*id] *= middle / sum;
        }
        row.shares[*first] = left;
        row.shares[*last] = right;
    }
}

/// In a window of another width the sides take another part, so that a large one shows more of the image and no
/// emptier sides.
pub fn fit<P>(tree: &mut Tree<P>, before: f32, now: f32) {
    let part = |width: f32| width.min(WIDEST) / width;
    let factor = part(now) / part(before);
    if !factor.is_finite() || (factor - 1.0).abs() < 1e-4 {
        return;
    }
    if let Some([left, _, right]) = parts(tree) {
        let [left, right] = [left * factor, right * factor];
        divide(tree, [left, (1.0 - left - right).max(0.1), right]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use egui_tiles::Tiles;

    fn near(found: Option<[f32; 3]>, wanted: [f32; 3]) -> bool {
        found.is_some_and(|f| f.iter().zip(wanted).all(|(a, b)| (a - b).abs() < 1e-4))
    }

    #[test]
    fn a_larger_window_gives_what_it_adds_to_the_image() {
        let mut tiles = Tiles::default();
        let [left, a, b, right] = [0, 1, 2, 3].map(|n| tiles.insert_pane(n));
        let [left, right] = [left, right].map(|side| tiles.insert_tab_tile(vec![side]));
        let root = tiles.insert_horizontal_tile(vec![left, a, b, right]);
        let mut tree = Tree::new(egui::Id::unique("sides"), root, tiles);
        divide(&mut tree, [0.3, 0.5, 0.2]);
        assert!(near(parts(&tree), [0.3, 0.5, 0.2]), "{:?}", parts(&tree));
        fit(&mut tree, 1280.0, WIDEST);
        assert!(near(parts(&tree), [0.3, 0.5, 0.2]), "they grow with it: {:?}", parts(&tree));
        fit(&mut tree, WIDEST, 2.0 * WIDEST);
        assert!(near(parts(&tree), [0.15, 0.75, 0.1]), "and no further: {:?}", parts(&tree));
        fit(&mut tree, 2.0 * WIDEST, 800.0);
        assert!(near(parts(&tree), [0.3, 0.5, 0.2]), "and back: {:?}", parts(&tree));
        // A side that is docked elsewhere is no side.
        let mut tiles = Tiles::default();
        let panes = [0, 1, 2].map(|n| tiles.insert_pane(n));
        let root = tiles.insert_horizontal_tile(panes.to_vec());
        assert_eq!(parts(&Tree::new(egui::Id::unique("others"), root, tiles)), None);
    }
}
