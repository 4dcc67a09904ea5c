//! A header's table of grey values, in place of a window.

/// VOI LUT, DICOM PS3.3 C.11.2.1.1: grey of whole Hounsfield units, one entry each from the first on. What lies below
/// takes the first entry's grey, what lies above the last's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VoiLut {
    first: i32,
    values: Vec<u16>,
    bits: u8,
}

impl VoiLut {
    /// `first` is the HU of the first entry; entries hold `bits` bits. Bits outside 8 to 16, or too few for an entry,
    /// are taken from the largest entry. `None` without entries, or with more than 65,536.
    pub fn new(first: i32, values: Vec<u16>, bits: u16) -> Option<Self> {
        let largest = *values.iter().max()?;
        let needed = (u16::BITS - largest.leading_zeros()).max(1);
        let bits = if (8..=16).contains(&bits) && u32::from(bits) >= needed { u32::from(bits) } else { needed };
        (values.len() <= 1 << 16).then_some(Self { first, values, bits: bits as u8 })
    }

    /// HU of the first entry.
    pub fn first(&self) -> i32 {
        self.first
    }

    /// The entries.
    pub fn values(&self) -> &[u16] {
        &self.values
    }

    /// The entry that means white.
    pub fn white(&self) -> u16 {
        u16::MAX >> (16 - u16::from(self.bits))
    }

    /// The entry of a value in HU, which is rounded to a whole one, halves up.
    pub fn entry(&self, hu: f64) -> u16 {
        let last = self.values.len() - 1;
        let at = ((hu + 0.5).floor() - f64::from(self.first)).clamp(0.0, last as f64);
        self.values[at as usize]
    }

    /// Grey in `0..=1` of a value in HU.
    pub fn grey(&self, hu: f64) -> f64 {
        f64::from(self.entry(hu)) / f64::from(self.white())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ends_hold_and_halves_go_up() {
        let lut = VoiLut::new(-2, vec![10, 20, 1023], 10).unwrap();
        assert_eq!([-90.0, -2.0, -1.5, -1.0, 0.4, 9.0].map(|hu| lut.entry(hu)), [10, 10, 20, 20, 1023, 1023]);
        assert_eq!((lut.white(), lut.grey(5.0)), (1023, 1.0));
        assert_eq!(lut.entry(f64::NAN), 10);
    }

    #[test]
    fn wrong_bits_are_put_right() {
        assert_eq!(VoiLut::new(0, vec![0, 4095], 8).unwrap().white(), 4095);
        assert_eq!(VoiLut::new(0, vec![0, 200], 0).unwrap().white(), 255);
        assert_eq!(VoiLut::new(0, vec![0, 0], 77).unwrap().white(), 1);
        assert_eq!(VoiLut::new(0, Vec::new(), 8), None);
    }
}
