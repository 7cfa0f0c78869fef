/*
 * misbehaving.c - y = [sum of x_i^2, x_0], and everything a model should not do, on request.
 *
 * The words are listed in README.md. Not an example to follow, but for one thing: its state is in
 * the instance, and the count of evaluations, which is the process's, is atomic.
 */
#define _POSIX_C_SOURCE 200809L
#include <secant.h>
#include <math.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

typedef struct {
    int busy; /* a call is under way */
    int dead; /* it said so */
} misbehaving;

static const char *const words[] = {
    "crash", "exit", "hang", "stdout", "flood-stderr", "wrong-shape", "wrong-length", "wrong-type",
    "missing-output", "nan", "inf", "enormous", "error", "refuse", "dead", "bad-status", "slow",
    "exit-early", "until-cancelled", "no-instance", "wrong-abi", "null-table", "null-apply", "short-table",
};

/* ---- what is asked for --------------------------------------------------------------------- */

static const char *request(void) {
    const char *text = getenv("SECANT_MISBEHAVE");
    return text ? text : "";
}

/* What follows "word=" in the request, "" if only the word is there, NULL if it is not. Ends at a
 * comma or at the end of the text. */
static const char *asked(const char *word) {
    size_t length = strlen(word);
    const char *at = request();
    while (*at) {
        size_t item = strcspn(at, ",");
        if (item >= length && strncmp(at, word, length) == 0) {
            if (item == length) return "";
            if (at[length] == '=') return at + length + 1;
        }
        at += item;
        if (*at == ',') ++at;
    }
    return NULL;
}

/* The first word of the request that is none, or NULL. Its length goes to *length. */
static const char *unknown_word(size_t *length) {
    const char *at = request();
    while (*at) {
        size_t i, item = strcspn(at, ",=");
        for (i = 0; i < sizeof words / sizeof *words; ++i) {
            if (strlen(words[i]) == item && strncmp(at, words[i], item) == 0) break;
        }
        *length = item;
        if (i == sizeof words / sizeof *words && item > 0) return at;
        at += strcspn(at, ",");
        if (*at == ',') ++at;
    }
    return NULL;
}

static double number(const char *text, double otherwise) {
    char *end;
    double value = text ? strtod(text, &end) : otherwise;
    return text && end == text ? otherwise : value;
}

static int is_time(double x0) {
    static long evaluations = 0;
    long this_one = __atomic_add_fetch(&evaluations, 1, __ATOMIC_SEQ_CST);
    const char *above = getenv("SECANT_MISBEHAVE_WHEN_ABOVE");
    if (above) return x0 > number(above, HUGE_VAL);
    return this_one == (long)number(getenv("SECANT_MISBEHAVE_AT"), 1.0);
}

/* ---- doing it ------------------------------------------------------------------------------ */

static void pause_for(double seconds) {
    struct timespec span;
    span.tv_sec = (time_t)seconds;
    span.tv_nsec = (long)((seconds - (double)span.tv_sec) * 1e9);
    nanosleep(&span, NULL);
}

static void *write_nowhere(void *unused) {
    volatile int *volatile nowhere = NULL; /* or the compiler sees through it */
    *nowhere = 1;
    return unused;
}

static int deeper(volatile int *level) {
    volatile int here[1024];
    here[0] = *level + 1;
    return here[0] < 0 ? 0 : deeper(here) + here[0];
}

static void crash(const char *how) {
    pthread_t thread;
    volatile int level = 0;
    if (strncmp(how, "abort", 5) == 0) abort();
    if (strncmp(how, "stack", 5) == 0) exit(deeper(&level));
    if (strncmp(how, "thread", 6) == 0 && pthread_create(&thread, NULL, write_nowhere, NULL) == 0) {
        pthread_join(thread, NULL);
    }
    write_nowhere(NULL);
}

static void flood(double megabytes) {
    long line, lines = (long)(megabytes * 1e6 / 64.0);
    for (line = 0; line < lines; ++line) {
        fprintf(stderr, "misbehaving: line %8ld of a flood of words on stderr ......\n", line);
    }
}

static secant_status say(secant_call *call, secant_status status, const char *text) {
    call->message(call, text);
    return status;
}

/* y, of another shape or type if asked for. */
static double *output(secant_call *call, int wrong) {
    int64_t shape[2] = {2, 2};
    if (wrong && asked("enormous")) shape[0] = (int64_t)1 << 50;
    if (wrong && asked("wrong-length")) shape[0] = 3;
    return (double *)call->output_at(call, 0, wrong && asked("wrong-type") ? SECANT_INT32 : SECANT_FLOAT64,
                                     wrong && asked("wrong-shape") ? 2 : 1, shape);
}

static secant_status evaluate(misbehaving *self, secant_call *call) {
    const double *x = (const double *)call->inputs[0].data;
    int64_t i, n = call->inputs[0].shape[0];
    int wrong = n > 0 && is_time(x[0]);
    double *y, sum = 0.0;

    if (n == 0) return say(call, SECANT_REFUSED, "x must not be empty");
    if (asked("slow")) pause_for(number(asked("slow"), 1.0));
    if (wrong) {
        if (asked("stdout")) {
            printf("misbehaving: this does not belong on stdout\n");
            fflush(stdout);
        }
        if (asked("flood-stderr")) flood(number(asked("flood-stderr"), 4.0));
        if (asked("crash")) crash(asked("crash"));
        if (asked("exit")) {
            fprintf(stderr, "misbehaving: these are my last words\n");
            exit(3);
        }
        while (asked("hang")) pause_for(3600.0);
        if (asked("until-cancelled")) {
            while (!call->cancelled(call)) pause_for(0.001);
            return say(call, SECANT_FAILED, "nobody waits any more");
        }
        if (asked("error")) return say(call, SECANT_FAILED, "solver did not converge");
        if (asked("refuse")) return say(call, SECANT_REFUSED, "x makes no sense");
        if (asked("bad-status")) return 77;
        if (asked("missing-output")) return SECANT_OK;
        if (asked("dead")) {
            self->dead = 1;
            return say(call, SECANT_DEAD, "lost the licence");
        }
    }

    y = output(call, wrong);
    if (y == NULL) return SECANT_FAILED;
    if (wrong && asked("wrong-type")) return SECANT_OK; /* four bytes each: leave them alone */
    for (i = 0; i < n; ++i) sum += x[i] * x[i];
    y[0] = sum;
    y[1] = x[0];
    if (wrong && (asked("wrong-length") || asked("wrong-shape"))) y[2] = 0.0;
    if (wrong && asked("wrong-shape")) y[3] = 0.0;
    if (wrong && asked("nan")) y[0] = NAN;
    if (wrong && asked("inf")) y[0] = INFINITY;
    return SECANT_OK;
}

/* ---- the table --------------------------------------------------------------------------- */

static const char *describe(void) { return "{}"; }

static secant_status create(const secant_host *host, void **instance) {
    size_t length;
    const char *unknown = unknown_word(&length);
    if (unknown) {
        char text[120];
        snprintf(text, sizeof text, "SECANT_MISBEHAVE has an unknown word: %.*s", (int)length, unknown);
        host->message(host, text);
        return SECANT_FAILED;
    }
    if (asked("exit-early")) {
        fprintf(stderr, "misbehaving: gone before anything was asked\n");
        exit(3);
    }
    if (asked("no-instance")) {
        host->message(host, "no licence");
        return SECANT_FAILED;
    }
    *instance = calloc(1, sizeof(misbehaving));
    return *instance ? SECANT_OK : SECANT_FAILED;
}

static void destroy(void *instance) { free(instance); }

static secant_status apply(void *instance, secant_call *call) {
    misbehaving *self = (misbehaving *)instance;
    secant_status status;
    if (__atomic_exchange_n(&self->busy, 1, __ATOMIC_SEQ_CST)) {
        fprintf(stderr, "misbehaving: calls on one instance overlap\n");
        abort();
    }
    if (self->dead) {
        fprintf(stderr, "misbehaving: called again after it said it was dead\n");
        abort();
    }
    status = evaluate(self, call);
    __atomic_store_n(&self->busy, 0, __ATOMIC_SEQ_CST);
    return status;
}

#define TABLE(size, major, apply)                                                                \
    { size, major, SECANT_ABI_MINOR, SECANT_ONE_THREAD_PER_INSTANCE, 0, describe, create, destroy, \
      apply, NULL, NULL, NULL, NULL, NULL }

static const secant_table table = TABLE(sizeof(secant_table), SECANT_ABI_MAJOR, apply);
static const secant_table wrong_abi = TABLE(sizeof(secant_table), 99, apply);
static const secant_table null_apply = TABLE(sizeof(secant_table), SECANT_ABI_MAJOR, NULL);
static const secant_table short_table = TABLE(8, SECANT_ABI_MAJOR, apply);

const secant_table *secant_plugin(void) {
    if (asked("null-table")) return NULL;
    if (asked("wrong-abi")) return &wrong_abi;
    if (asked("null-apply")) return &null_apply;
    if (asked("short-table")) return &short_table;
    return &table;
}
