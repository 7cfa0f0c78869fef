/* Residuals of the extended Rosenbrock function (More, Garbow, Hillstrom 1981, problem 21), n = m, and
 * two models that take a given time. Beside the plugin table the bare functions are exported, for
 * the baselines. */
#define _POSIX_C_SOURCE 199309L
#include <secant.h>
#include <stdlib.h>
#include <time.h>

void residual(int64_t n, const double *x, double *y) {
    int64_t i;
    for (i = 0; i + 1 < n; i += 2) {
        y[i] = 10.0 * (x[i + 1] - x[i] * x[i]);
        y[i + 1] = 1.0 - x[i];
    }
}

/* As good as nothing, so that what is measured is the call. */
double first(int64_t n, const double *x) {
    (void)n;
    return x[0];
}

/* Residuals of Broyden's tridiagonal function (the same, problem 30), n = m. */
void broyden(int64_t n, const double *x, double *y) {
    int64_t i;
    y[0] = (3.0 - 2.0 * x[0]) * x[0] - 2.0 * x[1] + 1.0;
    for (i = 1; i + 1 < n; ++i) y[i] = (3.0 - 2.0 * x[i]) * x[i] - x[i - 1] - 2.0 * x[i + 1] + 1.0;
    y[n - 1] = (3.0 - 2.0 * x[n - 1]) * x[n - 1] - x[n - 2] + 1.0;
}

/* Every output depends on every input, n = m. */
void coupled(int64_t n, const double *x, double *y) {
    double sum = 0.0;
    int64_t i;
    for (i = 0; i < n; ++i) sum += x[i];
    for (i = 0; i < n; ++i) y[i] = x[i] * x[i] * x[i] + (0.5 + (double)i) / (2.0 + sum * sum);
}

/* m sums over all of x, after the given number of rounds of work. */
void busy(int64_t n, const double *x, int64_t m, double *y, int64_t rounds) {
    volatile double sink = 0.0;
    int64_t i, r;
    for (i = 0; i < m; ++i) y[i] = 0.0;
    for (i = 0; i < n; ++i) y[i % m] += x[i] * x[i];
    for (r = 0; r < rounds; ++r) sink = sink + 1.0;
}

static const char *describe(void) {
    return "{\"name\": \"residual\","
           "\"input_schema\": {\"type\": \"object\", \"properties\": {"
           "\"x\": {\"dtype\": \"float64\", \"shape\": [\"n\"], \"differentiable\": true},"
           "\"untouched\": {\"dtype\": \"float64\", \"shape\": [null], \"default\": []},"
           "\"rounds\": {\"type\": \"integer\", \"default\": -1},"
           "\"m\": {\"type\": \"integer\", \"default\": 0}},"
           "\"required\": [\"x\"]},"
           "\"output_schema\": {\"type\": \"object\", \"properties\": {"
           "\"y\": {\"dtype\": \"float64\", \"shape\": [null], \"differentiable\": true}},"
           "\"required\": [\"y\"]}}";
}

static secant_status create(const secant_host *host, void **instance) {
    (void)host;
    *instance = NULL;
    return SECANT_OK;
}

static void destroy(void *instance) { (void)instance; }

static secant_status apply(void *instance, secant_call *call) {
    const secant_array *x = &call->inputs[0];
    const double *data = (const double *)x->data;
    int64_t rounds = *(const int64_t *)call->inputs[2].data;
    int64_t m = *(const int64_t *)call->inputs[3].data;
    double *y;
    (void)instance;
    if (m == 0) m = x->shape[0];
    y = (double *)call->output_at(call, 0, SECANT_FLOAT64, 1, &m);
    if (!y) return SECANT_FAILED;
    if (rounds == -2) {
        broyden(x->shape[0], data, y);
    } else if (rounds == -3) {
        coupled(x->shape[0], data, y);
    } else if (rounds < 0) {
        residual(x->shape[0], data, y);
    } else {
        busy(x->shape[0], data, m, y, rounds);
    }
    return SECANT_OK;
}

static const secant_table table = {sizeof(secant_table), SECANT_ABI_MAJOR, SECANT_ABI_MINOR, SECANT_ANY_THREAD, 0,
                                   describe, create, destroy, apply, NULL, NULL, NULL, NULL, NULL};

const secant_table *secant_plugin(void) { return &table; }
