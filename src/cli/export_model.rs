//! `maskwright export --to pytorch`: a trained network for Python.

use super::CliError;
use super::run::{foreground, print};
use crate::io::atomic::FolderWrite;
use crate::predict::pytorch_files;
use std::path::{Path, PathBuf};

/// Writes the network of a run folder into the new folder `out`.
pub(super) fn run(inputs: &[PathBuf], out: &Path) -> Result<(), CliError> {
    let [run] = inputs else {
        return Err(CliError("Give one run folder to export for PyTorch.".into()));
    };
    let (run, place) = (run.clone(), out.to_owned());
    foreground(
        "Exporting",
        |(), _| {},
        move |_| {
            let files = pytorch_files(&run).map_err(|e| e.to_string())?;
            write(&place, &files).map_err(|e| format!("{} could not be written: {e}", place.display()))
        },
    )?;
    print(&format!("Wrote {}; in Python: import model; net = model.load()", out.display()));
    Ok(())
}

fn write(place: &Path, files: &[(&str, Vec<u8>)]) -> std::io::Result<()> {
    let folder = FolderWrite::begin(place)?;
    for (name, bytes) in files {
        std::fs::write(folder.path().join(name), bytes)?;
    }
    folder.finish()
}
