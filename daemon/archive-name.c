/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <time.h>

#include "archive-name.h"

#define PREFIX "mmiotrace-"
#define SUFFIX ".tar.xz"

/* So that with everything else at its longest, a third of the name is left for the device's. */
#define VERSION_PART_MAX 48
#define DRIVER_PART_MAX 64

static bool is_safe(char c) {
        return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '_' ||
                        c == '.';
}

/* Appends what is safe of s, in at most max_bytes. What separates is written only once something follows it, so that
 * neither a name nor a name that was cut ends in it. Returns the end of the text. */
static char *append_safe(char *p, const char *s, size_t max_bytes) {
        char *start = p, separator = 0;

        for (; *s; s++) {
                if (*s == '[')
                        separator = '-';
                else if (!is_safe(*s))
                        separator = separator ?: '_';
                else {
                        size_t bytes = separator && p > start ? 2 : 1;

                        if ((size_t) (p - start) + bytes > max_bytes)
                                break;
                        if (bytes > 1)
                                *p++ = separator;
                        separator = 0;
                        *p++ = *s;
                }
        }
        *p = 0;
        return p;
}

static bool ids_are_valid(const char *s) {
        return strlen(s) == 8 && strspn(s, "0123456789abcdef") == 8;
}

int archive_name(
                const char *vendor_device,
                const char *device_name,
                const char *driver,
                const char *version,
                uint64_t started_realtime_usec,
                char **ret) {
        char driver_part[DRIVER_PART_MAX + 1 + VERSION_PART_MAX + 1], device_part[ARCHIVE_NAME_MAX + 1] = "";
        time_t seconds = (time_t) (started_realtime_usec / USEC_PER_SEC);
        char time_part[sizeof "20261121T201500Z" + 8];
        char *name, *p;
        struct tm tm;
        int r;

        if (vendor_device && !ids_are_valid(vendor_device))
                return -EINVAL;
        if (!gmtime_r(&seconds, &tm) || strftime(time_part, sizeof time_part, "%Y%m%dT%H%M%SZ", &tm) == 0)
                return -EINVAL;

        p = append_safe(driver_part, strempty(driver), DRIVER_PART_MAX);
        if (p == driver_part)
                (void) strcpy(driver_part, "all");
        else if (!isempty(version)) {
                *p = '_';
                if (append_safe(p + 1, version, VERSION_PART_MAX) == p + 1)
                        *p = 0;
        }

        if (vendor_device && !isempty(device_name)) {
                size_t rest = strlen(PREFIX) + 8 + 2 + strlen(driver_part) + 1 + strlen(time_part) + strlen(SUFFIX);

                (void) append_safe(device_part, device_name, ARCHIVE_NAME_MAX - rest);
        }
        r = asprintf(&name,
                        PREFIX "%s%s%s%s%s-%s" SUFFIX,
                        strempty(vendor_device),
                        vendor_device ? "-" : "",
                        device_part,
                        *device_part ? "-" : "",
                        driver_part,
                        time_part);
        if (r < 0)
                return -ENOMEM;
        *ret = name;
        return 0;
}

bool archive_name_ids(const char *name, char ret_vendor[static 5], char ret_device[static 5]) {
        const char *ids = startswith(name, PREFIX);

        if (!ids || strspn(ids, "0123456789abcdef") != 8 || ids[8] != '-')
                return false;
        (void) snprintf(ret_vendor, 5, "%.4s", ids);
        (void) snprintf(ret_device, 5, "%.4s", ids + 4);
        return true;
}
