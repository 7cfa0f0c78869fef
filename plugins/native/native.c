/*
 * native.c - y_i = p x_i^2 + sin(x_{i+1}), where x_n is x_0 again; as a secant model that fills in
 * every entry of the table.
 *
 * Shows batches, derivatives that the model has itself, and the shapes of outputs without an
 * evaluation. Keeps no state, so that any thread may call it at any time.
 *
 *     dy_i/dx_i = 2 p x_i        dy_i/dx_{i+1} = cos(x_{i+1})        dy_i/dp = x_i^2
 *
 * (both of the first two where n is 1).
 */
#include <secant.h>
#include <math.h>

enum { X, P }; /* positions among the inputs; the only output is y */

static const char *describe(void) { return "{}"; }

static secant_status create(const secant_host *host, void **instance) {
    (void)host;
    *instance = NULL;
    return SECANT_OK;
}

static void destroy(void *instance) { (void)instance; }

/* ---- evaluations ------------------------------------------------------------------------- */

typedef struct {
    int64_t n;
    const double *x;
    double p;
} point;

static point point_of(const secant_call *call) {
    point at;
    at.n = call->inputs[X].shape[0];
    at.x = (const double *)call->inputs[X].data;
    at.p = *(const double *)call->inputs[P].data;
    return at;
}

static int64_t after(const point *at, int64_t i) { return i + 1 == at->n ? 0 : i + 1; }

static secant_status apply(void *instance, secant_call *call) {
    point at = point_of(call);
    double *y = (double *)call->output_at(call, 0, SECANT_FLOAT64, 1, &at.n);
    int64_t i;
    (void)instance;
    if (y == NULL) return SECANT_FAILED;
    for (i = 0; i < at.n; ++i) y[i] = at.p * at.x[i] * at.x[i] + sin(at.x[after(&at, i)]);
    return SECANT_OK;
}

static secant_status apply_batch(void *instance, uint32_t n, secant_call *const *calls, secant_status *status) {
    uint32_t i;
    for (i = 0; i < n; ++i) status[i] = apply(instance, calls[i]);
    return SECANT_OK;
}

static secant_status abstract_eval(void *instance, secant_call *call) {
    (void)instance;
    return call->output_at(call, 0, SECANT_FLOAT64, 1, call->inputs[X].shape) ? SECANT_OK : SECANT_FAILED;
}

/* ---- derivatives ------------------------------------------------------------------------- */

static secant_status jacobian(void *instance, secant_call *call, const secant_derivative *d) {
    point at = point_of(call);
    int64_t square[2], i;
    uint32_t of, wrt;
    (void)instance;
    square[0] = square[1] = at.n;
    for (of = 0; of < d->n_of; ++of) {
        for (wrt = 0; wrt < d->n_wrt; ++wrt) {
            int in_x = d->wrt[wrt] == X;
            double *block = (double *)d->block(call, of, wrt, SECANT_FLOAT64, in_x ? 2 : 1, square);
            if (block == NULL) return SECANT_FAILED;
            for (i = 0; i < at.n; ++i) {
                if (in_x) {
                    block[i * at.n + i] += 2.0 * at.p * at.x[i];
                    block[i * at.n + after(&at, i)] += cos(at.x[after(&at, i)]);
                } else {
                    block[i] = at.x[i] * at.x[i];
                }
            }
        }
    }
    return SECANT_OK;
}

static secant_status jvp(void *instance, secant_call *call, const secant_derivative *d) {
    point at = point_of(call);
    uint32_t of, wrt;
    int64_t i;
    (void)instance;
    for (of = 0; of < d->n_of; ++of) {
        double *block = (double *)d->block(call, of, 0, SECANT_FLOAT64, 1, &at.n);
        if (block == NULL) return SECANT_FAILED;
        for (wrt = 0; wrt < d->n_wrt; ++wrt) {
            const double *tangent = (const double *)d->vectors[wrt].data;
            for (i = 0; i < at.n; ++i) {
                int64_t next = after(&at, i);
                if (d->wrt[wrt] == X) {
                    block[i] += 2.0 * at.p * at.x[i] * tangent[i] + cos(at.x[next]) * tangent[next];
                } else {
                    block[i] += at.x[i] * at.x[i] * tangent[0];
                }
            }
        }
    }
    return SECANT_OK;
}

static secant_status vjp(void *instance, secant_call *call, const secant_derivative *d) {
    point at = point_of(call);
    uint32_t of, wrt;
    int64_t i;
    (void)instance;
    for (wrt = 0; wrt < d->n_wrt; ++wrt) {
        int in_x = d->wrt[wrt] == X;
        double *block = (double *)d->block(call, 0, wrt, SECANT_FLOAT64, in_x ? 1 : 0, in_x ? &at.n : NULL);
        if (block == NULL) return SECANT_FAILED;
        for (of = 0; of < d->n_of; ++of) {
            const double *cotangent = (const double *)d->vectors[of].data;
            for (i = 0; i < at.n; ++i) {
                int64_t next = after(&at, i);
                if (in_x) {
                    block[i] += 2.0 * at.p * at.x[i] * cotangent[i];
                    block[next] += cos(at.x[next]) * cotangent[i];
                } else {
                    block[0] += at.x[i] * at.x[i] * cotangent[i];
                }
            }
        }
    }
    return SECANT_OK;
}

static const secant_table table = {
    sizeof(secant_table), SECANT_ABI_MAJOR, SECANT_ABI_MINOR, SECANT_ANY_THREAD, 0,
    describe, create, destroy, apply, apply_batch, jacobian, jvp, vjp, abstract_eval,
};

const secant_table *secant_plugin(void) { return &table; }
