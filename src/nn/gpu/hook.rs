//! Operations of our own on tensors of a graphics device. Called by the functions of `operations`.

use crate::nn::hook::recorded;
pub use crate::nn::hook::{Kept, Operation, Shared};
use burn::backend::autodiff::checkpoint::strategy::CheckpointStrategy;
use burn::backend::tensor::FloatTensor;
use burn::backend::{
    Autodiff, Backend, BackendTensor, Cube, Dispatch, DispatchDevice, DispatchTensor, DispatchTensorKind,
    backend_extension,
};
use burn::tensor::{Device, Tensor};

/// burn's tensor on a graphics device.
pub type CubeTensor = FloatTensor<Cube>;

type Work = Shared<CubeTensor>;

/// Operations of one to three tensors.
#[backend_extension(Cube, Autodiff)]
pub trait GpuOperations: Backend {
    fn draw_one(a: FloatTensor<Self>, operation: Work) -> FloatTensor<Self>;
    fn draw_two(a: FloatTensor<Self>, b: FloatTensor<Self>, operation: Work) -> FloatTensor<Self>;
    fn draw_three(
        a: FloatTensor<Self>,
        b: FloatTensor<Self>,
        c: FloatTensor<Self>,
        operation: Work,
    ) -> FloatTensor<Self>;
}

impl GpuOperations for Cube {
    fn draw_one(a: CubeTensor, operation: Work) -> CubeTensor {
        operation.forward(vec![a], false).0
    }

    fn draw_two(a: CubeTensor, b: CubeTensor, operation: Work) -> CubeTensor {
        operation.forward(vec![a, b], false).0
    }

    fn draw_three(a: CubeTensor, b: CubeTensor, c: CubeTensor, operation: Work) -> CubeTensor {
        operation.forward(vec![a, b, c], false).0
    }
}

impl<C: CheckpointStrategy> GpuOperations for Autodiff<Cube, C> {
    fn draw_one(a: FloatTensor<Self>, operation: Work) -> FloatTensor<Self> {
        recorded::<Cube, C, 1>([a], operation)
    }

    fn draw_two(a: FloatTensor<Self>, b: FloatTensor<Self>, operation: Work) -> FloatTensor<Self> {
        recorded::<Cube, C, 2>([a, b], operation)
    }

    fn draw_three(
        a: FloatTensor<Self>,
        b: FloatTensor<Self>,
        c: FloatTensor<Self>,
        operation: Work,
    ) -> FloatTensor<Self> {
        recorded::<Cube, C, 3>([a, b, c], operation)
    }
}

/// Whether tensors of this device are on a graphics device.
pub fn serves(device: &Device) -> bool {
    matches!(device.clone().inner().as_dispatch(), DispatchDevice::Cube(_))
}

/// Runs an operation of one tensor.
pub fn one<const D: usize>(a: Tensor<D>, operation: Work) -> Tensor<D> {
    Tensor::from_dispatch(<Dispatch as GpuOperations>::draw_one(a.into_dispatch(), operation))
}

/// Runs an operation of two tensors.
pub fn two<const D: usize, const E: usize>(a: Tensor<D>, b: Tensor<E>, operation: Work) -> Tensor<D> {
    Tensor::from_dispatch(<Dispatch as GpuOperations>::draw_two(a.into_dispatch(), b.into_dispatch(), operation))
}

/// Runs an operation of three tensors.
pub fn three<const D: usize, const E: usize, const F: usize>(
    a: Tensor<D>,
    b: Tensor<E>,
    c: Tensor<F>,
    operation: Work,
) -> Tensor<D> {
    let (b, c) = (b.into_dispatch(), c.into_dispatch());
    Tensor::from_dispatch(<Dispatch as GpuOperations>::draw_three(a.into_dispatch(), b, c, operation))
}

/// The graphics device's tensor behind one that no tape follows.
///
/// # Panics
/// For a tensor of another device.
pub fn plain<const D: usize>(tensor: Tensor<D>) -> CubeTensor {
    match tensor.inner().into_dispatch().kind {
        DispatchTensorKind::Cube(BackendTensor::Float(tensor)) => tensor,
        other => panic!("a tensor of a graphics device was expected, not {other:?}"),
    }
}

/// The inverse of [`plain`].
pub fn tensor<const D: usize>(tensor: CubeTensor) -> Tensor<D> {
    let kind = DispatchTensorKind::Cube(BackendTensor::Float(tensor));
    Tensor::from_dispatch(DispatchTensor { kind, autodiff: Default::default() })
}
