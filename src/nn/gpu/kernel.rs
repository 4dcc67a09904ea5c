//! How WGSL of our own is compiled once per text and started on burn's queue. Called by the kernels beside it.
//!
//! Buffers are bound in the order given, all for reading and writing: burn keeps several tensors in one buffer, and a
//! buffer has one use in a dispatch. The numbers of `info` lie behind them, read only.

use super::hook::CubeTensor;
use super::times;
use burn::cubecl::ir::{ElemType, UIntKind, metadata::Info};
use burn::cubecl::prelude::*;
use burn::cubecl::server::{KernelArguments, MetadataBindingInfo};
use burn::cubecl::{CubeKernel, PrecompiledSource};
use burn_cubecl::kernel::into_contiguous;
use burn_cubecl::ops::numeric::empty_device_contiguous_dtype;
use std::fmt::Debug;
use std::hash::Hash;

/// Workgroup memory that every device has, in 32-bit numbers.
pub const SHARED: usize = 16 * 1024 / 4;

/// What a kernel's text depends on.
pub trait Text: Clone + Debug + Hash + Eq + Send + Sync + 'static {
    /// Directives, which come before the bindings.
    fn head(&self) -> &'static str {
        ""
    }

    /// The module, whose entry point is `main`, without the bindings.
    fn wgsl(&self) -> String;

    /// Element type of each buffer in order, without `info`.
    fn buffers(&self) -> Vec<(&'static str, &'static str)>;

    /// Invocations of a workgroup.
    fn workgroup(&self) -> u32;
}

struct Kernel<T>(T);

impl<T: Text> KernelMetadata for Kernel<T> {
    fn id(&self) -> KernelId {
        let mut id = KernelId::new::<Self>().info(self.0.clone());
        // Our loops end by their own counts.
        id.mode = ExecutionMode::Unchecked;
        id
    }

    fn address_type(&self) -> ElemType {
        UIntKind::U32.into()
    }
}

impl<T: Text> CubeKernel for Kernel<T> {
    fn define(&self) -> KernelDefinition {
        let settings =
            KernelSettings::new(CubeDim::new_1d(self.0.workgroup()).0, ExecutionMode::Unchecked, AddressType::U32);
        KernelDefinition { body: Scope::root(settings.clone()), settings, info: Info::default() }
    }

    fn source(&self) -> Option<PrecompiledSource> {
        let mut source = self.0.head().to_owned();
        let buffers = self.0.buffers();
        for (at, (name, element)) in buffers.iter().enumerate() {
            source += &format!("@group(0) @binding({at}) var<storage, read_write> {name}: array<{element}>;\n");
        }
        source += &format!("@group(0) @binding({}) var<storage, read> info: array<u32>;\n", buffers.len());
        source += &self.0.wgsl();
        Some(PrecompiledSource { source, entrypoint_name: "main".into(), lang: "wgsl" })
    }
}

/// The line that starts the entry point: `t` is the invocation, `g` the workgroup.
pub fn entry(workgroup: u32) -> String {
    format!(
        "@compute @workgroup_size({workgroup})\n\
         fn main(@builtin(local_invocation_index) t: u32, @builtin(workgroup_id) g: vec3<u32>) {{\n"
    )
}

/// Starts `count` workgroups of a kernel.
pub fn launch<T: Text>(text: T, count: [usize; 3], buffers: &[&CubeTensor], info: &[usize]) {
    let Some(first) = buffers.first() else { return };
    if count.contains(&0) {
        return;
    }
    let words = info
        .chunks(2)
        .map(|pair| pair[0] as u64 & 0xffff_ffff | (pair.get(1).copied().unwrap_or(0) as u64) << 32)
        .collect();
    let mut arguments = KernelArguments::new();
    for buffer in buffers {
        arguments = arguments.with_buffer(buffer.handle.clone().binding());
    }
    arguments.info = MetadataBindingInfo::custom(words);
    let [x, y, z] = count.map(|n| n as u32);
    let client = &first.client;
    times::timed::<T>(client, || client.launch(Box::new(Kernel(text)), CubeCount::Static(x, y, z), arguments));
}

/// Workgroups of 256 for `total` invocations, in as many dimensions as it takes.
pub fn spread_out(total: usize) -> [usize; 3] {
    let groups = total.div_ceil(256);
    [groups.min(65535), groups.div_ceil(65535), 1]
}

/// A new tensor beside `like`; its numbers are whatever the memory held.
pub fn empty(like: &CubeTensor, dims: &[usize]) -> CubeTensor {
    let shape = burn::tensor::Shape::from(dims.to_vec());
    empty_device_contiguous_dtype(like.client.clone(), like.device.clone(), shape, like.dtype)
}

/// The same numbers in the order of the dimensions.
pub fn contiguous(tensor: CubeTensor) -> CubeTensor {
    into_contiguous(tensor)
}

/// `[batch, channels, height, width]`, ones before what is missing.
pub fn dims(tensor: &CubeTensor) -> [usize; 4] {
    let shape = tensor.meta.shape();
    let mut dims = [1; 4];
    let rank = shape.num_dims().min(4);
    for (to, from) in dims[4 - rank..].iter_mut().zip(shape.iter()) {
        *to = *from;
    }
    dims
}
