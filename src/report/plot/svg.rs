//! A scene as an inline SVG picture.

use super::scene::{Anchor, Ink, Item, MISS, Scene};
use crate::report::text::escape;
use std::fmt::Write;

/// The picture with its title for screen readers. Nothing in it is fetched or run.
pub fn svg(scene: &Scene) -> String {
    let title = escape(&scene.title);
    let mut out = format!(
        "<svg class=\"plot\" viewBox=\"0 0 {:.0} {:.0}\" style=\"max-width:{:.0}px\" role=\"img\" aria-label=\"{title}\">\
         <title>{title}</title>",
        scene.width,
        scene.height,
        scene.width * 1.35
    );
    for item in &scene.items {
        draw(item, &mut out);
    }
    out.push_str("</svg>");
    out
}

fn color([r, g, b]: Ink) -> String {
    format!("#{r:02x}{g:02x}{b:02x}")
}

fn noted(note: &str) -> String {
    if note.is_empty() { String::new() } else { format!("<title>{}</title>", escape(note)) }
}

/// Writing to a String cannot fail.
fn draw(item: &Item, out: &mut String) {
    let _ = match item {
        Item::Line { points, ink, width, dashed } => {
            let path: Vec<String> = points.iter().map(|[x, y]| format!("{x:.1},{y:.1}")).collect();
            let dash = if *dashed { " stroke-dasharray=\"4 3\"" } else { "" };
            write!(
                out,
                "<polyline points=\"{}\" fill=\"none\" stroke=\"{}\" stroke-width=\"{width}\"{dash}/>",
                path.join(" "),
                color(*ink)
            )
        }
        Item::Rect { min, max, ink, filled, opacity, note } => {
            let paint = if *filled { "fill" } else { "fill=\"none\" stroke" };
            write!(
                out,
                "<rect x=\"{:.1}\" y=\"{:.1}\" width=\"{:.1}\" height=\"{:.1}\" {paint}=\"{}\" opacity=\"{opacity:.2}\">\
                 {}</rect>",
                min[0],
                min[1],
                (max[0] - min[0]).max(0.0),
                (max[1] - min[1]).max(0.0),
                color(*ink),
                noted(note)
            )
        }
        Item::Dot { at, radius, ink, note } => write!(
            out,
            "<circle cx=\"{:.1}\" cy=\"{:.1}\" r=\"{radius}\" fill=\"{}\" fill-opacity=\"0.75\">{}</circle>",
            at[0],
            at[1],
            color(*ink),
            noted(note)
        ),
        Item::Cross { at, note } => write!(
            out,
            "<path class=\"miss\" d=\"M{:.1} {:.1}l6 6m0 -6l-6 6\" stroke=\"{}\" stroke-width=\"1.8\" fill=\"none\">\
             {}</path>",
            at[0] - 3.0,
            at[1] - 3.0,
            color(MISS),
            noted(note)
        ),
        Item::Text { at, text, size, ink, anchor } => {
            let anchor = match anchor {
                Anchor::Start => "start",
                Anchor::Middle => "middle",
                Anchor::End => "end",
            };
            write!(
                out,
                "<text x=\"{:.1}\" y=\"{:.1}\" font-size=\"{size}\" fill=\"{}\" text-anchor=\"{anchor}\">{}</text>",
                at[0],
                at[1],
                color(*ink),
                escape(text)
            )
        }
    };
}
