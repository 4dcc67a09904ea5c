//! JPEG 2000 part 1 of one component (ITU-T T.800), in safe code.
//!
//! What archives write is decoded here: any tiles, levels, precincts, layers and progressions, both wavelets, code-blocks
//! in any style but vertically causal ones. Everything else, and everything that is damaged, is left to another decoder.

mod block;
mod header;
mod mq;
mod packets;
mod tag_tree;
#[cfg(test)]
mod tests;
mod wavelet;

use block::{Blocks, Style};
use header::Header;
use packets::{Block, Part, read_packet};

/// The codestream contradicts itself, or ends early.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Wrong;

/// Samples of the image, row by row, as they were before compression; `None` for what is not decoded here.
pub fn decode(stream: &[u8]) -> Result<Option<Vec<i32>>, Wrong> {
    let Some((header, at)) = header::read(stream)? else { return Ok(None) };
    let Some(tiles) = tile_data(stream, at, &header)? else { return Ok(None) };
    let [[x0, y0], [x1, y1]] = header.image;
    let width = x1 - x0;
    let mut image = vec![0; width * (y1 - y0)];
    let mut blocks = Blocks::default();
    for (n, data) in tiles.iter().enumerate() {
        let tile = Tile::new(&header, n)?;
        let samples = tile.decode(data, &mut blocks)?;
        let [[tx0, ty0], [tx1, ty1]] = tile.area;
        for (from, y) in samples.chunks_exact((tx1 - tx0).max(1)).zip(ty0..ty1) {
            image[(y - y0) * width + tx0 - x0..][..tx1 - tx0].copy_from_slice(from);
        }
    }
    Ok(Some(image))
}

/// The packets of every tile, its tile-parts joined; `None` when a tile-part has a coding of its own.
fn tile_data(stream: &[u8], mut at: usize, header: &Header) -> Result<Option<Vec<Vec<u8>>>, Wrong> {
    let [columns, rows] = header.tiles();
    let mut tiles = vec![Vec::new(); columns * rows];
    while stream.get(at..at + 2) == Some(&[0xFF, 0x90]) {
        let head: &[u8; 12] = stream.get(at..).and_then(|s| s.first_chunk()).ok_or(Wrong)?;
        let tile = usize::from(u16::from_be_bytes([head[4], head[5]]));
        let length = u32::from_be_bytes([head[6], head[7], head[8], head[9]]) as usize;
        // Without a length, the last tile-part goes on to the end.
        let end = if length == 0 { stream.len() } else { at.checked_add(length).ok_or(Wrong)? };
        let part = stream.get(at + 12..end).ok_or(Wrong)?;
        let mut start = 0;
        loop {
            let marker: &[u8; 4] = match part.get(start..).ok_or(Wrong)? {
                [0xFF, 0x93, ..] => break,
                rest => rest.first_chunk().ok_or(Wrong)?,
            };
            // Lengths of packets, and comments.
            if !matches!(marker[..2], [0xFF, 0x58 | 0x64]) {
                return Ok(None);
            }
            start += 2 + usize::from(u16::from_be_bytes([marker[2], marker[3]]));
        }
        tiles.get_mut(tile).ok_or(Wrong)?.extend_from_slice(&part[start + 2..]);
        at = end;
    }
    Ok(Some(tiles))
}

/// Most packets of a tile.
const MAX_PACKETS: usize = 1 << 20;
/// Passes over samples that a byte may ask for: an empty part of an image takes hundreds, more would be a bomb…
const WORK_OF_A_BYTE: usize = 4096;
/// …beyond what may be done in any case, a few tenths of a second.
const MOST_WORK: usize = 1 << 26;

type Area = [[usize; 2]; 2];

/// The area at `1 / 2^exponent` of the size, shifted by `offset` halves: equation B-15.
fn reduced([from, to]: Area, exponent: usize, offset: [usize; 2]) -> Area {
    let one = |v: usize, a: usize| {
        let shift = if exponent == 0 { 0 } else { offset[a] << (exponent - 1) };
        v.saturating_sub(shift).div_ceil(1 << exponent)
    };
    [[0, 1].map(|a| one(from[a], a)), [0, 1].map(|a| one(to[a], a))]
}

fn size([from, to]: Area) -> [usize; 2] {
    [0, 1].map(|a| to[a].saturating_sub(from[a]))
}

/// A subband: where it lies, and where in the tile's samples it is kept.
struct Band {
    area: Area,
    kind: usize,
    corner: [usize; 2],
    planes: u32,
    /// Half the quantisation step, since magnitudes are doubled.
    half_step: f32,
}

struct Resolution {
    parts: Vec<Vec<Part>>,
    /// Where each precinct begins on the reference grid.
    places: Vec<[usize; 2]>,
}

struct Tile<'h> {
    header: &'h Header,
    area: Area,
    levels: Vec<Area>,
    bands: Vec<Band>,
}

impl Header {
    /// Columns and rows of tiles.
    fn tiles(&self) -> [usize; 2] {
        [0, 1].map(|a| self.image[1][a].saturating_sub(self.tile_origin[a]).div_ceil(self.tile_size[a]))
    }
}

impl<'h> Tile<'h> {
    fn new(header: &'h Header, n: usize) -> Result<Self, Wrong> {
        let columns = header.tiles()[0].max(1);
        let place = [n % columns, n / columns];
        let bound = |more: usize| -> [usize; 2] {
            [0, 1].map(|a| header.tile_origin[a] + (place[a] + more) * header.tile_size[a])
        };
        let [low, high] = [bound(0), bound(1)];
        let [from, to] = header.image;
        let area = [[0, 1].map(|a| low[a].max(from[a])), [0, 1].map(|a| high[a].min(to[a]))];
        if area[0][0] >= area[1][0] || area[0][1] >= area[1][1] {
            return Err(Wrong);
        }
        let levels: Vec<Area> = (0..=header.levels).map(|r| reduced(area, header.levels - r, [0, 0])).collect();
        let mut bands = Vec::new();
        for (r, &level) in levels.iter().enumerate() {
            let below = if r == 0 { [0, 0] } else { size(levels[r - 1]) };
            let kinds = if r == 0 { 0..1 } else { 1..4 };
            let depth = if r == 0 { header.levels } else { header.levels - r + 1 };
            for kind in kinds {
                let offset = [kind & 1, kind >> 1];
                let (exponent, mantissa) = *header.steps.get(bands.len()).ok_or(Wrong)?;
                // Equation E-3, but for the gain of a high band, which is left to the wavelet.
                let step = f32::from(2048 + mantissa as u16) / 2048.0 * 2f32.powi(header.bits as i32 - exponent as i32);
                bands.push(Band {
                    area: if r == 0 { level } else { reduced(area, depth, offset) },
                    kind,
                    corner: [below[0] * offset[0], below[1] * offset[1]],
                    planes: (header.guard_bits + exponent).checked_sub(1).filter(|p| *p <= 30).ok_or(Wrong)?,
                    half_step: step / 2.0,
                });
            }
        }
        Ok(Self { header, area, levels, bands })
    }

    fn decode(&self, data: &[u8], blocks: &mut Blocks) -> Result<Vec<i32>, Wrong> {
        let mut resolutions: Vec<Resolution> = (0..self.levels.len()).map(|r| self.resolution(r)).collect();
        self.read_packets(data, &mut resolutions)?;
        let [width, height] = size(self.area);
        let parts = resolutions.iter().flat_map(|r| r.parts.iter().flatten());
        let bits = self.header.bits;
        let (low, high) =
            if self.header.signed { (-(1 << (bits - 1)), (1 << (bits - 1)) - 1) } else { (0, (1 << bits) - 1) };
        let shift = if self.header.signed { 0 } else { 1 << (bits - 1) };
        if self.header.reversible {
            let mut samples = vec![0i32; width * height];
            // Magnitudes are doubled.
            self.place(parts, blocks, &mut samples, |v, _| v / 2)?;
            wavelet::join(&mut samples, width, &self.levels);
            samples.iter_mut().for_each(|v| *v = v.saturating_add(shift).clamp(low, high));
            Ok(samples)
        } else {
            let mut samples = vec![0f32; width * height];
            self.place(parts, blocks, &mut samples, |v, band| v as f32 * band.half_step)?;
            wavelet::join(&mut samples, width, &self.levels);
            Ok(samples
                .into_iter()
                .map(|v| (v.round_ties_even() as i32).saturating_add(shift).clamp(low, high))
                .collect())
        }
    }

    /// Precincts and code-blocks of a resolution (B.6, B.7).
    fn resolution(&self, r: usize) -> Resolution {
        let header = self.header;
        let level = self.levels[r];
        let precinct = header.precincts[r];
        let halved = usize::from(r > 0);
        let first = [0, 1].map(|a| level[0][a] >> precinct[a]);
        let count = [0, 1].map(|a| match level[1][a] > level[0][a] {
            true => level[1][a].div_ceil(1 << precinct[a]) - first[a],
            false => 0,
        });
        let bands = if r == 0 { 0..1 } else { 3 * r - 2..3 * r + 1 };
        let scale = header.levels - r;
        let (mut parts, mut places) = (Vec::new(), Vec::new());
        for py in 0..count[1] {
            for px in 0..count[0] {
                let at = [first[0] + px, first[1] + py];
                places.push([0, 1].map(|a| ((at[a] << precinct[a]) << scale).max(self.area[0][a])));
                let of_band = |band: usize| {
                    let area = self.bands[band].area;
                    let edge = [0, 1].map(|a| precinct[a] as usize - halved);
                    let from = [0, 1].map(|a| (at[a] << edge[a]).max(area[0][a]));
                    let to = [0, 1].map(|a| ((at[a] + 1) << edge[a]).min(area[1][a]));
                    let block = [0, 1].map(|a| (header.block[a] as usize).min(edge[a]));
                    let mut blocks = Vec::new();
                    let mut columns = 0;
                    if from[0] < to[0] && from[1] < to[1] {
                        let range = |a: usize| from[a] >> block[a]..to[a].div_ceil(1 << block[a]);
                        columns = range(0).len();
                        for by in range(1) {
                            for bx in range(0) {
                                let at = [bx, by];
                                blocks.push(Block::new([
                                    [0, 1].map(|a| (at[a] << block[a]).max(from[a])),
                                    [0, 1].map(|a| ((at[a] + 1) << block[a]).min(to[a])),
                                ]));
                            }
                        }
                    }
                    Part::new(band, columns, blocks)
                };
                parts.push(bands.clone().map(of_band).collect());
            }
        }
        Resolution { parts, places }
    }

    /// Packets in the order of the progression (B.12).
    fn read_packets(&self, data: &[u8], resolutions: &mut [Resolution]) -> Result<(), Wrong> {
        let (header, mut at) = (self.header, 0);
        let precincts: usize = resolutions.iter().map(|r| r.parts.len()).sum();
        if precincts * header.layers as usize > MAX_PACKETS {
            return Err(Wrong);
        }
        // Layer, resolution, precinct.
        let mut order: Vec<(u32, usize, usize)> = Vec::new();
        for (r, resolution) in resolutions.iter().enumerate() {
            for p in 0..resolution.parts.len() {
                order.extend((0..header.layers).map(|layer| (layer, r, p)));
            }
        }
        match header.progression {
            0 => order.sort(),
            1 | 2 => {
                order.sort_by_key(
                    |&(layer, r, p)| {
                        if header.progression == 1 { (r, layer as usize, p) } else { (r, p, layer as usize) }
                    },
                )
            }
            // One component: by position, then by resolution.
            _ => order.sort_by_key(|&(layer, r, p)| {
                let [x, y] = resolutions[r].places[p];
                (y, x, r, p, layer)
            }),
        }
        for (layer, r, p) in order {
            at = read_packet(data, at, &mut resolutions[r].parts[p], layer, (header.style, header.framing))?;
        }
        Ok(())
    }

    /// Decodes all code-blocks into their places.
    fn place<'p, T>(
        &self,
        parts: impl Iterator<Item = &'p Part>,
        blocks: &mut Blocks,
        samples: &mut [T],
        value: impl Fn(i32, &Band) -> T,
    ) -> Result<(), Wrong> {
        let stride = size(self.area)[0];
        let style: Style = self.header.style;
        let mut work = 0;
        for part in parts {
            let band = &self.bands[part.band];
            for block in part.blocks.iter().filter(|b| !b.segments.is_empty()) {
                let planes = band.planes.checked_sub(block.zero_planes).ok_or(Wrong)?;
                let [width, height] = size(block.area);
                work += width * height * block.segments.iter().map(|s| s.passes as usize).sum::<usize>();
                work = work.saturating_sub(WORK_OF_A_BYTE * block.data.len());
                if work > MOST_WORK {
                    return Err(Wrong);
                }
                blocks.decode([width, height], (&block.data, &block.segments), planes, band.kind, style);
                let [x, y] = [0, 1].map(|a| block.area[0][a] - band.area[0][a] + band.corner[a]);
                for row in 0..height {
                    let to = &mut samples[(y + row) * stride + x..][..width];
                    to.iter_mut().zip(blocks.row(row)).for_each(|(to, v)| *to = value(v, band));
                }
            }
        }
        Ok(())
    }
}
