//! The real programs that ship as models of `[command]`, held against what the books say of beams, ground, antennas and
//! wings.

use std::fs;
use std::path::Path;

use secant::{Block, Bounds, Jacobian, Model, Value, json};

use crate::probe::{options, program};
use crate::program::Run;

/// A copy, whose failed runs leave nothing.
fn shipped(name: &str) -> (tempfile::TempDir, Model) {
    let folder = tempfile::tempdir().unwrap();
    for entry in fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("plugins").join(name)).unwrap() {
        let file = entry.unwrap().path();
        if file.is_file() {
            fs::copy(&file, folder.path().join(file.file_name().unwrap())).unwrap();
        }
    }
    let manifest = folder.path().join("model.toml");
    let text = fs::read_to_string(&manifest).unwrap().replace("[command]\n", "[command]\nkeep = \"never\"\n");
    fs::write(&manifest, text).unwrap();
    let model = Model::open_with(folder.path(), &options()).unwrap();
    (folder, model)
}

/// A block of a Jacobian.
fn numbers(jacobian: &Jacobian, of: &str, wrt: &str) -> Vec<f64> {
    match jacobian.block(of, wrt) {
        Some(Block::Real(block)) => block.iter().copied().collect(),
        other => panic!("d {of} / d {wrt} is {other:?}"),
    }
}

/// The numbers of an output.
fn output(model: &Model, inputs: &Value, path: &str) -> Vec<f64> {
    model.apply(inputs).unwrap().leaf(&path.parse().unwrap()).unwrap().to_vec()
}

/// Derivatives of scalars by scalars, and the bounds of their errors.
struct Slopes(Jacobian, Jacobian);

impl Slopes {
    fn of(model: &Model, inputs: &Value) -> Slopes {
        let found = model.jacobian(inputs).bounds().run().unwrap();
        let Some(Bounds::Jacobian(bounds)) = found.report.bounds.clone() else { panic!("no bounds") };
        Slopes(found.clone(), *bounds)
    }

    fn get(&self, of: &str, wrt: &str) -> (f64, f64) {
        (numbers(&self.0, of, wrt)[0], numbers(&self.1, of, wrt)[0])
    }

    /// The derivative is this one, within its bound, and the bound is of some use.
    fn assert_is(&self, of: &str, wrt: &str, expected: f64, usefulness: f64) {
        let (found, bound) = self.get(of, wrt);
        assert!((found - expected).abs() <= bound, "d {of} / d {wrt}: {found} ± {bound}, not {expected}");
        assert!(bound <= usefulness * expected.abs(), "d {of} / d {wrt}: {found} ± {bound}");
    }
}

#[test]
fn cases_of_those_that_ship_hold() {
    let scratch = tempfile::tempdir().unwrap();
    for (plugin, wanted) in [("cantilever", "cc"), ("sounding", "cc"), ("dipole", "nec2c"), ("airfoil", "xfoil")] {
        if program(wanted) {
            // Runs that are to fail are kept, where they do not outlive the test.
            let outcome = Run::new(["test", plugin]).env("TMPDIR", scratch.path()).run().expect(0);
            assert!(outcome.text().ends_with(" passed, 0 failed\n"), "{}", outcome.text());
        }
    }
}

#[test]
fn the_cantilever_bends_as_the_books_say() {
    let (l, e, b, h, p, q) = (2.0f64, 2.1e11, 0.05, 0.1f64, 1000.0, 500.0);
    let inputs = json!({"length": l, "modulus": e, "width": b, "height": h, "tip_load": p, "load": q});
    let (_folder, model) = shipped("cantilever");
    let slopes = Slopes::of(&model, &inputs);
    let ei = e * b * h.powi(3) / 12.0;
    let tip = p * l.powi(3) / (3.0 * ei) + q * l.powi(4) / (8.0 * ei);
    for (wrt, expected) in [
        ("length", p * l * l / ei + q * l.powi(3) / (2.0 * ei)),
        ("modulus", -tip / e),
        ("width", -tip / b),
        ("height", -3.0 * tip / h),
        ("tip_load", l.powi(3) / (3.0 * ei)),
        ("load", l.powi(4) / (8.0 * ei)),
    ] {
        slopes.assert_is("tip_deflection", wrt, expected, 1e-3);
    }
    let stress = 6.0 * (p * l + q * l * l / 2.0) / (b * h * h);
    slopes.assert_is("largest_stress", "height", -2.0 * stress / h, 1e-3);
}

#[test]
fn the_sounding_scales_with_the_ground() {
    // Twice the resistivities are twice what is measured; and by thickness, the derivative of the sum of images.
    let (rho1, rho2, h) = (100.0f64, 20.0, 5.0);
    let (_folder, model) = shipped("sounding");
    let inputs = json!({"resistivity": [rho1, rho2], "thickness": h});
    let found = model.jacobian(&inputs).bounds().run().unwrap();
    let by_resistivity = numbers(&found, "apparent", "resistivity");
    let by_thickness = numbers(&found, "apparent", "thickness");
    let apparent = output(&model, &inputs, "apparent");
    let k = (rho2 - rho1) / (rho2 + rho1);
    for (i, a) in [1.0f64, 2.0, 5.0, 10.0, 20.0, 50.0].into_iter().enumerate() {
        let euler = rho1 * by_resistivity[2 * i] + rho2 * by_resistivity[2 * i + 1];
        assert!((euler - apparent[i]).abs() < 1e-5 * apparent[i], "{a} m: {euler}, not {}", apparent[i]);
        let image = |n: i32| {
            let (c, depth) = (2.0 * f64::from(n) / a, 2.0 * f64::from(n) * h / a);
            let part = |start: f64| -depth * c * (start + depth * depth).powf(-1.5);
            k.powi(n) * (part(1.0) - part(4.0))
        };
        let expected = 4.0 * rho1 * (1..200).map(image).sum::<f64>();
        assert!((by_thickness[i] - expected).abs() < 1e-4 * expected.abs(), "{a} m: {} {expected}", by_thickness[i]);
    }
}

#[test]
fn the_dipole_is_as_long_as_its_wave() {
    if !program("nec2c") {
        return;
    }
    let (_folder, model) = shipped("dipole");
    let (l, a, f) = (0.5, 0.001, 299.8);
    let slopes = Slopes::of(&model, &json!({"length": l, "radius": a, "frequency": f}));
    // An antenna s times as large, at a frequency s times as low, is the same antenna.
    for of in ["resistance", "reactance", "gain"] {
        let parts = [("length", l), ("radius", a), ("frequency", -f)];
        let found: f64 = parts.iter().map(|(wrt, size)| size * slopes.get(of, wrt).0).sum();
        let bound: f64 = parts.iter().map(|(wrt, size)| size.abs() * slopes.get(of, wrt).1).sum();
        assert!(found.abs() <= bound, "{of}: {found} is not within {bound}");
    }
    // By the frequency as a parabola through distant points has it, whose last digits weigh nothing.
    let at = |frequency: f64| {
        let inputs = json!({"length": l, "radius": a, "frequency": frequency});
        ["resistance", "reactance"].map(|of| output(&model, &inputs, of)[0])
    };
    let step = 4.0;
    let (near, far) = ([at(f - step), at(f + step)], [at(f - 2.0 * step), at(f + 2.0 * step)]);
    for (i, of) in ["resistance", "reactance"].into_iter().enumerate() {
        let expected = (8.0 * (near[1][i] - near[0][i]) - (far[1][i] - far[0][i])) / (12.0 * step);
        // Of four values with half of a last digit of 1e-3 to either side.
        let rounding = 18.0 * 5e-4 / (12.0 * step);
        let (found, bound) = slopes.get(of, "frequency");
        assert!((found - expected).abs() <= bound + rounding, "{of}: {found} ± {bound}, not {expected} ± {rounding}");
        assert!(found > 0.0 && bound < 0.01 * found, "{of}: {found} ± {bound}");
    }
}

#[test]
fn the_airfoil_is_as_good_as_its_digits() {
    if !program("xfoil") {
        return;
    }
    let (_folder, model) = shipped("airfoil");
    let slopes = Slopes::of(&model, &json!({"alpha": 4, "reynolds": 1e6}));
    let noise = |of: &str| slopes.0.report.noise.iter().find(|noise| noise.path.to_string() == of).unwrap();
    assert!((noise("lift").most - 1e-4 / 12f64.sqrt()).abs() < 1e-6, "{:?}", noise("lift"));
    assert!((noise("drag").most - 1e-5 / 12f64.sqrt()).abs() < 1e-7, "{:?}", noise("drag"));
    // About 2π per radian, which is 0.11 per degree; and what so few digits say of the drag is no certain zero.
    let (lift, bound) = slopes.get("lift", "alpha");
    assert!((0.09..0.12).contains(&lift) && bound < 0.05 * lift, "{lift} ± {bound}");
    let at = |alpha: f64| output(&model, &json!({"alpha": alpha, "reynolds": 1e6}), "drag")[0];
    let wide = (at(4.3) - at(3.7)) / 0.6;
    let (drag, bound) = slopes.get("drag", "alpha");
    assert!((drag - wide).abs() <= bound + 1e-5 / 0.6, "{drag} ± {bound}, not {wide}");
}

#[test]
fn what_does_not_converge_is_stepped_around() {
    if !program("xfoil") {
        return;
    }
    let (_folder, model) = shipped("airfoil");
    // As few iterations as are enough at the point itself.
    let inputs = |iterations: usize| json!({"alpha": 4, "reynolds": 1e6, "iterations": iterations});
    let enough = (3..20).find(|&iterations| model.apply(&inputs(iterations)).is_ok()).unwrap();
    assert!(enough > 3, "it converges at once");
    let found = model.jacobian(&inputs(enough)).wrt(["alpha"]).bounds().run().unwrap();
    assert!(!found.report.stumbles.is_empty(), "every point converges in {enough} iterations");
    let slope = numbers(&found, "lift", "alpha")[0];
    assert!((0.09..0.12).contains(&slope), "{slope}");
}
