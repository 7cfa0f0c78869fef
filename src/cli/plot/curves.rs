//! A study of steps as SVG: a panel for every element and output, one below the other.

use std::fmt::Write;

use svg::Document;
use svg::node::element::{Circle, ClipPath, Element, Group, Path, Rectangle, Title};

use super::elements::{Anchor, BLUE, GREY, INK, ORANGE, PALE, VERMILION, line, round, sheet, text, width, wrapped};
use super::scale::{Scale, power, short};
use super::view::View;
use crate::endpoint::{Curve, Study};

const WIDTH: f64 = 800.0;
const LEFT: f64 = 72.0;
const RIGHT: f64 = 28.0;
/// Of the plot itself.
const HEIGHT: f64 = 300.0;
/// Between lines of text.
const LEADING: f64 = 17.0;
const TITLE: f64 = 15.0;
/// Characters in a line of remarks.
const LETTERS: usize = 120;

/// All studies, below each other.
pub(in crate::cli) fn curves(studies: &[Study]) -> Document {
    let mut y = 0.0;
    let mut panels = Vec::new();
    for (index, study) in studies.iter().enumerate() {
        let (panel, height) = panel(&View::of(study), index);
        panels.push(panel.set("transform", format!("translate(0 {y})")));
        y += height;
    }
    panels.into_iter().fold(sheet(WIDTH, y), Document::add)
}

/// One panel and its height.
fn panel(view: &View<'_>, index: usize) -> (Group, f64) {
    let mut panel = Group::new();
    let mut y = 28.0;
    for words in wrapped(&view.title(), 90) {
        panel = panel.add(text(16.0, y, Anchor::Start, &words).set("font-size", TITLE).set("font-weight", "bold"));
        y += LEADING + 2.0;
    }
    let (legend, below) = legend(view, y + 3.0);
    panel = panel.add(legend);
    y = below + 8.0;
    if let Some(errors) = view.errors {
        panel = panel.add(text(16.0, y, Anchor::Start, &view.measure()).set("fill", GREY));
        y += 14.0;
        panel = panel.add(Plot { view, errors, top: y, index }.group());
        y += HEIGHT + 20.0;
        panel = panel.add(text((LEFT + WIDTH - RIGHT) / 2.0, y + 14.0, Anchor::Middle, "step").set("fill", GREY));
        y += 22.0;
    }
    y += 14.0;
    for words in view.remarks().iter().flat_map(|remark| wrapped(remark, LETTERS)) {
        panel = panel.add(text(16.0, y, Anchor::Start, &words).set("fill", GREY));
        y += LEADING;
    }
    (panel, y + 10.0)
}

/// What the lines are, in as many rows as it takes, and where it ends.
fn legend(view: &View<'_>, top: f64) -> (Group, f64) {
    let stroke = |colour: &str, dashes: &str| line((0.0, -4.0), (24.0, -4.0), colour).with("stroke-dasharray", dashes);
    let mut entries = vec![
        (stroke(BLUE, "").with("stroke-width", "2"), view.central()),
        (stroke(ORANGE, "").with("stroke-width", "2"), view.one_sided()),
        (diamond((12.0, -4.0)), view.chosen()),
    ];
    if view.errors.is_some() && view.study.central.noise.is_some() {
        let words = match view.study.central.truncation {
            Some(_) => "what noise and truncation alone would leave of central ones",
            None => "what noise alone would leave of central ones",
        };
        entries.push((stroke(GREY, "5 4"), words.to_owned()));
    }
    let (mut x, mut y) = (16.0, top);
    let mut legend = Group::new();
    for (sign, words) in entries {
        let length = 30.0 + width(&words, 12.0);
        if x > 16.0 && x + length > WIDTH - 16.0 {
            (x, y) = (16.0, y + LEADING);
        }
        let entry = Group::new().set("transform", format!("translate({} {})", round(x), round(y)));
        legend = legend.add(entry.add(sign).add(text(30.0, 0.0, Anchor::Start, &words)));
        x += length + 18.0;
    }
    (legend, y + LEADING)
}

/// The part with the axes.
struct Plot<'v, 's> {
    view: &'v View<'s>,
    errors: Scale,
    top: f64,
    index: usize,
}

impl Plot<'_, '_> {
    fn x(&self, step: f64) -> f64 {
        LEFT + self.view.steps.place(step) * (WIDTH - LEFT - RIGHT)
    }

    /// The height of an error as it is drawn; what is smaller than the axis reaches lies on it.
    fn y(&self, error: f64) -> f64 {
        self.top + (1.0 - self.errors.place(self.view.drawn(error)).max(0.0)) * HEIGHT
    }

    fn group(&self) -> Group {
        let study = self.view.study;
        let frame = || {
            let size = Rectangle::new().set("width", WIDTH - LEFT - RIGHT).set("height", HEIGHT);
            size.set("x", LEFT).set("y", round(self.top))
        };
        let clip = format!("plot-{}", self.index);
        let mut inside = Group::new().set("clip-path", format!("url(#{clip})"));
        if !study.reference.own && self.errors.place(self.view.drawn(study.reference.bound)) > 0.0 {
            let top = self.y(study.reference.bound);
            let band = Rectangle::new().set("x", LEFT).set("width", WIDTH - LEFT - RIGHT).set("y", round(top));
            let title = Title::new("the best estimate is not known better than this");
            inside = inside.add(band.set("height", round(self.top + HEIGHT - top)).set("fill", "#f1f1f1").add(title));
        }
        inside = self.asymptotes(inside);
        if let Some(chosen) = &study.chosen {
            let x = self.x(chosen.step);
            let pole = line((x, self.top), (x, self.top + HEIGHT), VERMILION);
            inside = inside.add(pole.with("stroke-width", "1").with("stroke-dasharray", "2 3"));
        }
        inside = self.curve(inside, &study.one_sided, ORANGE);
        inside = self.curve(inside, &study.central, BLUE);
        let mut group = Group::new()
            .add(ClipPath::new().set("id", clip).add(frame()))
            .add(self.axes())
            .add(inside)
            .add(frame().set("fill", "none").set("stroke", GREY));
        if let Some(chosen) = &study.chosen {
            let x = self.x(chosen.step);
            let error = self.y(chosen.error.max(f64::MIN_POSITIVE));
            if chosen.bound.is_finite() && chosen.bound > 0.0 {
                // The bound: a bar above the error.
                let bound = self.y(chosen.bound);
                let bar = |from, to| line(from, to, VERMILION).with("stroke-width", "2");
                group = group.add(bar((x, error), (x, bound))).add(bar((x - 7.0, bound), (x + 7.0, bound)));
            }
            group = group.add(diamond((x, error)));
        }
        group
    }

    fn axes(&self) -> Group {
        let (bottom, right) = (self.top + HEIGHT, WIDTH - RIGHT);
        let mut axes = Group::new();
        for exponent in self.view.steps.ticks(13) {
            let x = self.x(10f64.powi(exponent));
            axes = axes.add(line((x, self.top), (x, bottom), PALE));
            axes = axes.add(text(x, bottom + 17.0, Anchor::Middle, &power(exponent)));
        }
        for exponent in self.errors.ticks(10) {
            let y = self.top + (1.0 - self.errors.place(10f64.powi(exponent))) * HEIGHT;
            axes = axes.add(line((LEFT, y), (right, y), PALE));
            axes = axes.add(text(LEFT - 8.0, y + 4.0, Anchor::End, &power(exponent)));
        }
        axes
    }

    /// Straight lines on these axes: noise falls with the step, truncation grows with its power.
    fn asymptotes(&self, mut group: Group) -> Group {
        let Curve { noise, truncation, order, .. } = self.view.study.central;
        let ends = [0.0, 1.0].map(|place| self.view.steps.value(place));
        let power = order as i32;
        let noise = noise.filter(|noise| *noise > 0.0).map(|noise| ends.map(|step| noise / step));
        let truncation = truncation.map(|factor| ends.map(|step| factor * step.powi(power)));
        // Far beyond the frame, and so not to be held at its bottom.
        let y = |error: f64| self.top + (1.0 - self.errors.place(self.view.drawn(error))) * HEIGHT;
        for errors in [noise, truncation].into_iter().flatten() {
            let [from, to] = [0, 1].map(|i| (self.x(ends[i]), y(errors[i])));
            group = group.add(line(from, to, GREY).with("stroke-dasharray", "5 4"));
        }
        group
    }

    fn curve(&self, mut group: Group, curve: &Curve, colour: &str) -> Group {
        let mut path = String::new();
        let mut pen = 'M';
        for &(step, error) in &curve.errors {
            if error > 0.0 {
                let _ = write!(path, "{pen}{} {}", round(self.x(step)), round(self.y(error)));
                pen = 'L';
            } else {
                // An exact difference has no place on the axis.
                pen = 'M';
            }
        }
        if !path.is_empty() {
            let path = Path::new().set("d", path).set("fill", "none").set("stroke", colour).set("stroke-width", 1.5);
            group = group.add(path.set("stroke-linejoin", "round"));
        }
        for &(step, error) in curve.errors.iter().filter(|point| point.1 > 0.0) {
            let title = Title::new(format!("step {}: {}", short(step), short(self.view.drawn(error))));
            let dot = Circle::new().set("cx", round(self.x(step))).set("cy", round(self.y(error))).set("r", 2.4);
            group = group.add(dot.set("fill", colour).add(title));
        }
        group
    }
}

/// The sign of what was chosen.
fn diamond((x, y): (f64, f64)) -> Element {
    let points = [(x, y - 6.0), (x + 6.0, y), (x, y + 6.0), (x - 6.0, y)];
    let points: Vec<_> = points.iter().map(|(x, y)| format!("{},{}", round(*x), round(*y))).collect();
    let diamond = Element::new("polygon").with("points", &points.join(" ")).with("fill", VERMILION);
    diamond.with("stroke", INK).with("stroke-width", "0.8")
}

/// Attributes of elements that have no type of their own, since both lines and diamonds are signs.
trait With {
    fn with(self, name: &str, value: &str) -> Self;
}

impl With for Element {
    fn with(mut self, name: &str, value: &str) -> Element {
        if !value.is_empty() {
            self.get_attributes_mut().insert(name.to_owned(), value.into());
        }
        self
    }
}
