//! Largest values of windows. Where several are equal the first of them counts, as in PyTorch. Called by `operations`.

use super::hook::CubeTensor;
use super::kernel::{Text, dims, empty, entry, launch, spread_out};

/// The windows of a pooling.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Windows {
    pub kernel: usize,
    pub stride: usize,
    pub padding: usize,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum Pool {
    Forward(Windows),
    Backward(Windows),
}

/// The largest value of the window of output `oy`, `ox` and where it lies.
fn largest(Windows { kernel, stride, padding }: Windows) -> String {
    format!(
        "var best = -3.4028234e38; var where_y = -1; var where_x = -1;
         for (var ky = 0; ky < {kernel}; ky++) {{
            let wy = i32(oy) * {stride} + ky - {padding};
            if (wy < 0 || wy >= rows) {{ continue; }}
            for (var kx = 0; kx < {kernel}; kx++) {{
                let wx = i32(ox) * {stride} + kx - {padding};
                if (wx < 0 || wx >= across) {{ continue; }}
                let v = x[plane * u32(rows * across) + u32(wy * across + wx)];
                if (where_y < 0 || v > best) {{ best = v; where_y = wy; where_x = wx; }}
            }}
         }}\n"
    )
}

impl Text for Pool {
    fn buffers(&self) -> Vec<(&'static str, &'static str)> {
        match self {
            Self::Forward(_) => vec![("x", "f32"), ("y", "f32")],
            Self::Backward(_) => vec![("x", "f32"), ("dy", "f32"), ("dx", "f32")],
        }
    }

    fn workgroup(&self) -> u32 {
        256
    }

    fn wgsl(&self) -> String {
        let head = format!(
            "{entry}
             let total = info[0]; let rows = i32(info[1]); let across = i32(info[2]);
             let out_rows = info[3]; let out_across = info[4];
             let i = (g.y * 65535u + g.x) * 256u + t;
             if (i >= total) {{ return; }}\n",
            entry = entry(256)
        );
        match *self {
            Self::Forward(windows) => format!(
                "{head}
                 let ox = i % out_across; let oy = (i / out_across) % out_rows;
                 let plane = i / (out_across * out_rows);
                 {largest}
                 y[i] = best;
                 }}\n",
                largest = largest(windows),
            ),
            Self::Backward(windows @ Windows { kernel, stride, padding }) => format!(
                "{head}
                 let ix = i32(i % u32(across)); let iy = i32((i / u32(across)) % u32(rows));
                 let plane = i / u32(rows * across);
                 let last_y = min((iy + {padding}) / {stride}, i32(out_rows) - 1);
                 let last_x = min((ix + {padding}) / {stride}, i32(out_across) - 1);
                 var sum = 0.0;
                 for (var oy = max(iy + {padding} - {kernel} + {stride}, 0) / {stride}; oy <= last_y; oy++) {{
                    for (var ox = max(ix + {padding} - {kernel} + {stride}, 0) / {stride}; ox <= last_x; ox++) {{
                        {largest}
                        if (where_y == iy && where_x == ix) {{
                            sum += dy[(plane * out_rows + u32(oy)) * out_across + u32(ox)];
                        }}
                    }}
                 }}
                 dx[i] = sum;
                 }}\n",
                largest = largest(windows),
            ),
        }
    }
}

fn info(total: usize, [rows, across]: [usize; 2], [out_rows, out_across]: [usize; 2]) -> [usize; 5] {
    [total, rows, across, out_rows, out_across]
}

/// The largest value of each window.
pub fn forward(x: &CubeTensor, windows: Windows) -> CubeTensor {
    let [batch, channels, rows, across] = dims(x);
    let out = [rows, across].map(|n| (n + 2 * windows.padding - windows.kernel) / windows.stride + 1);
    let y = empty(x, &[batch, channels, out[0], out[1]]);
    let total = batch * channels * out[0] * out[1];
    launch(Pool::Forward(windows), spread_out(total), &[x, &y], &info(total, [rows, across], out));
    y
}

/// The gradient of the input `x`.
pub fn backward(x: &CubeTensor, dy: &CubeTensor, windows: Windows) -> CubeTensor {
    let [batch, channels, rows, across] = dims(x);
    let [.., out_rows, out_across] = dims(dy);
    let dx = empty(x, &[batch, channels, rows, across]);
    let total = batch * channels * rows * across;
    let info = info(total, [rows, across], [out_rows, out_across]);
    launch(Pool::Backward(windows), spread_out(total), &[x, dy, &dx], &info);
    dx
}
