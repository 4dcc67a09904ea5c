//! burn's CPU tensors as pictures whose channels lie last.
//!
//! A picture is `[batch, channels, height, width]` to burn, with strides that say that its channels lie last: burn's own
//! operations understand it, and ours take its numbers without a copy. Called by `hook` and `operations`.

use crate::kernels::layout::turned;
use burn::backend::flex::{FlexTensor, Layout};
use burn::tensor::{Bytes, DType, Shape};

/// `[batch, channels, height, width]`.
pub type Dims = [usize; 4];

/// A tensor of that layout.
#[derive(Clone, Debug)]
pub struct Picture {
    tensor: FlexTensor,
    dims: Dims,
}

fn strides([_, c, h, w]: Dims) -> [usize; 4] {
    [h * w * c, 1, w * c, c]
}

fn dims_of(tensor: &FlexTensor) -> Dims {
    let mut dims = [1; 4];
    for (to, from) in dims.iter_mut().zip(tensor.layout().shape().iter()) {
        *to = *from;
    }
    dims
}

impl Picture {
    /// Takes a tensor over, with a copy only where its channels do not lie last.
    pub fn of(tensor: FlexTensor) -> Self {
        let dims = dims_of(&tensor);
        let len: usize = dims.iter().product();
        let layout = tensor.layout();
        let fits = layout.start_offset() == 0
            && tensor.bytes().len() == len * 4
            && layout
                .strides()
                .iter()
                .zip(strides(dims))
                .zip(dims)
                .all(|((is, want), n)| n == 1 || *is == want as isize);
        if fits {
            return Self { tensor, dims };
        }
        let [_, c, h, w] = dims;
        let planes = tensor.to_contiguous();
        Self::new(turned(values(&planes), c, h * w), dims)
    }

    /// From numbers in the order `[batch][height][width][channels]`.
    pub fn new(values: Vec<f32>, dims: Dims) -> Self {
        let [_, c, h, w] = dims;
        // A layout that is both is told as burn's own.
        let layout = if c == 1 || h * w == 1 {
            Layout::contiguous(Shape::from(dims))
        } else {
            Layout::new(Shape::from(dims), strides(dims).map(|s| s as isize).to_vec(), 0)
        };
        Self { tensor: FlexTensor::new(Bytes::from_elems(values), layout, DType::F32), dims }
    }

    pub fn dims(&self) -> Dims {
        self.dims
    }

    /// `[batch][height][width][channels]`.
    pub fn values(&self) -> &[f32] {
        self.tensor.storage()
    }

    /// The numbers to change in place, copied if another holds them too.
    pub fn values_mut(&mut self) -> &mut [f32] {
        self.tensor.storage_mut()
    }

    pub fn into_tensor(self) -> FlexTensor {
        self.tensor
    }
}

/// A tensor of burn's own layout.
pub fn flat(values: Vec<f32>, dims: &[usize]) -> FlexTensor {
    FlexTensor::new(Bytes::from_elems(values), Layout::contiguous(Shape::from(dims.to_vec())), DType::F32)
}

/// The numbers of a tensor of burn's own layout; see [`FlexTensor::to_contiguous`].
pub fn values(tensor: &FlexTensor) -> &[f32] {
    tensor.as_slice().unwrap_or_default()
}
