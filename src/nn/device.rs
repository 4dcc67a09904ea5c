//! Which device computes: the window's GPU, a GPU device of its own, or the CPU; and how each is brought up.
//!
//! burn makes the shared device and the window takes it over: burn's kernels need features and limits that a window's
//! stock device lacks, while the window is content with any. Kernels are WGSL without fusion and without autotune:
//! with SPIR-V Mesa's software Vulkan crashes while it trains, and fusion has given a wrong loss.

mod pulse;
mod room;
mod units;

pub use pulse::Pulse;
pub use room::{DeviceRoom, RoomBuffer};

use super::guard::{catch, first_line};
use burn::tensor::Device;
use burn::tensor::wgpu::{WgpuBackend, WgpuSetup};
use std::future::Future;
use std::pin::pin;
use std::str::FromStr;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, Waker};

/// What the user asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Serialize, serde::Deserialize)]
pub enum DeviceChoice {
    /// The GPU when there is a real one, else the CPU.
    #[default]
    Auto,
    /// Any graphics adapter, software ones included.
    Gpu,
    /// burn's CPU backend.
    Cpu,
}

impl FromStr for DeviceChoice {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "auto" => Ok(Self::Auto),
            "gpu" => Ok(Self::Gpu),
            "cpu" => Ok(Self::Cpu),
            other => Err(format!("{other} is no device: choose auto, gpu or cpu")),
        }
    }
}

impl std::fmt::Display for DeviceChoice {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Auto => "auto",
            Self::Gpu => "gpu",
            Self::Cpu => "cpu",
        })
    }
}

/// Why there is no device, or why it failed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DeviceError {
    #[error("no graphics adapter was found: install a Vulkan driver (Mesa's software Vulkan is enough) or use the CPU")]
    NoAdapter,
    #[error("the graphics device could not be opened: {0}")]
    Open(String),
    #[error("{what} failed on the compute device: {reason}")]
    Failed { what: &'static str, reason: String },
}

impl DeviceError {
    /// Whether the device ran out of memory: smaller work may succeed. Known by the words of wgpu and its drivers.
    pub fn is_lack_of_memory(&self) -> bool {
        let Self::Failed { reason, .. } = self else { return false };
        let reason = reason.to_ascii_lowercase();
        ["out of memory", "not enough memory", "outofmemory", "allocation failed", "out_of_device_memory"]
            .iter()
            .any(|words| reason.contains(words))
    }
}

/// Where a compute device lives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DeviceMode {
    Cpu,
    /// The device that the window draws with.
    Shared,
    /// A graphics device of its own.
    Dedicated,
}

/// A burn device and what it is.
#[derive(Debug, Clone)]
pub struct ComputeDevice {
    pub mode: DeviceMode,
    /// For tensors without gradients; [`Self::training`] gives the other kind.
    pub device: Device,
    /// One line: where and why.
    pub description: String,
    /// A CPU that plays a GPU (llvmpipe, SwiftShader, WARP).
    pub software: bool,
    /// Of a device of its own: the window's is watched by the window.
    pulse: Option<Arc<Pulse>>,
}

impl ComputeDevice {
    fn cpu(why: &str) -> Self {
        let threads = std::thread::available_parallelism().map_or(1, |n| n.get());
        let description = format!("CPU, {threads} threads ({why})");
        Self { mode: DeviceMode::Cpu, device: Device::flex(), description, software: false, pulse: None }
    }

    /// The device with gradients.
    pub fn training(&self) -> Device {
        self.device.clone().autodiff()
    }

    /// Whether a device of its own is gone, so that another has to be opened.
    pub fn is_lost(&self) -> bool {
        self.pulse.as_ref().is_some_and(|p| p.is_lost())
    }

    /// Work has to go through a [`super::ComputeThread`].
    pub fn needs_thread(&self) -> bool {
        self.mode != DeviceMode::Cpu
    }
}

/// A graphics device that both burn and the window use. Cloning copies handles.
#[derive(Clone)]
pub struct SharedGpu {
    pub instance: wgpu::Instance,
    pub adapter: wgpu::Adapter,
    pub device: wgpu::Device,
    pub queue: wgpu::Queue,
    /// burn on that device.
    pub burn: Device,
}

impl std::fmt::Debug for SharedGpu {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SharedGpu").field("adapter", &self.adapter.get_info().name).finish_non_exhaustive()
    }
}

/// What kernels on matrix units need; the only experimental feature that is used.
const MATRICES: wgpu::Features = wgpu::Features::EXPERIMENTAL_COOPERATIVE_MATRIX;

/// The process's shared device: burn registers its default device once and for all.
static SHARED: Mutex<Option<Result<SharedGpu, DeviceError>>> = Mutex::new(None);

impl SharedGpu {
    /// The best adapter (a real GPU before a software one) with all its limits; later calls give the same device.
    ///
    /// # Errors
    /// [`DeviceError`] when there is no Vulkan loader, no adapter, or the driver refuses the device.
    pub fn create() -> Result<Self, DeviceError> {
        let mut slot = SHARED.lock().unwrap_or_else(PoisonError::into_inner);
        slot.get_or_insert_with(|| {
            let (burn, setup) = open_first(APIS)?;
            let WgpuSetup { instance, adapter, device, queue, .. } = setup;
            // burn asks for all that the adapter has.
            let unit = units::matrix_unit(&adapter).filter(|_| device.features().contains(MATRICES));
            super::gpu::matrix::offer(unit);
            Ok(Self { instance, adapter, device, queue, burn })
        })
        .clone()
    }

    /// A second wgpu device on the same adapter with a burn device of its own, so that training and drawing do not
    /// share a queue.
    ///
    /// # Errors
    /// [`DeviceError`] when the driver refuses.
    pub fn dedicated(&self) -> Result<ComputeDevice, DeviceError> {
        let info = self.adapter.get_info();
        let features = self.device.features();
        let features = features - (wgpu::Features::all_experimental_mask() - (MATRICES & features));
        let (burn, pulse) = catch("opening the graphics device", || -> Result<_, DeviceError> {
            let (device, queue) = block_on(self.adapter.request_device(&wgpu::DeviceDescriptor {
                label: Some("maskwright compute"),
                required_features: features,
                experimental_features: units::experimental(features),
                required_limits: self.device.limits(),
                memory_hints: wgpu::MemoryHints::MemoryUsage,
                ..Default::default()
            }))
            .map_err(|e| DeviceError::Open(first_line(&e.to_string())))?;
            let pulse = Pulse::new(&device, &queue);
            let setup = WgpuSetup {
                instance: self.instance.clone(),
                adapter: self.adapter.clone(),
                device,
                queue,
                backend: info.backend,
            };
            let burn = Device::wgpu_options().setup(setup).init().map_err(|e| init_error(&e.to_string()))?;
            Ok((burn, pulse))
        })??;
        Ok(ComputeDevice {
            mode: DeviceMode::Dedicated,
            pulse: Some(Arc::new(pulse)),
            device: burn,
            description: format!("{} ({:?}), a device of its own", info.name, info.backend),
            software: info.device_type == wgpu::DeviceType::Cpu,
        })
    }

    /// burn on the window's device.
    pub fn compute(&self) -> ComputeDevice {
        let info = self.adapter.get_info();
        ComputeDevice {
            mode: DeviceMode::Shared,
            device: self.burn.clone(),
            description: format!("{} ({:?}), shared with the window", info.name, info.backend),
            software: self.is_software(),
            pulse: None,
        }
    }

    /// Whether the adapter is a CPU that plays a GPU (llvmpipe, SwiftShader, WARP).
    pub fn is_software(&self) -> bool {
        self.adapter.get_info().device_type == wgpu::DeviceType::Cpu
    }
}

/// Why a software adapter is passed over. Measured, not tried: our kernels for the CPU beat software Vulkan on the same
/// cores several times over, and a trial there takes longer than many a training.
pub(super) fn instead_of_software(name: &str) -> String {
    format!("{name} plays a GPU in software, the CPU itself is faster")
}

/// The device to compute on. `shared` is the window's, if there is a window.
///
/// Auto takes a real GPU, and the CPU backend where there is none: software Vulkan runs a training step several times
/// slower than the CPU backend on the same cores.
///
/// # Errors
/// [`DeviceError`] for `Gpu` without a usable adapter. `Auto` and `Cpu` always give a device.
pub fn compute_device(choice: DeviceChoice, shared: Option<&SharedGpu>) -> Result<ComputeDevice, DeviceError> {
    if choice == DeviceChoice::Cpu {
        return Ok(ComputeDevice::cpu("as asked"));
    }
    let gpu = match shared {
        Some(gpu) => Ok(gpu.clone()),
        None => SharedGpu::create(),
    };
    match (choice, gpu) {
        (DeviceChoice::Gpu, gpu) => Ok(gpu?.compute()),
        (_, Ok(gpu)) if !gpu.is_software() => Ok(gpu.compute()),
        (_, Ok(gpu)) => {
            let name = gpu.adapter.get_info().name;
            Ok(ComputeDevice::cpu(&instead_of_software(&name)))
        }
        (_, Err(_)) => Ok(ComputeDevice::cpu("no graphics adapter was found")),
    }
}

/// Graphics interfaces that are tried, best first. Named one by one: left to itself burn also asks OpenGL, which cannot
/// run its kernels and whose drivers write to the terminal.
const APIS: &[WgpuBackend] = if cfg!(target_os = "macos") {
    &[WgpuBackend::Metal]
} else if cfg!(windows) {
    &[WgpuBackend::Vulkan, WgpuBackend::Dx12]
} else {
    &[WgpuBackend::Vulkan]
};

/// A device of the first interface that gives one.
fn open_first(apis: &[WgpuBackend]) -> Result<(Device, WgpuSetup), DeviceError> {
    let mut failed = DeviceError::NoAdapter;
    for api in apis {
        let made = catch("opening the graphics device", || Device::wgpu_options().graphics_api(*api).init_with_setup());
        match made {
            Ok(Ok(opened)) => return Ok(opened),
            Ok(Err(error)) => failed = init_error(&error.to_string()),
            Err(error) => failed = error,
        }
    }
    Err(failed)
}

fn init_error(text: &str) -> DeviceError {
    let line = first_line(text);
    if line.contains("No adapter") || line.contains("no adapter") {
        DeviceError::NoAdapter
    } else {
        DeviceError::Open(line)
    }
}

/// Waits for a future of wgpu; on native platforms they are ready at once.
fn block_on<F: Future>(future: F) -> F::Output {
    let mut future = pin!(future);
    let mut context = Context::from_waker(Waker::noop());
    loop {
        if let Poll::Ready(value) = future.as_mut().poll(&mut context) {
            return value;
        }
        std::thread::yield_now();
    }
}

/// One graphics adapter.
#[derive(Debug, Clone, serde::Serialize)]
pub struct AdapterReport {
    pub name: String,
    pub backend: String,
    /// Discrete, integrated, virtual, CPU (software) or other.
    pub kind: String,
    pub driver: String,
    pub max_buffer_bytes: u64,
    pub max_storage_binding_bytes: u64,
    pub max_texture_3d: u32,
    pub max_workgroup_invocations: u32,
    pub f16: bool,
}

/// All adapters of the machine that can compute.
pub(super) fn list_adapters() -> Vec<AdapterReport> {
    // Those that can compute: OpenGL could only draw, and is not used.
    let backends = wgpu::Backends::VULKAN | wgpu::Backends::METAL | wgpu::Backends::DX12;
    let instance = wgpu::Instance::new(wgpu::InstanceDescriptor {
        backends,
        ..wgpu::InstanceDescriptor::new_without_display_handle()
    });
    block_on(instance.enumerate_adapters(backends))
        .iter()
        .map(|adapter| {
            let (info, limits) = (adapter.get_info(), adapter.limits());
            AdapterReport {
                name: info.name,
                backend: info.backend.to_string(),
                kind: match info.device_type {
                    wgpu::DeviceType::DiscreteGpu => "discrete GPU",
                    wgpu::DeviceType::IntegratedGpu => "integrated GPU",
                    wgpu::DeviceType::VirtualGpu => "virtual GPU",
                    wgpu::DeviceType::Cpu => "software (CPU)",
                    wgpu::DeviceType::Other => "other",
                }
                .into(),
                driver: format!("{} {}", info.driver, info.driver_info).trim().to_owned(),
                max_buffer_bytes: limits.max_buffer_size,
                max_storage_binding_bytes: limits.max_storage_buffer_binding_size,
                max_texture_3d: limits.max_texture_dimension_3d,
                max_workgroup_invocations: limits.max_compute_invocations_per_workgroup,
                f16: adapter.features().contains(wgpu::Features::SHADER_F16),
            }
        })
        .collect()
}
