/* The twin of cantilever.f in C, for machines without a Fortran compiler: the same deck, the same tables. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MOST_ELEMENTS = 200 };

/* A number in `width` columns from `start`, as F and E fields without a point of their own read it. */
static double field(const char *card, size_t start, size_t width) {
    char text[32] = "";
    if (strlen(card) > start) strncat(text, card + start, width);
    for (char *c = text; *c; c++)
        if (*c == 'D' || *c == 'd') *c = 'E';
    return strtod(text, NULL);
}

/* 1PDw.d: one digit before the point, the letter D; NAN has none. */
static void print_d(FILE *out, int width, int digits, double value) {
    char text[40];
    snprintf(text, sizeof text, "%.*E", digits, value);
    char *letter = strchr(text, 'E');
    if (letter) *letter = 'D';
    fprintf(out, "%*s", width, text);
}

static void stiffness(double s[4][4], double ei, double a) {
    const double c = ei / (a * a * a);
    const double rows[4][4] = {{12, 6 * a, -12, 6 * a},
                               {6 * a, 4 * a * a, -6 * a, 2 * a * a},
                               {-12, -6 * a, 12, -6 * a},
                               {6 * a, 2 * a * a, -6 * a, 4 * a * a}};
    for (int i = 0; i < 4; i++)
        for (int j = 0; j < 4; j++) s[i][j] = c * rows[i][j];
}

/* Gauss without pivots in a symmetric band: band[k][i] is element (i, i + k). */
static void solve(double band[4][2 * MOST_ELEMENTS], double *f, int n) {
    for (int i = 0; i < n - 1; i++)
        for (int j = 1; j < 4 && i + j < n; j++) {
            const double r = band[j][i] / band[0][i];
            for (int k = j; k < 4 && i + k < n; k++) band[k - j][i + j] -= r * band[k][i];
            f[i + j] -= r * f[i];
        }
    for (int i = n - 1; i >= 0; i--) {
        for (int j = 1; j < 4 && i + j < n; j++) f[i] -= band[j][i] * f[i + j];
        f[i] /= band[0][i];
    }
}

int main(void) {
    static double band[4][2 * MOST_ELEMENTS], f[2 * MOST_ELEMENTS];
    char cards[4][200];
    FILE *deck = fopen("CANT.DAT", "r"), *list = fopen("CANT.LST", "w");
    if (!deck || !list) return 2;
    for (int i = 0; i < 4; i++) {
        if (!fgets(cards[i], sizeof cards[i], deck)) return 2;
        cards[i][strcspn(cards[i], "\n")] = 0;
    }
    const int elements = (int)field(cards[1], 0, 5);
    const double length = field(cards[1], 5, 10);
    const double e = field(cards[2], 0, 14), b = field(cards[2], 14, 14), h = field(cards[2], 28, 14);
    const double p = field(cards[3], 0, 14), q = field(cards[3], 14, 14);
    fprintf(list, " CANTILEVER BEAM\n %-60.60s\n ELEMENTS %5d  LENGTH%10.4f\n", cards[0], elements, length);
    fprintf(list, " E%14.6E  B%14.6E  H%14.6E\n P%14.6E  Q%14.6E\n\n", e, b, h, p, q);
    if (elements < 1 || elements > MOST_ELEMENTS) {
        fprintf(list, " *** ERROR *** TOO FEW OR MANY ELEMENTS\n");
        return 0;
    }
    if (h <= 0 || b <= 0 || e <= 0) {
        fprintf(list, " *** ERROR *** SECTION WITHOUT STIFFNESS\n");
        return 0;
    }
    const int n = 2 * elements;
    const double a = length / elements;
    double s[4][4];
    stiffness(s, e * b * h * h * h / 12, a);
    for (int k = 0; k < elements; k++)
        for (int i = 0; i < 4; i++) {
            const int row = 2 * (k - 1) + i;
            if (row < 0) continue;
            for (int j = i; j < 4; j++) band[j - i][row] += s[i][j];
            if (i % 2 == 0) f[row] += q * a / 2;
            if (i == 1) f[row] += q * a * a / 12;
            if (i == 3) f[row] -= q * a * a / 12;
        }
    f[n - 2] += p;
    solve(band, f, n);
    fprintf(list, " NODE         X    DEFLECTION         SLOPE        MOMENT\n"
                  " ---------------------------------------------------------\n");
    for (int i = 0; i <= elements; i++) {
        const double x = i * a, rest = length - x;
        fprintf(list, " %4d%10.4f", i, x);
        print_d(list, 14, 6, i ? f[2 * i - 2] : 0);
        print_d(list, 14, 6, i ? f[2 * i - 1] : 0);
        print_d(list, 14, 6, p * rest + q * rest * rest / 2);
        fputc('\n', list);
    }
    fprintf(list, "\n TIP DEFLECTION  =");
    print_d(list, 15, 7, f[n - 2]);
    fprintf(list, "\n LARGEST STRESS  =");
    print_d(list, 15, 7, 6 * (p * length + q * length * length / 2) / (b * h * h));
    fputc('\n', list);
    return fclose(list) ? 2 : 0;
}
