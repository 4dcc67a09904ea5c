//! Batch normalisation (Ioffe and Szegedy, 2015) with the rectifier behind it, in two passes over the picture in each
//! direction: one for the channels' sums, one for the values. Called by `operations`.

use super::hook::CubeTensor;
use super::kernel::{Text, dims, empty, entry, launch};
use super::reduce::{over_pixels, parts, together};

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Norm {
    /// Sums and sums of squares of the distances from each channel's first value, which keeps digits.
    Sums,
    /// Mean and biased variance of each channel, and from them scale and shift.
    Statistics,
    /// Scale and shift from given mean and variance.
    Given,
    /// `scale * x + shift`, cut off below 0 where `rectified`.
    Apply { rectified: bool },
    /// Sums over the output's gradient: alone, and times the normalised value.
    BackwardSums { rectified: bool },
    /// Those of the parts together: the gradients of shift and scale.
    BackwardTotals,
    /// The gradient of the input; `own` where mean and variance were the batch's.
    BackwardApply { rectified: bool, own: bool },
}

impl Text for Norm {
    fn buffers(&self) -> Vec<(&'static str, &'static str)> {
        let names: &[&str] = match self {
            Self::Sums => &["x", "partial"],
            Self::Statistics => &["x", "partial", "weight", "bias", "statistics", "factors"],
            Self::Given => &["means", "variances", "weight", "bias", "statistics", "factors"],
            Self::Apply { .. } => &["x", "factors", "y"],
            Self::BackwardSums { rectified: true } => &["x", "dy", "statistics", "factors", "partial"],
            Self::BackwardSums { rectified: false } => &["x", "dy", "statistics", "partial"],
            Self::BackwardTotals => &["partial", "dweight", "dbias"],
            Self::BackwardApply { own: true, .. } => &["x", "dy", "statistics", "factors", "dweight", "dbias", "dx"],
            Self::BackwardApply { rectified: true, own: false } => &["x", "dy", "factors", "dx"],
            Self::BackwardApply { rectified: false, own: false } => &["dy", "factors", "dx"],
        };
        names.iter().map(|name| (*name, "f32")).collect()
    }

    fn workgroup(&self) -> u32 {
        256
    }

    fn wgsl(&self) -> String {
        let entry = entry(256);
        // Where the rectifier let the value through.
        let open = |rectified: bool, value: &str| {
            if rectified {
                format!("select(0.0, {value}, x[o] * factors[g.y] + factors[channels + g.y] > 0.0)")
            } else {
                value.to_owned()
            }
        };
        match *self {
            Self::Sums => format!(
                "var<workgroup> sums: array<vec2<f32>, 256>;
                 {entry}
                 let origin = x[g.y * info[1]];
                 var sum = vec2<f32>();
                 {over}
                 {together}
                 if (t == 0u) {{
                    partial[(g.x * channels + g.y) * 2u] = sums[0].x;
                    partial[(g.x * channels + g.y) * 2u + 1u] = sums[0].y;
                 }}
                 }}\n",
                over = over_pixels("let v = x[o] - origin; sum += vec2(v, v * v);"),
                together = together("sum"),
            ),
            Self::Statistics => format!(
                "{entry}
                 let channels = info[0]; let c = g.x * 256u + t;
                 if (c >= channels) {{ return; }}
                 var sum = vec2<f32>();
                 for (var p = 0u; p < info[3]; p++) {{
                    sum += vec2(partial[(p * channels + c) * 2u], partial[(p * channels + c) * 2u + 1u]);
                 }}
                 sum = sum / f32(info[1] * info[2]);
                 let mean = x[c * info[1]] + sum.x; let variance = max(sum.y - sum.x * sum.x, 0.0);
                 {factors}
                 }}\n",
                factors = FACTORS,
            ),
            Self::Given => format!(
                "{entry}
                 let channels = info[0]; let c = g.x * 256u + t;
                 if (c >= channels) {{ return; }}
                 let mean = means[c]; let variance = variances[c];
                 {factors}
                 }}\n",
                factors = FACTORS,
            ),
            Self::Apply { rectified } => format!(
                "{entry}
                 {over}
                 }}\n",
                over = over_pixels(&format!(
                    "let v = x[o] * factors[g.y] + factors[channels + g.y]; y[o] = {};",
                    if rectified { "max(v, 0.0)" } else { "v" }
                )),
            ),
            Self::BackwardSums { rectified } => format!(
                "var<workgroup> sums: array<vec2<f32>, 256>;
                 {entry}
                 let mean = statistics[g.y]; let inverse = statistics[info[0] * 2u + g.y];
                 var sum = vec2<f32>();
                 {over}
                 {together}
                 if (t == 0u) {{
                    partial[(g.x * channels + g.y) * 2u] = sums[0].x;
                    partial[(g.x * channels + g.y) * 2u + 1u] = sums[0].y;
                 }}
                 }}\n",
                over = over_pixels(&format!(
                    "let d = {}; sum += vec2(d, d * (x[o] - mean) * inverse);",
                    open(rectified, "dy[o]")
                )),
                together = together("sum"),
            ),
            Self::BackwardTotals => format!(
                "{entry}
                 let channels = info[0]; let c = g.x * 256u + t;
                 if (c >= channels) {{ return; }}
                 var sum = vec2<f32>();
                 for (var p = 0u; p < info[3]; p++) {{
                    sum += vec2(partial[(p * channels + c) * 2u], partial[(p * channels + c) * 2u + 1u]);
                 }}
                 dbias[c] = sum.x; dweight[c] = sum.y;
                 }}\n"
            ),
            Self::BackwardApply { rectified, own } => {
                let through = open(rectified, "dy[o]");
                let (before, value) = if own {
                    (
                        "let mean = statistics[g.y]; let inverse = statistics[info[0] * 2u + g.y];
                         let n = 1.0 / f32(info[1] * info[2]);
                         let offset = dbias[g.y] * n; let slope = dweight[g.y] * n;",
                        format!("{through} - offset - (x[o] - mean) * inverse * slope"),
                    )
                } else {
                    ("", through)
                };
                format!(
                    "{entry}
                     {before}
                     {over}
                     }}\n",
                    over = over_pixels(&format!("dx[o] = factors[g.y] * ({value});")),
                )
            }
        }
    }
}

/// Mean, biased variance and the inverse deviation into `statistics`, scale and shift into `factors`.
const FACTORS: &str = "let inverse = inverseSqrt(variance + bitcast<f32>(info[4]));
     let scale = weight[c] * inverse;
     statistics[c] = mean; statistics[channels + c] = variance; statistics[channels * 2u + c] = inverse;
     factors[c] = scale; factors[channels + c] = bias[c] - mean * scale;";

/// What normalised a picture.
#[derive(Debug, Clone)]
pub struct Normalised {
    /// `[3, channels]`: mean, biased variance, inverse deviation.
    pub statistics: CubeTensor,
    /// `[2, channels]`: scale, shift.
    pub factors: CubeTensor,
    pub rectified: bool,
    /// The statistics were the batch's.
    pub own: bool,
}

struct Picture {
    info: [usize; 5],
    parts: usize,
    channels: usize,
}

impl Picture {
    fn of(x: &CubeTensor, epsilon: f64) -> Self {
        let [batch, channels, height, width] = dims(x);
        let parts = parts(channels, batch * height * width);
        let info = [channels, height * width, batch, parts, (epsilon as f32).to_bits() as usize];
        Self { info, parts, channels }
    }

    fn per_pixel(&self) -> [usize; 3] {
        [self.parts, self.channels, 1]
    }

    fn per_channel(&self) -> [usize; 3] {
        [self.channels.div_ceil(256), 1, 1]
    }
}

impl Normalised {
    /// With the batch's own statistics, of all pixels of each channel of `x`.
    pub fn own(x: &CubeTensor, [weight, bias]: [&CubeTensor; 2], epsilon: f64, rectified: bool) -> Self {
        let picture = Picture::of(x, epsilon);
        let partial = empty(x, &[picture.parts, picture.channels, 2]);
        launch(Norm::Sums, picture.per_pixel(), &[x, &partial], &picture.info);
        let (statistics, factors) = (empty(x, &[3, picture.channels]), empty(x, &[2, picture.channels]));
        let buffers = [x, &partial, weight, bias, &statistics, &factors];
        launch(Norm::Statistics, picture.per_channel(), &buffers, &picture.info);
        Self { statistics, factors, rectified, own: true }
    }

    /// With given mean and variance.
    pub fn given(
        x: &CubeTensor,
        [mean, variance]: [&CubeTensor; 2],
        [weight, bias]: [&CubeTensor; 2],
        epsilon: f64,
        rectified: bool,
    ) -> Self {
        let picture = Picture::of(x, epsilon);
        let (statistics, factors) = (empty(x, &[3, picture.channels]), empty(x, &[2, picture.channels]));
        let buffers = [mean, variance, weight, bias, &statistics, &factors];
        launch(Norm::Given, picture.per_channel(), &buffers, &picture.info);
        Self { statistics, factors, rectified, own: false }
    }

    /// The normalised picture.
    pub fn apply(&self, x: &CubeTensor) -> CubeTensor {
        let picture = Picture::of(x, 0.0);
        let y = empty(x, &dims(x));
        let rectified = self.rectified;
        launch(Norm::Apply { rectified }, picture.per_pixel(), &[x, &self.factors, &y], &picture.info);
        y
    }

    /// The gradients of picture, weight and bias.
    pub fn backward(&self, x: &CubeTensor, dy: &CubeTensor) -> [CubeTensor; 3] {
        let picture = Picture::of(x, 0.0);
        let (rectified, own) = (self.rectified, self.own);
        let partial = empty(x, &[picture.parts, picture.channels, 2]);
        let mut buffers = vec![x, dy, &self.statistics];
        if rectified {
            buffers.push(&self.factors);
        }
        buffers.push(&partial);
        launch(Norm::BackwardSums { rectified }, picture.per_pixel(), &buffers, &picture.info);
        let (dweight, dbias) = (empty(x, &[picture.channels]), empty(x, &[picture.channels]));
        let totals = [&partial, &dweight, &dbias];
        launch(Norm::BackwardTotals, picture.per_channel(), &totals, &picture.info);
        let dx = empty(x, &dims(x));
        let buffers = match (rectified, own) {
            (_, true) => vec![x, dy, &self.statistics, &self.factors, &dweight, &dbias, &dx],
            (true, false) => vec![x, dy, &self.factors, &dx],
            (false, false) => vec![dy, &self.factors, &dx],
        };
        launch(Norm::BackwardApply { rectified, own }, picture.per_pixel(), &buffers, &picture.info);
        [dx, dweight, dbias]
    }
}
