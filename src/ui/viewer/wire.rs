//! The hand of the edge lasso: anchors by clicks, between them the way along the strongest edges.

use crate::core::Volume;
use crate::edit::Wire;
use crate::tools::{LassoTool, PointerEvent};
use glam::DVec3;

/// Ways from the last anchor, and the one to the pointer.
#[derive(Default)]
pub struct WireHand {
    wire: Option<Wire>,
    way: Vec<DVec3>,
    /// Where the last click was, to tell a double click.
    clicked: Option<DVec3>,
}

impl WireHand {
    /// The way from the last anchor to the pointer.
    pub fn way(&self) -> &[DVec3] {
        &self.way
    }

    /// Closes the contour along the edge, back to its first corner.
    pub fn finish(&mut self, lasso: &mut LassoTool) {
        let Some((wire, first)) = self.wire.as_mut().zip(lasso.contour().and_then(|c| c.corners.first().copied()))
        else {
            return;
        };
        let (axis, index) = wire.slice();
        if lasso.contour().is_some_and(|c| (c.axis, c.index) == (axis, index)) {
            let way = wire.path_to(first);
            lasso.append(axis, index, &way, false);
        }
    }

    /// Begins anew.
    pub fn forget(&mut self) {
        *self = Self::default();
    }

    /// Sets an anchor; whether the contour is to be closed, because the same place was clicked twice.
    pub fn press(&mut self, lasso: &mut LassoTool, image: Option<&Volume>, event: &PointerEvent) -> bool {
        let Some(image) = image else { return false };
        let (axis, index) = (event.through_axis, event.voxel[event.through_axis].round().max(0.0) as usize);
        let drawn = lasso.contour().is_some_and(|c| c.axis == axis && c.index == index);
        if drawn && self.clicked == Some(event.voxel) {
            return lasso.contour().is_some_and(|c| c.corners.len() > 2);
        }
        self.clicked = Some(event.voxel);
        let way = match self.wire.as_mut().filter(|w| drawn && w.slice() == (axis, index)) {
            Some(wire) => {
                let target = wire.snapped(event.voxel);
                wire.path_to(target)
            }
            None => Wire::new(image, axis, index, event.voxel).map_or_else(Vec::new, |w| vec![w.snapped(event.voxel)]),
        };
        // Beyond the window of the search the way is straight.
        let anchor = way.last().copied().unwrap_or(event.voxel);
        lasso.append(axis, index, if way.is_empty() { std::slice::from_ref(&anchor) } else { &way }, event.inverse);
        self.wire = Wire::new(image, axis, index, anchor);
        self.way.clear();
        false
    }

    /// Looks for the way to the pointer.
    pub fn follow(&mut self, lasso: &LassoTool, event: &PointerEvent) {
        let index = event.voxel[event.through_axis].round().max(0.0) as usize;
        let here = (event.through_axis, index);
        let drawn = lasso.contour().is_some_and(|c| (c.axis, c.index) == here);
        self.way = match self.wire.as_mut().filter(|w| drawn && w.slice() == here) {
            Some(wire) => {
                let target = wire.snapped(event.voxel);
                wire.path_to(target)
            }
            None => Vec::new(),
        };
    }
}
