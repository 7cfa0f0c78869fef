/*
 * rosenbrock.c - Rosenbrock's valley as a secant model, about as small as one gets.
 *
 * Shows inputs and outputs addressed by their position in the schemas. Has no derivatives of its
 * own: they are d/dx = -2 (a - x) - 4 b x (y - x^2) and d/dy = 2 b (y - x^2).
 */
#include <secant.h>

enum { X, Y, A, B };

static const char *describe(void) { return "{}"; }

static secant_status create(const secant_host *host, void **instance) {
    (void)host;
    *instance = NULL; /* nothing to remember */
    return SECANT_OK;
}

static void destroy(void *instance) { (void)instance; }

static double scalar(const secant_call *call, uint32_t index) {
    return *(const double *)call->inputs[index].data;
}

static secant_status apply(void *instance, secant_call *call) {
    double x = scalar(call, X), y = scalar(call, Y);
    double valley = y - x * x, slope = scalar(call, A) - x;
    double *height = (double *)call->output_at(call, 0, SECANT_FLOAT64, 0, NULL);
    (void)instance;
    if (height == NULL) return SECANT_FAILED;
    *height = slope * slope + scalar(call, B) * valley * valley;
    return SECANT_OK;
}

static const secant_table table = {
    sizeof(secant_table), SECANT_ABI_MAJOR, SECANT_ABI_MINOR, SECANT_ANY_THREAD, 0,
    describe, create, destroy, apply, NULL, NULL, NULL, NULL, NULL,
};

const secant_table *secant_plugin(void) { return &table; }
