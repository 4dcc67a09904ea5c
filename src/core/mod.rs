//! Values and their invariants: geometry, volume, label map, segment, layer, case, window.
//!
//! Floor 0. Owns no files, threads, pixels on screen or GPU memory; every other module may use it.
//! World coordinates are DICOM's patient system (LPS, millimetres); voxel coordinates put the
//! centre of the first voxel at (0, 0, 0). Transforms are named `a_from_b`.

mod case;
mod color_map;
mod count;
mod flips;
mod geometry;
mod labels;
mod measure;
mod plane;
mod segment;
mod statistics;
mod value_scale;
mod voi_lut;
mod volume;
mod window;
mod work;

pub use case::{Case, CaseId, Layer, LayerId, Origin};
pub use color_map::{COLOR_MAP_ENTRIES, ColorMap};
pub use count::{count_of, count_with};
pub use flips::{Flips, FlipsError};
pub use geometry::{Geometry, GeometryError};
pub use labels::{BRICK_EDGE, Brick, BrickIndex, LabelMap, VoxelBox};
pub use measure::{Measured, Measurement, Shape, ShapeKind};
pub use plane::{Interpolation, Plane, PlaneAxes, PlaneDirections, SlabMode, TurnedPlane};
pub use segment::{Code, LabelId, PALETTE, Segment, default_color, segments_for_values};
pub use statistics::{Histogram, HuStatistics, HuSums, label_statistics};
pub use value_scale::ValueScale;
pub use voi_lut::VoiLut;
pub use volume::{Volume, VolumeError};
pub use window::{PRESETS, Preset, VoiFunction, Window};
pub use work::{SliceMarks, SliceStatus, Sources, Work};
