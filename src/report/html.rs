//! The page for people: one file with style, plots and pictures inside, light and fit for printing.

use super::block::{Block, Table};
use super::content::blocks;
use super::document::SOFTWARE;
use super::plot::svg;
use super::text::escape;
use super::{Picture, ReportError, ReportInputs, base64};
use image::ImageEncoder;

/// The page as text.
///
/// # Errors
/// [`ReportError`] when a picture's bytes do not match its size or cannot be encoded.
pub fn html(inputs: &ReportInputs) -> Result<String, ReportError> {
    let title = escape(&inputs.title);
    let mut out = format!(
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <meta name=\"generator\" content=\"{SOFTWARE}\">\n<title>{title}</title>\n<style>\n{}</style>\n</head>\n<body>\n",
        include_str!("page.css"),
    );
    for block in blocks(inputs) {
        out.push_str(&part(&block)?);
    }
    out.push_str("</body>\n</html>\n");
    Ok(out)
}

fn part(block: &Block) -> Result<String, ReportError> {
    Ok(match block {
        Block::Heading(level, text) => format!("<h{level}>{}</h{level}>\n", escape(text)),
        Block::Text(text) => format!("<p>{}</p>\n", escape(text)),
        Block::Quiet(text) => format!("<p class=\"quiet\">{}</p>\n", escape(text)),
        Block::Statement(text) => format!("<p class=\"statement\">{}</p>\n", escape(text)),
        Block::Alarm(title, items) => {
            let items: String = items.iter().map(|item| format!("<li>{}</li>", escape(item))).collect();
            format!("<div class=\"misses\"><strong>{}</strong><ul>{items}</ul></div>\n", escape(title))
        }
        Block::Facts(facts) => {
            let item =
                |(name, value): &(String, String)| format!("<dt>{}</dt><dd>{}</dd>\n", escape(name), escape(value));
            format!("<dl>\n{}</dl>\n", facts.iter().map(item).collect::<String>())
        }
        Block::Table(table) => table_html(table),
        Block::Plots(scenes) => {
            format!("<div class=\"plots\">{}</div>\n", scenes.iter().map(svg).collect::<String>())
        }
        Block::Pictures(pictures) => {
            let figures: String = pictures.iter().map(picture).collect::<Result<_, _>>()?;
            format!("<div class=\"pictures\">{figures}</div>\n")
        }
    })
}

fn table_html(table: &Table) -> String {
    let class = |n: usize| if table.is_words(n) { " class=\"word\"" } else { "" };
    let head = table.head.iter().enumerate();
    let head: String = head.map(|(n, h)| format!("<th scope=\"col\"{}>{}</th>", class(n), escape(h))).collect();
    let row = |r: &super::block::TableRow| {
        let cells = r.cells.iter().enumerate();
        let cells: String = cells.map(|(n, c)| format!("<td{}>{}</td>", class(n), escape(c))).collect();
        format!("<tr{}>{cells}</tr>\n", if r.miss { " class=\"miss\"" } else { "" })
    };
    let body: String = table.rows.iter().map(row).collect();
    let note = |(name, text): &(String, String)| format!("<b>{}</b>: {}", escape(name), escape(text));
    let notes: Vec<String> = table.notes.iter().map(note).collect();
    let notes = if notes.is_empty() { String::new() } else { format!("<p class=\"notes\">{}</p>\n", notes.join(" ")) };
    format!(
        "<div class=\"wide\"><table>\n<thead><tr>{head}</tr></thead>\n<tbody>\n{body}</tbody></table></div>\n{notes}"
    )
}

fn picture(picture: &Picture) -> Result<String, ReportError> {
    picture.check()?;
    let mut png = Vec::new();
    image::codecs::png::PngEncoder::new(&mut png)
        .write_image(&picture.rgb, picture.width, picture.height, image::ExtendedColorType::Rgb8)
        .map_err(|e| ReportError::PictureCoding(picture.caption.clone(), e))?;
    let caption = escape(&picture.caption);
    Ok(format!(
        "<figure{}><img alt=\"{caption}\" width=\"{}\" height=\"{}\" src=\"data:image/png;base64,{}\">\
         <figcaption>{caption}</figcaption></figure>",
        if picture.width > 500 { " class=\"sheet\"" } else { "" },
        picture.width,
        picture.height,
        base64::encode(&png)
    ))
}
