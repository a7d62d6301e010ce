/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <fcntl.h>
#include <inttypes.h>
#include <sys/mman.h>

#include "inspector.h"
#include "machine.h"
#include "questions.h"
#include "sysfs.h"

#define CPUINFO_MAX_BYTES (16 * MIB)
#define SECTIONS_MAX_BYTES (64 * MIB)

static int add_unavailable(struct json_object *o, const char *key, const char *reason) {
        _cleanup_free_ char *text = NULL;

        if (asprintf(&text, "unavailable: %s", reason) < 0) {
                text = NULL;
                return -ENOMEM;
        }
        return json_add_string(o, key, text);
}

/* line is what was read, or r why not. */
static int add_line(struct json_object *o, const char *key, int r, const char *line) {
        if (r == -ENOMEM)
                return r;
        if (r < 0)
                return add_unavailable(o, key, strerrordesc_np(-r));
        return text_is_clean(line, false) ? json_add_string(o, key, line) : add_unavailable(o, key, "not printable");
}

static int add_number(struct json_object *o, const char *key, int r, uint64_t number) {
        return r < 0 ? add_unavailable(o, key, strerrordesc_np(-r)) : json_add_u64(o, key, number);
}

static int read_below(const char *root, const char *path, char **ret) {
        _cleanup_free_ char *full = NULL;

        if (asprintf(&full, "%s/%s", root, path) < 0) {
                full = NULL;
                return -ENOMEM;
        }
        return read_line_at(AT_FDCWD, full, ret);
}

static int add_file(struct json_object *o, const char *key, const char *root, const char *path) {
        _cleanup_free_ char *line = NULL;
        int r;

        r = read_below(root, path, &line);
        return add_line(o, key, r, line);
}

static int add_taint(struct json_object *o, const char *proc_root) {
        _cleanup_free_ char *line = NULL;
        uint64_t number = 0;
        int r;

        r = read_below(proc_root, "sys/kernel/tainted", &line);
        if (r >= 0)
                r = parse_u64(line, &number);
        return add_number(o, "taint", r, number);
}

/* "none [integrity] confidentiality". No file: the kernel does not know it. */
static int add_lockdown(struct json_object *o, const char *sys_root) {
        _cleanup_free_ char *line = NULL;
        char *start, *end;
        int r;

        r = read_below(sys_root, "kernel/security/lockdown", &line);
        if (r == -ENOENT)
                return json_add_string(o, "lockdown", "none");
        if (r < 0)
                return add_line(o, "lockdown", r, NULL);
        start = strchr(line, '[');
        end = start ? strchr(start, ']') : NULL;
        if (end)
                *end = 0;
        return add_line(o, "lockdown", 0, end ? start + 1 : line);
}

static int add_memory(struct json_object *o, const char *proc_root) {
        _cleanup_free_ char *line = NULL;
        uint64_t kib = 0;
        int r;

        /* The first line is "MemTotal:". */
        r = read_below(proc_root, "meminfo", &line);
        if (r >= 0 && sscanf(line, "MemTotal: %" SCNu64 " kB", &kib) != 1)
                r = -EBADMSG;
        return add_number(o, "memory_bytes", r, kib * KIB);
}

static int add_uptime(struct json_object *o, const char *proc_root) {
        _cleanup_free_ char *line = NULL;
        uint64_t sec = 0;
        int r;

        r = read_below(proc_root, "uptime", &line);
        if (r >= 0 && sscanf(line, "%" SCNu64, &sec) != 1)
                r = -EBADMSG;
        return add_number(o, "uptime_sec", r, sec);
}

/* The value of the first line "key\t: value". */
static const char *find_value(char *cpuinfo, const char *key) {
        size_t l = strlen(key);

        for (char *line = cpuinfo; line; line = strchr(line, '\n') ? strchr(line, '\n') + 1 : NULL) {
                char *colon = strncmp(line, key, l) == 0 && (line[l] == '\t' || line[l] == ':') ? strchr(line, ':') : NULL;

                if (colon)
                        return colon + 1 + (colon[1] == ' ');
        }
        return NULL;
}

static int add_cpus(struct json_object *root, const Context *context) {
        static const char *const members[][2] = {
                { "model_name", "model name" }, { "vendor_id", "vendor_id" }, { "family", "cpu family" }, { "model", "model" },
                { "stepping", "stepping" }, { "microcode", "microcode" },
        };
        _cleanup_json_ struct json_object *o = json_object_new_object();
        _cleanup_free_ char *text = NULL, *path = NULL;
        int r, read;

        if (asprintf(&path, "%s/cpuinfo", context->proc_root) < 0) {
                path = NULL;
                return -ENOMEM;
        }
        if (!o)
                return -ENOMEM;
        r = read = read_file_at(AT_FDCWD, path, CPUINFO_MAX_BYTES, &text, NULL);
        if (r == -ENOMEM)
                return r;
        for (size_t i = 0; i < ELEMENTS(members) && r != -ENOMEM; i++) {
                const char *value = read < 0 ? NULL : find_value(text, members[i][1]);
                _cleanup_free_ char *copy = value ? strndup(value, strcspn(value, "\n")) : NULL;

                if (value && !copy)
                        return -ENOMEM;
                r = add_line(o, members[i][0], read < 0 ? read : copy ? 0 : -ENODATA, copy);
        }
        if (r >= 0)
                r = add_file(o, "present", context->sys_root, "devices/system/cpu/present");
        return r < 0 ? r : json_add(root, "cpus", TAKE_PTR(o));
}

static int add_dmi(struct json_object *root, const char *sys_root) {
        static const char *const names[] = {
                "sys_vendor", "product_name", "product_version", "board_vendor", "board_name", "board_version", "bios_vendor",
                "bios_version", "bios_date",
        };
        _cleanup_json_ struct json_object *o = json_object_new_object();
        int r = o ? 0 : -ENOMEM;

        for (size_t i = 0; i < ELEMENTS(names) && r >= 0; i++) {
                char path[64];

                (void) snprintf(path, sizeof path, "class/dmi/id/%s", names[i]);
                r = add_file(o, names[i], sys_root, path);
        }
        return r < 0 ? r : json_add(root, "dmi", TAKE_PTR(o));
}

int machine_collect(const Context *context, struct json_object **ret) {
        _cleanup_json_ struct json_object *o = json_object_new_object();
        int r;

        r = o ? add_file(o, "cmdline", context->proc_root, "cmdline") : -ENOMEM;
        if (r >= 0)
                r = add_taint(o, context->proc_root);
        if (r >= 0)
                r = add_lockdown(o, context->sys_root);
        if (r >= 0)
                r = add_memory(o, context->proc_root);
        if (r >= 0)
                r = add_uptime(o, context->proc_root);
        if (r >= 0)
                r = add_cpus(o, context);
        if (r >= 0)
                r = add_dmi(o, context->sys_root);
        if (r < 0)
                return r;
        *ret = TAKE_PTR(o);
        return 0;
}

static int add_parameters(struct json_object *root, const char *sys_root, const char *module) {
        _cleanup_json_ struct json_object *o = json_object_new_object();
        _cleanup_strv_ char **names = NULL;
        _cleanup_free_ char *folder = NULL;
        int r = 0;

        if (asprintf(&folder, "%s/module/%s/parameters", sys_root, strempty(module)) < 0) {
                folder = NULL;
                return -ENOMEM;
        }
        if (!o)
                return -ENOMEM;
        if (module)
                r = sysfs_list_at(AT_FDCWD, folder, &names);
        if (r < 0 && r != -ENOENT)
                return r == -ENOMEM ? r : add_unavailable(root, "parameters", strerrordesc_np(-r));
        r = 0;
        STRV_FOREACH(name, names) {
                if (r >= 0 && text_is_clean(*name, false))
                        r = add_file(o, *name, folder, *name);
        }
        return r < 0 ? r : json_add(root, "parameters", TAKE_PTR(o));
}

static int ask_sections(const char *inspect_socket, char **ret, Error *error) {
        _cleanup_close_ int fd = memfd_create("sections", MFD_CLOEXEC);
        char path[64];
        int r;

        if (!inspect_socket)
                return error_set(error, ERROR_NOT_SUPPORTED, "There is no reader unit.");
        r = fd < 0 ? -errno : inspector_ask(inspect_socket, QUESTION_MODULE_SECTIONS, fd, error);
        if (r < 0)
                return error_set_errno(error, ERROR_FAILED, r, "The reader unit cannot be asked");
        (void) snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
        return read_file_at(AT_FDCWD, path, SECTIONS_MAX_BYTES, ret, NULL);
}

static int add_sections(struct json_object *root, const Context *context, const char *module) {
        _cleanup_json_ struct json_object *o = json_object_new_object();
        _cleanup_free_ char *text = NULL;
        _cleanup_error_ Error error = {};
        char *state = NULL;
        int r = 0;

        if (!o)
                return -ENOMEM;
        if (module && ask_sections(context->inspect_socket, &text, &error) < 0)
                return add_unavailable(root, "sections", strempty(error.text));
        for (char *line = text ? strtok_r(text, "\n", &state) : NULL; line && r >= 0; line = strtok_r(NULL, "\n", &state)) {
                const char *name = strsep(&line, " "), *section = strsep(&line, " ");

                if (line && streq(name, module) && text_is_clean(section, false))
                        r = add_line(o, section, 0, line);
        }
        return r < 0 ? r : json_add(root, "sections", TAKE_PTR(o));
}

int machine_add_module(const Context *context, const char *module, struct json_object *o) {
        int r;

        r = add_parameters(o, context->sys_root, module);
        return r < 0 ? r : add_sections(o, context, module);
}

static const char *known(struct json_object *o, const char *key) {
        const char *value = json_get_string(o, key);

        return startswith(value, "unavailable: ") ? "" : value;
}

int machine_describe(struct json_object *machine, char **ret) {
        struct json_object *dmi = NULL;
        _cleanup_free_ char *text = NULL;
        size_t bytes;
        FILE *f;

        if (!json_object_object_get_ex(machine, "dmi", &dmi) ||
            (!*known(dmi, "sys_vendor") && !*known(dmi, "product_name") && !*known(dmi, "bios_version"))) {
                *ret = NULL;
                return 0;
        }
        f = open_memstream(&text, &bytes);
        if (!f)
                return -ENOMEM;
        fprintf(f, "%s %s", known(dmi, "sys_vendor"), known(dmi, "product_name"));
        if (*known(dmi, "board_name"))
                fprintf(f, ", board %s %s", known(dmi, "board_vendor"), known(dmi, "board_name"));
        fprintf(f, ", BIOS %s %s of %s", known(dmi, "bios_vendor"), known(dmi, "bios_version"), known(dmi, "bios_date"));
        if (fclose(f) != 0)
                return -ENOMEM;
        *ret = TAKE_PTR(text);
        return 0;
}
