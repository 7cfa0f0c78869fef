/*
 * secant.h - the C ABI between secant and a model compiled as a shared library.
 *
 * C99; usable from C, C++, Fortran (iso_c_binding) and Rust. Version 1.0.
 *
 * A model exports ONE symbol, secant_plugin(), which returns a constant table of functions.
 * The smallest model fills in describe, create, apply and destroy; everything else may be NULL.
 *
 *     #include <secant.h>
 *     static const char *describe(void) { return "{}"; }   // schemas stand in model.toml's files
 *     static secant_status create(const secant_host *host, void **instance) {
 *         (void)host; *instance = NULL; return SECANT_OK;
 *     }
 *     static void destroy(void *instance) { (void)instance; }
 *     static secant_status apply(void *instance, secant_call *call) {
 *         const double *x = (const double *)call->inputs[0].data;
 *         double *y = (double *)call->output_at(call, 0, SECANT_FLOAT64, 0, NULL);
 *         if (!y) return SECANT_FAILED;
 *         *y = x[0] * x[0];
 *         (void)instance; return SECANT_OK;
 *     }
 *     static const secant_table table = {
 *         sizeof(secant_table), SECANT_ABI_MAJOR, SECANT_ABI_MINOR, SECANT_ANY_THREAD, 0,
 *         describe, create, destroy, apply, NULL, NULL, NULL, NULL, NULL
 *     };
 *     const secant_table *secant_plugin(void) { return &table; }
 *
 * Rules that hold everywhere:
 *  - Nobody frees what the other allocated. Every pointer the host passes is valid until the
 *    function it was passed to returns; every pointer the plugin returns (the table, describe's
 *    text) lives as long as the library.
 *  - Arrays are C-contiguous (row-major), in the machine's byte order, aligned to 8 bytes.
 *    Input arrays are the host's own memory: read them, never write them.
 *  - All text is UTF-8 and ends in NUL.
 *  - Nothing may unwind across the border: no C++ exception, no longjmp, no Rust panic.
 *  - All state lives in the instance. Calls on one instance never overlap, unless the table says
 *    SECANT_ANY_THREAD.
 *  - secant_table, secant_call, secant_derivative and secant_host begin with their size. Read nothing
 *    beyond it: a newer host or plugin may know more fields than you do, an older one fewer.
 *    secant_array has none and never changes.
 *  - stdout belongs to the host: print to stderr.
 */
#ifndef SECANT_H
#define SECANT_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#ifdef __cplusplus
extern "C" {
#endif

#define SECANT_ABI_MAJOR 1
#define SECANT_ABI_MINOR 0

#if defined(_WIN32)
#define SECANT_EXPORT __declspec(dllexport)
#elif defined(__GNUC__)
#define SECANT_EXPORT __attribute__((visibility("default")))
#else
#define SECANT_EXPORT
#endif

/* ---- status: what became of a call ------------------------------------------------------- */

typedef int32_t secant_status;

#define SECANT_OK 0      /* all outputs are written */
#define SECANT_REFUSED 1 /* the inputs make no sense: the caller's fault; the instance is good */
#define SECANT_FAILED 2  /* this point failed (no convergence, ...); the instance is good */
#define SECANT_DEAD 3    /* the instance must not be called again, except for destroy */

/* ---- threading: what the host may do with instances ---------------------------------------- */

#define SECANT_ONE_PER_PROCESS 1         /* one instance in a process (Fortran COMMON, globals) */
#define SECANT_ONE_THREAD_PER_INSTANCE 2 /* instances run in parallel; one instance serves one thread
                                            at a time, and may move between threads between calls */
#define SECANT_ANY_THREAD 3              /* even calls on one and the same instance may overlap */

/* ---- arrays ------------------------------------------------------------------------------ */

#define SECANT_FLOAT16 1
#define SECANT_FLOAT32 2
#define SECANT_FLOAT64 3
#define SECANT_INT8 4
#define SECANT_INT16 5
#define SECANT_INT32 6
#define SECANT_INT64 7
#define SECANT_UINT8 8
#define SECANT_UINT16 9
#define SECANT_UINT32 10
#define SECANT_UINT64 11
#define SECANT_BOOL 12       /* one byte, 0 or 1 */
#define SECANT_COMPLEX64 13  /* float re, im */
#define SECANT_COMPLEX128 14 /* double re, im */

typedef struct secant_array {
    const char *path;     /* "mesh.points", "layers.[0]", "fields.{a key}" */
    uint32_t dtype;       /* SECANT_FLOAT64, ... */
    uint32_t ndim;        /* 0 for a scalar */
    const int64_t *shape; /* ndim lengths */
    const void *data;     /* NULL in abstract_eval, else never NULL (even where a length is 0) */
} secant_array;

/* ---- one evaluation ------------------------------------------------------------------------ */

typedef struct secant_call secant_call;

struct secant_call {
    uint32_t size; /* of this struct, as the host knows it */

    /* The array inputs, in the order of the input schema. Where the schema has no dictionaries or lists,
     * and every field is required or has a default (which is then filled in), a leaf is always at the
     * same index. */
    uint32_t n_inputs;
    const secant_array *inputs;

    /* The same number as in an earlier call on this instance: the same leaves at the same indices
     * with the same dtypes and shapes. What was looked up then still holds. Only the data differ.
     * Never 0. Calls of every kind share these numbers. */
    uint64_t layout;

    /* The inputs that are not arrays, as one JSON object from path to value:
     * {"fd_algorithm":"central"}. "{}" where there are none. */
    const char *json;

    void *host; /* the host's own */

    /* A buffer for an output array, to be filled before apply returns. The host owns and reuses it;
     * its contents are undefined at first. NULL if there is no such output or if dtype or shape do
     * not fit the schema: return SECANT_FAILED then, the host has the reason already.
     * `output_at` takes the position of the leaf among the arrays of the output schema (counted
     * in the schema's order, those inside dictionaries and lists left out).
     * Asked for again, with the same or another shape, it is the last buffer that counts, and earlier
     * pointers are dead. An output that
     * was not asked for in this call was not written, whatever an earlier call did.
     * In abstract_eval only the shape counts: nothing may be written into the buffer. */
    void *(*output)(secant_call *call, const char *path, uint32_t dtype, uint32_t ndim, const int64_t *shape);
    void *(*output_at)(secant_call *call, uint32_t index, uint32_t dtype, uint32_t ndim, const int64_t *shape);

    /* An output that is not an array, as JSON text. The text is copied. */
    void (*output_json)(secant_call *call, const char *path, const char *json);

    /* Says why the call will return something other than SECANT_OK. The text is copied. */
    void (*message)(secant_call *call, const char *text);

    /* Not 0 once nobody waits for the result any more: a long evaluation may return SECANT_FAILED. */
    int32_t (*cancelled)(const secant_call *call);
};

/* ---- derivatives that the model has itself (optional) -------------------------------------- */

typedef struct secant_derivative secant_derivative;

struct secant_derivative {
    uint32_t size;
    uint32_t n_wrt;           /* input leaves to differentiate with respect to */
    const uint32_t *wrt;      /* their indices in call->inputs */
    uint32_t n_of;            /* output leaves to differentiate */
    const char *const *of;    /* their paths */
    const secant_array *vectors; /* jvp: n_wrt tangents; vjp: n_of cotangents; jacobian: NULL. Always
                                    SECANT_FLOAT64, or SECANT_COMPLEX128 for a complex leaf, and in
                                    the shape of the input or output */

    /* A zeroed buffer for one block of the result; of < n_of, wrt < n_wrt.
     *   jacobian: shape of the output, then shape of the input; every block must be asked for
     *   jvp:      shape of the output (wrt is ignored)
     *   vjp:      shape of the input (of is ignored)
     * dtype is SECANT_FLOAT64, or SECANT_COMPLEX128 where input or output is complex. NULL as for output().
     *
     * A jacobian's entry for a complex output is the derivative of a holomorphic function; for a real
     * output of a complex input it is df/dx - i df/dy. A jvp is the change along the tangent. In a vjp the
     * cotangent w pairs with a change dy as Re(w dy), without conjugation, and so does the result. */
    void *(*block)(secant_call *call, uint32_t of, uint32_t wrt, uint32_t dtype, uint32_t ndim, const int64_t *shape);
};

/* ---- what the host offers when an instance is made ----------------------------------------- */

#define SECANT_LOG_ERROR 1
#define SECANT_LOG_WARN 2
#define SECANT_LOG_INFO 3
#define SECANT_LOG_DEBUG 4

typedef struct secant_host secant_host;

struct secant_host {
    uint32_t size;
    void *host;
    const char *config; /* the manifest's [config] table as JSON text, "{}" without one */

    /* Says why create will fail. The text is copied. */
    void (*message)(const secant_host *host, const char *text);

    /* Free text for whoever watches. May be called during create only; later, write to stderr. */
    void (*log)(const secant_host *host, uint32_t level, const char *text);
};

/* ---- the table --------------------------------------------------------------------------- */

typedef struct secant_table {
    uint32_t size;      /* sizeof(secant_table): what lies beyond is absent */
    uint16_t major;     /* SECANT_ABI_MAJOR: another major is refused */
    uint16_t minor;     /* SECANT_ABI_MINOR */
    uint32_t threading; /* SECANT_ONE_PER_PROCESS, ... */
    uint32_t reserved;  /* 0 */

    /* A JSON object; every key may be left out, and the manifest wins over it:
     * {"name", "version", "description", "input_schema": {...}, "output_schema": {...}} */
    const char *(*describe)(void);

    /* Makes an instance. What is stored in *instance comes back in every other call. Instances may be made
     * and destroyed on any thread, several at once, unless there is SECANT_ONE_PER_PROCESS. */
    secant_status (*create)(const secant_host *host, void **instance);
    void (*destroy)(void *instance);

    /* Reads call->inputs, writes every output. */
    secant_status (*apply)(void *instance, secant_call *call);

    /* All below are optional. */

    /* n evaluations at once, of the same layout; status[i] tells of calls[i]. Returns SECANT_OK; anything
     * else stands for all n, and status is not looked at. */
    secant_status (*apply_batch)(void *instance, uint32_t n, secant_call *const *calls, secant_status *status);

    /* Derivatives at call->inputs, written through d->block. */
    secant_status (*jacobian)(void *instance, secant_call *call, const secant_derivative *d);
    secant_status (*jvp)(void *instance, secant_call *call, const secant_derivative *d);
    secant_status (*vjp)(void *instance, secant_call *call, const secant_derivative *d);

    /* The shapes of the outputs from the shapes of the inputs: declares each by output() or output_at().
     * Non-array inputs are there as ever, in call->json. */
    secant_status (*abstract_eval)(void *instance, secant_call *call);
} secant_table;

/* The one symbol a model exports. */
SECANT_EXPORT const secant_table *secant_plugin(void);

/* ---- convenience -------------------------------------------------------------------------- */

/* The array input of that path, or NULL. */
static inline const secant_array *secant_input(const secant_call *call, const char *path) {
    uint32_t i;
    for (i = 0; i < call->n_inputs; ++i) {
        if (strcmp(call->inputs[i].path, path) == 0) return &call->inputs[i];
    }
    return NULL;
}

/* The number of elements of an array. */
static inline int64_t secant_length(const secant_array *array) {
    int64_t n = 1;
    uint32_t i;
    for (i = 0; i < array->ndim; ++i) n *= array->shape[i];
    return n;
}

#ifdef __cplusplus
}
#endif

#endif /* SECANT_H */
