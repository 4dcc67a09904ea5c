//! Times training steps, predictions and single layers, on the CPU or on a graphics device.

use super::data::{TemporaryFolder, volume};
use super::sampling::{Sampler, attached, cpu_ticks};
use super::torch;
use crate::cli::CliError;
use crate::core::{LabelMap, Segment};
use crate::nn::{
    Compute, ComputeThread, DeepLabConfig, DeviceChoice, Intensity, Layer, NetworkConfig, Precision, PreprocessConfig,
    Segmenter, UNetConfig, collect_state, compute_device, initial_weights, kernel_times, layer_times, matrix_units,
    parameter_count, time_kernels, wait, with_precision,
};
use crate::train::{
    AugmentConfig, ClassConfig, ClassSource, DataConfig, Recipe, SplitConfig, TrainCase, TrainControl, TrainData,
    TrainEvent, TrainRequest, train,
};
use std::path::Path;
use std::sync::Arc;

/// The network that is timed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// Four halvings and batch normalisation, by base width.
    UNet(usize),
    /// On ResNet50, with output stride 16.
    DeepLab,
}

/// Where the networks compute, and with how many digits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Place {
    pub device: DeviceChoice,
    /// One after the other.
    pub precisions: Vec<Precision>,
    /// Count the time of each kind of kernel too.
    pub kernels: bool,
}

impl Place {
    /// The processor, as asked when nothing else is.
    #[cfg(test)]
    pub(super) fn cpu() -> Self {
        Self { device: DeviceChoice::Cpu, precisions: vec![Precision::Mixed], kernels: false }
    }

    /// The precisions, each once; on the processor there is one.
    fn precisions(&self) -> &[Precision] {
        if self.device == DeviceChoice::Cpu { self.precisions.get(..1).unwrap_or_default() } else { &self.precisions }
    }
}

/// How a precision is told behind a case: only the unusual one is.
fn suffix(precision: Precision) -> &'static str {
    if precision == Precision::Full { ", 32-bit" } else { "" }
}

/// The network, edge of its input in pixels, slices per step and per prediction, steps to time, and where.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Job {
    pub device: DeviceChoice,
    precision: Precision,
    kind: Kind,
    pub size: usize,
    batch: usize,
    steps: usize,
}

impl Job {
    /// A U-Net of this base width; nothing is said of steps.
    pub fn unet(device: DeviceChoice, width: usize, size: usize, batch: usize) -> Self {
        Self { device, precision: Precision::default(), kind: Kind::UNet(width), size, batch, steps: 0 }
    }

    pub fn case(&self, what: &str) -> String {
        let (size, batch) = (self.size, self.batch);
        let place = if self.device == DeviceChoice::Gpu { ", graphics device" } else { "" };
        let place = format!("{place}{}", suffix(self.precision));
        match self.kind {
            Kind::UNet(width) => {
                format!("{what} U-Net base {width} (batch norm), {size}x{size} px, batch {batch}{place}")
            }
            Kind::DeepLab => format!("{what} DeepLabV3+ (ResNet50), {size}x{size} px, batch {batch}{place}"),
        }
    }

    /// Nothing random but the weights.
    pub fn recipe(&self) -> Result<Recipe, CliError> {
        let mut recipe = Recipe::load("demo").map_err(CliError::of)?;
        recipe.name = "bench".into();
        recipe.data = DataConfig {
            layout: None,
            classes: vec![ClassConfig { name: "disc".into(), from: ClassSource::Any }],
            ignore: None,
        };
        recipe.preprocessing =
            PreprocessConfig { size: self.size, intensity: Intensity::Window { low: -1000.0, high: 1000.0 } };
        recipe.network = match self.kind {
            Kind::UNet(width) => NetworkConfig::UNet(UNetConfig::new(width, 4)),
            Kind::DeepLab => NetworkConfig::DeepLabV3Plus(DeepLabConfig::default()),
        };
        recipe.augmentation = AugmentConfig::default();
        recipe.split = SplitConfig::Slices { validation: 0.0, test: 0.0 };
        (recipe.batch_size, recipe.epochs, recipe.patience) = (self.batch, 1, None);
        recipe.precision = self.precision;
        Ok(recipe)
    }

    /// Arguments of the script that times PyTorch.
    fn arguments(&self, what: &str) -> Vec<String> {
        let width = if let Kind::UNet(width) = self.kind { width } else { 0 };
        let numbers = [width, self.size, self.batch, self.steps];
        let device = if self.device == DeviceChoice::Gpu { "cuda" } else { "cpu" };
        [what.to_owned()].into_iter().chain(numbers.map(|n| n.to_string())).chain([device.to_owned()]).collect()
    }
}

/// Each network in each precision, one after the other.
fn jobs(quick: bool, place: &Place) -> Vec<Job> {
    let each = networks(quick, place.device).into_iter();
    each.flat_map(|job| place.precisions().iter().map(move |precision| Job { precision: *precision, ..job })).collect()
}

fn networks(quick: bool, device: DeviceChoice) -> Vec<Job> {
    let precision = Precision::default();
    let unet = |width, size, batch, steps| Job { device, precision, kind: Kind::UNet(width), size, batch, steps };
    let deeplab = |size, batch, steps| Job { device, precision, kind: Kind::DeepLab, size, batch, steps };
    if quick {
        return vec![unet(8, 64, 4, 5)];
    }
    if device == DeviceChoice::Gpu {
        return vec![unet(32, 512, 8, 10), unet(16, 256, 8, 10), unet(8, 64, 4, 20), deeplab(512, 8, 6)];
    }
    let mut jobs = Vec::new();
    for (size, steps) in [(64, [40, 20, 8]), (128, [16, 8, 4]), (256, [6, 4, 2]), (512, [3, 2, 2])] {
        jobs.extend([8, 16, 32].into_iter().zip(steps).map(|(w, steps)| unet(w, size, 4, steps)));
    }
    jobs.extend([(256, 4), (512, 2)].map(|(size, steps)| deeplab(size, 2, steps)));
    jobs
}

/// The layers of U-Net base 32 at 512 x 512, batch 8, one by one.
pub(super) fn measure_layers(sampler: &mut Sampler, place: &Place) -> Result<(), CliError> {
    let (scale, batch, repeats) = if sampler.quick { (16, 1, 1) } else { (1, 8, 5) };
    let convolution = |inputs, outputs| Layer::Convolution { inputs, outputs };
    let layers = [
        ("3x3, 1 to 32", convolution(1, 32), 512),
        ("3x3, 32 to 32", convolution(32, 32), 512),
        ("3x3, 64 to 64", convolution(64, 64), 256),
        ("3x3, 128 to 128", convolution(128, 128), 128),
        ("3x3, 256 to 256", convolution(256, 256), 64),
        ("3x3, 512 to 512", convolution(512, 512), 32),
        ("2x2 transposed, 64 to 32", Layer::Grow { inputs: 64, outputs: 32 }, 256),
        ("batch norm, 32", Layer::Norm { channels: 32 }, 512),
        ("pooling, 32", Layer::Pool { channels: 32 }, 512),
    ];
    let thread = compute_device(place.device, None).and_then(ComputeThread::start).map_err(CliError::of)?;
    let each = layers.into_iter().flat_map(|layer| place.precisions().iter().map(move |precision| (layer, *precision)));
    for ((name, layer, size), precision) in each {
        let size = (size / scale).max(8);
        let case = format!("{name}, {size}x{size} px, batch {batch}{}", suffix(precision));
        sampler.begin("layers", &case)?;
        let times = thread.submit("timing a layer", move |c: &Compute| {
            with_precision(precision, || layer_times(c.device(), layer, [batch, size], repeats))
        });
        for time in wait("timing a layer", &times).map_err(CliError::of)? {
            let median = time.seconds.get(time.seconds.len() / 2).copied().unwrap_or_default();
            sampler.add("layers", &format!("{case}: {}", time.pass), time.seconds, None);
            if time.operations > 0.0 {
                sampler.note(format!("{:.2} TFLOP/s", time.operations / median.max(1e-9) / 1e12));
            }
        }
    }
    if place.device != DeviceChoice::Cpu {
        sampler.note(matrix_units());
    }
    Ok(())
}

/// Real runs of one epoch: the time of each step is what the run itself tells.
pub(super) fn measure_training(sampler: &mut Sampler, place: &Place, beside: Option<&Path>) -> Result<(), CliError> {
    for job in jobs(sampler.quick, place) {
        let case = job.case("step of");
        sampler.begin("train", &case)?;
        let folder = TemporaryFolder::create()?;
        let request = TrainRequest {
            recipe: job.recipe()?,
            // One step more, to warm up.
            data: TrainData::Memory(vec![discs(job.size, job.batch * (job.steps + 1))?]),
            run: folder.0.join("run"),
            device: job.device,
            compute: None,
            resume: false,
            init: None,
            cache_bytes: None,
            test: true,
        };
        let (ctx, events) = attached(sampler.cancel());
        time_kernels(place.kernels);
        let mut steps = Vec::new();
        let mut parameters = 0;
        let (mut first, mut last) = (None, None);
        let outcome = std::thread::scope(|scope| {
            let worker = scope.spawn(move || train(&request, &TrainControl::new(), &ctx).map(|summary| summary.epochs));
            for event in events {
                match event {
                    TrainEvent::Planned(plan) => parameters = plan.parameters,
                    TrainEvent::Step { seconds, .. } => {
                        if steps.is_empty() {
                            // The first step compiles its kernels.
                            time_kernels(place.kernels);
                        }
                        steps.push(seconds);
                        last = cpu_ticks();
                        first = first.or(last);
                    }
                    _ => {}
                }
            }
            worker.join()
        });
        outcome
            .map_err(|_| CliError("Training stopped because of a defect in Maskwright.".into()))?
            .map_err(CliError::of)?;
        let ticks = last.zip(first).map(|(last, first)| last.saturating_sub(first));
        let timed = steps.split_off(1.min(steps.len()));
        let count = timed.len();
        sampler.add("train", &case, timed, ticks);
        let units = if job.device == DeviceChoice::Cpu { String::new() } else { format!(", {}", matrix_units()) };
        sampler.note(format!("{parameters} parameters{units}"));
        for time in kernel_times() {
            let of_a_step = 1.0 / count.max(1) as f64;
            sampler.add("train", &format!("{case}: {}", time.kind), vec![time.seconds * of_a_step], None);
            sampler.note(format!("{:.0} a step", time.count as f64 * of_a_step));
        }
        time_kernels(false);
        if let Some(python) = beside {
            torch::measure(sampler, "train", python, &job.arguments("train"))?;
        }
    }
    Ok(())
}

/// From Hounsfield units to labels, at the network's own resolution.
pub(super) fn measure_prediction(sampler: &mut Sampler, place: &Place, beside: Option<&Path>) -> Result<(), CliError> {
    let compute = compute_device(place.device, None).map_err(CliError::of)?;
    for job in jobs(sampler.quick, place) {
        let spec = job.recipe()?.model_spec();
        let network = spec.network.init(&compute.device);
        let parameters = parameter_count(&network);
        let weights = initial_weights(&collect_state(&network), 1);
        let segmenter = Segmenter::new(spec, &weights, &compute).map_err(CliError::of)?;
        let image = volume([job.size, job.size, job.batch])?;
        let slices: Vec<Vec<f32>> = (0..job.batch)
            .map(|k| image.slice(k).unwrap_or_default().iter().map(|hu| f32::from(*hu)).collect())
            .collect();
        sampler.measure("predict", &job.case("prediction by"), |watch| {
            let segment = || segmenter.segment(&slices, [job.size; 2]);
            watch.time(|| with_precision(job.precision, segment)).map(drop).map_err(CliError::of)
        })?;
        sampler.note(format!("{parameters} parameters"));
        if let Some(python) = beside {
            torch::measure(sampler, "predict", python, &job.arguments("predict"))?;
        }
    }
    Ok(())
}

/// A patient whose mask is a disc in every slice.
fn discs(size: usize, slices: usize) -> Result<TrainCase, CliError> {
    let image = volume([size, size, slices])?;
    let centre = size as f64 / 2.0;
    let inside = |i: usize, j: usize| (i as f64 - centre).hypot(j as f64 - centre) < centre / 2.0;
    let slice: Vec<u8> = (0..size * size).map(|n| u8::from(inside(n % size, n / size))).collect();
    let labels = LabelMap::from_dense(*image.geometry(), &slice.repeat(slices))
        .ok_or_else(|| CliError("The generated mask does not fit its grid.".into()))?;
    Ok(TrainCase {
        name: "generated".into(),
        patient: "generated".into(),
        volume: Arc::new(image),
        labels,
        segments: vec![Segment::new(1, "disc")],
    })
}
