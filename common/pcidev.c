/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "pcidev.h"

/* Bus and devfn, vendor and device, irq, seven resources, seven sizes; the driver's name may follow. */
#define N_NUMBERS 17

static int append_device(FILE *f, char *line) {
        char *token;

        fputs("PCIDEV", f);
        for (unsigned n = 0; n < N_NUMBERS; n++) {
                token = strsep(&line, "\t");
                if (!token || !line)
                        return -EBADMSG;
                token += strspn(token, " ");
                if (*token == 0 || token[strspn(token, "0123456789abcdef")] != 0)
                        return -EBADMSG;
                fprintf(f, " %s", token);
        }
        token = line;
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
