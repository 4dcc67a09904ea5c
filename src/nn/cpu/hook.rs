//! Operations of our own on tensors of the CPU backend. Called by the functions of `operations` and `further`.

pub use crate::nn::hook::{Kept, Operation};
use crate::nn::hook::{Shared, recorded};
use burn::backend::autodiff::checkpoint::strategy::CheckpointStrategy;
use burn::backend::flex::FlexTensor;
use burn::backend::tensor::FloatTensor;
use burn::backend::{
    Autodiff, Backend, BackendTensor, Dispatch, DispatchDevice, DispatchTensor, DispatchTensorKind, Flex,
    backend_extension,
};
use burn::tensor::{Device, Tensor};

/// Operations of one to three tensors.
#[backend_extension(Flex, Autodiff)]
pub trait CpuOperations: Backend {
    fn operate_one(a: FloatTensor<Self>, operation: Shared) -> FloatTensor<Self>;
    fn operate_two(a: FloatTensor<Self>, b: FloatTensor<Self>, operation: Shared) -> FloatTensor<Self>;
    fn operate_three(
        a: FloatTensor<Self>,
        b: FloatTensor<Self>,
        c: FloatTensor<Self>,
        operation: Shared,
    ) -> FloatTensor<Self>;
}

impl CpuOperations for Flex {
    fn operate_one(a: FlexTensor, operation: Shared) -> FlexTensor {
        operation.forward(vec![a], false).0
    }

    fn operate_two(a: FlexTensor, b: FlexTensor, operation: Shared) -> FlexTensor {
        operation.forward(vec![a, b], false).0
    }

    fn operate_three(a: FlexTensor, b: FlexTensor, c: FlexTensor, operation: Shared) -> FlexTensor {
        operation.forward(vec![a, b, c], false).0
    }
}

impl<C: CheckpointStrategy> CpuOperations for Autodiff<Flex, C> {
    fn operate_one(a: FloatTensor<Self>, operation: Shared) -> FloatTensor<Self> {
        recorded::<Flex, C, 1>([a], operation)
    }

    fn operate_two(a: FloatTensor<Self>, b: FloatTensor<Self>, operation: Shared) -> FloatTensor<Self> {
        recorded::<Flex, C, 2>([a, b], operation)
    }

    fn operate_three(
        a: FloatTensor<Self>,
        b: FloatTensor<Self>,
        c: FloatTensor<Self>,
        operation: Shared,
    ) -> FloatTensor<Self> {
        recorded::<Flex, C, 3>([a, b, c], operation)
    }
}

/// Whether tensors of this device are the CPU backend's.
pub fn serves(device: &Device) -> bool {
    let device = device.clone().inner();
    matches!(device.as_dispatch(), DispatchDevice::Flex(_))
}

/// Runs an operation of one tensor.
pub fn one<const D: usize, const E: usize>(a: Tensor<D>, operation: Shared) -> Tensor<E> {
    Tensor::from_dispatch(<Dispatch as CpuOperations>::operate_one(a.into_dispatch(), operation))
}

/// Runs an operation of two tensors.
pub fn two<const D: usize, const E: usize>(a: Tensor<D>, b: Tensor<E>, operation: Shared) -> Tensor<D> {
    Tensor::from_dispatch(<Dispatch as CpuOperations>::operate_two(a.into_dispatch(), b.into_dispatch(), operation))
}

/// Runs an operation of three tensors.
pub fn three<const D: usize, const E: usize, const F: usize>(
    a: Tensor<D>,
    b: Tensor<E>,
    c: Tensor<F>,
    operation: Shared,
) -> Tensor<D> {
    let (b, c) = (b.into_dispatch(), c.into_dispatch());
    Tensor::from_dispatch(<Dispatch as CpuOperations>::operate_three(a.into_dispatch(), b, c, operation))
}

/// The CPU backend's tensor behind one that no tape follows.
///
/// # Panics
/// For a tensor of another device.
pub fn plain<const D: usize>(tensor: Tensor<D>) -> FlexTensor {
    match tensor.inner().into_dispatch().kind {
        DispatchTensorKind::Flex(BackendTensor::Float(tensor)) => tensor,
        other => panic!("a CPU tensor was expected, not {other:?}"),
    }
}

/// The inverse of [`plain`].
pub fn tensor<const D: usize>(tensor: FlexTensor) -> Tensor<D> {
    let kind = DispatchTensorKind::Flex(BackendTensor::Float(tensor));
    Tensor::from_dispatch(DispatchTensor { kind, autodiff: Default::default() })
}
