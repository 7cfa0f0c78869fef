//! Numbers as text: against C, against Fortran, against all texts of a width, and back.

use proptest::prelude::*;

use super::text::{Scientific, Text, read};
use super::*;

fn written(format: &str, value: f64) -> Option<String> {
    let mut out = Vec::new();
    Decimal::parse(format).unwrap().write(value, &mut out).ok()?;
    Some(String::from_utf8(out).unwrap())
}

#[test]
fn shortest_texts_look_as_people_write_them() {
    for (value, text) in [
        (0.0, "0.0"),
        (-0.0, "-0.0"),
        (1.0, "1.0"),
        (-12.5, "-12.5"),
        (100000.0, "100000.0"),
        (0.1 + 0.2, "0.30000000000000004"),
        (1e-4, "0.0001"),
        (1.25e-5, "1.25e-5"),
        (1e16, "1.0e16"),
        (1.2345e15, "1234500000000000.0"),
        (5e-324, "5.0e-324"),
        (f64::MAX, "1.7976931348623157e308"),
    ] {
        assert_eq!(written("shortest", value).unwrap(), text);
    }
    assert_eq!(written("D", 1e-7).unwrap(), "1.0D-7");
    assert_eq!(written("shortest", f64::NAN), None);
}

#[test]
fn a_width_is_filled() {
    for (format, value, text) in [
        ("8", 0.5, "     0.5"),
        ("8", 1.0 / 3.0, ".3333333"),
        ("8", -1.0 / 3.0, "-.333333"),
        ("8", 2.0 / 3.0 * 1e4, "6666.667"),
        ("8", 1234567.0, "1234567."),
        ("8", 12345678.0, "1.2346e7"),
        ("8", 1.23456789e-7, "1.235e-7"),
        ("8", 1.23456789e-10, ".1235e-9"),
        ("8", 1.23456789e12, "1234.6e9"),
        ("8 D", 1.23456789e-7, "1.235D-7"),
        ("width 8 decimal", 1.23456789e-7, ".0000001"),
        ("10", 9.9999999999, "10.0000000"),
        ("10", 6.0, "       6.0"),
        ("2", 6.0, "6."),
    ] {
        assert_eq!(written(format, value).as_deref(), Some(text), "{format} {value}");
    }
    assert_eq!(written("1", 6.0), None);
    assert_eq!(written("8 decimal", 12345678.0), None);
    assert_eq!(written("5", -1.5e100), None);
    assert_eq!(written("4", 1e-5), None);
    assert_eq!(written("4 decimal", 1e-5).unwrap(), ".000");
}

/// What gfortran 12 writes, `*` for a field of asterisks.
#[test]
fn fortran_writes_the_same() {
    const VALUES: [f64; 14] = [
        0.0,
        1.0,
        -1.0,
        0.5,
        -0.5,
        123.456,
        -0.001,
        9.9996,
        0.099999999,
        1.5e-100,
        -2.5e150,
        99999.5,
        2.5,
        6.02214076e23,
    ];
    #[rustfmt::skip]
    const TABLE: [(&str, &str); 15] = [
        ("F8.3", "   0.000|   1.000|  -1.000|   0.500|  -0.500| 123.456|  -0.001|  10.000|   0.100|   0.000|*|*|   2.500|*"),
        ("F4.3", ".000|*|*|.500|*|*|*|*|.100|.000|*|*|*|*"),
        ("F5.0", "   0.|   1.|  -1.|   0.|  -0.| 123.|  -0.|  10.|   0.|   0.|*|*|   2.|*"),
        ("E12.5", " 0.00000E+00| 0.10000E+01|-0.10000E+01| 0.50000E+00|-0.50000E+00| 0.12346E+03|-0.10000E-02| 0.99996E+01| 0.10000E+00| 0.15000E-99|-0.25000+151| 0.10000E+06| 0.25000E+01| 0.60221E+24"),
        ("E10.4", "0.0000E+00|0.1000E+01|-.1000E+01|0.5000E+00|-.5000E+00|0.1235E+03|-.1000E-02|0.1000E+02|0.1000E+00|0.1500E-99|-.2500+151|0.1000E+06|0.2500E+01|0.6022E+24"),
        ("E11.5", "0.00000E+00|0.10000E+01|-.10000E+01|0.50000E+00|-.50000E+00|0.12346E+03|-.10000E-02|0.99996E+01|0.10000E+00|0.15000E-99|-.25000+151|0.10000E+06|0.25000E+01|0.60221E+24"),
        ("ES12.5", " 0.00000E+00| 1.00000E+00|-1.00000E+00| 5.00000E-01|-5.00000E-01| 1.23456E+02|-1.00000E-03| 9.99960E+00| 1.00000E-01| 1.50000-100|-2.50000+150| 9.99995E+04| 2.50000E+00| 6.02214E+23"),
        ("D15.7", "  0.0000000D+00|  0.1000000D+01| -0.1000000D+01|  0.5000000D+00| -0.5000000D+00|  0.1234560D+03| -0.1000000D-02|  0.9999600D+01|  0.1000000D+00|  0.1500000D-99| -0.2500000+151|  0.9999950D+05|  0.2500000D+01|  0.6022141D+24"),
        ("G12.5", "  0.0000    |  1.0000    | -1.0000    | 0.50000    |-0.50000    |  123.46    |-0.10000E-02|  9.9996    | 0.10000    | 0.15000E-99|-0.25000+151| 0.10000E+06|  2.5000    | 0.60221E+24"),
        ("G14.6", "   0.00000    |   1.00000    |  -1.00000    |  0.500000    | -0.500000    |   123.456    | -0.100000E-02|   9.99960    |  0.100000    |  0.150000E-99| -0.250000+151|   99999.5    |   2.50000    |  0.602214E+24"),
        ("E14.5E3", "  0.00000E+000|  0.10000E+001| -0.10000E+001|  0.50000E+000| -0.50000E+000|  0.12346E+003| -0.10000E-002|  0.99996E+001|  0.10000E+000|  0.15000E-099| -0.25000E+151|  0.10000E+006|  0.25000E+001|  0.60221E+024"),
        ("1PE12.5", " 0.00000E+00| 1.00000E+00|-1.00000E+00| 5.00000E-01|-5.00000E-01| 1.23456E+02|-1.00000E-03| 9.99960E+00| 1.00000E-01| 1.50000-100|-2.50000+150| 9.99995E+04| 2.50000E+00| 6.02214E+23"),
        ("1PD13.5", "  0.00000D+00|  1.00000D+00| -1.00000D+00|  5.00000D-01| -5.00000D-01|  1.23456D+02| -1.00000D-03|  9.99960D+00|  1.00000D-01|  1.50000-100| -2.50000+150|  9.99995D+04|  2.50000D+00|  6.02214D+23"),
        ("ES10.2E3", " 0.00E+000| 1.00E+000|-1.00E+000| 5.00E-001|-5.00E-001| 1.23E+002|-1.00E-003| 1.00E+001| 1.00E-001| 1.50E-100|-2.50E+150| 1.00E+005| 2.50E+000| 6.02E+023"),
        ("F2.0", "0.|1.|*|0.|*|*|*|*|0.|0.|*|*|2.|*"),
    ];
    for (format, texts) in TABLE {
        for (value, text) in VALUES.into_iter().zip(texts.split('|')) {
            assert_eq!(written(format, value).as_deref(), (text != "*").then_some(text), "{format} {value}");
        }
    }
    assert_eq!(written("F0.3", 0.5).unwrap(), ".500");
    assert_eq!(written("F0.3", -123.4567).unwrap(), "-123.457");
}

#[test]
fn c_writes_the_same() {
    const FORMATS: [&str; 15] = [
        "%e",
        "%12.5e",
        "%.0e",
        "%-12.4f|",
        "%012.4e",
        "%+.3e",
        "% .3f",
        "%#.0f",
        "%.0f",
        "%g",
        "%.3g",
        "%#.6e",
        "%G",
        "%-+14.8E|",
        "%.17g",
    ];
    const VALUES: [&str; 14] = [
        "0.0",
        "-0.0",
        "1.0",
        "-1.5",
        "0.5",
        "2.5",
        "123.456",
        "9.9996",
        "0.0001",
        "0.00001234",
        "1e6",
        "999999.5",
        "1.25e-100",
        "-2.5e20",
    ];
    for format in FORMATS {
        let mut printf = std::process::Command::new("printf");
        let Ok(output) = printf.arg(format!("{format}\\n")).args(VALUES).env("LC_ALL", "C").output() else { return };
        let told = String::from_utf8(output.stdout).unwrap();
        assert_eq!(told.lines().count(), VALUES.len());
        for (value, line) in VALUES.iter().zip(told.lines()) {
            let ours = written(format.trim_end_matches('|'), value.parse().unwrap()).unwrap();
            // coreutils computes in long double, whose digits differ from float64's in the 17th.
            if format != "%.17g" {
                assert_eq!(ours, line.trim_end_matches('|'), "{format} {value}");
            }
            assert_eq!(ours.trim().parse::<f64>().unwrap(), line.trim_end_matches('|').trim().parse::<f64>().unwrap());
        }
    }
}

#[test]
fn the_alternate_form_keeps_zeros() {
    assert_eq!(written("%#.6g", 999999.5).unwrap(), "1.00000e+06");
    assert_eq!(written("%#.6g", 1.0).unwrap(), "1.00000");
    assert_eq!(written("%g", 100.0).unwrap(), "100");
}

#[test]
fn texts_that_are_no_formats_say_what_formats_look_like() {
    for text in [
        "",
        "%d",
        "%5",
        "12.5",
        "E12",
        "E5.6",
        "F8",
        "G8.0",
        "E8.0",
        "8 decimal D",
        "8 8",
        "x",
        "%999.1f",
        "width",
        "1PF8.3",
    ] {
        let message = Decimal::parse(text).unwrap_err();
        assert!(message.contains(text), "{message}");
    }
    for text in FORMS {
        let decimal = Decimal::parse(text).unwrap();
        assert_eq!(Decimal::parse(&decimal.to_string()), Ok(decimal), "{text}");
    }
}

#[test]
fn columns_are_kept() {
    let decimal = Decimal::parse("%-12.3f").unwrap().in_columns(8);
    let mut out = Vec::new();
    decimal.write(1.5, &mut out).unwrap();
    assert_eq!(out, b"   1.500");
    let error = decimal.write(12345.6, &mut out).unwrap_err().to_string();
    assert_eq!(error, "12345.6 cannot be written as %-12.3f in 8 columns: the field is too narrow");
    assert_eq!(out.len(), 8);
}

#[test]
fn values_stay_within_bounds() {
    let decimal = Decimal::parse("F8.2").unwrap();
    assert_eq!(decimal.round_within(0.999, 0.0, 0.999), 0.99);
    assert_eq!(decimal.round_within(-0.999, -0.999, 0.0), -0.99);
    assert_eq!(decimal.round_within(7.0, 0.0, 1.0), 1.0);
    assert!(decimal.round_within(0.505, 0.503, 0.507).is_nan());
    let width = Decimal::fill(6);
    assert_eq!(width.round_within(9.99996, 9.0, 9.99998), 9.9999);
    assert_eq!(Decimal::default().round_within(1.0, 1.0 / 3.0, 2.0 / 3.0), 2.0 / 3.0);
}

#[test]
fn finer_texts_carry_coarser_ones() {
    let decimal = |text| Decimal::parse(text).unwrap();
    for (fine, coarse, does) in [
        ("shortest", "%12.5e", true),
        ("12", "8", true),
        ("8", "12", false),
        ("12", "8 decimal", true),
        ("12 decimal", "8", false),
        ("E12.5", "E12.5", true),
        ("E14.7", "E12.5", false),
    ] {
        assert_eq!(decimal(fine).carries(&decimal(coarse)), does, "{fine} {coarse}");
    }
    assert!(decimal("12").in_columns(12).carries(&decimal("8").in_columns(10)));
    assert!(!decimal("12").in_columns(10).carries(&decimal("8")));
}

const FORMS: [&str; 24] = [
    "shortest",
    "D",
    "7",
    "8",
    "9",
    "10 D",
    "12",
    "15",
    "23",
    "8 decimal",
    "12 decimal",
    "%.3e",
    "%12.5E",
    "%g",
    "%.10g",
    "%.16e",
    "%010.4f",
    "E12.5",
    "ES14.7",
    "D15.7",
    "G12.5",
    "F12.4",
    "F0.6",
    "E24.16E3",
];

fn finite() -> impl Strategy<Value = f64> {
    let anything = any::<u64>().prop_map(f64::from_bits).prop_filter("finite", |value| value.is_finite());
    let usual = (-1e6..1e6f64, -12..12i32).prop_map(|(value, power)| value * 10f64.powi(power));
    let short = (-99999..99999i32, -12..12i32).prop_map(|(value, power)| f64::from(value) * 10f64.powi(power));
    prop_oneof![anything, usual, short]
}

fn form() -> impl Strategy<Value = &'static str> {
    prop::sample::select(FORMS.to_vec())
}

/// The least error that any text of the width has: each precision, plain or with an exponent, the point anywhere.
fn least_error(value: f64, width: usize) -> f64 {
    let sign = if value.is_sign_negative() { "-" } else { "" };
    let mut least = f64::INFINITY;
    let mut consider = |text: String| {
        if text.len() <= width {
            least = least.min((text.parse::<f64>().unwrap() - value).abs());
        }
    };
    for decimals in 0..width {
        let text = format!("{:.decimals$}", value.abs());
        if decimals == 0 {
            consider(format!("{sign}{text}."));
        } else {
            consider(format!("{sign}{}", text.strip_prefix('0').unwrap_or(&text)));
        }
    }
    for digits in 1..=17usize.min(width) {
        let number = Scientific::rounded(value.abs(), digits);
        let all = String::from_utf8(number.digits.as_bytes().to_vec()).unwrap();
        for before in 0..=digits {
            let exponent = number.exponent + 1 - before as i32;
            consider(format!("{sign}{}.{}e{exponent}", &all[..before], &all[before..]));
        }
    }
    least
}

proptest! {
    #[test]
    fn every_number_survives_its_shortest_text(value in finite()) {
        let text = written("shortest", value).unwrap();
        prop_assert_eq!(text.parse::<f64>().unwrap().to_bits(), value.to_bits());
        prop_assert!(text.contains('.'));
        let fortran = written("D", value).unwrap().replace('D', "e");
        prop_assert_eq!(fortran.parse::<f64>().unwrap().to_bits(), value.to_bits());
    }

    #[test]
    fn what_is_written_is_what_round_says(value in finite(), form in form()) {
        let decimal = Decimal::parse(form).unwrap();
        let rounded = decimal.round(value);
        match written(form, value) {
            None => prop_assert!(rounded.is_nan()),
            Some(text) => {
                let mut plain = Text::new();
                plain.extend(text.as_bytes());
                prop_assert_eq!(read(&plain), rounded);
                if let Some(width) = decimal.width() {
                    prop_assert_eq!(text.len(), width);
                }
                prop_assert_eq!(decimal.round(rounded), rounded, "{} {:?}", form, text);
            }
        }
    }

    #[test]
    fn no_text_of_a_width_is_nearer(value in finite(), width in 7..24usize) {
        let decimal = Decimal::fill(width as u16);
        let rounded = decimal.round(value);
        if rounded.is_nan() {
            // -1.e-300 has 8 characters.
            prop_assert!(width == 7 && value < 0.0 && value > -1e-98, "{}", value);
            return Ok(());
        }
        let error = (rounded - value).abs();
        prop_assert!(error <= least_error(value, width), "{:?}", written(&width.to_string(), value));
    }

    #[test]
    fn neighbours_are_a_spacing_apart(value in finite(), form in form()) {
        let decimal = Decimal::parse(form).unwrap();
        let rounded = decimal.round(value);
        let spacing = decimal.spacing(value);
        prop_assert_eq!(spacing.is_nan(), rounded.is_nan());
        if spacing == 0.0 {
            // Beside 0 there are all the small numbers, which take more than any step here.
            prop_assert!(value == 0.0 || rounded == value || rounded == 0.0);
        } else if !rounded.is_nan() {
            let error = (rounded - value).abs();
            prop_assert!(error <= 0.501 * spacing + value.abs() * f64::EPSILON, "{} off, spacing {}", error, spacing);
            // A value away from powers of ten, where the spacing changes.
            let next = decimal.round(rounded + spacing);
            let step = (next - rounded) / spacing;
            let digits = Scientific::rounded(rounded.abs(), 3).digits.as_bytes().to_vec();
            if !next.is_nan() && digits != b"999" && digits != b"100" && (1e-13..0.01).contains(&(spacing / rounded.abs())) {
                prop_assert!((0.99..1.01).contains(&step), "{} spacings to the next, spacing {}", step, spacing);
            }
        }
    }

    #[test]
    fn bounds_hold(value in finite(), room in (0.0..1.0f64, 0.0..1.0f64), form in form()) {
        let (lower, upper) = (value - room.0 * value.abs(), value + room.1 * value.abs());
        prop_assume!(lower.is_finite() && upper.is_finite());
        let decimal = Decimal::parse(form).unwrap();
        let within = decimal.round_within(value, lower, upper);
        if within.is_nan() {
            let rounded = decimal.round(value);
            prop_assert!(!(lower..=upper).contains(&rounded));
        } else {
            prop_assert!((lower..=upper).contains(&within));
            prop_assert_eq!(decimal.round(within), within);
        }
    }
}
