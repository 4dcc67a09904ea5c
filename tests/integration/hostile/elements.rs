//! DICOM data sets written element by element, right or wrong, in explicit VR little endian.

/// Elements one after another.
#[derive(Clone, Default)]
pub struct Set(pub Vec<u8>);

impl Set {
    pub fn new() -> Self {
        Self::default()
    }

    fn tag(mut self, (group, element): (u16, u16)) -> Self {
        self.0.extend(group.to_le_bytes());
        self.0.extend(element.to_le_bytes());
        self
    }

    /// An element whose VR has a short length.
    pub fn short(self, tag: (u16, u16), vr: &[u8; 2], value: &[u8]) -> Self {
        let mut set = self.tag(tag);
        set.0.extend(vr);
        let padded = value.len().next_multiple_of(2);
        set.0.extend((padded as u16).to_le_bytes());
        set.0.extend(value);
        set.0.resize(set.0.len() + padded - value.len(), b' ');
        set
    }

    pub fn text(self, tag: (u16, u16), vr: &[u8; 2], value: &str) -> Self {
        self.short(tag, vr, value.as_bytes())
    }

    pub fn word(self, tag: (u16, u16), value: u16) -> Self {
        self.short(tag, b"US", &value.to_le_bytes())
    }

    /// An element whose VR has a long length, which may be a lie.
    pub fn long(self, tag: (u16, u16), vr: &[u8; 2], length: u32, value: &[u8]) -> Self {
        let mut set = self.tag(tag);
        set.0.extend(vr);
        set.0.extend([0, 0]);
        set.0.extend(length.to_le_bytes());
        set.0.extend(value);
        set
    }

    /// A value of its own length.
    pub fn bytes(self, tag: (u16, u16), vr: &[u8; 2], value: &[u8]) -> Self {
        self.long(tag, vr, value.len() as u32, value)
    }

    pub fn sequence(self, tag: (u16, u16), items: &[Set]) -> Self {
        let value: Vec<u8> = items.iter().flat_map(|set| item(&set.0)).collect();
        self.bytes(tag, b"SQ", &value)
    }

    /// Pixel data of undefined length: an empty table of offsets, the fragments, the end.
    pub fn fragments(self, fragments: &[&[u8]]) -> Self {
        let mut value = item(&[]);
        value.extend(fragments.iter().flat_map(|f| item(f)));
        value.extend([0xFE, 0xFF, 0xDD, 0xE0, 0, 0, 0, 0]);
        self.long(PIXEL_DATA, b"OB", u32::MAX, &value)
    }

    /// Everything else that makes a CT slice, for `columns` x `rows` in `frames` frames of `bits`.
    pub fn slice(size: [u16; 2], frames: usize, bits: u16) -> Self {
        Self::new()
            .text((0x0008, 0x0016), b"UI", "1.2.840.10008.5.1.4.1.1.2")
            .text((0x0008, 0x0018), b"UI", "2.25.1")
            .text((0x0008, 0x0060), b"CS", "CT")
            .text((0x0010, 0x0020), b"LO", "PHANTOM")
            .text((0x0018, 0x0050), b"DS", "2.5")
            .text((0x0020, 0x000D), b"UI", "2.25.2")
            .text((0x0020, 0x000E), b"UI", "2.25.3")
            .text((0x0020, 0x0013), b"IS", "1")
            .text((0x0020, 0x0032), b"DS", "0\\0\\0")
            .text((0x0020, 0x0037), b"DS", "1\\0\\0\\0\\1\\0")
            .text((0x0020, 0x0052), b"UI", "2.25.4")
            .word((0x0028, 0x0002), 1)
            .text((0x0028, 0x0004), b"CS", "MONOCHROME2")
            .text((0x0028, 0x0008), b"IS", &frames.to_string())
            .word((0x0028, 0x0010), size[1])
            .word((0x0028, 0x0011), size[0])
            .text((0x0028, 0x0030), b"DS", "0.7\\0.7")
            .word((0x0028, 0x0100), bits)
            .word((0x0028, 0x0101), bits)
            .word((0x0028, 0x0102), bits - 1)
            .word((0x0028, 0x0103), 0)
            .text((0x0028, 0x1052), b"DS", "-1024")
            .text((0x0028, 0x1053), b"DS", "1")
    }

    /// The Part 10 file of a transfer syntax.
    pub fn file(&self, syntax: &str) -> Vec<u8> {
        let meta = Set::new().bytes((0x0002, 0x0001), b"OB", &[0, 1]).short((0x0002, 0x0010), b"UI", &uid(syntax));
        [&[0; 128][..], b"DICM", &meta.0, &self.0].concat()
    }
}

pub const PIXEL_DATA: (u16, u16) = (0x7FE0, 0x0010);
pub const EXPLICIT: &str = "1.2.840.10008.1.2.1";
pub const IMPLICIT: &str = "1.2.840.10008.1.2";
pub const BIG: &str = "1.2.840.10008.1.2.2";
pub const DEFLATED: &str = "1.2.840.10008.1.2.1.99";
pub const JPEG: &str = "1.2.840.10008.1.2.4.50";
pub const JPEG_2000: &str = "1.2.840.10008.1.2.4.90";
pub const HTJ2K: &str = "1.2.840.10008.1.2.4.201";
pub const JPEG_XL: &str = "1.2.840.10008.1.2.4.110";
pub const PLAIN_FRAMES: &str = "1.2.840.10008.1.2.1.98";
pub const DEFLATED_FRAMES: &str = "1.2.840.10008.1.2.8.1";
pub const RLE: &str = "1.2.840.10008.1.2.5";

fn uid(text: &str) -> Vec<u8> {
    let mut bytes = text.as_bytes().to_vec();
    if bytes.len() % 2 == 1 {
        bytes.push(0);
    }
    bytes
}

/// An item of known length.
pub fn item(value: &[u8]) -> Vec<u8> {
    [&[0xFE, 0xFF, 0x00, 0xE0][..], &(value.len() as u32).to_le_bytes(), value].concat()
}

/// The flat explicit data set of a file that [`Set::file`] made, in another encoding.
pub fn transcode(set: &Set, big: bool) -> Vec<u8> {
    let (bytes, mut at, mut out) = (&set.0, 0, Vec::new());
    while at + 8 <= bytes.len() {
        let half = |i: usize| u16::from_le_bytes([bytes[at + i], bytes[at + i + 1]]);
        let vr = [bytes[at + 4], bytes[at + 5]];
        let (head, length) = match &vr {
            b"OW" | b"OB" | b"SQ" | b"UN" => {
                (12, u32::from_le_bytes(bytes[at + 8..at + 12].try_into().unwrap()) as usize)
            }
            _ => (8, usize::from(half(6))),
        };
        let value = &bytes[at + head..at + head + length];
        if big {
            out.extend([half(0).to_be_bytes(), half(2).to_be_bytes(), vr].concat());
            let words = matches!(&vr, b"US" | b"OW");
            match head {
                12 => out.extend([&[0, 0][..], &(length as u32).to_be_bytes()].concat()),
                _ => out.extend((length as u16).to_be_bytes()),
            }
            out.extend(value.chunks(2).flat_map(|b| if words { [b[1], b[0]] } else { [b[0], b[1]] }));
        } else {
            out.extend(
                [&half(0).to_le_bytes()[..], &half(2).to_le_bytes(), &(length as u32).to_le_bytes(), value].concat(),
            );
        }
        at += head + length;
    }
    out
}
