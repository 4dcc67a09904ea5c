//! `maskwright doctor`: what will run where, and a proof that it computes.

use super::CliError;
use super::run::{foreground, print, print_json};
use crate::nn::{self, DeviceChoice, DeviceReport};
use std::convert::Infallible;
use std::fmt::Write;

#[derive(clap::Args)]
pub(super) struct DoctorArgs {
    /// One JSON document on stdout.
    #[arg(long)]
    json: bool,
    /// Device to ask for: auto, gpu or cpu.
    #[arg(long, default_value = "auto")]
    device: DeviceChoice,
}

pub(super) fn run(args: &DoctorArgs) -> Result<(), CliError> {
    let choice = args.device;
    let report = foreground("Looking at the machine", |(), _| {}, move |_| Ok::<_, Infallible>(nn::report(choice)))?;
    if args.json { print_json(&report) } else { print_text(&report) }
}

fn print_text(report: &DeviceReport) -> Result<(), CliError> {
    let mut t = String::new();
    let _ = writeln!(t, "Maskwright {}", env!("CARGO_PKG_VERSION"));
    for a in &report.adapters {
        let _ = writeln!(t, "Adapter: {} ({}, {}; {})", a.name, a.kind, a.backend, a.driver);
        let _ = writeln!(
            t,
            "  largest buffer {} MiB, storage binding {} MiB, 3-D texture {}, workgroup {}, 16-bit floats {}",
            a.max_buffer_bytes >> 20,
            a.max_storage_binding_bytes >> 20,
            a.max_texture_3d,
            a.max_workgroup_invocations,
            if a.f16 { "yes" } else { "no" },
        );
    }
    match &report.graphics_error {
        Some(error) => {
            let _ = writeln!(t, "Window: cannot be opened: {error}.");
            let _ = writeln!(t, "Everything else works on the CPU from the command line.");
        }
        None => {
            let _ = writeln!(t, "Window: draws on the adapter above; burn computes on the very same device and queue.");
        }
    }
    let _ = writeln!(t, "Training and prediction: {} ({})", report.description, report.mode);
    let _ = writeln!(
        t,
        "Kernels: {} on a graphics device ({}), our own with {} on the CPU",
        report.shader_language, report.matrix_units, report.cpu_vectors
    );
    for proof in &report.proofs {
        let text = match (&proof.error, proof.max_difference) {
            (Some(error), _) => error.clone(),
            (None, Some(difference)) => format!("largest difference from the CPU {difference:.2e}"),
            (None, None) => "no result".into(),
        };
        let mark = if proof.ok { "ok" } else { "WRONG" };
        let _ = writeln!(t, "Proof: {}: {mark}, {text}, {:.2} s", proof.what, proof.seconds);
    }
    if let Some(trial) = &report.trial {
        let _ = writeln!(t, "Training step on the graphics device: {trial}");
    }
    print(t.trim_end());
    if report.proofs.iter().all(|p| p.ok) {
        Ok(())
    } else {
        Err(CliError("The graphics device computes wrongly: update its driver, or train with --device cpu.".into()))
    }
}
