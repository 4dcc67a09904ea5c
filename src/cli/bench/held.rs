//! What an open case holds in memory, beside the raw volume. Called by `view`.

use super::sampling::resident_mib;
use crate::app::Probe;
use crate::workspace::Document;
use serde::Serialize;

/// Bytes of an open case.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(super) struct Held {
    pub case: String,
    /// Two for each voxel.
    pub raw: u64,
    /// The image in memory.
    pub volume: u64,
    /// All layers' labels.
    pub labels: u64,
    /// Who changed which voxel, of all layers.
    pub sources: u64,
    pub history: u64,
    /// The device's copy of the labels.
    pub label_textures: u64,
    /// The device's copy of the image.
    pub image_textures: u64,
    /// Growth of the resident memory since the case was opened, window and program included; `None` where the system
    /// does not tell. A device in software holds its textures there too.
    pub grown_mib: Option<f64>,
}

impl Held {
    /// Of the case that the probe shows; `before_mib` is the resident memory before it was opened.
    pub fn of(case: String, probe: &Probe, document: &Document, before_mib: Option<f64>) -> Self {
        let textures = probe.texture_bytes();
        let layers = &document.case.layers;
        let labels: usize = layers.iter().map(|l| l.labels.bytes_beside(None)).sum();
        let sources = layers.iter().filter_map(|l| l.work.sources.map()).map(|m| m.bytes_beside(None));
        let volume = document.case.volume.as_ref().map_or(0, |v| size_of_val(&v.hu()[..]));
        Self {
            case,
            raw: 2 * document.case.geometry.voxel_count() as u64,
            volume: volume as u64,
            labels: labels as u64,
            sources: sources.sum::<usize>() as u64,
            history: document.history_bytes() as u64,
            label_textures: textures.labels,
            image_textures: textures.images,
            grown_mib: resident_mib().zip(before_mib).map(|(now, before)| now - before),
        }
    }

    /// Image, labels and the device's copy of the labels in raw volumes.
    pub fn ratio(&self) -> f64 {
        (self.volume + self.labels + self.label_textures) as f64 / self.raw.max(1) as f64
    }

    /// One line of the table.
    pub fn line(&self) -> String {
        let mib = |bytes: u64| bytes as f64 / f64::from(1 << 20);
        let with_sources = self.ratio() + self.sources as f64 / self.raw.max(1) as f64;
        let grown = self.grown_mib.map_or(String::new(), |g| format!(", resident memory grew by {g:.0}"));
        format!(
            "Memory in MiB, {}: image {:.1} + labels {:.1} + labels on the device {:.1} = {:.3} x the raw volume; \
             sources {:.1} ({with_sources:.3} x with them), image on the device {:.1}, history {:.2}{grown}",
            self.case,
            mib(self.volume),
            mib(self.labels),
            mib(self.label_textures),
            self.ratio(),
            mib(self.sources),
            mib(self.image_textures),
            mib(self.history),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sum_is_in_raw_volumes() {
        let mib = 1 << 20;
        let held = Held {
            case: "a case".into(),
            raw: 4 * mib,
            volume: 4 * mib,
            labels: mib,
            sources: mib,
            history: mib,
            label_textures: 2 * mib,
            image_textures: 4 * mib,
            grown_mib: Some(12.4),
        };
        assert_eq!(held.ratio(), 1.75);
        let line = held.line();
        for part in ["a case: image 4.0 +", "= 1.750 x the raw", "(2.000 x with them)", "grew by 12"] {
            assert!(line.contains(part), "{part} is missing in {line}");
        }
        assert!(!Held { grown_mib: None, ..held }.line().contains("grew"));
    }
}
