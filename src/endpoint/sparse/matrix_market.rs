//! Sparsity patterns as Matrix Market files: coordinate matrices, of which only the places of the entries matter.
//!
//! Boisvert, Pozo and Remington, *The Matrix Market exchange formats*, NISTIR 5935, 1996.

use std::fmt::Write as _;
use std::io;
use std::path::Path;

use crate::diff::Sparsity;

/// The pattern a file holds, or what is wrong with it, and in which line.
pub(crate) fn read(text: &str) -> Result<Sparsity, String> {
    let mut lines = text.lines().enumerate().map(|(i, line)| (i + 1, line.trim()));
    let (_, banner) = lines.next().unwrap_or_default();
    let words: Vec<String> = banner.split_whitespace().map(str::to_ascii_lowercase).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let ["%%matrixmarket", "matrix", "coordinate", _, symmetry] = words[..] else {
        return Err("line 1: expected '%%MatrixMarket matrix coordinate pattern general'".to_owned());
    };
    let mirrored = match symmetry {
        "general" => false,
        "symmetric" | "skew-symmetric" | "hermitian" => true,
        other => return Err(format!("line 1: unknown symmetry '{other}'")),
    };
    let mut lines = lines.filter(|(_, line)| !line.is_empty() && !line.starts_with('%'));
    let numbers = |line: &str, count: usize| -> Option<Vec<u32>> {
        let numbers: Vec<u32> = line.split_whitespace().take(count).map_while(|word| word.parse().ok()).collect();
        (numbers.len() == count).then_some(numbers)
    };
    let (line, size) = lines.next().ok_or("there is no line with the size")?;
    let size = numbers(size, 3).ok_or_else(|| format!("line {line}: expected rows, columns and entries"))?;
    let mut entries = Vec::new();
    for (line, entry) in lines {
        let entry = numbers(entry, 2).ok_or_else(|| format!("line {line}: expected a row and a column"))?;
        let (row, column) = (entry[0], entry[1]);
        if !(1..=size[0]).contains(&row) || !(1..=size[1]).contains(&column) {
            return Err(format!("line {line}: ({row}, {column}) is outside of {} x {}", size[0], size[1]));
        }
        entries.push((row - 1, column - 1));
        if mirrored {
            entries.push((column - 1, row - 1));
        }
    }
    let told = size[2] as usize;
    let found = if mirrored { entries.len() / 2 } else { entries.len() };
    if found != told {
        return Err(format!("it has {found} entries, but says {told}"));
    }
    Sparsity::new(size[0] as usize, size[1] as usize, entries)
        .ok_or_else(|| "an entry of its mirror image lies outside".to_owned())
}

/// Writes a pattern, whole or not at all.
pub(crate) fn write(file: &Path, pattern: &Sparsity) -> io::Result<()> {
    let mut text = "%%MatrixMarket matrix coordinate pattern general\n".to_owned();
    let _ = writeln!(text, "{} {} {}", pattern.rows(), pattern.columns(), pattern.count());
    for column in 0..pattern.columns() {
        for &row in pattern.column(column) {
            let _ = writeln!(text, "{} {}", row + 1, column + 1);
        }
    }
    if let Some(folder) = file.parent() {
        std::fs::create_dir_all(folder)?;
    }
    let unfinished = file.with_extension(format!("{}.tmp", std::process::id()));
    std::fs::write(&unfinished, text)?;
    std::fs::rename(&unfinished, file)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_come_back() {
        let pattern = Sparsity::new(3, 4, vec![(0, 0), (2, 3), (1, 1), (2, 0)]).unwrap();
        let file = tempfile::tempdir().unwrap().keep().join("deep/pattern.mtx");
        write(&file, &pattern).unwrap();
        assert_eq!(read(&std::fs::read_to_string(&file).unwrap()), Ok(pattern));
    }

    #[test]
    fn values_are_ignored_and_symmetry_is_not() {
        let text = "%%MatrixMarket matrix coordinate real symmetric\n% by hand\n3 3 2\n1 1 4.5\n3 1 -2e3\n";
        assert_eq!(read(text), Ok(Sparsity::new(3, 3, vec![(0, 0), (2, 0), (0, 2)]).unwrap()));
    }

    #[test]
    fn what_is_wrong_is_said_with_its_line() {
        for (text, said) in [
            ("", "line 1: expected"),
            ("%%MatrixMarket matrix array real general\n2 2\n", "line 1: expected"),
            ("%%MatrixMarket matrix coordinate pattern general\n", "no line with the size"),
            ("%%MatrixMarket matrix coordinate pattern general\n2 2\n", "line 2: expected rows"),
            ("%%MatrixMarket matrix coordinate pattern general\n2 2 1\n3 1\n", "line 3: (3, 1) is outside of 2 x 2"),
            ("%%MatrixMarket matrix coordinate pattern general\n2 2 1\nx 1\n", "line 3: expected a row"),
            ("%%MatrixMarket matrix coordinate pattern general\n2 2 2\n1 1\n", "it has 1 entries, but says 2"),
        ] {
            let error = read(text).unwrap_err();
            assert!(error.contains(said), "{error}");
        }
    }
}
