/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <fcntl.h>

#include "segment-file.h"
#include "segment-name.h"

#define DIGITS "0123456789"

int segment_name_parse(const char *s, SegmentName *ret) {
        SegmentName n = {};
        const char *p = startswith(s, "cpu"), *end;
        size_t l = p ? strspn(p, DIGITS) : 0;

        if (l < 1 || l > 5 || p[l] != '-' || strspn(p + l + 1, DIGITS) != 6)
                return -EINVAL;
        n.cpu = (unsigned) strtoul(p, NULL, 10);
        n.number = (unsigned) strtoul(p + l + 1, NULL, 10);
        end = p + l + 1 + 6;
        p = startswith(end, ".raw");
        if (!p) {
                p = startswith(end, ".kept");
                n.kept = true;
        }
        if (!p || (*p && !streq(p, SEGMENT_FILE_SUFFIX)))
                return -EINVAL;
        n.compressed = *p;
        *ret = n;
        return 0;
}

void segment_name_format(char ret[static SEGMENT_NAME_MAX], unsigned cpu, unsigned number, bool kept) {
        (void) snprintf(ret, SEGMENT_NAME_MAX, "cpu%u-%06u.%s", cpu, number, kept ? "kept" : "raw");
}

int segment_find_first(int dir_fd, unsigned cpu, unsigned *ret_number) {
        _cleanup_closedir_ DIR *d = NULL;
        unsigned number = 0;
        bool found = false;
        struct dirent *entry;
        int r;

        r = dir_open_at(dir_fd, ".", &d);
        if (r < 0)
                return r;
        while ((entry = readdir(d))) {
                SegmentName n;

                if (segment_name_parse(entry->d_name, &n) < 0 || !n.kept || n.cpu != cpu)
                        continue;
                number = MAX(number, n.number + 1);
                found = true;
        }
        *ret_number = number;
        return found;
}
