//! Figures: a study of steps in the terminal and as SVG, the magnitudes of a Jacobian as SVG.

mod braille;
mod curves;
mod elements;
mod heatmap;
mod scale;
mod terminal;
mod view;

use std::path::Path;

use super::Failure;

pub(super) use curves::curves;
pub(super) use heatmap::heatmap;
pub(super) use terminal::drawing;

/// What a figure is written as.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Svg,
    /// A page that holds the SVG and nothing from elsewhere.
    Html,
}

/// The kind of figure that a file's ending asks for; none where it asks for no figure.
pub(super) fn kind(file: Option<&Path>) -> Result<Option<Kind>, Failure> {
    let ending = file.and_then(Path::extension).and_then(|ending| ending.to_str()).unwrap_or_default();
    match &*ending.to_ascii_lowercase() {
        "svg" => Ok(Some(Kind::Svg)),
        "html" | "htm" => Ok(Some(Kind::Html)),
        "png" | "jpg" | "jpeg" | "gif" | "webp" | "pdf" | "ps" | "eps" => {
            Err(Failure::Caller(format!("-o: a figure is written as .svg or .html, not as .{ending}")))
        }
        _ => Ok(None),
    }
}

/// A figure as a file.
pub(super) fn file(figure: &svg::Document, title: &str, kind: Kind) -> Vec<u8> {
    let text = match kind {
        Kind::Svg => format!("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n{figure}\n"),
        Kind::Html => {
            let title = svg::node::Text::new(elements::printable(title));
            format!(
                "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\"/>\n<title>{title}</title>\n\
                 <style>body {{ margin: 1em auto; max-width: 1000px; background: white; }} \
                 svg {{ width: 100%; height: auto; }}</style>\n</head>\n<body>\n{figure}\n</body>\n</html>\n"
            )
        }
    };
    text.into_bytes()
}
