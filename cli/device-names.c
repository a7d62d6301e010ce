/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <fcntl.h>
#include <systemd/sd-hwdb.h>

#include "device-names.h"

/* The address is a part of a path, and comes from the daemon. */
static bool is_address(const char *s) {
        return *s && s[strspn(s, "0123456789abcdef:.")] == 0 && *s != '.';
}

static int add_name(sd_hwdb *hwdb, const char *sysfs, const char *address, char ***names) {
        _cleanup_free_ char *path = NULL, *modalias = NULL;
        const char *vendor = NULL, *model = NULL;

        if (asprintf(&path, "%s/bus/pci/devices/%s/modalias", sysfs, address) < 0) {
                path = NULL;
                return -ENOMEM;
        }
        if (hwdb && is_address(address) && read_line_at(AT_FDCWD, path, &modalias) >= 0) {
                (void) sd_hwdb_get(hwdb, modalias, "ID_VENDOR_FROM_DATABASE", &vendor);
                (void) sd_hwdb_get(hwdb, modalias, "ID_MODEL_FROM_DATABASE", &model);
        }
        return strv_extendf(names, "%s%s%s%s%s", address, vendor ? " " : "", strempty(vendor), model ? " " : "", strempty(model));
}

int device_names(const char *sysfs, char *const *addresses, char ***ret) {
        _cleanup_strv_ char **names = NULL;
        sd_hwdb *hwdb = NULL;
        int r = 0;

        /* Without it there are only addresses. */
        (void) sd_hwdb_new(&hwdb);
        STRV_FOREACH(address, addresses)
                if (r >= 0)
                        r = add_name(hwdb, sysfs, *address, &names);
        sd_hwdb_unref(hwdb);
        if (r < 0)
                return r;
        *ret = TAKE_PTR(names);
        return 0;
}
