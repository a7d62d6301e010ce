/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "device-events.h"
#include "metadata.h"
#include "test-util.h"

TestSuite(device_events, .fini = test_done);

#define DEVICE(vendor, device, name, start, end) \
        "{ \"vendor\": \"" vendor "\", \"device\": \"" device "\", \"device_name\": \"" name "\", \"bars\": [ { \"start\": \"" start \
        "\", \"end\": \"" end "\" } ] }"

static DeviceEvents *load(const char *devices) {
        _cleanup_free_ char *text = NULL;
        DeviceEvents *e;

        cr_assert(asprintf(&text, "{ \"devices\": [ %s ] }", devices) > 0);
        test_file(METADATA_DRIVER, text, strlen(text));
        cr_assert_eq(device_events_new(test_dir(), &e), 0);
        return e;
}

static void give(DeviceEvents *e, uint64_t phys, unsigned n) {
        while (n-- > 0)
                device_events_record(e, &(Record) { .type = RECORD_READ, .phys = phys });
}

Test(device_events, the_busiest) {
        _cleanup_device_events_ DeviceEvents *e = load(DEVICE("8086", "10d3", "First", "1000", "1fff") ", "
                                                       DEVICE("10de", "1c82", "", "a0000000", "afffffff") ", { \"unavailable\": \"gone\" }");
        const char *ids, *name;

        cr_assert_not(device_events_busiest(e, &ids, &name));
        give(e, 0x1000, 3);
        give(e, 0x2000, 100);
        give(e, 0xafffffff, 3);
        cr_assert(device_events_busiest(e, &ids, &name));
        cr_assert_str_eq(ids, "808610d3");
        cr_assert_str_eq(name, "First");
        give(e, 0xa0000000, 1);
        device_events_record(e, &(Record) { .type = RECORD_MAP, .phys = 0x1000 });
        cr_assert(device_events_busiest(e, &ids, &name));
        cr_assert_str_eq(ids, "10de1c82");
        cr_assert_str_eq(name, "");
}

Test(device_events, no_choice) {
        _cleanup_device_events_ DeviceEvents *one = load(DEVICE("8086", "10d3", "First", "1000", "1fff")), *none = NULL;
        const char *ids, *name;

        give(one, 0x1000, 3);
        cr_assert_not(device_events_busiest(one, &ids, &name));
        cr_assert_eq(unlinkat(test_dir(), METADATA_DRIVER, 0), 0);
        cr_assert_eq(device_events_new(test_dir(), &none), 0);
        give(none, 0x1000, 3);
        cr_assert_not(device_events_busiest(none, &ids, &name));
}
