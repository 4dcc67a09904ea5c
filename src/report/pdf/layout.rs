//! Blocks onto pages, from the top down.

use super::font::Font;
use super::page::{HEIGHT, Page, WIDTH};
use crate::report::block::{Block, Table};
use crate::report::plot::{Anchor, Ink, Item, MISS, Scene};
use crate::report::{Picture, ReportError};

const MARGIN: f64 = 42.0;
const ROOM: f64 = WIDTH - 2.0 * MARGIN;
const FOOT: f64 = 34.0;
const BLACK: Ink = [26, 31, 36];
const GREY: Ink = [86, 97, 107];
const RULE: Ink = [200, 207, 213];
/// Plots are drawn somewhat smaller than in the page, so that two stand side by side.
const PLOT_SCALE: f64 = 0.82;
const BODY: f64 = 9.0;
/// Definitions below a table.
const NOTE: f64 = 6.8;

pub(super) struct Layout<'a> {
    font: &'a mut Font,
    done: Vec<Page>,
    page: Page,
    /// Distance of the next free point from the top.
    y: f64,
}

impl<'a> Layout<'a> {
    pub fn new(font: &'a mut Font) -> Self {
        Self { font, done: Vec::new(), page: Page::default(), y: MARGIN }
    }

    pub fn finish(mut self) -> Vec<Page> {
        self.new_page();
        let total = self.done.len();
        for (n, page) in self.done.iter_mut().enumerate() {
            let text = format!("{}   {} / {total}", crate::report::document::SOFTWARE, n + 1);
            page.text(self.font, [MARGIN, HEIGHT - 22.0], &text, 7.5, GREY, false);
        }
        self.done
    }

    fn new_page(&mut self) {
        self.done.push(std::mem::take(&mut self.page));
        self.y = MARGIN;
    }

    /// Starts a page unless `height` still fits on this one.
    fn need(&mut self, height: f64) {
        if self.y + height > HEIGHT - FOOT && self.y > MARGIN {
            self.new_page();
        }
    }

    /// Puts a block down; `rest` is what comes after it.
    pub fn add(&mut self, block: &Block, rest: &[Block]) -> Result<(), ReportError> {
        match block {
            Block::Heading(level, text) => {
                // A heading does not stand alone at the foot of a page.
                self.need(self.heading_height(*level, text) + self.lead(rest));
                let (size, above) = heading(*level);
                self.y += above;
                self.paragraph(text, size, BLACK, true, 0.0);
                if *level == 2 {
                    self.rule(RULE);
                }
            }
            Block::Text(text) => self.paragraph(text, BODY, BLACK, false, 0.0),
            Block::Quiet(text) => self.paragraph(text, BODY, GREY, false, 0.0),
            Block::Statement(text) => self.marked(text, &[], [179, 89, 0]),
            Block::Alarm(title, items) => self.marked(title, items, MISS),
            Block::Facts(facts) => self.facts(facts),
            Block::Table(table) => self.table(table),
            Block::Plots(scenes) => self.plots(scenes),
            Block::Pictures(pictures) => self.pictures(pictures)?,
        }
        Ok(())
    }

    fn heading_height(&self, level: u8, text: &str) -> f64 {
        let (size, above) = heading(level);
        above + self.font.wrap(text, size, ROOM).len() as f64 * size * 1.35 + 8.0
    }

    /// What has to stand on the page of a heading before `rest`: the first part of what it leads to, with further headings
    /// and a short text between.
    fn lead(&self, rest: &[Block]) -> f64 {
        let Some((next, after)) = rest.split_first() else { return 0.0 };
        match next {
            Block::Heading(level, text) => self.heading_height(*level, text) + self.lead(after),
            Block::Text(text) | Block::Quiet(text) => {
                let lines = self.font.wrap(text, BODY, ROOM).len();
                let leads =
                    lines <= 2 && matches!(after.first(), Some(Block::Table(_) | Block::Plots(_) | Block::Pictures(_)));
                lines.min(4) as f64 * BODY * 1.35 + 3.0 + if leads { self.lead(after) } else { 0.0 }
            }
            Block::Statement(_) | Block::Alarm(..) | Block::Facts(_) => BODY * 1.35 * 3.0,
            Block::Table(table) => {
                let size = table_size(table);
                let widths = self.column_widths(table, size);
                self.table_start(table, &widths, size)
            }
            Block::Plots(scenes) => match plot_line(scenes) {
                0 => self.lead(after),
                count => line_height(&scenes[..count]) + 6.0,
            },
            Block::Pictures(pictures) => match pictures.first() {
                None => self.lead(after),
                Some(picture) => {
                    let [width, height] = picture_size(picture);
                    height + self.caption(picture, width).len() as f64 * 10.0 + 10.0
                }
            },
        }
    }

    fn caption(&self, picture: &Picture, width: f64) -> Vec<String> {
        self.font.wrap(&picture.caption, 7.5, width.max(100.0))
    }

    fn paragraph(&mut self, text: &str, size: f64, ink: Ink, bold: bool, indent: f64) {
        for line in self.font.wrap(text, size, ROOM - indent) {
            self.need(size * 1.35);
            self.y += size * 1.15;
            self.page.text(self.font, [MARGIN + indent, self.y], &line, size, ink, bold);
            self.y += size * 0.2;
        }
        self.y += 3.0;
    }

    fn rule(&mut self, ink: Ink) {
        self.page.line(&[[MARGIN, self.y], [MARGIN + ROOM, self.y]], 0.7, ink, false);
        self.y += 4.0;
    }

    /// Text with a coloured bar at its left.
    fn marked(&mut self, title: &str, items: &[String], ink: Ink) {
        for (n, line) in std::iter::once(title).chain(items.iter().map(String::as_str)).enumerate() {
            let (pages, top) = (self.done.len(), self.y);
            let text = if n == 0 { line.to_owned() } else { format!("• {line}") };
            self.paragraph(&text, BODY, BLACK, n == 0 && !items.is_empty(), 10.0);
            let top = if self.done.len() > pages { MARGIN } else { top };
            self.page.rect([MARGIN, top], [MARGIN + 3.0, self.y], ink);
        }
        self.y += 5.0;
    }

    fn facts(&mut self, facts: &[(String, String)]) {
        let widest = facts.iter().map(|f| self.font.width(&f.0, BODY)).fold(0.0, f64::max);
        let left = (widest + 12.0).min(ROOM * 0.4);
        for (name, value) in facts {
            let names = self.font.wrap(name, BODY, left - 8.0);
            // A checksum stays on one line, so that it can be copied whole.
            let longest = value.split_whitespace().map(|w| self.font.width(w, BODY)).fold(0.0, f64::max);
            let size = (BODY * (ROOM - left - 1.0) / longest.max(1.0)).clamp(6.0, BODY);
            let values = self.font.wrap(value, size, ROOM - left);
            for n in 0..names.len().max(values.len()) {
                self.need(BODY * 1.35);
                self.y += BODY * 1.15;
                if let Some(text) = names.get(n) {
                    self.page.text(self.font, [MARGIN, self.y], text, BODY, BLACK, true);
                }
                if let Some(text) = values.get(n) {
                    self.page.text(self.font, [MARGIN + left, self.y], text, size, BLACK, false);
                }
                self.y += BODY * 0.2;
            }
            self.y += 1.5;
        }
        self.y += 5.0;
    }

    fn table(&mut self, table: &Table) {
        let size = table_size(table);
        let widths = self.column_widths(table, size);
        self.need(self.table_start(table, &widths, size));
        self.row(table, &table.head, &widths, size, BLACK, true);
        for (n, row) in table.rows.iter().enumerate() {
            let pages = self.done.len();
            let ink = if row.miss { MISS } else { BLACK };
            let below = if n + 1 == table.rows.len() { self.notes_height(table) } else { 0.0 };
            let height = self.row_height(&row.cells, &widths, size) + below;
            self.need(height);
            if self.done.len() > pages {
                self.row(table, &table.head, &widths, size, BLACK, true);
            }
            self.row(table, &row.cells, &widths, size, ink, false);
        }
        self.y += 2.0;
        if !table.notes.is_empty() {
            self.paragraph(&joined(&table.notes), NOTE, GREY, false, 0.0);
        }
        self.y += 4.0;
    }

    /// Head and first row, with the definitions when it is the only one: they do not stand on a page of their own.
    fn table_start(&self, table: &Table, widths: &[f64], size: f64) -> f64 {
        let rows = std::iter::once(&table.head).chain(table.rows.first().map(|r| &r.cells));
        let height = rows.map(|cells| self.row_height(cells, widths, size)).sum::<f64>().max(size * 5.0);
        if table.rows.len() > 1 { height } else { height + self.notes_height(table) }
    }

    fn notes_height(&self, table: &Table) -> f64 {
        match table.notes.is_empty() {
            true => 0.0,
            false => self.font.wrap(&joined(&table.notes), NOTE, ROOM).len() as f64 * NOTE * 1.35 + 5.0,
        }
    }

    /// Each as wide as its widest cell; where that is too much, the widest give way.
    fn column_widths(&self, table: &Table, size: f64) -> Vec<f64> {
        let cells = |n: usize| table.rows.iter().filter_map(move |r| r.cells.get(n)).chain(table.head.get(n));
        let widest = |n: usize| cells(n).map(|c| self.font.width(c, size)).fold(0.0, f64::max) + 9.0;
        let natural: Vec<f64> = (0..table.head.len()).map(widest).collect();
        let mut limit = ROOM;
        let total = |limit: f64| natural.iter().map(|w| w.min(limit)).sum::<f64>();
        while total(limit) > ROOM && limit > 20.0 {
            limit -= 2.0;
        }
        natural.iter().map(|w| w.min(limit)).collect()
    }

    fn row_height(&self, cells: &[String], widths: &[f64], size: f64) -> f64 {
        let lines = cells.iter().zip(widths).map(|(c, w)| self.font.wrap(c, size, w - 7.0).len()).max().unwrap_or(1);
        lines as f64 * size * 1.25 + 4.0
    }

    fn row(&mut self, table: &Table, cells: &[String], widths: &[f64], size: f64, ink: Ink, head: bool) {
        let height = self.row_height(cells, widths, size);
        let mut x = MARGIN;
        for (n, (cell, width)) in cells.iter().zip(widths).enumerate() {
            for (line, text) in self.font.wrap(cell, size, width - 7.0).iter().enumerate() {
                let aside = if table.is_words(n) { 0.0 } else { width - 7.0 - self.font.width(text, size) };
                let at = [x + aside, self.y + size * (1.1 + 1.25 * line as f64)];
                self.page.text(self.font, at, text, size, ink, head);
            }
            x += width;
        }
        self.y += height;
        let (weight, ink) = if head { (0.9, GREY) } else { (0.4, RULE) };
        self.page.line(&[[MARGIN, self.y - 1.0], [x, self.y - 1.0]], weight, ink, false);
    }

    fn plots(&mut self, scenes: &[Scene]) {
        let mut rest = scenes;
        while !rest.is_empty() {
            let (line, after) = rest.split_at(plot_line(rest));
            let height = line_height(line);
            self.need(height + 6.0);
            let mut x = MARGIN;
            for scene in line {
                self.scene(scene, [x, self.y], scale(scene));
                x += scene.width * scale(scene) + 8.0;
            }
            self.y += height + 6.0;
            rest = after;
        }
    }

    fn scene(&mut self, scene: &Scene, origin: [f64; 2], scale: f64) {
        let place = |p: [f64; 2]| [origin[0] + p[0] * scale, origin[1] + p[1] * scale];
        for item in &scene.items {
            match item {
                Item::Line { points, ink, width, dashed } => {
                    let points: Vec<[f64; 2]> = points.iter().map(|p| place(*p)).collect();
                    self.page.line(&points, width * scale, *ink, *dashed);
                }
                Item::Rect { min, max, ink, filled, opacity, .. } => {
                    let (min, max) = (place(*min), place(*max));
                    if *filled {
                        // On white paper a tint is what transparency would give.
                        let tint = ink.map(|c| (255.0 - (255.0 - f64::from(c)) * opacity) as u8);
                        self.page.rect(min, max, tint);
                    } else {
                        let corners = [min, [max[0], min[1]], max, [min[0], max[1]], min];
                        self.page.line(&corners, 0.8 * scale, *ink, false);
                    }
                }
                Item::Dot { at, radius, ink, .. } => self.page.dot(place(*at), radius * scale, *ink),
                Item::Cross { at, .. } => {
                    let [x, y] = place(*at);
                    let r = 3.0 * scale;
                    self.page.line(&[[x - r, y - r], [x + r, y + r]], 1.5 * scale, MISS, false);
                    self.page.line(&[[x - r, y + r], [x + r, y - r]], 1.5 * scale, MISS, false);
                }
                Item::Text { at, text, size, ink, anchor } => {
                    let width = self.font.width(text, size * scale);
                    let aside = match anchor {
                        Anchor::Start => 0.0,
                        Anchor::Middle => width / 2.0,
                        Anchor::End => width,
                    };
                    let [x, y] = place(*at);
                    self.page.text(self.font, [x - aside, y], text, size * scale, *ink, false);
                }
            }
        }
    }

    fn pictures(&mut self, pictures: &[Picture]) -> Result<(), ReportError> {
        let mut x = MARGIN;
        let mut tallest: f64 = 0.0;
        for picture in pictures {
            picture.check()?;
            let [width, height] = picture_size(picture);
            let caption = self.caption(picture, width);
            let total = height + caption.len() as f64 * 10.0 + 10.0;
            if x + width > MARGIN + ROOM + 1.0 {
                self.y += tallest;
                (x, tallest) = (MARGIN, 0.0);
            }
            if self.y + total > HEIGHT - FOOT {
                self.new_page();
                (x, tallest) = (MARGIN, 0.0);
            }
            self.page.picture([x, self.y], [width, height], picture);
            for (n, line) in caption.iter().enumerate() {
                self.page.text(self.font, [x, self.y + height + 9.0 + 10.0 * n as f64], line, 7.5, GREY, false);
            }
            x += width + 8.0;
            tallest = tallest.max(total);
        }
        self.y += tallest + 4.0;
        Ok(())
    }
}

fn joined(notes: &[(String, String)]) -> String {
    let notes: Vec<String> = notes.iter().map(|(name, text)| format!("{name}: {text}")).collect();
    notes.join(" ")
}

/// Size of a heading's letters, and the room above it.
fn heading(level: u8) -> (f64, f64) {
    [(18.0, 0.0), (13.0, 14.0), (10.5, 8.0)][usize::from(level.saturating_sub(1)).min(2)]
}

fn table_size(table: &Table) -> f64 {
    if table.head.len() > 8 { 7.0 } else { 8.0 }
}

fn scale(scene: &Scene) -> f64 {
    // Small ones go side by side.
    let room = if scene.width <= 420.0 { (ROOM - 8.0) / 2.0 } else { ROOM };
    PLOT_SCALE.min(room / scene.width)
}

/// How many of the scenes stand side by side in the first line.
fn plot_line(scenes: &[Scene]) -> usize {
    let (mut count, mut width) = (0, 0.0);
    while let Some(scene) = scenes.get(count) {
        width += scene.width * scale(scene) + 8.0;
        if count > 0 && width > ROOM + 8.0 {
            break;
        }
        count += 1;
    }
    count
}

fn line_height(scenes: &[Scene]) -> f64 {
    scenes.iter().map(|s| s.height * scale(s)).fold(0.0, f64::max)
}

/// Width and height on the page.
fn picture_size(picture: &Picture) -> [f64; 2] {
    let (wide, high) = (f64::from(picture.width), f64::from(picture.height));
    let width = if picture.width > 500 { ROOM.min(wide * 0.6) } else { (ROOM - 16.0) / 3.0 };
    let height = (width * high / wide).min(HEIGHT - 140.0);
    [height * wide / high, height]
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Text of the pages, one string each.
    fn written(layout: Layout) -> Vec<String> {
        layout.finish().into_iter().map(|page| page.words).collect()
    }

    #[test]
    fn definitions_stand_below_a_row_of_their_table_and_a_checksum_on_one_line() {
        for above in 0..60 {
            let mut font = Font::new().unwrap();
            let mut layout = Layout::new(&mut font);
            (0..above).for_each(|_| layout.add(&Block::Text("A line.".into()), &[]).unwrap());
            let mut table = Table::new(["Case", "Dice"]);
            (0..4).for_each(|_| table.push(vec!["Row".into(), "0.5".into()], false));
            table.notes.push(("Definition".into(), "what both have, by what each has. ".repeat(12)));
            layout.add(&Block::Table(table), &[]).unwrap();
            let pages = written(layout);
            let page = pages.iter().find(|p| p.contains("Definition")).unwrap();
            assert!(page.contains("Row"), "below {above} lines the definition is alone: {page}");
        }
        let mut font = Font::new().unwrap();
        let mut layout = Layout::new(&mut font);
        let sum = "0123456789abcdef".repeat(4);
        layout
            .add(&Block::Facts(vec![("Weights of a run with a long name, SHA-256".into(), sum.clone())]), &[])
            .unwrap();
        assert!(written(layout)[0].contains(&sum));
    }

    #[test]
    fn a_heading_stands_on_the_page_of_what_it_leads_to() {
        let heading = |level| Block::Heading(level, "Learning curves".into());
        let plots = || Block::Plots(vec![Scene::new("Loss", 360.0, 220.0), Scene::new("Dice", 360.0, 242.0)]);
        let picture = Picture { caption: "Worst".into(), width: 4, height: 6, rgb: vec![0; 72] };
        let mut table = Table::new(["Case", "Dice"]);
        table.push(vec!["a name that is long enough for two lines ".repeat(12), "0.5".into()], false);
        let mut noted = Table::new(["Case", "Dice"]);
        noted.push(vec!["a".into(), "0.5".into()], false);
        noted.notes.push(("Dice".into(), "twice what both have, by what each has. ".repeat(20)));
        let endings = [
            vec![heading(3), Block::Table(noted)],
            vec![heading(2), plots()],
            vec![heading(2), Block::Plots(Vec::new()), plots()],
            vec![heading(2), heading(3), Block::Quiet("5 cases, none missed".into()), Block::Table(table)],
            vec![heading(3), Block::Pictures(vec![picture])],
            vec![heading(2), Block::Text("Words. ".repeat(40))],
        ];
        for (n, ending) in endings.iter().enumerate() {
            let mut moved = 0;
            for above in 0..60 {
                let mut font = Font::new().unwrap();
                let mut layout = Layout::new(&mut font);
                (0..above).for_each(|_| layout.add(&Block::Text("A line.".into()), &[]).unwrap());
                let before = layout.done.len();
                let mut pages = Vec::new();
                for (at, block) in ending.iter().enumerate() {
                    layout.add(block, &ending[at + 1..]).unwrap();
                    pages.push(layout.done.len());
                }
                assert!(pages.iter().all(|p| *p == pages[0]), "ending {n} below {above} lines: {pages:?}");
                moved += usize::from(pages[0] > before);
            }
            assert!(moved > 0, "ending {n} never came to the foot of a page");
        }
    }
}
