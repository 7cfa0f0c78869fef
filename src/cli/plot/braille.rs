//! A canvas of Braille dots, two by four a character, for curves in a terminal.

/// How a character is inked; the later of two that share a character wins.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Ink {
    None,
    Second,
    First,
    Mark,
}

impl Ink {
    /// The colour on a terminal: blue and yellow, which nobody confuses.
    fn code(self) -> &'static str {
        match self {
            Ink::None => "",
            Ink::First => "\x1b[34m",
            Ink::Second => "\x1b[33m",
            Ink::Mark => "\x1b[1m",
        }
    }
}

pub(super) struct Canvas {
    columns: usize,
    rows: usize,
    cells: Vec<Cell>,
}

#[derive(Clone, Copy)]
struct Cell {
    dots: u8,
    sign: Option<char>,
    ink: Ink,
}

impl Canvas {
    pub(super) fn new(columns: usize, rows: usize) -> Canvas {
        Canvas { columns, rows, cells: vec![Cell { dots: 0, sign: None, ink: Ink::None }; columns * rows] }
    }

    /// The character at a place, both coordinates from 0 to 1, upward; `None` outside.
    fn cell(&mut self, x: f64, y: f64) -> Option<&mut Cell> {
        let (column, row) = (dot(x, self.columns)?, self.rows - 1 - dot(y, self.rows)?);
        Some(&mut self.cells[row * self.columns + column])
    }

    /// One dot.
    pub(super) fn point(&mut self, x: f64, y: f64, ink: Ink) {
        let (Some(column), Some(row)) = (dot(x, 2 * self.columns), dot(y, 4 * self.rows)) else { return };
        self.dot(column, 4 * self.rows - 1 - row, ink);
    }

    /// A line of dots.
    pub(super) fn line(&mut self, from: (f64, f64), to: (f64, f64), ink: Ink) {
        let width = ((to.0 - from.0) * 2.0 * self.columns as f64).abs();
        let height = ((to.1 - from.1) * 4.0 * self.rows as f64).abs();
        let dots = width.max(height).ceil().max(1.0);
        for i in 0..=dots as usize {
            let part = i as f64 / dots;
            self.point(from.0 + part * (to.0 - from.0), from.1 + part * (to.1 - from.1), ink);
        }
    }

    fn dot(&mut self, column: usize, row: usize, ink: Ink) {
        const BITS: [[u8; 2]; 4] = [[0x01, 0x08], [0x02, 0x10], [0x04, 0x20], [0x40, 0x80]];
        let cell = &mut self.cells[row / 4 * self.columns + column / 2];
        cell.dots |= BITS[row % 4][column % 2];
        cell.ink = cell.ink.max(ink);
    }

    /// A character in place of dots.
    pub(super) fn sign(&mut self, x: f64, y: f64, sign: char) {
        if let Some(cell) = self.cell(x, y) {
            cell.sign = Some(sign);
            cell.ink = Ink::Mark;
        }
    }

    /// A character wherever a column has nothing, from the bottom up to `top`.
    pub(super) fn pole(&mut self, x: f64, top: f64, sign: char) {
        for row in 0..self.rows {
            let y = (row as f64 + 0.5) / self.rows as f64;
            if let Some(cell) = self.cell(x, y).filter(|cell| y <= top && cell.dots == 0 && cell.sign.is_none()) {
                cell.sign = Some(sign);
            }
        }
    }

    /// The lines, from the top.
    pub(super) fn lines(&self, coloured: bool) -> Vec<String> {
        let line = |cells: &[Cell]| {
            let mut line = String::new();
            for cell in cells {
                let braille = || char::from_u32(0x2800 + u32::from(cell.dots)).filter(|_| cell.dots > 0);
                let sign = cell.sign.or_else(braille).unwrap_or(' ');
                if coloured && cell.ink != Ink::None {
                    line += &format!("{}{sign}\x1b[0m", cell.ink.code());
                } else {
                    line.push(sign);
                }
            }
            line.trim_end().to_owned()
        };
        self.cells.chunks(self.columns).map(line).collect()
    }
}

/// The dot of `count` at a place.
fn dot(place: f64, count: usize) -> Option<usize> {
    (0.0..=1.0).contains(&place).then(|| ((place * count as f64) as usize).min(count - 1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dots_and_signs_lie_where_they_are_put() {
        let mut canvas = Canvas::new(3, 2);
        canvas.line((0.0, 0.0), (1.0, 1.0), Ink::First);
        canvas.point(0.0, 1.0, Ink::Second);
        canvas.point(2.0, 0.5, Ink::Second);
        canvas.sign(0.99, 0.01, '◆');
        canvas.pole(0.99, 1.0, '┊');
        assert_eq!(canvas.lines(false), ["⠁⢠⠊", "⡔⠁◆"]);
        assert!(canvas.lines(true)[1].ends_with("\x1b[1m◆\x1b[0m"));
    }
}
