/* A program of the old kind: reads numbers from deck.txt, writes their squares to out.txt. With an argument it first
   keeps the processor busy for so many milliseconds. */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

int main(int argc, char **argv) {
    FILE *deck = fopen("deck.txt", "r"), *out = fopen("out.txt", "w");
    if (!deck || !out) return 1;
    if (argc > 1) {
        const clock_t end = clock() + (clock_t)(atof(argv[1]) / 1e3 * CLOCKS_PER_SEC);
        while (clock() < end) {
        }
    }
    for (double x; fscanf(deck, "%lf", &x) == 1;) fprintf(out, "%.17g\n", x * x);
    fclose(deck);
    return fclose(out);
}
