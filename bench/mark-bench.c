/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Marks the running session so many times, and prints for each the milliseconds from before the call to the time of
 * the mark's record in the trace, which the daemon tells (both are CLOCK_MONOTONIC), and beside it those of a call that
 * does nothing, to the daemon and back: what the bus and the machine take of it. */

#include <err.h>
#include <inttypes.h>
#include <poll.h>
#include <systemd/sd-bus.h>

#include "names.h"
#include "util.h"

/* As a person does it: the daemon has gone to sleep in between. */
#define PAUSE_MSEC 100

static double empty_call_msec(sd_bus *bus) {
        uint64_t call_usec;
        int r;

        (void) poll(NULL, 0, PAUSE_MSEC);
        call_usec = now_monotonic_usec();
        r = sd_bus_call_method(bus, BUS_NAME, BUS_PATH, "org.freedesktop.DBus.Peer", "Ping", NULL, NULL, NULL);
        if (r < 0)
                errx(EXIT_FAILURE, "the empty call failed: %s", strerrordesc_np(-r));
        return (double) (now_monotonic_usec() - call_usec) / 1000;
}

int main(int argc, char *argv[]) {
        sd_bus *bus = NULL;
        uint64_t n;
        int r;

        if (argc != 2 || parse_u64(argv[1], &n) < 0)
                errx(EXIT_FAILURE, "usage: mark-bench NUMBER");
        r = sd_bus_open_system(&bus);
        if (r < 0)
                errx(EXIT_FAILURE, "no bus: %s", strerrordesc_np(-r));
        for (uint64_t i = 0; i < n; i++) {
                sd_bus_error error = SD_BUS_ERROR_NULL;
                sd_bus_message *reply = NULL;
                uint64_t call_usec, record_usec;

                (void) poll(NULL, 0, PAUSE_MSEC);
                call_usec = now_monotonic_usec();
                r = sd_bus_call_method(bus, BUS_NAME, BUS_PATH, BUS_INTERFACE_MANAGER, "Mark", &error, &reply,
                                "sa{sv}", "bench", 1, "time", "t", call_usec);
                if (r < 0)
                        errx(EXIT_FAILURE, "the mark failed: %s", error.message ?: strerrordesc_np(-r));
                r = sd_bus_message_read(reply, "t", &record_usec);
                if (r < 0 || record_usec < call_usec)
                        errx(EXIT_FAILURE, "the answer makes no sense");
                printf("%.3f %.3f\n", (double) (record_usec - call_usec) / 1000, empty_call_msec(bus));
                sd_bus_message_unref(reply);
        }
        sd_bus_unref(bus);
        return EXIT_SUCCESS;
}
