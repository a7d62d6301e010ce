/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "device-events.h"
#include "json.h"
#include "metadata.h"

#define BARS_MAX 7

typedef struct Bar {
        uint64_t start, end;
} Bar;

typedef struct Device {
        char *ids, *name;
        Bar bars[BARS_MAX];
        size_t n_bars;
        uint64_t n_events;
} Device;

struct DeviceEvents {
        Device *devices;
        size_t n_devices;
        size_t last;            /* accesses come in runs */
};

DeviceEvents *device_events_free(DeviceEvents *e) {
        if (!e)
                return NULL;
        for (size_t i = 0; i < e->n_devices; i++) {
                free(e->devices[i].ids);
                free(e->devices[i].name);
        }
        free(e->devices);
        free(e);
        return NULL;
}

static bool parse_hex(struct json_object *o, const char *key, uint64_t *ret) {
        const char *s = json_get_string(o, key);
        char *end;

        errno = 0;
        *ret = strtoull(s, &end, 16);
        return *s && !*end && errno == 0;
}

static int add_device(DeviceEvents *e, struct json_object *o) {
        Device *grown = reallocarray(e->devices, e->n_devices + 1, sizeof(Device)), *d;
        struct json_object *bars;

        if (!grown)
                return -ENOMEM;
        e->devices = grown;
        d = grown + e->n_devices++;
        *d = (Device) { .name = strdup(json_get_string(o, "device_name")) };
        if (asprintf(&d->ids, "%s%s", json_get_string(o, "vendor"), json_get_string(o, "device")) < 0)
                d->ids = NULL;
        if (!d->ids || !d->name)
                return -ENOMEM;
        if (!json_object_object_get_ex(o, "bars", &bars) || !json_object_is_type(bars, json_type_array))
                return 0;
        for (size_t i = 0; i < json_object_array_length(bars) && d->n_bars < BARS_MAX; i++) {
                struct json_object *bar = json_object_array_get_idx(bars, i);

                if (parse_hex(bar, "start", &d->bars[d->n_bars].start) && parse_hex(bar, "end", &d->bars[d->n_bars].end))
                        d->n_bars++;
        }
        return 0;
}

int device_events_new(int metadata_fd, DeviceEvents **ret) {
        _cleanup_device_events_ DeviceEvents *e = calloc(1, sizeof(DeviceEvents));
        _cleanup_json_ struct json_object *driver = NULL;
        struct json_object *devices;
        _cleanup_free_ char *text = NULL;
        int r = 0;

        if (!e)
                return -ENOMEM;
        if (read_file_at(metadata_fd, METADATA_DRIVER, 1 * MIB, &text, NULL) >= 0)
                driver = json_tokener_parse(text);
        if (driver && json_object_object_get_ex(driver, "devices", &devices) && json_object_is_type(devices, json_type_array))
                for (size_t i = 0; i < json_object_array_length(devices) && r >= 0; i++)
                        r = add_device(e, json_object_array_get_idx(devices, i));
        if (r < 0)
                return r;
        *ret = TAKE_PTR(e);
        return 0;
}

static bool has(const Device *d, uint64_t phys) {
        for (size_t i = 0; i < d->n_bars; i++)
                if (phys >= d->bars[i].start && phys <= d->bars[i].end)
                        return true;
        return false;
}

void device_events_record(DeviceEvents *e, const Record *r) {
        if (e->n_devices < 2 || !record_is_access(r))
                return;
        if (has(e->devices + e->last, r->phys)) {
                e->devices[e->last].n_events++;
                return;
        }
        for (size_t i = 0; i < e->n_devices; i++)
                if (has(e->devices + i, r->phys)) {
                        e->devices[i].n_events++;
                        e->last = i;
                        return;
                }
}

bool device_events_busiest(const DeviceEvents *e, const char **ret_vendor_device, const char **ret_device_name) {
        const Device *best = e->devices;

        for (size_t i = 1; i < e->n_devices; i++)
                if (e->devices[i].n_events > best->n_events)
                        best = e->devices + i;
        if (e->n_devices < 2 || best->n_events == 0)
                return false;
        *ret_vendor_device = best->ids;
        *ret_device_name = best->name;
        return true;
}
