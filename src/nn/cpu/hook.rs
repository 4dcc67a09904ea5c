//! How our kernels enter burn: an operation with a forward and a backward pass, called on tensors of the CPU backend and
//! recorded on its tape.
//!
//! Called by the functions of `operations`. burn's tape asks an operation for the gradients of its inputs once that of its
//! output is complete.

use burn::backend::autodiff::checkpoint::{base::Checkpointer, strategy::CheckpointStrategy};
use burn::backend::autodiff::grads::Gradients;
use burn::backend::autodiff::ops::{Backward, Ops, OpsKind};
use burn::backend::flex::FlexTensor;
use burn::backend::tensor::FloatTensor;
use burn::backend::{
    Autodiff, Backend, BackendTensor, Dispatch, DispatchDevice, DispatchTensor, DispatchTensorKind, Flex,
    backend_extension,
};
use burn::tensor::{Device, Tensor};
use std::fmt::Debug;
use std::sync::Arc;

use crate::kernels::norm::Normalised;

/// What a forward pass keeps for the backward pass.
#[derive(Clone, Debug, Default)]
pub struct Kept {
    pub tensors: Vec<FlexTensor>,
    pub norm: Option<Arc<Normalised>>,
    pub places: Option<Arc<Vec<u8>>>,
}

/// An operation on tensors of the CPU backend.
pub trait Operation: Debug + Send + Sync {
    /// The output; `keep` asks for what [`Self::backward`] needs.
    fn forward(&self, inputs: Vec<FlexTensor>, keep: bool) -> (FlexTensor, Kept);

    /// The gradients of the inputs that are `wanted` from that of the output.
    fn backward(&self, kept: Kept, dy: FlexTensor, wanted: &[bool]) -> Vec<Option<FlexTensor>>;
}

type Shared = Arc<dyn Operation>;

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
        recorded::<C, 1>([a], operation)
    }

    fn operate_two(a: FloatTensor<Self>, b: FloatTensor<Self>, operation: Shared) -> FloatTensor<Self> {
        recorded::<C, 2>([a, b], operation)
    }

    fn operate_three(
        a: FloatTensor<Self>,
        b: FloatTensor<Self>,
        c: FloatTensor<Self>,
        operation: Shared,
    ) -> FloatTensor<Self> {
        recorded::<C, 3>([a, b, c], operation)
    }
}

#[derive(Debug)]
struct Step;

impl<const N: usize> Backward<Flex, N> for Step {
    type State = (Shared, Kept);

    fn backward(self, ops: Ops<Self::State, N>, grads: &mut Gradients, _: &mut Checkpointer) {
        let dy = grads.consume::<Flex>(&ops.node);
        let (operation, kept) = ops.state;
        let wanted = ops.parents.each_ref().map(Option::is_some);
        let gradients = operation.backward(kept, dy, &wanted);
        for (node, gradient) in ops.parents.into_iter().zip(gradients) {
            if let (Some(node), Some(gradient)) = (node, gradient) {
                grads.register::<Flex>(node.id, gradient);
            }
        }
    }
}

fn recorded<C: CheckpointStrategy, const N: usize>(
    inputs: [FloatTensor<Autodiff<Flex, C>>; N],
    operation: Shared,
) -> FloatTensor<Autodiff<Flex, C>> {
    let mut nodes = Vec::with_capacity(N);
    let tensors = inputs
        .into_iter()
        .map(|input| {
            let (tensor, node) = input.into_parts();
            nodes.push(node);
            tensor
        })
        .collect();
    let Ok(nodes) = nodes.try_into() else { unreachable!("as many nodes as inputs") };
    match Backward::<Flex, N>::prepare::<C>(Step, nodes).compute_bound().stateful() {
        OpsKind::Tracked(prep) => {
            let (output, kept) = operation.forward(tensors, true);
            prep.finish((operation, kept), output)
        }
        OpsKind::UnTracked(prep) => prep.finish(operation.forward(tensors, false).0),
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
