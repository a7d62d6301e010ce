/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "pcidev.h"

/* Bus and devfn, vendor and device, irq, seven resources, seven sizes; the driver's name may follow. */
#define N_NUMBERS 17

static int append_device(FILE *f, char *line) {
        char *state = NULL, *token;
        unsigned n = 0;

        fputs("PCIDEV", f);
        for (token = strtok_r(line, "\t ", &state); token && n < N_NUMBERS; token = strtok_r(NULL, "\t ", &state)) {
                if (token[strspn(token, "0123456789abcdef")] != 0)
                        return -EBADMSG;
                fprintf(f, " %s", token);
                n++;
        }
        if (n != N_NUMBERS)
                return -EBADMSG;
        /* The kernel writes the blank before the driver even where there is no driver. */
        fprintf(f, " %s\n", strempty(token));
        return 0;
}

int pcidev_lines(const char *devices, char **ret) {
        _cleanup_free_ char *copy = NULL, *out = NULL;
        char *state = NULL;
        size_t bytes = 0;
        FILE *f;
        int r = 0;

        copy = strdup(devices);
        if (!copy)
                return -ENOMEM;
        f = open_memstream(&out, &bytes);
        if (!f)
                return -ENOMEM;
        for (char *line = strtok_r(copy, "\n", &state); line && r >= 0; line = strtok_r(NULL, "\n", &state))
                r = append_device(f, line);
        if (fclose(f) != 0 && r >= 0)
                r = -ENOMEM;
        if (r < 0)
                return r;
        *ret = TAKE_PTR(out);
        return 0;
}
