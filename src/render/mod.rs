//! The GPU copy of core values and the passes that draw them (WGSL in `shaders/`).
//!
//! Floor 1: knows `core` and wgpu, nothing of windows or egui. Owns the textures of a volume and of label layers, the
//! slice pass, the 3-D view, the passes between these textures and a network's buffers, and the pure geometry of a pane
//! ([`PaneView`], [`Camera`]). The viewer calls it inside its paint callback; it may equally draw to an offscreen texture.
//! Screen positions are physical pixels from the pane's left top corner, so the centre of the first pixel is at (0.5, 0.5).

mod error;
mod full_screen;
mod label_texture;
mod lut_texture;
mod network;
mod offscreen;
mod picture;
mod slice_renderer;
mod slice_view;
mod upload;
mod view;
mod volume;
mod volume_texture;

#[cfg(test)]
mod reference;
#[cfg(test)]
mod tests;

pub use error::RenderError;
pub use label_texture::LabelTexture;
pub use network::{InputPass, InputRange, LabelPass, finish};
pub use offscreen::Offscreen;
pub use picture::{Picture, Pictures};
pub use slice_renderer::{PaneId, SliceRenderer, SliceTextures, Steady};
pub use slice_view::{DifferenceColors, Fusion, LabelColors, Overlay, Slab, SliceView};
pub use view::{PaneView, PlaneFrame, VoxelFromPane};
pub use volume::{
    Camera, ClipBox, TransferFunction, TransferPoint, TransferPreset, ViewFrom, VolumeBlit, VolumeContent,
    VolumeDrawer, VolumeOrder, VolumePicture, VolumeProgress, VolumeView, pick,
};
pub use volume_texture::VolumeTexture;
