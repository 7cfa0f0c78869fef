//! `regex`: what a group of a regular expression matches.

use regex::bytes::{CaptureLocations, Regex, RegexBuilder};

use super::found::Found;
use super::text::{extent, line_at, number_of};
use crate::manifest::command::{Nth, Pattern};

/// How much memory an expression may take once it is compiled.
const SIZE_LIMIT: usize = 1 << 20;

/// A regular expression. `^` and `$` are the ends of lines; it sees bytes, so that a text need not be UTF-8.
#[derive(Debug)]
pub(super) struct PatternReading {
    regex: Regex,
    group: usize,
    occurrence: Nth,
    comma: bool,
}

impl PatternReading {
    pub(super) fn load(pattern: &Pattern, comma: bool) -> Result<PatternReading, String> {
        let regex = RegexBuilder::new(&pattern.regex)
            .multi_line(true)
            .crlf(true)
            .unicode(false)
            .size_limit(SIZE_LIMIT)
            .build()
            .map_err(|error| format!("regex: {error}"))?;
        let named = regex.capture_names().position(|name| name == Some("value"));
        let group = named.unwrap_or(usize::from(regex.captures_len() > 1));
        Ok(PatternReading { regex, group, occurrence: pattern.occurrence, comma })
    }

    pub(super) fn read(&self, text: &[u8], found: &mut Found) -> Result<(), String> {
        let groups = &mut self.regex.capture_locations();
        let starts = || self.regex.find_iter(text).map(|hit| hit.start());
        let index = match self.occurrence {
            Nth::First(n) => Some(n - 1),
            Nth::Last(n) => starts().count().checked_sub(n),
            Nth::All => {
                for start in starts() {
                    self.read_one(text, start, groups, found)?;
                }
                found.list();
                return if found.numbers.is_empty() { Err(self.missing(text)) } else { Ok(()) };
            }
        };
        let start = index.and_then(|index| starts().nth(index)).ok_or_else(|| self.missing(text))?;
        self.read_one(text, start, groups, found)
    }

    /// The match that begins at `start`.
    fn read_one(
        &self,
        text: &[u8],
        start: usize,
        groups: &mut CaptureLocations,
        found: &mut Found,
    ) -> Result<(), String> {
        let line = || line_at(text, start);
        let value = if self.group == 0 {
            self.regex.find_at(text, start)
        } else {
            self.regex.captures_read_at(groups, text, start);
            let (from, to) = groups.get(self.group).ok_or_else(|| {
                format!("line {}: the group of `{}` that is read is not in its match", line().number, self.regex)
            })?;
            return found.push(self.number(&text[from..to], from, text)?);
        };
        let value = value.ok_or_else(|| self.missing(text))?;
        found.push(self.number(value.as_bytes(), value.start(), text)?)
    }

    fn number(&self, value: &[u8], at: usize, text: &[u8]) -> Result<super::Number, String> {
        number_of(value, self.comma, format_args!("the match of `{}`", self.regex), || line_at(text, at))
    }

    fn missing(&self, text: &[u8]) -> String {
        let count = self.regex.find_iter(text).count();
        format!("`{}` matches {count} times, {} was looked for; {}", self.regex, nth(self.occurrence), extent(text))
    }
}

fn nth(occurrence: Nth) -> String {
    match occurrence {
        Nth::First(n) => format!("match {n}"),
        Nth::Last(n) => format!("match {n} from the end"),
        Nth::All => "at least one".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{fails, reads, reads_list, refuses};

    const OUTPUT: &[u8] = b"step 1 E= 1.50 \xff\r\nstep 2 E= 2.50\r\nend\r\n";

    #[test]
    fn the_group_is_read() {
        reads(r"regex = 'E= *(\S+)'", OUTPUT, 1.5);
        reads(r"regex = '(step) (?P<value>\d+) E'", OUTPUT, 1.0);
        reads(r"regex = '\d+\.\d+'", OUTPUT, 1.5);
        reads("regex = '^step .*= (.*)$'\noccurrence = -1", OUTPUT, 2.5);
        reads("regex = '(?:E= )(.+?)\\s'\noccurrence = 2", OUTPUT, 2.5);
        reads_list("regex = 'step (\\d)'\noccurrence = \"all\"", OUTPUT, &[1.0, 2.0]);
    }

    #[test]
    fn errors_count_the_matches() {
        for (reading, expected) in [
            (
                "regex = 'F= (.*)'",
                "`F= (.*)` matches 0 times, match 1 was looked for; it has 3 lines, the last is `end`",
            ),
            (
                "regex = 'E= (.*)'\noccurrence = -3",
                "`E= (.*)` matches 2 times, match 3 from the end was looked for; it has 3 lines, the last is `end`",
            ),
            (
                "regex = '(st)ep'",
                "the match of `(st)ep` of line 1, `st`, is no number; the line is `step 1 E= 1.50 \u{fffd}`",
            ),
            ("regex = 'end|(x)'", "line 3: the group of `end|(x)` that is read is not in its match"),
        ] {
            assert_eq!(fails(reading, OUTPUT), expected);
        }
        assert!(refuses("regex = '('").contains("unclosed group"));
        assert!(refuses("regex = '((a{1000}){1000}){1000}'").contains("size limit"));
    }
}
