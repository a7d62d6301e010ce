/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "names.h"
#include "options-bus.h"
#include "reported.h"

/* Far from where a sum of times would not fit. */
#define STOP_AFTER_MAX_USEC (366 * 24 * 60 * 60 * USEC_PER_SEC)

static int read_text(sd_bus_message *m, const char *key, size_t max_bytes, bool allow_newline, char **ret, Error *error) {
        const char *s;
        int r;

        r = sd_bus_message_read(m, "v", "s", &s);
        if (r < 0)
                return error_set(error, ERROR_INVALID_ARGUMENTS, "The option \"%s\" takes a string.", key);
        if (strlen(s) > max_bytes || !text_is_clean(s, allow_newline))
                return error_set(error, ERROR_INVALID_ARGUMENTS,
                                "The option \"%s\" takes at most %zu bytes of text without control characters.", key, max_bytes);
        free(*ret);
        *ret = strdup(s);
        return *ret ? 0 : -ENOMEM;
}

static int read_boolean(sd_bus_message *m, const char *key, bool *ret, Error *error) {
        int b;

        if (sd_bus_message_read(m, "v", "b", &b) < 0)
                return error_set(error, ERROR_INVALID_ARGUMENTS, "The option \"%s\" takes a boolean.", key);
        *ret = b;
        return 0;
}

/* Of the name itself the caller has no choice: it is the one that the bus has given it. */
static int read_bound(sd_bus_message *m, char **ret_name, Error *error) {
        bool bound = false;
        int r;

        r = read_boolean(m, "bound", &bound, error);
        if (r < 0)
                return r;
        free(*ret_name);
        *ret_name = bound ? strdup(sd_bus_message_get_sender(m)) : NULL;
        return bound && !*ret_name ? -ENOMEM : 0;
}

static int read_keep(sd_bus_message *m, bool *ret_oldest, Error *error) {
        const char *s;

        if (sd_bus_message_read(m, "v", "s", &s) < 0 || (!streq(s, "newest") && !streq(s, "oldest")))
                return error_set(error, ERROR_INVALID_ARGUMENTS, "The option \"keep\" takes \"newest\" or \"oldest\".");
        *ret_oldest = streq(s, "oldest");
        return 0;
}

static int read_limit(sd_bus_message *m, const char *key, const char *what, uint64_t *ret, Error *error) {
        if (sd_bus_message_read(m, "v", "t", ret) < 0 || *ret == 0)
                return error_set(error, ERROR_INVALID_ARGUMENTS, "The option \"%s\" takes a number of %s (t), and not 0.", key, what);
        return 0;
}

static int read_stop_mark(sd_bus_message *m, const char *key, char **ret, Error *error) {
        int r;

        r = read_text(m, key, MARK_MAX_BYTES, false, ret, error);
        if (r >= 0 && isempty(*ret))
                return error_set(error, ERROR_INVALID_ARGUMENTS, "The option \"%s\" takes the text of a mark, which is never empty.", key);
        return r;
}

static int read_option(sd_bus_message *m, SessionOptions *o, Error *error) {
        const char *key;
        int r;

        r = sd_bus_message_read(m, "s", &key);
        if (r < 0)
                return r;
        if (streq(key, "driver"))
                return read_text(m, key, DRIVER_NAME_MAX, false, &o->driver, error);
        if (streq(key, "description"))
                return read_text(m, key, DESCRIPTION_MAX_BYTES, true, &o->description, error);
        if (streq(key, "load"))
                return read_boolean(m, key, &o->load, error);
        if (streq(key, "rebind"))
                return read_boolean(m, key, &o->rebind, error);
        if (streq(key, "force"))
                return read_boolean(m, key, &o->force, error);
        if (streq(key, "stacks"))
                return read_boolean(m, key, &o->stacks, error);
        if (streq(key, "keep-raw"))
                return read_boolean(m, key, &o->keep_raw, error);
        if (streq(key, "no-redact"))
                return read_boolean(m, key, &o->no_redact, error);
        if (streq(key, "buffer-size"))
                return sd_bus_message_read(m, "v", "t", &o->buffer_bytes) < 0
                                ? error_set(error, ERROR_INVALID_ARGUMENTS, "The option \"%s\" takes a number of bytes (t).", key) : 0;
        if (streq(key, "expect-events"))
                return sd_bus_message_read(m, "v", "t", &o->n_expected) < 0
                                ? error_set(error, ERROR_INVALID_ARGUMENTS, "The option \"%s\" takes a number of events (t).", key) : 0;
        if (streq(key, "stop-after"))
                return sd_bus_message_read(m, "v", "t", &o->stop_after_usec) < 0 || o->stop_after_usec == 0 ||
                                                o->stop_after_usec > STOP_AFTER_MAX_USEC
                                ? error_set(error, ERROR_INVALID_ARGUMENTS,
                                                  "The option \"%s\" takes a time in microseconds (t), of a year at most.", key) : 0;
        if (streq(key, "stop-after-bytes"))
                return read_limit(m, key, "bytes", &o->stop_after_bytes, error);
        if (streq(key, "stop-after-events"))
                return read_limit(m, key, "events", &o->n_stop_after_events, error);
        if (streq(key, "stop-on-mark"))
                return read_stop_mark(m, key, &o->stop_on_mark, error);
        if (streq(key, "keep"))
                return read_keep(m, &o->keep_oldest, error);
        if (streq(key, "bound"))
                return read_bound(m, &o->bound_to, error);
        return error_set(error, ERROR_INVALID_ARGUMENTS,
                        "%s has no option \"%s\"; it has driver, description, load, rebind, force, buffer-size, expect-events, "
                        "stop-after, stop-after-bytes, stop-after-events, stop-on-mark, keep, stacks, keep-raw, no-redact "
                        "and bound.",
                        sd_bus_message_get_member(m), key);
}

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

        r = sd_bus_message_enter_container(m, 'a', "{sv}");
        if (r < 0)
                return r;
        while ((r = sd_bus_message_enter_container(m, 'e', "sv")) > 0) {
                r = read_option(m, &o, error);
                if (r < 0)
                        return r;
                r = sd_bus_message_exit_container(m);
                if (r < 0)
                        return r;
        }
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
        return sd_bus_message_exit_container(m);
}

int options_bus_read_stop(sd_bus_message *m, const char **ret_displays, Error *error) {
        const char *key, *displays = NULL;
        int r;

        r = sd_bus_message_enter_container(m, 'a', "{sv}");
        if (r < 0)
                return r;
        while ((r = sd_bus_message_enter_container(m, 'e', "sv")) > 0) {
                r = sd_bus_message_read(m, "s", &key);
                if (r < 0)
                        return r;
                if (!streq(key, "displays"))
                        return error_set(error, ERROR_INVALID_ARGUMENTS, "Stop has no option \"%s\"; it has displays.", key);
                if (sd_bus_message_read(m, "v", "s", &displays) < 0)
                        return error_set(error, ERROR_INVALID_ARGUMENTS, "The option \"displays\" takes a string.");
                r = reported_check(displays, error);
                if (r < 0)
                        return r;
                r = sd_bus_message_exit_container(m);
                if (r < 0)
                        return r;
        }
        if (r < 0)
                return r;
        *ret_displays = displays;
        return sd_bus_message_exit_container(m);
}
