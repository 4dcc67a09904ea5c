//! How kernels of our own enter burn: an operation with a forward and a backward pass, recorded on burn's tape.
//!
//! Called by `cpu` and `gpu`, which run operations on the tensors of their backend. burn's tape asks an operation for the
//! gradients of its inputs once that of its output is complete.

use burn::backend::autodiff::checkpoint::{base::Checkpointer, strategy::CheckpointStrategy};
use burn::backend::autodiff::grads::Gradients;
use burn::backend::autodiff::ops::{Backward, Ops, OpsKind};
use burn::backend::flex::FlexTensor;
use burn::backend::tensor::FloatTensor;
use burn::backend::{Autodiff, Backend};
use std::fmt::Debug;
use std::marker::PhantomData;
use std::sync::Arc;

use crate::kernels::norm::Normalised;

/// What a forward pass keeps for the backward pass.
#[derive(Clone, Debug)]
pub struct Kept<T = FlexTensor> {
    pub tensors: Vec<T>,
    pub norm: Option<Arc<Normalised>>,
    pub places: Option<Arc<Vec<u8>>>,
    /// The first input's, where the tensors hold it in another form.
    pub dims: Option<[usize; 4]>,
}

impl<T> Default for Kept<T> {
    fn default() -> Self {
        Self { tensors: Vec::new(), norm: None, places: None, dims: None }
    }
}

/// An operation on tensors of one backend, the CPU's where none is named.
pub trait Operation<T = FlexTensor>: Debug + Send + Sync {
    /// The output; `keep` asks for what [`Self::backward`] needs.
    fn forward(&self, inputs: Vec<T>, keep: bool) -> (T, Kept<T>);

    /// The gradients of the inputs that are `wanted` from that of the output.
    fn backward(&self, kept: Kept<T>, dy: T, wanted: &[bool]) -> Vec<Option<T>>;
}

/// An operation that several tapes may hold.
pub type Shared<T = FlexTensor> = Arc<dyn Operation<T>>;

#[derive(Debug)]
struct Step<B>(PhantomData<B>);

impl<B: Backend, const N: usize> Backward<B, N> for Step<B> {
    type State = (Shared<FloatTensor<B>>, Kept<FloatTensor<B>>);

    fn backward(self, ops: Ops<Self::State, N>, grads: &mut Gradients, _: &mut Checkpointer) {
        let dy = grads.consume::<B>(&ops.node);
        let (operation, kept) = ops.state;
        let wanted = ops.parents.each_ref().map(Option::is_some);
        let gradients = operation.backward(kept, dy, &wanted);
        for (node, gradient) in ops.parents.into_iter().zip(gradients) {
            if let (Some(node), Some(gradient)) = (node, gradient) {
                grads.register::<B>(node.id, gradient);
            }
        }
    }
}

/// Runs an operation forward and leaves it on the tape, where a tape follows one of its inputs.
pub fn recorded<B: Backend, C: CheckpointStrategy, const N: usize>(
    inputs: [FloatTensor<Autodiff<B, C>>; N],
    operation: Shared<FloatTensor<B>>,
) -> FloatTensor<Autodiff<B, C>> {
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
    match Backward::<B, N>::prepare::<C>(Step(PhantomData), nodes).compute_bound().stateful() {
        OpsKind::Tracked(prep) => {
            let (output, kept) = operation.forward(tensors, true);
            prep.finish((operation, kept), output)
        }
        OpsKind::UnTracked(prep) => prep.finish(operation.forward(tensors, false).0),
    }
}
