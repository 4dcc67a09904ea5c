//! `curves.csv` and `curves.jsonl`: what every epoch reached.

use super::folder::write;
use super::{EpochRow, TrainError};
use std::fmt::Write;
use std::path::Path;

/// Writes both files whole each time: they are short, and never half a line.
///
/// # Errors
/// [`TrainError::Io`].
pub(super) fn write_curves(folder: &Path, history: &[EpochRow]) -> Result<(), TrainError> {
    let mut lines = Vec::new();
    for row in history {
        serde_json::to_writer(&mut lines, row).map_err(|e| TrainError::Data(e.to_string()))?;
        lines.push(b'\n');
    }
    write(&folder.join("curves.jsonl"), &lines)?;
    write(&folder.join("curves.csv"), table(history).as_bytes())
}

fn table(history: &[EpochRow]) -> String {
    let cell = |v: Option<f64>| v.map_or(String::new(), |v| v.to_string());
    let mut out = String::from("epoch,train_loss,val_loss,val_dice,val_accuracy,val_precision,val_recall");
    // Every epoch has the same classes.
    for class in history.first().map_or(&[][..], |row| &row.classes) {
        let name = class.name.replace(['"', ',', '\n', '\r'], " ");
        // Writing to a String cannot fail.
        let _ = write!(out, ",dice {name},accuracy {name},precision {name},recall {name}");
    }
    out.push_str(",learning_rate,seconds\n");
    for r in history {
        let cells = [r.val_loss, r.val_dice, r.val_accuracy, r.val_precision, r.val_recall].map(cell).join(",");
        let _ = write!(out, "{},{},{cells}", r.epoch, r.train_loss);
        for class in &r.classes {
            let more = [class.dice, Some(class.accuracy), class.precision, class.recall].map(cell).join(",");
            let _ = write!(out, ",{more}");
        }
        let _ = writeln!(out, ",{},{:.3}", r.lr, r.seconds);
    }
    out
}

/// The curves of a run folder; empty where there are none yet.
///
/// # Errors
/// [`TrainError::Io`] when the file cannot be read, [`TrainError::Data`] when it is damaged.
pub fn read_curves(run: &Path) -> Result<Vec<EpochRow>, TrainError> {
    /// A line is some hundred bytes.
    const MOST: u64 = 256 << 20;
    let path = run.join("curves.jsonl");
    let bytes = match crate::io::bounds::read_bounded(&path, MOST) {
        Ok(bytes) => bytes,
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(e) => return Err(TrainError::io("read", &path, &e)),
    };
    bytes
        .split(|b| *b == b'\n')
        .filter(|line| !line.is_empty())
        .map(|line| serde_json::from_slice(line).map_err(|e| TrainError::Data(format!("{}: {e}", path.display()))))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::train::ClassFigures;

    #[test]
    fn curves_are_read_back_and_every_line_has_all_columns() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(read_curves(folder.path()).unwrap(), []);
        let class = |name: &str, dice| ClassFigures {
            name: name.into(),
            dice,
            accuracy: 0.9,
            precision: None,
            recall: Some(0.5),
        };
        let row = |epoch, dice| EpochRow {
            epoch,
            train_loss: 0.5,
            val_dice: dice,
            classes: vec![class("left, lung", dice), class("b", None)],
            ..EpochRow::default()
        };
        let rows = [row(1, None), row(2, Some(0.75))];
        write_curves(folder.path(), &rows).unwrap();
        assert_eq!(read_curves(folder.path()).unwrap(), rows);
        let text = std::fs::read_to_string(folder.path().join("curves.csv")).unwrap();
        let columns: Vec<usize> = text.lines().map(|l| l.split(',').count()).collect();
        assert_eq!(columns, [17, 17, 17]);
    }
}
