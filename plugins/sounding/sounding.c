/* A Wenner sounding above two layers: four electrodes in a line, a apart, on ground of the resistivity rho1 down to the
   depth h and rho2 below it. The images of the current in both interfaces sum to the apparent resistivity. */
#include <math.h>
#include <stdio.h>
#include <string.h>

/* A number in `width` columns from `start`. */
static int field(const char *line, size_t start, int width, double *value) {
    char text[40] = "";
    if (strlen(line) > start) strncat(text, line + start, (size_t)width);
    return sscanf(text, "%lf", value);
}

int main(void) {
    static const double spacing[] = {1, 2, 5, 10, 20, 50};
    char line[200];
    double rho1, rho2, h;
    FILE *in = fopen("sounding.dat", "r"), *out = fopen("sounding.out", "w");
    if (!in || !out || !fgets(line, sizeof line, in)) return 2;
    if (!fgets(line, sizeof line, in) || field(line, 0, 16, &rho1) != 1 || field(line, 16, 16, &h) != 1) return 2;
    if (!fgets(line, sizeof line, in) || field(line, 0, 16, &rho2) != 1) return 2;
    fprintf(out, " WENNER SOUNDING\n  SPACING  APPARENT RESISTIVITY\n");
    for (size_t i = 0; i < sizeof spacing / sizeof *spacing; i++) {
        const double k = (rho2 - rho1) / (rho2 + rho1);
        double sum = 0, power = k;
        for (int n = 1; fabs(power) > 1e-17; n++, power *= k) {
            const double depth = 2 * n * h / spacing[i];
            sum += power * (1 / sqrt(1 + depth * depth) - 1 / sqrt(4 + depth * depth));
        }
        fprintf(out, "%8.1f%16.8E\n", spacing[i], rho1 * (1 + 4 * sum));
    }
    return fclose(out) ? 2 : 0;
}
