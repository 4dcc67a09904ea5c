//! The gradient of a convolution's weights on matrix units: each tap is a product of the output's gradient with the picture
//! moved by the tap, along the pixels. A workgroup walks over tiles of the picture and keeps the products of all taps in
//! registers; a second kernel adds what the workgroups found, in an order that depends on the shape alone.
//!
//! Called by `operations`.

use super::super::conv::Shape;
use super::super::hook::CubeTensor;
use super::super::kernel::{Text, empty, entry, launch, spread_out};
use super::conv::pairs;
use super::halves::{Halves, padded};
use super::unit::Unit;
use std::fmt::Write as _;

/// Subgroups of a workgroup, at most.
const SUBGROUPS: usize = 8;
/// 16-bit floats between the rows of a tile, against bank conflicts.
const GAP: usize = 8;
/// Workgroups that keep any device busy, and the most 32-bit numbers they may leave to be added (128 MiB).
const GROUPS: usize = 1024;
const PARTIAL: usize = 32 << 20;

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Tiles {
    unit: Unit,
    kernel: usize,
    stride: usize,
    dilation: usize,
    /// Squares of a subgroup: output channels, input channels.
    squares: [usize; 2],
    /// Subgroups that divide output channels, input channels and pixels.
    split: [usize; 3],
    /// Output pixels of a tile, the width in squares.
    width: usize,
    height: usize,
}

impl Tiles {
    fn choose(unit: Unit, shape: &Shape) -> Option<Self> {
        let taps = shape.kernel * shape.kernel;
        // At most nine sums a subgroup, which leaves registers for two workgroups at once.
        let squares = match taps {
            1 => [2, 4],
            2..=4 => [2, 1],
            5..=9 => [1, 1],
            _ => return None,
        };
        let power = |n: usize, most: usize| n.next_power_of_two().min(most);
        let down = power(shape.out_channels.div_ceil(unit.side * squares[0]), 4);
        let along = power(shape.in_channels.div_ceil(unit.side * squares[1]), SUBGROUPS / down);
        let [rows, across] = shape.out_size;
        let mut tiles = Self {
            unit,
            kernel: shape.kernel,
            stride: shape.stride,
            dilation: shape.dilation,
            squares,
            split: [down, along, 1],
            width: if across > unit.side { 2 } else { 1 },
            height: power(rows, 8),
        };
        while tiles.shared() > unit.shared && tiles.height > 1 {
            tiles.height /= 2;
        }
        while tiles.shared() > unit.shared && tiles.split[1] > 1 {
            tiles.split[1] /= 2;
        }
        if tiles.shared() > unit.shared {
            return None;
        }
        tiles.split[2] = (SUBGROUPS / (tiles.split[0] * tiles.split[1])).min(tiles.width * tiles.height);
        Some(tiles)
    }

    fn taps(&self) -> usize {
        self.kernel * self.kernel
    }

    fn in_width(&self) -> usize {
        (self.width * self.unit.side - 1) * self.stride + self.dilation * (self.kernel - 1) + 1
    }

    fn in_height(&self) -> usize {
        (self.height - 1) * self.stride + self.dilation * (self.kernel - 1) + 1
    }

    fn pixels(&self) -> usize {
        self.width * self.unit.side * self.height
    }

    /// Output and input channels of a workgroup.
    fn channels(&self) -> [usize; 2] {
        [0, 1].map(|i| self.split[i] * self.squares[i] * self.unit.side)
    }

    /// Vectors of four between the pixels of gradient and picture.
    fn pitch(&self) -> [usize; 2] {
        self.channels().map(|n| (n + GAP) / 4)
    }

    fn shared(&self) -> usize {
        let [d, x] = self.pitch();
        (self.pixels() * d + self.in_width() * self.in_height() * x) * 8
    }

    fn load(&self) -> String {
        let [outs, ins] = self.channels().map(|n| n / 8);
        let [d, x] = self.pitch();
        format!(
            "for (var i = t; i < {x_total}u; i += {n}u) {{
                let r = i / {ins}u; let j = (i % {ins}u) * 2u;
                let iy = i32(oy0 * {stride}u + r / {w}u) - padding;
                let ix = i32(ox0 * {stride}u + r % {w}u) - padding;
                let four = x_tile * {ins}u * 2u + j;
                var a = vec4<f16>(); var b = vec4<f16>();
                if (iy >= 0 && ix >= 0 && u32(iy) < rows && u32(ix) < across && four < x_fours) {{
                    let o = ((image * rows + u32(iy)) * across + u32(ix)) * x_fours + four;
                    a = x[o]; b = x[o + 1u];
                }}
                xs[r * {x}u + j] = a; xs[r * {x}u + j + 1u] = b;
            }}
            for (var i = t; i < {d_total}u; i += {n}u) {{
                let r = i / {outs}u; let j = (i % {outs}u) * 2u;
                let oy = oy0 + r / {width}u; let ox = ox0 + r % {width}u;
                let four = d_tile * {outs}u * 2u + j;
                var a = vec4<f16>(); var b = vec4<f16>();
                if (oy < out_rows && ox < out_across && four < d_fours) {{
                    let o = ((image * out_rows + oy) * out_across + ox) * d_fours + four;
                    a = dy[o]; b = dy[o + 1u];
                }}
                ds[r * {d}u + j] = a; ds[r * {d}u + j + 1u] = b;
            }}\n",
            x_total = self.in_width() * self.in_height() * ins,
            d_total = self.pixels() * outs,
            n = self.workgroup(),
            w = self.in_width(),
            width = self.width * self.unit.side,
            stride = self.stride,
        )
    }

    /// The products of one square of pixels.
    fn sum(&self) -> String {
        let mut text = String::new();
        let (unit, [d, x], side) = (self.unit, self.pitch(), self.unit.side);
        for i in 0..self.squares[0] {
            let at = format!("(row * {}u + column) * {d}u + wm + {}u", self.width * side, i * side / 4);
            text += &unit.left_turned(&format!("a{i}"), "ds", &at, d);
        }
        let _ = writeln!(
            text,
            "let xo = (row * {}u + column * {}u) * {x}u + wn;",
            self.stride * self.in_width(),
            self.stride
        );
        for tap in 0..self.taps() {
            let moved = self.dilation * (tap / self.kernel * self.in_width() + tap % self.kernel);
            text += "{\n";
            for j in 0..self.squares[1] {
                let at = format!("xo + {}u", moved * x + j * side / 4);
                text += &unit.right(&format!("b{j}"), "xs", &at, x * self.stride);
            }
            for (i, j) in pairs(self.squares) {
                text += &unit.add(&format!("s{i}_{j}_{tap}"), &format!("a{i}"), &format!("b{j}"));
            }
            text += "}\n";
        }
        text
    }

    fn store(&self) -> String {
        let mut text = String::new();
        let side = self.unit.side;
        for (i, j) in pairs(self.squares) {
            let _ = writeln!(
                text,
                "{{ let down = (d_tile * {}u + warp % {}u) * {tall}u + {i}u;
                 let along = (x_tile * {}u + (warp / {}u) % {}u) * {long}u + {j}u;
                 if (down < all_down && along < all_along) {{
                 let o = ((slot * all_down + down) * all_along + along) * {}u;",
                self.split[0],
                self.split[0],
                self.split[1],
                self.split[0],
                self.split[1],
                self.taps() * self.unit.area(),
                tall = self.squares[0],
                long = self.squares[1],
            );
            for tap in 0..self.taps() {
                let at = format!("o + {}u", tap * self.unit.area());
                text += &self.unit.store(&format!("s{i}_{j}_{tap}"), "partial", &at, &format!("{side}u"), None);
            }
            text += "}\n}\n";
        }
        text
    }
}

impl Text for Tiles {
    fn head(&self) -> &'static str {
        self.unit.head()
    }

    fn buffers(&self) -> Vec<(&'static str, &'static str)> {
        vec![("x", "vec4<f16>"), ("dy", "vec4<f16>"), ("partial", "f32")]
    }

    fn workgroup(&self) -> u32 {
        (self.split.iter().product::<usize>() * self.unit.lanes) as u32
    }

    fn wgsl(&self) -> String {
        let [down, along, pixels] = self.split;
        let (side, [d, x]) = (self.unit.side, self.pitch());
        let sums: String = pairs(self.squares)
            .flat_map(|(i, j)| (0..self.taps()).map(move |tap| format!("s{i}_{j}_{tap}")))
            .map(|name| self.unit.sum(&name))
            .collect();
        format!(
            "var<workgroup> xs: array<vec4<f16>, {xs}>;
             var<workgroup> ds: array<vec4<f16>, {ds}>;
             {entry}
             let rows = info[0]; let across = info[1]; let x_fours = info[2];
             let out_rows = info[3]; let out_across = info[4]; let d_fours = info[5];
             let padding = i32(info[6]); let strips = info[7]; let bands = info[8]; let units = info[9];
             let splits = info[10]; let x_tiles = info[11]; let all_down = info[12]; let all_along = info[13];
             let x_tile = g.y % x_tiles; let d_tile = g.y / x_tiles;
             let warp = t / {lanes}u;
             let wm = (warp % {down}u) * {tall}u; let wn = ((warp / {down}u) % {along}u) * {long}u;
             let part = warp / {both}u;
             {sums}
             for (var unit = g.x; unit < units; unit += splits) {{
             let image = unit / (strips * bands); let place = unit % (strips * bands);
             let ox0 = (place % strips) * {width}u; let oy0 = (place / strips) * {height}u;
             {load}
             workgroupBarrier();
             for (var n = part * {share}u; n < (part + 1u) * {share}u; n++) {{
             let row = n / {squares}u; let column = (n % {squares}u) * {side}u;
             {sum}
             }}
             workgroupBarrier();
             }}
             let slot = g.x * {pixels}u + part;
             {store}
             }}\n",
            xs = self.in_width() * self.in_height() * x,
            ds = self.pixels() * d,
            entry = entry(self.workgroup()),
            lanes = self.unit.lanes,
            tall = self.squares[0] * side / 4,
            long = self.squares[1] * side / 4,
            both = down * along,
            width = self.width * side,
            height = self.height,
            share = self.width * self.height / pixels,
            squares = self.width,
            load = self.load(),
            sum = self.sum(),
            store = self.store(),
        )
    }
}

/// What the workgroups found, added and put into the order of the weights.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Fold {
    side: usize,
}

impl Text for Fold {
    fn buffers(&self) -> Vec<(&'static str, &'static str)> {
        ["partial", "x_inverse", "d_inverse", "dw"].map(|name| (name, "f32")).to_vec()
    }

    fn workgroup(&self) -> u32 {
        256
    }

    fn wgsl(&self) -> String {
        format!(
            "{entry}
             let len = info[0]; let slots = info[1]; let outs = info[2]; let ins = info[3];
             let taps = info[4]; let all_along = info[5];
             let i = (g.y * 65535u + g.x) * 256u + t;
             if (i >= len) {{ return; }}
             let c = i % {side}u; let r = (i / {side}u) % {side}u; let rest = i / {area}u;
             let tap = rest % taps; let square = rest / taps;
             let n = (square % all_along) * {side}u + c; let m = (square / all_along) * {side}u + r;
             if (m >= outs || n >= ins) {{ return; }}
             var a = 0.0; var b = 0.0;
             var s = 0u;
             for (; s + 1u < slots; s += 2u) {{ a += partial[s * len + i]; b += partial[(s + 1u) * len + i]; }}
             if (s < slots) {{ a += partial[s * len + i]; }}
             dw[(m * ins + n) * taps + tap] = (a + b) * x_inverse[0] * d_inverse[0];
             }}\n",
            entry = entry(256),
            side = self.side,
            area = self.side * self.side,
        )
    }
}

/// Whether the kernel can serve a shape.
pub fn fits(unit: Unit, shape: &Shape) -> bool {
    Tiles::choose(unit, shape).is_some()
}

/// `[out, in, kernel, kernel]` from the input and the gradient of the output.
///
/// # Panics
/// For a shape that does not [`fits`].
pub fn gradient(unit: Unit, x: &Halves, dy: &Halves, shape: &Shape) -> CubeTensor {
    let Some(tiles) = Tiles::choose(unit, shape) else { unreachable!("asked before whether the shape fits") };
    let taps = tiles.taps();
    let [outs, ins] = tiles.channels();
    let [d_tiles, x_tiles] = [shape.out_channels.div_ceil(outs), shape.in_channels.div_ceil(ins)];
    let [down, along] = [shape.out_channels, shape.in_channels].map(|n| n.div_ceil(unit.side));
    let len = down * along * taps * unit.area();
    let [rows, across] = shape.out_size;
    let (strips, bands) = (across.div_ceil(tiles.width * unit.side), rows.div_ceil(tiles.height));
    let units = shape.batch * strips * bands;
    let lanes = tiles.split[2];
    let grid = d_tiles * x_tiles;
    let splits = GROUPS.div_ceil(grid).min((PARTIAL / (len * lanes)).max(1)).min(units).max(1);
    let partial = empty(&x.values, &[splits * lanes, len]);
    let info = [
        shape.in_size[0],
        shape.in_size[1],
        padded(shape.in_channels) / 4,
        rows,
        across,
        padded(shape.out_channels) / 4,
        shape.padding as i32 as u32 as usize,
        strips,
        bands,
        units,
        splits,
        x_tiles,
        down,
        along,
    ];
    launch(tiles, [splits, grid, 1], &[&x.values, &dy.values, &partial], &info);
    let dw = empty(&x.values, &[shape.out_channels, shape.in_channels, shape.kernel, shape.kernel]);
    let buffers = [&partial, &x.inverse, &dy.inverse, &dw];
    let info = [len, splits * lanes, shape.out_channels, shape.in_channels, taps, along];
    launch(Fold { side: unit.side }, spread_out(len), &buffers, &info);
    dw
}
