//! What matrix units (tensor cores) an adapter offers, and how a device is asked for with them.

use crate::nn::gpu::matrix::Unit;

/// Largest part of workgroup memory that a kernel of ours takes.
const SHARED: usize = 48 << 10;

/// Units for 16-bit floats with 32-bit sums that our kernels can use. Vulkan alone: elsewhere nobody has tried them.
pub(super) fn matrix_unit(adapter: &wgpu::Adapter) -> Option<Unit> {
    let (info, features) = (adapter.get_info(), adapter.features());
    let needed = wgpu::Features::EXPERIMENTAL_COOPERATIVE_MATRIX | wgpu::Features::SHADER_F16;
    let lanes = info.subgroup_min_size;
    // A workgroup has eight subgroups, whose size must be known when the text is written.
    let one_size = lanes == info.subgroup_max_size && (8..=32).contains(&lanes);
    if info.backend != wgpu::Backend::Vulkan || !features.contains(needed) || !one_size {
        return None;
    }
    let sides = adapter.cooperative_matrix_properties().into_iter().filter(|p| {
        let types = (p.ab_type, p.cr_type) == (wgpu::CooperativeScalarType::F16, wgpu::CooperativeScalarType::F32);
        types && p.m_size == p.n_size && p.n_size == p.k_size && !p.saturating_accumulation
    });
    let side = sides.map(|p| p.m_size as usize).filter(|side| [8, 16].contains(side)).max()?;
    let shared = (adapter.limits().max_compute_workgroup_storage_size as usize).min(SHARED);
    Some(Unit { side, lanes: lanes as usize, shared })
}

/// Permission for the features that wgpu calls experimental, where `features` has one.
pub(super) fn experimental(features: wgpu::Features) -> wgpu::ExperimentalFeatures {
    if !features.intersects(wgpu::Features::all_experimental_mask()) {
        return wgpu::ExperimentalFeatures::disabled();
    }
    // SAFETY: wgpu asks for this word because such a feature may have gaps in its validation. The only one that is asked
    // for is cooperative matrices, the only kernels that use it are those of `nn::gpu::matrix`, whose loads and stores lie
    // within their arrays by construction, and they are compared with kernels without it before they are used.
    unsafe { wgpu::ExperimentalFeatures::enabled() }
}
