//! Convolution of each channel with a kernel of its own, stride 1. Called by `operations`.

use super::hook::CubeTensor;
use super::kernel::{Text, dims, empty, entry, launch, spread_out};
use super::reduce::{Slots, over_pixels, parts, together};

/// A kernel's place on the picture; the same in both directions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Window {
    pub kernel: usize,
    /// Negative where the input's gradient is smaller than the overlap.
    pub padding: isize,
    pub dilation: usize,
}

impl Window {
    /// The same window seen from the output: gives the gradient of the input.
    pub fn turned(self) -> Self {
        Self { padding: (self.dilation * (self.kernel - 1)) as isize - self.padding, ..self }
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum Depthwise {
    Forward { window: Window, turned: bool },
    Weights(Window),
}

impl Text for Depthwise {
    fn buffers(&self) -> Vec<(&'static str, &'static str)> {
        match self {
            Self::Forward { .. } => vec![("x", "f32"), ("w", "f32"), ("y", "f32")],
            Self::Weights(_) => vec![("x", "f32"), ("dy", "f32"), ("partial", "f32")],
        }
    }

    fn workgroup(&self) -> u32 {
        256
    }

    fn wgsl(&self) -> String {
        match *self {
            Self::Forward { window: Window { kernel, padding, dilation }, turned } => {
                let taps = kernel * kernel;
                let mut sum = String::new();
                for ky in 0..kernel {
                    for kx in 0..kernel {
                        let tap = ky * kernel + kx;
                        let from = if turned { taps - 1 - tap } else { tap };
                        sum += &format!(
                            "{{ let iy = oy + {}; let ix = ox + {};
                             if (iy >= 0 && iy < rows && ix >= 0 && ix < across) {{
                                sum += w[weights + {from}u] * x[plane * u32(rows * across) + u32(iy * across + ix)];
                             }} }}\n",
                            (ky * dilation) as isize - padding,
                            (kx * dilation) as isize - padding,
                        );
                    }
                }
                format!(
                    "{entry}
                     let rows = i32(info[1]); let across = i32(info[2]);
                     let i = (g.y * 65535u + g.x) * 256u + t;
                     if (i >= info[0]) {{ return; }}
                     let ox = i32(i % info[4]); let oy = i32((i / info[4]) % info[3]);
                     let plane = i / (info[3] * info[4]);
                     let weights = (plane % info[5]) * {taps}u;
                     var sum = 0.0;
                     {sum}
                     y[i] = sum;
                     }}\n",
                    entry = entry(256),
                )
            }
            Self::Weights(Window { kernel, padding, dilation }) => {
                let taps = kernel * kernel;
                let (mut declared, mut body, mut store) = (String::new(), String::new(), String::new());
                for tap in 0..taps {
                    let (ky, kx) = (tap / kernel, tap % kernel);
                    declared += &format!("var a{tap} = 0.0;\n");
                    body += &format!(
                        "{{ let iy = oy + {}; let ix = ox + {};
                         if (iy >= 0 && iy < rows && ix >= 0 && ix < across) {{
                            a{tap} += d * x[plane * u32(rows * across) + u32(iy * across + ix)];
                         }} }}\n",
                        (ky * dilation) as isize - padding,
                        (kx * dilation) as isize - padding,
                    );
                    store += &together(&format!("vec2(a{tap}, 0.0)"));
                    store += &format!(
                        "if (t == 0u) {{ partial[(g.x * channels + g.y) * {taps}u + {tap}u] = sums[0].x; }}
                         workgroupBarrier();\n"
                    );
                }
                let body = format!(
                    "let d = dy[o];
                     let r = i % area; let ox = i32(r % info[6]); let oy = i32(r / info[6]);
                     let plane = (i / area) * channels + g.y;
                     {body}"
                );
                format!(
                    "var<workgroup> sums: array<vec2<f32>, 256>;
                     {entry}
                     let rows = i32(info[4]); let across = i32(info[5]);
                     {declared}
                     {over}
                     {store}
                     }}\n",
                    entry = entry(256),
                    over = over_pixels(&body),
                )
            }
        }
    }
}

/// Height or width of the output.
pub fn out_size(n: usize, window: Window) -> usize {
    (n as isize + 2 * window.padding - (window.dilation * (window.kernel - 1)) as isize).max(0) as usize
}

/// The convolution of contiguous tensors; `weight` is `[channels, 1, kernel, kernel]`. With `turned` the taps go from the
/// last to the first.
pub fn convolve(x: &CubeTensor, weight: &CubeTensor, window: Window, turned: bool) -> CubeTensor {
    let [batch, channels, rows, across] = dims(x);
    let out = [rows, across].map(|n| out_size(n, window));
    let y = empty(x, &[batch, channels, out[0], out[1]]);
    let total = batch * channels * out[0] * out[1];
    let info = [total, rows, across, out[0], out[1], channels];
    launch(Depthwise::Forward { window, turned }, spread_out(total), &[x, weight, &y], &info);
    y
}

/// `[channels, 1, kernel, kernel]` from the input and the gradient of the output.
pub fn weight_gradient(x: &CubeTensor, dy: &CubeTensor, window: Window) -> CubeTensor {
    let [batch, channels, rows, across] = dims(x);
    let [.., out_rows, out_across] = dims(dy);
    let area = out_rows * out_across;
    let (parts, taps) = (parts(channels, batch * area), window.kernel * window.kernel);
    let partial = empty(x, &[parts, channels * taps]);
    let info = [channels, area, batch, parts, rows, across, out_across];
    launch(Depthwise::Weights(window), [parts, channels, 1], &[x, dy, &partial], &info);
    let dw = empty(x, &[channels, 1, window.kernel, window.kernel]);
    launch(Slots, spread_out(channels * taps), &[&partial, &dw], &[channels * taps, parts]);
    dw
}
