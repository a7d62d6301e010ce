/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <fcntl.h>
#include <sys/utsname.h>

#include "identity.h"
#include "sysfs.h"

#define PASSWD_MAX_BYTES (4 * MIB)
/* People, by /etc/login.defs as nearly every distribution has it; beyond are "nobody" and the users of units. */
#define PERSON_MIN 1000
#define PERSON_MAX 60000

/* The array of that name, which may be there already. Borrowed. */
static int get_array(struct json_object *o, const char *key, struct json_object **ret) {
        struct json_object *array;
        int r;

        if (!json_object_object_get_ex(o, key, &array) || !json_object_is_type(array, json_type_array)) {
                array = json_object_new_array();
                r = json_add(o, key, array);
                if (r < 0)
                        return r;
        }
        *ret = array;
        return 0;
}

static int append(struct json_object *array, struct json_object *item) {
        if (!item)
                return -ENOMEM;
        for (size_t i = 0; i < json_object_array_length(array); i++)
                if (json_object_equal(json_object_array_get_idx(array, i), item)) {
                        json_object_put(item);
                        return 0;
                }
        if (json_object_array_add(array, item) < 0) {
                json_object_put(item);
                return -ENOMEM;
        }
        return 0;
}

static int append_string(struct json_object *o, const char *key, const char *value) {
        struct json_object *array;
        int r;

        if (isempty(value) || !text_is_clean(value, false))
                return 0;
        r = get_array(o, key, &array);
        return r < 0 ? r : append(array, json_object_new_string(value));
}

static int add_host(struct json_object *o) {
        struct utsname uts;

        return uname(&uts) < 0 ? -errno : append_string(o, "hosts", uts.nodename);
}

/* The file and not getpwent(), which asks servers for what they have. */
static int add_users(struct json_object *o, const char *passwd_file) {
        _cleanup_free_ char *text = NULL;
        char *state = NULL;
        int r;

        if (!passwd_file || read_file_at(AT_FDCWD, passwd_file, PASSWD_MAX_BYTES, &text, NULL) < 0)
                return 0;
        for (char *line = strtok_r(text, "\n", &state); line; line = strtok_r(NULL, "\n", &state)) {
                char *rest = line, *name = strsep(&rest, ":");
                const char *number;
                uint64_t uid;

                (void) strsep(&rest, ":");
                number = strsep(&rest, ":");
                if (!number || parse_u64(number, &uid) < 0 || uid < PERSON_MIN || uid >= PERSON_MAX)
                        continue;
                r = append_string(o, "users", name);
                if (r < 0)
                        return r;
        }
        return 0;
}

static int add_mac(struct json_object *o, const char *address, const char *of) {
        _cleanup_json_ struct json_object *mac = json_object_new_object();
        struct json_object *array;
        int r;

        r = mac ? get_array(o, "macs", &array) : -ENOMEM;
        if (r >= 0)
                r = json_add_string(mac, "address", address);
        if (r >= 0)
                r = json_add_string(mac, "of", of);
        return r < 0 ? r : append(array, TAKE_PTR(mac));
}

static int add_interfaces(struct json_object *o, const char *sys_root, const char *class, const char *attribute) {
        _cleanup_strv_ char **names = NULL;
        _cleanup_free_ char *folder = NULL;
        _cleanup_close_ int fd = -EBADF;
        int r;

        if (asprintf(&folder, "%s/class/%s", sys_root, class) < 0) {
                folder = NULL;
                return -ENOMEM;
        }
        fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        r = fd < 0 ? -errno : sysfs_list_at(fd, ".", &names);
        if (r == -ENOMEM)
                return r;
        STRV_FOREACH(name, names) {
                _cleanup_free_ char *path = NULL, *link = NULL, *address = NULL, *device = NULL;

                if (asprintf(&path, "%s/%s", *name, attribute) < 0) {
                        path = NULL;
                        return -ENOMEM;
                }
                if (asprintf(&link, "%s/device", *name) < 0) {
                        link = NULL;
                        return -ENOMEM;
                }
                if (read_line_at(fd, path, &address) < 0 || isempty(address) || !text_is_clean(address, false))
                        continue;
                if (sysfs_link_name_at(fd, link, &device) < 0 || !pci_address_is_valid(device)) {
                        free(device);
                        device = strdup(text_is_clean(*name, false) ? *name : "?");
                        if (!device)
                                return -ENOMEM;
                }
                r = add_mac(o, address, device);
                if (r < 0)
                        return r;
        }
        return 0;
}

static int add_serials(struct json_object *o, const char *sys_root) {
        static const char *const names[] = {
                "product_serial", "product_uuid", "board_serial", "board_asset_tag", "chassis_serial", "chassis_asset_tag",
        };
        int r;

        for (size_t i = 0; i < ELEMENTS(names); i++) {
                _cleanup_free_ char *path = NULL, *value = NULL;

                if (asprintf(&path, "%s/class/dmi/id/%s", sys_root, names[i]) < 0) {
                        path = NULL;
                        return -ENOMEM;
                }
                if (read_line_at(AT_FDCWD, path, &value) < 0)
                        continue;
                r = append_string(o, "serials", value);
                if (r < 0)
                        return r;
        }
        return 0;
}

int identity_load(int dir_fd, struct json_object **ret) {
        _cleanup_json_ struct json_object *o = NULL;
        _cleanup_free_ char *text = NULL;
        int r;

        r = read_file_at(dir_fd, IDENTITY_FILE, 16 * MIB, &text, NULL);
        if (r < 0 && r != -ENOENT)
                return r;
        o = text ? json_tokener_parse(text) : NULL;
        if (text && !json_object_is_type(o, json_type_object))
                return -EBADMSG;
        *ret = TAKE_PTR(o);
        return 0;
}

int identity_collect(int dir_fd, const Context *context) {
        _cleanup_json_ struct json_object *o = NULL;
        const char *text;
        int r;

        if (identity_load(dir_fd, &o) < 0 || !o)
                o = json_object_new_object();
        r = o ? add_host(o) : -ENOMEM;
        if (r >= 0)
                r = add_users(o, context->passwd_file);
        if (r >= 0)
                r = add_interfaces(o, context->sys_root, "net", "address");
        if (r >= 0)
                r = add_interfaces(o, context->sys_root, "ieee80211", "macaddress");
        if (r >= 0)
                r = add_interfaces(o, context->sys_root, "bluetooth", "address");
        if (r >= 0)
                r = add_serials(o, context->sys_root);
        if (r < 0)
                return r;
        text = json_object_to_json_string_ext(o, JSON_C_TO_STRING_PRETTY | JSON_C_TO_STRING_NOSLASHESCAPE);
        return text ? write_file_atomic_at(dir_fd, IDENTITY_FILE, text, strlen(text)) : -ENOMEM;
}

static int tell_strings(struct json_object *identity, const char *key, RedactKind kind, Redactor *redactor) {
        _cleanup_strv_ char **l = NULL;
        int r;

        r = json_get_strv(identity, key, &l);
        STRV_FOREACH(value, l)
                if (r >= 0)
                        r = redactor_add(redactor, kind, *value);
        return r;
}

int identity_tell(struct json_object *identity, Redactor *redactor) {
        struct json_object *macs;
        int r;

        if (!identity)
                return 0;
        r = tell_strings(identity, "hosts", REDACT_HOST, redactor);
        if (r >= 0)
                r = tell_strings(identity, "users", REDACT_USER, redactor);
        if (r >= 0)
                r = tell_strings(identity, "serials", REDACT_SERIAL, redactor);
        if (json_object_object_get_ex(identity, "macs", &macs) && json_object_is_type(macs, json_type_array))
                for (size_t i = 0; i < json_object_array_length(macs) && r >= 0; i++)
                        r = redactor_add(redactor, REDACT_MAC, json_get_string(json_object_array_get_idx(macs, i), "address"));
        return r;
}
