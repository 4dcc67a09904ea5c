//! What it is worth to keep a network's slices on the device that draws: its input from the volume's texture and its labels
//! into the overlay's texture by passes there, against the way through host memory, which the program takes.
//!
//! Both ways of every part are held against each other before they are timed. The way through the host is also timed from a
//! device of its own, which is what burn has on a real GPU: there is no memory to share with it.

use super::data::volume;
use super::sampling::Sampler;
use crate::cli::CliError;
use crate::core::{Plane, PlaneAxes, Volume};
use crate::nn::{
    AxialView, ComputeDevice, DeviceRoom, Intensity, ModelSpec, NetworkConfig, NetworkSpec, PreprocessConfig,
    Segmenter, SharedGpu, UNetConfig, resample_hu, resampling_weights,
};
use crate::render::{InputPass, InputRange, LabelPass, LabelTexture, VolumeTexture, finish};

/// HU that the network sees.
const LOW: f32 = -1000.0;
const HIGH: f32 = 400.0;
/// Classes with their background.
const CHANNELS: usize = 4;

pub(super) fn measure(sampler: &mut Sampler, gpu: &SharedGpu) -> Result<(), CliError> {
    let size = if sampler.quick { 64 } else { 512 };
    // What a GPU is for; two cores that play one get a cheap network.
    let width = if sampler.quick || gpu.is_software() { 4 } else { 16 };
    let stage = Stage::new(gpu, size, width)?;
    let case = |what: &str| format!("{what}, {size}x{size} px");
    let network = format!("U-Net base {width}");
    stage.check(sampler)?;
    let mut k = 0;
    let mut next = || {
        k = (k + 1) % SLICES;
        k
    };
    sampler.measure("copy", &case("input by the host"), |watch| {
        let k = next();
        watch.time(|| stage.host_input(k).and_then(|input| input.wait().map_err(CliError::of)))
    })?;
    sampler.measure("copy", &case("input on the device"), |watch| {
        let k = next();
        watch.time(|| stage.device_input(k).and_then(|()| stage.input.wait().map_err(CliError::of)))
    })?;
    compare(sampler);
    let answer = stage.answer(0)?;
    sampler.measure("copy", &case("labels by the host"), |watch| {
        let k = next();
        watch.time(|| stage.host_labels(&answer, k).and_then(|()| stage.finish()))
    })?;
    sampler.measure("copy", &case("labels on the device"), |watch| {
        let k = next();
        watch.time(|| stage.device_labels(&answer, k).and_then(|()| stage.finish()))
    })?;
    compare(sampler);
    sampler.measure("copy", &case(&format!("slice to overlay by the host, {network}")), |watch| {
        let k = next();
        watch.time(|| {
            let answer = stage.network.look(&stage.host_input(k)?).map_err(CliError::of)?;
            stage.host_labels(&answer, k).and_then(|()| stage.finish())
        })
    })?;
    sampler.measure("copy", &case(&format!("slice to overlay on the device, {network}")), |watch| {
        let k = next();
        watch.time(|| {
            stage.device_input(k)?;
            let answer = stage.network.look(&stage.input).map_err(CliError::of)?;
            stage.device_labels(&answer, k).and_then(|()| stage.finish())
        })
    })?;
    compare(sampler);
    match gpu.dedicated() {
        Ok(own) => {
            let other = Stage::with(gpu, &own, size, width)?;
            sampler.measure(
                "copy",
                &case(&format!("slice to overlay from a device of its own, {network}")),
                |watch| {
                    let k = next();
                    watch.time(|| {
                        let answer = other.network.look(&other.host_input(k)?).map_err(CliError::of)?;
                        other.host_labels(&answer, k).and_then(|()| other.finish())
                    })
                },
            )?;
        }
        Err(error) => sampler.skip("copy", error.to_string()),
    }
    Ok(())
}

/// Notes how the last figure compares with the one before.
fn compare(sampler: &mut Sampler) {
    let [.., host, device] = &sampler.figures[..] else { return };
    let (times, saved) = (host.median_s / device.median_s.max(1e-9), (host.median_s - device.median_s) * 1000.0);
    sampler.note(format!("equal results; {times:.2} x as fast, {saved:.2} ms saved"));
}

/// Slices of the volume.
const SLICES: usize = 8;

/// A volume and an overlay on the window's device, and a network on that device or on another.
struct Stage<'a> {
    gpu: &'a SharedGpu,
    image: Volume,
    view: AxialView,
    volume: VolumeTexture,
    overlay: LabelTexture,
    network: Segmenter,
    /// The network's input, made anew for every slice.
    input: DeviceRoom,
    input_pass: InputPass,
    label_pass: LabelPass,
    size: usize,
}

impl<'a> Stage<'a> {
    fn new(gpu: &'a SharedGpu, size: usize, width: usize) -> Result<Self, CliError> {
        Self::with(gpu, &gpu.compute(), size, width)
    }

    fn with(gpu: &'a SharedGpu, compute: &ComputeDevice, size: usize, width: usize) -> Result<Self, CliError> {
        let dims = [size, size, SLICES];
        let image = volume(dims)?;
        let (device, queue) = (&gpu.device, &gpu.queue);
        let texture = VolumeTexture::new(device, dims).map_err(CliError::of)?;
        texture.upload_all(device, queue, image.hu()).map_err(CliError::of)?;
        let spec = spec(size, width);
        let weights = spec.network.initial_weights(1);
        let axes = PlaneAxes::of(image.geometry(), Plane::Axial);
        let weighed = resampling_weights(size, size);
        let range = InputRange { low: LOW, range: HIGH - LOW, clip: true };
        Ok(Self {
            view: AxialView::new(image.geometry()),
            volume: texture,
            overlay: LabelTexture::new(device, dims).map_err(CliError::of)?,
            input: DeviceRoom::new(compute, [1, 1, size, size]).map_err(CliError::of)?,
            input_pass: InputPass::new(device, queue, axes, [&weighed, &weighed], range).map_err(CliError::of)?,
            label_pass: LabelPass::new(device, queue, dims, axes, CHANNELS, spec.threshold).map_err(CliError::of)?,
            network: Segmenter::new(spec, &weights, compute).map_err(CliError::of)?,
            image,
            gpu,
            size,
        })
    }

    /// Reads the slice, resamples it, maps it to the network's range and copies it to the device.
    fn host_input(&self, k: usize) -> Result<DeviceRoom, CliError> {
        let hu = resample_hu(&self.view.slice(&self.image, k), [self.size; 2], self.size);
        let intensity = Intensity::Window { low: LOW, high: HIGH };
        self.input.filled(hu.into_iter().map(|v| intensity.apply(f32::from(v))).collect()).map_err(CliError::of)
    }

    /// The same from the volume's texture, into the room that the network looks at.
    fn device_input(&self, k: usize) -> Result<(), CliError> {
        let room = self.input.buffer().map_err(CliError::of)?;
        self.input_pass.run(&self.volume, k, 1, room.place()).map_err(CliError::of)
    }

    fn answer(&self, k: usize) -> Result<DeviceRoom, CliError> {
        self.network.look(&self.host_input(k)?).map_err(CliError::of)
    }

    /// Reads the answer, makes labels of it and copies them into the overlay.
    fn host_labels(&self, answer: &DeviceRoom, k: usize) -> Result<(), CliError> {
        let probabilities = answer.read().map_err(CliError::of)?;
        // The volume lies in reading order, so that its rows are those of the picture.
        let labels = self.network.labels(&probabilities, [self.size; 2]);
        self.overlay.upload_slice(&self.gpu.queue, k, &labels).map_err(CliError::of)
    }

    fn device_labels(&self, answer: &DeviceRoom, k: usize) -> Result<(), CliError> {
        let room = answer.buffer().map_err(CliError::of)?;
        self.label_pass.run(room.place(), &self.overlay, k).map_err(CliError::of)
    }

    fn finish(&self) -> Result<(), CliError> {
        finish(&self.gpu.device, &self.gpu.queue).map_err(CliError::of)
    }

    fn shown(&self, k: usize) -> Result<Vec<u8>, CliError> {
        self.overlay.read_slice(&self.gpu.device, &self.gpu.queue, k).map_err(CliError::of)
    }

    /// Fills the overlay's slice with what is no class.
    fn blot(&self, k: usize) -> Result<(), CliError> {
        let filled = vec![u8::MAX; self.size * self.size];
        self.overlay.upload_slice(&self.gpu.queue, k, &filled).map_err(CliError::of)
    }

    /// Both ways give the same, or there is nothing to compare.
    fn check(&self, sampler: &mut Sampler) -> Result<(), CliError> {
        sampler.begin("copy", "comparing both ways")?;
        for k in 0..2 {
            let host = self.host_input(k)?;
            self.device_input(k)?;
            let (want, found) = (host.read().map_err(CliError::of)?, self.input.read().map_err(CliError::of)?);
            let off = want.iter().zip(&found).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
            if want.len() != found.len() || off > 1e-5 {
                return Err(CliError(format!("The input made on the device differs by up to {off}.")));
            }
            // The same numbers from here on: the last bit of an input may tip the scale between two classes.
            let answer = self.network.look(&host).map_err(CliError::of)?;
            self.host_labels(&answer, k)?;
            let want = self.shown(k)?;
            // Nothing of it may be left for the other way.
            self.blot(k)?;
            self.device_labels(&answer, k)?;
            let differ = self.shown(k)?.iter().zip(&want).filter(|(a, b)| a != b).count();
            if differ > 0 {
                return Err(CliError(format!("{differ} of {} labels made on the device differ.", want.len())));
            }
        }
        Ok(())
    }
}

fn spec(size: usize, width: usize) -> ModelSpec {
    let depth = if size < 128 { 2 } else { 4 };
    ModelSpec {
        recipe: "bench".into(),
        preprocessing: PreprocessConfig { size, intensity: Intensity::Window { low: LOW, high: HIGH } },
        network: NetworkSpec {
            in_channels: 1,
            out_channels: CHANNELS,
            config: NetworkConfig::UNet(UNetConfig::new(width, depth)),
        },
        threshold: 0.5,
        classes: (1..CHANNELS).map(|n| format!("class {n}")).collect(),
        inference: Default::default(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::bench::sampling::attached;
    use crate::jobs::CancelToken;

    #[test]
    fn a_slice_goes_to_the_network_and_its_labels_to_the_overlay_without_the_host() {
        let gpu = match SharedGpu::create() {
            Ok(gpu) => gpu,
            Err(error) => return println!("skipped: {error}"),
        };
        let stage = Stage::new(&gpu, 64, 4).unwrap();
        let (ctx, _) = attached(&CancelToken::default());
        stage.check(&mut Sampler::new(true, &ctx)).unwrap();
        // All the way, one slice after another into the same room.
        for k in [3, 5] {
            stage.blot(k).unwrap();
            stage.device_input(k).unwrap();
            let answer = stage.network.look(&stage.input).unwrap();
            stage.device_labels(&answer, k).unwrap();
            let found = stage.shown(k).unwrap();
            stage.host_labels(&stage.answer(k).unwrap(), k).unwrap();
            let want = stage.shown(k).unwrap();
            let differ = found.iter().zip(&want).filter(|(a, b)| a != b).count();
            assert!(differ * 1000 <= want.len(), "slice {k}: {differ} of {} labels", want.len());
        }
        let other = stage.shown(4).unwrap();
        assert!(other.iter().all(|label| *label == 0), "a slice that nobody asked for");
    }
}
