//! An evaluation allocates nothing once a sweep is under way, and nothing is held that nobody asked for: counted by an
//! allocator that counts.
#![allow(unsafe_code, clippy::unwrap_used)]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::path::Path;
use std::process::Command;

use secant::{AlgorithmName, Array, Model, Tree};

struct Counting;

thread_local! {
    static COUNT: Cell<usize> = const { Cell::new(0) };
    /// Bytes that are held, and the most that were.
    static HELD: Cell<usize> = const { Cell::new(0) };
    static MOST: Cell<usize> = const { Cell::new(0) };
}

/// Some bytes more and others less are held.
fn hold(more: usize, less: usize) {
    HELD.set(HELD.get().wrapping_add(more).wrapping_sub(less));
    MOST.set(MOST.get().max(HELD.get()));
}

// SAFETY: everything is left to the system's allocator; thread-local counters that need no
// initialisation and no destructor are all that is added.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        COUNT.set(COUNT.get() + 1);
        hold(layout.size(), 0);
        // SAFETY: handed on.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        hold(0, layout.size());
        // SAFETY: handed on.
        unsafe { System.dealloc(pointer, layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        COUNT.set(COUNT.get() + 1);
        hold(size, layout.size());
        // SAFETY: handed on.
        unsafe { System.realloc(pointer, layout, size) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// Allocations of one call of `work`.
fn allocations(work: impl FnOnce()) -> usize {
    let before = COUNT.get();
    work();
    COUNT.get() - before
}

#[test]
fn a_library_is_evaluated_without_allocating() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let folder = tempfile::tempdir().unwrap();
    let library = folder.path().join("residual.so");
    let status = Command::new("cc")
        .args(["-O2", "-shared", "-fPIC", "-I"])
        .arg(root.join("include"))
        .arg("-o")
        .arg(&library)
        .arg(root.join("benches/models/residual.c"))
        .status()
        .expect("a C compiler called cc is needed");
    assert!(status.success());
    let model = Model::open(&library).unwrap();
    let inputs = |n: usize| Tree::fields([("x", Tree::from(Array::from(vec![1.5; n])))]);
    for algorithm in [AlgorithmName::Central, AlgorithmName::Forward] {
        let count = |n: usize| {
            let inputs = inputs(n);
            let run = || drop(model.jacobian(&inputs).algorithm(algorithm).workers(1).run().unwrap());
            run();
            allocations(run)
        };
        let (few, many) = (count(16), count(1024));
        assert_eq!(few, many, "{algorithm}: allocations grow with the number of evaluations");
    }
    // One direction, whatever its length; and no matrix in a VJP.
    for algorithm in [AlgorithmName::Central, AlgorithmName::Auto] {
        let count = |n: usize| {
            let (inputs, tangent) = (inputs(n), Array::from(vec![1.0; n]));
            let run = || {
                drop(model.jvp(&inputs, [("x", tangent.clone())]).algorithm(algorithm).workers(1).run().unwrap());
                drop(model.vjp(&inputs, [("y", tangent.clone())]).algorithm(algorithm).workers(1).run().unwrap());
                drop(model.jacobian(&inputs).algorithm(algorithm).workers(1).run().unwrap());
            };
            run();
            allocations(run)
        };
        let (few, many) = (count(16), count(1024));
        // Vectors of all coordinates grow by doubling, and a round has some of its own: some more, not thousands.
        assert!(many < few + 250, "{algorithm}: {few} {many}");
    }
    // A matrix is held; the bounds of its errors only if they are asked for.
    let inputs = inputs(1024);
    let most = |bounded: bool| {
        let query = model.jacobian(&inputs).algorithm(AlgorithmName::Auto).workers(1);
        let before = HELD.get();
        MOST.set(before);
        drop(if bounded { query.bounds() } else { query }.run().unwrap());
        MOST.get() - before
    };
    let matrix = 8 * 1024 * 1024;
    assert!(most(false) < matrix + matrix / 4, "{}", most(false));
    assert!((2 * matrix..2 * matrix + matrix / 4).contains(&most(true)), "{}", most(true));
}

#[cfg(feature = "symbol")]
#[test]
fn a_function_is_called_without_allocating() {
    let folder = tempfile::tempdir().unwrap();
    let library = folder.path().join("columns.so");
    let source = folder.path().join("columns.c");
    // A matrix by columns, an input that is overwritten, and an output in single precision.
    std::fs::write(
        &source,
        "void columns_(const int *n, double *a, double *b, float *s) {\n\
         for (int i = 0; i < 2 * *n; i++) { b[i] = 2 * a[i]; a[i] = 0; }\n*s = (float)b[0]; }\n",
    )
    .unwrap();
    let status = Command::new("cc").args(["-O2", "-shared", "-fPIC", "-o"]).arg(&library).arg(&source).status();
    assert!(status.expect("a C compiler called cc is needed").success());
    let call = "subroutine columns(integer n, in work real(8) a(n,2), out real(8) b(n,2), out real s)";
    let text = format!("[symbol]\nlibrary = {library:?}\nfn = \"columns\"\ncall = {call:?}\nisolation = \"none\"\n");
    std::fs::write(folder.path().join("model.toml"), text).unwrap();
    let model = Model::open(folder.path()).unwrap();
    let count = |n: usize| {
        let inputs = Tree::fields([("a", Tree::from(Array::new(&[n, 2], vec![1.5; 2 * n])))]);
        let run = || {
            drop(model.jacobian(&inputs).algorithm(AlgorithmName::Central).workers(1).run().unwrap());
        };
        run();
        allocations(run)
    };
    let (few, many) = (count(8), count(512));
    assert_eq!(few, many, "allocations grow with the number of evaluations");
}
