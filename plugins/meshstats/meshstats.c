/*
 * meshstats.c - the first point and the mean of all points of a mesh, as a secant model.
 *
 * Shows how a model reads deeply nested inputs by index: paths are looked up once, and again only
 * when the layout of the inputs changes. Not a mesh library: connectivity is checked, not used.
 */
#include <secant.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

typedef struct {
    int resolved;
    uint64_t layout; /* the layout the indices below were found in */
    uint32_t points, n_cells, points_per_cell, connectivity;
} meshstats;

/* Positions among the arrays of the output schema. */
enum { FIRST_POINT, BARYCENTER };

static secant_status say(secant_call *call, secant_status status, const char *format, ...) {
    char text[160];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    call->message(call, text);
    return status;
}

static const char *describe(void) { return "{}"; }

static secant_status create(const secant_host *host, void **instance) {
    *instance = calloc(1, sizeof(meshstats));
    if (*instance == NULL) {
        host->message(host, "out of memory");
        return SECANT_FAILED;
    }
    return SECANT_OK;
}

static void destroy(void *instance) { free(instance); }

static int find(const secant_call *call, const char *path, uint32_t *index) {
    const secant_array *input = secant_input(call, path);
    if (input == NULL) return 0;
    *index = (uint32_t)(input - call->inputs);
    return 1;
}

static secant_status resolve(meshstats *self, secant_call *call) {
    if (self->resolved && self->layout == call->layout) return SECANT_OK;
    self->resolved = find(call, "mesh.points", &self->points) &&
                     find(call, "mesh.n_cells", &self->n_cells) &&
                     find(call, "mesh.num_points_per_cell", &self->points_per_cell) &&
                     find(call, "mesh.cell_connectivity", &self->connectivity);
    self->layout = call->layout;
    return self->resolved ? SECANT_OK : say(call, SECANT_FAILED, "the inputs hold no whole mesh");
}

/* Refuses what does not fit together. */
static secant_status check(const meshstats *self, secant_call *call) {
    const secant_array *per_cell = &call->inputs[self->points_per_cell];
    const double *counts = (const double *)per_cell->data;
    int64_t n_cells = *(const int64_t *)call->inputs[self->n_cells].data;
    int64_t n_connected = call->inputs[self->connectivity].shape[0];
    double total = 0.0;
    int64_t i;

    if (per_cell->shape[0] != n_cells) {
        return say(call, SECANT_REFUSED, "Length of num_points_per_cell must be %lld", (long long)n_cells);
    }
    for (i = 0; i < n_cells; ++i) total += counts[i];
    if ((double)n_connected != total) {
        int whole = total > -1e15 && total < 1e15 && total == (double)(int64_t)total;
        if (total != total) return say(call, SECANT_REFUSED, "Length of cell_connectivity must be nan");
        return say(call, SECANT_REFUSED,
                   whole ? "Length of cell_connectivity must be %.1f"
                         : "Length of cell_connectivity must be %.17g",
                   total);
    }
    if (call->inputs[self->points].shape[0] == 0) {
        return say(call, SECANT_REFUSED, "mesh.points must hold at least one point");
    }
    return SECANT_OK;
}

static secant_status apply(void *instance, secant_call *call) {
    meshstats *self = (meshstats *)instance;
    const secant_array *mesh_points;
    const double *points;
    double *first, *barycenter;
    const int64_t three = 3;
    double sum[3] = {0.0, 0.0, 0.0};
    int64_t n, i;
    int axis;

    secant_status status = resolve(self, call);
    if (status == SECANT_OK) status = check(self, call);
    if (status != SECANT_OK) return status;

    first = (double *)call->output_at(call, FIRST_POINT, SECANT_FLOAT64, 1, &three);
    barycenter = (double *)call->output_at(call, BARYCENTER, SECANT_FLOAT64, 1, &three);
    if (first == NULL || barycenter == NULL) return SECANT_FAILED;

    mesh_points = &call->inputs[self->points];
    points = (const double *)mesh_points->data;
    n = mesh_points->shape[0];
    for (i = 0; i < n; ++i) {
        for (axis = 0; axis < 3; ++axis) sum[axis] += points[3 * i + axis];
    }
    for (axis = 0; axis < 3; ++axis) {
        first[axis] = points[axis];
        barycenter[axis] = sum[axis] / (double)n;
    }
    return SECANT_OK;
}

/* Both outputs are points of the space that the mesh lives in. */
static secant_status abstract_eval(void *instance, secant_call *call) {
    meshstats *self = (meshstats *)instance;
    const int64_t *dimension;
    secant_status status = resolve(self, call);
    if (status != SECANT_OK) return status;

    dimension = &call->inputs[self->points].shape[1];
    if (call->output_at(call, FIRST_POINT, SECANT_FLOAT64, 1, dimension) == NULL ||
        call->output_at(call, BARYCENTER, SECANT_FLOAT64, 1, dimension) == NULL) {
        return SECANT_FAILED;
    }
    return SECANT_OK;
}

static const secant_table table = {
    sizeof(secant_table), SECANT_ABI_MAJOR, SECANT_ABI_MINOR, SECANT_ONE_THREAD_PER_INSTANCE, 0,
    describe, create, destroy, apply,
    NULL, NULL, NULL, NULL, /* no batches, no derivatives of its own */
    abstract_eval,
};

const secant_table *secant_plugin(void) { return &table; }
