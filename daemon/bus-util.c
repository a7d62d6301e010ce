/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "bus-util.h"
#include "names.h"

int bus_error_from(sd_bus_error *ret, int r, const Error *error) {
        const char *name = error_name(error->code);
        char full[128];

        if (!name)
                return sd_bus_error_set_errno(ret, r);
        if (error->code == ERROR_INVALID_ARGUMENTS)
                return sd_bus_error_set(ret, SD_BUS_ERROR_INVALID_ARGS, error->text);
        (void) snprintf(full, sizeof full, BUS_ERROR_PREFIX "%s", name);
        return sd_bus_error_set(ret, full, error->text);
}

static int refuse_unknown(sd_bus_message *m, const char *key, const BusOption *options, size_t n, Error *error) {
        _cleanup_free_ char *known = NULL;
        size_t bytes;
        FILE *f;

        if (n == 0)
                return error_set(error, ERROR_INVALID_ARGUMENTS, "This method has no option \"%s\"; it has none at all.", key);
        f = open_memstream(&known, &bytes);
        if (!f)
                return -ENOMEM;
        for (size_t i = 0; i < n; i++)
                fprintf(f, "%s%s", i == 0 ? "" : i == n - 1 ? " and " : ", ", options[i].key);
        if (fclose(f) != 0)
                return -ENOMEM;
        return error_set(error, ERROR_INVALID_ARGUMENTS, "%s has no option \"%s\"; it has %s.", sd_bus_message_get_member(m), key, known);
}

int bus_read_options(sd_bus_message *m, const BusOption *options, size_t n_options, void *ret, Error *error) {
        uint64_t seen = 0;
        const char *key;
        int r;

        r = sd_bus_message_enter_container(m, 'a', "{sv}");
        if (r < 0)
                return r;
        while ((r = sd_bus_message_enter_container(m, 'e', "sv")) > 0) {
                size_t i = 0;

                r = sd_bus_message_read(m, "s", &key);
                if (r < 0)
                        return r;
                while (i < n_options && !streq(options[i].key, key))
                        i++;
                if (i == n_options)
                        return refuse_unknown(m, key, options, n_options, error);
                if (seen & UINT64_C(1) << i)
                        return error_set(error, ERROR_INVALID_ARGUMENTS, "The option \"%s\" is there more than once.", key);
                seen |= UINT64_C(1) << i;
                r = options[i].read(m, key, (char *) ret + options[i].offset, error);
                if (r >= 0)
                        r = sd_bus_message_exit_container(m);
                if (r < 0)
                        return r;
        }
        return r < 0 ? r : sd_bus_message_exit_container(m);
}

int bus_read_no_options(sd_bus_message *m, Error *error) {
        return bus_read_options(m, NULL, 0, NULL, error);
}

int bus_read_boolean(sd_bus_message *m, const char *key, void *ret, Error *error) {
        int b;

        if (sd_bus_message_read(m, "v", "b", &b) < 0)
                return error_set(error, ERROR_INVALID_ARGUMENTS, "The option \"%s\" takes a boolean.", key);
        *(bool *) ret = b;
        return 0;
}

int bus_read_number(sd_bus_message *m, const char *key, void *ret, Error *error) {
        if (sd_bus_message_read(m, "v", "t", (uint64_t *) ret) < 0)
                return error_set(error, ERROR_INVALID_ARGUMENTS, "The option \"%s\" takes a number (t).", key);
        return 0;
}

int bus_read_limit(sd_bus_message *m, const char *key, void *ret, Error *error) {
        uint64_t n;

        if (sd_bus_message_read(m, "v", "t", &n) < 0 || n == 0)
                return error_set(error, ERROR_INVALID_ARGUMENTS, "The option \"%s\" takes a number (t), and not 0.", key);
        *(uint64_t *) ret = n;
        return 0;
}

int bus_path_new(const char *prefix, unsigned id, char **ret) {
        char *path;

        if (asprintf(&path, "%s/_%u", prefix, id) < 0)
                return -ENOMEM;
        *ret = path;
        return 0;
}

int bus_path_parse(const char *prefix, const char *path, unsigned *ret_id) {
        const char *rest = startswith(path, prefix);
        uint64_t id;
        int r;

        rest = rest ? startswith(rest, "/_") : NULL;
        if (!rest)
                return -ENOENT;
        r = parse_u64(rest, &id);
        if (r < 0 || id > UINT32_MAX)
                return -ENOENT;
        *ret_id = (unsigned) id;
        return 0;
}
