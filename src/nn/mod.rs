//! Networks, losses, optimizers, weight files and the choice of compute device.
//!
//! Floor 1: uses `core`, `jobs` and `kernels`. The only module besides `train` and `predict`
//! that knows burn, and besides `render`, `ui::viewer` and `app` the only one that knows wgpu. Used by `train`,
//! `predict`, the command line's `doctor` and the program's start, which hands [`SharedGpu`] to the window.
//!
//! Tensors are `[batch, channels, height, width]` throughout. Work on a GPU stays on the one thread that a
//! [`ComputeThread`] owns; the CPU may be used from any thread.

mod average;
mod cpu;
mod deeplab;
mod device;
mod doctor;
mod gpu;
mod gradients;
mod guard;
mod hook;
mod inference;
mod init;
mod layers;
mod loss;
mod network;
mod ops;
mod optim;
mod precision;
mod preprocess;
mod probe;
mod resnet;
mod schedule;
mod segment;
mod state;
mod trial;
mod turn;
mod unet;
mod weights;
mod worker;

#[cfg(test)]
mod tests;

pub use average::WeightAverage;
pub use deeplab::{DeepLabConfig, ResNetUNetConfig};
pub use device::{
    AdapterReport, ComputeDevice, DeviceChoice, DeviceError, DeviceMode, DeviceRoom, Pulse, RoomBuffer, SharedGpu,
    compute_device,
};
pub use doctor::{DeviceReport, Proof, report};
pub use gpu::matrix::told as matrix_units;
pub use gpu::times::{KernelTime, kernel_times, time_kernels};
pub use gradients::GradientSet;
pub use guard::catch;
pub use inference::{InferenceConfig, Tiling, has_sides};
pub use init::initial_weights;
pub use layers::{DropoutKind, Pass};
pub use loss::{
    BceConfig, BceDiceConfig, CrossEntropyConfig, DiceCrossEntropyConfig, FocalConfig, LossConfig, OverlapConfig,
    TverskyConfig, loss,
};
pub use network::{Network, NetworkConfig, NetworkError, NetworkSpec};
pub use ops::Activation;
pub use optim::{Optimizer, OptimizerConfig, OptimizerKind, Rates};
pub use precision::{Precision, with_precision};
pub use preprocess::{
    AxialView, Intensity, PreprocessConfig, resample_hu, resampling_weights, resize_labels, resize_linear,
};
pub use probe::{Layer, LayerTime, layer_times};
pub use resnet::EncoderKind;
pub use schedule::{Plateau, ScheduleConfig};
pub use segment::{Ensemble, FeatureMap, ModelSpec, SegmentError, Segmenter};
pub use state::{LoadReport, apply_state, collect_gradients, collect_state, parameter_count};
pub use trial::{Settled, Verdict, settle};
pub use turn::{Fault, Turn};
pub use unet::{BlockKind, InitKind, NormKind, UNetConfig, Upsampling};
pub use weights::{
    HostTensor, StateDict, WeightsError, load_weights, read_metadata, read_weight_file, save_weights, sha256_hex,
};
pub(crate) use worker::wait;
pub use worker::{Compute, ComputeThread};
