//! Sums that other kernels need: over the slots of partial results, and over the pixels of each channel.

use super::hook::CubeTensor;
use super::kernel::{Text, dims, empty, entry, launch, spread_out};

/// `sums[i]` is the sum of `partial[slot][i]`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Slots;

impl Text for Slots {
    fn buffers(&self) -> Vec<(&'static str, &'static str)> {
        vec![("partial", "f32"), ("sums", "f32")]
    }

    fn workgroup(&self) -> u32 {
        256
    }

    fn wgsl(&self) -> String {
        format!(
            "{entry}
             let len = info[0]; let slots = info[1];
             let i = (g.y * 65535u + g.x) * 256u + t;
             if (i >= len) {{ return; }}
             var a = 0.0; var b = 0.0; var c = 0.0; var d = 0.0;
             var s = 0u;
             for (; s + 3u < slots; s += 4u) {{
                a += partial[s * len + i]; b += partial[(s + 1u) * len + i];
                c += partial[(s + 2u) * len + i]; d += partial[(s + 3u) * len + i];
             }}
             for (; s < slots; s += 1u) {{ a += partial[s * len + i]; }}
             sums[i] = (a + b) + (c + d);
             }}\n",
            entry = entry(256)
        )
    }
}

/// Workgroups of a channel that keep any device busy.
pub fn parts(channels: usize, pixels: usize) -> usize {
    (2048 / channels.max(1)).clamp(1, 256).min(pixels.div_ceil(1024)).max(1)
}

/// The loop over a workgroup's share of a channel's pixels: `body` sees the index `o` of each. The channel is `g.y`, the
/// share `g.x` of `parts`; `info` starts with channels, pixels of a picture, pictures, parts.
pub fn over_pixels(body: &str) -> String {
    format!(
        "let channels = info[0]; let area = info[1]; let total = info[1] * info[2]; let parts = info[3];
         let share = (total + parts - 1u) / parts;
         let end = min((g.x + 1u) * share, total);
         for (var i = g.x * share + t; i < end; i += 256u) {{
            let o = ((i / area) * channels + g.y) * area + i % area;
            {body}
         }}\n"
    )
}

/// Adds `value` (a `vec2<f32>`) of all 256 invocations into `sums[0]`; every invocation has to come here.
pub fn together(value: &str) -> String {
    format!(
        "sums[t] = {value};
         workgroupBarrier();
         for (var half = 128u; half > 0u; half = half / 2u) {{
            if (t < half) {{ sums[t] += sums[t + half]; }}
            workgroupBarrier();
         }}\n"
    )
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct ChannelSums;

impl Text for ChannelSums {
    fn buffers(&self) -> Vec<(&'static str, &'static str)> {
        vec![("x", "f32"), ("partial", "f32")]
    }

    fn workgroup(&self) -> u32 {
        256
    }

    fn wgsl(&self) -> String {
        format!(
            "var<workgroup> sums: array<vec2<f32>, 256>;
             {entry}
             var sum = vec2<f32>();
             {over}
             {together}
             if (t == 0u) {{ partial[g.x * channels + g.y] = sums[0].x; }}
             }}\n",
            entry = entry(256),
            over = over_pixels("sum.x += x[o];"),
            together = together("sum"),
        )
    }
}

/// The sum over batch, height and width of each channel.
pub fn channel_sums(x: &CubeTensor) -> CubeTensor {
    let [batch, channels, height, width] = dims(x);
    let parts = parts(channels, batch * height * width);
    let partial = empty(x, &[parts, channels]);
    launch(ChannelSums, [parts, channels, 1], &[x, &partial], &[channels, height * width, batch, parts]);
    let sums = empty(x, &[channels]);
    launch(Slots, spread_out(channels), &[&partial, &sums], &[channels, parts]);
    sums
}
