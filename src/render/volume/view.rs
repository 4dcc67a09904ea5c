//! What the 3-D view shows. Values only, no device.

use super::camera::{Camera, diagonal};
use super::transfer::TransferFunction;
use crate::core::Geometry;
use crate::render::LabelColors;
use glam::{DMat3, DVec3, Mat3, Vec3};

/// A box of voxels outside of which nothing is drawn; voxel `n` reaches from `n - 0.5` to `n + 0.5`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ClipBox {
    pub min: DVec3,
    pub max: DVec3,
}

impl ClipBox {
    /// All of a volume.
    pub fn whole(geometry: &Geometry) -> Self {
        Self { min: DVec3::splat(-0.5), max: DVec3::from_array(geometry.dims().map(|n| n as f64 - 0.5)) }
    }

    /// Moves a face along its axis; it stays in the volume and a voxel away from the face opposite.
    pub fn set_face(&mut self, geometry: &Geometry, axis: usize, upper: bool, to: f64) {
        if !to.is_finite() {
            return;
        }
        let whole = Self::whole(geometry);
        if upper {
            self.max[axis] = to.clamp(self.min[axis] + 1.0, whole.max[axis].max(self.min[axis] + 1.0));
        } else {
            self.min[axis] = to.clamp(whole.min[axis], (self.max[axis] - 1.0).max(whole.min[axis]));
        }
    }

    /// Middle of a face, in voxels.
    pub fn face(&self, axis: usize, upper: bool) -> DVec3 {
        let mut at = (self.min + self.max) / 2.0;
        at[axis] = if upper { self.max[axis] } else { self.min[axis] };
        at
    }

    /// The ends of its twelve edges, in voxels.
    pub fn edges(&self) -> [[DVec3; 2]; 12] {
        let corner = |n: usize| {
            DVec3::from_array(std::array::from_fn(|a| if n >> a & 1 == 1 { self.max[a] } else { self.min[a] }))
        };
        let mut edges = [[DVec3::ZERO; 2]; 12];
        let pairs = (0..8usize).flat_map(|n| (0..3).filter(move |a| n >> a & 1 == 0).map(move |a| (n, n | 1 << a)));
        for (edge, (from, to)) in edges.iter_mut().zip(pairs) {
            *edge = [corner(from), corner(to)];
        }
        edges
    }
}

/// Everything the 3-D view shows but the textures.
#[derive(Debug, Clone, PartialEq)]
pub struct VolumeView {
    pub camera: Camera,
    pub geometry: Geometry,
    /// How the image is seen; `None` leaves it out.
    pub transfer: Option<TransferFunction>,
    /// Segments as surfaces in these colours; `None` leaves them out.
    pub surfaces: Option<LabelColors>,
    /// Opacity of the surfaces; below 1 what lies within is seen too.
    pub surface_opacity: f32,
    pub clip: ClipBox,
    /// sRGB.
    pub background: [u8; 3],
}

pub(super) const FLAG_VOLUME: u32 = 1;
pub(super) const FLAG_SURFACES: u32 = 2;
pub(super) const FLAG_SHADED: u32 = 4;
pub(super) const FLAG_MAXIMUM: u32 = 8;

/// The view as the shader reads it: `View` of `shaders/volume.wgsl`, field by field.
#[repr(C)]
#[derive(Debug, Clone, Copy, bytemuck::Pod, bytemuck::Zeroable)]
pub(super) struct VolumeRecord {
    pub origin: [f32; 3],
    pub step: f32,
    pub right: [f32; 3],
    pub samples: f32,
    pub down: [f32; 3],
    pub surface_opacity: f32,
    pub direction: [f32; 3],
    pub flags: u32,
    pub clip_min: [f32; 3],
    pub first_hu: f32,
    pub clip_max: [f32; 3],
    pub entries_per_hu: f32,
    pub gradient: [[f32; 4]; 3],
    pub background: [f32; 4],
    pub colors: [[u32; 4]; 64],
}

impl VolumeView {
    /// For a target whose pixels are `pixel` pane pixels wide, with samples `step` times the smallest spacing apart.
    pub(super) fn record(&self, pixel: f64, step: f64) -> VolumeRecord {
        let voxel_from_world = self.geometry.voxel_from_world();
        let [right, down, away] = self.camera.axes();
        let near = diagonal(&self.geometry);
        let begin = self.camera.world_from_screen(glam::DVec2::ZERO) - away * near;
        // The middle of the volume may lie off the plane through the camera's centre, after panning only beside it.
        let step_mm = self.geometry.spacing().min_element() * step;
        let vector = |v: DVec3| voxel_from_world.transform_vector3(v).as_vec3().to_array();
        let per_pixel = pixel / self.camera.zoom;
        let gradient = gradient_on_screen(&self.geometry, [right, down, away]);
        let mut record = VolumeRecord {
            origin: voxel_from_world.transform_point3(begin).as_vec3().to_array(),
            step: step_mm as f32,
            right: vector(right * per_pixel),
            samples: (2.0 * near / step_mm) as f32,
            down: vector(down * per_pixel),
            surface_opacity: self.surface_opacity.clamp(0.0, 1.0),
            direction: vector(away),
            flags: 0,
            clip_min: self.clip.min.as_vec3().to_array(),
            first_hu: 0.0,
            clip_max: self.clip.max.as_vec3().to_array(),
            entries_per_hu: 0.0,
            gradient: [gradient.x_axis, gradient.y_axis, gradient.z_axis].map(|c| [c.x, c.y, c.z, 0.0]),
            background: {
                let [r, g, b] = self.background.map(|c| f32::from(c) / 255.0);
                [r, g, b, 1.0]
            },
            colors: [[0; 4]; 64],
        };
        if let Some(transfer) = &self.transfer {
            let (_, [low, per_hu]) = transfer.table();
            record.first_hu = low;
            record.entries_per_hu = per_hu;
            record.flags |= FLAG_VOLUME
                | if transfer.shaded { FLAG_SHADED } else { 0 }
                | if transfer.maximum { FLAG_MAXIMUM } else { 0 };
        }
        if let Some(colors) = &self.surfaces {
            record.flags |= FLAG_SURFACES;
            let words: &mut [[u8; 4]] = bytemuck::cast_slice_mut(&mut record.colors);
            words.copy_from_slice(colors.table());
            words[0] = [0; 4];
        }
        record
    }
}

/// From a gradient per voxel to one per mm along the screen's axes: the inverse transpose of the voxel axes.
fn gradient_on_screen(geometry: &Geometry, [right, down, away]: [DVec3; 3]) -> Mat3 {
    let covariant = geometry.world_from_voxel().matrix3.inverse().transpose();
    let screen_from_world = DMat3::from_cols(right, down, away).transpose();
    let m = screen_from_world * covariant;
    Mat3::from_cols(m.x_axis.as_vec3(), m.y_axis.as_vec3(), m.z_axis.as_vec3())
}

impl VolumeRecord {
    pub(super) fn gradient_matrix(&self) -> Mat3 {
        let [i, j, k] = self.gradient.map(|c| Vec3::new(c[0], c[1], c[2]));
        Mat3::from_cols(i, j, k)
    }
}
