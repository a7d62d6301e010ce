/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "report.h"

void worker_send(FILE *out, const char *key, const char *format, ...) {
        _cleanup_free_ char *value = NULL;
        va_list ap;
        int r;

        va_start(ap, format);
        r = vasprintf(&value, format, ap);
        va_end(ap);
        if (r < 0) {
                value = NULL;
                return;
        }
        for (char *p = value; *p; p++)
                if ((unsigned char) *p < ' ')
                        *p = ' ';
        fprintf(out, "%s=%s\n", key, value);
        fflush(out);
}

int worker_send_result(FILE *out, int r, const Error *error) {
        const char *name = error_name(error->code);

        if (r < 0)
                worker_send(out, "ERROR", "%s %s", name ?: error_name(ERROR_FAILED), error->text ?: strerrordesc_np(-r));
        return r;
}
