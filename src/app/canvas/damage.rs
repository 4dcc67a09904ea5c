//! What of a window has to be drawn again: the shapes in which two frames differ, and the pixels that they cover.

use egui::epaint::{ClippedShape, Shape};
use egui::{Pos2, Rect};

/// Shapes that are looked at ahead, where one is missing or new.
const AHEAD: usize = 48;
/// Areas that are kept apart. Each goes over all of the window's triangles once more.
const AREAS: usize = 6;

/// The shapes that are not in both lists in the same order.
///
/// What lies in both keeps its order. So a pixel that no other shape covers is drawn by the same shapes as before.
pub fn changed<'a>(old: &'a [ClippedShape], new: &'a [ClippedShape]) -> Vec<&'a ClippedShape> {
    let mut found = Vec::new();
    let (mut i, mut j) = (0, 0);
    while let (Some(was), Some(is)) = (old.get(i), new.get(j)) {
        if is_same(was, is) {
            (i, j) = (i + 1, j + 1);
            continue;
        }
        let (gone, come) = next_common(&old[i..], &new[j..]);
        found.extend(&old[i..i + gone]);
        found.extend(&new[j..j + come]);
        (i, j) = (i + gone, j + come);
    }
    found.extend(&old[i..]);
    found.extend(&new[j..]);
    found
}

/// How many shapes to leave out of each list until both go on with the same one; one of each where that is not near.
fn next_common(old: &[ClippedShape], new: &[ClippedShape]) -> (usize, usize) {
    for steps in 1..AHEAD {
        for gone in 0..=steps {
            let come = steps - gone;
            if let (Some(was), Some(is)) = (old.get(gone), new.get(come))
                && is_same(was, is)
            {
                return (gone, come);
            }
        }
    }
    (1, 1)
}

fn is_same(a: &ClippedShape, b: &ClippedShape) -> bool {
    a.clip_rect == b.clip_rect
        && a.transform_after_tessellation == b.transform_after_tessellation
        && is_same_shape(&a.shape, &b.shape)
}

/// Callbacks are new in every frame: what they draw is asked of them.
fn is_same_shape(a: &Shape, b: &Shape) -> bool {
    match (a, b) {
        (Shape::Callback(a), Shape::Callback(b)) => a.rect == b.rect,
        (Shape::Vec(a), Shape::Vec(b)) => a.len() == b.len() && a.iter().zip(b).all(|(a, b)| is_same_shape(a, b)),
        // Text that is laid out once is shared by the frames that show it.
        (Shape::Text(a), Shape::Text(b)) => {
            a.pos == b.pos
                && (std::sync::Arc::ptr_eq(&a.galley, &b.galley) || a.galley == b.galley)
                && (a.underline, a.fallback_color, a.override_text_color)
                    == (b.underline, b.fallback_color, b.override_text_color)
                && (a.opacity_factor, a.angle) == (b.opacity_factor, b.angle)
        }
        (a, b) => a == b,
    }
}

/// A rectangle of physical pixels, from `min` to before `max`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Area {
    pub min: [u32; 2],
    pub max: [u32; 2],
}

impl Area {
    fn pixels(self) -> u64 {
        let [w, h] = [0, 1].map(|n| u64::from(self.max[n].saturating_sub(self.min[n])));
        w * h
    }

    fn with(self, other: Self) -> Self {
        Self { min: [0, 1].map(|n| self.min[n].min(other.min[n])), max: [0, 1].map(|n| self.max[n].max(other.max[n])) }
    }

    /// In points.
    pub fn rect(self, pixels_per_point: f32) -> Rect {
        let [min, max] = [self.min, self.max].map(|p| Pos2::new(p[0] as f32, p[1] as f32) / pixels_per_point);
        Rect::from_min_max(min, max)
    }
}

/// Areas to be drawn again.
#[derive(Debug, Default)]
pub struct Damage {
    all: bool,
    areas: Vec<Area>,
}

impl Damage {
    /// Everything.
    pub fn add_all(&mut self) {
        self.all = true;
        self.areas.clear();
    }

    /// What a rectangle in points covers, in whole or in part.
    pub fn add(&mut self, rect: Rect, pixels_per_point: f32) {
        if self.all || !rect.is_positive() {
            return;
        }
        let edge = |at: Pos2, round: fn(f32) -> f32| [at.x, at.y].map(|p| round(p * pixels_per_point).max(0.0) as u32);
        let mut new = Area { min: edge(rect.min, f32::floor), max: edge(rect.max, f32::ceil) };
        if new.pixels() == 0 {
            return;
        }
        // What overlaps or touches so that little is drawn in vain becomes one.
        while let Some(n) = self.areas.iter().position(|a| a.with(new).pixels() <= a.pixels() + new.pixels()) {
            new = new.with(self.areas.swap_remove(n));
        }
        self.areas.push(new);
        if self.areas.len() > AREAS {
            self.join_nearest();
        }
    }

    /// Joins the two that lie so that least is drawn in vain.
    fn join_nearest(&mut self) {
        let pairs = (0..self.areas.len()).flat_map(|a| (0..a).map(move |b| (a, b)));
        let vain = |&(a, b): &(usize, usize)| {
            let (a, b) = (self.areas[a], self.areas[b]);
            a.with(b).pixels().saturating_sub(a.pixels() + b.pixels())
        };
        if let Some((a, b)) = pairs.min_by_key(vain) {
            let last = self.areas.swap_remove(a);
            self.areas[b] = self.areas[b].with(last);
        }
    }

    /// The areas within a window of `size` pixels, none of which is empty; leaves no damage behind.
    pub fn take(&mut self, size: [u32; 2]) -> Vec<Area> {
        let whole = Area { min: [0; 2], max: size };
        let areas: Vec<Area> = std::mem::take(&mut self.areas)
            .into_iter()
            .map(|a| Area { min: a.min, max: [0, 1].map(|n| a.max[n].min(size[n])) })
            .filter(|a| a.pixels() > 0)
            .collect();
        if std::mem::take(&mut self.all) || areas.iter().map(|a| a.pixels()).sum::<u64>() >= whole.pixels() {
            return vec![whole];
        }
        areas
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use egui::epaint::{CircleShape, RectShape};
    use egui::{Color32, Vec2};
    use proptest::prelude::*;

    fn dot(x: f32) -> ClippedShape {
        let shape = Shape::Circle(CircleShape::filled(Pos2::new(x, 5.0), 1.0, Color32::RED));
        ClippedShape { clip_rect: Rect::EVERYTHING, shape, transform_after_tessellation: Default::default() }
    }

    fn places(shapes: &[&ClippedShape]) -> Vec<f32> {
        shapes.iter().map(|s| s.shape.visual_bounding_rect().center().x).collect()
    }

    #[test]
    fn what_came_and_went_is_found_and_what_stayed_is_not() {
        let list = |places: &[f32]| places.iter().map(|&x| dot(x)).collect::<Vec<_>>();
        let old = list(&[1.0, 2.0, 3.0, 4.0, 5.0]);
        assert!(changed(&old, &old).is_empty());
        assert_eq!(places(&changed(&old, &list(&[1.0, 2.0, 9.0, 3.0, 4.0, 5.0]))), [9.0]);
        assert_eq!(places(&changed(&old, &list(&[1.0, 4.0, 5.0]))), [2.0, 3.0]);
        assert_eq!(places(&changed(&old, &list(&[1.0, 2.0, 7.0, 4.0, 8.0]))), [3.0, 7.0, 5.0, 8.0]);
        assert_eq!(places(&changed(&[], &list(&[1.0]))), [1.0]);
        // A turn of order is seen: one of the two lies over the other now.
        assert!(!changed(&old, &list(&[2.0, 1.0, 3.0, 4.0, 5.0])).is_empty());
        let mut clipped = old.clone();
        clipped[2].clip_rect = Rect::from_min_size(Pos2::ZERO, Vec2::splat(3.0));
        assert_eq!(changed(&old, &clipped).len(), 2);
        let mut nested = old.clone();
        nested[0].shape = Shape::Vec(vec![old[0].shape.clone(), old[1].shape.clone()]);
        assert!(changed(&nested, &nested.clone()).is_empty());
        assert_eq!(changed(&old, &nested).len(), 2);
    }

    #[test]
    fn areas_are_whole_pixels_within_the_window() {
        let mut damage = Damage::default();
        let rect = |x: f32, y: f32, w: f32, h: f32| Rect::from_min_size(Pos2::new(x, y), Vec2::new(w, h));
        assert!(damage.take([100, 100]).is_empty());
        damage.add(rect(1.2, 2.0, 2.0, 3.0), 1.5);
        damage.add(Rect::NOTHING, 1.5);
        damage.add(rect(900.0, 0.0, 5.0, 5.0), 1.5);
        damage.add(rect(f32::NAN, 0.0, 5.0, 5.0), 1.5);
        assert_eq!(damage.take([100, 100]), [Area { min: [1, 3], max: [5, 8] }]);
        damage.add(rect(10.0, 10.0, 20.0, 20.0), 1.0);
        damage.add(rect(30.0, 10.0, 20.0, 20.0), 1.0);
        assert_eq!(damage.take([100, 100]), [Area { min: [10, 10], max: [50, 30] }]);
        damage.add(Rect::EVERYTHING, 1.0);
        assert_eq!(damage.take([100, 70]), [Area { min: [0, 0], max: [100, 70] }]);
        damage.add_all();
        damage.add(rect(10.0, 10.0, 20.0, 20.0), 1.0);
        assert_eq!(damage.take([100, 70]), [Area { min: [0, 0], max: [100, 70] }]);
        assert!(damage.take([100, 70]).is_empty());
        let area = Area { min: [3, 6], max: [9, 12] };
        assert_eq!(area.rect(1.5), rect(2.0, 4.0, 4.0, 4.0));
    }

    proptest! {
        #[test]
        fn every_damaged_pixel_is_in_an_area(
            rects in prop::collection::vec((0u32..60, 0u32..60, 1u32..30, 1u32..30), 1..20),
        ) {
            let mut damage = Damage::default();
            for &(x, y, w, h) in &rects {
                damage.add(Rect::from_min_size(Pos2::new(x as f32, y as f32), Vec2::new(w as f32, h as f32)), 1.0);
            }
            let areas = damage.take([64, 64]);
            prop_assert!(areas.len() <= AREAS);
            for &(x, y, w, h) in &rects {
                for (px, py) in (y..(y + h).min(64)).flat_map(|py| (x..(x + w).min(64)).map(move |px| (px, py))) {
                    let within = |a: &Area| {
                        (a.min[0]..a.max[0]).contains(&px) && (a.min[1]..a.max[1]).contains(&py)
                    };
                    prop_assert!(areas.iter().any(within));
                }
            }
        }

        /// Whatever two lists hold: without the shapes that are named, they are the same list.
        #[test]
        fn what_is_not_named_is_common_to_both(
            old in prop::collection::vec(0u8..6, 0..40),
            new in prop::collection::vec(0u8..6, 0..40),
        ) {
            let list = |v: &[u8]| -> Vec<ClippedShape> {
                v.iter()
                    .map(|&n| {
                        let rect = Rect::from_min_size(Pos2::new(f32::from(n), 0.0), Vec2::splat(1.0));
                        let shape = Shape::Rect(RectShape::filled(rect, 0.0, Color32::RED));
                        ClippedShape { clip_rect: Rect::EVERYTHING, shape, transform_after_tessellation: Default::default() }
                    })
                    .collect()
            };
            let (old, new) = (list(&old), list(&new));
            let named = changed(&old, &new);
            let rest = |all: &[ClippedShape]| -> Vec<Rect> {
                let is_named = |s: &ClippedShape| named.iter().any(|n| std::ptr::eq(*n, s));
                all.iter().filter(|s| !is_named(s)).map(|s| s.shape.visual_bounding_rect()).collect()
            };
            prop_assert_eq!(rest(&old), rest(&new));
        }
    }
}
