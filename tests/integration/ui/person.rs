//! A small DICOM series that names a person, as a fixture.

use crate::hostile::elements::{EXPLICIT, PIXEL_DATA, Set};
use std::path::Path;

/// Whom the slices name and when they were made; what is empty stays away.
#[derive(Default)]
pub struct Person<'a> {
    pub name: &'a str,
    pub number: &'a str,
    /// Of birth, as DICOM writes a date.
    pub birth: &'a str,
    /// Of the study, likewise.
    pub date: &'a str,
    /// Studies of different numbers have identifiers of their own.
    pub study: usize,
}

impl Person<'_> {
    /// Writes four CT slices of 16 x 16.
    pub fn write(&self, folder: &Path) {
        std::fs::create_dir_all(folder).unwrap();
        for k in 0..4 {
            let file = self.slice(k);
            for text in [self.name, self.number, self.birth, self.date] {
                assert!(text.is_empty() || file.windows(text.len()).any(|w| w == text.as_bytes()));
            }
            std::fs::write(folder.join(format!("{k}.dcm")), file).unwrap();
        }
    }

    fn slice(&self, k: usize) -> Vec<u8> {
        let study = self.study;
        let pixels: Vec<u8> = (0..256u16).flat_map(|n| (1000 + n % 50).to_le_bytes()).collect();
        let date =
            |set: Set, tag: (u16, u16), date: &str| if date.is_empty() { set } else { set.text(tag, b"DA", date) };
        let set = Set::new().text((0x0008, 0x0016), b"UI", "1.2.840.10008.5.1.4.1.1.2\0").text(
            (0x0008, 0x0018),
            b"UI",
            &format!("2.25.7{study}{k}"),
        );
        let set = date(set, (0x0008, 0x0020), self.date)
            .text((0x0008, 0x0060), b"CS", "CT")
            .text((0x0010, 0x0010), b"PN", self.name)
            .text((0x0010, 0x0020), b"LO", self.number);
        let set = date(set, (0x0010, 0x0030), self.birth)
            .text((0x0018, 0x0050), b"DS", "2.5")
            .text((0x0020, 0x000D), b"UI", &format!("2.25.80{study}"))
            .text((0x0020, 0x000E), b"UI", &format!("2.25.90{study}"))
            .text((0x0020, 0x0011), b"IS", "3");
        on_grid(set, k)
            .text((0x0028, 0x1052), b"DS", "-1024")
            .text((0x0028, 0x1053), b"DS", "1")
            .bytes(PIXEL_DATA, b"OW", &pixels)
            .file(EXPLICIT)
    }
}

/// Adds the number, place and pixel format of slice `k`: 16 x 16 unsigned samples of 16 bits, 0.7 x 0.7 x 2.5 mm.
pub fn on_grid(set: Set, k: usize) -> Set {
    set.text((0x0020, 0x0013), b"IS", &(k + 1).to_string())
        .text((0x0020, 0x0032), b"DS", &format!("0\\0\\{}", k as f64 * 2.5))
        .text((0x0020, 0x0037), b"DS", "1\\0\\0\\0\\1\\0")
        .text((0x0020, 0x0052), b"UI", "2.25.4")
        .word((0x0028, 0x0002), 1)
        .text((0x0028, 0x0004), b"CS", "MONOCHROME2")
        .word((0x0028, 0x0010), 16)
        .word((0x0028, 0x0011), 16)
        .text((0x0028, 0x0030), b"DS", "0.7\\0.7")
        .word((0x0028, 0x0100), 16)
        .word((0x0028, 0x0101), 16)
        .word((0x0028, 0x0102), 15)
        .word((0x0028, 0x0103), 0)
}
