//! What a JPEG 2000 codestream asks of a decoder beyond its size: resolutions, precincts, code-blocks, packets.
//! Private to `io::dicom`; asked before a decoder sees the bytes.
//!
//! A decoder sets memory aside and loops by these numbers, which a header of a hundred bytes can make billions of
//! (ITU-T T.800 annex A.4 to A.6, B.3 to B.12). What cannot be followed here is left to the decoder and to the limits of
//! the process that it runs in.

/// Most decomposition levels that the format knows.
const MAX_LEVELS: u32 = 32;
/// Precincts of all tiles and resolutions: 4096 x 4096 samples in squares of 32.
const MAX_PRECINCTS: u64 = 1 << 15;
/// Code-blocks of all tiles and resolutions: 4096 x 4096 samples in squares of 16.
const MAX_CODE_BLOCKS: u64 = 1 << 17;
/// Packets: a layer of a precinct each.
const MAX_PACKETS: u64 = 1 << 22;

const COD: u8 = 0x52;
const COC: u8 = 0x53;
const SOT: u8 = 0x90;
const SOD: u8 = 0x93;

/// Sizes of the image that the numbers below are about.
struct Grid {
    tile: [u64; 2],
    tiles: u64,
    /// A component's number takes two bytes in a header.
    many_components: bool,
    layers: u64,
}

/// Looks at the main header and at the header of each tile-part.
///
/// # Errors
/// The reason, as the end of a sentence.
pub(super) fn check(stream: &[u8]) -> Result<(), String> {
    let Some(mut grid) = grid(stream) else { return Ok(()) };
    let mut at = 4 + usize::from(be16(stream, 4).unwrap_or(0));
    let mut part_end = None;
    loop {
        let (Some(&[0xFF, marker]), Some(length)) =
            (stream.get(at..at + 2).and_then(|m| m.first_chunk()), be16(stream, at + 2))
        else {
            return Ok(());
        };
        let segment = stream.get(at + 4..at + 2 + usize::from(length)).unwrap_or_default();
        match marker {
            COD => {
                grid.layers = grid.layers.max(u64::from(be16(segment, 2).unwrap_or(0)));
                let flags = segment.first().copied().unwrap_or(0);
                grid.check(flags, segment.get(5..).unwrap_or_default())?;
            }
            COC => {
                let skip = if grid.many_components { 2 } else { 1 };
                let flags = segment.get(skip).copied().unwrap_or(0);
                grid.check(flags, segment.get(skip + 1..).unwrap_or_default())?;
            }
            SOT => {
                let whole =
                    segment.get(2..6).and_then(|b| b.first_chunk()).map_or(0, |b| u32::from_be_bytes(*b) as usize);
                part_end = (whole > 0).then(|| at.saturating_add(whole));
            }
            SOD => match part_end.take() {
                // Every tile-part is longer than its own header, so this ends.
                Some(end) if end > at => {
                    at = end;
                    continue;
                }
                _ => return Ok(()),
            },
            _ => {}
        }
        at += 2 + usize::from(length.max(2));
    }
}

fn grid(stream: &[u8]) -> Option<Grid> {
    let [xsiz, ysiz, xo, yo, xt, yt] = [8, 12, 16, 20, 24, 28].map(|at| be32(stream, at));
    let (width, height) = (xsiz?.checked_sub(xo?)?, ysiz?.checked_sub(yo?)?);
    let (xt, yt) = (xt?.max(1), yt?.max(1));
    Some(Grid {
        tile: [xt.min(width), yt.min(height)],
        tiles: xsiz?.div_ceil(xt).saturating_mul(ysiz?.div_ceil(yt)),
        many_components: be16(stream, 40)? > 256,
        layers: 1,
    })
}

impl Grid {
    /// Checks the coding style of one component: levels, code-block size, two bytes, then the precincts.
    fn check(&self, flags: u8, style: &[u8]) -> Result<(), String> {
        let &[levels, block_width, block_height, ..] = style else { return Ok(()) };
        let levels = u32::from(levels);
        if levels > MAX_LEVELS || block_width > 8 || block_height > 8 {
            return Err("its JPEG 2000 header holds sizes that the format does not know".into());
        }
        let (mut precincts, mut most, mut blocks) = (0u64, 0u64, 0u64);
        for resolution in 0..=levels {
            // 2^15 unless the header says otherwise.
            let exponents =
                if flags & 1 == 1 { style.get(5 + resolution as usize).copied().unwrap_or(0xFF) } else { 0xFF };
            let size = self.tile.map(|length| length.div_ceil(1 << (levels - resolution)));
            let precinct = [u32::from(exponents & 15), u32::from(exponents >> 4)];
            let block = [u32::from(block_width) + 2, u32::from(block_height) + 2];
            let count = |exponents: [u32; 2]| {
                size.iter().zip(exponents).map(|(length, e)| length.div_ceil(1 << e)).product::<u64>()
            };
            most = most.max(count(precinct));
            precincts += count(precinct);
            // Bands are half a resolution's size, and so is a precinct in them.
            let inner = |a: usize| block[a].min(precinct[a].saturating_sub(u32::from(resolution > 0)));
            blocks += count([inner(0), inner(1)]);
        }
        let [precincts, blocks] = [precincts, blocks].map(|n| n.saturating_mul(self.tiles));
        let packets = precincts.saturating_mul(self.layers);
        let order = (self.layers + 1).saturating_mul(u64::from(levels) + 1).saturating_mul(most);
        if precincts > MAX_PRECINCTS || blocks > MAX_CODE_BLOCKS || packets.max(order) > MAX_PACKETS {
            return Err(format!(
                "its JPEG 2000 image is cut into {precincts} precincts, {blocks} blocks and {packets} packets, more than any image needs"
            ));
        }
        Ok(())
    }
}

fn be16(data: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_be_bytes(*data.get(at..)?.first_chunk()?))
}

fn be32(data: &[u8], at: usize) -> Option<u64> {
    Some(u64::from(u32::from_be_bytes(*data.get(at..)?.first_chunk()?)))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Main header of a grey image, then one tile-part with a coding style of its own.
    fn stream(size: u32, tile: u32, layers: u16, style: &[u8], tile_style: &[u8]) -> Vec<u8> {
        let mut out = vec![0xFF, 0x4F, 0xFF, 0x51, 0, 41, 0, 0];
        for v in [size, size, 0, 0, tile, tile, 0, 0] {
            out.extend(v.to_be_bytes());
        }
        out.extend([0, 1, 15, 1, 1]);
        let cod = |style: &[u8]| {
            let flags = u8::from(style.len() > 5);
            [&[0xFF, COD][..], &(7 + style.len() as u16).to_be_bytes(), &[flags, 0], &layers.to_be_bytes(), &[0], style]
                .concat()
        };
        out.extend(cod(style));
        let inner = cod(tile_style);
        out.extend([0xFF, SOT, 0, 10, 0, 0]);
        out.extend((12 + inner.len() as u32 + 4).to_be_bytes());
        out.extend([0, 1]);
        out.extend(inner);
        out.extend([0xFF, SOD, 0, 0, 0xFF, 0xD9]);
        out
    }

    const PLAIN: [u8; 5] = [5, 4, 4, 0, 1];

    #[test]
    fn what_archives_write_passes() {
        assert_eq!(check(&stream(512, 512, 1, &PLAIN, &PLAIN)), Ok(()));
        assert_eq!(check(&stream(4096, 128, 8, &[3, 4, 4, 0, 1], &PLAIN[..5])), Ok(()));
        let precincts = [5, 4, 4, 0, 0, 0x77, 0x77, 0x88, 0x88, 0x88, 0x88];
        assert_eq!(check(&stream(4096, 4096, 20, &precincts, &precincts)), Ok(()));
        assert_eq!(check(&stream(4096, 4096, 1, &[5, 3, 3, 0, 1], &PLAIN)), Ok(()));
    }

    #[test]
    fn what_would_take_gigabytes_or_hours_is_refused() {
        let tiny = [5, 4, 4, 0, 0, 0x11, 0x11, 0x11, 0x11, 0x11, 0x11];
        for (what, bytes) in [
            ("precincts", stream(2048, 2048, 1, &tiny, &PLAIN)),
            ("precincts in a tile-part", stream(2048, 2048, 1, &PLAIN, &tiny)),
            ("packets", stream(4096, 64, 65535, &PLAIN, &PLAIN)),
            ("code-blocks", stream(4096, 4096, 1, &[0, 0, 0, 0, 1], &PLAIN)),
            ("levels", stream(64, 64, 1, &[200, 4, 4, 0, 1], &PLAIN)),
        ] {
            let reason = check(&bytes).expect_err(what);
            assert!(reason.starts_with("its JPEG 2000"), "{reason}");
        }
    }

    #[test]
    fn any_bytes_are_survived() {
        let whole = stream(512, 512, 1, &PLAIN, &PLAIN);
        for length in 0..whole.len() {
            let _ = check(&whole[..length]);
            for value in [0, 1, 0x7F, 0x80, 0xFF] {
                let mut bytes = whole.clone();
                bytes[length] = value;
                let _ = check(&bytes);
            }
        }
    }
}
