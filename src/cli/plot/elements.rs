//! The elements that figures are made of, and their colours.

use svg::Document;
use svg::node::element::{Element, Rectangle, Text};

/// Colours of Okabe and Ito, which eyes of all kinds tell apart.
pub(super) const BLUE: &str = "#0072b2";
pub(super) const ORANGE: &str = "#e69f00";
pub(super) const VERMILION: &str = "#d55e00";
pub(super) const INK: &str = "#222222";
pub(super) const GREY: &str = "#666666";
pub(super) const PALE: &str = "#e4e4e4";

/// About how wide a character is, in font sizes.
const CHARACTER: f64 = 0.56;

/// An empty figure on white.
pub(super) fn sheet(width: f64, height: f64) -> Document {
    Document::new()
        .set("viewBox", (0, 0, round(width), round(height)))
        .set("width", round(width))
        .set("height", round(height))
        .set("font-family", "Helvetica, Arial, 'DejaVu Sans', sans-serif")
        .set("font-size", 12)
        .add(Rectangle::new().set("width", "100%").set("height", "100%").set("fill", "white"))
}

/// Where a text is held.
#[derive(Clone, Copy, Debug)]
pub(super) enum Anchor {
    Start,
    Middle,
    End,
}

/// A line of text whose baseline is at `y`.
pub(super) fn text(x: f64, y: f64, anchor: Anchor, words: &str) -> Text {
    let anchor = match anchor {
        Anchor::Start => "start",
        Anchor::Middle => "middle",
        Anchor::End => "end",
    };
    Text::new(printable(words)).set("x", round(x)).set("y", round(y)).set("text-anchor", anchor).set("fill", INK)
}

/// A line.
pub(super) fn line(from: (f64, f64), to: (f64, f64), colour: &str) -> Element {
    let mut line = Element::new("line");
    for (name, value) in [("x1", from.0), ("y1", from.1), ("x2", to.0), ("y2", to.1)] {
        line.get_attributes_mut().insert(name.to_owned(), round(value).into());
    }
    line.get_attributes_mut().insert("stroke".to_owned(), colour.into());
    line
}

/// About how wide a text is at a font size.
pub(super) fn width(words: &str, size: f64) -> f64 {
    words.chars().count() as f64 * size * CHARACTER
}

/// Coordinates to a hundredth of a pixel.
pub(super) fn round(value: f64) -> f64 {
    (value * 100.0).round() / 100.0
}

/// Without the characters that XML does not know, which a dictionary's key may hold.
pub(super) fn printable(words: &str) -> String {
    words.chars().map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect()
}

/// Words in lines of at most `most` characters.
pub(super) fn wrapped(words: &str, most: usize) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for word in words.split(' ') {
        match lines.last_mut() {
            Some(line) if line.chars().count() + 1 + word.chars().count() <= most => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(word.to_owned()),
        }
    }
    lines
}
