//! Times the slice pass on the graphics adapter, into a texture instead of a window.

use super::data::volume;
use super::sampling::Sampler;
use crate::cli::CliError;
use crate::core::{ColorMap, Geometry, Interpolation, LabelMap, Plane, Segment, Window};
use crate::edit::{Brush, BrushShape, PaintRule, Stroke};
use crate::nn::SharedGpu;
use crate::render::{
    LabelColors, LabelTexture, Offscreen, Overlay, PaneView, RenderError, SliceTextures, SliceView, VolumeTexture,
};
use glam::{DVec2, DVec3};
use std::time::Instant;

/// Width and height of the pane, in physical pixels.
const PANE: u32 = 512;

pub(super) fn measure(sampler: &mut Sampler, gpu: &SharedGpu) -> Result<(), CliError> {
    let dims = if sampler.quick { [256, 256, 60] } else { [512, 512, 300] };
    sampler.begin("redraw", "uploading the volume")?;
    let (mut stage, geometry) = Stage::new(gpu, dims)?;
    for plane in Plane::ALL {
        let mut pane = PaneView::fit(plane, &geometry, DVec2::splat(f64::from(PANE)));
        window_drag(sampler, &mut stage, &pane, &geometry)?;
        sampler.measure("redraw", &format!("{} pane, next slice", plane.name()), |watch| {
            let last = pane.slice_count(&geometry) - 1;
            let next = if pane.slice_index(&geometry) == last { 0.0 } else { pane.slice + 1.0 };
            pane.set_slice(&geometry, next);
            let view = view(&pane, &geometry, Window::new(400.0, 40.0));
            watch.time(|| stage.draw(&view).and_then(|()| stage.pane.wait())).map(drop).map_err(CliError::of)
        })?;
    }
    Ok(())
}

/// A volume with a mask on the adapter, and a pane to draw them in.
pub(super) struct Stage {
    pane: Offscreen,
    volume: VolumeTexture,
    labels: LabelTexture,
}

impl Stage {
    pub fn new(gpu: &SharedGpu, dims: [usize; 3]) -> Result<(Self, Geometry), CliError> {
        let image = volume(dims)?;
        let geometry = *image.geometry();
        let stage = Self {
            pane: Offscreen::new(&gpu.device, &gpu.queue, [PANE; 2]).map_err(CliError::of)?,
            volume: VolumeTexture::new(&gpu.device, dims).map_err(CliError::of)?,
            labels: LabelTexture::new(&gpu.device, dims).map_err(CliError::of)?,
        };
        stage.volume.upload_all(&gpu.device, &gpu.queue, image.hu()).map_err(CliError::of)?;
        stage.labels.upload_all(&gpu.device, &gpu.queue, &ball(&geometry)).map_err(CliError::of)?;
        Ok((stage, geometry))
    }

    /// Draws an axial slice with the window at `centre` and waits until it is done.
    pub fn frame(&mut self, geometry: &Geometry, centre: f64) -> Result<(), CliError> {
        let pane = PaneView::fit(Plane::Axial, geometry, DVec2::splat(f64::from(PANE)));
        self.draw(&view(&pane, geometry, Window::new(400.0, centre)))
            .and_then(|()| self.pane.wait())
            .map(drop)
            .map_err(CliError::of)
    }

    fn draw(&mut self, view: &SliceView) -> Result<(), RenderError> {
        let textures = SliceTextures { volume: &self.volume, layers: [Some(&self.labels), None], fused: None };
        self.pane.draw(textures, view)
    }
}

/// A new window for every frame, as when it is dragged; two figures: the whole frame, and our own part until the
/// commands are on their way.
fn window_drag(sampler: &mut Sampler, stage: &mut Stage, pane: &PaneView, geometry: &Geometry) -> Result<(), CliError> {
    let name = pane.plane.name();
    let mut centre = 0.0;
    let mut submits = Vec::new();
    sampler.measure("redraw", &format!("{name} pane, window drag"), |watch| {
        centre = (centre + 1.0) % 400.0;
        watch
            .time(|| {
                let begun = Instant::now();
                stage.draw(&view(pane, geometry, Window::new(400.0, centre)))?;
                submits.push(begun.elapsed().as_secs_f64());
                stage.pane.wait()
            })
            .map(drop)
            .map_err(CliError::of)
    })?;
    // The first one warmed up.
    let submits = submits.split_off(1.min(submits.len()));
    sampler.add("redraw", &format!("{name} pane, window drag, until submitted"), submits, None);
    Ok(())
}

fn view(pane: &PaneView, geometry: &Geometry, window: Window) -> SliceView {
    SliceView {
        placement: pane.voxel_from_pane(geometry),
        pane_size: [PANE; 2],
        window,
        lut: None,
        invert: false,
        interpolation: Interpolation::Linear,
        slab: None,
        color_map: ColorMap::Grey,
        fusion: None,
        overlay: Overlay::Labels { colors: LabelColors::from_segments(&[Segment::new(1, "Ball")]) },
        fill_opacity: 0.4,
        outline_opacity: 1.0,
        background: [0; 3],
    }
}

/// A mask whose outline is in every plane.
fn ball(geometry: &Geometry) -> LabelMap {
    let mut map = LabelMap::empty(*geometry);
    let size = DVec3::from(geometry.dims().map(|n| n as f64));
    let centre = (size - DVec3::ONE) / 2.0;
    let radius_mm = (size * geometry.spacing()).min_element() / 3.0;
    let mut stroke = Stroke::begin(&map);
    let brush = Brush { shape: BrushShape::Sphere, radius_mm };
    stroke.extend(&mut map, centre, centre, &brush, &PaintRule::paint(1, [false; 256]));
    stroke.commit(&map);
    map
}
