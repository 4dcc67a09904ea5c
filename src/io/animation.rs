//! A stack of pictures as an animated GIF or as a folder of PNG files.

use crate::io::atomic::{FolderWrite, plain_reason, write_atomic};
use crate::jobs::JobContext;
use image::RgbImage;
use std::borrow::Cow;
use std::collections::HashMap;
use std::io;
use std::path::{Path, PathBuf};

/// Why a stack was not written.
#[derive(Debug, thiserror::Error)]
pub enum AnimationError {
    #[error("{} was not written: {}", path.display(), plain_reason(source))]
    Write { path: PathBuf, source: io::Error },
    #[error("{} holds other files: choose a new folder for the pictures", .0.display())]
    Occupied(PathBuf),
    #[error("pictures of {0} x {1} pixels do not fit into a GIF: write PNG pictures instead")]
    Size(u32, u32),
    #[error("the export was stopped before the end")]
    Cancelled,
}

/// Writes an endless GIF; `frames` makes picture `n` of `count`, all of one size.
///
/// # Errors
/// [`AnimationError`]; no file is left then, and an older one is untouched.
pub fn save_gif(
    path: &Path,
    count: usize,
    per_second: f64,
    frames: impl Fn(usize) -> RgbImage,
    ctx: &JobContext<()>,
) -> Result<(), AnimationError> {
    let mut reason = None;
    let written = write_atomic(path, |file| {
        let mut encoder = None;
        let mut file = Some(file);
        // Hundredths of a second; many programs show less than two as ten.
        let delay = (100.0 / per_second.max(0.1)).round().clamp(2.0, 1000.0) as u16;
        for n in 0..count {
            if ctx.is_cancelled() {
                reason = Some(AnimationError::Cancelled);
                return Err(io::ErrorKind::Interrupted.into());
            }
            ctx.progress.set(n as u64, count as u64);
            ctx.wake();
            let picture = frames(n);
            let (width, height) = picture.dimensions();
            let (Ok(w), Ok(h)) = (u16::try_from(width), u16::try_from(height)) else {
                reason = Some(AnimationError::Size(width, height));
                return Err(io::ErrorKind::InvalidInput.into());
            };
            let encoder = match &mut encoder {
                Some(known) => known,
                None => {
                    let Some(file) = file.take() else { continue };
                    let mut new = gif::Encoder::new(file, w, h, &[]).map_err(io::Error::other)?;
                    new.set_repeat(gif::Repeat::Infinite).map_err(io::Error::other)?;
                    encoder.insert(new)
                }
            };
            let mut frame = frame_of(&picture, w, h);
            frame.delay = delay;
            encoder.write_frame(&frame).map_err(io::Error::other)?;
        }
        Ok(())
    });
    match (written, reason) {
        (_, Some(reason)) => Err(reason),
        (Err(source), None) => Err(AnimationError::Write { path: path.to_owned(), source }),
        (Ok(()), None) => Ok(()),
    }
}

/// Exact where a picture has no more than 256 colours, as greys have; else with the best palette that is quickly found.
fn frame_of(picture: &RgbImage, w: u16, h: u16) -> gif::Frame<'static> {
    let mut places: HashMap<[u8; 3], u8> = HashMap::new();
    let mut palette: Vec<u8> = Vec::new();
    let mut indices = Vec::with_capacity(picture.as_raw().len() / 3);
    for pixel in picture.pixels() {
        let next = places.len();
        let place = match places.get(&pixel.0) {
            Some(place) => *place,
            None => {
                let Ok(place) = u8::try_from(next) else {
                    return gif::Frame::from_rgb_speed(w, h, picture.as_raw(), 10);
                };
                places.insert(pixel.0, place);
                palette.extend(pixel.0);
                place
            }
        };
        indices.push(place);
    }
    gif::Frame { width: w, height: h, buffer: Cow::Owned(indices), palette: Some(palette), ..gif::Frame::default() }
}

/// Writes `0001.png` and so on into a new folder.
///
/// # Errors
/// [`AnimationError`]; no folder is left then.
pub fn save_png_sequence(
    folder: &Path,
    count: usize,
    frames: impl Fn(usize) -> RgbImage,
    ctx: &JobContext<()>,
) -> Result<(), AnimationError> {
    let failed = |source| AnimationError::Write { path: folder.to_owned(), source };
    let out = FolderWrite::begin(folder).map_err(|source| match source.kind() {
        io::ErrorKind::AlreadyExists => AnimationError::Occupied(folder.to_owned()),
        _ => failed(source),
    })?;
    for n in 0..count {
        if ctx.is_cancelled() {
            return Err(AnimationError::Cancelled);
        }
        ctx.progress.set(n as u64, count as u64);
        ctx.wake();
        let path = out.path().join(format!("{:04}.png", n + 1));
        frames(n)
            .save_with_format(path, image::ImageFormat::Png)
            .map_err(|e| failed(io::Error::other(e.to_string())))?;
    }
    out.finish().map_err(failed)
}

#[cfg(test)]
mod tests {
    use super::*;
    use image::Rgb;

    /// A grey slope, and a coloured pixel that moves.
    fn picture(n: usize) -> RgbImage {
        RgbImage::from_fn(
            40,
            30,
            |x, y| if x == n as u32 && y == 3 { Rgb([230, 159, 0]) } else { Rgb([(x * 6) as u8; 3]) },
        )
    }

    fn decoded(path: &Path) -> (Vec<RgbImage>, Vec<u16>) {
        let mut options = gif::DecodeOptions::new();
        options.set_color_output(gif::ColorOutput::RGBA);
        let mut decoder = options.read_info(std::fs::File::open(path).unwrap()).unwrap();
        let (mut pictures, mut delays) = (Vec::new(), Vec::new());
        while let Some(frame) = decoder.read_next_frame().unwrap() {
            let rgb: Vec<u8> = frame.buffer.chunks_exact(4).flat_map(|p| [p[0], p[1], p[2]]).collect();
            pictures.push(RgbImage::from_raw(frame.width.into(), frame.height.into(), rgb).unwrap());
            delays.push(frame.delay);
        }
        (pictures, delays)
    }

    #[test]
    fn a_gif_gives_back_every_pixel_of_a_plain_stack() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("stack.gif");
        save_gif(&path, 5, 12.0, picture, &JobContext::detached()).unwrap();
        let (pictures, delays) = decoded(&path);
        assert_eq!(delays, [8; 5]);
        for (n, read) in pictures.iter().enumerate() {
            assert_eq!(*read, picture(n));
        }
    }

    #[test]
    fn many_colours_stay_close() {
        let colourful = |_| RgbImage::from_fn(64, 64, |x, y| Rgb([(x * 4) as u8, (y * 4) as u8, (x + y) as u8]));
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("many.gif");
        save_gif(&path, 1, 5.0, colourful, &JobContext::detached()).unwrap();
        let (pictures, _) = decoded(&path);
        let wanted = colourful(0);
        let far = pictures[0].as_raw().iter().zip(wanted.as_raw()).map(|(a, b)| u64::from(a.abs_diff(*b)));
        let mean = far.sum::<u64>() as f64 / (64.0 * 64.0 * 3.0);
        assert!(mean < 16.0, "{mean}");
    }

    #[test]
    fn pictures_are_numbered_and_a_stopped_export_leaves_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let folder = dir.path().join("slices");
        let ctx = JobContext::detached();
        save_png_sequence(&folder, 3, picture, &ctx).unwrap();
        let read = image::open(folder.join("0002.png")).unwrap().to_rgb8();
        assert_eq!(read, picture(1));
        assert_eq!(std::fs::read_dir(&folder).unwrap().count(), 3);
        assert!(matches!(save_png_sequence(&folder, 3, picture, &ctx), Err(AnimationError::Occupied(_))));
        ctx.cancel.cancel();
        let (other, file) = (dir.path().join("other"), dir.path().join("other.gif"));
        assert!(matches!(save_png_sequence(&other, 3, picture, &ctx), Err(AnimationError::Cancelled)));
        assert!(matches!(save_gif(&file, 3, 9.0, picture, &ctx), Err(AnimationError::Cancelled)));
        assert!(!other.exists() && !file.exists());
    }
}
