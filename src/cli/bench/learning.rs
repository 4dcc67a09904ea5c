//! Times training steps and predictions of U-Nets on the CPU, the backend that every machine has.

use super::data::{TemporaryFolder, volume};
use super::sampling::{Sampler, attached, cpu_ticks};
use crate::cli::CliError;
use crate::core::{LabelMap, Segment};
use crate::nn::{
    DeviceChoice, Intensity, NetworkConfig, PreprocessConfig, Segmenter, UNetConfig, collect_state, compute_device,
    initial_weights, parameter_count,
};
use crate::train::{
    AugmentConfig, ClassConfig, ClassSource, DataConfig, Recipe, SplitConfig, TrainCase, TrainControl, TrainData,
    TrainEvent, TrainRequest, train,
};
use std::sync::Arc;

/// Slices per step and per prediction.
const BATCH: usize = 4;

/// Base width of the network, edge of its input in pixels, and steps to time.
struct Job {
    base_width: usize,
    size: usize,
    steps: usize,
}

impl Job {
    fn case(&self, what: &str) -> String {
        format!("{what} U-Net base {} (batch norm), {}x{} px, batch {BATCH}", self.base_width, self.size, self.size)
    }

    /// Four halvings and batch normalisation; nothing random but the weights.
    fn recipe(&self) -> Result<Recipe, CliError> {
        let mut recipe = Recipe::load("demo").map_err(CliError::of)?;
        recipe.name = "bench".into();
        recipe.data = DataConfig {
            layout: None,
            classes: vec![ClassConfig { name: "disc".into(), from: ClassSource::Any }],
            ignore: None,
        };
        recipe.preprocessing =
            PreprocessConfig { size: self.size, intensity: Intensity::Window { low: -1000.0, high: 1000.0 } };
        recipe.network = NetworkConfig::UNet(UNetConfig::new(self.base_width, 4));
        recipe.augmentation = AugmentConfig::default();
        recipe.split = SplitConfig::Slices { validation: 0.0, test: 0.0 };
        (recipe.batch_size, recipe.epochs, recipe.patience) = (BATCH, 1, None);
        Ok(recipe)
    }
}

fn jobs(quick: bool) -> Vec<Job> {
    if quick {
        return vec![Job { base_width: 8, size: 64, steps: 5 }];
    }
    vec![
        Job { base_width: 8, size: 64, steps: 40 },
        Job { base_width: 16, size: 64, steps: 20 },
        Job { base_width: 32, size: 64, steps: 8 },
        Job { base_width: 8, size: 256, steps: 8 },
    ]
}

/// Real runs of one epoch: the time of each step is what the run itself tells.
pub(super) fn measure_training(sampler: &mut Sampler) -> Result<(), CliError> {
    for job in jobs(sampler.quick) {
        let case = job.case("step of");
        sampler.begin("train", &case)?;
        let folder = TemporaryFolder::create()?;
        let request = TrainRequest {
            recipe: job.recipe()?,
            // One step more, to warm up.
            data: TrainData::Memory(vec![discs(job.size, BATCH * (job.steps + 1))?]),
            run: folder.0.join("run"),
            device: DeviceChoice::Cpu,
            compute: None,
            resume: false,
            init: None,
            cache_bytes: None,
            test: true,
        };
        let (ctx, events) = attached(sampler.cancel());
        let mut steps = Vec::new();
        let mut parameters = 0;
        let (mut first, mut last) = (None, None);
        let outcome = std::thread::scope(|scope| {
            let worker = scope.spawn(move || train(&request, &TrainControl::new(), &ctx).map(|summary| summary.epochs));
            for event in events {
                match event {
                    TrainEvent::Planned(plan) => parameters = plan.parameters,
                    TrainEvent::Step { seconds, .. } => {
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
        sampler.add("train", &case, timed, ticks);
        sampler.note(format!("{parameters} parameters"));
    }
    Ok(())
}

/// From Hounsfield units to labels, at the network's own resolution.
pub(super) fn measure_prediction(sampler: &mut Sampler) -> Result<(), CliError> {
    let compute = compute_device(DeviceChoice::Cpu, None).map_err(CliError::of)?;
    for job in jobs(sampler.quick) {
        let spec = job.recipe()?.model_spec();
        let network = spec.network.init(&compute.device);
        let parameters = parameter_count(&network);
        let weights = initial_weights(&collect_state(&network), 1);
        let segmenter = Segmenter::new(spec, &weights, &compute).map_err(CliError::of)?;
        let image = volume([job.size, job.size, BATCH])?;
        let slices: Vec<Vec<f32>> =
            (0..BATCH).map(|k| image.slice(k).unwrap_or_default().iter().map(|hu| f32::from(*hu)).collect()).collect();
        sampler.measure("predict", &job.case("prediction by"), |watch| {
            watch.time(|| segmenter.segment(&slices, [job.size; 2])).map(drop).map_err(CliError::of)
        })?;
        sampler.note(format!("{parameters} parameters"));
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
