//! Weight files: `.safetensors` in and out, PyTorch's `.pth` and `.pt` in. Nothing in a file is ever executed.

use crate::jobs::catch_panic;
use pytorch_reader::{DType as TorchDtype, PytorchReader};
use safetensors::tensor::{Dtype, TensorView};
use safetensors::{SafeTensors, serialize};
use sha2::{Digest, Sha256};
use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};

/// The tensors of a PyTorch file may take this much memory…
const TORCH_FREE: u64 = 64 << 20;
/// …or this many times the size of the file: weights do not compress, and half precision becomes single.
const TORCH_RATIO: u64 = 4;

/// One tensor in host memory, row-major.
#[derive(Debug, Clone, PartialEq)]
pub struct HostTensor {
    pub shape: Vec<usize>,
    pub values: Vec<f32>,
}

impl HostTensor {
    /// The values of a device's tensor.
    ///
    /// # Panics
    /// Where the device fails while it is read: call through [`super::catch`].
    pub(super) fn flat(tensor: &burn::tensor::Tensor<1>) -> Self {
        let values = tensor.to_data().convert::<f32>().try_into_vec::<f32>().unwrap_or_default();
        Self { shape: vec![values.len()], values }
    }
}

/// Tensors by PyTorch name, for example `enc.0.conv1.weight`.
pub type StateDict = BTreeMap<String, HostTensor>;

/// Why weights could not be read or written.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum WeightsError {
    #[error("the weights {file} could not be read: {reason}")]
    Read { file: PathBuf, reason: String },
    #[error("{0} is no weight file that is known here: give a .safetensors, .pth or .pt file")]
    Kind(PathBuf),
    #[error("the weights could not be written: {0}")]
    Write(String),
}

/// Reads all floating-point tensors of a file as 32-bit floats. A PyTorch checkpoint that nests its weights under
/// `state_dict`, `model_state_dict` or `model` is unwrapped, and a `module.` prefix (DataParallel) is dropped.
///
/// # Errors
/// [`WeightsError`] names the file and the reason.
pub fn load_weights(path: &Path) -> Result<StateDict, WeightsError> {
    let extension = path.extension().and_then(|e| e.to_str()).unwrap_or_default().to_ascii_lowercase();
    let state = match extension.as_str() {
        "safetensors" => read_safetensors(path)?,
        "pth" | "pt" => read_torch(path)?,
        _ => return Err(WeightsError::Kind(path.into())),
    };
    Ok(without_prefix(state))
}

/// The tensors as one safetensors file, with `metadata` in its header. Batch counters that PyTorch's strict loading
/// asks for are added beside running means, so that Python can load the file as it is.
///
/// # Errors
/// [`WeightsError::Write`].
pub fn save_weights(state: &StateDict, metadata: &BTreeMap<String, String>) -> Result<Vec<u8>, WeightsError> {
    let bytes: Vec<(String, Dtype, Vec<usize>, Vec<u8>)> = state
        .iter()
        .map(|(name, t)| {
            (name.clone(), Dtype::F32, t.shape.clone(), t.values.iter().flat_map(|v| v.to_le_bytes()).collect())
        })
        .chain(state.keys().filter_map(|name| {
            let layer = name.strip_suffix(".running_mean")?;
            Some((format!("{layer}.num_batches_tracked"), Dtype::I64, Vec::new(), vec![0; 8]))
        }))
        .collect();
    let write = |e: safetensors::SafeTensorError| WeightsError::Write(e.to_string());
    let views = bytes
        .iter()
        .map(|(name, dtype, shape, data)| Ok((name.as_str(), TensorView::new(*dtype, shape.clone(), data)?)))
        .collect::<Result<Vec<_>, _>>()
        .map_err(write)?;
    let metadata: HashMap<String, String> = metadata.clone().into_iter().collect();
    serialize(views, (!metadata.is_empty()).then_some(metadata)).map_err(write)
}

/// All bytes of a weight file.
///
/// # Errors
/// [`WeightsError::Read`]; a pipe or a device, which might never end, is refused.
pub fn read_weight_file(path: &Path) -> Result<Vec<u8>, WeightsError> {
    let fail = |reason: String| WeightsError::Read { file: path.into(), reason };
    check_ordinary(path)?;
    std::fs::read(path).map_err(|e| fail(io_reason(&e)))
}

fn check_ordinary(path: &Path) -> Result<u64, WeightsError> {
    let fail = |reason: String| WeightsError::Read { file: path.into(), reason };
    let metadata = std::fs::metadata(path).map_err(|e| fail(io_reason(&e)))?;
    if metadata.is_dir() {
        return Err(fail("it is a folder".into()));
    }
    if metadata.is_file() { Ok(metadata.len()) } else { Err(fail("it is no ordinary file".into())) }
}

/// The text under `key` in the header of a safetensors file, if it has one.
///
/// # Errors
/// [`WeightsError::Read`] when the file cannot be read at all.
pub fn read_metadata(path: &Path, key: &str) -> Result<Option<String>, WeightsError> {
    let fail = |reason: String| WeightsError::Read { file: path.into(), reason };
    let bytes = read_weight_file(path)?;
    let (_, header) =
        SafeTensors::read_metadata(&bytes).map_err(|e| fail(format!("it is damaged or no safetensors file ({e})")))?;
    Ok(header.metadata().as_ref().and_then(|map| map.get(key).cloned()))
}

/// SHA-256 of bytes in lower-case hexadecimal.
pub fn sha256_hex(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|b| format!("{b:02x}")).collect()
}

fn read_safetensors(path: &Path) -> Result<StateDict, WeightsError> {
    let fail = |reason: String| WeightsError::Read { file: path.into(), reason };
    let bytes = read_weight_file(path)?;
    let file =
        SafeTensors::deserialize(&bytes).map_err(|e| fail(format!("it is damaged or no safetensors file ({e})")))?;
    let mut out = StateDict::new();
    for (name, view) in file.iter() {
        let values = match view.dtype() {
            Dtype::F32 => view.data().chunks_exact(4).map(f32_le).collect(),
            Dtype::F64 => view.data().chunks_exact(8).map(f64_le).collect(),
            Dtype::F16 => view.data().chunks_exact(2).map(f16_le).collect(),
            Dtype::BF16 => view.data().chunks_exact(2).map(bf16_le).collect(),
            _ => continue,
        };
        out.insert(name.to_owned(), HostTensor { shape: view.shape().to_vec(), values });
    }
    Ok(out)
}

fn read_torch(path: &Path) -> Result<StateDict, WeightsError> {
    let fail = |reason: String| WeightsError::Read { file: path.into(), reason };
    // Asked first: the reader's own words for a missing file are not plain.
    let stored = check_ordinary(path)?;
    let damaged =
        |reason: &str| fail(format!("it is damaged or no PyTorch file ({})", super::guard::first_line(reason)));
    let reader = catch_panic(|| PytorchReader::new(path))
        .map_err(|text| damaged(&text))?
        .map_err(|e| damaged(&e.to_string()))?;
    // Any number of tensors may name the same few bytes, or unpack from fewer.
    let held: u64 =
        reader.tensors().values().map(|t| (t.num_elements() as u64).saturating_mul(4)).fold(0, u64::saturating_add);
    if held > TORCH_FREE && held / TORCH_RATIO > stored {
        return Err(fail(format!("its tensors would take {held} bytes, and the whole file has {stored}")));
    }
    let mut out = StateDict::new();
    for (name, tensor) in reader.tensors() {
        let convert: fn(&[u8]) -> f32 = match tensor.dtype() {
            TorchDtype::F32 => f32_le,
            TorchDtype::F64 => f64_le,
            TorchDtype::F16 => f16_le,
            TorchDtype::BF16 => bf16_le,
            _ => continue,
        };
        let bytes = tensor.read().map_err(|e| fail(io_reason(&e)))?;
        let values = bytes.chunks_exact(tensor.dtype().size()).map(convert).collect();
        out.insert(name.clone(), HostTensor { shape: tensor.shape().to_vec(), values });
    }
    Ok(out)
}

fn without_prefix(mut state: StateDict) -> StateDict {
    for prefix in ["state_dict.", "model_state_dict.", "model.", "module."] {
        if !state.is_empty() && state.keys().all(|name| name.starts_with(prefix)) {
            state = state.into_iter().map(|(name, t)| (name[prefix.len()..].to_owned(), t)).collect();
        }
    }
    state
}

fn f32_le(b: &[u8]) -> f32 {
    b.try_into().map_or(f32::NAN, f32::from_le_bytes)
}

fn f64_le(b: &[u8]) -> f32 {
    b.try_into().map_or(f32::NAN, |b| f64::from_le_bytes(b) as f32)
}

fn bf16_le(b: &[u8]) -> f32 {
    b.try_into().map_or(f32::NAN, |b| f32::from_bits(u32::from(u16::from_le_bytes(b)) << 16))
}

/// IEEE 754 binary16.
fn f16_le(b: &[u8]) -> f32 {
    let Ok(b) = b.try_into() else { return f32::NAN };
    let bits = u16::from_le_bytes(b);
    let (sign, exponent, fraction) = (bits >> 15, i32::from(bits >> 10 & 31), f32::from(bits & 1023));
    let magnitude = match exponent {
        0 => fraction * 2f32.powi(-24),
        31 if fraction == 0.0 => f32::INFINITY,
        31 => f32::NAN,
        e => (1.0 + fraction / 1024.0) * 2f32.powi(e - 15),
    };
    if sign == 1 { -magnitude } else { magnitude }
}

fn io_reason(error: &std::io::Error) -> String {
    match error.kind() {
        std::io::ErrorKind::NotFound => "it does not exist".into(),
        std::io::ErrorKind::PermissionDenied => "permission is denied".into(),
        std::io::ErrorKind::IsADirectory => "it is a folder".into(),
        _ => error.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn half_floats() {
        for (bits, value) in
            [(0x3c00u16, 1.0f32), (0xc000, -2.0), (0x7bff, 65504.0), (0x0001, 2f32.powi(-24)), (0, 0.0)]
        {
            assert_eq!(f16_le(&bits.to_le_bytes()), value);
        }
        assert_eq!(f16_le(&0x7c00u16.to_le_bytes()), f32::INFINITY);
        assert!(f16_le(&0x7e00u16.to_le_bytes()).is_nan());
        assert_eq!(bf16_le(&0x3f80u16.to_le_bytes()), 1.0);
    }

    #[test]
    fn what_is_written_is_read_back_and_damage_is_said() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("w.safetensors");
        let mut state = StateDict::new();
        state.insert("a.running_mean".into(), HostTensor { shape: vec![2], values: vec![1.5, -2.0] });
        state.insert("b.weight".into(), HostTensor { shape: vec![1, 2], values: vec![0.0, f32::MIN_POSITIVE] });
        let bytes = save_weights(&state, &BTreeMap::from([("run".into(), "x".into())])).unwrap();
        assert_eq!(bytes, save_weights(&state, &BTreeMap::from([("run".into(), "x".into())])).unwrap());
        std::fs::write(&path, &bytes).unwrap();
        assert_eq!(load_weights(&path).unwrap(), state);
        assert_eq!(read_metadata(&path, "run").unwrap().as_deref(), Some("x"));
        assert_eq!(read_metadata(&path, "other").unwrap(), None);
        assert!(SafeTensors::deserialize(&bytes).unwrap().names().contains(&"a.num_batches_tracked"));
        std::fs::write(&path, &bytes[..bytes.len() - 3]).unwrap();
        let text = load_weights(&path).unwrap_err().to_string();
        assert!(text.contains("damaged"), "{text}");
        assert_eq!(&sha256_hex(b"")[..8], "e3b0c442");
        let text = load_weights(&folder.path().join("none.pth")).unwrap_err().to_string();
        assert!(text.contains("does not exist"), "{text}");
        std::fs::write(folder.path().join("bad.pth"), b"cos\nsystem\n(S'true'\ntR.").unwrap();
        assert!(load_weights(&folder.path().join("bad.pth")).is_err());
        assert!(matches!(load_weights(&folder.path().join("x.onnx")), Err(WeightsError::Kind(_))));
    }
}
