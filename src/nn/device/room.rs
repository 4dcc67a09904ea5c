//! A tensor of burn's whose memory other passes of the same graphics device write and read in place, without a copy through
//! the host. Called by looks at slices in place, and by `bench copy`, which measures what that is worth.
//!
//! burn queues its work on the thread that asks for it; what was asked for before [`DeviceRoom::buffer`] is on the device's
//! queue when that returns, and what is asked for after another pass was submitted comes behind it. A device of burn's own
//! has memory of its own: only [`super::DeviceMode::Shared`] has rooms that the window's passes can enter.

use super::{ComputeDevice, DeviceError};
use crate::nn::guard::{catch, first_line};
use burn::backend::tensor::FloatTensor;
use burn::backend::{BackendTensor, Cube, DispatchTensorKind};
use burn::cubecl::wgpu::{AutoCompiler, WgpuResource, WgpuServer};
use burn::tensor::{Device, Tensor, TensorData};
use burn_cubecl::kernel::into_contiguous;
use std::any::Any;

/// Numbers `[batch, channels, height, width]` on a graphics device.
pub struct DeviceRoom {
    tensor: Tensor<4>,
    device: Device,
}

impl DeviceRoom {
    /// Room for so many numbers, all 0.
    ///
    /// # Errors
    /// [`DeviceError::Failed`].
    pub fn new(compute: &ComputeDevice, dims: [usize; 4]) -> Result<Self, DeviceError> {
        let device = compute.device.clone();
        let tensor = catch("setting memory aside", || Tensor::zeros(dims, &device))?;
        Ok(Self { tensor, device })
    }

    /// The same room with other numbers, copied from the host.
    ///
    /// # Errors
    /// [`DeviceError::Failed`].
    pub fn filled(&self, values: Vec<f32>) -> Result<Self, DeviceError> {
        let dims = self.tensor.dims();
        let tensor = catch("copying to the device", || Tensor::from_data(TensorData::new(values, dims), &self.device))?;
        Ok(Self { tensor, device: self.device.clone() })
    }

    /// What a network made of the numbers of a room.
    pub(in crate::nn) fn of(tensor: Tensor<4>) -> Self {
        Self { device: tensor.device(), tensor }
    }

    pub(in crate::nn) fn tensor(&self) -> Tensor<4> {
        self.tensor.clone()
    }

    /// The memory, for passes that are submitted to the same queue after this. Nothing else uses it while the result and
    /// the room live.
    ///
    /// # Errors
    /// [`DeviceError::Failed`] on the CPU, or when the device failed.
    pub fn buffer(&self) -> Result<RoomBuffer, DeviceError> {
        let what = "sharing memory";
        let failed = |reason: String| DeviceError::Failed { what, reason: first_line(&reason) };
        let DispatchTensorKind::Cube(BackendTensor::Float(tensor)) = self.tensor.clone().into_dispatch().kind else {
            return Err(failed("the device is no graphics device".into()));
        };
        let tensor: FloatTensor<Cube> = catch(what, || into_contiguous(tensor))?;
        let kept = catch(what, || tensor.client.get_resource::<Server>(tensor.handle.clone()))?;
        let kept = kept.map_err(|e| failed(format!("{e:?}")))?;
        catch(what, || tensor.client.flush())?.map_err(|e| failed(format!("{e:?}")))?;
        Ok(RoomBuffer { resource: kept.resource().clone(), _kept: Box::new(kept) })
    }

    /// The numbers, copied to the host.
    ///
    /// # Errors
    /// [`DeviceError::Failed`].
    pub fn read(&self) -> Result<Vec<f32>, DeviceError> {
        let what = "reading a result";
        let failed = |reason: String| DeviceError::Failed { what, reason: first_line(&reason) };
        let data = catch(what, || self.tensor.clone().try_into_data())?.map_err(|e| failed(format!("{e:?}")))?;
        data.convert::<f32>().try_into_vec().map_err(|e| failed(format!("{e:?}")))
    }

    /// Waits until the device has done all that was asked of it.
    ///
    /// # Errors
    /// [`DeviceError::Failed`].
    pub fn wait(&self) -> Result<(), DeviceError> {
        let what = "waiting for the device";
        let failed = |reason: String| DeviceError::Failed { what, reason: first_line(&reason) };
        catch(what, || self.device.sync())?.map_err(|e| failed(format!("{e:?}")))
    }
}

/// What computes behind burn's tensors on every graphics device.
type Server = WgpuServer<AutoCompiler>;

/// Where a room's numbers lie.
pub struct RoomBuffer {
    resource: WgpuResource,
    /// What keeps the memory where it is.
    _kept: Box<dyn Any + Send>,
}

impl RoomBuffer {
    /// The buffer, and where in it: offset and length in bytes.
    pub fn place(&self) -> (&wgpu::Buffer, u64, u64) {
        (&self.resource.buffer, self.resource.offset, self.resource.size)
    }
}
