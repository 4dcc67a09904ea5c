//! `maskwright measure`: areas, volumes and densities of masks over their images, of one study or of several in time.

use super::CliError;
use super::convert::{read_mask, reference_image};
use super::evaluate::write_reports;
use super::run::{foreground, print};
use crate::metrics::MetricError;
use crate::metrics::quantities::{QuantityOptions, quantities};
use crate::report::{Quantities, ReportInputs, json};
use crate::workspace::Judged;
use std::fmt::Write;
use std::path::PathBuf;

#[derive(clap::Args)]
pub(super) struct MeasureArgs {
    /// Image: folder or file; given again for each further study of a patient.
    #[arg(long, required = true)]
    image: Vec<PathBuf>,
    /// Mask of each image, in the same order.
    #[arg(long, required = true)]
    mask: Vec<PathBuf>,
    /// Days since the first study, of each image: the report then draws every quantity over time.
    #[arg(long)]
    day: Vec<f64>,
    /// Height of the patient in cm, for the skeletal muscle index.
    #[arg(long, value_parser = height)]
    height: Option<f64>,
    /// Slice of muscle and fat areas, counted from 0; otherwise the one with most muscle.
    #[arg(long)]
    slice: Option<usize>,
    /// Measure on the regular grid of a tilted or unevenly spaced image.
    #[arg(long)]
    resample: bool,
    /// Folder for the report, quantities.csv and evaluation.json.
    #[arg(long)]
    out: Option<PathBuf>,
    /// One JSON document on stdout.
    #[arg(long)]
    json: bool,
}

fn height(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(v) if (30.0..=260.0).contains(&v) => Ok(v),
        _ => Err(format!("{text} is no height in cm")),
    }
}

pub(super) fn run(args: &MeasureArgs) -> Result<(), CliError> {
    if args.mask.len() != args.image.len() || !(args.day.is_empty() || args.day.len() == args.image.len()) {
        return Err(CliError("Give one mask for each image, and days for all images or for none.".into()));
    }
    let options = QuantityOptions { height_cm: args.height, slice: args.slice };
    let mut inputs = ReportInputs { title: "Measurements".into(), ..ReportInputs::default() };
    for (n, (image, mask)) in args.image.iter().zip(&args.mask).enumerate() {
        let reference = reference_image(image, None, args.resample)?;
        let mask_name = Judged::at(mask.clone()).name;
        let loaded = read_mask(mask, None, Some(&reference))?.flattened();
        let volume = reference.load()?;
        let values = foreground(
            "Measuring",
            |(), _| {},
            move |_| Ok::<_, MetricError>(quantities(&loaded.labels, &loaded.segments, Some(&volume), options)),
        )?;
        let case = if args.image.len() > 1 { format!("Study {}", n + 1) } else { Judged::at(image.clone()).name };
        inputs.quantities.push(Quantities { case, mask: mask_name, time: args.day.get(n).copied(), values });
    }
    if let Some(out) = &args.out {
        write_reports(out, &inputs)?;
    }
    if args.json {
        print(json(&inputs).map_err(CliError::of)?.trim_end());
    } else {
        print(as_text(&inputs).trim_end());
    }
    Ok(())
}

fn as_text(inputs: &ReportInputs) -> String {
    let mut t = String::new();
    for of in &inputs.quantities {
        let day = of.time.map_or_else(String::new, |d| format!(", day {d}"));
        let _ = writeln!(t, "{} ({}{day})", of.case, of.mask);
        for q in &of.values {
            let value = q.value.map_or_else(|| "undefined".to_owned(), |v| format!("{v:.2} {}", q.unit));
            let _ = writeln!(t, "  {}: {value}", q.name);
        }
    }
    t
}
