/* The least a model over stdio can be: reads a line, writes a line. As `lines` it answers each with the
 * same outputs; as `pingpong` it sends the bytes of the line back. */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static char line[1 << 20];

int main(int argc, char **argv) {
    static char answer[1 << 16];
    size_t length = 0;
    size_t held = 0;
    if (argc > 1) length = (size_t)snprintf(answer, sizeof answer, "%s\n", argv[1]);
    for (;;) {
        ssize_t got = read(0, line + held, sizeof line - held);
        char *end;
        if (got <= 0) return 0;
        held += (size_t)got;
        end = memchr(line, '\n', held);
        if (!end) continue;
        if (length) {
            if (write(1, answer, length) < 0) return 1;
        } else if (write(1, line, held) < 0) {
            return 1;
        }
        held = 0;
    }
}
