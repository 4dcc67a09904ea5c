//! Drawing on a page, and the file around the pages (ISO 32000-1).

use super::font::Font;
use crate::report::plot::Ink;
use crate::report::{Picture, ReportError};
use flate2::Compression;
use flate2::write::ZlibEncoder;
use pdf_writer::types::{CidFontType, FontFlags, SystemInfo, UnicodeCmap};
use pdf_writer::{Content, Filter, Finish, Name, Pdf, Rect, Ref, Str, TextStr};
use std::io::Write;

/// A4 in points.
pub(super) const WIDTH: f64 = 595.28;
pub(super) const HEIGHT: f64 = 841.89;

const FONT: Name = Name(b"F");
const SYSTEM: SystemInfo = SystemInfo { registry: Str(b"Adobe"), ordering: Str(b"Identity"), supplement: 0 };
const FONT_NAME: Name = Name(b"MWKWGT+Ubuntu-Light");

/// One page; coordinates count from the upper left corner.
pub(super) struct Page {
    content: Content,
    pictures: Vec<Picture>,
    /// What [`Page::text`] wrote, a line each: the content holds glyphs alone.
    #[cfg(test)]
    pub words: String,
}

impl Default for Page {
    fn default() -> Self {
        Self {
            content: Content::new(),
            pictures: Vec::new(),
            #[cfg(test)]
            words: String::new(),
        }
    }
}

fn color(content: &mut Content, [r, g, b]: Ink, stroke: bool) {
    let [r, g, b] = [r, g, b].map(|c| f32::from(c) / 255.0);
    if stroke {
        content.set_stroke_rgb(r, g, b);
    } else {
        content.set_fill_rgb(r, g, b);
    }
}

fn at([x, y]: [f64; 2]) -> (f32, f32) {
    (x as f32, (HEIGHT - y) as f32)
}

impl Page {
    /// `place` is where the base line begins.
    pub fn text(&mut self, font: &mut Font, place: [f64; 2], text: &str, size: f64, ink: Ink, bold: bool) {
        if text.is_empty() {
            return;
        }
        #[cfg(test)]
        {
            self.words += text;
            self.words.push('\n');
        }
        let (x, y) = at(place);
        color(&mut self.content, ink, false);
        if bold {
            // The font has one weight: a rim of its own colour makes it heavier.
            color(&mut self.content, ink, true);
            self.content.set_line_width(size as f32 * 0.028);
        }
        self.content.begin_text();
        let mode = if bold {
            pdf_writer::types::TextRenderingMode::FillStroke
        } else {
            pdf_writer::types::TextRenderingMode::Fill
        };
        self.content.set_text_rendering_mode(mode);
        self.content.set_font(FONT, size as f32);
        self.content.next_line(x, y);
        self.content.show(Str(&font.encode(text)));
        self.content.end_text();
    }

    pub fn line(&mut self, points: &[[f64; 2]], width: f64, ink: Ink, dashed: bool) {
        let Some((first, rest)) = points.split_first().filter(|(_, rest)| !rest.is_empty()) else { return };
        color(&mut self.content, ink, true);
        self.content.set_line_width(width as f32);
        self.content.set_dash_pattern(if dashed { [3.0, 2.5] } else { [0.0; 2] }.into_iter().filter(|d| *d > 0.0), 0.0);
        let (x, y) = at(*first);
        self.content.move_to(x, y);
        for point in rest {
            let (x, y) = at(*point);
            self.content.line_to(x, y);
        }
        self.content.stroke();
    }

    pub fn rect(&mut self, min: [f64; 2], max: [f64; 2], ink: Ink) {
        color(&mut self.content, ink, false);
        let (x, y) = at([min[0], max[1]]);
        self.content.rect(x, y, (max[0] - min[0]) as f32, (max[1] - min[1]) as f32);
        self.content.fill_nonzero();
    }

    pub fn dot(&mut self, centre: [f64; 2], radius: f64, ink: Ink) {
        color(&mut self.content, ink, false);
        let (x, y) = at(centre);
        // Four cubic arcs; the handle length that keeps a circle's middle exact.
        let (r, k) = (radius as f32, radius as f32 * 0.552_284_8);
        self.content.move_to(x + r, y);
        self.content.cubic_to(x + r, y + k, x + k, y + r, x, y + r);
        self.content.cubic_to(x - k, y + r, x - r, y + k, x - r, y);
        self.content.cubic_to(x - r, y - k, x - k, y - r, x, y - r);
        self.content.cubic_to(x + k, y - r, x + r, y - k, x + r, y);
        self.content.fill_nonzero();
    }

    pub fn picture(&mut self, corner: [f64; 2], [width, height]: [f64; 2], picture: &Picture) {
        let (x, y) = at([corner[0], corner[1] + height]);
        let name = format!("P{}", self.pictures.len());
        self.pictures.push(picture.clone());
        self.content.save_state();
        self.content.transform([width as f32, 0.0, 0.0, height as f32, x, y]);
        self.content.x_object(Name(name.as_bytes()));
        self.content.restore_state();
    }
}

/// Numbers the objects of the file.
struct Numbers(i32);

impl Numbers {
    fn next(&mut self) -> Ref {
        self.0 += 1;
        Ref::new(self.0)
    }
}

/// The whole file.
pub(super) fn write(title: &str, pages: Vec<Page>, font: Font) -> Result<Vec<u8>, ReportError> {
    let mut pdf = Pdf::new();
    let mut numbers = Numbers(0);
    let [catalog, tree, info, type0] = std::array::from_fn(|_| numbers.next());
    pdf.catalog(catalog).pages(tree).lang(TextStr("en"));
    pdf.document_info(info).title(TextStr(title)).producer(TextStr(crate::report::document::SOFTWARE));
    let ids: Vec<Ref> = pages.iter().map(|_| numbers.next()).collect();
    pdf.pages(tree).kids(ids.iter().copied()).count(ids.len() as i32);
    for (id, page) in ids.into_iter().zip(pages) {
        let contents = numbers.next();
        let images: Vec<Ref> = page.pictures.iter().map(|_| numbers.next()).collect();
        let mut object = pdf.page(id);
        object.media_box(Rect::new(0.0, 0.0, WIDTH as f32, HEIGHT as f32)).parent(tree).contents(contents);
        let mut resources = object.resources();
        resources.fonts().pair(FONT, type0);
        if !images.is_empty() {
            let mut objects = resources.x_objects();
            for (n, image) in images.iter().enumerate() {
                objects.pair(Name(format!("P{n}").as_bytes()), *image);
            }
        }
        resources.finish();
        object.finish();
        pdf.stream(contents, &compressed(&page.content.finish())?).filter(Filter::FlateDecode);
        for (image, picture) in images.into_iter().zip(page.pictures) {
            let data = compressed(&picture.rgb)?;
            let mut object = pdf.image_xobject(image, &data);
            object.filter(Filter::FlateDecode);
            object.width(picture.width as i32).height(picture.height as i32).bits_per_component(8);
            object.color_space().device_rgb();
        }
    }
    write_font(&mut pdf, type0, &mut numbers, font)?;
    Ok(pdf.finish())
}

fn write_font(pdf: &mut Pdf, type0: Ref, numbers: &mut Numbers, font: Font) -> Result<(), ReportError> {
    let embedded = font.embed()?;
    let [cid, descriptor, file, unicode] = std::array::from_fn(|_| numbers.next());
    pdf.type0_font(type0)
        .base_font(FONT_NAME)
        .encoding_predefined(Name(b"Identity-H"))
        .descendant_font(cid)
        .to_unicode(unicode);
    let mut object = pdf.cid_font(cid);
    object.subtype(CidFontType::Type2).base_font(FONT_NAME).system_info(SYSTEM).font_descriptor(descriptor);
    object.default_width(0.0).cid_to_gid_map_predefined(Name(b"Identity"));
    let mut widths = object.widths();
    for (id, _, advance) in &embedded.glyphs {
        widths.consecutive(*id, [*advance]);
    }
    widths.finish();
    object.finish();
    let [x0, y0, x1, y1] = embedded.bounds;
    pdf.font_descriptor(descriptor)
        .name(FONT_NAME)
        .flags(FontFlags::SYMBOLIC)
        .bbox(Rect::new(x0, y0, x1, y1))
        .italic_angle(0.0)
        .ascent(embedded.ascent)
        .descent(embedded.descent)
        .cap_height(embedded.cap_height)
        .stem_v(60.0)
        .font_file2(file);
    let data = compressed(&embedded.data)?;
    pdf.stream(file, &data).filter(Filter::FlateDecode).pair(Name(b"Length1"), embedded.data.len() as i32);
    let mut map = UnicodeCmap::new(Name(b"Glyphs"), SYSTEM);
    for (id, c, _) in &embedded.glyphs {
        map.pair(*id, *c);
    }
    pdf.cmap(unicode, &map.finish());
    Ok(())
}

fn compressed(bytes: &[u8]) -> Result<Vec<u8>, ReportError> {
    let mut encoder = ZlibEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(bytes).and_then(|()| encoder.finish()).map_err(|e| ReportError::Pdf(e.to_string()))
}
