/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "modules.h"

static void ignore_log(
                void *data,
                int priority,
                const char *file,
                int line,
                const char *function,
                const char *format,
                va_list ap) {
}

int modules_open(const char *module_dir, struct kmod_ctx **ret) {
        _cleanup_kmod_ struct kmod_ctx *kmod = NULL;

        /* With modprobe's own configuration, because what it would load is the question: on Debian, "nvidia" is an
         * install command that loads nvidia-current. A line there that is not understood is the one thing that
         * libkmod may print, because it reads them before its log can be turned off. */
        kmod = kmod_new(module_dir, NULL);
        if (!kmod)
                return -ENOMEM;
        kmod_set_log_fn(kmod, ignore_log, NULL);
        /* Maps the tables once instead of opening them for each device. Without it lookups are slower, no more. */
        (void) kmod_load_resources(kmod);
        *ret = TAKE_PTR(kmod);
        return 0;
}

int modules_lookup(struct kmod_ctx *kmod, const char *alias, struct kmod_list **ret) {
        struct kmod_list *list = NULL;
        int r;

        r = kmod_module_new_from_lookup(kmod, alias, &list);
        if (r == -ENOMEM)
                return r;
        /* -ENOSYS is a table that is missing (a kernel without any module has none): then nothing is in it. */
        *ret = r < 0 ? NULL : list;
        return 0;
}
