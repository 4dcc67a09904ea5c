//! Pictures and weights as 16-bit floats in the order in which matrix units read them, each tensor multiplied by a power of
//! two that brings its largest value just below the end of their range. Called by the convolutions beside it.

use super::super::hook::CubeTensor;
use super::super::kernel::{Text, dims, empty, entry, launch, spread_out};

/// Channels come in groups of so many; the last one is filled up with zeros.
pub const GROUP: usize = 16;
/// Most parts in which a largest value is looked for: as many as a workgroup has invocations.
const PARTS: usize = 256;

/// A picture as `[batch, rows, columns, channels]` of 16-bit floats.
#[derive(Debug, Clone)]
pub struct Halves {
    /// Two values lie in each of the tensor's 32-bit numbers.
    pub values: CubeTensor,
    /// What the values have to be multiplied with: one number, a power of two.
    pub inverse: CubeTensor,
}

/// Channels with those that fill up the last group.
pub fn padded(channels: usize) -> usize {
    channels.next_multiple_of(GROUP)
}

/// The bits of the largest absolute value of each part. As whole numbers they are in the order of the values, with
/// infinity and NaN behind all others, so that the order of looking does not matter.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Peaks {
    joined: bool,
    /// Four numbers are read at once.
    fours: bool,
}

impl Text for Peaks {
    fn buffers(&self) -> Vec<(&'static str, &'static str)> {
        let element = if self.fours { "vec4<u32>" } else { "u32" };
        let mut buffers = vec![("xa", element)];
        if self.joined {
            buffers.push(("xb", element));
        }
        buffers.push(("peaks", "u32"));
        buffers
    }

    fn workgroup(&self) -> u32 {
        256
    }

    fn wgsl(&self) -> String {
        let element = if self.fours { "vec4<u32>" } else { "u32" };
        let over = |name: &str, len: usize| {
            format!(
                "{{ let len = info[{len}u]; var i = g.x * 256u + t;
                 for (; i + 3u * step < len; i += 4u * step) {{
                    let a = {name}[i]; let b = {name}[i + step];
                    let c = {name}[i + 2u * step]; let d = {name}[i + 3u * step];
                    most = max(max(most, a & mask), max(b & mask, max(c & mask, d & mask)));
                 }}
                 for (; i < len; i += step) {{ most = max(most, {name}[i] & mask); }} }}\n"
            )
        };
        format!(
            "{shared}
             {entry}
             let step = info[0] * 256u; let mask = {element}(0x7fffffffu);
             var most = {element}();
             {first}{second}
             let peak = {peak};
             {together}
             if (t == 0u) {{ peaks[g.x] = found[0]; }}
             }}\n",
            shared = FOUND,
            entry = entry(256),
            first = over("xa", 1),
            second = if self.joined { over("xb", 2) } else { String::new() },
            peak = if self.fours { "max(max(most.x, most.y), max(most.z, most.w))" } else { "most" },
            together = LARGEST,
        )
    }
}

const FOUND: &str = "var<workgroup> found: array<u32, 256>;\n";

/// The largest `peak` of all 256 invocations into `found[0]`; every invocation has to come here.
const LARGEST: &str = "found[t] = peak;
     workgroupBarrier();
     for (var half = 128u; half > 0u; half = half / 2u) {
        if (t < half) { found[t] = max(found[t], found[t + half]); }
        workgroupBarrier();
     }\n";

/// `factor` from the parts' peaks, and its inverse into `inverse[0]`. The largest value becomes less than 2^15, half of
/// what a 16-bit float holds; where it is 0, infinite or NaN the factor is 1.
const FACTOR: &str = "var peak = 0u;
     if (t < info[0]) { peak = peaks[t]; }
     found[t] = peak;
     workgroupBarrier();
     for (var half = 128u; half > 0u; half = half / 2u) {
        if (t < half) { found[t] = max(found[t], found[t + half]); }
        workgroupBarrier();
     }
     let exponent = found[0] >> 23u;
     let power = select(clamp(268u - min(exponent, 254u), 1u, 253u), 127u, found[0] == 0u || exponent == 255u);
     let factor = bitcast<f32>(power << 23u);
     if (t == 0u && g.x == 0u && g.y == 0u) { inverse[0] = bitcast<f32>((254u - power) << 23u); }\n";

/// A picture, with further channels behind its own, into [`Halves`].
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Halve {
    joined: bool,
}

impl Text for Halve {
    fn head(&self) -> &'static str {
        "enable f16;\n"
    }

    fn buffers(&self) -> Vec<(&'static str, &'static str)> {
        let mut buffers = vec![("xa", "f32")];
        if self.joined {
            buffers.push(("xb", "f32"));
        }
        buffers.extend([("peaks", "u32"), ("halves", "vec4<f16>"), ("inverse", "f32")]);
        buffers
    }

    fn workgroup(&self) -> u32 {
        256
    }

    fn wgsl(&self) -> String {
        let read = |c: usize| {
            if self.joined {
                format!(
                    "if (c + {c}u < first) {{ v{c} = xa[(image * first + c + {c}u) * area + at]; }}
                     else if (c + {c}u < channels) {{
                        v{c} = xb[(image * (channels - first) + c + {c}u - first) * area + at];
                     }}\n"
                )
            } else {
                format!("if (c + {c}u < channels) {{ v{c} = xa[(image * channels + c + {c}u) * area + at]; }}\n")
            }
        };
        let reads: String = (0..GROUP).map(|c| format!("var v{c} = 0.0; {}", read(c))).collect();
        let writes: String = (0..GROUP / 4)
            .map(|q| {
                let four: Vec<String> = (4 * q..4 * q + 4).map(|c| format!("v{c}")).collect();
                format!("halves[o + {q}u] = vec4<f16>(vec4<f32>({}) * factor);\n", four.join(", "))
            })
            .collect();
        // Neighbouring invocations read neighbouring pixels, and each writes the channels of its own side by side.
        format!(
            "{FOUND}
             {entry}
             {FACTOR}
             let channels = info[1]; let first = info[2]; let area = info[3]; let groups = info[4]; let total = info[5];
             let i = (g.y * 65535u + g.x) * 256u + t;
             if (i >= total) {{ return; }}
             let at = i % area; let rest = i / area; let group = rest % groups; let image = rest / groups;
             let c = group * {GROUP}u;
             {reads}
             let o = ((image * area + at) * groups + group) * {quarter}u;
             {writes}
             }}\n",
            entry = entry(256),
            quarter = GROUP / 4,
        )
    }
}

/// The peaks of a tensor, and of a second one together with it.
fn peaks(x: &CubeTensor, second: Option<&CubeTensor>) -> (CubeTensor, usize) {
    let len = |t: &CubeTensor| dims(t).iter().product::<usize>();
    let lens = [len(x), second.map_or(0, len)];
    let parts = (lens[0].max(lens[1]) / 4096).clamp(1, PARTS);
    let peaks = empty(x, &[PARTS]);
    let fours = lens.iter().all(|n| n.is_multiple_of(4));
    let unit = if fours { 4 } else { 1 };
    let mut buffers = vec![x];
    buffers.extend(second);
    buffers.push(&peaks);
    launch(
        Peaks { joined: second.is_some(), fours },
        [parts, 1, 1],
        &buffers,
        &[parts, lens[0] / unit, lens[1] / unit],
    );
    (peaks, parts)
}

/// A contiguous picture, with the channels of a second one behind its own.
pub fn picture(x: &CubeTensor, second: Option<&CubeTensor>) -> Halves {
    let [batch, first, rows, columns] = dims(x);
    let channels = first + second.map_or(0, |s| dims(s)[1]);
    let (peaks, parts) = peaks(x, second);
    let values = empty(x, &[batch, rows, columns, padded(channels) / 2]);
    let inverse = empty(x, &[1]);
    let groups = padded(channels) / GROUP;
    let total = batch * groups * rows * columns;
    let mut buffers = vec![x];
    buffers.extend(second);
    buffers.extend([&peaks, &values, &inverse]);
    let info = [parts, channels, first, rows * columns, groups, total];
    launch(Halve { joined: second.is_some() }, spread_out(total), &buffers, &info);
    Halves { values, inverse }
}

/// Weights as `[tile][chunk][tap][column of the tile][channel of the chunk]`, zeros behind the last of each.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Pack {
    turned: bool,
}

impl Text for Pack {
    fn head(&self) -> &'static str {
        "enable f16;\n"
    }

    fn buffers(&self) -> Vec<(&'static str, &'static str)> {
        vec![("w", "f32"), ("peaks", "u32"), ("packed", "f16"), ("inverse", "f32")]
    }

    fn workgroup(&self) -> u32 {
        256
    }

    fn wgsl(&self) -> String {
        let tap = if self.turned { "taps - 1u - tap" } else { "tap" };
        format!(
            "{FOUND}
             {entry}
             {FACTOR}
             let total = info[1]; let depth = info[2]; let columns = info[3]; let taps = info[4]; let chunks = info[5];
             let i = (g.y * 65535u + g.x) * 256u + t;
             if (i >= total) {{ return; }}
             let k = i % depth; let a = i / depth; let m = a % columns; let b = a / columns;
             let tap = b % taps; let c = b / taps; let chunk = c % chunks; let tile = c / chunks;
             let row = chunk * depth + k; let column = tile * columns + m;
             var v = 0.0;
             if (row < info[6] && column < info[7]) {{
                v = w[row * info[8] + column * info[9] + info[10] + {tap}] * factor;
             }}
             packed[i] = f16(v);
             }}\n",
            entry = entry(256),
        )
    }
}

/// How weights lie and how the kernel wants them.
pub struct Packing {
    pub rows: usize,
    pub columns: usize,
    pub taps: usize,
    pub row: usize,
    pub column: usize,
    pub offset: usize,
    pub turned: bool,
    /// Rows of a chunk.
    pub depth: usize,
    pub chunks: usize,
    /// Columns of a tile.
    pub tile: usize,
}

/// The weights in the kernel's order.
pub fn weights(w: &CubeTensor, packing: &Packing) -> Halves {
    let (peaks, parts) = peaks(w, None);
    let tiles = packing.columns.div_ceil(packing.tile);
    let total = tiles * packing.chunks * packing.taps * packing.tile * packing.depth;
    let (values, inverse) = (empty(w, &[total / 2]), empty(w, &[1]));
    let info = [
        parts,
        total,
        packing.depth,
        packing.tile,
        packing.taps,
        packing.chunks,
        packing.rows,
        packing.columns,
        packing.row,
        packing.column,
        packing.offset,
    ];
    launch(Pack { turned: packing.turned }, spread_out(total), &[w, &peaks, &values, &inverse], &info);
    Halves { values, inverse }
}
