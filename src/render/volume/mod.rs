//! The 3-D view: rays through the volume and the label textures that the slices are drawn from.
//!
//! Part of floor 1's `render`. [`VolumeView`] says what is shown, [`VolumeDrawer`] draws it on a thread of its own,
//! coarse while something moves and finer when it rests, and [`VolumeBlit`] puts the newest picture into a pane.

mod blit;
mod blocks;
mod camera;
mod drawer;
mod pass;
mod raycast;
mod transfer;
mod view;

#[cfg(test)]
mod tests;

pub use blit::VolumeBlit;
pub use camera::{Camera, ViewFrom};
pub use drawer::{VolumeContent, VolumeDrawer, VolumeOrder, VolumePicture, VolumeProgress};
pub use raycast::pick;
pub use transfer::{TransferFunction, TransferPoint, TransferPreset};
pub use view::{ClipBox, VolumeView};
