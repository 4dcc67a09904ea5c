//! Convolution as a sum over tiles: a workgroup keeps a tile of the input, with its border, and the weights that meet it in
//! workgroup memory, and each invocation eight output channels of eight neighbouring pixels in registers.
//!
//! The same kernel computes a convolution, the gradient of its input (with turned weights) and a transposed convolution
//! whose windows do not overlap. Called by `operations`.

use super::hook::CubeTensor;
use super::kernel::{SHARED, Text, empty, entry, launch, spread_out};
use std::fmt::Write as _;

/// Output pixels of an invocation, side by side.
const PIXELS: usize = 8;
/// Output channels of an invocation.
const CHANNELS: usize = 8;

/// A convolution as the kernel sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shape {
    pub batch: usize,
    /// Channels of the first input; the others are the second's.
    pub first_channels: usize,
    pub in_channels: usize,
    pub in_size: [usize; 2],
    pub out_channels: usize,
    pub out_size: [usize; 2],
    pub kernel: usize,
    pub stride: usize,
    /// Of the input, once it is spread; negative where the output is smaller than the overlap.
    pub padding: isize,
    pub dilation: usize,
    /// The input has this many minus one zeros between neighbours.
    pub spread: usize,
}

/// Where the weights lie, seen from the sum: `in * row + out * column + offset + tap`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WeightOrder {
    pub row: usize,
    pub column: usize,
    pub offset: usize,
    /// Taps from the last to the first.
    pub turned: bool,
}

/// What the kernel's text depends on.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Tiles {
    kernel: usize,
    stride: usize,
    dilation: usize,
    spread: usize,
    joined: bool,
    biased: bool,
    /// Each channel is a tap of this many times this many output pixels.
    shuffle: usize,
    /// Input channels at once.
    depth: usize,
    /// Output channels of a workgroup.
    columns: usize,
    width: usize,
    height: usize,
    /// Four numbers that lie side by side in the output are stored at once.
    aligned: bool,
}

impl Tiles {
    fn border(&self) -> usize {
        self.dilation * (self.kernel - 1)
    }

    fn in_width(&self) -> usize {
        (self.width - 1) * self.stride + self.border() + 1
    }

    fn in_height(&self) -> usize {
        (self.height - 1) * self.stride + self.border() + 1
    }

    fn shared(&self, depth: usize) -> usize {
        depth * (self.in_width() * self.in_height() + self.kernel * self.kernel * self.columns)
    }

    fn invocations(&self) -> usize {
        self.columns / CHANNELS * (self.width / PIXELS) * self.height
    }

    /// The largest tiles that fit.
    fn choose(shape: &Shape, columns: usize, joined: bool, biased: bool, shuffle: usize) -> Option<Self> {
        let power = |n: usize, most: usize| n.next_power_of_two().min(most);
        let mut tiles = Self {
            kernel: shape.kernel,
            stride: shape.stride,
            dilation: shape.dilation,
            spread: shape.spread,
            joined,
            biased,
            shuffle,
            depth: 1,
            columns: power(columns, 64).max(CHANNELS),
            width: power(shape.out_size[1], 32).max(PIXELS),
            height: 1,
            aligned: match shuffle {
                1 => shape.out_size[1].is_multiple_of(4),
                2 => shape.out_size[1].is_multiple_of(2),
                _ => false,
            },
        };
        let tallest = power(shape.out_size[0], 16);
        while tiles.height < tallest && tiles.invocations() < 256 {
            tiles.height *= 2;
        }
        while tiles.shared(1) > SHARED && tiles.height > 1 {
            tiles.height /= 2;
        }
        while tiles.shared(1) > SHARED && tiles.columns > CHANNELS {
            tiles.columns /= 2;
        }
        if tiles.shared(1) > SHARED {
            return None;
        }
        let deepest = power(shape.in_channels, 8);
        while tiles.depth < deepest && tiles.shared(tiles.depth * 2) <= SHARED {
            tiles.depth *= 2;
        }
        Some(tiles)
    }

    /// The pixels and weights of the next channels into workgroup memory.
    fn load(&self) -> String {
        let (w, h) = (self.in_width(), self.in_height());
        let n = self.invocations();
        let read = if self.joined {
            "if (c < first) { v = xa[((g.z * first + c) * rows + u32(iy)) * across + u32(ix)]; }\n\
             else { v = xb[((g.z * (channels - first) + c - first) * rows + u32(iy)) * across + u32(ix)]; }"
        } else {
            "v = xa[((g.z * channels + c) * rows + u32(iy)) * across + u32(ix)];"
        };
        let (spread, on_grid) = match self.spread {
            1 => (String::new(), ""),
            s => (format!("let on = (iy % {s} == 0) && (ix % {s} == 0); iy = iy / {s}; ix = ix / {s};"), " && on"),
        };
        format!(
            "for (var i = t; i < {total}u; i += {n}u) {{
                let ci = i / {area}u; let r = i % {area}u;
                var iy = y0 + i32(r / {w}u); var ix = x0 + i32(r % {w}u);
                let c = c0 + ci;
                var v = 0.0;
                let inside = iy >= 0 && ix >= 0;
                {spread}
                if (inside && c < channels && u32(iy) < rows && u32(ix) < across{on_grid}) {{ {read} }}
                xs[i] = v;
            }}
            for (var i = t; i < {weights}u; i += {n}u) {{
                ws[i] = packed[(c0 * {taps}u + i / {columns}u) * stride_w + g.y * {columns}u + i % {columns}u];
            }}\n",
            total = self.depth * w * h,
            area = w * h,
            weights = self.depth * self.kernel * self.kernel * self.columns / 4,
            taps = self.kernel * self.kernel,
            columns = self.columns / 4,
        )
    }

    /// The products of one input channel.
    fn sum(&self) -> String {
        let mut text = String::new();
        let groups = self.columns / CHANNELS;
        let (w, h) = (self.in_width(), self.in_height());
        let _ = writeln!(text, "for (var ci = 0u; ci < {}u; ci++) {{", self.depth);
        let _ = writeln!(text, "for (var ky = 0u; ky < {}u; ky++) {{", self.kernel);
        let _ = writeln!(
            text,
            "let xo = ci * {}u + (py * {}u + ky * {}u) * {w}u + px * {}u;\n\
             let wo = (ci * {k}u + ky) * {}u + cg;",
            w * h,
            self.stride,
            self.dilation,
            self.stride,
            self.kernel * self.columns / 4,
            k = self.kernel,
        );
        let mut known = vec![false; (PIXELS - 1) * self.stride + self.border() + 1];
        for kx in 0..self.kernel {
            let at = kx * self.columns / 4;
            let _ = writeln!(text, "let w{kx}a = ws[wo + {at}u]; let w{kx}b = ws[wo + {}u];", at + groups);
            for p in 0..PIXELS {
                let x = p * self.stride + kx * self.dilation;
                if !std::mem::replace(&mut known[x], true) {
                    let _ = writeln!(text, "let x{x} = xs[xo + {x}u];");
                }
                let _ = writeln!(text, "a{p} = fma(w{kx}a, vec4(x{x}), a{p}); b{p} = fma(w{kx}b, vec4(x{x}), b{p});");
            }
        }
        text += "}\n}\n";
        text
    }

    /// The results of an invocation into the output.
    fn store(&self) -> String {
        let mut text = String::new();
        for (name, second) in [("a", 0), ("b", self.columns / CHANNELS)] {
            let _ = writeln!(text, "{{ let m0 = (g.y * {}u + cg + {second}u) * 4u;", self.columns / 4);
            if self.biased {
                let per = self.shuffle * self.shuffle;
                for part in 0..4 {
                    let _ = writeln!(
                        text,
                        "if (m0 + {part}u < outs) {{ let v = bias[(m0 + {part}u) / {per}u]; {} }}",
                        (0..PIXELS).map(|p| format!("{name}{p}[{part}] += v; ")).collect::<String>()
                    );
                }
            }
            if self.shuffle == 2 && self.aligned {
                // The four taps of a channel lie in one vector: two rows of two pixels for each input pixel.
                text += "if (m0 < outs && oy < out_rows) {\n";
                for row in 0..2 {
                    let _ = writeln!(
                        text,
                        "let o{row} = ((g.z * (outs / 4u) + m0 / 4u) * out_rows * 2u + oy * 2u + {row}u) * out_across * 2u \
                         + ox * 2u;"
                    );
                    for p in (0..PIXELS).step_by(2) {
                        let [l, r] = [2 * row, 2 * row + 1];
                        let next = p + 1;
                        let _ = writeln!(
                            text,
                            "if (ox + {p}u < out_across) {{ y[(o{row} + {}u) / 4u] = \
                             vec4({name}{p}[{l}], {name}{p}[{r}], {name}{next}[{l}], {name}{next}[{r}]); }}",
                            2 * p
                        );
                    }
                }
                text += "}\n}\n";
                continue;
            }
            for part in 0..4 {
                let value = |p: usize| format!("{name}{p}[{part}]");
                let _ = writeln!(text, "if (m0 + {part}u < outs && oy < out_rows) {{ let m = m0 + {part}u;");
                if self.shuffle > 1 {
                    let s = self.shuffle;
                    let _ = writeln!(
                        text,
                        "let tap = m % {per}u;
                         let o = ((g.z * (outs / {per}u) + m / {per}u) * out_rows * {s}u + oy * {s}u + tap / {s}u) \
                         * out_across * {s}u + tap % {s}u;",
                        per = s * s
                    );
                    for p in 0..PIXELS {
                        let v = value(p);
                        let _ = writeln!(text, "if (ox + {p}u < out_across) {{ y[o + (ox + {p}u) * {s}u] = {v}; }}");
                    }
                } else {
                    text += "let o = ((g.z * outs + m) * out_rows + oy) * out_across + ox;\n";
                    if self.aligned {
                        for p in (0..PIXELS).step_by(4) {
                            let four: Vec<String> = (p..p + 4).map(value).collect();
                            let four = four.join(", ");
                            let _ =
                                writeln!(text, "if (ox + {p}u < out_across) {{ y[(o + {p}u) / 4u] = vec4({four}); }}");
                        }
                    } else {
                        for p in 0..PIXELS {
                            let v = value(p);
                            let _ = writeln!(text, "if (ox + {p}u < out_across) {{ y[o + {p}u] = {v}; }}");
                        }
                    }
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
        buffers.push(("packed", "vec4<f32>"));
        if self.biased {
            buffers.push(("bias", "f32"));
        }
        buffers.push(("y", if self.aligned { "vec4<f32>" } else { "f32" }));
        buffers
    }

    fn workgroup(&self) -> u32 {
        self.invocations() as u32
    }

    fn wgsl(&self) -> String {
        let groups = self.columns / CHANNELS;
        let across = self.width / PIXELS;
        let accumulators: String =
            (0..PIXELS).map(|p| format!("var a{p} = vec4<f32>(); var b{p} = vec4<f32>();\n")).collect();
        format!(
            "var<workgroup> xs: array<f32, {pixels}>;
             var<workgroup> ws: array<vec4<f32>, {weights}>;
             {entry}
             let channels = info[0]; let rows = info[2]; let across = info[3];
             {first}
             let outs = info[4]; let out_rows = info[5]; let out_across = info[6];
             let stride_w = info[7]; let padding = i32(info[8]); let tiles_across = info[9];
             let cg = t % {groups}u; let pg = t / {groups}u;
             let px = (pg % {across}u) * {PIXELS}u; let py = pg / {across}u;
             let ox0 = (g.x % tiles_across) * {width}u; let oy0 = (g.x / tiles_across) * {height}u;
             let x0 = i32(ox0 * {stride}u) - padding; let y0 = i32(oy0 * {stride}u) - padding;
             {accumulators}
             for (var c0 = 0u; c0 < channels; c0 += {depth}u) {{
             {load}
             workgroupBarrier();
             {sum}
             workgroupBarrier();
             }}
             let ox = ox0 + px; let oy = oy0 + py;
             {store}
             }}\n",
            pixels = self.depth * self.in_width() * self.in_height(),
            weights = self.depth * self.kernel * self.kernel * self.columns / 4,
            entry = entry(self.workgroup()),
            first = if self.joined { "let first = info[1];" } else { "" },
            width = self.width,
            height = self.height,
            stride = self.stride,
            depth = self.depth,
            load = self.load(),
            sum = self.sum(),
            store = self.store(),
        )
    }
}

/// Weights in the order in which the kernel reads them: `[in][tap][out]`, zeros behind the last of each.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Pack {
    turned: bool,
}

impl Text for Pack {
    fn buffers(&self) -> Vec<(&'static str, &'static str)> {
        vec![("w", "f32"), ("packed", "f32")]
    }

    fn workgroup(&self) -> u32 {
        256
    }

    fn wgsl(&self) -> String {
        let tap = if self.turned { "taps - 1u - tap" } else { "tap" };
        format!(
            "{entry}
             let columns = info[0]; let taps = info[1]; let total = info[2];
             let i = (g.y * 65535u + g.x) * 256u + t;
             if (i >= total) {{ return; }}
             let column = i % columns; let rest = i / columns; let tap = rest % taps; let row = rest / taps;
             var v = 0.0;
             if (row < info[3] && column < info[4]) {{
                v = w[row * info[5] + column * info[6] + info[7] + {tap}];
             }}
             packed[i] = v;
             }}\n",
            entry = entry(256)
        )
    }
}

/// The kernel's place in a convolution.
#[derive(Clone, Copy)]
pub struct Inputs<'a> {
    pub x: &'a CubeTensor,
    /// Further channels.
    pub second: Option<&'a CubeTensor>,
    pub weight: &'a CubeTensor,
    pub bias: Option<&'a CubeTensor>,
}

/// Whether the kernel can serve a shape.
pub fn fits(shape: &Shape) -> bool {
    Tiles::choose(shape, shape.out_channels, false, false, 1).is_some()
}

/// A convolution of contiguous tensors, `[batch, out, rows, columns]`.
///
/// With `shuffle` above 1 each of `out_channels` has `shuffle * shuffle` taps in the weights, one for each output pixel of
/// an input pixel: a transposed convolution.
///
/// # Panics
/// For a shape that does not [`fits`].
pub fn convolve(inputs: Inputs<'_>, shape: &Shape, order: WeightOrder, shuffle: usize) -> CubeTensor {
    let columns = shape.out_channels * shuffle * shuffle;
    let Some(tiles) = Tiles::choose(shape, columns, inputs.second.is_some(), inputs.bias.is_some(), shuffle) else {
        unreachable!("asked before whether the shape fits")
    };
    let taps = shape.kernel * shape.kernel;
    let padded = columns.next_multiple_of(tiles.columns);
    let rows = shape.in_channels.next_multiple_of(tiles.depth);
    let packed = empty(inputs.weight, &[rows * taps * padded]);
    let total = rows * taps * padded;
    launch(
        Pack { turned: order.turned },
        spread_out(total),
        &[inputs.weight, &packed],
        &[padded, taps, total, shape.in_channels, columns, order.row, order.column, order.offset],
    );
    let out_size = shape.out_size.map(|n| n * shuffle);
    let y = empty(inputs.x, &[shape.batch, shape.out_channels, out_size[0], out_size[1]]);
    let tiles_across = shape.out_size[1].div_ceil(tiles.width);
    let count = [tiles_across * shape.out_size[0].div_ceil(tiles.height), padded / tiles.columns, shape.batch];
    let info = [
        shape.in_channels,
        shape.first_channels,
        shape.in_size[0],
        shape.in_size[1],
        columns,
        shape.out_size[0],
        shape.out_size[1],
        padded / 4,
        shape.padding as i32 as u32 as usize,
        tiles_across,
    ];
    let mut buffers = vec![inputs.x];
    buffers.extend(inputs.second);
    buffers.push(&packed);
    buffers.extend(inputs.bias);
    buffers.push(&y);
    launch(tiles, count, &buffers, &info);
    y
}
