//! Slices of the active case as pictures: window, colour map and mask as they are seen, millimetres square.

use super::task::JobTask;
use super::{Notice, Workspace};
use crate::core::{ColorMap, Geometry, LabelMap, Plane, PlaneAxes, Segment, VoiLut, Volume, Window};
use crate::io::animation::{save_gif, save_png_sequence};
use crate::jobs::{self, JobContext};
use image::{Rgb, RgbImage};
use std::path::PathBuf;
use std::sync::Arc;

/// Longest side of a picture in pixels.
const LONGEST: f64 = 1024.0;

/// What is to be written.
#[derive(Debug, Clone, PartialEq)]
pub struct StackExport {
    /// Ends in `.gif`, or names a new folder for PNG pictures.
    pub path: PathBuf,
    pub plane: Plane,
    /// First and last slice; the last may be the smaller one.
    pub slices: [usize; 2],
    pub per_second: f64,
}

/// Makes the pictures; owns what a job needs.
struct Painter {
    volume: Arc<Volume>,
    labels: Option<(LabelMap, [Option<[u8; 3]>; 256])>,
    window: Window,
    table: Option<Arc<VoiLut>>,
    invert: bool,
    color_map: ColorMap,
    fill: f32,
    outline: bool,
    plane: Plane,
}

impl Workspace {
    pub(super) fn export_stack(&mut self, export: StackExport) {
        let overlay = self.overlay;
        let Some(document) = self.active_document() else { return };
        let Some(volume) = document.case.volume.clone() else {
            self.notify(Notice::warning("Wait until all slices are read, then export them."));
            return;
        };
        let layer = document.layer().filter(|l| overlay.visible && l.visible);
        let painter = Painter {
            labels: layer.map(|l| (l.labels.clone(), colors(&l.segments))),
            window: document.view.window,
            table: document.shown_table().cloned(),
            invert: document.view.invert,
            color_map: document.view.color_map,
            fill: if overlay.fill { overlay.opacity } else { 0.0 },
            outline: overlay.outline,
            plane: export.plane,
            volume,
        };
        let last = PlaneAxes::of(painter.volume.geometry(), export.plane).size(painter.volume.geometry())[2] - 1;
        let [from, to] = export.slices.map(|n| n.min(last));
        let path = export.path.clone();
        let handle = jobs::spawn("Exporting the slices", self.waker.clone(), move |ctx: &JobContext<()>| {
            let slice = |n: usize| if from <= to { from + n } else { from - n };
            let count = from.abs_diff(to) + 1;
            let picture = |n: usize| painter.picture(slice(n));
            if export.path.extension().is_some_and(|e| e.eq_ignore_ascii_case("gif")) {
                save_gif(&export.path, count, export.per_second, picture, ctx)
            } else {
                save_png_sequence(&export.path, count, picture, ctx)
            }
        });
        self.start_on(self.active, JobTask::new(handle, |_, ()| {}, move |w, done| w.exported(&path, done)));
    }
}

fn colors(segments: &[Segment]) -> [Option<[u8; 3]>; 256] {
    let mut table = [None; 256];
    for segment in segments.iter().filter(|s| s.visible && s.id != 0) {
        table[usize::from(segment.id)] = Some(segment.color);
    }
    table
}

/// Width and height of a picture, and voxels a pixel to the right and down.
fn raster(geometry: &Geometry, plane: Plane) -> ([u32; 2], [f64; 2]) {
    let axes = PlaneAxes::of(geometry, plane);
    let [nx, ny, _] = axes.size(geometry);
    let [sx, sy] = axes.pixel_spacing(geometry);
    let mm = [nx as f64 * sx, ny as f64 * sy];
    // No pixel smaller than the finer voxel edge, and none so small that the picture becomes too large.
    let pixel = sx.min(sy).max(mm[0].max(mm[1]) / LONGEST);
    let size = mm.map(|m| (m / pixel).round().max(1.0));
    (size.map(|n| n as u32), [nx as f64 / size[0], ny as f64 / size[1]])
}

impl Painter {
    fn picture(&self, slice: usize) -> RgbImage {
        let geometry = self.volume.geometry();
        let (size, step) = raster(geometry, self.plane);
        let label = |x: i64, y: i64| self.label(slice, [x, y], step);
        RgbImage::from_fn(size[0], size[1], |x, y| {
            let at = [(f64::from(x) + 0.5) * step[0] - 0.5, (f64::from(y) + 0.5) * step[1] - 0.5];
            let grey = self.grey(self.hu(slice, at));
            let color = self.color_map.color(if self.invert { 1.0 - grey } else { grey });
            let (x, y) = (i64::from(x), i64::from(y));
            let here = label(x, y);
            let Some(mark) = self.labels.as_ref().and_then(|(_, colors)| colors[usize::from(here)]) else {
                return Rgb(color);
            };
            let rim = [(-1, 0), (1, 0), (0, -1), (0, 1)].into_iter().any(|(dx, dy)| label(x + dx, y + dy) != here);
            let part = if self.outline && rim { 1.0 } else { self.fill };
            Rgb(std::array::from_fn(|n| {
                let (under, over) = (f32::from(color[n]), f32::from(mark[n]));
                (under + (over - under) * part).round() as u8
            }))
        })
    }

    fn voxel(&self, slice: usize, at: [f64; 2]) -> [f64; 3] {
        let geometry = self.volume.geometry();
        PlaneAxes::of(geometry, self.plane).voxel_from_plane(geometry, at[0], at[1], slice as f64)
    }

    /// Bilinear in the plane.
    fn hu(&self, slice: usize, at: [f64; 2]) -> f64 {
        let base = at.map(f64::floor);
        let part = [at[0] - base[0], at[1] - base[1]];
        let last = self.volume.geometry().dims().map(|n| n as i64 - 1);
        let value = |dx: f64, dy: f64| {
            let voxel = self.voxel(slice, [base[0] + dx, base[1] + dy]);
            let near = std::array::from_fn(|a| (voxel[a].round() as i64).clamp(0, last[a]));
            f64::from(self.volume.at(near).unwrap_or_default())
        };
        let top = value(0.0, 0.0) * (1.0 - part[0]) + value(1.0, 0.0) * part[0];
        let bottom = value(0.0, 1.0) * (1.0 - part[0]) + value(1.0, 1.0) * part[0];
        top * (1.0 - part[1]) + bottom * part[1]
    }

    fn grey(&self, hu: f64) -> f64 {
        match &self.table {
            None => self.window.grey(hu),
            Some(table) => {
                let last = table.values().len().saturating_sub(1) as f64;
                let n = ((hu + 0.5).floor() - f64::from(table.first())).clamp(0.0, last) as usize;
                table.values().get(n).map_or(0.0, |v| f64::from(*v) / f64::from(table.white()))
            }
        }
    }

    fn label(&self, slice: usize, pixel: [i64; 2], step: [f64; 2]) -> u8 {
        let Some((labels, _)) = &self.labels else { return 0 };
        let at = [(pixel[0] as f64 + 0.5) * step[0] - 0.5, (pixel[1] as f64 + 0.5) * step[1] - 0.5];
        labels.at(self.voxel(slice, at).map(|v| (v + 0.5).floor() as i64))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use glam::DVec3;

    #[test]
    fn a_picture_has_square_millimetres_window_and_mask() {
        let geometry = Geometry::axis_aligned([10, 8, 6], DVec3::new(1.0, 1.0, 3.0), DVec3::ZERO).unwrap();
        let hu: Vec<i16> = (0..geometry.voxel_count()).map(|n| (n % 10) as i16 * 100).collect();
        let mut labels = LabelMap::empty(geometry);
        for i in 2..6 {
            labels.set([i, 4, 3], 7);
        }
        let mut segment = Segment::new(7, "Part");
        segment.color = [255, 0, 0];
        let mut painter = Painter {
            volume: Arc::new(Volume::new(geometry, hu).unwrap()),
            labels: Some((labels, colors(&[segment]))),
            window: Window::new(901.0, 450.5),
            table: None,
            invert: false,
            color_map: ColorMap::Grey,
            fill: 0.5,
            outline: false,
            plane: Plane::Axial,
        };
        let axial = painter.picture(3);
        assert_eq!(axial.dimensions(), (10, 8));
        assert_eq!((axial.get_pixel(0, 0).0, axial.get_pixel(9, 0).0), ([0; 3], [255; 3]));
        let [r, g, b] = axial.get_pixel(4, 4).0;
        assert!(r > 150 && g < 70 && b == g, "half red over grey: {r} {g} {b}");
        assert_eq!(painter.picture(2).get_pixel(4, 4).0[0], painter.picture(2).get_pixel(4, 4).0[1]);
        painter.outline = true;
        assert_eq!(painter.picture(3).get_pixel(3, 4).0, [255, 0, 0], "one voxel high: all rim");
        painter.plane = Plane::Coronal;
        let coronal = painter.picture(4);
        assert_eq!(coronal.dimensions(), (10, 18), "3 mm slices are three pixels");
        // Head at the top: slice 3 of 6 is the third from below.
        assert_eq!(coronal.get_pixel(3, 6).0, [255, 0, 0], "its upper rim");
        painter.invert = true;
        assert_eq!(coronal.get_pixel(9, 0).0, [255; 3]);
        assert_eq!(painter.picture(4).get_pixel(9, 0).0, [0; 3]);
    }
}
