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

int bus_read_no_options(sd_bus_message *m, Error *error) {
        const char *key;
        int r;

        r = sd_bus_message_enter_container(m, 'a', "{sv}");
        if (r < 0)
                return r;
        r = sd_bus_message_enter_container(m, 'e', "sv");
        if (r < 0)
                return r;
        if (r > 0) {
                r = sd_bus_message_read(m, "s", &key);
                if (r < 0)
                        return r;
                return error_set(error, ERROR_INVALID_ARGUMENTS, "This method has no option \"%s\"; it has none at all.", key);
        }
        return sd_bus_message_exit_container(m);
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
