//! `maskwright phantom`: generated patients in the layouts of the supported data sets.

use super::CliError;
use super::run::{foreground, print};
use crate::core::count_of;
use crate::io::atomic::{NewFolder, plain_reason};
use crate::io::layouts::{self, Layout, PatientInfo};
use crate::phantom::{self, Kind, PhantomSpec};
use std::path::PathBuf;

#[derive(clap::Args)]
pub(super) struct PhantomArgs {
    /// chest, diseased-chest, abdomen or l3.
    #[arg(long, value_parser = parse_kind)]
    pub(super) kind: Kind,
    /// ircadb, chaos, slices, nnunet or lungs.
    #[arg(long, value_parser = parse_layout)]
    pub(super) layout: Layout,
    #[arg(long, default_value_t = 1)]
    pub(super) patients: usize,
    /// Folder to write to.
    #[arg(long)]
    pub(super) out: PathBuf,
    /// Columns and rows.
    #[arg(long, default_value_t = 512)]
    pub(super) size: usize,
    /// Slices of each patient; by default what the kind needs.
    #[arg(long)]
    pub(super) slices: Option<usize>,
    #[arg(long, default_value_t = 0)]
    pub(super) seed: u64,
    /// Of chests: so many of the last patients have diseased lungs.
    #[arg(long, default_value_t = 0)]
    pub(super) diseased: usize,
}

pub(super) fn parse_kind(text: &str) -> Result<Kind, String> {
    match text {
        "chest" => Ok(Kind::Chest),
        "diseased-chest" => Ok(Kind::DiseasedChest),
        "abdomen" => Ok(Kind::Abdomen),
        "l3" => Ok(Kind::L3),
        other => Err(format!("{other} is no kind: choose chest, diseased-chest, abdomen or l3")),
    }
}

fn parse_layout(text: &str) -> Result<Layout, String> {
    text.parse::<Layout>().map_err(|e| e.to_string())
}

/// Slices that cover the anatomy at a usual spacing.
fn usual_slices(kind: Kind) -> usize {
    match kind {
        Kind::Chest | Kind::DiseasedChest => 120,
        Kind::Abdomen => 100,
        Kind::L3 => 5,
    }
}

/// Body part of the DICOM header, a defined term of PS3.16 Annex L.
pub(super) fn body_part(kind: Kind) -> &'static str {
    match kind {
        Kind::Chest | Kind::DiseasedChest => "CHEST",
        Kind::Abdomen | Kind::L3 => "ABDOMEN",
    }
}

pub(super) fn run(args: &PhantomArgs) -> Result<(), CliError> {
    write_patients(args)?;
    print(&format!("Wrote {} to {}", count_of(args.patients, "generated patient"), args.out.display()));
    Ok(())
}

/// Generates and writes them.
pub(super) fn write_patients(args: &PhantomArgs) -> Result<(), CliError> {
    let (kind, layout, patients, size, seed) = (args.kind, args.layout, args.patients, args.size, args.seed);
    let slices = args.slices.unwrap_or_else(|| usual_slices(kind));
    let (out, diseased) = (args.out.clone(), args.diseased);
    if patients == 0 {
        return Err(CliError("Ask for at least one patient.".into()));
    }
    if diseased > patients || (diseased > 0 && kind != Kind::Chest) {
        return Err(CliError("Diseased lungs are for chests, and for no more patients than there are.".into()));
    }
    foreground(
        "Generating patients",
        |(), _| {},
        move |ctx| {
            let _folder = NewFolder::create(&out)
                .map_err(|e| format!("{} cannot be made: {}; choose another place", out.display(), plain_reason(&e)))?;
            for index in 1..=patients {
                ctx.progress.say(format!("patient {index} of {patients}"));
                let kind = if index + diseased > patients { Kind::DiseasedChest } else { kind };
                let spec = PhantomSpec { kind, size, slices, seed: seed + index as u64 };
                let done = (index - 1) as f32;
                let progress = |fraction: f32| {
                    ctx.progress.set(((done + fraction) * 1000.0) as u64, patients as u64 * 1000);
                    !ctx.is_cancelled()
                };
                let made = phantom::generate(&spec, &progress).map_err(|e| e.to_string())?;
                let info = PatientInfo { index, seed: spec.seed, body_part: body_part(kind).into() };
                layouts::write_patient(&out, layout, &info, &made.volume, &made.labels, &made.segments)
                    .map_err(|e| e.to_string())?;
            }
            Ok::<_, String>(())
        },
    )
}
