//! Figures: a study of steps in the terminal and as SVG, the magnitudes of a Jacobian as SVG.

mod braille;
mod curves;
mod elements;
mod heatmap;
mod scale;
mod terminal;
mod view;

use std::path::Path;

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

/// The kind of figure that a file's ending asks for.
pub(super) fn kind(file: Option<&Path>) -> Option<Kind> {
    match file?.extension()?.to_str()? {
        "svg" => Some(Kind::Svg),
        "html" | "htm" => Some(Kind::Html),
        _ => None,
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
