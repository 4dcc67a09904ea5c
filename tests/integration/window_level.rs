//! Window functions against pydicom: `tests/data/oracle/window_level.safetensors` holds Hounsfield units and what
//! `pydicom.pixels.apply_voi_lut` 3.0.2 makes of them, with 12 bits stored and intercept -1024, so that its output
//! runs from -1024 to 3071.

use maskwright::core::{VoiFunction, VoiLut, Window};
use safetensors::SafeTensors;

#[test]
fn window_functions_equal_pydicom() {
    let file = SafeTensors::deserialize(include_bytes!("../data/oracle/window_level.safetensors")).unwrap();
    let values = |name: &str| -> Vec<f64> {
        let bytes = file.tensor(name).unwrap().data().to_vec();
        bytes.chunks_exact(8).map(|c| f64::from_le_bytes(c.try_into().unwrap())).collect()
    };
    let hu = values("hu");
    assert_eq!(hu.len(), 249);
    let mut compared = 0;
    for name in file.names().into_iter().filter(|n| n.starts_with("voi_")) {
        // voi_<FUNCTION>_c<center>_w<width>
        let (rest, width) = name["voi_".len()..].rsplit_once("_w").unwrap();
        let (function, center) = rest.rsplit_once("_c").unwrap();
        let window = Window {
            window_center: center.parse().unwrap(),
            window_width: width.parse().unwrap(),
            function: match function {
                "LINEAR" => VoiFunction::Linear,
                "LINEAR_EXACT" => VoiFunction::LinearExact,
                "SIGMOID" => VoiFunction::Sigmoid,
                other => panic!("{other} is no window function"),
            },
        };
        for (&hu, &want) in hu.iter().zip(&values(name)) {
            let want = (want + 1024.0) / 4095.0;
            assert!((window.grey(hu) - want).abs() < 1e-9, "{name} at {hu} HU: {} not {want}", window.grey(hu));
            compared += 1;
        }
    }
    assert_eq!(compared, 15 * 249);
}

/// `tests/data/oracle/voi_lut.safetensors`: three tables (wider and narrower than the data, and one of all
/// 65,536 values) and
/// the entry that `pydicom.pixels.apply_voi` 3.0.2 takes for each of many values. (Its index wraps in tables of 8 bits.)
#[test]
fn grey_tables_equal_pydicom() {
    let file = SafeTensors::deserialize(include_bytes!("../data/oracle/voi_lut.safetensors")).unwrap();
    let values = |name: &str| -> Vec<i32> {
        let bytes = file.tensor(name).unwrap().data().to_vec();
        bytes.chunks_exact(4).map(|c| i32::from_le_bytes(c.try_into().unwrap())).collect()
    };
    let hu = values("hu");
    for name in ["wide", "narrow", "full"] {
        let [first, bits] = ["first", "bits"].map(|part| values(&format!("{name}_{part}"))[0]);
        let entries: Vec<u16> = match name {
            "full" => (0..1u32 << 16).map(|n| (n * 40503) as u16).collect(),
            _ => values(&format!("{name}_values")).into_iter().map(|v| v as u16).collect(),
        };
        let lut = VoiLut::new(first, entries, bits as u16).unwrap();
        for (hu, want) in hu.iter().zip(values(&format!("{name}_out"))) {
            assert_eq!(i32::from(lut.entry(f64::from(*hu))), want, "{name} at {hu} HU");
            let grey = f64::from(want) / f64::from((1 << bits) - 1);
            assert!((lut.grey(f64::from(*hu)) - grey).abs() < 1e-12);
        }
    }
}
