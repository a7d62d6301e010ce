/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <inttypes.h>

#include "export.h"
#include "names.h"
#include "session-view.h"
#include "verbs.h"

/* From now on the daemon may take the session for one that can be had again. If this fails, it just does not; so nobody
 * is asked for a password for it. */
static void confirm_export(const Client *c, const char *path) {
        _cleanup_message_ sd_bus_message *m = NULL;

        if (sd_bus_message_new_method_call(c->bus, &m, BUS_NAME, path, BUS_INTERFACE_SESSION, "ConfirmExport") < 0 ||
            sd_bus_message_set_allow_interactive_authorization(m, false) < 0 ||
            sd_bus_message_append(m, "a{sv}", 0) < 0)
                return;
        (void) sd_bus_call(c->bus, m, 0, NULL, NULL);
}

static int print_exported(const Client *c, const char *id, const char *file, uint64_t bytes) {
        _cleanup_json_ json_object *o = NULL;
        uint64_t number = 0;
        int r;

        if (c->json == JSON_OFF) {
                client_say(c, "The archive of session %s is in %s (%s).", id, file, FORMAT_BYTES(bytes));
                return 0;
        }
        (void) parse_u64(id, &number);
        o = json_object_new_object();
        if (!o)
                return -ENOMEM;
        r = json_add(o, "session", json_object_new_uint64(number));
        if (r >= 0)
                r = json_add(o, "file", json_object_new_string(file));
        if (r >= 0)
                r = json_add(o, "archive_bytes", json_object_new_uint64(bytes));
        return r < 0 ? r : client_print_json(c, o);
}

static int fail_export(const Client *c, int r, const char *file) {
        if (r == -EEXIST)
                return client_fail(c, EXIT_FAILURE, "FileExists",
                                "Give another name, or replace it with --force.",
                                "There is a file %s already.", file);
        if (r == -ENODATA)
                return client_fail(c, EXIT_FAILURE, "Failed", NULL,
                                "The archive ended early; nothing was kept of it. Try again.");
        if (r == -EINTR)
                return client_fail(c, EXIT_INTERRUPTED, "Interrupted", NULL,
                                "Interrupted; nothing was kept of the file.");
        return client_fail(c, EXIT_FAILURE, "Failed", NULL, "Cannot write %s: %s.", file,
                        strerrordesc_np(-r) ?: "unknown error");
}

/* The file as the user would write it: FILE, or the folder that FILE is and the name in it. */
static int shown_path(const char *path, const char *name, char **ret) {
        const char *slash = path ? strrchr(path, '/') : NULL;
        char *shown = NULL;

        if (!path || streq(path, "."))
                shown = strdup(name);
        else if (streq(slash ? slash + 1 : path, name))
                shown = strdup(path);
        else if (asprintf(&shown, "%s%s%s", path, path[strlen(path) - 1] == '/' ? "" : "/", name) < 0)
                shown = NULL;
        if (!shown)
                return -ENOMEM;
        *ret = shown;
        return 0;
}

int export_archive(const Client *c, const char *id, const char *path, const char *file, char **ret_shown, uint64_t *ret_bytes) {
        _cleanup_bus_error_ sd_bus_error error = SD_BUS_ERROR_NULL;
        _cleanup_close_ int fd = -EBADF, dir_fd = -EBADF;
        _cleanup_free_ char *archive_name = NULL, *name = NULL, *shown = NULL;
        int r;

        r = client_open_archive(c, path, true, &error, &archive_name, &fd);
        if (r < 0)
                return client_fail_session(c, id, r, &error);
        if (!archive_name_is_valid(archive_name))
                return client_fail(c, EXIT_FAILURE, "Failed", NULL,
                                "The daemon calls the archive '%s', which is no name for a file.",
                                archive_name);

        r = export_target(file, archive_name, &dir_fd, &name);
        if (r < 0)
                return fail_export(c, r, file ?: archive_name);
        r = shown_path(file, name, &shown);
        if (r >= 0)
                r = export_to_file(fd, dir_fd, name, c->force, ret_bytes);
        if (r < 0)
                return fail_export(c, r, shown ?: name);
        confirm_export(c, path);
        *ret_shown = TAKE_PTR(shown);
        return EXIT_SUCCESS;
}

static int export_to_stdout(const Client *c, const char *id, const char *path) {
        _cleanup_bus_error_ sd_bus_error error = SD_BUS_ERROR_NULL;
        _cleanup_free_ char *archive_name = NULL;
        _cleanup_close_ int fd = -EBADF;
        uint64_t bytes;
        int r;

        r = client_open_archive(c, path, true, &error, &archive_name, &fd);
        if (r < 0)
                return client_fail_session(c, id, r, &error);
        r = export_to_fd(fd, STDOUT_FILENO, &bytes);
        return r < 0 ? fail_export(c, r, "to standard output") : EXIT_SUCCESS;
}

int verb_export(Client *c, int argc, char *argv[]) {
        _cleanup_free_ char *path = NULL, *shown = NULL;
        const char *file = argc > 2 ? argv[2] : NULL, *id;
        bool to_stdout = file && streq(file, "-");
        uint64_t bytes;
        int r;

        if (to_stdout && c->json != JSON_OFF)
                return client_fail_usage(c, NULL,
                                "With '-' the archive itself goes to standard output; --json cannot, too.");
        if (to_stdout && isatty(STDOUT_FILENO))
                return client_fail_usage(c, "Name a file, or redirect standard output.",
                                "The archive is not text: it is not written to a terminal.");
        if (file && isempty(file))
                return client_fail_usage(c, NULL, "The name of the file is empty.");
        r = client_find_session(c, argc > 1 ? argv[1] : NULL, &path);
        if (r != EXIT_SUCCESS)
                return r;
        id = strrchr(path, '_') + 1;
        if (to_stdout)
                return export_to_stdout(c, id, path);
        r = export_archive(c, id, path, file, &shown, &bytes);
        if (r != EXIT_SUCCESS)
                return r;
        r = print_exported(c, id, shown, bytes);
        return r < 0 ? client_fail_errno(c, r, "Cannot show the result") : EXIT_SUCCESS;
}
