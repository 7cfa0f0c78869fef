//! `pest`: observations that an instruction file of PEST (`pif`) finds.
//!
//! The rules are those of the manual of PEST; where it is silent, those of PEST++: markers are told apart by case,
//! names are not, and a comma ends a free number.

mod instructions;
mod walk;

use std::path::Path;

use instructions::Instructions;

use super::found::Found;
use super::number::Number;
use crate::manifest::command::PestInstructions;

/// The observations that an instruction file reads, in the order it reads them, in lower case.
#[cfg(feature = "cli")]
pub(crate) fn observations(text: &[u8]) -> Result<Vec<String>, String> {
    Ok(Instructions::parse(text)?.names.into_iter().collect())
}

/// Instructions, and where each observation goes.
#[derive(Debug)]
pub(super) struct PestReading {
    instructions: Instructions,
    /// The place in the output of each observation, in the order they are read.
    places: Vec<Option<usize>>,
    /// How many the output has.
    count: usize,
}

impl PestReading {
    pub(super) fn load(pest: &PestInstructions, folder: &Path) -> Result<PestReading, String> {
        let path = folder.join(&pest.pest);
        let text = std::fs::read(&path).map_err(|error| format!("pest: {}: {error}", path.display()))?;
        let instructions = Instructions::parse(&text).map_err(|error| format!("pest: {}: {error}", path.display()))?;
        let Some(wanted) = &pest.observations else {
            let count = instructions.names.len();
            return Ok(PestReading { instructions, places: (0..count).map(Some).collect(), count });
        };
        let mut places = vec![None; instructions.names.len()];
        for (place, name) in wanted.iter().enumerate() {
            let index = instructions.names.get_index_of(name.to_lowercase().as_str()).ok_or_else(|| {
                let names: Vec<&str> = instructions.names.iter().take(20).map(String::as_str).collect();
                format!("observations: {} does not read `{name}`; it reads {}", path.display(), names.join(", "))
            })?;
            if places[index].replace(place).is_some() {
                return Err(format!("observations: `{name}` is named twice"));
            }
        }
        Ok(PestReading { instructions, places, count: wanted.len() })
    }

    pub(super) fn read(&self, text: &[u8], found: &mut Found) -> Result<(), String> {
        for _ in 0..self.count {
            found.push(Number { value: 0.0, quantum: 0.0 })?;
        }
        walk::walk(&self.instructions, text, |observation, number| {
            if let Some(place) = self.places[observation] {
                found.numbers[place] = number.value;
                found.quanta[place] = number.quantum;
            }
        })?;
        found.list();
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{fails_in, loads_in, reads_in};

    const READING: &str = "pest = \"m.ins\"";

    fn reads(instructions: &str, output: &str, expected: &[f64]) {
        reads_in(&[("m.ins", instructions)], READING, output, expected);
    }

    fn fails(instructions: &str, output: &str) -> String {
        fails_in(&[("m.ins", instructions)], READING, output)
    }

    const OUTPUT: &str = "\
 SCHLUMBERGER ELECTRIC SOUNDING

 Apparent resistivities calculated using the linear filter method

 electrode spacing    apparent resistivity
         1.00               1.21072
         1.47               1.51313
         2.15               2.07536

 STRESS AT NODES
 node 1  sxx= 1.5, syy=-2.5E+00,sxy=3
 node 2  sxx= 2.5, syy=-3.5E+00,sxy=4
";

    #[test]
    fn lines_columns_and_blanks_are_instructions() {
        reads("pif @\nl6 [ar1]21:40\nl1 [ar2]29:35\nl1 [ar3]21:35\n", OUTPUT, &[1.21072, 1.51313, 2.07536]);
        reads("pif @\n@electrode@\nl1 (AR1)26:30\nl1 (ar2)30:60\n", OUTPUT, &[1.21072, 1.51313]);
        reads("pif @\nl6 w w !ar1!\n@1.47@ !ar2!\nl1 !dum! !ar3!\n", OUTPUT, &[1.21072, 1.51313, 2.07536]);
        reads("pif @\nl7 t12 w !x!\nl1 t9 !s!\n", OUTPUT, &[1.51313, 2.15]);
        reads("PIF ~\nL1 W !x!\n", "a 1\n", &[1.0]);
    }

    #[test]
    fn markers_are_looked_for() {
        reads("pif @\n@STRESS AT@\nl1 @syy=@ !s! @sxy=@ !t!\n", OUTPUT, &[-2.5, 3.0]);
        // Secondary markers that follow a primary one are looked for with it.
        reads("pif @\n@node@ @2@ @sxx=@ !s! @,@\n", OUTPUT, &[2.5]);
        reads("pif @\n@node 1@\n& @sxx=@ !s!\n&\n& @syy=@\n& !t!\n", OUTPUT, &[1.5, -2.5]);
        reads("pif @\nl1 !a! @s@ !b!\n", "1.5s 2.5", &[1.5, 2.5]);
        // A marker is in a line below the last that was dealt with.
        reads("pif @\n@node@\n@node@ w !n!\n", OUTPUT, &[2.0]);
        reads("pif $\n$a b$ !x!\n\n", "ab 1\na b 2\n", &[2.0]);
    }

    #[test]
    fn observations_are_picked_and_ordered() {
        let files = [("m.ins", "pif @\nl6 w !a! !b!\nl1 !dum! !C!\n")];
        reads_in(&files, "pest = \"m.ins\"\nobservations = [\"c\", \"A\"]", OUTPUT, &[1.51313, 1.0]);
        let error = loads_in(&files, "pest = \"m.ins\"\nobservations = [\"z\"]").unwrap_err();
        assert!(error.ends_with("m.ins does not read `z`; it reads a, b, c"), "{error}");
        let error = loads_in(&files, "pest = \"m.ins\"\nobservations = [\"a\", \"A\"]").unwrap_err();
        assert!(error.contains("named twice"), "{error}");
        assert!(loads_in(&[], READING).unwrap_err().contains("m.ins"));
    }

    #[test]
    fn what_is_not_found_names_the_instruction_and_the_line() {
        for (instructions, expected) in [
            (
                "@MOMENTS@ !a!",
                "line 2 of the instructions: `@MOMENTS@` is in no line after line 0; it has 12 lines, the last is ` node 2  sxx= 2.5, syy=-3.5E+00,sxy=4`",
            ),
            (
                "l10\n@electrode@ !a!",
                "line 3 of the instructions: `@electrode@` is in no line after line 10; it has 12 lines, the last is ` node 2  sxx= 2.5, syy=-3.5E+00,sxy=4`",
            ),
            (
                "l11 w w !a! @sxx=@ !b! @zz@",
                "line 2 of the instructions: `@zz@` is not in the rest of line 11, ` node 1  sxx= 1.5, syy=-2.5E+00,sxy=3`",
            ),
            (
                "l9\nl9 !a!",
                "line 3 of the instructions: `l9` leads from line 9 beyond the last; it has 12 lines, the last is ` node 2  sxx= 2.5, syy=-3.5E+00,sxy=4`",
            ),
            (
                "l1 w w w w !a!",
                "line 2 of the instructions: `w` finds no more after blanks in line 1, `SCHLUMBERGER ELECTRIC SOUNDING`",
            ),
            (
                "l6 t90 !a!",
                "line 2 of the instructions: `t90` leads beyond the end of line 6, `         1.00               1.21072`",
            ),
            (
                "l6 t11 !a!",
                "line 2 of the instructions: `t11` cuts a number (it leads to the column before) in line 6, `         1.00               1.21072`",
            ),
            (
                "l6 w w w !a!",
                "line 2 of the instructions: `w` finds no more after blanks in line 6, `         1.00               1.21072`",
            ),
            (
                "l6 w w !a! !b!",
                "line 2 of the instructions: `!b!` finds nothing in the rest of line 6, `         1.00               1.21072`",
            ),
            (
                "l1 w !a!",
                "line 2 of the instructions: `!a!` of line 1, `ELECTRIC`, is no number; the line is `SCHLUMBERGER ELECTRIC SOUNDING`",
            ),
            (
                "l6 [a]1:5",
                "line 2 of the instructions: `[a]1:5` of line 6, `     `, is blank; the line is `         1.00               1.21072`",
            ),
            (
                "l6 [a]70:75",
                "line 2 of the instructions: `[a]70:75` leads beyond the end of line 6, `         1.00               1.21072`",
            ),
            (
                "l6 (a)1:5",
                "line 2 of the instructions: `(a)1:5` finds nothing in those columns of line 6, `         1.00               1.21072`",
            ),
        ] {
            assert_eq!(fails(&format!("pif @\n{instructions}\n"), OUTPUT), expected);
        }
    }

    #[test]
    fn instructions_are_checked_when_they_are_loaded() {
        for (instructions, expected) in [
            ("", "line 1: `pif` and a marker's delimiter were expected, found ``"),
            ("ptf @", "line 1: `pif` and a marker's delimiter were expected, found `ptf @`"),
            ("pif @@", "line 1: `pif` and a marker's delimiter were expected, found `pif @@`"),
            ("pif !", "line 1: `!` cannot delimit markers"),
            ("pif @\nw !a!", "line 2: a line begins with a marker, `l` or `&`, not with `w`"),
            ("pif @\n& w", "line 2: there is no line before that `&` continues"),
            ("pif @\nl1 @abc", "line 2: `@abc` has no end"),
            ("pif @\n@@ !a!", "line 2: `@@` is no marker: it is empty"),
            ("pif @\nl0", "line 2: `l0` is no instruction"),
            ("pif @\nl1 x", "line 2: `x` is no instruction"),
            ("pif @\nl1 [a]5:3", "line 2: `[a]5:3` is no instruction"),
            ("pif @\nl1 [a]", "line 2: `[a]` is no instruction"),
            ("pif @\nl1 !a", "line 2: `!a` is no instruction"),
            ("pif @\nl1 !!", "line 2: `!!` is no instruction"),
            ("pif @\nl1 !a! !A!", "line 2: `a` is read twice"),
            ("pif @\nl1 w", "it reads no observations"),
        ] {
            let error = loads_in(&[("m.ins", instructions)], READING).unwrap_err();
            assert!(error.ends_with(expected), "{error}\n{expected}");
        }
    }
}
