//! RLE Lossless (PS3.5 annex G) of one sample a pixel. Called by `io::dicom::codec`.

use super::StreamError;

const DAMAGED: StreamError = StreamError::Damaged("its run lengths");

/// Decodes a frame of `samples` samples of 1, 8 or 16 bits: a header of 16 little-endian words, then one PackBits segment
/// a byte plane, high byte first. One-bit samples come out as 0 and 1.
///
/// # Errors
/// [`StreamError::Damaged`] when the planes are not those of the format or too short.
pub(super) fn decode(data: &[u8], bits_allocated: u16, samples: usize) -> Result<Vec<u16>, StreamError> {
    let header: &[u8; 64] = data.first_chunk().ok_or(DAMAGED)?;
    let mut words = header.as_chunks().0.iter().map(|b| u32::from_le_bytes(*b) as usize);
    let planes = usize::from(bits_allocated.div_ceil(8));
    if words.next() != Some(planes) {
        return Err(DAMAGED);
    }
    let starts: Vec<usize> = words.take(planes).chain([data.len()]).collect();
    // One-bit frames are packed before they are coded.
    let plane_bytes = if bits_allocated == 1 { samples.div_ceil(8) } else { samples };
    let mut out = Vec::new();
    let mut plane = vec![0; plane_bytes];
    for (n, ends) in starts.windows(2).enumerate() {
        let segment = data.get(ends[0]..ends[1]).ok_or(DAMAGED)?;
        if unpack_bits(segment, &mut plane) < plane_bytes {
            return Err(DAMAGED);
        }
        if n == 0 {
            out = plane.iter().map(|byte| u16::from(*byte)).collect();
        } else {
            out.iter_mut().zip(&plane).for_each(|(to, byte)| *to = *to << 8 | u16::from(*byte));
        }
    }
    if bits_allocated == 1 {
        out = (0..samples).map(|n| out[n / 8] >> (n % 8) & 1).collect();
    }
    Ok(out)
}

/// PackBits until `out` is full or the segment ends; returns how much of `out` was filled.
fn unpack_bits(segment: &[u8], out: &mut [u8]) -> usize {
    /// Runs up to this length are written as one block of it where there is room: most are short.
    const BLOCK: usize = 16;
    let (mut from, mut to) = (0, 0);
    while to < out.len() {
        let Some(&control) = segment.get(from) else { break };
        from += 1;
        let (rest, room) = (&segment[from..], &mut out[to..]);
        match control {
            0..=127 => {
                let n = usize::from(control) + 1;
                match (rest.first_chunk::<BLOCK>(), room.first_chunk_mut::<BLOCK>()) {
                    (Some(block), Some(place)) if n <= BLOCK => *place = *block,
                    _ => {
                        let n = n.min(rest.len()).min(room.len());
                        room[..n].copy_from_slice(&rest[..n]);
                        if n == rest.len() && n < usize::from(control) + 1 {
                            return to + n;
                        }
                    }
                }
                from += n;
                to += n;
            }
            128 => {}
            129..=255 => {
                let Some(&byte) = rest.first() else { break };
                let n = 257 - usize::from(control);
                match room.first_chunk_mut::<BLOCK>() {
                    Some(place) if n <= BLOCK => *place = [byte; BLOCK],
                    _ => {
                        let n = n.min(room.len());
                        room[..n].fill(byte);
                    }
                }
                from += 1;
                to += n;
            }
        }
    }
    to.min(out.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn unpacked(segment: &[u8], room: usize) -> Vec<u8> {
        let mut out = vec![0xEE; room];
        let filled = unpack_bits(segment, &mut out);
        out.truncate(filled);
        out
    }

    #[test]
    fn run_lengths() {
        assert_eq!(unpacked(&[2, 7, 8, 9, 254, 5, 128, 0, 1], 20), [7, 8, 9, 5, 5, 5, 1]);
        assert_eq!(unpacked(&[129, 5], 4), [5; 4]);
        assert_eq!(unpacked(&[129, 5], 200), [5; 128]);
        // Segments that end inside a run, and runs longer than what is wanted.
        assert_eq!(unpacked(&[9, 1, 2], 20), [1, 2]);
        assert!(unpacked(&[250], 20).is_empty());
        assert_eq!(unpacked(&[3, 1, 2, 3, 4], 2), [1, 2]);
        assert_eq!(unpacked(&[0, 1, 1, 2, 3, 251, 9, 0, 4], 10), [1, 2, 3, 9, 9, 9, 9, 9, 9, 4]);
    }

    #[test]
    fn runs_of_every_length_come_back() {
        for n in 1..=128usize {
            let literal: Vec<u8> = (0..n).map(|v| v as u8 ^ 0x55).collect();
            let segment = [&[n as u8 - 1], &literal[..], &[(257 - n.max(2)) as u8, 7]].concat();
            let wanted = [&literal[..], &vec![7; n.max(2)]].concat();
            assert_eq!(unpacked(&segment, wanted.len()), wanted);
            assert_eq!(unpacked(&segment, wanted.len() + 40), wanted);
        }
    }

    #[test]
    fn planes_are_joined_high_byte_first() {
        let mut data = vec![0; 64];
        (data[0], data[4], data[8]) = (2, 64, 68);
        data.extend([1, 0x12, 0xFF, 0, 255, 0x34]);
        assert_eq!(decode(&data, 16, 2), Ok(vec![0x1234, 0xFF34]));
        assert_eq!(decode(&data, 16, 3), Err(DAMAGED));
        assert_eq!(decode(&data, 8, 2), Err(DAMAGED));
        (data[4], data[8]) = (200, 100);
        assert_eq!(decode(&data, 16, 2), Err(DAMAGED));
    }
}
