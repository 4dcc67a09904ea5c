//! A step of Adam (Kingma and Ba, 2015; with AdamW's decay) as one pass over a parameter, where burn would start a dozen
//! kernels. Called by `operations` for `nn::optim`.

use super::hook::CubeTensor;
use super::kernel::{Text, empty, entry, launch, spread_out};
use crate::kernels::elementwise::AdamStep;

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Adam {
    /// There are moments of steps before.
    continued: bool,
}

impl Text for Adam {
    fn buffers(&self) -> Vec<(&'static str, &'static str)> {
        let mut names = vec!["w", "dw"];
        if self.continued {
            names.extend(["m", "v"]);
        }
        names.extend(["moved", "first", "second"]);
        names.into_iter().map(|name| (name, "f32")).collect()
    }

    fn workgroup(&self) -> u32 {
        256
    }

    fn wgsl(&self) -> String {
        let old = |name: &str, beta: usize| {
            if self.continued { format!("{name}[i] * number({beta}u) + ") } else { String::new() }
        };
        format!(
            "fn number(i: u32) -> f32 {{ return bitcast<f32>(info[i]); }}
             {entry}
             let i = (g.y * 65535u + g.x) * 256u + t;
             if (i >= info[0]) {{ return; }}
             let d = dw[i] + number(9u) * w[i];
             let a = {m}d * number(3u);
             let b = {v}d * d * number(4u);
             first[i] = a; second[i] = b;
             moved[i] = w[i] * number(8u) - a * number(5u) / (sqrt(b) / number(6u) + number(7u));
             }}\n",
            entry = entry(256),
            m = old("m", 1),
            v = old("v", 2),
        )
    }
}

/// The parameter after the step, and its moments. All are contiguous and of one length.
pub fn step(
    step: AdamStep,
    weight: &CubeTensor,
    gradient: &CubeTensor,
    before: Option<[&CubeTensor; 2]>,
) -> [CubeTensor; 3] {
    let len = weight.meta.shape().num_elements();
    let [moved, first, second] = [(); 3].map(|()| empty(weight, &[len]));
    let mut buffers = vec![weight, gradient];
    buffers.extend(before.into_iter().flatten());
    buffers.extend([&moved, &first, &second]);
    let numbers = [
        step.betas[0],
        step.betas[1],
        step.fresh[0],
        step.fresh[1],
        step.rate,
        step.correction,
        step.epsilon,
        step.shrink,
        step.decay,
    ];
    let mut info = vec![len];
    info.extend(numbers.map(|n| n.to_bits() as usize));
    launch(Adam { continued: before.is_some() }, spread_out(len), &buffers, &info);
    [moved, first, second]
}
