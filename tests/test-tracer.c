/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <poll.h>
#include <sys/wait.h>

#include "bus/machine.h"
#include "tracer-watch.h"
#include "tracer.h"
#include "undo.h"

#define BOOT "6a4a62d6-9cd1-4a4a-9c1c-0c29c0a3f7b4"
#define OTHER_BOOT "e2f93b5f-10f6-4f5e-8d3c-5a9f1f0b8a11"

TestSuite(tracer, .fini = test_done);
TestSuite(tracer_arm, .timeout = 60);

static void assert_stats(const char *sample, uint64_t n_entries, uint64_t n_overrun) {
        _cleanup_free_ char *path = NULL, *text = NULL;
        TracerStats stats;
        size_t bytes;

        cr_assert(asprintf(&path, "samples/%s/stats", sample) > 0);
        test_data(path, &text, &bytes);
        cr_assert_eq(tracer_stats_parse(text, &stats), 0);
        cr_assert_eq(stats.n_entries, n_entries);
        cr_assert_eq(stats.n_overrun, n_overrun);
        cr_assert_eq(stats.n_dropped, 0);
        cr_assert_eq(stats.n_read, 0);
}

Test(tracer, stats_of_samples) {
        assert_stats("e1000e-6.1", 4353, 0);
        assert_stats("e1000e-6.1-lossy", 1501, 2852);
        assert_stats("e1000e-6.12-stack", 8699, 0);
}

Test(tracer, stats) {
        TracerStats stats;

        /* One field's name ends in another's; the last line may lack its newline. */
        cr_assert_eq(tracer_stats_parse("commit overrun: 7\nread events: 4\noverrun: 2\nbytes: 5\ndropped events: 3\nentries: 18446744073709551615",
                                     &stats),
                        0);
        cr_assert_eq(stats.n_entries, UINT64_MAX);
        cr_assert_eq(stats.n_bytes, 5);
        cr_assert_eq(stats.n_overrun, 2);
        cr_assert_eq(stats.n_commit_overrun, 7);
        cr_assert_eq(stats.n_dropped, 3);
        cr_assert_eq(stats.n_read, 4);

        cr_assert_eq(tracer_stats_parse("", &stats), -EBADMSG);
        cr_assert_eq(tracer_stats_parse("entries: 1\nbytes: 2\ncommit overrun: 0\ndropped events: 3\nread events: 4\n", &stats), -EBADMSG);
        cr_assert_eq(tracer_stats_parse("entries: 1\nbytes: 2\ncommit overrun: 0\noverrun: many\ndropped events: 3\nread events: 4\n", &stats), -EBADMSG);
}

Test(tracer, selected) {
        static const struct {
                const char *list, *selected;
        } cases[] = {
                { "[local] global counter", "local" },
                { "local global [mono]", "mono" },
                { "local [x86-tsc] mono", "x86-tsc" },
                { "[]", "" },
        };
        char *none = NULL;

        for (size_t i = 0; i < ELEMENTS(cases); i++) {
                _cleanup_free_ char *selected = NULL;

                cr_assert_eq(tracer_parse_selected(cases[i].list, &selected), 0);
                cr_assert_str_eq(selected, cases[i].selected);
        }
        cr_assert_eq(tracer_parse_selected("mono", &none), -EBADMSG);
        cr_assert_eq(tracer_parse_selected("local [mono", &none), -EBADMSG);
        cr_assert_eq(tracer_parse_selected("mono] [", &none), -EBADMSG);
        cr_assert_null(none);
}

/* A machine, and what the functions of the tracer want to know of it. */
typedef struct Rig {
        Machine machine;
        char *tracing_dir;
        int runtime_fd;
        Context context;
} Rig;

static void rig_make(Rig *rig) {
        _cleanup_free_ char *run = NULL, *dir = NULL;

        *rig = (Rig) {};
        machine_make(&rig->machine);
        rig->tracing_dir = below(rig->machine.tree.root, "tracing");
        run = below(rig->machine.tree.root, "run");
        cr_assert_eq(mkdir(run, 0700), 0);
        rig->runtime_fd = open(run, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        cr_assert_geq(rig->runtime_fd, 0);
        rig->context = (Context) {
                .tracing_dir = rig->tracing_dir,
                .sys_root = rig->machine.tree.sys,
                .proc_root = rig->machine.tree.proc,
                .config = CONFIG_DEFAULT,
        };
        cr_assert_eq(tracer_find_dir(&rig->context, &dir, NULL), 0);
        cr_assert_str_eq(dir, rig->tracing_dir);
}

static void rig_done(Rig *rig) {
        safe_close(rig->runtime_fd);
        free(rig->tracing_dir);
        machine_done(&rig->machine);
}
#define _cleanup_rig_ _cleanup_(rig_done)

static void arm(Rig *rig, uint64_t buffer_bytes, TracerArmed *ret) {
        _cleanup_error_ Error error = {};

        cr_assert_eq(tracer_arm(&rig->context, rig->runtime_fd, BOOT, &(TracerOptions) { .buffer_bytes = buffer_bytes }, ret, &error), 0, "%s", strempty(error.text));
}

static int restore(Rig *rig) {
        _cleanup_error_ Error error = {};

        return tracer_restore(&rig->context, rig->runtime_fd, BOOT, NULL, &error);
}

static void assert_file(const Rig *rig, const char *path, const char *expected) {
        _cleanup_free_ char *text = machine_read(&rig->machine, path);

        cr_assert_str_eq(text, expected, "%s is \"%s\" instead of \"%s\"", path, text, expected);
}

Test(tracer_arm, and_back) {
        _cleanup_rig_ Rig rig;
        _cleanup_tracer_armed_ TracerArmed armed = {};
        _cleanup_free_ char *before = NULL;

        rig_make(&rig);
        before = machine_settings(&rig.machine);
        cr_assert_eq(restore(&rig), 0);
        arm(&rig, 0, &armed);
        cr_assert_eq(armed.cpu, 0);
        cr_assert_str_eq(armed.online, "0");
        cr_assert_str_eq(armed.offline, "");
        cr_assert_eq(armed.buffer_bytes, 97559 * KIB);
        cr_assert_null(armed.warnings);
        assert_file(&rig, "tracing/current_tracer", "mmiotrace");
        cr_assert_eq(restore(&rig), 1);
        machine_assert_settings(&rig.machine, before);
        cr_assert_eq(restore(&rig), 0);
}

/* The journal is on file before the tracer is on: what a crash leaves can be undone. */
Test(tracer_arm, journal) {
        static const struct {
                UndoKind kind;
                const char *name, *value;
        } expected[] = {
                { UNDO_CPUS, "", "0" },
                { UNDO_CONTROL, "tracing_on", "0" },
                { UNDO_CONTROL, "trace_clock", "local" },
                { UNDO_CONTROL, "options/overwrite", "0" },
                { UNDO_CONTROL, "buffer_percent", "50" },
                { UNDO_CONTROL, "tracing_cpumask", "e" },
                { UNDO_CONTROL, "per_cpu/cpu0/buffer_size_kb", "1408" },
                { UNDO_TRACER, "", "" },
        };
        _cleanup_tracer_armed_ TracerArmed armed = {};
        _cleanup_undo_ Undo undo = {};
        _cleanup_rig_ Rig rig;

        rig_make(&rig);
        arm(&rig, 0, &armed);
        cr_assert_eq(undo_load(rig.runtime_fd, BOOT, &undo), 0);
        cr_assert_eq(undo.n_entries, ELEMENTS(expected));
        for (size_t i = 0; i < ELEMENTS(expected); i++) {
                cr_assert_eq(undo.entries[i].kind, expected[i].kind, "%zu", i);
                cr_assert_str_eq(undo.entries[i].name, expected[i].name);
                cr_assert_str_eq(undo.entries[i].value, expected[i].value);
        }
}

Test(tracer_arm, ring_size) {
        static const struct {
                const char *available_kb;
                uint64_t wanted_bytes, bytes;
                const char *percent;                    /* half of what may wait for the disk */
        } cases[] = {
                { "4194304", 0, 97559 * KIB, "2" },
                { "4194304", 2 * MIB, 2 * MIB, "25" },
                { "4194304", 512 * MIB, 512 * MIB, "1" },
                { "102400", 0, 25 * MIB, "8" },         /* a quarter of what is available */
                { "102400", 50 * MIB, 50 * MIB, "4" },  /* a half, if somebody wants it so */
                { "100", 0, 64 * KIB, "25" },
                { "4194304", 64 * KIB, 64 * KIB, "25" },
        };

        for (size_t i = 0; i < ELEMENTS(cases); i++) {
                _cleanup_tracer_armed_ TracerArmed armed = {};
                _cleanup_free_ char *meminfo = NULL;
                Rig rig;

                rig_make(&rig);
                cr_assert(asprintf(&meminfo, "MemTotal: 8388608 kB\nMemAvailable: %8s kB\n",
                                cases[i].available_kb) > 0);
                fake_file(&rig.machine.tree, "proc/meminfo", meminfo);
                arm(&rig, cases[i].wanted_bytes, &armed);
                cr_assert_eq(armed.buffer_bytes, cases[i].bytes, "%zu: %llu", i,
                                (unsigned long long) armed.buffer_bytes);
                assert_file(&rig, "tracing/buffer_percent", cases[i].percent);
                cr_assert_eq(restore(&rig), 1);
                rig_done(&rig);
        }
}

Test(tracer_arm, mask) {
        static const struct {
                const char *before, *while_armed;
        } cases[] = {
                { "e", "f" },
                { "1", "1" },
                { "ffffffff,fffffffe", "ffffffff,ffffffff" },
                { "00000000,00000001", "00000000,00000001" },
        };

        for (size_t i = 0; i < ELEMENTS(cases); i++) {
                _cleanup_tracer_armed_ TracerArmed armed = {};
                Rig rig;

                rig_make(&rig);
                fake_file(&rig.machine.tree, "tracing/tracing_cpumask", cases[i].before);
                arm(&rig, 0, &armed);
                assert_file(&rig, "tracing/tracing_cpumask", cases[i].while_armed);
                cr_assert_eq(restore(&rig), 1);
                assert_file(&rig, "tracing/tracing_cpumask", cases[i].before);
                rig_done(&rig);
        }
}

Test(tracer_arm, first_cpu_is_another) {
        _cleanup_tracer_armed_ TracerArmed armed = {};
        _cleanup_rig_ Rig rig;

        rig_make(&rig);
        fake_file(&rig.machine.tree, "sys/devices/system/cpu/online", "2\n");
        fake_file(&rig.machine.tree, "tracing/per_cpu/cpu2/buffer_size_kb", "1408\n");
        arm(&rig, MIB, &armed);
        cr_assert_eq(armed.cpu, 2);
        assert_file(&rig, "tracing/per_cpu/cpu2/buffer_size_kb", "1024");
        assert_file(&rig, "tracing/per_cpu/cpu0/buffer_size_kb", "1408");
        cr_assert_eq(restore(&rig), 1);
        assert_file(&rig, "tracing/per_cpu/cpu2/buffer_size_kb", "1408");
}

Test(tracer_arm, warnings) {
        _cleanup_tracer_armed_ TracerArmed armed = {};
        _cleanup_rig_ Rig rig;

        rig_make(&rig);
        fake_file(&rig.machine.tree, "sys/devices/system/cpu/online", "0-1\n");
        arm(&rig, 0, &armed);
        cr_assert_eq(strv_length(armed.warnings), 1);
        cr_assert_str_eq(armed.warnings[0], "More than one CPU is still online (0-1), as the kernel does not take 1 offline (it is not one "
                                            "that can be taken offline): accesses that two of them make at the same time can be lost "
                                            "without any trace of it; boot with maxcpus=1.");
        /* Both record, so both rings are sized. */
        assert_file(&rig, "tracing/per_cpu/cpu1/buffer_size_kb", "97559");
        cr_assert_eq(restore(&rig), 1);
}

/* What was too busy for the tracer may pass now. */
Test(tracer_arm, asks_once_more) {
        _cleanup_tracer_armed_ TracerArmed armed = {};
        _cleanup_rig_ Rig rig;

        rig_make(&rig);
        fake_file(&rig.machine.tree, "sys/devices/system/cpu/online", "0-2\n");
        fake_file(&rig.machine.tree, "sys/devices/system/cpu/cpu0/online", "1");
        fake_file(&rig.machine.tree, "sys/devices/system/cpu/cpu1/online", "1");
        fake_file(&rig.machine.tree, "tracing/per_cpu/cpu2/buffer_size_kb", "1408\n");
        arm(&rig, 0, &armed);
        assert_file(&rig, "sys/devices/system/cpu/cpu0/online", "1");
        assert_file(&rig, "sys/devices/system/cpu/cpu1/online", "0");
        cr_assert(!machine_has(&rig.machine, "sys/devices/system/cpu/cpu2/online"));
        cr_assert_eq(strv_length(armed.warnings), 1);
}

/* Whoever asks is told what was changed, and only that. */
Test(tracer_arm, what_was_done) {
        _cleanup_tracer_restored_ TracerRestored told = {}, again = {};
        _cleanup_tracer_armed_ TracerArmed armed = {};
        _cleanup_rig_ Rig rig;

        rig_make(&rig);
        arm(&rig, 0, &armed);
        cr_assert_eq(undo_add(rig.runtime_fd, BOOT, UNDO_CPUS, NULL, "0-1"), 0);
        fake_file(&rig.machine.tree, "sys/devices/system/cpu/cpu1/online", "0");
        fake_file(&rig.machine.tree, "tracing/tracing_cpumask", "e\n");
        cr_assert_eq(tracer_restore(&rig.context, rig.runtime_fd, BOOT, &told, NULL), 1);
        cr_assert_eq(strv_length(told.done), 7);
        cr_assert(strv_contains(told.done, "CPU 1 was still offline, and was brought online by hand."));
        cr_assert(strv_contains(told.done, "mmiotrace is off."));
        cr_assert(strv_contains(told.done, "per_cpu/cpu0/buffer_size_kb is 1408 again."));
        cr_assert(strv_contains(told.done, "trace_clock is local again."));
        cr_assert_eq(tracer_restore(&rig.context, rig.runtime_fd, BOOT, &again, NULL), 0);
        cr_assert_null(again.done);
}

Test(tracer_arm, journal_of_another_boot) {
        _cleanup_tracer_restored_ TracerRestored told = {};
        _cleanup_rig_ Rig rig;

        rig_make(&rig);
        cr_assert_eq(undo_add(rig.runtime_fd, OTHER_BOOT, UNDO_CONTROL, "tracing_on", "1"), 0);
        cr_assert_eq(tracer_restore(&rig.context, rig.runtime_fd, BOOT, &told, NULL), TRACER_JOURNAL_DROPPED);
        cr_assert_null(told.done);
        assert_file(&rig, "tracing/tracing_on", "0");
        cr_assert_not(undo_exists(rig.runtime_fd));
}

/* What was written is read again: a value that is not there was not restored. */
Test(tracer_arm, restoring_is_looked_at) {
        _cleanup_error_ Error error = {};
        _cleanup_free_ char *path = NULL;
        _cleanup_rig_ Rig rig;

        rig_make(&rig);
        path = below(rig.tracing_dir, "options/overwrite");
        cr_assert_eq(unlink(path), 0);
        /* Takes "0" for its default, which is another number (proc(5)). */
        cr_assert_eq(symlink("/proc/self/timerslack_ns", path), 0);
        cr_assert_eq(undo_add(rig.runtime_fd, BOOT, UNDO_CONTROL, "options/overwrite", "0"), 0);
        cr_assert_lt(tracer_restore(&rig.context, rig.runtime_fd, BOOT, NULL, &error), 0);
        cr_assert(strstr(error.text, "did not set it"), "%s", error.text);
        cr_assert(undo_exists(rig.runtime_fd));
}

/* A ring may become larger by less than a sub-buffer, and not more. */
Test(tracer_arm, ring_is_rounded_up) {
        _cleanup_rig_ Rig rig;

        rig_make(&rig);
        fake_file(&rig.machine.tree, "tracing/per_cpu/cpu0/buffer_size_kb", "1412\n");
        cr_assert_eq(undo_add(rig.runtime_fd, BOOT, UNDO_CONTROL, "per_cpu/cpu0/buffer_size_kb", "1408"), 0);
        cr_assert_eq(restore(&rig), 1);
        assert_file(&rig, "tracing/per_cpu/cpu0/buffer_size_kb", "1408");

        /* Never sized, so that there is nothing to undo. */
        fake_file(&rig.machine.tree, "tracing/buffer_size_kb", "7 (expanded: 1408)\n");
        cr_assert_eq(undo_add(rig.runtime_fd, BOOT, UNDO_CONTROL, "buffer_size_kb", "1408"), 0);
        cr_assert_eq(restore(&rig), 1);
        assert_file(&rig, "tracing/buffer_size_kb", "7 (expanded: 1408)");
}

Test(tracer_arm, cpus_come_back) {
        _cleanup_rig_ Rig rig;

        rig_make(&rig);
        cr_assert_eq(undo_add(rig.runtime_fd, BOOT, UNDO_CPUS, NULL, "0,2-3"), 0);
        for (unsigned i = 1; i < 4; i++) {
                char path[64];

                (void) snprintf(path, sizeof path, "sys/devices/system/cpu/cpu%u/online", i);
                fake_file(&rig.machine.tree, path, "0");
        }
        cr_assert_eq(restore(&rig), 1);
        assert_file(&rig, "sys/devices/system/cpu/cpu1/online", "0");
        assert_file(&rig, "sys/devices/system/cpu/cpu2/online", "1");
        assert_file(&rig, "sys/devices/system/cpu/cpu3/online", "1");
}

/* The text of 6.12 may be more than a number. */
Test(tracer_arm, oops_dump) {
        static const struct {
                OopsDump dump;
                const char *before, *armed;
        } table[] = {
                { OOPS_DUMP_UNCHANGED, "0\n", "0" },
                { OOPS_DUMP_ALL, "0\n", "1" },
                { OOPS_DUMP_ORIG_CPU, "0\n", "2" },
                { OOPS_DUMP_ALL, "2\n", "1" },
                { OOPS_DUMP_ALL, "1\n", "1" },
        };

        for (size_t i = 0; i < ELEMENTS(table); i++) {
                _cleanup_tracer_armed_ TracerArmed armed = {};
                _cleanup_free_ char *before = NULL;
                _cleanup_rig_ Rig rig;

                rig_make(&rig);
                fake_file(&rig.machine.tree, "proc/sys/kernel/ftrace_dump_on_oops", table[i].before);
                rig.context.config.oops_dump = table[i].dump;
                before = machine_settings(&rig.machine);
                arm(&rig, 0, &armed);
                assert_file(&rig, "proc/sys/kernel/ftrace_dump_on_oops", table[i].armed);
                cr_assert_eq(restore(&rig), 1);
                machine_assert_settings(&rig.machine, before);
        }
}

/* One step that fails, whichever it is, keeps the journal, and none of the others from being done. */
Test(tracer_arm, restoring_goes_on) {
        static const struct {
                const char *path, *armed, *said;
        } steps[] = {
                { "proc/sys/kernel/ftrace_dump_on_oops", "1\n", "Cannot set /proc/sys/kernel/ftrace_dump_on_oops back to 0" },
                { "tracing/tracing_on", "1\n", "Cannot set tracing_on back to 0" },
                { "tracing/trace_clock", "mono\n", "Cannot set trace_clock back to local" },
                { "tracing/options/overwrite", "1\n", "Cannot set options/overwrite back to 0" },
                { "tracing/buffer_percent", "2\n", "Cannot set buffer_percent back to 50" },
                { "tracing/tracing_cpumask", "f\n", "Cannot set tracing_cpumask back to e" },
                { "tracing/per_cpu/cpu0/buffer_size_kb", "97559\n", "Cannot set per_cpu/cpu0/buffer_size_kb back to 1408" },
        };

        for (size_t i = 0; i < ELEMENTS(steps); i++) {
                _cleanup_tracer_armed_ TracerArmed armed = {};
                _cleanup_free_ char *before = NULL;
                _cleanup_error_ Error error = {};
                _cleanup_rig_ Rig rig;

                rig_make(&rig);
                rig.context.config.oops_dump = OOPS_DUMP_ALL;
                before = machine_settings(&rig.machine);
                arm(&rig, 0, &armed);
                machine_refuse(&rig.machine, steps[i].path);
                cr_assert_lt(tracer_restore(&rig.context, rig.runtime_fd, BOOT, NULL, &error), 0);
                cr_assert(startswith(strempty(error.text), steps[i].said), "%s", strempty(error.text));
                cr_assert(undo_exists(rig.runtime_fd));
                for (size_t k = 0; k < ELEMENTS(steps); k++) {
                        _cleanup_free_ char *now = machine_read(&rig.machine, steps[k].path);

                        cr_assert_eq(strncmp(now, steps[k].armed, strlen(now)) == 0, k == i, "%s after %s: %s", steps[k].path,
                                        steps[i].path, now);
                }
                assert_file(&rig, "tracing/current_tracer", "nop");

                fake_file(&rig.machine.tree, steps[i].path, steps[i].armed);
                cr_assert_eq(restore(&rig), 1);
                machine_assert_settings(&rig.machine, before);
                cr_assert_not(undo_exists(rig.runtime_fd));
        }
}

#define DEVICE "0000:00:02.0"
#define DRIVER_LINK "sys/devices/pci0000:00/" DEVICE "/driver"

/* A device that a session has taken off its driver. */
static void unbind(const Rig *rig) {
        fake_pci_device(&rig->machine.tree, DEVICE, "8086:10d3", "020000");
        fake_pci_driver(&rig->machine.tree, "e1000e", NULL);
        cr_assert_eq(undo_add(rig->runtime_fd, BOOT, UNDO_BIND, "e1000e", DEVICE), 0);
}

static void take_cpu_down(const Rig *rig) {
        fake_file(&rig->machine.tree, "sys/devices/system/cpu/cpu1/online", "0");
        cr_assert_eq(undo_add(rig->runtime_fd, BOOT, UNDO_CPUS, NULL, "0-1"), 0);
}

/* The tracer's settings may not be touched under mmiotrace, but everything else comes back. */
Test(tracer_arm, tracer_that_stays) {
        _cleanup_tracer_restored_ TracerRestored told = {};
        _cleanup_tracer_armed_ TracerArmed armed = {};
        _cleanup_error_ Error error = {};
        _cleanup_free_ char *before = NULL;
        _cleanup_undo_ Undo undo = {};
        _cleanup_rig_ Rig rig;

        rig_make(&rig);
        rig.context.config.oops_dump = OOPS_DUMP_ALL;
        unbind(&rig);
        take_cpu_down(&rig);
        arm(&rig, 0, &armed);
        machine_refuse(&rig.machine, "tracing/current_tracer");
        cr_assert_eq(tracer_restore(&rig.context, rig.runtime_fd, BOOT, &told, &error), -ENOTRECOVERABLE);
        cr_assert(strstr(error.text, "until the machine is booted again"), "%s", error.text);
        assert_file(&rig, "tracing/per_cpu/cpu0/buffer_size_kb", "97559");
        assert_file(&rig, "tracing/tracing_on", "1");
        assert_file(&rig, "sys/devices/system/cpu/cpu1/online", "1");
        assert_file(&rig, "sys/bus/pci/drivers/e1000e/bind", DEVICE);
        assert_file(&rig, "proc/sys/kernel/ftrace_dump_on_oops", "0");
        cr_assert_eq(strv_length(told.done), 3);
        cr_assert(strstr(told.done[0], "/proc/sys/kernel/ftrace_dump_on_oops") || strstr(told.done[1], "mmiotrace still on"));

        /* What is undone is not undone once more, over what the user may have made of it. */
        cr_assert_eq(undo_load(rig.runtime_fd, BOOT, &undo), 0);
        for (size_t i = 0; i < undo.n_entries; i++)
                cr_assert(undo.entries[i].kind == UNDO_TRACER || undo.entries[i].kind == UNDO_CONTROL);
        fake_file(&rig.machine.tree, "sys/devices/system/cpu/cpu1/online", "0");
        for (unsigned i = 0; i < 2 * TRACER_TRIES_MAX; i++)
                cr_assert_eq(restore(&rig), -ENOTRECOVERABLE);
        assert_file(&rig, "sys/devices/system/cpu/cpu1/online", "0");

        /* Should the kernel have it after all, the rest follows. */
        fake_file(&rig.machine.tree, "tracing/current_tracer", "mmiotrace\n");
        cr_assert_eq(restore(&rig), 1);
        assert_file(&rig, "tracing/current_tracer", "nop");
        assert_file(&rig, "tracing/tracing_on", "0");
        assert_file(&rig, "tracing/per_cpu/cpu0/buffer_size_kb", "1408");
        cr_assert_not(undo_exists(rig.runtime_fd));
}

Test(tracer_arm, tracefs_is_gone) {
        _cleanup_tracer_armed_ TracerArmed armed = {};
        _cleanup_error_ Error error = {};
        _cleanup_free_ char *tracers = NULL;
        _cleanup_rig_ Rig rig;

        rig_make(&rig);
        unbind(&rig);
        take_cpu_down(&rig);
        arm(&rig, 0, &armed);
        tracers = fake_read(&rig.machine.tree, "tracing/available_tracers");
        fake_remove(&rig.machine.tree, "tracing/available_tracers");
        for (unsigned i = 0; i < 2 * TRACER_TRIES_MAX; i++)
                cr_assert_lt(tracer_restore(&rig.context, rig.runtime_fd, BOOT, NULL, &error), 0);
        cr_assert_eq(error.code, ERROR_NO_TRACEFS);
        assert_file(&rig, "sys/devices/system/cpu/cpu1/online", "1");
        assert_file(&rig, "sys/bus/pci/drivers/e1000e/bind", DEVICE);
        assert_file(&rig, "tracing/current_tracer", "mmiotrace");
        fake_file(&rig.machine.tree, "tracing/available_tracers", tracers);
        cr_assert_eq(restore(&rig), 1);
        assert_file(&rig, "tracing/current_tracer", "nop");
        assert_file(&rig, "tracing/tracing_on", "0");
        cr_assert_not(undo_exists(rig.runtime_fd));
}

/* The user has overtaken it: nothing is left to be undone, and that is said. */
Test(tracer_arm, overtaken) {
        static const struct {
                const char *removed, *said;
        } cases[] = {
                { "sys/bus/pci/drivers/e1000e", "The driver e1000e was unloaded during the session" },
                { "sys/bus/pci/devices/" DEVICE, DEVICE " was taken out of the machine" },
                { "sys/devices/system/cpu/cpu1", "CPU 1 was taken out of the machine" },
        };

        for (size_t i = 0; i < ELEMENTS(cases); i++) {
                _cleanup_tracer_restored_ TracerRestored told = {};
                _cleanup_error_ Error error = {};
                _cleanup_rig_ Rig rig;

                rig_make(&rig);
                unbind(&rig);
                take_cpu_down(&rig);
                fake_remove(&rig.machine.tree, cases[i].removed);
                cr_assert_eq(tracer_restore(&rig.context, rig.runtime_fd, BOOT, &told, &error), 1, "%s", strempty(error.text));
                cr_assert_eq(strv_length(told.warnings), 1, "%s: %s", cases[i].removed, told.warnings ? told.warnings[0] : "none");
                cr_assert(startswith(told.warnings[0], cases[i].said), "%s", told.warnings[0]);
                cr_assert_eq(strv_length(told.done), 1);
                cr_assert_not(undo_exists(rig.runtime_fd));
                cr_assert_not(machine_has(&rig.machine, "run/undo.bad"));
        }
}

/* What one session could not undo is not held against the next, and not for ever against the machine. */
Test(tracer_arm, what_stays_impossible) {
        _cleanup_tracer_restored_ TracerRestored told = {}, last = {};
        _cleanup_tracer_armed_ TracerArmed armed = {};
        _cleanup_free_ char *bad = NULL;
        _cleanup_error_ Error error = {};
        _cleanup_rig_ Rig rig;

        rig_make(&rig);
        take_cpu_down(&rig);
        machine_refuse(&rig.machine, "sys/devices/system/cpu/cpu1/online");
        cr_assert_lt(tracer_restore(&rig.context, rig.runtime_fd, BOOT, NULL, &error), 0);
        cr_assert(startswith(error.text, "CPU 1 stays offline"), "%s", error.text);
        error_done(&error);

        arm(&rig, 0, &armed);
        cr_assert_eq(tracer_restore(&rig.context, rig.runtime_fd, BOOT, &told, &error), 1, "%s", strempty(error.text));
        cr_assert_eq(strv_length(told.warnings), 1);
        cr_assert(startswith(told.warnings[0], "An earlier session has left something changed"), "%s", told.warnings[0]);
        cr_assert(strstr(told.warnings[0], "CPU 1 stays offline"));
        assert_file(&rig, "tracing/current_tracer", "nop");
        cr_assert(undo_exists(rig.runtime_fd));

        for (unsigned i = 2; i < TRACER_TRIES_MAX - 1; i++)
                cr_assert_lt(restore(&rig), 0);
        cr_assert_eq(tracer_restore(&rig.context, rig.runtime_fd, BOOT, &last, &error), 1, "%s", strempty(error.text));
        cr_assert_eq(strv_length(last.warnings), 1);
        cr_assert(strstr(last.warnings[0], "given up"), "%s", last.warnings[0]);
        cr_assert_not(undo_exists(rig.runtime_fd));
        bad = machine_read(&rig.machine, "run/undo.bad");
        cr_assert(strstr(bad, "\"cpus\"") && strstr(bad, "0-1"), "%s", bad);
        cr_assert_eq(restore(&rig), 0);
}

/* The value of before both sessions counts, also where the later one could be tried again. */
Test(tracer_arm, older_value_wins) {
        _cleanup_rig_ Rig rig;

        rig_make(&rig);
        fake_file(&rig.machine.tree, "tracing/tracing_on", "0\n");
        cr_assert_eq(undo_add(rig.runtime_fd, BOOT, UNDO_CONTROL, "tracing_on", "0"), 0);
        cr_assert_eq(undo_add(rig.runtime_fd, BOOT, UNDO_CONTROL, "tracing_on", "1"), 0);
        machine_refuse(&rig.machine, "tracing/tracing_on");
        /* As it is what the older one wants, only the younger one has failed, and that is nothing to tell. */
        cr_assert_eq(restore(&rig), 1);
        cr_assert_not(undo_exists(rig.runtime_fd));
}

/* A downgrade, say. */
Test(tracer_arm, lines_of_another_version) {
        _cleanup_tracer_restored_ TracerRestored told = {};
        _cleanup_free_ char *bad = NULL;
        _cleanup_rig_ Rig rig;

        rig_make(&rig);
        fake_file(&rig.machine.tree, "tracing/tracing_on", "1\n");
        fake_file(&rig.machine.tree, "run/undo",
                        "{\"boot\":\"" OTHER_BOOT "\",\"kind\":\"cpus\",\"name\":\"\",\"value\":\"0-3\"}\n"
                        "{\"boot\":\"" BOOT "\",\"kind\":\"rlimit\",\"name\":\"x\",\"value\":\"y\"}\n"
                        "{\"boot\":\"" BOOT "\",\"kind\":\"control\",\"name\":\"tracing_on\",\"value\":\"0\"}\n"
                        "{\"boot\":\"" BOOT "\",\"kind\":\"contr");
        cr_assert_eq(tracer_restore(&rig.context, rig.runtime_fd, BOOT, &told, NULL), 1);
        assert_file(&rig, "tracing/tracing_on", "0");
        cr_assert_eq(strv_length(told.warnings), 1);
        cr_assert(strstr(told.warnings[0], "undo.bad"), "%s", told.warnings[0]);
        cr_assert_not(undo_exists(rig.runtime_fd));
        bad = machine_read(&rig.machine, "run/undo.bad");
        cr_assert(strstr(bad, "rlimit") && !strstr(bad, "tracing_on") && !strstr(bad, "cpus"), "%s", bad);
}

static pid_t restore_in_child(Rig *rig, int not_for_it_fd) {
        pid_t pid = fork();

        cr_assert_geq(pid, 0);
        if (pid == 0) {
                safe_close(not_for_it_fd);
                _exit(restore(rig) & 0x7f);
        }
        return pid;
}

static int await(pid_t pid) {
        int status;

        cr_assert_eq(waitpid(pid, &status, 0), pid);
        return status;
}

/* Killed at each step, and done again. */
Test(tracer_arm, killed_at_each_entry) {
        static const char *const steps[] = {
                "tracing/current_tracer",
                "tracing/per_cpu/cpu0/buffer_size_kb",
                "tracing/tracing_cpumask",
                "tracing/buffer_percent",
                "tracing/options/overwrite",
                "tracing/trace_clock",
                "tracing/tracing_on",
                "proc/sys/kernel/ftrace_dump_on_oops",
                "sys/devices/system/cpu/online",
                "sys/devices/system/cpu/cpu1/online",
                "sys/bus/pci/drivers/e1000e/bind",
        };

        for (size_t i = 0; i < ELEMENTS(steps); i++) {
                bool for_writing = i >= 9;
                _cleanup_tracer_armed_ TracerArmed armed = {};
                _cleanup_free_ char *before = NULL, *content = NULL, *path = NULL;
                _cleanup_close_ int fd = -EBADF;
                _cleanup_rig_ Rig rig;
                char written[64];
                int status;
                pid_t pid;
                ssize_t n;

                rig_make(&rig);
                rig.context.config.oops_dump = OOPS_DUMP_ALL;
                fake_pci_device(&rig.machine.tree, DEVICE, "8086:10d3", "020000");
                fake_pci_driver(&rig.machine.tree, "e1000e", NULL);
                fake_file(&rig.machine.tree, "sys/bus/pci/drivers/e1000e/bind", DEVICE);
                fake_file(&rig.machine.tree, "sys/devices/system/cpu/cpu1/online", "1");
                before = machine_settings(&rig.machine);
                fake_file(&rig.machine.tree, "sys/bus/pci/drivers/e1000e/bind", "");
                unbind(&rig);
                take_cpu_down(&rig);
                arm(&rig, 0, &armed);

                content = fake_read(&rig.machine.tree, steps[i]);
                path = below(rig.machine.tree.root, steps[i]);
                machine_block(&rig.machine, steps[i]);
                pid = restore_in_child(&rig, -EBADF);
                fd = for_writing ? open(path, O_RDONLY | O_CLOEXEC) : machine_await_stuck(&rig.machine, steps[i]);
                cr_assert_geq(fd, 0);
                cr_assert_eq(kill(pid, SIGKILL), 0);
                status = await(pid);
                cr_assert(for_writing || WIFSIGNALED(status), "%s: %d", steps[i], status);
                cr_assert(undo_exists(rig.runtime_fd) || for_writing);
                /* What came out before the end has been done. */
                n = for_writing ? read(fd, written, sizeof written - 1) : 0;
                cr_assert_geq(n, 0);
                written[n] = 0;

                fake_file(&rig.machine.tree, steps[i], n > 0 ? written : content);
                cr_assert_geq(restore(&rig), 0, "%s", steps[i]);
                machine_assert_settings(&rig.machine, before);
        }
}

/* A worker that has outlived its daemon, say, and the next daemon's. */
Test(tracer_arm, two_at_the_same_time) {
        _cleanup_tracer_armed_ TracerArmed armed = {};
        _cleanup_free_ char *before = NULL, *content = NULL;
        _cleanup_rig_ Rig rig;
        pid_t first, second;
        int fd, status;

        rig_make(&rig);
        before = machine_settings(&rig.machine);
        arm(&rig, 0, &armed);
        content = fake_read(&rig.machine.tree, "tracing/buffer_percent");
        machine_block(&rig.machine, "tracing/buffer_percent");
        first = restore_in_child(&rig, -EBADF);
        fd = machine_await_stuck(&rig.machine, "tracing/buffer_percent");
        second = restore_in_child(&rig, fd);
        /* While the first is at it, the second does not come to an end. */
        cr_assert_eq(poll(NULL, 0, 100), 0);
        cr_assert_eq(waitpid(second, &status, WNOHANG), 0);
        fake_file(&rig.machine.tree, "tracing/buffer_percent", content);
        cr_assert_eq(write_all(fd, content, strlen(content)), 0);
        safe_close(fd);
        status = await(first);
        cr_assert(WIFEXITED(status) && WEXITSTATUS(status) == 1, "%d", status);
        status = await(second);
        cr_assert(WIFEXITED(status) && WEXITSTATUS(status) == 0, "%d", status);
        machine_assert_settings(&rig.machine, before);
}

Test(tracer_arm, formats) {
        _cleanup_close_ int fd = -EBADF;
        _cleanup_free_ char *out = NULL;
        _cleanup_rig_ Rig rig;

        rig_make(&rig);
        out = below(rig.machine.tree.root, "out");
        cr_assert_eq(mkdir(out, 0700), 0);
        fd = open(out, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        /* A kernel without stack traces has no format of them. */
        fake_remove(&rig.machine.tree, "tracing/events/ftrace/kernel_stack");
        cr_assert_eq(tracer_copy_formats(fd, NULL), 0);
        cr_assert(machine_has(&rig.machine, "out/header_page"));
        cr_assert(machine_has(&rig.machine, "out/mmiotrace_rw.format"));
        cr_assert_not(machine_has(&rig.machine, "out/kernel_stack.format"));
        fake_remove(&rig.machine.tree, "tracing/events/ftrace/mmiotrace_map");
        cr_assert_eq(tracer_copy_formats(fd, NULL), -ENOENT);
}

/* What keeps a CPU off is left alone: the kernel's command line, and SMT control, by which the kernel goes itself. */
Test(tracer_arm, cpus_that_were_left_offline) {
        _cleanup_rig_ Rig rig;
        _cleanup_strv_ char **done = NULL;

        rig_make(&rig);
        fake_file(&rig.machine.tree, "proc/cmdline", "maxcpus=3 nosmt\n");
        fake_file(&rig.machine.tree, "sys/devices/system/cpu/present", "0-3\n");
        fake_file(&rig.machine.tree, "sys/devices/system/cpu/smt/control", "off\n");
        for (unsigned i = 1; i < 4; i++) {
                char path[64];

                (void) snprintf(path, sizeof path, "sys/devices/system/cpu/cpu%u/online", i);
                fake_file(&rig.machine.tree, path, "0");
                /* As the kernel refuses a second thread: EPERM. */
                if (i == 2)
                        machine_refuse(&rig.machine, path);
        }
        cr_assert_eq(tracer_bring_cpus_online(&rig.context, &done), 0);
        cr_assert_eq(strv_length(done), 1);
        cr_assert_str_eq(done[0], "CPU 1 was still offline, and was brought online by hand.");
        assert_file(&rig, "sys/devices/system/cpu/cpu1/online", "1");
        assert_file(&rig, "sys/devices/system/cpu/cpu3/online", "0");

        /* Where SMT is on, it is a failure like any other. */
        strv_free(TAKE_PTR(done));
        fake_file(&rig.machine.tree, "sys/devices/system/cpu/smt/control", "on\n");
        cr_assert_eq(tracer_bring_cpus_online(&rig.context, &done), 0);
        cr_assert_eq(strv_length(done), 2);
        cr_assert_str_eq(done[1], "CPU 2 stays offline: Operation not permitted.");
}
