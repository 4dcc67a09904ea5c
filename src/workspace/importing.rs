//! Masks from files become layers: one that the user names, those beside the series that the user chose, and the
//! offer to mirror one that would fit the image better so.

use super::opening::file_label;
use super::task::JobTask;
use super::{Document, Notice, Workspace};
use crate::core::{Flips, Layer, LayerId, Origin, Segment};
use crate::io::{DicomStack, FlipProposal, LoadedMask, MaskLayer, MaskRequest, MaskSource, VolumeSource};
use crate::jobs::{self, JobContext};
use std::path::PathBuf;

/// Layers of one mask that fit the image better when they are mirrored; the user decides.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MirrorOffer {
    /// Name of the first layer.
    pub name: String,
    pub flips: Flips,
    /// What would be exchanged and why, in a sentence.
    pub reason: String,
    layers: Vec<LayerId>,
}

type Reading = Box<dyn FnOnce(&JobContext<()>) -> Result<LoadedMask, String> + Send>;

/// A mask to be read, and the name that its layer gets.
struct Wanted {
    name: String,
    /// Where it comes from, to be shown.
    file: String,
    read: Reading,
}

/// What came of it.
struct Read {
    name: String,
    file: String,
    mask: Result<(LoadedMask, Option<FlipProposal>), String>,
}

impl Workspace {
    /// Reads masks beside the open series into new layers of these names; one step of the history.
    pub(super) fn import_found(&mut self, chosen: Vec<(usize, String)>) {
        let Some(document) = self.active_document() else { return };
        let geometry = document.case.geometry;
        let stack = stack_of(document);
        let wanted = chosen.into_iter().filter_map(|(index, name)| {
            let (mask, stack) = (document.found_masks.get(index)?.clone(), stack.clone());
            let file = mask.name.clone();
            let name = if name.trim().is_empty() { file.clone() } else { name.trim().to_owned() };
            let read = move |ctx: &JobContext<()>| {
                crate::io::load_mask(&mask, stack.as_ref(), &geometry, ctx).map_err(|e| e.to_string())
            };
            Some(Wanted { name, file, read: Box::new(read) })
        });
        let wanted = wanted.collect();
        self.import(wanted);
    }

    /// Reads a mask file or folder that the user named.
    pub(super) fn import_mask(&mut self, path: PathBuf) {
        let Some(document) = self.active_document() else {
            self.notify(Notice::warning("Open the image first, then import its mask."));
            return;
        };
        if document.is_overlay() {
            self.refuses_on_overlay();
            return;
        }
        let geometry = document.case.geometry;
        let stack = stack_of(document);
        let name = file_label(&path);
        let read = move |ctx: &JobContext<()>| {
            let request = MaskRequest { name: None, grid: Some(&geometry), series: stack.as_ref() };
            crate::io::find_mask(&path, request, ctx).map_err(|e| e.to_string())
        };
        self.import(vec![Wanted { file: name.clone(), name, read: Box::new(read) }]);
    }

    fn import(&mut self, wanted: Vec<Wanted>) {
        let Some(document) = self.active_document() else { return };
        if wanted.is_empty() {
            return;
        }
        let (id, volume) = (document.case.id, document.case.volume.clone());
        let what = if wanted.len() == 1 { "Reading the mask" } else { "Reading the masks" };
        let handle = jobs::spawn(what, self.waker.clone(), move |ctx: &JobContext<()>| {
            let mut all = Vec::new();
            for Wanted { name, file, read } in wanted {
                let mask = read(ctx).map(|mut mask| {
                    let proposal = volume.as_ref().and_then(|volume| crate::io::propose_flip(volume, &mut mask));
                    (mask, proposal)
                });
                if ctx.is_cancelled() {
                    return Err("Reading was cancelled.".to_owned());
                }
                all.push(Read { name, file, mask });
            }
            Ok(all)
        });
        self.start_on(
            Some(id),
            JobTask::new(
                handle,
                |_, ()| {},
                move |w, all| {
                    let Some(all) = all else { return };
                    let step = if all.len() == 1 { "Import mask" } else { "Import masks" };
                    let mut layers = Vec::new();
                    let mut offers = Vec::new();
                    for Read { name, file, mask } in all {
                        match mask {
                            // The others are of use without it.
                            Err(text) => w.notify(Notice::error(text)),
                            Ok((mask, proposal)) => {
                                for finding in &mask.findings {
                                    w.notify(Notice::warning(finding.text.clone()));
                                }
                                let new = w.layers_of(&name, &file, mask);
                                offers.extend(proposal.map(|FlipProposal { flips, reason }| {
                                    let layers = new.iter().map(|l| l.id).collect();
                                    MirrorOffer { name, flips, reason, layers }
                                }));
                                layers.extend(new);
                            }
                        }
                    }
                    if layers.is_empty() {
                        return;
                    }
                    w.insert_numbered(id, step, layers);
                    if let Some(document) = w.document_mut(id) {
                        document.mirror_offers.extend(offers);
                    }
                },
            ),
        );
    }

    /// A mask's layers, numbered.
    fn layers_of(&mut self, name: &str, file: &str, mask: LoadedMask) -> Vec<Layer> {
        let first = MaskLayer { labels: mask.labels, segments: mask.segments };
        let layers = std::iter::once(first).chain(mask.further).enumerate();
        layers
            .map(|(n, layer)| {
                let origin = Origin::Imported { file: file.to_owned() };
                let name = layer_name(name, n, &layer.segments);
                Layer::new(self.next_layer_id(), name, layer.labels, layer.segments, origin)
            })
            .collect()
    }

    /// All masks that can be imported for the active case.
    pub fn found_masks(&self) -> &[MaskSource] {
        self.active_document().map_or(&[], |d| &d.found_masks)
    }

    /// The user takes or leaves the offer that is shown.
    pub(super) fn answer_mirror(&mut self, mirror: bool) {
        let Some(document) = self.active_document_mut() else { return };
        let id = document.case.id;
        let Some(offer) = document.mirror_offer().cloned() else { return };
        if !mirror || self.mirror_layers(id, &offer.layers, offer.flips) {
            self.forget_mirror_offers(id, &offer.layers);
        }
    }

    /// What was offered for these layers is done, or not wanted.
    pub(super) fn forget_mirror_offers(&mut self, id: crate::core::CaseId, layers: &[LayerId]) {
        if let Some(document) = self.document_mut(id) {
            document.mirror_offers.retain(|o| !o.layers.iter().any(|l| layers.contains(l)));
        }
    }
}

impl Document {
    /// The oldest offer to mirror a mask, while its layers are there.
    pub fn mirror_offer(&self) -> Option<&MirrorOffer> {
        self.mirror_offers.iter().find(|o| o.layers.iter().all(|l| self.case.layer(*l).is_some()))
    }
}

fn stack_of(document: &Document) -> Option<DicomStack> {
    match &document.source {
        Some(VolumeSource::Dicom(stack)) => Some(stack.clone()),
        _ => None,
    }
}

/// A mask's name for its first layer; those of overlapping segments are called after what is on them.
fn layer_name(mask: &str, n: usize, segments: &[Segment]) -> String {
    match segments {
        [only] if n > 0 => format!("{mask}: {}", only.name),
        [first, others @ ..] if n > 0 => format!("{mask}: {} and {} more", first.name, others.len()),
        _ => mask.to_owned(),
    }
}
