/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "session-options.h"

/* A string that is not there is NULL, and empty on file. */
static const struct {
        const char *key; /* NULL: not on file */
        size_t offset;
} strings[] = {
        { "driver", offsetof(SessionOptions, driver) },
        { "description", offsetof(SessionOptions, description) },
        { "stop_on_mark", offsetof(SessionOptions, stop_on_mark) },
        { "bound_to", offsetof(SessionOptions, bound_to) },
        { NULL, offsetof(SessionOptions, caller_address) },
};

static const struct {
        const char *key;
        size_t offset;
} flags[] = {
        { "load", offsetof(SessionOptions, load) },
        { "rebind", offsetof(SessionOptions, rebind) },
        { "force", offsetof(SessionOptions, force) },
        { "adopt", offsetof(SessionOptions, adopt) },
        { "stacks", offsetof(SessionOptions, stacks) },
        { "keep_raw", offsetof(SessionOptions, keep_raw) },
        { "no_redact", offsetof(SessionOptions, no_redact) },
        { "at_boot", offsetof(SessionOptions, at_boot) },
};

static const struct {
        const char *key;
        size_t offset;
} numbers[] = {
        /* "buffer_bytes" in session.json is what the ring has become. */
        { "wanted_buffer_bytes", offsetof(SessionOptions, buffer_bytes) },
        { "expected_events", offsetof(SessionOptions, n_expected) },
        { "stop_after_usec", offsetof(SessionOptions, stop_after_usec) },
        { "stop_after_bytes", offsetof(SessionOptions, stop_after_bytes) },
        { "stop_after_events", offsetof(SessionOptions, n_stop_after_events) },
};

static void *field(const SessionOptions *o, size_t offset) {
        return (char *) o + offset;
}

void session_options_done(SessionOptions *o) {
        for (size_t i = 0; i < ELEMENTS(strings); i++)
                free(*(char **) field(o, strings[i].offset));
        *o = (SessionOptions) {};
}

int session_options_copy(const SessionOptions *o, SessionOptions *ret) {
        _cleanup_session_options_ SessionOptions copy = *o;
        bool failed = false;

        for (size_t i = 0; i < ELEMENTS(strings); i++) {
                const char *value = *(char **) field(o, strings[i].offset);
                char **p = field(&copy, strings[i].offset);

                *p = value ? strdup(value) : NULL;
                failed |= value && !*p;
        }
        if (failed)
                return -ENOMEM;
        copy.keep_raw |= copy.stacks;
        *ret = copy;
        copy = (SessionOptions) {};
        return 0;
}

int session_options_to_json(const SessionOptions *options, struct json_object *o) {
        int r;

        r = json_add_string(o, "keep", options->keep_oldest ? "oldest" : "newest");
        for (size_t i = 0; i < ELEMENTS(strings) && r >= 0; i++)
                if (strings[i].key)
                        r = json_add_string(o, strings[i].key, *(char **) field(options, strings[i].offset));
        for (size_t i = 0; i < ELEMENTS(flags) && r >= 0; i++)
                r = json_add(o, flags[i].key, json_object_new_boolean(*(bool *) field(options, flags[i].offset)));
        for (size_t i = 0; i < ELEMENTS(numbers) && r >= 0; i++)
                r = json_add_u64(o, numbers[i].key, *(uint64_t *) field(options, numbers[i].offset));
        return r;
}

int session_options_from_json(struct json_object *o, SessionOptions *ret) {
        _cleanup_session_options_ SessionOptions options = { .keep_oldest = streq(json_get_string(o, "keep"), "oldest") };

        for (size_t i = 0; i < ELEMENTS(strings); i++) {
                const char *value = strings[i].key ? json_get_string(o, strings[i].key) : "";

                if (!isempty(value) && !(*(char **) field(&options, strings[i].offset) = strdup(value)))
                        return -ENOMEM;
        }
        for (size_t i = 0; i < ELEMENTS(flags); i++)
                *(bool *) field(&options, flags[i].offset) = json_get_bool(o, flags[i].key);
        for (size_t i = 0; i < ELEMENTS(numbers); i++)
                *(uint64_t *) field(&options, numbers[i].offset) = json_get_u64(o, numbers[i].key);
        *ret = options;
        options = (SessionOptions) {};
        return 0;
}
