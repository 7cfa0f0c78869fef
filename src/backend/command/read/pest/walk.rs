//! What instructions do to a text: a cursor goes through it, from line to line and never back.

use memchr::{memchr, memrchr};

use super::super::number::Number;
use super::super::text::{Line, extent, line_at, number_of, shown};
use super::instructions::{Instruction, Instructions, Place, Step};

/// Carries the instructions out; `observe` is told the observations as they are found.
pub(super) fn walk(
    instructions: &Instructions,
    text: &[u8],
    mut observe: impl FnMut(usize, Number),
) -> Result<(), String> {
    let mut walk = Walk { text, start: 0, end: 0, next: 0, cursor: 0 };
    let steps = &instructions.steps;
    let mut at = 0;
    while let Some(step) = steps.get(at) {
        // Markers that follow a primary one say more of the line that it is in.
        let together = match step.instruction {
            Instruction::Primary(_) => steps[at + 1..].iter().take_while(|step| is_secondary(step)).count(),
            _ => 0,
        };
        let following = &steps[at + 1..];
        walk.step(step, &following[..together], following.first(), &mut observe)
            .map_err(|error| format!("line {} of the instructions: `{}` {error}", step.line, step.text))?;
        at += 1 + together;
    }
    Ok(())
}

fn is_secondary(step: &Step) -> bool {
    matches!(step.instruction, Instruction::Secondary(_))
}

struct Walk<'a> {
    text: &'a [u8],
    /// Where the line begins.
    start: usize,
    /// Where it ends.
    end: usize,
    /// Where the next one begins.
    next: usize,
    /// What was not looked at yet, counted from the line's beginning.
    cursor: usize,
}

fn is_blank(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t')
}

/// Whether a free number ends.
fn is_end(byte: u8) -> bool {
    is_blank(byte) || byte == b','
}

impl<'a> Walk<'a> {
    fn step(
        &mut self,
        step: &Step,
        together: &[Step],
        following: Option<&Step>,
        observe: &mut impl FnMut(usize, Number),
    ) -> Result<(), String> {
        match &step.instruction {
            Instruction::Primary(marker) => {
                let from = self.next;
                loop {
                    let Some(hit) = marker.find(&self.text[self.next..]) else {
                        let last = if from == 0 { 0 } else { line_at(self.text, from - 1).number };
                        return Err(format!("is in no line after line {last}; {}", extent(self.text)));
                    };
                    let hit = self.next + hit;
                    self.enter(memrchr(b'\n', &self.text[..hit]).map_or(0, |newline| newline + 1));
                    self.cursor = hit - self.start + marker.needle().len();
                    if self.all(together) {
                        return Ok(());
                    }
                }
            }
            Instruction::Secondary(marker) => match marker.find(self.rest()) {
                Some(hit) => self.cursor += hit + marker.needle().len(),
                None => return Err(format!("is not in the rest of {}", self.place())),
            },
            Instruction::Advance(lines) => {
                let from = self.next;
                for _ in 0..*lines {
                    if self.next >= self.text.len() {
                        let last = if from == 0 { 0 } else { line_at(self.text, from - 1).number };
                        return Err(format!("leads from line {last} beyond the last; {}", extent(self.text)));
                    }
                    self.enter(self.next);
                }
            }
            Instruction::Blanks => {
                let rest = self.rest();
                let blank = rest.iter().position(|byte| is_blank(*byte));
                let on = blank.and_then(|blank| {
                    rest[blank..].iter().position(|byte| !is_blank(*byte)).map(|length| blank + length)
                });
                self.cursor += on.ok_or_else(|| format!("finds no more after blanks in {}", self.place()))?;
            }
            Instruction::Tab(column) => {
                // The cursor is on that column: what comes next is after it.
                let line = self.line();
                let next = following.map(|step| &step.instruction);
                if *column > line.len() {
                    return Err(format!("leads beyond the end of {}", self.place()));
                }
                if matches!(next, Some(Instruction::Read { place: Place::Next, .. }))
                    && matches!(line[column - 1], b'0'..=b'9' | b'+' | b'-' | b'.')
                    && line.get(*column).is_some_and(|byte| !is_end(*byte))
                {
                    return Err(format!("cuts a number (it leads to the column before) in {}", self.place()));
                }
                self.cursor = *column;
            }
            Instruction::Read { observation, place } => {
                let (from, to) = self.find(*place, following)?;
                let text = &self.line()[from..to];
                self.cursor = to;
                if let Some(observation) = observation {
                    let line = || Line { text: self.line(), ..line_at(self.text, self.start) };
                    // The instruction comes before.
                    observe(*observation, number_of(text, false, "", line).map_err(|e| e.trim_start().to_owned())?);
                }
            }
        }
        Ok(())
    }

    /// Makes the line that begins at `start` the one that is read.
    fn enter(&mut self, start: usize) {
        let end = memchr(b'\n', &self.text[start..]).map_or(self.text.len(), |length| start + length);
        self.start = start;
        self.next = (end + 1).min(self.text.len());
        let line = &self.text[start..end];
        self.end = end - usize::from(line.ends_with(b"\r"));
        self.cursor = 0;
    }

    /// Goes on to each of the markers in turn, if all are there.
    fn all(&mut self, markers: &[Step]) -> bool {
        markers.iter().all(|step| {
            let Instruction::Secondary(marker) = &step.instruction else { return false };
            let rest = self.line().get(self.cursor..).unwrap_or_default();
            let hit = marker.find(rest);
            self.cursor += hit.map_or(0, |hit| hit + marker.needle().len());
            hit.is_some()
        })
    }

    /// Where in the line a number is.
    fn find(&self, place: Place, following: Option<&Step>) -> Result<(usize, usize), String> {
        let line = self.line();
        match place {
            Place::Fixed(first, _) | Place::Touching(first, _) if first > line.len() => {
                Err(format!("leads beyond the end of {}", self.place()))
            }
            Place::Fixed(first, last) => Ok((first - 1, last.min(line.len()))),
            Place::Touching(first, last) => {
                let columns = &line[first - 1..last.min(line.len())];
                let touched = columns.iter().position(|byte| !is_end(*byte));
                let touched = touched
                    .map(|length| first - 1 + length)
                    .ok_or_else(|| format!("finds nothing in those columns of {}", self.place()))?;
                let from = line[..touched].iter().rposition(|byte| is_end(*byte)).map_or(0, |end| end + 1);
                Ok((from, touched + length_of_number(&line[touched..])))
            }
            Place::Next => {
                let rest = line.get(self.cursor..).unwrap_or_default();
                let from = rest.iter().position(|byte| !is_end(*byte));
                let from = from.ok_or_else(|| format!("finds nothing in the rest of {}", self.place()))?;
                let mut length = length_of_number(&rest[from..]);
                if let Some(Step { instruction: Instruction::Secondary(marker), .. }) = following {
                    length = marker.find(&rest[from..from + length]).unwrap_or(length);
                }
                Ok((self.cursor + from, self.cursor + from + length))
            }
        }
    }

    /// What is left of the line. A marker may end behind it, in what ends the line.
    fn rest(&self) -> &[u8] {
        self.line().get(self.cursor..).unwrap_or_default()
    }

    fn line(&self) -> &'a [u8] {
        &self.text[self.start..self.end]
    }

    fn place(&self) -> String {
        format!("line {}, `{}`", line_at(self.text, self.start).number, shown(self.line()))
    }
}

fn length_of_number(text: &[u8]) -> usize {
    text.iter().position(|byte| is_end(*byte)).unwrap_or(text.len())
}
