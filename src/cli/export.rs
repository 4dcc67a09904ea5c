//! `maskwright export`: what was drawn and reviewed in projects, for other programs; and de-identified copies.

use super::CliError;
use super::run::{foreground, print, print_json};
use crate::core::{Layer, count_of};
use crate::io::dicom::{DeidKey, DeidReport};
use crate::io::export::{
    DeidInput, ExportCase, ExportError, LayerCase, LayerKind, ProjectCase, export_deidentified, export_layers,
    export_nnunet, reviewed,
};
use crate::io::{self, is_project};
use crate::jobs::JobContext;
use serde_json::json;
use std::path::{Path, PathBuf};
use std::sync::Arc;

#[derive(clap::Args)]
pub(super) struct ExportArgs {
    /// Projects (NAME.maskwright); with --to deidentified also folders and files of DICOM; with --to pytorch a run folder.
    #[arg(required = true)]
    inputs: Vec<PathBuf>,
    /// nnunet (a data set of all reviewed cases), seg, rtstruct, nifti, nrrd, png, stl, obj, deidentified, or pytorch (a
    /// trained network as weights and the Python text that loads them).
    #[arg(long, value_parser = parse_target)]
    to: Target,
    /// New folder for what is written.
    #[arg(long)]
    out: PathBuf,
    /// Layer to take from each project, instead of the one marked as reviewed.
    #[arg(long)]
    layer: Option<String>,
    /// For seg, rtstruct and nrrd: all layers of each project in one file. Segments that overlap stay whole.
    #[arg(long, conflicts_with = "layer")]
    all_layers: bool,
    /// For nnunet: a segment that a case does not have was looked for and is not there.
    #[arg(long)]
    absent_is_background: bool,
    /// For stl and obj: rounds of smoothing that keeps the volume, 10 for example.
    #[arg(long, default_value_t = 0, value_parser = clap::value_parser!(u16).range(0..=200))]
    smooth: u16,
    /// For deidentified: a file with a secret. The same secret gives the same new identifiers in a later export; without
    /// one they are random.
    #[arg(long)]
    key: Option<PathBuf>,
    /// One JSON document on stdout.
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Target {
    NnUnet,
    Deidentified,
    PyTorch,
    Layers(LayerKind),
}

fn parse_target(text: &str) -> Result<Target, String> {
    Ok(match text {
        "nnunet" => Target::NnUnet,
        "deidentified" => Target::Deidentified,
        "pytorch" => Target::PyTorch,
        "seg" => Target::Layers(LayerKind::Seg),
        "rtstruct" => Target::Layers(LayerKind::RtStruct),
        "nifti" => Target::Layers(LayerKind::Nifti),
        "nrrd" => Target::Layers(LayerKind::Nrrd),
        "png" => Target::Layers(LayerKind::Png),
        "stl" => Target::Layers(LayerKind::Stl),
        "obj" => Target::Layers(LayerKind::Obj),
        other => {
            let kinds = "nnunet, seg, rtstruct, nifti, nrrd, png, stl, obj, deidentified or pytorch";
            return Err(format!("{other} is nothing to export to: choose {kinds}"));
        }
    })
}

/// Shortest secret in a key file, in bytes.
const SHORTEST_SECRET: usize = 16;

pub(super) fn run(args: &ExportArgs) -> Result<(), CliError> {
    let layered = [LayerKind::Seg, LayerKind::RtStruct, LayerKind::Nrrd].map(Target::Layers);
    if args.all_layers && !layered.contains(&args.to) {
        return Err(CliError(
            "--all-layers is for files that hold segments which overlap: seg, rtstruct or nrrd.".into(),
        ));
    }
    match args.to {
        Target::NnUnet => nnunet(args),
        Target::Deidentified => deidentified(args),
        Target::PyTorch => super::export_model::run(&args.inputs, &args.out),
        Target::Layers(kind) => layers(args, kind),
    }
}

fn nnunet(args: &ExportArgs) -> Result<(), CliError> {
    let (inputs, name, out) = (args.inputs.clone(), args.layer.clone(), args.out.clone());
    let absent = args.absent_is_background;
    let (names, places, passed_over) = foreground(
        "Exporting",
        |(), _| {},
        move |ctx: &JobContext<()>| {
            let (mut cases, mut places, mut passed_over) = (Vec::new(), Vec::new(), Vec::new());
            for input in &inputs {
                let project = ProjectCase::open(input)?;
                let layer = match &name {
                    Some(name) => Some(project.layer(Some(name))?),
                    None => reviewed(&project.place, &project.data.layers)?,
                };
                let Some(layer) = layer.cloned() else {
                    passed_over.push(project.place);
                    continue;
                };
                let place = project.place.clone();
                places.push((place.clone(), layer.name.clone()));
                let image = Box::new(move |ctx: &JobContext<()>| project.image(ctx).map(Arc::new));
                cases.push(ExportCase { place, layer, image });
            }
            let names = export_nnunet(&out, cases, absent, ctx)?;
            Ok::<_, ExportError>((names, places, passed_over))
        },
    )?;
    for place in &passed_over {
        eprintln!("{place} has no layer marked as reviewed and was passed over.");
    }
    told(args, &names, &places)
}

fn layers(args: &ExportArgs, kind: LayerKind) -> Result<(), CliError> {
    let (inputs, name, out) = (args.inputs.clone(), args.layer.clone(), args.out.clone());
    let (rounds, all) = (usize::from(args.smooth), args.all_layers);
    let (names, places) = foreground(
        "Exporting",
        |(), _| {},
        move |ctx: &JobContext<()>| {
            let mut cases = Vec::new();
            for input in &inputs {
                let project = ProjectCase::open(input)?;
                let layers = match all {
                    true => project.data.layers.clone(),
                    false => vec![project.layer(name.as_deref())?.clone()],
                };
                // A mask goes out with the image it was drawn on, or not at all.
                project.image(ctx)?;
                let stack = project.stack().cloned();
                cases.push(LayerCase { place: project.place, layers, stack });
            }
            let names = export_layers(&out, kind, &cases, rounds, ctx)?;
            let called = |layers: Vec<Layer>| layers.into_iter().map(|l| l.name).collect::<Vec<_>>().join(", ");
            let places: Vec<(String, String)> = cases.into_iter().map(|c| (c.place, called(c.layers))).collect();
            Ok::<_, ExportError>((names, places))
        },
    )?;
    told(args, &names, &places)
}

/// Says which case became which file.
fn told(args: &ExportArgs, names: &[String], places: &[(String, String)]) -> Result<(), CliError> {
    let out = args.out.display();
    if args.json {
        let cases: Vec<_> = names
            .iter()
            .zip(places)
            .map(|(name, (project, layer))| json!({ "name": name, "project": project, "layer": layer }))
            .collect();
        return print_json(&json!({ "out": args.out, "cases": cases }));
    }
    for (name, (project, layer)) in names.iter().zip(places) {
        print(&format!("{name}: {project}, layer {layer}"));
    }
    print(&format!("Wrote {out}"));
    Ok(())
}

fn deidentified(args: &ExportArgs) -> Result<(), CliError> {
    let key = match &args.key {
        None => DeidKey::random(),
        Some(path) => key_from(path)?,
    };
    let (inputs, name, out) = (args.inputs.clone(), args.layer.clone(), args.out.clone());
    let report = foreground(
        "Copying",
        |(), _| {},
        move |ctx: &JobContext<()>| {
            let mut all = DeidInput::default();
            for input in &inputs {
                let DeidInput { files, layers } = gather(input, name.as_deref(), ctx)?;
                all.files.extend(files);
                all.layers.extend(layers);
            }
            export_deidentified(&out, &all, &key, ctx)
        },
    )?;
    let DeidReport { patients, files, findings } = report;
    for finding in &findings {
        eprintln!("{}", finding.text);
    }
    if args.json {
        let findings: Vec<_> = findings.iter().map(|f| json!({ "code": f.code, "text": f.text })).collect();
        return print_json(&json!({ "out": args.out, "patients": patients, "files": files, "findings": findings }));
    }
    print(&format!("Wrote {} of {} to {}", count_of(files, "file"), count_of(patients, "patient"), args.out.display()));
    Ok(())
}

/// A project's series with its layer, or the DICOM files under a path.
fn gather(input: &Path, name: Option<&str>, ctx: &JobContext<()>) -> Result<DeidInput, ExportError> {
    if !is_project(input) {
        return Ok(DeidInput { files: io::dicom_files(input, ctx)?, layers: Vec::new() });
    }
    let project = ProjectCase::open(input)?;
    let Some(stack) = project.stack() else { return Err(ExportError::NotDicom(project.place)) };
    project.image(ctx)?;
    let layer: Option<Layer> = match project.data.layers.is_empty() && name.is_none() {
        true => None,
        false => Some(project.layer(name)?.clone()),
    };
    Ok(DeidInput::of_series(stack, layer.into_iter()))
}

fn key_from(path: &Path) -> Result<DeidKey, CliError> {
    use std::io::Read;
    let mut secret = Vec::new();
    std::fs::File::open(path)
        .and_then(|f| f.take(1 << 16).read_to_end(&mut secret))
        .map_err(|e| CliError(format!("{} cannot be read: {}", path.display(), io::atomic::plain_reason(&e))))?;
    if secret.len() < SHORTEST_SECRET {
        return Err(CliError(format!(
            "{} holds {} bytes: a secret of at least {SHORTEST_SECRET} is needed, or the new identifiers could be guessed.",
            path.display(),
            secret.len()
        )));
    }
    Ok(DeidKey::from_secret(&secret))
}
