#include <secant.h>

static const char *describe(void) { return "{}"; } /* the schemas are files */

static secant_status create(const secant_host *host, void **instance) {
    (void)host;
    *instance = NULL; /* no state; else allocate it here */
    return SECANT_OK;
}

static void destroy(void *instance) { (void)instance; }

static secant_status apply(void *instance, secant_call *call) {
    /* Inputs and outputs are numbered as in the schemas. */
    const secant_array *x = &call->inputs[0];
    const double *stretch = (const double *)x->data;
    double k = *(const double *)call->inputs[1].data;
    double *energy = (double *)call->output_at(call, 0, SECANT_FLOAT64, 0, NULL);
    double *force = (double *)call->output_at(call, 1, SECANT_FLOAT64, 1, x->shape);
    int64_t i;
    (void)instance;
    if (!energy || !force) return SECANT_FAILED;
    *energy = 0.0;
    for (i = 0; i < x->shape[0]; ++i) {
        *energy += 0.5 * k * stretch[i] * stretch[i];
        force[i] = -k * stretch[i];
    }
    return SECANT_OK;
}

static const secant_table table = {
    sizeof(secant_table), SECANT_ABI_MAJOR, SECANT_ABI_MINOR, SECANT_ANY_THREAD, 0,
    describe, create, destroy, apply, NULL, NULL, NULL, NULL, NULL
};

const secant_table *secant_plugin(void) { return &table; }
