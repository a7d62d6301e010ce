/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The load of the drain's benches: so many system calls on one CPU, as fast as they go or at a rate. Each is an event
 * in an instance that traces this one system call, which nothing else makes. Prints the time it took. */

#include <err.h>
#include <inttypes.h>
#include <sched.h>
#include <stdio.h>
#include <sys/syscall.h>

#include "util.h"

/* It does nothing, so that as many fit into a second as the machine can trace. */
#define SYSCALL SYS_sched_get_priority_max

/* Events are held back in batches of so many where there is a rate. */
#define BATCH 64

int main(int argc, char *argv[]) {
        uint64_t n_events, cpu, rate = 0, start_usec;
        cpu_set_t set;

        if (argc == 2 && streq(argv[1], "--syscall")) {
                printf("%d\n", SYSCALL);
                return EXIT_SUCCESS;
        }
        if (argc < 3 || argc > 4 || parse_u64(argv[1], &cpu) < 0 || cpu >= CPU_SETSIZE || parse_u64(argv[2], &n_events) < 0 ||
            (argc == 4 && parse_u64(argv[3], &rate) < 0))
                errx(EXIT_FAILURE, "usage: load CPU EVENTS [EVENTS-PER-SECOND] | load --syscall");
        CPU_ZERO(&set);
        CPU_SET(cpu, &set);
        if (sched_setaffinity(0, sizeof set, &set) < 0)
                err(EXIT_FAILURE, "cannot run on CPU %" PRIu64, cpu);

        start_usec = now_monotonic_usec();
        for (uint64_t n = 0; n < n_events; n++) {
                (void) syscall(SYSCALL, SCHED_OTHER);
                /* Busy, as a driver that waits for its device is. */
                if (rate > 0 && n % BATCH == 0)
                        while (now_monotonic_usec() - start_usec < n * USEC_PER_SEC / rate)
                                ;
        }
        printf("%" PRIu64 "\n", now_monotonic_usec() - start_usec);
        return EXIT_SUCCESS;
}
