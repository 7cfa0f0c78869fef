//! A study of steps drawn with characters.

use super::braille::{Canvas, Ink};
use super::elements::wrapped;
use super::scale::{Scale, power};
use super::view::View;
use crate::endpoint::{Curve, Study};

/// Lines of a plot, and columns: at least, at most.
const ROWS: usize = 16;
const COLUMNS: [usize; 2] = [24, 100];
/// Columns before the words below it.
const MARGIN: usize = 5;
/// Columns of the labels on the left, the axis included.
const LABELS: usize = 8;

/// The study as lines of text that a terminal of `width` columns holds.
pub(in crate::cli) fn drawing(study: &Study, width: usize, coloured: bool) -> String {
    let view = View::of(study);
    let mut text = format!("{}\n", view.title());
    if let Some(errors) = view.errors {
        text += &format!("{}\n", view.measure());
        text += &plot(&view, errors, width.saturating_sub(LABELS + 1).clamp(COLUMNS[0], COLUMNS[1]), coloured);
    }
    text += &format!("  ⠤⠤ {}\n  ⠂⠂ {}\n  ◆  {}", view.central(), view.one_sided(), view.chosen());
    if study.chosen.as_ref().is_some_and(|chosen| chosen.bound.is_finite()) {
        text += " ▽";
    }
    text.push('\n');
    for remark in view.remarks() {
        for (i, line) in wrapped(&remark, width.saturating_sub(MARGIN).max(COLUMNS[0])).iter().enumerate() {
            text += &format!("{:margin$}{line}\n", "", margin = if i == 0 { MARGIN } else { MARGIN + 2 });
        }
    }
    text
}

fn plot(view: &View<'_>, errors: Scale, columns: usize, coloured: bool) -> String {
    let mut canvas = Canvas::new(columns, ROWS);
    let steps = view.steps;
    let place = |(step, error): (f64, f64)| {
        // What is smaller than the axis reaches lies on it.
        (error > 0.0).then(|| (steps.place(step), errors.place(view.drawn(error)).clamp(0.0, 1.0)))
    };
    let points = |curve: &Curve| curve.errors.iter().map(|point| place(*point)).collect::<Vec<_>>();
    for (x, y) in points(&view.study.one_sided).into_iter().flatten() {
        canvas.point(x, y, Ink::Second);
    }
    for pair in points(&view.study.central).windows(2) {
        if let [Some(from), Some(to)] = *pair {
            canvas.line(from, to, Ink::First);
        }
    }
    if let Some(chosen) = &view.study.chosen {
        let x = steps.place(chosen.step);
        let bound = place((chosen.step, chosen.bound)).filter(|_| chosen.bound.is_finite());
        if let Some((x, y)) = bound {
            canvas.sign(x, y, '▽');
        }
        let error = place((chosen.step, chosen.error)).unwrap_or((x, 0.0));
        canvas.sign(error.0, error.1, '◆');
        canvas.pole(x, bound.map_or(error.1, |bound| bound.1), '┊');
    }

    let mut labels = vec![String::new(); ROWS];
    for exponent in errors.ticks(ROWS / 2) {
        let row = ((1.0 - errors.place(10f64.powi(exponent))) * ROWS as f64) as usize;
        labels[row.min(ROWS - 1)] = power(exponent);
    }
    let mut text = String::new();
    for (label, line) in labels.iter().zip(canvas.lines(coloured)) {
        let axis = if label.is_empty() { '│' } else { '┤' };
        let line = format!("{label:>width$} {axis}{line}", width = LABELS - 2);
        text += line.trim_end();
        text.push('\n');
    }
    let (axis, labels) = below(steps, columns);
    text + &format!("{:margin$}└{axis}\n{:LABELS$}{}\n", "", "", labels.trim_end(), margin = LABELS - 1)
}

/// The axis of the steps and its labels.
fn below(steps: Scale, columns: usize) -> (String, String) {
    let mut axis = vec!['─'; columns];
    let mut labels = vec![' '; columns];
    for exponent in steps.ticks(columns / 10) {
        let column = ((steps.place(10f64.powi(exponent)) * columns as f64) as usize).min(columns - 1);
        axis[column] = '┬';
        let label = power(exponent);
        let length = label.chars().count();
        let start = column.saturating_sub(length / 2).min(columns - length);
        labels.splice(start..start + length, label.chars());
    }
    // The name of the axis goes where there is room.
    let name = " step";
    let end = columns - name.len();
    if labels[end - 1..].iter().all(|c| *c == ' ') {
        labels.splice(end.., name.chars());
    }
    (axis.into_iter().collect(), labels.into_iter().collect())
}
