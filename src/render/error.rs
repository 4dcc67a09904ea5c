//! What can go wrong between core values and the graphics device.

/// Why something could not be put on the graphics device.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RenderError {
    /// A size is zero or above the device's limit for 3-D textures.
    #[error(
        "the volume has {} x {} x {} voxels, but this graphics device takes 1 to {limit} along each axis: crop or resample it",
        dims[0], dims[1], dims[2]
    )]
    TooLarge { dims: [usize; 3], limit: u32 },
    /// The device could not set the memory aside.
    #[error("the graphics device has no room for {mib} MiB: close other cases or programs and try again")]
    OutOfMemory { mib: u64 },
    /// Samples or labels do not match the texture they were meant for.
    #[error(
        "{found} values were given where {expected} belong: the image and its place on the graphics device differ in size"
    )]
    Length { expected: usize, found: usize },
    /// A slice index beyond the volume.
    #[error("slice {slice} was given to a volume of {count} slices")]
    Slice { slice: usize, count: usize },
    /// Two grids that must be equal are not.
    #[error(
        "the mask has {} x {} x {} voxels and the image {} x {} x {}: resample the mask to the image's grid first",
        found[0], found[1], found[2], expected[0], expected[1], expected[2]
    )]
    Grid { expected: [usize; 3], found: [usize; 3] },
    /// A pass takes slices along the third axis alone.
    #[error("the slices of this grid do not lie along its third axis")]
    Across,
    /// A pane's side is zero or above the device's limit for 2-D textures.
    #[error("a picture of {} x {} pixels was asked for, but this graphics device draws 1 to {limit} along each side", size[0], size[1])]
    Pane { size: [u32; 2], limit: u32 },
    /// The device did not finish an upload or a draw.
    #[error(
        "the graphics device stopped answering: restart the program, and update the graphics driver if it happens again"
    )]
    DeviceLost,
    /// The system gave no thread to draw on.
    #[error("the 3-D view could not be started: the system gives no more threads; close other programs and try again")]
    NoThread,
}
