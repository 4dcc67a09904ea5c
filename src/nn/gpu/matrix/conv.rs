//! A convolution on matrix units: a workgroup keeps a tile of the picture, with its border, and the weights that meet it in
//! workgroup memory, channels side by side, and each subgroup a few squares of output channels times pixels in registers.
//!
//! Every tap is a product of its own: weights times the picture moved by the tap, whose rows stay aligned because a pixel's
//! channels lie together. Serves what `gpu::conv` serves. Called by `operations`.

use super::super::conv::{Shape, WeightOrder};
use super::super::hook::CubeTensor;
use super::super::kernel::{Text, empty, entry, launch};
use super::halves::{self, Halves, Packing, padded};
use super::unit::Unit;
use std::fmt::Write as _;

/// Subgroups of a workgroup.
const SUBGROUPS: usize = 8;
/// 16-bit floats between the rows of a tile: rows that are an odd number of 16 bytes apart fall into different banks.
const GAP: usize = 8;

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Tiles {
    unit: Unit,
    kernel: usize,
    stride: usize,
    dilation: usize,
    spread: usize,
    biased: bool,
    shuffle: usize,
    /// Every square lies in the output as a whole and is stored as it is.
    direct: bool,
    /// Input channels at once.
    depth: usize,
    /// Subgroups that divide the output channels; the others divide the pixels.
    split: usize,
    /// Squares of a subgroup: down the channels, along the pixels.
    squares: [usize; 2],
    /// Output pixels of a tile, the width in squares.
    width: usize,
    height: usize,
}

impl Tiles {
    fn columns(&self) -> usize {
        self.split * self.squares[0] * self.unit.side
    }

    fn in_width(&self) -> usize {
        (self.width * self.unit.side - 1) * self.stride + self.dilation * (self.kernel - 1) + 1
    }

    fn in_height(&self) -> usize {
        (self.height - 1) * self.stride + self.dilation * (self.kernel - 1) + 1
    }

    fn taps(&self) -> usize {
        self.kernel * self.kernel
    }

    /// Vectors of four between rows.
    fn pitch(&self, depth: usize) -> usize {
        (depth + GAP) / 4
    }

    /// Vectors of four in workgroup memory.
    fn vectors(&self, depth: usize) -> [usize; 2] {
        [self.in_width() * self.in_height(), self.taps() * self.columns()].map(|rows| rows * self.pitch(depth))
    }

    fn shared(&self, depth: usize) -> usize {
        let stage = if self.direct { 0 } else { SUBGROUPS * self.unit.area() * 4 };
        self.vectors(depth).iter().sum::<usize>() * 8 + stage
    }

    fn choose(unit: Unit, shape: &Shape, columns: usize, biased: bool, shuffle: usize) -> Option<Self> {
        let side = unit.side;
        let [rows, across] = shape.out_size;
        let direct = !biased && shuffle == 1 && columns.is_multiple_of(side) && across.is_multiple_of(side);
        let mut tall = columns.div_ceil(side).next_power_of_two().min(4);
        loop {
            let split = tall.div_ceil(2);
            let along = SUBGROUPS / split;
            let width = if across > side { 2 } else { 1 };
            let mut tiles = Self {
                unit,
                kernel: shape.kernel,
                stride: shape.stride,
                dilation: shape.dilation,
                spread: shape.spread,
                biased,
                shuffle,
                direct,
                depth: halves::GROUP,
                split,
                squares: [tall / split, 4],
                width,
                height: 4 * along / width,
            };
            let least = along / width;
            while tiles.height > least && (tiles.height / 2 >= rows || tiles.shared(tiles.depth) > unit.shared) {
                tiles.height /= 2;
                tiles.squares[1] /= 2;
            }
            if tiles.shared(tiles.depth) <= unit.shared {
                let channels = padded(shape.in_channels);
                while tiles.depth < 64
                    && channels.is_multiple_of(2 * tiles.depth)
                    && tiles.shared(2 * tiles.depth) <= unit.shared
                {
                    tiles.depth *= 2;
                }
                return Some(tiles);
            }
            if tall == 1 {
                return None;
            }
            tall /= 2;
        }
    }

    /// The next channels of picture and weights into workgroup memory, 16 bytes an invocation at once.
    fn load(&self) -> String {
        let pairs = self.depth / 8;
        let (spread, on_grid) = match self.spread {
            1 => (String::new(), ""),
            s => (format!("let on = (iy % {s} == 0) && (ix % {s} == 0); iy = iy / {s}; ix = ix / {s};"), " && on"),
        };
        format!(
            "for (var i = t; i < {pixels}u; i += {n}u) {{
                let r = i / {pairs}u; let j = (i % {pairs}u) * 2u;
                var iy = y0 + i32(r / {w}u); var ix = x0 + i32(r % {w}u);
                let inside = iy >= 0 && ix >= 0;
                {spread}
                var a = vec4<f16>(); var b = vec4<f16>();
                if (inside && u32(iy) < rows && u32(ix) < across{on_grid}) {{
                    let o = ((g.z * rows + u32(iy)) * across + u32(ix)) * fours + chunk * {quarter}u + j;
                    a = x[o]; b = x[o + 1u];
                }}
                xs[r * {pitch}u + j] = a; xs[r * {pitch}u + j + 1u] = b;
            }}
            for (var i = t; i < {weights}u; i += {n}u) {{
                let r = i / {pairs}u; let j = (i % {pairs}u) * 2u;
                let o = ((g.y * chunks + chunk) * {lines}u + r) * {quarter}u + j;
                ws[r * {pitch}u + j] = packed[o]; ws[r * {pitch}u + j + 1u] = packed[o + 1u];
            }}\n",
            pixels = self.in_width() * self.in_height() * pairs,
            n = self.workgroup(),
            w = self.in_width(),
            quarter = self.depth / 4,
            pitch = self.pitch(self.depth),
            lines = self.taps() * self.columns(),
            weights = self.taps() * self.columns() * pairs,
        )
    }

    /// The products of one tap of row `ky`, a number or a variable.
    fn tap(&self, ky: &str, kx: usize) -> String {
        let mut text = String::new();
        let (unit, pitch) = (self.unit, self.pitch(self.depth));
        let [tall, long] = self.squares;
        for step in 0..self.depth / unit.side {
            let quarter = step * unit.side / 4;
            text += "{\n";
            for i in 0..tall {
                let line = format!("({ky} * {}u + {kx}u) * {}u + {}u", self.kernel, self.columns(), i * unit.side);
                let at = format!("wo + ({line}) * {pitch}u + {quarter}u");
                text += &unit.left(&format!("a{i}"), "ws", &at, pitch);
            }
            for j in 0..long {
                let moved = format!("({ky} * {}u + {}u)", self.dilation * self.in_width(), kx * self.dilation);
                let at = format!("xo{j} + {moved} * {pitch}u + {quarter}u");
                text += &unit.right_turned(&format!("b{j}"), "xs", &at, pitch * self.stride);
            }
            for (i, j) in pairs(self.squares) {
                text += &unit.add(&format!("s{i}_{j}"), &format!("a{i}"), &format!("b{j}"));
            }
            text += "}\n";
        }
        text
    }

    fn sum(&self) -> String {
        // Software Vulkan takes minutes to compile all taps one by one.
        if self.kernel <= 3 && self.unit.side > 8 {
            let all = (0..self.kernel).flat_map(|ky| (0..self.kernel).map(move |kx| (ky, kx)));
            return all.map(|(ky, kx)| self.tap(&format!("{ky}u"), kx)).collect();
        }
        let row: String = (0..self.kernel).map(|kx| self.tap("ky", kx)).collect();
        format!("for (var ky = 0u; ky < {}u; ky++) {{\n{row}}}\n", self.kernel)
    }

    fn store(&self) -> String {
        let mut text = String::new();
        let (side, area) = (self.unit.side, self.unit.area());
        for (i, j) in pairs(self.squares) {
            let sum = format!("s{i}_{j}");
            let _ = writeln!(
                text,
                "{{ let m0 = g.y * {}u + wm * {}u + {}u;",
                self.columns(),
                self.squares[0] * side,
                i * side
            );
            let _ = writeln!(text, "let oy = oy0 + row{j}; let ox0 = left + column{j};");
            if self.direct {
                let at = "((g.z * outs + m0) * out_rows + oy) * out_across + ox0";
                text += "if (m0 < outs && oy < out_rows && ox0 < out_across) {\n";
                text += &self.unit.store(&sum, "y", at, "out_rows * out_across", Some("inverse"));
                text += "}\n}\n";
                continue;
            }
            let per = self.shuffle * self.shuffle;
            text += &self.unit.store(&sum, "stage", &format!("warp * {area}u"), &format!("{side}u"), Some("inverse"));
            let place = match self.shuffle {
                1 => format!("let r = e / {side}u; let c = e % {side}u;"),
                // Neighbouring invocations write neighbouring pixels.
                s if side.is_multiple_of(per) => format!(
                    "let across2 = e % {wide}u; let down = e / {wide}u; let c = across2 / {s}u;
                     let r = (down / {s}u) * {per}u + (down % {s}u) * {s}u + across2 % {s}u;",
                    wide = side * s
                ),
                _ => format!("let r = e / {side}u; let c = e % {side}u;"),
            };
            let index = match self.shuffle {
                1 => "((g.z * outs + m) * out_rows + oy) * out_across + ox".to_owned(),
                s => format!(
                    "((g.z * (outs / {per}u) + m / {per}u) * out_rows * {s}u + oy * {s}u + (m % {per}u) / {s}u) \
                     * out_across * {s}u + ox * {s}u + m % {s}u"
                ),
            };
            let bias = if self.biased { format!(" + bias[m / {per}u]") } else { String::new() };
            let _ = writeln!(
                text,
                "workgroupBarrier();
                 for (var e = lane; e < {area}u; e += {lanes}u) {{
                    {place}
                    let m = m0 + r; let ox = ox0 + c;
                    if (m < outs && oy < out_rows && ox < out_across) {{
                        y[{index}] = stage[warp * {area}u + r * {side}u + c]{bias};
                    }}
                 }}
                 workgroupBarrier();
                 }}",
                lanes = self.unit.lanes,
            );
        }
        text
    }
}

/// All `(i, j)` below `[rows, columns]`.
pub fn pairs([rows, columns]: [usize; 2]) -> impl Iterator<Item = (usize, usize)> {
    (0..rows).flat_map(move |i| (0..columns).map(move |j| (i, j)))
}

impl Text for Tiles {
    fn head(&self) -> &'static str {
        self.unit.head()
    }

    fn buffers(&self) -> Vec<(&'static str, &'static str)> {
        let mut buffers = vec![("x", "vec4<f16>"), ("packed", "vec4<f16>"), ("x_inverse", "f32"), ("w_inverse", "f32")];
        if self.biased {
            buffers.push(("bias", "f32"));
        }
        buffers.push(("y", "f32"));
        buffers
    }

    fn workgroup(&self) -> u32 {
        (SUBGROUPS * self.unit.lanes) as u32
    }

    fn wgsl(&self) -> String {
        let [pixels, weights] = self.vectors(self.depth);
        let (pitch, side) = (self.pitch(self.depth), self.unit.side);
        let stage = if self.direct {
            String::new()
        } else {
            format!("var<workgroup> stage: array<f32, {}>;\n", SUBGROUPS * self.unit.area())
        };
        let sums: String = pairs(self.squares).map(|(i, j)| self.unit.sum(&format!("s{i}_{j}"))).collect();
        let places: String = (0..self.squares[1])
            .map(|j| {
                format!(
                    "let n{j} = wn * {long}u + {j}u; let row{j} = n{j} / {width}u; let column{j} = (n{j} % {width}u) * {side}u;
                     let xo{j} = (row{j} * {down}u + column{j} * {stride}u) * {pitch}u;\n",
                    long = self.squares[1],
                    width = self.width,
                    stride = self.stride,
                    down = self.stride * self.in_width(),
                )
            })
            .collect();
        format!(
            "var<workgroup> xs: array<vec4<f16>, {pixels}>;
             var<workgroup> ws: array<vec4<f16>, {weights}>;
             {stage}
             {entry}
             let rows = info[0]; let across = info[1]; let fours = info[2];
             let outs = info[3]; let out_rows = info[4]; let out_across = info[5];
             let padding = i32(info[6]); let tiles_across = info[7]; let chunks = info[8];
             let warp = t / {lanes}u; let lane = t % {lanes}u;
             let wm = warp % {split}u; let wn = warp / {split}u;
             let left = (g.x % tiles_across) * {width}u; let oy0 = (g.x / tiles_across) * {height}u;
             let x0 = i32(left * {stride}u) - padding; let y0 = i32(oy0 * {stride}u) - padding;
             let wo = wm * {lines}u;
             {places}{sums}
             for (var chunk = 0u; chunk < chunks; chunk++) {{
             {load}
             workgroupBarrier();
             {sum}
             workgroupBarrier();
             }}
             let inverse = x_inverse[0] * w_inverse[0];
             {store}
             }}\n",
            entry = entry(self.workgroup()),
            lanes = self.unit.lanes,
            split = self.split,
            width = self.width * side,
            height = self.height,
            stride = self.stride,
            lines = self.squares[0] * side * pitch,
            load = self.load(),
            sum = self.sum(),
            store = self.store(),
        )
    }
}

/// Whether the kernel can serve a shape.
pub fn fits(unit: Unit, shape: &Shape, shuffle: usize) -> bool {
    Tiles::choose(unit, shape, shape.out_channels * shuffle * shuffle, true, shuffle).is_some()
}

/// A convolution, `[batch, out, rows, columns]`; see `gpu::conv::convolve`.
///
/// # Panics
/// For a shape that does not [`fits`].
pub fn convolve(
    unit: Unit,
    x: &Halves,
    [weight, bias]: [Option<&CubeTensor>; 2],
    shape: &Shape,
    order: WeightOrder,
    shuffle: usize,
) -> CubeTensor {
    let columns = shape.out_channels * shuffle * shuffle;
    let tiles = Tiles::choose(unit, shape, columns, bias.is_some(), shuffle);
    let (Some(tiles), Some(weight)) = (tiles, weight) else { unreachable!("asked before whether the shape fits") };
    let chunks = padded(shape.in_channels) / tiles.depth;
    let packing = Packing {
        rows: shape.in_channels,
        columns,
        taps: tiles.taps(),
        row: order.row,
        column: order.column,
        offset: order.offset,
        turned: order.turned,
        depth: tiles.depth,
        chunks,
        tile: tiles.columns(),
    };
    let packed = halves::weights(weight, &packing);
    let out_size = shape.out_size.map(|n| n * shuffle);
    let y = empty(weight, &[shape.batch, shape.out_channels, out_size[0], out_size[1]]);
    let tiles_across = shape.out_size[1].div_ceil(tiles.width * unit.side);
    let count =
        [tiles_across * shape.out_size[0].div_ceil(tiles.height), columns.div_ceil(tiles.columns()), shape.batch];
    let info = [
        shape.in_size[0],
        shape.in_size[1],
        padded(shape.in_channels) / 4,
        columns,
        shape.out_size[0],
        shape.out_size[1],
        shape.padding as i32 as u32 as usize,
        tiles_across,
        chunks,
    ];
    let mut buffers = vec![&x.values, &packed.values, &x.inverse, &packed.inverse];
    buffers.extend(bias);
    buffers.push(&y);
    launch(tiles, count, &buffers, &info);
    y
}
