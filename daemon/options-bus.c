/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "names.h"
#include "options-bus.h"
#include "reported.h"

/* Far from where a sum of times would not fit. */
#define STOP_AFTER_MAX_USEC (366 * 24 * 60 * 60 * USEC_PER_SEC)

static int read_text(sd_bus_message *m, const char *key, size_t max_bytes, bool allow_newline, char **ret, Error *error) {
        const char *s;

        if (sd_bus_message_read(m, "v", "s", &s) < 0)
                return error_set(error, ERROR_INVALID_ARGUMENTS, "The option \"%s\" takes a string.", key);
        if (strlen(s) > max_bytes || !text_is_clean(s, allow_newline))
                return error_set(error, ERROR_INVALID_ARGUMENTS,
                                "The option \"%s\" takes at most %zu bytes of text without control characters.", key, max_bytes);
        *ret = strdup(s);
        return *ret ? 0 : -ENOMEM;
}

static int read_driver(sd_bus_message *m, const char *key, void *ret, Error *error) {
        return read_text(m, key, DRIVER_NAME_MAX, false, ret, error);
}

static int read_description(sd_bus_message *m, const char *key, void *ret, Error *error) {
        return read_text(m, key, DESCRIPTION_MAX_BYTES, true, ret, error);
}

static int read_stop_mark(sd_bus_message *m, const char *key, void *ret, Error *error) {
        char **text = ret;
        int r;

        r = read_text(m, key, MARK_MAX_BYTES, false, text, error);
        if (r >= 0 && isempty(*text))
                return error_set(error, ERROR_INVALID_ARGUMENTS, "The option \"%s\" takes the text of a mark, which is never empty.", key);
        return r;
}

/* Of the name itself the caller has no choice: it is the one that the bus has given it. */
static int read_bound(sd_bus_message *m, const char *key, void *ret, Error *error) {
        char **name = ret;
        bool bound;
        int r;

        r = bus_read_boolean(m, key, &bound, error);
        if (r < 0 || !bound)
                return r;
        *name = strdup(sd_bus_message_get_sender(m));
        return *name ? 0 : -ENOMEM;
}

static int read_keep(sd_bus_message *m, const char *key, void *ret_oldest, Error *error) {
        const char *s;

        if (sd_bus_message_read(m, "v", "s", &s) < 0 || (!streq(s, "newest") && !streq(s, "oldest")))
                return error_set(error, ERROR_INVALID_ARGUMENTS, "The option \"%s\" takes \"newest\" or \"oldest\".", key);
        *(bool *) ret_oldest = streq(s, "oldest");
        return 0;
}

static int read_stop_after(sd_bus_message *m, const char *key, void *ret, Error *error) {
        uint64_t usec;

        if (sd_bus_message_read(m, "v", "t", &usec) < 0 || usec == 0 || usec > STOP_AFTER_MAX_USEC)
                return error_set(error, ERROR_INVALID_ARGUMENTS, "The option \"%s\" takes a time in microseconds (t), of a year at most.",
                                key);
        *(uint64_t *) ret = usec;
        return 0;
}

static const BusOption start_options[] = {
        { "driver", read_driver, offsetof(SessionOptions, driver) },
        { "description", read_description, offsetof(SessionOptions, description) },
        { "load", bus_read_boolean, offsetof(SessionOptions, load) },
        { "rebind", bus_read_boolean, offsetof(SessionOptions, rebind) },
        { "force", bus_read_boolean, offsetof(SessionOptions, force) },
        { "buffer-size", bus_read_number, offsetof(SessionOptions, buffer_bytes) },
        { "expect-events", bus_read_number, offsetof(SessionOptions, n_expected) },
        { "stop-after", read_stop_after, offsetof(SessionOptions, stop_after_usec) },
        { "stop-after-bytes", bus_read_limit, offsetof(SessionOptions, stop_after_bytes) },
        { "stop-after-events", bus_read_limit, offsetof(SessionOptions, n_stop_after_events) },
        { "stop-on-mark", read_stop_mark, offsetof(SessionOptions, stop_on_mark) },
        { "keep", read_keep, offsetof(SessionOptions, keep_oldest) },
        { "stacks", bus_read_boolean, offsetof(SessionOptions, stacks) },
        { "keep-raw", bus_read_boolean, offsetof(SessionOptions, keep_raw) },
        { "no-redact", bus_read_boolean, offsetof(SessionOptions, no_redact) },
        { "bound", read_bound, offsetof(SessionOptions, bound_to) },
};

/* Of what the ring cannot hold until the daemon comes, the end is the less bad loss: the rest has no meaning without the
 * MAP records of the beginning. */
static const SessionOptions boot_defaults = {
        .at_boot = true,
        .load = true,
        .keep_oldest = true,
        .stop_after_usec = BOOT_STOP_AFTER_USEC,
};

int options_bus_read(sd_bus_message *m, bool at_boot, SessionOptions *ret, Error *error) {
        _cleanup_session_options_ SessionOptions o = at_boot ? boot_defaults : (SessionOptions) {};
        int r;

        r = bus_read_options(m, start_options, ELEMENTS(start_options), &o, error);
        if (r < 0)
                return r;
        if (isempty(o.driver) && (o.load || o.rebind) && !at_boot)
                return error_set(error, ERROR_INVALID_ARGUMENTS, "To load or rebind a driver, name it.");
        if (o.load && o.rebind)
                return error_set(error, ERROR_INVALID_ARGUMENTS,
                                "A driver is either loaded or rebound: load is for one that is not there yet, rebind for one that "
                                "has its devices.");
        if (o.buffer_bytes > 0 && o.n_expected > 0)
                return error_set(error, ERROR_INVALID_ARGUMENTS,
                                "The ring's size is given either in bytes or by the number of expected events.");
        if (o.driver && !*o.driver)
                o.driver = (free(o.driver), NULL);
        *ret = o;
        o = (SessionOptions) {};
        return 0;
}

static int read_displays(sd_bus_message *m, const char *key, void *ret, Error *error) {
        if (sd_bus_message_read(m, "v", "s", (const char **) ret) < 0)
                return error_set(error, ERROR_INVALID_ARGUMENTS, "The option \"%s\" takes a string.", key);
        return reported_check(*(const char **) ret, error);
}

int options_bus_read_stop(sd_bus_message *m, const char **ret_displays, Error *error) {
        static const BusOption options[] = { { "displays", read_displays, 0 } };
        const char *displays = NULL;
        int r;

        r = bus_read_options(m, options, ELEMENTS(options), &displays, error);
        if (r < 0)
                return r;
        *ret_displays = displays;
        return 0;
}
