/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <fcntl.h>

#include "preflight.h"

/* Where all is named that is to be done, it is still a sentence. */
#define LISTED_MAX 5

char *preflight_read(const char *root, const char *path) {
        _cleanup_free_ char *full = NULL;
        char *line = NULL;

        if (asprintf(&full, "%s/%s", root, path) < 0) {
                full = NULL;
                return NULL;
        }
        return read_line_at(AT_FDCWD, full, &line) < 0 ? NULL : line;
}

char *preflight_list(const Preflight *p, char *const *list, char *const *notes) {
        size_t n = strv_length(list), n_named = n > LISTED_MAX + 1 ? LISTED_MAX : n, bytes;
        char *text = NULL;
        FILE *f = open_memstream(&text, &bytes);

        for (size_t i = 0; f && i < n_named; i++)
                fprintf(f, "%s%s%s%s%s", i == 0 ? "" : ", ", list[i], notes ? " (" : "", notes ? notes[i] : "", notes ? ")" : "");
        if (f && n > n_named)
                fprintf(f, " and %zu more", n - n_named);
        if (!f || fclose(f) != 0) {
                p->findings->r = p->findings->r < 0 ? p->findings->r : -ENOMEM;
                text = (free(text), NULL);
        }
        return text;
}

int preflight_run(const Preflight *preflight, Findings *ret, Driver **ret_driver, Error *error) {
        _cleanup_findings_ Findings findings = {};
        _cleanup_driver_ Driver *driver = NULL;
        _cleanup_free_ char *cmdline = NULL;
        Preflight p = *preflight;

        cmdline = preflight_read(p.context->proc_root, "cmdline");
        if (!cmdline)
                cmdline = strdup("");
        if (!cmdline)
                return -ENOMEM;
        p.cmdline = cmdline;
        p.findings = &findings;

        if (p.busy && p.busy->code != ERROR_NONE)
                findings_block_error(&findings, "session", false, p.busy);
        else
                findings_add(&findings, "session", FINDING_OK, "No session is running");
        preflight_kernel(&p);
        preflight_boot(&p);
        if (p.options->driver) {
                preflight_driver(&p, &driver);
                if (driver)
                        preflight_devices(&p, driver);
        }
        preflight_cpus(&p);
        preflight_room(&p);
        if (findings.r < 0)
                return error_set_errno(error, ERROR_FAILED, findings.r, "Cannot check the machine");

        *ret = findings;
        findings = (Findings) {};
        if (ret_driver)
                *ret_driver = TAKE_PTR(driver);
        return 0;
}
