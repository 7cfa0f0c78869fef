//! The magnitudes of a Jacobian as SVG: a cell an entry, or the largest of some.

use std::fmt::Write;
use std::ops::Range;

use svg::Document;
use svg::node::element::{Group, Path, Rectangle};

use super::elements::{Anchor, GREY, line, round, sheet, text, width, wrapped};
use super::scale::{Scale, power};
use crate::endpoint::{Block, Jacobian};
use crate::tree::Layout;

/// Cells in a row or a column, about.
const CELLS: usize = 300;
/// Leaves of a side that are told apart; more are one.
const LEAVES: usize = 60;
/// Decades that colours tell apart.
const DECADES: u16 = 12;
/// Colours told apart.
const SHADES: usize = 48;
/// The matrix in pixels at most, a cell at most, and a leaf at least.
const LONGEST: f64 = 620.0;
const LARGEST_CELL: f64 = 52.0;
const LEAST_HEIGHT: f64 = 110.0;
const LEAST_LEAF: f64 = 10.0;
/// Between leaves.
const GAP: f64 = 4.0;
/// What zeros are drawn in.
const ZERO: &str = "#f0f0f0";
/// Viridis from light to dark: the larger, the darker, to any eye.
const COLOURS: [[u8; 3]; 9] = [
    [253, 231, 37],
    [173, 220, 48],
    [94, 201, 98],
    [40, 174, 128],
    [33, 145, 140],
    [44, 114, 142],
    [59, 82, 139],
    [71, 45, 123],
    [68, 1, 84],
];
/// Characters of a label, and the cosine and sine of the angle of those that lie askew.
const LETTERS: usize = 28;
const COSINE: f64 = 0.82;
const SINE: f64 = 0.574;
/// What the sides are.
const OUTPUTS: &str = "outputs ↓";
const INPUTS: &str = "inputs →";
/// The least distance of labels.
const APART: f64 = 14.0;

/// The figure, and in its caption how the derivative was taken.
pub(in crate::cli) fn heatmap(jacobian: &Jacobian, model: &str, how: &str) -> Document {
    let grid = Grid::of(jacobian);
    let scale = Scale::decades(grid.cells.iter().copied(), DECADES).unwrap_or(Scale::UNIT);
    let (cells_across, cells_down) = (grid.columns.cells.max(1) as f64, grid.rows.cells.max(1) as f64);
    // Whole pixels, so that cells of one size look it.
    let across = (LONGEST / cells_across).min(LARGEST_CELL).floor().max(1.0);
    let tall = (LEAST_HEIGHT / cells_down).min(LARGEST_CELL);
    let down = across.max(tall).min(LONGEST / cells_down).floor().max(1.0);
    let (columns, rows) = (grid.columns.stripes(across), grid.rows.stripes(down));
    let end = |stripes: &[Stripe]| stripes.last().map_or(0.0, |last| last.start + last.length());
    let (wide, high) = (end(&columns), end(&rows));

    // Labels beneath lie askew where they have no room.
    let size = |stripe: &Stripe| width(&stripe.label, 12.0);
    let askew = columns.iter().any(|stripe| size(stripe) > stripe.length() + GAP);
    let longest = |stripes: &[Stripe]| stripes.iter().map(size).fold(0.0, f64::max);
    let overhang = columns.iter().map(|stripe| if askew { size(stripe) * COSINE - stripe.middle() } else { 0.0 });
    let left = overhang.fold(longest(&rows).max(width(OUTPUTS, 12.0)) + 10.0, f64::max) + 14.0;
    let beneath = if askew { longest(&columns) * SINE + 24.0 } else { 28.0 };
    let total = (left + wide + 100.0).max(560.0);
    let caption = wrapped(&grid.caption(how), (total / 6.9) as usize);
    let top = 60.0 + 17.0 * caption.len() as f64;

    let title = format!("Magnitude of the Jacobian of {model}");
    let heading = text(14.0, 28.0, Anchor::Start, &title).set("font-size", 15).set("font-weight", "bold");
    let mut figure = sheet(total, top + (high + beneath).max(LEGEND + 14.0)).add(heading);
    for (i, words) in caption.iter().enumerate() {
        figure = figure.add(text(14.0, 48.0 + 17.0 * i as f64, Anchor::Start, words).set("fill", GREY));
    }
    figure = figure.add(text(left - 8.0, top - 8.0, Anchor::End, OUTPUTS).set("fill", GREY));
    figure = figure.add(text(left, top - 8.0, Anchor::Start, INPUTS).set("fill", GREY));

    let mut last = f64::NEG_INFINITY;
    for row in &rows {
        let y = top + row.middle();
        if y - last >= APART {
            figure = figure.add(text(left - 8.0, y + 4.0, Anchor::End, &row.label));
            last = y;
        }
    }
    last = f64::NEG_INFINITY;
    for column in &columns {
        let (x, y) = (left + column.middle(), top + high + 17.0);
        if !askew {
            figure = figure.add(text(x, y, Anchor::Middle, &column.label));
        } else if x - last >= APART {
            let turned = format!("rotate(-35 {} {})", round(x + 4.0), round(y));
            figure = figure.add(text(x + 4.0, y, Anchor::End, &column.label).set("transform", turned));
            last = x;
        }
    }
    let matrix = Group::new().set("transform", format!("translate({} {top})", round(left)));
    let matrix = grid.draw(matrix, scale, &rows, &columns);
    figure.add(matrix).add(legend(scale, grid.most, left + wide + 22.0, top))
}

/// A leaf's cells along one side, in pixels.
struct Stripe {
    label: String,
    cells: Range<usize>,
    start: f64,
    /// The size of a cell.
    cell: f64,
}

impl Stripe {
    fn length(&self) -> f64 {
        self.cells.len() as f64 * self.cell
    }

    fn middle(&self) -> f64 {
        self.start + self.length() / 2.0
    }
}

/// One side of the matrix: leaves and the cells they take.
struct Side {
    groups: Vec<(String, Range<usize>)>,
    /// Cells in all.
    cells: usize,
    /// Entries in a cell.
    stride: usize,
    /// Of every leaf the group it is in and where its entries begin there.
    places: Vec<(usize, usize)>,
    entries: usize,
}

impl Side {
    fn of(layout: &Layout, what: &str) -> Side {
        let lengths: Vec<usize> = layout.spans().iter().map(|span| span.len / span.dtype.coordinates()).collect();
        let entries: usize = lengths.iter().sum();
        let stride = entries.div_ceil(CELLS).max(1);
        let together = lengths.len() > LEAVES;
        let (mut groups, mut places, mut cells) = (Vec::new(), Vec::new(), 0);
        if together {
            cells = entries.div_ceil(stride);
            groups.push((format!("{} {what}", lengths.len()), 0..cells));
        }
        let mut before = 0;
        for (span, length) in layout.spans().iter().zip(lengths) {
            if together {
                places.push((0, before));
                before += length;
            } else {
                places.push((groups.len(), 0));
                let taken = length.div_ceil(stride);
                groups.push((label(&span.path.to_string()), cells..cells + taken));
                cells += taken;
            }
        }
        Side { groups, cells, stride, places, entries }
    }

    /// Its leaves beside each other, with cells of this size, or larger ones where a leaf would not be seen.
    fn stripes(&self, cell: f64) -> Vec<Stripe> {
        let mut start = 0.0;
        let mut stripes = Vec::new();
        for (label, cells) in self.groups.iter().filter(|(_, cells)| !cells.is_empty()) {
            let cell = cell.max((LEAST_LEAF / cells.len() as f64).floor());
            let stripe = Stripe { label: label.clone(), cells: cells.clone(), start, cell };
            start += stripe.length() + GAP;
            stripes.push(stripe);
        }
        stripes
    }

    /// The cell of a leaf's entry.
    fn cell(&self, leaf: usize, entry: usize) -> usize {
        let (group, before) = self.places[leaf];
        self.groups[group].1.start + (before + entry) / self.stride
    }
}

/// The end of a long path, which tells more than its beginning.
fn label(path: &str) -> String {
    let length = path.chars().count();
    if length <= LETTERS {
        return path.to_owned();
    }
    format!("…{}", path.chars().skip(length - LETTERS + 1).collect::<String>())
}

/// The matrix in cells.
struct Grid {
    rows: Side,
    columns: Side,
    /// The largest magnitude in each cell, by rows.
    cells: Vec<f64>,
    nonzero: usize,
    most: f64,
}

impl Grid {
    fn of(jacobian: &Jacobian) -> Grid {
        let (rows, columns) = (Side::of(jacobian.of(), "outputs"), Side::of(jacobian.wrt(), "inputs"));
        let inputs = jacobian.wrt().spans().len();
        let mut grid = Grid { cells: vec![0.0; rows.cells * columns.cells], rows, columns, nonzero: 0, most: 0.0 };
        for (k, (.., block)) in jacobian.blocks().enumerate() {
            let (output, input) = (k / inputs, k % inputs);
            let span = &jacobian.wrt().spans()[input];
            let length = (span.len / span.dtype.coordinates()).max(1);
            let mut add = |(i, magnitude): (usize, f64)| {
                let (row, column) = (grid.rows.cell(output, i / length), grid.columns.cell(input, i % length));
                let cell = &mut grid.cells[row * grid.columns.cells + column];
                *cell = cell.max(magnitude);
                grid.most = grid.most.max(magnitude);
                grid.nonzero += usize::from(magnitude != 0.0);
            };
            match block {
                Block::Real(view) => view.iter().map(|value| value.abs()).enumerate().for_each(&mut add),
                Block::Complex(array) => array.iter().map(|value| value.norm()).enumerate().for_each(&mut add),
            }
        }
        grid
    }

    fn caption(&self, how: &str) -> String {
        let (rows, columns) = (self.rows.entries, self.columns.entries);
        let entries = rows * columns;
        let share = 100.0 * self.nonzero as f64 / entries.max(1) as f64;
        let share = if share > 0.0 && share < 0.1 { format!("{share:.1e}") } else { format!("{share:.1}") };
        let mut caption =
            format!("{rows} × {columns}, {how}; {} of {entries} entries are nonzero ({share} %)", self.nonzero);
        let (down, across) = (self.rows.stride, self.columns.stride);
        if down * across > 1 {
            caption += &format!("; a cell is the largest of up to {down} × {across}");
        }
        caption
    }

    fn draw(&self, mut group: Group, scale: Scale, rows: &[Stripe], columns: &[Stripe]) -> Group {
        // One path a shade, of runs of cells alike: a rectangle for each of so many would be a heavy file.
        let mut paths = vec![String::new(); SHADES];
        let mut frames = Group::new().set("fill", "none").set("stroke", GREY).set("stroke-width", 0.7);
        for (row, column) in rows.iter().flat_map(|row| columns.iter().map(move |column| (row, column))) {
            let (x, y) = (column.start, row.start);
            let block = || Rectangle::new().set("x", x).set("y", y).set("width", column.length());
            group = group.add(block().set("height", row.length()).set("fill", ZERO));
            frames = frames.add(block().set("height", row.length()));
            for (i, line) in row.cells.clone().enumerate() {
                let line = &self.cells[line * self.columns.cells..][column.cells.clone()];
                let mut j = 0;
                while j < line.len() {
                    let shade = shade(line[j], scale);
                    let run = line[j..].iter().take_while(|value| self::shade(**value, scale) == shade).count();
                    if let Some(shade) = shade {
                        let (x, y) = (x + j as f64 * column.cell, y + i as f64 * row.cell);
                        let (w, h) = (run as f64 * column.cell, row.cell);
                        let _ = write!(paths[shade], "M{x} {y}h{w}v{h}h-{w}z");
                    }
                    j += run;
                }
            }
        }
        for (shade, path) in paths.into_iter().enumerate().filter(|(_, path)| !path.is_empty()) {
            // Crisp, without a hair between neighbours.
            let fill = Path::new().set("d", path).set("fill", colour(shade)).set("shape-rendering", "crispEdges");
            group = group.add(fill);
        }
        group.add(frames)
    }
}

/// Which shade a magnitude has; `None` for zero.
fn shade(magnitude: f64, scale: Scale) -> Option<usize> {
    let place = scale.place(magnitude).clamp(0.0, 1.0);
    (magnitude > 0.0).then(|| ((place * SHADES as f64) as usize).min(SHADES - 1))
}

fn colour(shade: usize) -> String {
    let along = (shade as f64 + 0.5) / SHADES as f64 * (COLOURS.len() - 1) as f64;
    let from = along as usize;
    let mix = |i: usize| {
        let (a, b) = (f64::from(COLOURS[from][i]), f64::from(COLOURS[from + 1][i]));
        (a + (along - from as f64) * (b - a)).round() as u8
    };
    format!("#{:02x}{:02x}{:02x}", mix(0), mix(1), mix(2))
}

/// The height of the legend.
const LEGEND: f64 = 190.0;

fn legend(scale: Scale, most: f64, x: f64, y: f64) -> Group {
    let mut legend = Group::new();
    let bar = LEGEND - 40.0;
    let key = |y: f64, height: f64| {
        Rectangle::new().set("x", round(x)).set("y", round(y)).set("width", 16).set("height", round(height))
    };
    if most > 0.0 {
        for shade in 0..SHADES {
            let height = bar / SHADES as f64;
            let from = y + bar - (shade + 1) as f64 * height;
            legend = legend.add(key(from, height).set("fill", colour(shade)).set("shape-rendering", "crispEdges"));
        }
        legend = legend.add(key(y, bar).set("fill", "none").set("stroke", GREY));
        for exponent in scale.ticks(7) {
            let at = y + (1.0 - scale.place(10f64.powi(exponent))) * bar;
            legend = legend.add(line((x + 16.0, at), (x + 20.0, at), GREY));
            legend = legend.add(text(x + 25.0, at + 4.0, Anchor::Start, &power(exponent)));
        }
    }
    let zero = y + bar + 18.0;
    legend = legend.add(key(zero, 16.0).set("fill", ZERO).set("stroke", GREY));
    legend.add(text(x + 25.0, zero + 12.0, Anchor::Start, "zero"))
}
