/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <inttypes.h>

#include "archive-view.h"
#include "session-view.h"
#include "table.h"
#include "text.h"

#define KEY_COLUMNS 11          /* as session-page.c */

void archive_view_done(ArchiveView *v) {
        archive_head_done(&v->head);
        json_object_put(v->metadata);
        *v = (ArchiveView) {};
}

int archive_view_read(int fd, ArchiveView *ret) {
        _cleanup_archive_view_ ArchiveView v = {};
        const ArchiveHeadFile *f;
        int r;

        r = archive_head_read(fd, &v.head);
        if (r < 0)
                return r;
        f = archive_head_find(&v.head, ARCHIVE_METADATA_NAME);
        v.metadata = f ? json_tokener_parse(f->data) : NULL;
        *ret = v;
        v = (ArchiveView) {};
        return 0;
}

/* What is not there, or of another type: NULL, "", 0. The strings belong to the object. */
static json_object *get(json_object *o, const char *key, json_type type) {
        json_object *value;

        return json_object_is_type(o, json_type_object) && json_object_object_get_ex(o, key, &value) &&
                                        json_object_is_type(value, type) ?
                        value : NULL;
}

static const char *get_string(json_object *o, const char *key) {
        json_object *value = get(o, key, json_type_string);

        return value ? json_object_get_string(value) : "";
}

static uint64_t get_number(json_object *o, const char *key) {
        return json_object_get_uint64(get(o, key, json_type_int));
}

static void print_devices(Page *p, json_object *driver) {
        json_object *devices = get(driver, "devices", json_type_array);
        const char *key = "Device";

        for (size_t i = 0; devices && i < json_object_array_length(devices); i++) {
                json_object *o = json_object_array_get_idx(devices, i);

                page_add(p, key, STYLE_NONE, "%s %s:%s %s %s", get_string(o, "address"), get_string(o, "vendor"),
                                get_string(o, "device"), get_string(o, "vendor_name"), get_string(o, "device_name"));
                key = NULL;
        }
}

static void print_driver(Page *p, json_object *driver) {
        const char *file = get_string(driver, "filename"), *srcversion = get_string(driver, "srcversion");

        if (!isempty(file) || !isempty(srcversion))
                page_add(p, "Module", STYLE_NONE, "%s%s%s", isempty(file) ? "" : file,
                                isempty(srcversion) ? "" : ", srcversion ", srcversion);
        print_devices(p, driver);
}

static void print_loss(Page *p, json_object *loss) {
        json_object *places = get(loss, "places", json_type_array);
        uint64_t n_gaps = get_number(loss, "gaps"), n_left_out = get_number(loss, "places_left_out");
        const char *key = "Gaps";

        if (n_gaps == 0)
                return;
        for (size_t i = 0; places && i < json_object_array_length(places); i++) {
                json_object *o = json_object_array_get_idx(places, i);
                uint64_t n = get_number(o, "events"), usec = get_number(o, "after_ns") / NSEC_PER_USEC;

                if (n > 0)
                        page_add(p, key, STYLE_BAD, "after %s: %" PRIu64 " event%s", FORMAT_LOG_TIME(usec), n,
                                        n == 1 ? "" : "s");
                else
                        page_add(p, key, STYLE_BAD, "after %s: events that nobody counted", FORMAT_LOG_TIME(usec));
                key = NULL;
        }
        if (!places || n_left_out > 0)
                page_add(p, key, STYLE_BAD, "%" PRIu64 "%s in the log", places ? n_left_out : n_gaps,
                                places ? " more" : "");
}

static void print_files(Page *p, const ArchiveHead *h, bool keep_raw) {
        const char *key = "Files";

        for (size_t i = 0; i < h->n_files; i++) {
                page_add(p, key, STYLE_NONE, "%s (%s)", h->files[i].name, FORMAT_BYTES(h->files[i].bytes));
                key = NULL;
        }
        page_add(p, key, STYLE_NONE, ARCHIVE_LOG_NAME " (%s)", FORMAT_BYTES(h->log_bytes));
        if (keep_raw)
                page_add(p, NULL, STYLE_NONE, "raw/ (what the kernel recorded, as it was)");
}

/* Of an archive of before there was a list, nobody knows. */
static void print_privacy(Page *p, json_object *metadata) {
        json_object *list = get(metadata, "redactions", json_type_array);
        const char *key = "Redacted";

        if (!list)
                return;
        if (!json_object_get_boolean(get(metadata, "redacted", json_type_boolean))) {
                page_add(p, key, STYLE_ATTENTION, "nothing: addresses, serial numbers and names are in it (--no-redact)");
                return;
        }
        if (json_object_array_length(list) == 0)
                page_add(p, key, STYLE_NONE, "nothing was found that had to be taken out");
        for (size_t i = 0; i < json_object_array_length(list); i++) {
                json_object *o = json_object_array_get_idx(list, i);
                uint64_t n = get_number(o, "count");

                page_add(p, key, STYLE_NONE, "%" PRIu64 " %s%s in %s", n, get_string(o, "what"), n == 1 ? "" : "s",
                                get_string(o, "where"));
                key = NULL;
        }
}

static void print_leaks(Page *p, json_object *metadata) {
        json_object *list = get(metadata, "leaks", json_type_array);
        const char *key = "In the log";

        for (size_t i = 0; list && i < json_object_array_length(list); i++) {
                json_object *o = json_object_array_get_idx(list, i), *registers = get(o, "registers", json_type_array);
                uint64_t n = get_number(o, "count");

                page_add(p, key, STYLE_ATTENTION, "the %s of %s, %" PRIu64 " time%s, as at %s",
                                streq(get_string(o, "what"), "mac") ? "network address" : "serial number", get_string(o, "of"), n,
                                n == 1 ? "" : "s",
                                strempty(json_object_get_string(registers ? json_object_array_get_idx(registers, 0) : NULL)));
                key = NULL;
        }
}

int archive_view_print(const ArchiveView *v, bool keep_raw, FILE *f, const Terminal *terminal) {
        Page p = { .f = f, .terminal = terminal, .key_columns = KEY_COLUMNS };
        const char *uname = get_string(v->metadata, "uname");

        if (!isempty(uname))
                page_add(&p, "Kernel", STYLE_NONE, "%s", uname);
        print_driver(&p, get(v->metadata, "driver", json_type_object));
        print_loss(&p, get(v->metadata, "loss", json_type_object));
        print_files(&p, &v->head, keep_raw);
        print_privacy(&p, v->metadata);
        print_leaks(&p, v->metadata);
        return p.r;
}

int archive_view_print_files(const ArchiveView *v, bool keep_raw, FILE *f, const Terminal *terminal) {
        Page p = { .f = f, .terminal = terminal, .key_columns = KEY_COLUMNS };

        print_files(&p, &v->head, keep_raw);
        print_privacy(&p, v->metadata);
        print_leaks(&p, v->metadata);
        return p.r;
}

static int add_file(json_object *array, const char *name, uint64_t bytes) {
        _cleanup_json_ json_object *o = json_object_new_object();
        int r;

        if (!o)
                return -ENOMEM;
        r = json_add(o, "name", json_object_new_string(name));
        if (r >= 0)
                r = json_add(o, "bytes", json_object_new_uint64(bytes));
        return r < 0 ? r : json_append(array, TAKE_PTR(o));
}

int archive_view_to_json(const ArchiveView *v, json_object *o) {
        _cleanup_json_ json_object *files = json_object_new_array();
        int r = files ? 0 : -ENOMEM;

        for (size_t i = 0; i < v->head.n_files && r >= 0; i++)
                r = add_file(files, v->head.files[i].name, v->head.files[i].bytes);
        if (r >= 0)
                r = add_file(files, ARCHIVE_LOG_NAME, v->head.log_bytes);
        if (r >= 0)
                r = json_add(o, "files", TAKE_PTR(files));
        if (r >= 0 && v->metadata)
                r = json_add(o, "metadata", json_object_get(v->metadata));
        return r;
}
