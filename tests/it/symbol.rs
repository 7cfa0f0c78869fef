//! Functions in libraries that know nothing of secant: against closed forms, in this process and isolated; and
//! what is said where library, function, signature or memory are not what they should be.

use std::path::Path;

use insta::assert_snapshot;
use ndarray::ArrayD;
use secant::{AlgorithmName, Array, Block, Error, Isolation, Jacobian, Model, OpenOptions, QuestionError, Value, json};

use crate::probe::{compile, library, options, plugin};
use crate::program::Run;

/// A manifest of a function of tests/fixtures/symbol/symbol.c.
fn manifest(function: &str, call: &str, more: &str) -> String {
    let path = library("symbol/symbol.c", "symbol", &[]);
    format!("name = {function:?}\n\n[symbol]\nlibrary = {path:?}\nfn = {function:?}\ncall = {call:?}\n{more}\n")
}

/// The function in this process, and in worker processes.
fn both(name: &str, function: &str, call: &str) -> [Model; 2] {
    let folder = plugin(&format!("symbol_{name}"), &manifest(function, call, "isolation = \"none\""));
    let isolated = OpenOptions { isolation: Some(Isolation::Process), ..options() };
    [options(), isolated].map(|options| {
        Model::open_with(&folder, &options).unwrap_or_else(|error| panic!("{function} cannot be opened: {error}"))
    })
}

fn block(jacobian: &Jacobian, of: &str, wrt: &str) -> ArrayD<f64> {
    match jacobian.block(of, wrt) {
        Some(Block::Real(block)) => block.to_owned().into_dyn(),
        other => panic!("d {of} / d {wrt} is {other:?}"),
    }
}

fn assert_close(found: &ArrayD<f64>, shape: &[usize], exact: impl Fn(&[usize]) -> f64, tolerance: f64, what: &str) {
    assert_eq!(found.shape(), shape, "{what}");
    for (index, value) in found.indexed_iter() {
        let index: Vec<usize> = (0..shape.len()).map(|axis| index[axis]).collect();
        let exact = exact(&index);
        assert!(
            (value - exact).abs() <= tolerance * (1.0 + exact.abs()),
            "{what} {index:?}: {value}, expected {exact}"
        );
    }
}

fn output(model: &Model, inputs: &Value, name: &str) -> Vec<f64> {
    let outputs = model.apply(inputs).unwrap_or_else(|error| panic!("{error}"));
    outputs.leaf(&name.parse().unwrap()).unwrap_or_else(|| panic!("no {name} in {outputs:?}")).to_vec()
}

/// What is said of a model that cannot be opened.
fn refusal(name: &str, text: &str) -> String {
    let folder = plugin(&format!("symbol_{name}"), text);
    let error = Model::open_with(&folder, &options()).err().unwrap_or_else(|| panic!("{name} can be opened"));
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).to_str().unwrap();
    error.to_string().replace(target, "[tmp]")
}

#[test]
fn scalars_by_value() {
    let call = "double(double x, float f, int i, long l, int64_t k, size_t s, unsigned u, short h, unsigned char c)";
    for model in both("scalars", "scalars", call) {
        let inputs = json!({"x": 3.0, "f": 0.5, "i": -2, "l": 4, "k": -1_000_000_000_000_i64, "s": 1, "u": 4_000_000_000_u32, "h": -3, "c": 200});
        let exact = 4.5 - 4.0 + 12.0 - 5e12 + 7.0 + 44e9 - 39.0 + 3400.0;
        assert_eq!(output(&model, &inputs, "result"), [exact]);
        let inputs = json!({"x": 3.0, "f": 0.5, "i": 0, "l": 0, "k": 0, "s": 0, "u": 0, "h": 0, "c": 0});
        let jacobian = model.jacobian(&inputs).run().unwrap();
        assert_close(&block(&jacobian, "result", "x"), &[], |_| 3.0, 1e-9, "x");
        assert_close(&block(&jacobian, "result", "f"), &[], |_| 9.0, 1e-4, "f, in single precision");
    }
    for model in both("single", "single", "y = float(float x)") {
        assert_eq!(output(&model, &json!({"x": 1.5}), "y"), [2.25]);
        let jacobian = model.jacobian(&json!({"x": 1.5})).run().unwrap();
        assert_close(&block(&jacobian, "y", "x"), &[], |_| 3.0, 1e-4, "y");
    }
    // A result narrower than a register, of either sign.
    for model in both("tiny", "tiny", "sign = int8_t(double x)") {
        assert_eq!(output(&model, &json!({"x": -1}), "sign"), [-7.0]);
        assert_eq!(output(&model, &json!({"x": 1}), "sign"), [7.0]);
    }
}

#[test]
fn arrays_and_what_is_returned() {
    let x = [0.3_f64, -1.2, 0.8, 2.0];
    let n = x.len();
    let y: Vec<f64> = (0..n).map(|i| x[i].sin() * x[(i + 1) % n]).collect();
    let dy = |i: usize, j: usize| {
        let next = (i + 1) % n;
        (if i == j { x[i].cos() * x[next] } else { 0.0 }) + if j == next { x[i].sin() } else { 0.0 }
    };
    for model in both("ring", "ring", "total = double(int n, const double x[n], out double y[n])") {
        let inputs = json!({"x": x});
        assert_eq!(output(&model, &inputs, "y"), y);
        let sum = output(&model, &inputs, "total")[0];
        assert!((sum - y.iter().map(|y| y * y).sum::<f64>()).abs() < 1e-14);
        for algorithm in [AlgorithmName::Auto, AlgorithmName::Central] {
            let jacobian = model.jacobian(&inputs).algorithm(algorithm).run().unwrap();
            assert_close(&block(&jacobian, "y", "x"), &[n, n], |at| dy(at[0], at[1]), 1e-8, "y");
            let total = |at: &[usize]| (0..n).map(|i| 2.0 * y[i] * dy(i, at[0])).sum();
            assert_close(&block(&jacobian, "total", "x"), &[n], total, 1e-8, "total");
        }
        let (jvp, _) = model.jvp(&inputs, [("x", Array::from(vec![1.0, 0.0, -1.0, 2.0]))]).of(["y"]).run().unwrap();
        let exact = |i: usize| dy(i, 0) - dy(i, 2) + 2.0 * dy(i, 3);
        assert!(jvp[0].1.to_vec().iter().enumerate().all(|(i, v)| (v - exact(i)).abs() < 1e-8));
        // Other sizes, then none.
        for x in [vec![0.5; 100], vec![1.0], vec![]] {
            assert_eq!(output(&model, &json!({"x": x}), "y").len(), x.len());
        }
        let shapes = model.signature().abstract_from_json(&json!({"x": {"dtype": "float64", "shape": [7]}})).unwrap();
        let outputs = model.abstract_eval(&shapes).unwrap();
        assert_eq!(*outputs.leaf(&"y".parse().unwrap()).unwrap().shape, [7]);
    }
}

#[test]
fn matrices_by_rows_and_by_columns() {
    let a = [[1.0, -2.0, 0.5], [0.25, 3.0, -1.0]];
    let call = "void product(int n, int m, double A[n][m], double x[m], out double y[n], out long *count)";
    for model in both("product", "product", call) {
        let x = [2.0, -1.0, 4.0];
        let inputs = json!({"A": a, "x": x});
        assert_eq!(output(&model, &inputs, "y"), [6.0, -6.5]);
        assert_eq!(output(&model, &inputs, "count"), [6.0]);
        let jacobian = model.jacobian(&inputs).run().unwrap();
        assert_close(&block(&jacobian, "y", "x"), &[2, 3], |at| a[at[0]][at[1]], 1e-9, "y by x");
        let exact = |at: &[usize]| if at[0] == at[1] { x[at[2]] } else { 0.0 };
        assert_close(&block(&jacobian, "y", "A"), &[2, 2, 3], exact, 1e-9, "y by A");
        // The caller hears of lengths that do not go together.
        let error = model.apply(&json!({"A": a, "x": [1.0]})).unwrap_err();
        assert!(matches!(error, Error::Question(QuestionError::Caller(_))), "{error}");
    }
    let call = "subroutine squares(integer n, integer m, real(8) a(n,m), out real(8) b(m,n))";
    for model in both("squares", "squares", call) {
        let inputs = json!({"a": a});
        let b = |i: usize, j: usize| (i + 1) as f64 * a[j][i] * a[j][i];
        let exact: Vec<f64> = (0..3).flat_map(|i| (0..2).map(move |j| b(i, j))).collect();
        assert_eq!(output(&model, &inputs, "b"), exact);
        let jacobian = model.jacobian(&inputs).run().unwrap();
        let exact = |at: &[usize]| {
            let [i, j, k, l] = *at else { panic!("four indices") };
            if (i, j) == (l, k) { 2.0 * (i + 1) as f64 * a[k][l] } else { 0.0 }
        };
        assert_close(&block(&jacobian, "b", "a"), &[3, 2, 2, 3], exact, 1e-8, "b by a");
    }
    let call = "subroutine tensor(integer n, real t(2,3,n), out real y(2,3,n))";
    for model in both("tensor", "tensor", call) {
        let t: Vec<Vec<Vec<f64>>> = (0..2).map(|i| (0..3).map(|j| vec![f64::from(i - j); 4]).collect()).collect();
        let factor = |at: &[usize]| (at[0] + 10 * at[1] + 100 * at[2]) as f64;
        let y = output(&model, &json!({"t": t}), "y");
        for (place, y) in y.into_iter().enumerate() {
            let (i, j, k) = (place / 12, place / 4 % 3, place % 4);
            assert_eq!(y, (i as f64 - j as f64) * factor(&[i, j, k]), "{i} {j} {k}");
        }
        let jacobian = model.jacobian(&json!({"t": t})).algorithm(AlgorithmName::Central).eps(0.5).run().unwrap();
        let exact = |at: &[usize]| if at[..3] == at[3..] { factor(at) } else { 0.0 };
        assert_close(&block(&jacobian, "y", "t"), &[2, 3, 4, 2, 3, 4], exact, 1e-5, "y by t");
    }
}

#[test]
fn what_is_overwritten_is_restored() {
    let call = "void(int n, inout double x[n] as half, inout double *scale)";
    for model in both("halve", "halve", call) {
        let inputs = json!({"x": [3.0, -5.0], "scale": 4.0});
        for _ in 0..2 {
            assert_eq!(output(&model, &inputs, "half"), [0.75, -1.25]);
            assert_eq!(output(&model, &inputs, "scale"), [16.0]);
        }
        let jacobian = model.jacobian(&inputs).run().unwrap();
        assert_close(&block(&jacobian, "half", "x"), &[2, 2], |at| if at[0] == at[1] { 0.25 } else { 0.0 }, 1e-9, "x");
        assert_close(&block(&jacobian, "half", "scale"), &[2], |at| [-3.0, 5.0][at[0]] / 16.0, 1e-8, "scale");
        assert_close(&block(&jacobian, "scale", "scale"), &[], |_| 8.0, 1e-8, "scale");
    }
    for model in both("greedy", "greedy", "double(int n, in work double x[n])") {
        let jacobian = model.jacobian(&json!({"x": [3.0, -5.0]})).run().unwrap();
        assert_close(&block(&jacobian, "result", "x"), &[2], |at| [6.0, -10.0][at[0]], 1e-8, "x");
    }
    // A signature that says otherwise is found out before there is a wrong number.
    for model in both("greedy_wrong", "greedy", "double(int n, double x[n])") {
        for error in [
            model.apply(&json!({"x": [3.0, -5.0]})).unwrap_err(),
            model.jacobian(&json!({"x": [3.0, -5.0]})).run().unwrap_err(),
        ] {
            assert!(
                error.to_string().contains("greedy has overwritten x, which symbol.call says it only reads"),
                "{error}"
            );
        }
    }
    // What is never written is no number, unless it starts as zero.
    for model in both("partly", "partly", "void(int n, double x[n], out double y[n])") {
        assert!(output(&model, &json!({"x": [1.0, 2.0]}), "y")[1].is_nan());
        let error = model.jacobian(&json!({"x": [1.0, 2.0]})).run().unwrap_err().to_string();
        assert!(error.contains("output y[1] is not finite"), "{error}");
    }
    for model in both("partly_zero", "partly", "void(int n, double x[n], out double y[n] = 0)") {
        assert_eq!(output(&model, &json!({"x": [1.0, 2.0]}), "y"), [1.0, 0.0]);
    }
}

#[test]
fn statuses_name_the_point() {
    for (name, function, call, number) in [
        ("root", "root", "status int(double x, out double *y)", "root returned the status 33, not 0"),
        (
            "rootf",
            "rootf",
            "subroutine(real(8) x, out real(8) y, status integer info)",
            "rootf_ set info to -4, not to 0",
        ),
    ] {
        for model in both(name, function, call) {
            assert_eq!(output(&model, &json!({"x": 4.0}), "y"), [2.0]);
            let jacobian = model.jacobian(&json!({"x": 4.0})).run().unwrap();
            assert_close(&block(&jacobian, "y", "x"), &[], |_| 0.25, 1e-8, "y");
            let error = model.apply(&json!({"x": -1.0})).unwrap_err().to_string();
            assert!(error.ends_with(number), "{error}");
            let query = model.jacobian(&json!({"x": 0.0625})).algorithm(AlgorithmName::Central).eps(0.125);
            let error = query.run().unwrap_err().to_string();
            assert!(error.contains("at x - 1.25e-1") && error.contains(number), "{error}");
        }
    }
}

#[test]
fn constants_and_texts() {
    let call = "subroutine texts(character uplo = 'U', real(8) x, character(len=3) name = 'abc', out real(8) y)";
    for model in both("texts", "texts", call) {
        assert_eq!(output(&model, &json!({"x": 2.0}), "y"), [32.0]);
    }
    let call = "double(const char *name = \"fast\", double x, void *nothing = NULL, int flag = 3 - 2)";
    for model in both("named", "named", call) {
        assert_eq!(output(&model, &json!({"x": 2.0}), "result"), [6.0]);
    }
}

#[test]
fn complex_arrays() {
    for model in both("spin", "spin", "void(int n, double complex z[n], out double complex w[n])") {
        let z = json!({"object_type": "array", "shape": [2], "dtype": "complex128", "data": {"buffer": [[1.0, 2.0], [-0.5, 0.25]], "encoding": "json"}});
        let jacobian = model.jacobian(&json!({"z": z})).run().unwrap_or_else(|error| panic!("{error}"));
        let Some(Block::Complex(block)) = jacobian.block("w", "z") else { panic!("complex by complex") };
        // w = i z², dw/dz = 2 i z.
        for (at, exact) in [([0, 0], (-4.0, 2.0)), ([1, 1], (-0.5, -1.0)), ([0, 1], (0.0, 0.0))] {
            let found = block[&at[..]];
            assert!((found.re - exact.0).abs() + (found.im - exact.1).abs() < 1e-8, "{at:?}: {found}");
        }
    }
}

#[test]
fn a_crash_costs_a_point() {
    let [_, isolated] = both("fragile", "fragile", "double(double x)");
    assert_eq!(output(&isolated, &json!({"x": 0.5}), "result"), [0.25]);
    let query = isolated.jacobian(&json!({"x": 1.0})).algorithm(AlgorithmName::Central).eps(0.25);
    let error = query.run().unwrap_err().to_string();
    assert!(error.starts_with("fragile crashed at x + 2.5e-1: it was killed by SIGABRT"), "{error}");
    assert_eq!(output(&isolated, &json!({"x": 0.5}), "result"), [0.25], "it is good for the next");
    // Isolated unless somebody asks for less.
    let folder = plugin("symbol_fragile_default", &manifest("fragile", "double(double x)", ""));
    let model = Model::open_with(&folder, &options()).unwrap();
    assert_eq!(model.description().kind, "symbol, isolated");
    assert!(model.apply(&json!({"x": 2.0})).is_err());
}

#[test]
fn global_state_is_entered_one_at_a_time() {
    let x: Vec<f64> = (0..40).map(|i| 0.1 * f64::from(i)).collect();
    let inputs = json!({"x": x});
    let models = both("stateful", "stateful", "double(int n, double x[n])");
    let exact = |at: &[usize]| 2.0 * x[at[0]];
    // Two requests at once in this process, and several workers each.
    std::thread::scope(|scope| {
        for _ in 0..2 {
            for model in &models {
                scope.spawn(|| {
                    let jacobian = model.jacobian(&inputs).workers(3).run().unwrap();
                    assert_close(&block(&jacobian, "result", "x"), &[40], exact, 1e-7, "x");
                });
            }
        }
    });
    let here = models[0].jacobian(&inputs).algorithm(AlgorithmName::Central).workers(3).run().unwrap();
    assert_eq!(here.report.workers, 1, "one instance");
    let there = models[1].jacobian(&inputs).algorithm(AlgorithmName::Central).workers(3).run().unwrap();
    assert_eq!(there.report.workers, 3, "a process each");
    assert_eq!(here.columns(), there.columns(), "bit for bit");
    // Whoever knows better says so.
    let more = "isolation = \"none\"\nthreads = \"any\"";
    let call = "total = double(int n, double x[n], out double y[n])";
    let folder = plugin("symbol_threads", &manifest("ring", call, more));
    let model = Model::open_with(&folder, &options()).unwrap();
    let several = model.jacobian(&inputs).algorithm(AlgorithmName::Central).workers(3).run().unwrap();
    assert_eq!(several.report.workers, 3);
    let one = model.jacobian(&inputs).algorithm(AlgorithmName::Central).workers(1).run().unwrap();
    assert_eq!(one.columns(), several.columns(), "bit for bit");
}

#[test]
fn sizes_that_cannot_be() {
    let caller = |model: &Model, inputs: &Value| {
        let error = model.apply(inputs).unwrap_err();
        assert!(matches!(error, Error::Question(QuestionError::Caller(_))), "{error:?}");
        error.to_string()
    };
    let [model, _] = both("huge", "ring", "total = double(int n, double x[n], out double y[n*1000000000000])");
    assert_snapshot!(caller(&model, &json!({"x": [1.0, 2.0, 3.0]})), @r"Value error, ring refuses these inputs: y would be of shape [3000000000000]: 24000000000000 bytes cannot be had");
    let [model, _] =
        both("beyond", "ring", "total = double(int n, double x[n], out double y[n*4000000000000*4000000])");
    assert_snapshot!(caller(&model, &json!({"x": [1.0, 2.0, 3.0]})), @r"Value error, ring refuses these inputs: n*4000000000000*4000000 has no value that can be held, where n is 3");
    let [model, _] = both("negative", "ring", "total = double(int n, double x[n], out double y[n-3])");
    assert_snapshot!(caller(&model, &json!({"x": [1.0]})), @r"Value error, ring refuses these inputs: y[n-3] would have the length -2");
    let [model, _] = both(
        "narrow",
        "ring",
        "total = double(int n = 3*k, double x[k], out double y[n*2000000000-n*2000000000], int8_t m = n*100)",
    );
    assert_snapshot!(caller(&model, &json!({"x": [1.0]})), @r"Value error, ring refuses these inputs: m would be 300, which is no int8_t");
    let [model, _] = both("untied", "ring", "total = double(in int n, double x[n+1], out double y[n])");
    assert_snapshot!(caller(&model, &json!({"n": 2, "x": [1.0]})), @r"Value error, ring refuses these inputs: x is of shape [1], and the function takes x[n+1], where n is 2");
}

#[test]
fn what_cannot_be_called_is_said() {
    let missing = |function: &str, call: &str| refusal("missing", &manifest(function, call, ""));
    assert_snapshot!(missing("scalar", "double(double x)"), @r"[tmp]/compiled/libsymbol.so: it does not export scalar: there is scalars");
    assert_snapshot!(missing("squares", "double(double x)"), @r"[tmp]/compiled/libsymbol.so: it does not export squares: there is squares_, a Fortran function as it seems, whose signature begins with `subroutine` or `real(8) function`");
    assert_snapshot!(missing("sqares", "subroutine(integer n, out real y)"), @r"[tmp]/compiled/libsymbol.so: it does not export sqares or sqares_: there is squares_");
    assert_snapshot!(missing("variable", "double(double x)"), @r"[tmp]/compiled/libsymbol.so: variable is a variable there, no function");
    assert_snapshot!(missing("xyzzy", "double(double x)"), @r"[tmp]/compiled/libsymbol.so: it does not export xyzzy");
    assert_snapshot!(missing("root", "status int(duoble x, out double y)"), @r"
    [tmp]/plugins/symbol_missing/model.toml: symbol.call:
      status int(duoble x, out double y)
                 ^ column 12: 'duoble' is no type: there are double, float, int, long, int64_t, size_t and the like (an enum is an int)
                                      ^ column 33: y is handed over by value: what comes out needs a pointer, *y
    ");
    // Another function of the loader's, found in a library that is needed.
    let folder = plugin("symbol_needed", &manifest("cos", "double(double x)", "isolation = \"none\""));
    let model = Model::open_with(&folder, &options()).unwrap();
    assert_eq!(output(&model, &json!({"x": 0.0}), "result"), [1.0]);
    let text = |library: &str, more: &str| {
        format!("[symbol]\nlibrary = {library}\nfn = \"f\"\ncall = \"double(double x)\"\n{more}")
    };
    let looks = regex::Regex::new(r"the loader looks \([^)]*\)").unwrap();
    let said = |name: &str, library: &str, more: &str| {
        looks.replace_all(&refusal(name, &text(library, more)), "the loader looks (...)").into_owned()
    };
    assert_snapshot!(said("nowhere", "\"libnowhere.so.1\"", ""), @r"libnowhere.so.1: is neither in [tmp]/plugins/symbol_nowhere nor where the loader looks (...): install it, name its file by symbol.library, or its folder by LD_LIBRARY_PATH");
    assert_snapshot!(said("nowhere_else", "[\"libnowhere.so.1\", \"./nowhere.so\"]", ""), @r"
    [tmp]/plugins/symbol_nowhere_else: none of the libraries can be loaded:
      libnowhere.so.1: is neither in [tmp]/plugins/symbol_nowhere_else nor where the loader looks (...)
      [tmp]/plugins/symbol_nowhere_else/./nowhere.so: cannot be read: No such file or directory (os error 2)
    install it, name its file by symbol.library, or its folder by LD_LIBRARY_PATH
    ");
    assert_snapshot!(said("preload", "\"libc.so.6\"", "preload = [\"libnowhere.so.1\"]"), @r"libnowhere.so.1: is neither in [tmp]/plugins/symbol_preload nor where the loader looks (...): install it, name its file by symbol.library, or its folder by LD_LIBRARY_PATH");
    // A program that was not linked as a library.
    let object = compile("symbol/symbol.c", "symbol.o", &["-c"]);
    assert_snapshot!(said("object", &format!("{object:?}"), ""), @r"[tmp]/compiled/symbol.o: is an object file or program, not a shared library: link it with -shared");
    let words = object.with_extension("txt");
    std::fs::write(&words, "no library").unwrap();
    assert_snapshot!(said("text", &format!("{words:?}"), ""), @r"[tmp]/compiled/symbol.txt: is not a shared library (no ELF header): was it built for another system?");
    let narrow = object.with_extension("narrow");
    let mut bytes = std::fs::read(&object).unwrap();
    bytes[4] = 1;
    std::fs::write(&narrow, bytes).unwrap();
    assert_snapshot!(said("narrow_elf", &format!("{narrow:?}"), ""), @r"[tmp]/compiled/symbol.narrow: is a 32-bit library, this secant is a 64-bit program: build it with -m64");
    let error = refusal("none", &text("[]", ""));
    assert!(error.contains("a library without a name"), "{error}");
}

#[test]
fn what_a_library_lacks_is_loaded_before() {
    let [needy, helper] =
        ["NEEDY", "HELPER"].map(|part| library("symbol/needy.c", &format!("symbol_{part}"), &[&format!("-D{part}")]));
    let text = |more: &str| {
        let call = "double(double x)";
        format!("name = \"needy\"\n[symbol]\nlibrary = {needy:?}\nfn = \"needy\"\ncall = {call:?}\n{more}")
    };
    for isolation in ["none", "process"] {
        let more = format!("preload = [{helper:?}]\nisolation = {isolation:?}");
        let folder = plugin(&format!("symbol_preload_{isolation}"), &text(&more));
        let model = Model::open_with(&folder, &options()).unwrap();
        assert_eq!(output(&model, &json!({"x": 3.0}), "result"), [10.0]);
    }
    // In the worker, this process having loaded it for the test above.
    let folder = plugin("symbol_preload_lacking", &text(""));
    let error = Model::open_with(&folder, &options()).unwrap().apply(&json!({"x": 3.0})).unwrap_err().to_string();
    assert!(error.contains("undefined symbol: helper"), "{error}");
    assert!(error.contains("name the library that has it in symbol.preload"), "{error}");
}

#[test]
fn schemas_of_others_must_fit() {
    let folder = plugin("symbol_schemas", "");
    let schema = |name: &str, text: Value| {
        std::fs::write(folder.join(name), text.to_string()).unwrap();
    };
    schema(
        "input.json",
        json!({"required": ["x"], "properties": {"x": {"type": "array", "items": {"type": "number"}, "minimum": 0, "shape": ["n"], "differentiable": true}}}),
    );
    schema(
        "output.json",
        json!({"properties": {"y": {"type": "array", "items": {"type": "number"}, "shape": ["n"], "differentiable": true}}}),
    );
    let call = "total = double(int n, double x[n], out double y[n])";
    let text = |schemas: &str| format!("{schemas}\n{}", manifest("ring", call, "isolation = \"none\""));
    let folder = plugin("symbol_schemas", &text("input = \"input.json\"\noutput = \"output.json\""));
    let model = Model::open_with(&folder, &options()).unwrap();
    let jacobian = model.jacobian(&json!({"x": [0.0, 1.0]})).run().unwrap();
    assert_eq!(jacobian.blocks().count(), 1, "an output that the schema leaves out is left out");
    // sin(x0) x1 and sin(x1) x0.
    let exact = [[1.0, 0.0], [1.0_f64.sin(), 0.0]];
    assert_close(&block(&jacobian, "y", "x"), &[2, 2], |at| exact[at[0]][at[1]], 1e-6, "y");
    assert!(model.apply(&json!({"x": [-1.0]})).is_err(), "its bounds hold");
    schema("wrong.json", json!({"properties": {"x": {"type": "number", "dtype": "float32"}, "z": {"type": "number"}}}));
    schema(
        "out.json",
        json!({"properties": {"y": {"type": "number"}, "total": {"type": "array", "items": {"type": "number"}}, "w": {"type": "number"}}}),
    );
    assert_snapshot!(refusal("schemas", &text("input = \"wrong.json\"\noutput = \"out.json\"")), @r"
    [tmp]/plugins/symbol_schemas/model.toml: the schemas do not fit symbol.call:
      input x: is float32, the function takes float64
      input z: the function has no such argument, or it is no input
      output y: has the shape (), the function has y[n]
      output total: has the shape (None,), but is a number
      output w: nothing of that name comes out of the function
    ");
}

#[test]
fn describe_shows_the_call() {
    let call = "subroutine squares(integer n, integer m, real(8) a(n,m), out real(8) b(m,n))";
    let folder = plugin("symbol_describe", &manifest("squares", call, ""));
    let shown = Run::new(["describe", folder.to_str().unwrap()]).run().shown();
    assert_snapshot!(shown.replace(env!("CARGO_TARGET_TMPDIR"), "[tmp]"), @r"
    squares, symbol, isolated

    inputs
      a  float64  (n, m)  differentiable

    outputs
      b  float64  (m, n)  differentiable

    calls
      void squares_(const int *n, const int *m, const double *a, double *b)
      in [tmp]/compiled/libsymbol.so
        n  dimension 1 of a
        m  dimension 2 of a
        a  input a(n,m), by columns
        b  output b(m,n), by columns

    derivatives
      algorithm    auto
      evaluations  auto about 7+5n, central 2n, forward and backward n+1, jvp 2 or with auto about 13; n = the number of elements of a
    --- exit code 0
    ");
}

#[test]
fn new_writes_a_plugin() {
    let plugins = tempfile::tempdir().unwrap();
    let path = library("symbol/symbol.c", "symbol", &[]);
    let place = plugins.path().to_str().unwrap();
    let make = |name: &str, function: &str, call: &str| {
        let typed = ["new", name, "--kind", "symbol", "--plugins", place, "--library", path.to_str().unwrap()];
        Run::new(typed.into_iter().chain(["--fn", function, "--call", call])).run()
    };
    let made = make("ring", "ring", "total = double(int n, double x[n], out double y[n])").expect(0);
    assert!(made.stderr.contains("made "), "{}", made.stderr);
    let tested = Run::new(["test", "ring", "--plugins", place]).run().expect(0);
    assert_eq!(tested.text().lines().last(), Some("2 passed, 0 failed"));
    // A signature that is wrong leaves nothing behind.
    let made = make("wrong", "ring", "double(duoble x)");
    assert_eq!(made.code, 2, "{}", made.stderr);
    assert!(made.stderr.contains("'duoble' is no type"), "{}", made.stderr);
    assert!(!plugins.path().join("wrong").exists());
    // A point that fails leaves a plugin without cases, and says so.
    let made = make("bad", "ring", "status int(int n, double x[n], out double y[n])");
    assert!(plugins.path().join("bad/model.toml").exists() && made.stderr.contains("made "), "{}", made.stderr);
    let typed = ["new", "mine", "--kind", "symbol", "--plugins", place];
    assert_eq!(Run::new(typed).run().code, 2, "--library, --fn and --call are needed");
}

/// A shipped plugin whose library may not be here.
fn shipped(name: &str) -> Option<Model> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("plugins").join(name);
    match Model::open_with(&folder, &options()) {
        Ok(model) => Some(model),
        Err(error) if error.to_string().contains("where the loader looks") => {
            eprintln!("SKIPPED: plugins/{name} is NOT TESTED: {error}");
            None
        }
        Err(error) => panic!("{error}"),
    }
}

#[test]
fn the_bessel_function_of_gsl() {
    let Some(model) = shipped("bessel") else { return };
    // J1 from tables.
    for (x, j0, j1) in [
        (0.5, 0.938_469_807_240_813, 0.242_268_457_674_873_9),
        (2.5, -0.048_383_776_468_198, 0.497_094_102_464_274),
        (10.0, -0.245_935_764_451_348_3, 0.043_472_746_168_861_4),
    ] {
        let inputs = json!({"x": x});
        assert!((output(&model, &inputs, "J0")[0] - j0).abs() < 1e-14);
        let jacobian = model.jacobian(&inputs).run().unwrap();
        assert_close(&block(&jacobian, "J0", "x"), &[], |_| -j1, 1e-9, "J0' = -J1");
    }
    passes_its_cases("bessel");
}

#[test]
fn linear_systems_by_lapack() {
    let Some(model) = shipped("linsolve") else { return };
    let a = [[4.0, 1.0, -2.0], [0.5, 3.0, 1.0], [1.0, -1.0, 5.0]];
    let x = [1.0, -2.0, 0.5];
    let b: Vec<f64> = a.iter().map(|row| row.iter().zip(x).map(|(a, x)| a * x).sum()).collect();
    let inputs = json!({"A": a, "b": b});
    let found = output(&model, &inputs, "x");
    assert!(found.iter().zip(x).all(|(found, x)| (found - x).abs() < 1e-14), "{found:?}");
    // The inverse, by columns: A times it is the identity.
    let inverse: Vec<Vec<f64>> = (0..3)
        .map(|j| {
            output(&model, &json!({"A": a, "b": (0..3).map(|i| f64::from(u8::from(i == j))).collect::<Vec<_>>()}), "x")
        })
        .collect();
    let jacobian = model.jacobian(&inputs).run().unwrap();
    assert_close(&block(&jacobian, "x", "b"), &[3, 3], |at| inverse[at[1]][at[0]], 1e-9, "x by b");
    let exact = |at: &[usize]| -inverse[at[1]][at[0]] * x[at[2]];
    assert_close(&block(&jacobian, "x", "A"), &[3, 3, 3], exact, 1e-8, "x by A");
    let singular = json!({"A": [[1.0, 2.0], [2.0, 4.0]], "b": [1.0, 1.0]});
    let error = model.apply(&singular).unwrap_err().to_string();
    assert!(error.ends_with("dgesv_ set info to 2, not to 0"), "{error}");
    passes_its_cases("linsolve");
}

fn passes_its_cases(name: &str) {
    let tested = Run::new(["test", name]).run().expect(0);
    assert!(tested.text().contains("passed, 0 failed"), "{}", tested.shown());
}
