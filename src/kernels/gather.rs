//! Which numbers of a source picture an output pixel of a convolution sees, cut into regions that fit into the cache.
//!
//! Pictures lie channels last (`[image][row][column][channel]`). A [`Gather`] walks over output pixels and reads, at each
//! of its taps, all channels of one source pixel; forward passes, gradients of inputs and gradients of weights are all
//! made from it. Used by `conv` and `weights` of this folder.

use std::ops::Range;

/// Bytes that a region's source pixels should not exceed.
const REGION_BYTES: usize = 160 << 10;
/// Pixels that a region should have at least.
const REGION_PIXELS: usize = 64;
/// Regions that a picture should be cut into at least.
const REGIONS: usize = 16;

/// One source, or two whose channels follow each other.
#[derive(Clone, Copy)]
pub struct Source<'a> {
    pub first: &'a [f32],
    pub first_channels: usize,
    pub second: Option<(&'a [f32], usize)>,
}

impl<'a> Source<'a> {
    /// A single source.
    pub fn one(values: &'a [f32], channels: usize) -> Self {
        Self { first: values, first_channels: channels, second: None }
    }

    /// Channels of both.
    pub fn channels(&self) -> usize {
        self.first_channels + self.second.map_or(0, |(_, channels)| channels)
    }
}

/// A walk over output pixels.
pub struct Gather<'a> {
    pub source: Source<'a>,
    pub images: usize,
    /// Rows and columns of the source.
    pub size: [usize; 2],
    /// Rows and columns of the source between two output pixels.
    pub stride: usize,
    /// Rows and columns from an output pixel's place in the source, sorted.
    pub taps: Vec<[isize; 2]>,
    /// Rows and columns of output pixels.
    pub out: [usize; 2],
}

/// Output pixels that are worked on together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Region {
    pub images: Range<usize>,
    pub rows: Range<usize>,
    pub columns: Range<usize>,
}

/// What a thread keeps between regions.
#[derive(Default)]
pub struct Scratch {
    values: Vec<f32>,
    /// Where each output pixel's place is, from the first number of the source.
    pub bases: Vec<usize>,
    /// Runs of numbers that follow each other: their place from a pixel's base, and their length.
    pub runs: Vec<(usize, usize)>,
}

impl Gather<'_> {
    fn spans(&self) -> ([isize; 2], [isize; 2]) {
        let (mut low, mut high) = ([isize::MAX; 2], [isize::MIN; 2]);
        for tap in &self.taps {
            for axis in 0..2 {
                low[axis] = low[axis].min(tap[axis]);
                high[axis] = high[axis].max(tap[axis]);
            }
        }
        (low, high)
    }

    /// Numbers that a sum runs over.
    pub fn depth(&self) -> usize {
        self.taps.len() * self.source.channels()
    }

    /// All output pixels, cut by shape alone, so that sums over regions come out the same with any number of threads.
    pub fn regions(&self) -> Vec<Region> {
        let [rows, columns] = self.out;
        if rows * columns * self.images == 0 || self.taps.is_empty() {
            return Vec::new();
        }
        let (low, high) = self.spans();
        let (extra_rows, extra_columns) = ((high[0] - low[0]) as usize, (high[1] - low[1]) as usize);
        let pixel = self.source.channels() * 4;
        let bytes = |r: usize, c: usize| {
            ((r - 1) * self.stride + 1 + extra_rows) * ((c - 1) * self.stride + 1 + extra_columns) * pixel
        };
        let mut wide = columns;
        while wide > 48 && bytes(1, wide) > REGION_BYTES {
            wide = wide.div_ceil(2).next_multiple_of(24);
        }
        let enough = (rows * columns * self.images / REGIONS).max(REGION_PIXELS);
        let mut tall = 1;
        while tall < rows && tall * wide < enough && bytes(tall + 1, wide) <= REGION_BYTES {
            tall += 1;
        }
        tall = rows.div_ceil(rows.div_ceil(tall));
        let mut together = 1;
        if tall == rows && wide == columns {
            while together < self.images
                && together * rows * columns < enough
                && (together + 1) * bytes(rows, columns) <= REGION_BYTES
            {
                together += 1;
            }
        }
        let cuts = |total: usize, piece: usize| (0..total).step_by(piece).map(move |a| a..(a + piece).min(total));
        let mut out = Vec::new();
        for images in cuts(self.images, together) {
            for rows in cuts(rows, tall) {
                for columns in cuts(columns, wide) {
                    out.push(Region { images: images.clone(), rows: rows.clone(), columns });
                }
            }
        }
        out
    }

    /// Makes `scratch` describe a region. The numbers start at the pointer that is given back: in the source itself
    /// where no tap leaves it, else in a copy with zeros around it. `slack` numbers behind the last one may be read.
    pub fn place(&self, region: &Region, scratch: &mut Scratch, slack: usize) -> *const f32 {
        let channels = self.source.channels();
        let (low, high) = self.spans();
        let at = |start: usize, low: isize| (start * self.stride) as isize + low;
        let (top, left) = (at(region.rows.start, low[0]), at(region.columns.start, low[1]));
        let tall = (region.rows.len() - 1) * self.stride + 1 + (high[0] - low[0]) as usize;
        let wide = (region.columns.len() - 1) * self.stride + 1 + (high[1] - low[1]) as usize;
        let [height, width] = self.size;
        let inside = top >= 0
            && left >= 0
            && top as usize + tall <= height
            && left as usize + wide <= width
            && self.source.second.is_none();
        // The last image's last pixel may have nothing behind it.
        let last = ((region.images.end - 1) * height * width
            + (top.max(0) as usize + tall - 1) * width
            + left.max(0) as usize
            + wide)
            * channels;
        let direct = inside && last + slack <= self.source.first.len();
        let (pitch, image, start) = if direct {
            let image = height * width * channels;
            let start = region.images.start * image + (top as usize * width + left as usize) * channels;
            (width * channels, image, start)
        } else {
            (wide * channels, tall * wide * channels, 0)
        };
        scratch.bases.clear();
        for n in 0..region.images.len() {
            for r in 0..region.rows.len() {
                let row = start + n * image + r * self.stride * pitch;
                scratch.bases.extend((0..region.columns.len()).map(|c| row + c * self.stride * channels));
            }
        }
        scratch.runs.clear();
        for tap in &self.taps {
            let place = (tap[0] - low[0]) as usize * pitch + (tap[1] - low[1]) as usize * channels;
            match scratch.runs.last_mut() {
                Some((from, length)) if *from + *length == place => *length += channels,
                _ => scratch.runs.push((place, channels)),
            }
        }
        if direct {
            return self.source.first.as_ptr();
        }
        scratch.values.clear();
        let needed = region.images.len() * image + slack;
        scratch.values.reserve(needed);
        for n in region.images.clone() {
            for r in 0..tall as isize {
                self.copy_row(n, top + r, left, wide, &mut scratch.values);
            }
        }
        scratch.values.resize(needed, 0.0);
        scratch.values.as_ptr()
    }

    /// Appends `wide` pixels of a row from `left`, zeros for what lies outside.
    fn copy_row(&self, n: usize, row: isize, left: isize, wide: usize, to: &mut Vec<f32>) {
        let channels = self.source.channels();
        let [height, width] = self.size;
        let from = left.clamp(0, width as isize) as usize;
        let end = (left + wide as isize).clamp(0, width as isize) as usize;
        if row < 0 || row >= height as isize || from >= end {
            to.resize(to.len() + wide * channels, 0.0);
            return;
        }
        let before = (from as isize - left) as usize;
        to.resize(to.len() + before * channels, 0.0);
        let line = (n * height + row as usize) * width;
        match self.source.second {
            None => to.extend_from_slice(&self.source.first[(line + from) * channels..(line + end) * channels]),
            Some((second, b)) => {
                let a = self.source.first_channels;
                let first = self.source.first[(line + from) * a..(line + end) * a].chunks_exact(a);
                for (x, y) in first.zip(second[(line + from) * b..(line + end) * b].chunks_exact(b)) {
                    to.extend_from_slice(x);
                    to.extend_from_slice(y);
                }
            }
        }
        to.resize(to.len() + (wide - before - (end - from)) * channels, 0.0);
    }
}
