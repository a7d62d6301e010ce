/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <fcntl.h>
#include <inttypes.h>

#include "ring-size.h"

/* 10 s of the busiest driver on record (225,000 events/s): what the ring must bridge while a driver stays in the kernel
 * and no user space runs. */
#define RING_DEFAULT_EVENTS UINT64_C(2250000)
/* 44 bytes an event in pages of 92, and now and then a time stamp: measured 44.4. With a call stack of some 20 frames,
 * and what does not fill a page any more: measured 257. */
#define RING_BYTES_PER_10_EVENTS 444
#define RING_BYTES_PER_10_EVENTS_WITH_STACKS 2570

static int available_memory(const Context *context, uint64_t *ret_bytes) {
        _cleanup_free_ char *path = NULL, *text = NULL;
        const char *line;
        uint64_t kb;
        int r;

        if (asprintf(&path, "%s/meminfo", context->proc_root) < 0) {
                path = NULL;
                return -ENOMEM;
        }
        r = read_file_at(AT_FDCWD, path, 64 * KIB, &text, NULL);
        if (r < 0)
                return r;
        line = strstr(text, "MemAvailable:");
        if (!line || sscanf(line, "MemAvailable: %" SCNu64 " kB", &kb) != 1)
                return -EBADMSG;
        *ret_bytes = kb * KIB;
        return 0;
}

/* In whole KiB, as the kernel is told. */
uint64_t ring_size_of_events(uint64_t n_events, bool stacks) {
        uint64_t bytes;

        if (n_events > UINT64_MAX / RING_BYTES_PER_10_EVENTS_WITH_STACKS)
                return UINT64_MAX;
        bytes = n_events * (stacks ? RING_BYTES_PER_10_EVENTS_WITH_STACKS : RING_BYTES_PER_10_EVENTS) / 10;
        return (bytes + KIB - 1) / KIB * KIB;
}

int ring_size_choose(const Context *context, const TracerOptions *options, uint64_t *ret_bytes, Error *error) {
        uint64_t default_bytes = ring_size_of_events(RING_DEFAULT_EVENTS, options->stacks);
        uint64_t available_bytes = 0, wanted_bytes = options->buffer_bytes;
        int r;

        if (wanted_bytes == 0 && options->n_expected > 0) {
                wanted_bytes = ring_size_of_events(options->n_expected, options->stacks);
                if (wanted_bytes == UINT64_MAX)
                        return error_set(error, ERROR_INVALID_ARGUMENTS, "No machine holds %" PRIu64 " events in memory.",
                                        options->n_expected);
                wanted_bytes = MAX(wanted_bytes, RING_LEAST_BYTES);
        }

        r = available_memory(context, &available_bytes);
        if (r < 0)
                return error_set_errno(error, ERROR_KERNEL, r, "Cannot find out how much memory there is");
        if (wanted_bytes == 0) {
                *ret_bytes = MAX(MIN(default_bytes, available_bytes / 4), RING_LEAST_BYTES);
                return 0;
        }
        if (wanted_bytes < RING_LEAST_BYTES)
                return error_set(error, ERROR_INVALID_ARGUMENTS,
                                "A ring of %s is too small; the least is %s, and %s hold ten seconds of a busy driver.",
                                FORMAT_BYTES(wanted_bytes), FORMAT_BYTES(RING_LEAST_BYTES), FORMAT_BYTES(default_bytes));
        if (wanted_bytes > available_bytes / 2)
                return error_set(error, ERROR_NO_MEMORY,
                                "A ring of %s does not fit: %s of memory are available, and half of that is the limit; "
                                "ask for less with --buffer-size.",
                                FORMAT_BYTES(wanted_bytes), FORMAT_BYTES(available_bytes));
        *ret_bytes = wanted_bytes;
        return 0;
}
