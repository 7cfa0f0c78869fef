//! What the tests of all readings share, and what holds for any text.

use std::path::Path;

use proptest::prelude::*;

use super::{Found, Reader, gradients};
use crate::manifest::command::Read;

/// What tests write as a text.
pub(super) trait Bytes {
    fn bytes(&self) -> &[u8];
}

impl Bytes for &str {
    fn bytes(&self) -> &[u8] {
        self.as_bytes()
    }
}

impl Bytes for String {
    fn bytes(&self) -> &[u8] {
        self.as_bytes()
    }
}

impl Bytes for Vec<u8> {
    fn bytes(&self) -> &[u8] {
        self
    }
}

impl Bytes for &Vec<u8> {
    fn bytes(&self) -> &[u8] {
        self
    }
}

impl Bytes for &[u8] {
    fn bytes(&self) -> &[u8] {
        self
    }
}

impl<const N: usize> Bytes for [u8; N] {
    fn bytes(&self) -> &[u8] {
        self
    }
}

fn load(reading: &str, folder: &Path) -> Result<Reader, String> {
    let read: Read = toml::from_str(reading).unwrap();
    Reader::load(&read, folder)
}

fn read(reading: &str, text: &impl Bytes) -> Result<Found, String> {
    let mut found = Found::new(1000);
    load(reading, Path::new(".")).unwrap().read(text.bytes(), &mut found)?;
    assert_eq!(found.numbers.len(), found.quanta.len());
    assert_eq!(found.shape.iter().product::<usize>(), found.numbers.len());
    Ok(found)
}

/// One number, not a list.
#[track_caller]
pub(super) fn reads(reading: &str, text: impl Bytes, expected: f64) {
    reads_shape(reading, text, &[expected], &[]);
}

#[track_caller]
pub(super) fn reads_list(reading: &str, text: impl Bytes, expected: &[f64]) {
    reads_shape(reading, text, expected, &[expected.len()]);
}

#[track_caller]
pub(super) fn reads_shape(reading: &str, text: impl Bytes, expected: &[f64], shape: &[usize]) {
    let found = read(reading, &text).unwrap_or_else(|error| panic!("{reading}: {error}"));
    assert_eq!((&found.numbers[..], &found.shape[..]), (expected, shape), "{reading}");
}

#[track_caller]
pub(super) fn quanta(reading: &str, text: impl Bytes) -> Vec<f64> {
    read(reading, &text).unwrap_or_else(|error| panic!("{reading}: {error}")).quanta
}

#[track_caller]
pub(super) fn fails(reading: &str, text: impl Bytes) -> String {
    read(reading, &text).expect_err(reading)
}

#[track_caller]
pub(super) fn refuses(reading: &str) -> String {
    load(reading, Path::new(".")).expect_err(reading)
}

/// With some files in the manifest's folder.
pub(super) fn loads_in(files: &[(&str, &str)], reading: &str) -> Result<Reader, String> {
    let folder = tempfile::tempdir().unwrap();
    for (name, text) in files {
        std::fs::write(folder.path().join(name), text).unwrap();
    }
    load(reading, folder.path())
}

#[track_caller]
pub(super) fn reads_in(files: &[(&str, &str)], reading: &str, text: &str, expected: &[f64]) {
    let mut found = Found::new(1000);
    let reader = loads_in(files, reading).unwrap_or_else(|error| panic!("{files:?}: {error}"));
    reader.read(text.as_bytes(), &mut found).unwrap_or_else(|error| panic!("{files:?}: {error}"));
    assert_eq!(found.numbers, expected, "{files:?}");
}

#[track_caller]
pub(super) fn fails_in(files: &[(&str, &str)], reading: &str, text: &str) -> String {
    let reader = loads_in(files, reading).unwrap_or_else(|error| panic!("{files:?}: {error}"));
    reader.read(text.as_bytes(), &mut Found::new(1000)).expect_err(reading)
}

const READINGS: [&str; 20] = [
    "json = \"/a/0\"",
    "json = \"\"",
    "csv = \"a\"",
    "csv = 2\nrow = \"last\"",
    "table = \"a\"\ncolumns = [2, 1]\nskip = 1",
    "table = \"\"\ncolumns = [1]",
    "table = \"a\"\ncolumns = [1]\noccurrence = \"all\"\nrows = 1",
    "anchor = \"a\"\nrow = 1\noccurrence = \"all\"",
    "anchor = \"a\"\noccurrence = \"all\"",
    "anchor = \"a\"\nfield = 2\noccurrence = -1",
    "line = 2\ncolumns = [2, 4]",
    "regex = 'a *(\\d+)'\noccurrence = \"all\"",
    "regex = 'a.'",
    "array = \"text\"\ncomment = \"#\"",
    "raw = \"float64\"",
    "raw = \"float32\"\nendian = \"big\"\noffset = 1",
    "npy = true",
    "dakota = [\"a\", \"b\"]",
    "pest = \"a.ins\"",
    "pest = \"b.ins\"",
];

fn readers() -> Vec<Reader> {
    let files =
        [("a.ins", "pif @\n@a@ @1@ !x!\nl1 w !y! @a@ (z)2:3\n@1@ [u]1:2"), ("b.ins", "pif @\nl1 t2 !x! !y! @a@\n")];
    READINGS.iter().map(|reading| loads_in(&files, reading).unwrap()).collect()
}

/// Texts of what readings look for.
fn text() -> impl Strategy<Value = Vec<u8>> {
    let word = prop_oneof![
        prop::sample::select(vec![
            &b"a"[..],
            b"b",
            b"1",
            b"2.5",
            b"-1e3",
            b" ",
            b"  ",
            b"\n",
            b"\r\n",
            b",",
            b"[",
            b"]",
            b"[[",
            b"]]",
            b"{",
            b"}",
            b":",
            b"\"a\"",
            b"\"",
            b"*",
            b"***",
            b"NaN",
            b"fail",
            b"#",
            b"\x93NUMPY\x01\x00",
            b"\x40\x00{'descr': '<f8', 'fortran_order': False, 'shape': (1,), }      \n",
            b"{\"a\": [1]}",
        ])
        .prop_map(<[u8]>::to_vec),
        prop::collection::vec(any::<u8>(), 0..4),
    ];
    prop::collection::vec(word, 0..40).prop_map(|words| words.concat())
}

proptest! {
    #[test]
    fn any_text_is_read_or_refused(text in text()) {
        for (reader, reading) in readers().iter().zip(READINGS) {
            let mut found = Found::new(7);
            match reader.read(&text, &mut found) {
                Ok(()) => {
                    prop_assert!(found.numbers.len() <= 7, "{}", reading);
                    prop_assert_eq!(found.numbers.len(), found.quanta.len());
                    prop_assert_eq!(found.shape.iter().product::<usize>(), found.numbers.len(), "{}", reading);
                    prop_assert!(found.numbers.iter().all(|number| number.is_finite()), "{}", reading);
                }
                Err(error) => prop_assert!(!error.is_empty() && error.len() < 2000, "{}: {}", reading, error),
            }
        }
        let _ = gradients(&text, 7);
    }
}

/// What would take hours if anything went over it more than a few times.
#[test]
fn hostile_texts_are_refused_in_passing() {
    const SIZE: usize = 4 << 20;
    let repeated = |part: &[u8]| part.iter().copied().cycle().take(SIZE).collect::<Vec<u8>>();
    let texts = [
        repeated(b"x"),
        repeated(b"\n"),
        repeated(b"a "),
        repeated(b"a"),
        repeated(b"1 "),
        repeated(b"a 1 "),
        repeated(b"a\n"),
        repeated(b"a 1\n"),
        repeated(b"["),
        repeated(b"[1,"),
        repeated(b"{\"a\":"),
        repeated(b"\""),
        repeated(b"\0\xff"),
        repeated(b"1,"),
        repeated(b"a,"),
        repeated(b"\x93NUMPY\x02\x00\xff\xff\xff\xff"),
        repeated(b"1 a "),
        repeated(b"[1 "),
        repeated(b"9"),
        repeated(b"*"),
    ];
    for text in &texts {
        for reader in &readers() {
            let mut found = Found::new(3);
            if let Err(error) = reader.read(text, &mut found) {
                assert!(error.len() < 2000, "{error}");
            }
        }
        let _ = gradients(text, 3);
    }
}
