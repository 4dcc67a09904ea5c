//! The gradient of a convolution's weights: each workgroup walks down columns of the picture and keeps a tile of
//! output channels times input channels, with all taps, in registers; a second kernel adds what the workgroups found.
//!
//! The order of the sums depends on the shape alone, so that a step repeats to the bit. Called by `operations`.

use super::conv::Shape;
use super::hook::CubeTensor;
use super::kernel::{SHARED, Text, empty, entry, launch, spread_out};
use super::reduce;
use std::fmt::Write as _;

/// Output pixels of a row at once.
const ROW: usize = 16;
/// Workgroups that keep any device busy, and the most 32-bit numbers they may leave to be added (128 MiB).
const GROUPS: usize = 1024;
const PARTIAL: usize = 32 << 20;

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Tiles {
    kernel: usize,
    stride: usize,
    dilation: usize,
    joined: bool,
    /// Rows of taps of a workgroup.
    tap_rows: usize,
    /// Groups of four output channels.
    out_groups: usize,
    /// Groups of `depth` input channels.
    in_groups: usize,
    /// Input channels of an invocation.
    depth: usize,
    /// Invocations that share the pixels of a row.
    lanes: usize,
}

impl Tiles {
    fn choose(shape: &Shape, joined: bool) -> Option<Self> {
        let kernel = shape.kernel;
        let depth = match kernel {
            1 => 8,
            2 => 4,
            _ => 2,
        };
        let power = |n: usize, most: usize| n.next_power_of_two().min(most);
        let mut tiles = Self {
            kernel,
            stride: shape.stride,
            dilation: shape.dilation,
            joined,
            tap_rows: if kernel <= 3 { kernel } else { 1 },
            out_groups: power(shape.out_channels.div_ceil(4), 8),
            in_groups: power(shape.in_channels.div_ceil(depth), 32 / depth),
            depth,
            lanes: 1,
        };
        while tiles.shared() > SHARED && tiles.in_groups > 1 {
            tiles.in_groups /= 2;
        }
        if tiles.shared() > SHARED {
            return None;
        }
        while tiles.invocations() < 64 && tiles.lanes < ROW / 4 {
            tiles.lanes *= 2;
        }
        Some(tiles)
    }

    fn invocations(&self) -> usize {
        self.out_groups * self.in_groups * self.lanes
    }

    fn width(&self) -> usize {
        (ROW - 1) * self.stride + self.dilation * (self.kernel - 1) + 1
    }

    /// Vector width of an input channel group, and how many of them.
    fn vectors(&self) -> (usize, usize) {
        if self.depth == 2 { (2, 1) } else { (4, self.depth / 4) }
    }

    /// Vectors between neighbouring pixels of the input tile: one more than it takes, against bank conflicts.
    fn in_pitch(&self) -> usize {
        self.in_groups * self.vectors().1 + 1
    }

    fn out_pitch(&self) -> usize {
        self.out_groups + 1
    }

    fn shared(&self) -> usize {
        self.tap_rows * self.width() * self.in_pitch() * self.vectors().0 + ROW * self.out_pitch() * 4
    }

    /// Rows of the input that the next row of the output meets are kept, but for the last.
    fn rolls(&self) -> bool {
        self.tap_rows > 1 && self.stride == 1 && self.dilation == 1
    }

    fn taps(&self) -> usize {
        self.tap_rows * self.kernel
    }

    fn load(&self) -> String {
        let n = self.invocations();
        let (vector, count) = self.vectors();
        let channels = self.in_groups * self.depth;
        let read = if self.joined {
            "if (c < first) { v = xa[((image * first + c) * rows + u32(iy)) * across + u32(ix)]; }\n\
             else { v = xb[((image * (channels - first) + c - first) * rows + u32(iy)) * across + u32(ix)]; }"
        } else {
            "v = xa[((image * channels + c) * rows + u32(iy)) * across + u32(ix)];"
        };
        let begin = if self.rolls() {
            format!("let begin = select({}u, 0u, oy == top);", self.tap_rows - 1)
        } else {
            "let begin = 0u;".into()
        };
        let slot = if self.rolls() { format!("(oy + row) % {}u", self.tap_rows) } else { "row".into() };
        format!(
            "{begin}
            for (var i = t + begin * {plane}u; i < {total}u; i += {n}u) {{
                let row = i / {plane}u; let r = i % {plane}u;
                let ci = r / {width}u; let xx = r % {width}u;
                let c = c0 + ci;
                let iy = i32(oy * {stride}u + (tap0 + row) * {dilation}u) - padding;
                let ix = i32(ox0 * {stride}u + xx) - padding;
                var v = 0.0;
                if (iy >= 0 && ix >= 0 && u32(iy) < rows && u32(ix) < across && c < channels) {{ {read} }}
                xs[(({slot}) * {width}u + xx) * {pitch}u + ci / {vector}u][ci % {vector}u] = v;
            }}
            for (var i = t; i < {dys}u; i += {n}u) {{
                let co = i / {ROW}u; let xx = i % {ROW}u;
                let m = m0 + co;
                var v = 0.0;
                if (m < outs && ox0 + xx < out_across) {{
                    v = dy[((image * outs + m) * out_rows + oy) * out_across + ox0 + xx];
                }}
                ds[xx * {out_pitch}u + co / 4u][co % 4u] = v;
            }}\n",
            plane = channels * self.width(),
            total = self.tap_rows * channels * self.width(),
            width = self.width(),
            stride = self.stride,
            dilation = self.dilation,
            pitch = self.in_groups * count + 1,
            dys = ROW * self.out_groups * 4,
            out_pitch = self.out_pitch(),
        )
    }

    /// Four pixels of an invocation.
    fn sum(&self) -> String {
        let mut text = String::new();
        let (vector, count) = self.vectors();
        for p in 0..4 {
            let _ = writeln!(text, "let d{p} = ds[(p0 + {p}u) * {}u + mg];", self.out_pitch());
        }
        let pitch = self.in_pitch();
        for ky in 0..self.tap_rows {
            let slot = if self.rolls() { format!("(oy + {ky}u) % {}u", self.tap_rows) } else { format!("{ky}u") };
            let _ = writeln!(
                text,
                "{{ let o = (({slot}) * {}u + p0 * {}u) * {pitch}u + ng * {count}u;",
                self.width(),
                self.stride
            );
            let mut known = vec![false; 3 * self.stride + self.dilation * (self.kernel - 1) + 1];
            for p in 0..4 {
                for kx in 0..self.kernel {
                    let x = p * self.stride + kx * self.dilation;
                    if !std::mem::replace(&mut known[x], true) {
                        for j in 0..count {
                            let _ = writeln!(text, "let x{x}_{j} = xs[o + {}u];", x * pitch + j);
                        }
                    }
                    for c in 0..self.depth {
                        let a = format!("a{c}_{}", ky * self.kernel + kx);
                        let _ = writeln!(text, "{a} = fma(d{p}, vec4(x{x}_{}[{}]), {a});", c / vector, c % vector);
                    }
                }
            }
            text += "}\n";
        }
        text
    }

    fn store(&self) -> String {
        let mut text = String::new();
        let all = self.kernel * self.kernel;
        for c in 0..self.depth {
            let _ = writeln!(text, "if (n0 + {c}u < channels) {{");
            for part in 0..4 {
                let _ = writeln!(
                    text,
                    "if (m + {part}u < outs) {{ let o = ((slot * outs + m + {part}u) * channels + n0 + {c}u) * {all}u \
                     + tap0 * {}u;",
                    self.kernel
                );
                for tap in 0..self.taps() {
                    let _ = writeln!(text, "partial[o + {tap}u] = a{c}_{tap}[{part}];");
                }
                text += "}\n";
            }
            text += "}\n";
        }
        text
    }
}

impl Text for Tiles {
    fn buffers(&self) -> Vec<(&'static str, &'static str)> {
        let mut buffers = vec![("xa", "f32")];
        if self.joined {
            buffers.push(("xb", "f32"));
        }
        buffers.extend([("dy", "f32"), ("partial", "f32")]);
        buffers
    }

    fn workgroup(&self) -> u32 {
        self.invocations() as u32
    }

    fn wgsl(&self) -> String {
        let (vector, _) = self.vectors();
        let accumulators: String = (0..self.depth)
            .flat_map(|c| (0..self.taps()).map(move |tap| format!("var a{c}_{tap} = vec4<f32>();\n")))
            .collect();
        let tap0 = if self.tap_rows == self.kernel { "0u".to_owned() } else { format!("g.y % {}u", self.kernel) };
        let tile = if self.tap_rows == self.kernel { "g.y".to_owned() } else { format!("g.y / {}u", self.kernel) };
        format!(
            "var<workgroup> xs: array<vec{vector}<f32>, {xs}>;
             var<workgroup> ds: array<vec4<f32>, {ds}>;
             {entry}
             let channels = info[0]; let rows = info[2]; let across = info[3];
             {first}
             let outs = info[4]; let out_rows = info[5]; let out_across = info[6];
             let padding = i32(info[7]); let strips = info[8]; let chunks = info[9]; let chunk = info[10];
             let units = info[11]; let splits = info[12]; let in_tiles = info[13];
             let tap0 = {tap0}; let tile = {tile};
             let c0 = (tile % in_tiles) * {in_tile}u; let m0 = (tile / in_tiles) * {out_tile}u;
             let ng = t % {in_groups}u; let rest = t / {in_groups}u;
             let mg = rest % {out_groups}u; let lane = rest / {out_groups}u;
             let n0 = c0 + ng * {depth}u; let m = m0 + mg * 4u;
             {accumulators}
             for (var unit = g.x; unit < units; unit += splits) {{
             let image = unit / (strips * chunks); let place = unit % (strips * chunks);
             let ox0 = (place % strips) * {ROW}u; let top = (place / strips) * chunk;
             let bottom = min(top + chunk, out_rows);
             for (var oy = top; oy < bottom; oy++) {{
             {load}
             workgroupBarrier();
             for (var p0 = lane * {share}u; p0 < (lane + 1u) * {share}u; p0 += 4u) {{
             {sum}
             }}
             workgroupBarrier();
             }}
             }}
             let slot = g.x * {lanes}u + lane;
             {store}
             }}\n",
            xs = self.tap_rows * self.width() * self.in_pitch(),
            ds = ROW * self.out_pitch(),
            entry = entry(self.workgroup()),
            first = if self.joined { "let first = info[1];" } else { "" },
            in_tile = self.in_groups * self.depth,
            out_tile = self.out_groups * 4,
            in_groups = self.in_groups,
            out_groups = self.out_groups,
            depth = self.depth,
            lanes = self.lanes,
            share = ROW / self.lanes,
            load = self.load(),
            sum = self.sum(),
            store = self.store(),
        )
    }
}

/// Whether the kernel can serve a shape.
pub fn fits(shape: &Shape) -> bool {
    shape.kernel <= 7 && Tiles::choose(shape, false).is_some()
}

/// `[out, in, kernel, kernel]` from the input (contiguous, further channels in `second`) and the gradient of the output.
///
/// # Panics
/// For a shape that does not [`fits`].
pub fn gradient(x: &CubeTensor, second: Option<&CubeTensor>, dy: &CubeTensor, shape: &Shape) -> CubeTensor {
    let Some(tiles) = Tiles::choose(shape, second.is_some()) else {
        unreachable!("asked before whether the shape fits")
    };
    let k = shape.kernel;
    let len = shape.out_channels * shape.in_channels * k * k;
    let in_tiles = shape.in_channels.div_ceil(tiles.in_groups * tiles.depth);
    let out_tiles = shape.out_channels.div_ceil(tiles.out_groups * 4);
    let grid = in_tiles * out_tiles * (k / tiles.tap_rows);
    let [rows, across] = shape.out_size;
    let strips = across.div_ceil(ROW);
    let columns = (strips * shape.batch).max(1);
    let wanted = GROUPS.div_ceil(grid).min((PARTIAL / (len * tiles.lanes)).max(1));
    // Columns are cut only where they are too few.
    let chunk = rows.div_ceil(wanted.div_ceil(columns)).max(1);
    let chunks = rows.div_ceil(chunk);
    let units = columns * chunks;
    let splits = wanted.min(units);
    let partial = empty(dy, &[splits * tiles.lanes, len]);
    let info = [
        shape.in_channels,
        shape.first_channels,
        shape.in_size[0],
        shape.in_size[1],
        shape.out_channels,
        rows,
        across,
        shape.padding as i32 as u32 as usize,
        strips,
        chunks,
        chunk,
        units,
        splits,
        in_tiles,
    ];
    let lanes = tiles.lanes;
    let mut buffers = vec![x];
    buffers.extend(second);
    buffers.extend([dy, &partial]);
    launch(tiles, [splits, grid, 1], &buffers, &info);
    let dw = empty(dy, &[shape.out_channels, shape.in_channels, k, k]);
    launch(reduce::Slots, spread_out(len), &[&partial, &dw], &[len, splits * lanes]);
    dw
}
