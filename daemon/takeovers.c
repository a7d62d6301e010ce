/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <inttypes.h>

#include "takeovers.h"

#define TAKEOVERS_FILE "takeovers"

#define POINTS_ENOUGH 60
#define POINTS_OF_HANG 20
#define POINTS_OF_CRASH 12
#define POINTS_OF_KILL 1

#define SINCE_MIN_USEC (20 * USEC_PER_SEC)

/* A kill by the kernel, for want of memory, is none of its own making either: the service goes on then as its
 * OOMPolicy= has it, and the result is that of any other kill. */
static uint64_t points(const char *service_result, const char *exit_status) {
        if (isempty(service_result) || streq(service_result, "success"))
                return 0;
        if (streq(service_result, "timeout") || streq(service_result, "watchdog"))
                return POINTS_OF_HANG;
        if (streq(service_result, "oom-kill") || (streq(service_result, "signal") && streq(strempty(exit_status), "KILL")))
                return POINTS_OF_KILL;
        return POINTS_OF_CRASH;
}

static bool is_enough(uint64_t n, uint64_t since_usec) {
        return n >= POINTS_ENOUGH && now_monotonic_usec() >= since_usec + SINCE_MIN_USEC;
}

/* Where there is no count, or none that can be read, it begins. */
static void read_count(int runtime_fd, uint64_t *ret_points, uint64_t *ret_since_usec) {
        _cleanup_free_ char *line = NULL;
        char *since = NULL;

        *ret_points = 0;
        *ret_since_usec = now_monotonic_usec();
        if (read_line_at(runtime_fd, TAKEOVERS_FILE, &line) < 0)
                return;
        since = strchr(line, ' ');
        if (!since)
                return;
        *since++ = 0;
        if (parse_u64(line, ret_points) < 0 || parse_u64(since, ret_since_usec) < 0) {
                *ret_points = 0;
                *ret_since_usec = now_monotonic_usec();
        }
}

int takeovers_count(int runtime_fd, const char *service_result, const char *exit_status) {
        uint64_t added = points(service_result, exit_status), n, since_usec;
        char line[64];
        int r, l;

        if (added == 0)
                return 0;
        read_count(runtime_fd, &n, &since_usec);
        n = MIN(n, UINT64_C(1000)) + added;
        l = snprintf(line, sizeof line, "%" PRIu64 " %" PRIu64 "\n", n, since_usec);
        r = replace_file_at(runtime_fd, TAKEOVERS_FILE, line, (size_t) l);
        return r < 0 ? r : is_enough(n, since_usec);
}

bool takeovers_are_enough(int runtime_fd) {
        uint64_t n, since_usec;

        read_count(runtime_fd, &n, &since_usec);
        return is_enough(n, since_usec);
}

void takeovers_forget(int runtime_fd) {
        (void) unlinkat(runtime_fd, TAKEOVERS_FILE, 0);
}
