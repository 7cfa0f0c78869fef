//! Signatures that are understood, and what is said of those that are not.

use super::prototype::{Language, Prototype};

/// The declaration in C, where each argument comes from, and the shapes in the schemas.
fn understood(text: &str) -> String {
    let prototype = Prototype::read(text, "f").unwrap_or_else(|error| panic!("{error}"));
    let mut lines = vec![prototype.declaration("f")];
    lines.extend(prototype.origins().into_iter().map(|(name, origin)| format!("{name}: {origin}")));
    for (arrow, schema) in [("<-", prototype.input_schema()), ("->", prototype.output_schema())] {
        for (name, leaf) in schema["properties"].as_object().unwrap() {
            let shape = leaf.get("shape").map(|shape| format!(" {shape}")).unwrap_or_default();
            let dtype = leaf.get("dtype").map(|dtype| format!(" {}", dtype.as_str().unwrap())).unwrap_or_default();
            let marked = if leaf.get("differentiable").is_some() { " differentiable" } else { "" };
            let minimum = leaf.get("minimum").map(|minimum| format!(" >= {minimum}")).unwrap_or_default();
            lines.push(format!("{arrow} {name}{dtype}{shape}{marked}{minimum}"));
        }
    }
    lines.join("\n")
}

fn mistakes(text: &str) -> String {
    Prototype::read(text, "f").expect_err("this is wrong")
}

#[test]
fn scalars_by_value() {
    insta::assert_snapshot!(understood("double(double x)"), @r"
    double f(double x)
    x: input x
    returns: output result
    <- x differentiable
    -> result differentiable
    ");
    insta::assert_snapshot!(understood("y = float f(const float x, int32_t k, size_t s, unsigned long long m);"), @r"
    float f(float x, int k, uint64_t s, uint64_t m)
    x: input x
    k: input k
    s: input s
    m: input m
    returns: output y
    <- x float32 differentiable
    <- k int32
    <- s uint64
    <- m uint64
    -> y float32 differentiable
    ");
    insta::assert_snapshot!(understood("status int(double x, out double *y, int *order)"), @r"
    int f(double x, double *y, const int *order)
    x: input x
    y: output y
    order: input order
    returns: status: the point failed unless it is 0
    <- x differentiable
    <- order int32
    -> y differentiable
    ");
    insta::assert_snapshot!(understood("double(double x, double eps = -1e-8, int mode = 2, char side = 'L', const char *name = \"fast\", void *work = NULL)"), @r"
    double f(double x, double eps, int mode, int8_t side, const char *name, const void *work)
    x: input x
    eps: -1e-8
    mode: 2
    side: 76
    name: 'fast'
    work: null
    returns: output result
    <- x differentiable
    -> result differentiable
    ");
}

#[test]
fn lengths_are_tied() {
    insta::assert_snapshot!(understood("void(int n, const double x[n], out double y[n])"), @r#"
    void f(int n, const double *x, double *y)
    n: length of x
    x: input x[n]
    y: output y[n]
    <- x ["n"] differentiable
    -> y ["n"] differentiable
    "#);
    insta::assert_snapshot!(understood("void(int n, int m, int lda = n, double A[lda][m], double x[m], out double y[n*m+1], work double w[2*n], inout double z[n] as t)"), @r#"
    void f(int n, int m, int lda, const double *A, const double *x, double *y, double *w, double *z)
    n: dimension 1 of A
    m: dimension 2 of A
    lda: n
    A: input A[lda][m]
    x: input x[m]
    y: output y[n*m+1]
    w: memory w[2*n]
    z: input z[n], then output t
    <- A ["n","m"] differentiable
    <- x ["m"] differentiable
    <- z ["n"] differentiable
    -> y [null] differentiable
    -> t ["n"] differentiable
    "#);
    insta::assert_snapshot!(understood("void(int n, out double y[n], double x[k], out int z[k-1])"), @r#"
    void f(int n, double *y, const double *x, int *z)
    n: input n
    y: output y[n]
    x: input x[k]
    z: output z[k-1]
    <- n int32 >= 0
    <- x ["k"] differentiable
    -> y [null] differentiable
    -> z int32 [null]
    "#);
    insta::assert_snapshot!(understood("double(in int n, double x[n])"), @r"
    double f(int n, const double *x)
    n: input n
    x: input x[n]
    returns: output result
    <- n int32 >= 0
    <- x [null] differentiable
    -> result differentiable
    ");
    insta::assert_snapshot!(understood("double(int n, double x[2*n])"), @r"
    double f(int n, const double *x)
    n: input n
    x: input x[2*n]
    returns: output result
    <- n int32 >= 0
    <- x [null] differentiable
    -> result differentiable
    ");
}

#[test]
fn fortran() {
    insta::assert_snapshot!(understood(
        "subroutine f(integer n, integer nrhs = 1, in work real(8) a(lda,n), integer lda = n, work integer ipiv(n), inout double precision b(n) as x, integer ldb = max(1, n), status integer info)"
    ), @r#"
    void f(const int *n, const int *nrhs, double *a, const int *lda, int *ipiv, double *b, const int *ldb, int *info)
    n: dimension 1 of a
    nrhs: 1
    a: input a(lda,n), by columns, may be overwritten
    lda: n
    ipiv: memory ipiv(n)
    b: input b(n), then output x
    ldb: max(1, n)
    info: status: the point failed unless it is 0
    <- a ["n","n"] differentiable
    <- b ["n"] differentiable
    -> x ["n"] differentiable
    "#);
    insta::assert_snapshot!(understood("real(8) function f(real8 x, real, intent(in) :: y, complex(8) z(n), integer*8 n, logical flag = .true., real*4 d = 1.5d0)"), @r#"
    double f(const double *x, const float *y, const double complex *z, const int64_t *n, const int *flag, const float *d)
    x: input x
    y: input y
    z: input z(n)
    n: length of z
    flag: 1
    d: 1.5
    returns: output result
    <- x differentiable
    <- y float32 differentiable
    <- z complex128 ["n"] differentiable
    -> result differentiable
    "#);
    insta::assert_snapshot!(understood("subroutine F(character uplo = 'U', CHARACTER(len=3) name = 'abc', integer N, real(8) ap(n*(n+1)/2), real(8), intent(inout) :: B(N))"), @r#"
    void f(const char *uplo, const char *name, const int *N, const double *ap, double *B, size_t uplo_length, size_t name_length)
    uplo: 'U'
    name: 'abc'
    N: length of B
    ap: input ap(N*(N+1)/2)
    B: input B(N), then output B
    <- ap [null] differentiable
    <- B ["N"] differentiable
    -> B ["N"] differentiable
    "#);
    insta::assert_snapshot!(understood("REAL FUNCTION f(REAL x) RESULT(y)"), @r"
    float f(const float *x)
    x: input x
    returns: output y
    <- x float32 differentiable
    -> y float32 differentiable
    ");
    assert_eq!(Prototype::read("subroutine(out real y)", "f").unwrap().language, Language::Fortran);
}

#[test]
fn mistakes_have_columns() {
    let texts = [
        "void(dubble x[n], out int y, double z[k)",
        "double(double x",
        "double x",
        "double g(double x)",
        "void(double x)",
        "void(double x[n], out double y[m])",
        "void(double x, out double y[x])",
        "void(int n = m, int m = n, out double y[n])",
        "double(double x, double x)",
        "double(double x, out double *result)",
        "status int(status int *info, out double *y)",
        "double(double **x, double *y[n], double x[])",
        "double *(double x)",
        "double complex(double x, double complex z)",
        "double(long double x, struct point p, 3 y)",
        "double(double x = 'a', int n = 1.5, char c = \"ab\", double y[n] = 3)",
        "double(double x) and more",
        "double(double x ? y, double z = 99999999999999999999, char c = 'a)",
        "subroutine f(real x(*), character c, real(16) y, integer(n) k, out real z)",
        "function f(real x)",
        "y = subroutine f(out real x)",
        "subroutine f(real(8), intent(outer) :: x, out real y)",
        "double(work double x, in double y = 2, out double *z = 3, double *u as v, status double *w)",
        "double(double x[-1], double y[0-1])",
        "",
    ];
    let found: Vec<String> = texts.iter().map(|text| mistakes(text).replace("symbol.call:\n", "")).collect();
    insta::assert_snapshot!(found.join("\n"), @r#"
    void(dubble x[n], out int y, double z[k)
         ^ column 6: 'dubble' is no type: there are double, float, int, long, int64_t, size_t and the like (an enum is an int)
                              ^ column 27: y is handed over by value: what comes out needs a pointer, *y
                                           ^ column 40: expected ']' after a length, found ')'
    double(double x
                   ^ column 16: expected ',' or ')' after an argument, and the signature ends
    double x
           ^ column 8: the function is called x here, and f by `fn`
            ^ column 9: expected '(' and the arguments, and the signature ends
    double g(double x)
           ^ column 8: the function is called g here, and f by `fn`
    void(double x)
    ^ column 1: nothing comes out of it: mark what it writes by `out` or `inout`, or say what it returns
    void(double x[n], out double y[m])
                                   ^ column 32: m is neither an argument nor the length of an input array
    void(double x, out double y[x])
                                ^ column 29: x is no whole number that is known before the call
    void(int n = m, int m = n, out double y[n])
             ^ column 10: n depends on itself
    double(double x, double x)
                            ^ column 25: there are two arguments x
    double(double x, out double *result)
    ^ column 1: there are two outputs result: name one as in y = double(...) or out double *y as z
    status int(status int *info, out double *y)
                           ^ column 24: there is a status already
    double(double **x, double *y[n], double x[])
                   ^ column 16: a pointer to pointers cannot be made: an array of several dimensions is x[n][m]
                               ^ column 28: y is a pointer to pointers: leave out the * or the brackets
                                              ^ column 43: how long is it? A length is a number, a name, or an expression such as 2*n
    double *(double x)
           ^ column 8: a pointer that is returned leads to memory of unknown size: have it write to an `out` argument
    double complex(double x, double complex z)
    ^ column 1: a complex result cannot be returned: have it written to an `out` argument
                                            ^ column 41: complex numbers are not handed over by value: *z, if it is a pointer
    double(long double x, struct point p, 3 y)
           ^ column 8: 'long double' is no type that can be handed over
                          ^ column 23: 'struct' is no type: there are double, float, int, long, int64_t, size_t and the like (an enum is an int)
                                          ^ column 39: expected a type, found 3
    double(double x = 'a', int n = 1.5, char c = "ab", double y[n] = 3)
                      ^ column 19: a text can only be given to characters
                                   ^ column 32: expected a whole number, a name, or an expression such as 2*n
                                                 ^ column 46: a char is one character, as in 'U'
                                                              ^ column 59: y is an array: a value can be given to a number
    double(double x) and more
                     ^ column 18: 'and' stands behind the end of the signature
    double(double x ? y, double z = 99999999999999999999, char c = 'a)
                    ^ column 17: '?' has no meaning here
                      ^ column 19: expected ',' or ')' after an argument, found 'y'
                                    ^ column 33: 99999999999999999999 is no number that can be held
                                                                   ^ column 64: the quote ' is not closed
    subroutine f(real x(*), character c, real(16) y, integer(n) k, out real z)
                        ^ column 21: how long is it? A length is a number, a name, or an expression such as 2*n
                                      ^ column 35: characters are no input: give c a value, as in character c = 'U'
                                         ^ column 38: 'real(16)' is no type that can be handed over
                                                             ^ column 58: expected a number: a kind by a name is not known here
    function f(real x)
    ^ column 1: a function needs the type that it returns before it: real(8) function
    y = subroutine f(out real x)
        ^ column 5: a subroutine returns nothing
    subroutine f(real(8), intent(outer) :: x, out real y)
                                 ^ column 30: intent(outer) is none of in, out and inout
    double(work double x, in double y = 2, out double *z = 3, double *u as v, status double *w)
                       ^ column 20: x is handed over by value: what comes out needs a pointer, *x
                                    ^ column 33: y is an input or has a value, not both
                                                       ^ column 52: z can start as zeros, = 0, or as it is
                                                                      ^ column 67: u is no output: `as` names outputs
                                                                                             ^ column 90: w is a status: one whole number that the function writes
    double(double x[-1], double y[0-1])
                  ^ column 15: x has a length below zero

    ^ column 1: expected a type, and the signature ends
    "#);
}

#[test]
fn anything_may_be_typed() {
    use proptest::prelude::*;
    let words = prop::sample::select(vec![
        "double",
        "int",
        "x",
        "y",
        "n",
        "(",
        ")",
        "[",
        "]",
        ",",
        "=",
        "*",
        "out",
        "inout",
        "in",
        "work",
        "status",
        "subroutine",
        "function",
        "real",
        "real(8)",
        "character",
        "'U'",
        "1",
        "2.5",
        "-",
        "as",
        "max",
        "void",
        "::",
        "intent",
        ".true.",
        "null",
        "é",
        "\"",
        ";",
    ]);
    proptest!(|(words in prop::collection::vec(words, 0..24))| {
        let text = words.join(" ");
        if let Err(error) = Prototype::read(&text, "f") {
            prop_assert!(error.contains("column "), "{text}: {error}");
        }
    });
}
