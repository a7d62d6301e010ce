/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What is found on a machine that is a folder: it has nothing wrong with it, until a case changes something. */

#include <dlfcn.h>
#include <sys/utsname.h>
#include <tracefs/tracefs.h>

#include "boot-arguments.h"
#include "bus/machine.h"
#include "preflight.h"

#define DEVICE "0000:00:02.0"
#define DEVICE_DIR "sys/devices/pci0000:00/" DEVICE

/* Stands before the one of libtracefs, as no file of a test can refuse to be opened in this way. */
static bool tracing_disabled;
char *tracefs_instance_file_read(struct tracefs_instance *instance, const char *file, int *ret_size) {
        char *(*real)(struct tracefs_instance *, const char *, int *) =
                        (__typeof__(real)) dlsym(RTLD_NEXT, "tracefs_instance_file_read");

        if (!tracing_disabled)
                return real(instance, file, ret_size);
        errno = ENODEV;
        return NULL;
}

typedef struct Rig {
        Machine machine;
        char *tracing_dir, *boot_dir, *lsinitramfs;
        char config[128];       /* boot/config-RELEASE */
        int sessions_fd;
        Context context;
        SessionOptions options;
        Error busy;
        uint64_t spare_bytes;
        bool start;
} Rig;

static void rig_done(Rig *rig) {
        safe_close(rig->sessions_fd);
        free(rig->tracing_dir);
        free(rig->boot_dir);
        free(rig->lsinitramfs);
        machine_done(&rig->machine);
}
#define _cleanup_rig_ _cleanup_(rig_done)

static void script(const Rig *rig, const char *text) {
        fake_file(&rig->machine.tree, "lsinitramfs", text);
        cr_assert_eq(chmod(rig->lsinitramfs, 0700), 0);
}

static void rig_make(Rig *rig) {
        struct utsname uts;
        char image[128];

        *rig = (Rig) {};
        machine_make(&rig->machine);
        cr_assert_eq(uname(&uts), 0);
        (void) snprintf(image, sizeof image, "boot/initrd.img-%s", uts.release);
        (void) snprintf(rig->config, sizeof rig->config, "boot/config-%s", uts.release);
        fake_file(&rig->machine.tree, image, "");
        fake_file(&rig->machine.tree, "proc/cmdline", "BOOT_IMAGE=/vmlinuz ro preempt=full\n");
        fake_file(&rig->machine.tree, "proc/version",
                  "Linux version 6.1.0-56-amd64 (a@b) (gcc-12) #1 SMP PREEMPT_DYNAMIC Debian 6.1.192-1 (2026-10-01)\n");
        fake_file(&rig->machine.tree, "sys/kernel/security/lockdown", "none [integrity] confidentiality\n");
        rig->tracing_dir = below(rig->machine.tree.root, "tracing");
        rig->boot_dir = below(rig->machine.tree.root, "boot");
        rig->lsinitramfs = below(rig->machine.tree.root, "lsinitramfs");
        script(rig, "#!/bin/sh\necho usr/bin/sh\n");
        rig->sessions_fd = open(rig->machine.tree.root, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        rig->context = (Context) {
                .tracing_dir = rig->tracing_dir,
                .sys_root = rig->machine.tree.sys,
                .proc_root = rig->machine.tree.proc,
                .module_dir = rig->machine.tree.modules,
                .boot_dir = rig->boot_dir,
                .lsinitramfs = rig->lsinitramfs,
        };
        /* However full the disk of the tests is. */
        rig->context.config.storage.max_use = (StorageSize) { .set = true, .bytes = 512 * MIB };
        rig->context.config.storage.keep_free = (StorageSize) { .set = true, .bytes = 0 };
}

/* A driver e1000e and its device, with a BAR of 128K. */
static void rig_add_driver(Rig *rig) {
        if (!machine_add_driver(&rig->machine))
                cr_skip_test("depmod is missing");
        fake_file(&rig->machine.tree, DEVICE_DIR "/resource",
                  "0x00000000feb80000 0x00000000feb9ffff 0x0000000000040200\n"
                  "0x000000000000c000 0x000000000000c01f 0x0000000000040101\n");
        rig->options.driver = (char *) "e1000e";
}

static Findings look(Rig *rig) {
        const Preflight preflight = {
                .context = &rig->context,
                .options = &rig->options,
                .sessions_fd = rig->sessions_fd,
                .spare_bytes = rig->spare_bytes,
                .busy = &rig->busy,
                .start = rig->start,
        };
        _cleanup_free_ char *before = machine_settings(&rig->machine);
        _cleanup_error_ Error error = {};
        Findings findings;

        cr_assert_eq(preflight_run(&preflight, &findings, NULL, &error), 0, "%s", strempty(error.text));
        machine_assert_settings(&rig->machine, before);
        return findings;
}

static const Finding *find(const Findings *f, const char *id) {
        const Finding *found = NULL;

        for (size_t i = 0; i < f->n_findings; i++)
                if (streq(f->findings[i].id, id)) {
                        cr_assert_null(found, "%s is there twice", id);
                        found = f->findings + i;
                }
        return found;
}

static void assert_finding(Rig *rig, const char *id, FindingLevel level, ErrorCode code, const char *part) {
        _cleanup_findings_ Findings f = look(rig);
        const Finding *finding = find(&f, id);
        _cleanup_free_ char *sentence = NULL, *found = NULL, *to_do = NULL;

        cr_assert_not_null(finding, "there is no finding %s", id);
        cr_assert_eq(finding_sentence(finding, &sentence), 0);
        cr_assert_eq(finding_cells(finding, &found, &to_do), 0);
        cr_expect_eq(finding->level, level, "%s is %s: %s", id, finding_level_to_string(finding->level), sentence);
        cr_expect_eq(finding->code, code, "%s: %s", id, sentence);
        cr_expect(strstr(sentence, part), "%s: %s", id, sentence);
        cr_expect(text_is_clean(sentence, false), "%s: %s", id, sentence);
        /* Whoever is warned is told what to do. */
        cr_expect(level < FINDING_WARNING || code == ERROR_KERNEL || !isempty(to_do), "%s: %s", id, sentence);
}

#define assert_ok(rig, id, part) assert_finding(rig, id, FINDING_OK, ERROR_NONE, part)
#define assert_note(rig, id, part) assert_finding(rig, id, FINDING_NOTE, ERROR_NONE, part)
#define assert_warning(rig, id, part) assert_finding(rig, id, FINDING_WARNING, ERROR_NONE, part)
#define assert_blocker(rig, id, code, part) assert_finding(rig, id, FINDING_BLOCKER, code, part)

static bool is_forcible(Rig *rig, const char *id) {
        _cleanup_findings_ Findings f = look(rig);

        return find(&f, id)->forcible;
}

TestSuite(preflight, .timeout = 60);
TestSuite(finding, .fini = test_done);

Test(preflight, nothing_is_wrong) {
        static const char *const unknown[] = { "trace-pipe-readers", "cpus" };
        _cleanup_findings_ Findings f = {};
        _cleanup_rig_ Rig rig;

        rig_make(&rig);
        rig_add_driver(&rig);
        f = look(&rig);
        cr_expect_geq(f.n_findings, 25);
        for (size_t i = 0; i < f.n_findings; i++) {
                bool may_be_unknown = false;

                /* There is no reader unit here. */
                for (size_t j = 0; j < ELEMENTS(unknown); j++)
                        may_be_unknown |= streq(f.findings[i].id, unknown[j]);
                cr_expect_eq(f.findings[i].level, may_be_unknown && f.findings[i].level == FINDING_NOTE ? FINDING_NOTE : FINDING_OK,
                             "%s: %s; %s", f.findings[i].id, f.findings[i].found, f.findings[i].to_do);
                cr_expect_eq(find(&f, f.findings[i].id), f.findings + i);
        }
        cr_expect_leq(findings_worst(&f), FINDING_NOTE);
}

/* One file is other than it should be. */
Test(preflight, of_the_machine) {
        static const struct {
                const char *path, *text;        /* NULL: it is not there */
                const char *id;
                FindingLevel level;
                ErrorCode code;
                const char *part;
        } cases[] = {
                { "tracing/available_tracers", NULL, "tracefs", FINDING_BLOCKER, ERROR_NO_TRACEFS, "is empty: tracing was switched off" },
                { "tracing/available_tracers", "blk nop\n", "kernel-support", FINDING_BLOCKER, ERROR_NOT_SUPPORTED, "no mmiotrace" },
                { "tracing/available_tracers", "mmiotracer nop\n", "kernel-support", FINDING_BLOCKER, ERROR_NOT_SUPPORTED,
                  "CONFIG_MMIOTRACE=y" },
                { "tracing/current_tracer", "mmiotrace\n", "tracer", FINDING_BLOCKER, ERROR_TRACER_BUSY, "already on" },
                { "tracing/current_tracer", "function\n", "tracer", FINDING_BLOCKER, ERROR_TRACER_BUSY, "\"function\" is in use" },
                { "tracing/current_tracer", NULL, "tracer", FINDING_BLOCKER, ERROR_KERNEL, "Cannot read the current tracer" },
                { "tracing/events/enable", "X\n", "trace-events", FINDING_WARNING, ERROR_NONE, "echo 0 >" },
                { "tracing/events/enable", "1\n", "trace-events", FINDING_WARNING, ERROR_NONE, "echo 0 >" },
                { "proc/sys/kernel/traceoff_on_warning", "1\n", "traceoff-on-warning", FINDING_WARNING, ERROR_NONE, "sysctl" },
                { "proc/sys/kernel/traceoff_on_warning", "0\n", "traceoff-on-warning", FINDING_OK, ERROR_NONE, "" },
                { "sys/kernel/security/lockdown", "[none] integrity confidentiality\n", "lockdown", FINDING_OK, ERROR_NONE,
                  "is not locked down" },
                { "sys/kernel/security/lockdown", NULL, "lockdown", FINDING_NOTE, ERROR_NONE, "securityfs is not mounted" },
                { "sys/kernel/security/lockdown", "new\n", "lockdown", FINDING_NOTE, ERROR_NONE, "reads \"new\"" },
                { "proc/cmdline", "a mmiotrace.nommiotrace=1\n", "nommiotrace", FINDING_BLOCKER, ERROR_NOT_SUPPORTED, "--force" },
                { "proc/cmdline", "a mmiotrace.nommiotrace\n", "nommiotrace", FINDING_BLOCKER, ERROR_NOT_SUPPORTED, "boot without it" },
                { "proc/cmdline", "a mmiotrace.nommiotrace=0\n", "nommiotrace", FINDING_OK, ERROR_NONE, "" },
                { "proc/cmdline", "mmiotrace.filter-offset=0xfeb80000\n", "filter-offset", FINDING_WARNING, ERROR_NONE, "0xfeb80000" },
                { "proc/cmdline", "mmiotrace.filter_offset=\033\n", "filter-offset", FINDING_WARNING, ERROR_NONE, "address it names" },
                { "proc/cmdline", "mmiotrace.trace_pc=1\n", "trace-pc", FINDING_NOTE, ERROR_NONE, "will have the address" },
                { "proc/cmdline", "mmio_mod.trace_pc=1\n", "trace-pc", FINDING_OK, ERROR_NONE, "mmiotrace.trace_pc=1" },
                { "proc/cmdline", "preempt=voluntary\n", "preemption", FINDING_NOTE, ERROR_NONE, "boot with preempt=full" },
                { "proc/cmdline", "quiet\n", "preemption", FINDING_NOTE, ERROR_NONE, "is not known" },
                { "sys/kernel/debug/sched/preempt", "none (voluntary) full\n", "preemption", FINDING_NOTE, ERROR_NONE,
                  "preempt=voluntary" },
                { "proc/version", "Linux version 6.1.0 (a) #1 SMP PREEMPT Debian 6.1.192-1\n", "preemption", FINDING_OK, ERROR_NONE, "" },
                { "proc/version", "Linux version 6.1.0 (a) #1 SMP Debian 6.1.192-1\n", "preemption", FINDING_NOTE, ERROR_NONE,
                  "none or voluntary" },
                { "proc/version", "Linux version 6.1.0 (a) #1 SMP PREEMPT_RT Debian 6.1.192-1\n", "realtime", FINDING_BLOCKER,
                  ERROR_NOT_SUPPORTED, "realtime" },
                { "sys/kernel/realtime", "1\n", "realtime", FINDING_BLOCKER, ERROR_NOT_SUPPORTED, "realtime" },
                { "proc/version", "Linux version 6.1.0-51-amd64 (a) #1 SMP Debian 6.1.189-1\n", "lost-counter", FINDING_NOTE, ERROR_NONE,
                  "6.1.189" },
                { "proc/version", "Linux version 6.12.105-cloud (a) #1 SMP\n", "lost-counter", FINDING_OK, ERROR_NONE, "6.12.105" },
                { "proc/version", "Linux version 6.12.104 (a) #1 SMP\n", "lost-counter", FINDING_NOTE, ERROR_NONE, "6.12.104" },
                { "proc/version", "Linux version 6.11.9 (a) #1 SMP\n", "lost-counter", FINDING_NOTE, ERROR_NONE,
                  "Whether kernel 6.11.9 may begin" },
                { "proc/version", "Linux version 6.13.0 (a) #1 SMP\n", "lost-counter", FINDING_NOTE, ERROR_NONE, "is not known" },
                { "proc/version", "Linux version 6.19.14 (a) #1 SMP\n", "lost-counter", FINDING_NOTE, ERROR_NONE, "is not known" },
                { "proc/version", "Linux version 6.20.0-rc1 (a) #1 SMP\n", "lost-counter", FINDING_OK, ERROR_NONE, "6.20.0" },
                { "proc/version", "Linux version 7.1.2-1-default (a) #1 SMP\n", "lost-counter", FINDING_OK, ERROR_NONE, "7.1.2" },
                { "proc/version", "Linux version 5.10.200 (a) #1 SMP\n", "lost-counter", FINDING_NOTE, ERROR_NONE, "is not known" },
                { "proc/version", NULL, "lost-counter", FINDING_NOTE, ERROR_NONE, "not known" },
                { "sys/devices/system/cpu/online", NULL, "cpus", FINDING_BLOCKER, ERROR_KERNEL, "CPUs are online" },
                { "sys/devices/system/cpu/online", "2\n", "cpus", FINDING_OK, ERROR_NONE, "CPU 2 is online" },
                { "proc/meminfo", NULL, "ring-memory", FINDING_BLOCKER, ERROR_KERNEL, "how much memory" },
        };

        for (size_t i = 0; i < ELEMENTS(cases); i++) {
                _cleanup_rig_ Rig rig;

                rig_make(&rig);
                if (cases[i].text)
                        fake_file(&rig.machine.tree, cases[i].path, cases[i].text);
                else
                        fake_remove(&rig.machine.tree, cases[i].path);
                assert_finding(&rig, cases[i].id, cases[i].level, cases[i].code, cases[i].part);
        }
}

Test(preflight, lockdown_hides_tracing) {
        _cleanup_rig_ Rig rig;

        rig_make(&rig);
        fake_file(&rig.machine.tree, "sys/kernel/security/lockdown", "none integrity [confidentiality]\n");
        fake_remove(&rig.machine.tree, "tracing/available_tracers");
        assert_blocker(&rig, "lockdown", ERROR_LOCKDOWN, "lockdown=integrity");
}

/* It is not there, it cannot be read, or nobody can say: three things. */
Test(preflight, lockdown_that_is_not_known) {
        _cleanup_rig_ Rig rig;

        rig_make(&rig);
        fake_remove(&rig.machine.tree, "sys/kernel/security/lockdown");
        assert_note(&rig, "lockdown", "securityfs is not mounted");
        fake_file(&rig.machine.tree, "sys/kernel/security/lsm", "capability,apparmor");
        assert_ok(&rig, "lockdown", "does not know lockdown");
        /* Root is kept from reading by no mode, but by this. */
        fake_file(&rig.machine.tree, "sys/kernel/security/lockdown/as-a-folder", "");
        assert_note(&rig, "lockdown", "cannot be read: Is a directory");
}

/* Every file of tracefs is there then, and none can be opened. */
Test(preflight, tracing_is_disabled) {
        _cleanup_findings_ Findings f = {};
        _cleanup_rig_ Rig rig;

        rig_make(&rig);
        assert_ok(&rig, "tracing-disabled", "has not switched tracing off");
        tracing_disabled = true;
        assert_blocker(&rig, "tracing-disabled", ERROR_NO_TRACEFS, "switched all tracing off");
        assert_ok(&rig, "tracefs", "is mounted");
        cr_expect_not(is_forcible(&rig, "tracing-disabled"));
        f = look(&rig);
        cr_expect_null(find(&f, "kernel-support"));
}

Test(preflight, busy) {
        _cleanup_findings_ Findings f = {};
        _cleanup_rig_ Rig rig;

        rig_make(&rig);
        (void) error_set(&rig.busy, ERROR_ALREADY_RUNNING, "Session 3 is capturing, and that is it; end it with \"stop\".");
        fake_file(&rig.machine.tree, "tracing/current_tracer", "mmiotrace\n");
        assert_blocker(&rig, "session", ERROR_ALREADY_RUNNING, "Session 3 is capturing, and that is it; end it with \"stop\".");
        /* What the session does to the tracer is nobody's fault. */
        f = look(&rig);
        cr_expect_null(find(&f, "tracer"));
        error_done(&rig.busy);
}

Test(preflight, what_can_be_forced) {
        static const struct {
                const char *path, *text, *id;
                bool forcible;
        } cases[] = {
                { "tracing/current_tracer", "function\n", "tracer", true },
                { "tracing/current_tracer", "mmiotrace\n", "tracer", false },
                { "sys/kernel/realtime", "1\n", "realtime", true },
                { "proc/cmdline", "mmiotrace.nommiotrace\n", "nommiotrace", true },
                { "tracing/available_tracers", "nop\n", "kernel-support", false },
        };

        for (size_t i = 0; i < ELEMENTS(cases); i++) {
                _cleanup_rig_ Rig rig;

                rig_make(&rig);
                fake_file(&rig.machine.tree, cases[i].path, cases[i].text);
                cr_expect_eq(is_forcible(&rig, cases[i].id), cases[i].forcible, "%s", cases[i].id);
        }
}

Test(preflight, preemption_of_the_build) {
        _cleanup_rig_ Rig rig;

        rig_make(&rig);
        fake_file(&rig.machine.tree, "proc/cmdline", "quiet\n");
        fake_file(&rig.machine.tree, rig.config, "# A comment\nCONFIG_PREEMPT_VOLUNTARY=y\n# CONFIG_PREEMPT is not set\n");
        assert_note(&rig, "preemption", "preempt=voluntary");
        fake_file(&rig.machine.tree, rig.config, "# A comment\nCONFIG_PREEMPT=y\n");
        assert_ok(&rig, "preemption", "preempts itself");
        /* Closer to what is. */
        fake_file(&rig.machine.tree, "proc/cmdline", "preempt=none\n");
        assert_note(&rig, "preemption", "preempt=none");
        fake_file(&rig.machine.tree, "sys/kernel/debug/sched/preempt", "none voluntary (full)\n");
        assert_ok(&rig, "preemption", "preempts itself");
}

Test(preflight, cpus) {
        _cleanup_rig_ Rig rig;

        rig_make(&rig);
        fake_file(&rig.machine.tree, "sys/devices/system/cpu/online", "0-3,6\n");
        fake_file(&rig.machine.tree, "sys/devices/system/cpu/hotplug/states", "");
        fake_file(&rig.machine.tree, "sys/devices/system/cpu/cpu1/online", "1\n");
        fake_file(&rig.machine.tree, "sys/devices/system/cpu/cpu2/online", "1\n");
        fake_file(&rig.machine.tree, "sys/devices/system/cpu/cpu3/online", "1\n");
        assert_note(&rig, "cpus", "CPU 0 will record, and 1-3,6 will be offline");
        assert_warning(&rig, "cpus-stay", "CPU 6 cannot");
        fake_file(&rig.machine.tree, "sys/devices/system/cpu/cpu6/online", "1\n");
        assert_ok(&rig, "cpus-stay", "");
        /* The last one that is not isolated stays for everything else. */
        fake_file(&rig.machine.tree, "sys/devices/system/cpu/isolated", "0,6\n");
        assert_warning(&rig, "cpus-stay", "CPU 3 cannot");
        fake_file(&rig.machine.tree, "sys/devices/system/cpu/isolated", "1-6\n");
        assert_ok(&rig, "cpus-stay", "");
        fake_remove(&rig.machine.tree, "sys/devices/system/cpu/hotplug");
        assert_warning(&rig, "cpus-stay", "CPU 1-3,6 cannot");
}

/* A machine with CPUs that are off: on purpose, or because a script left them so. */
Test(preflight, cpus_offline) {
        static const struct {
                const char *present, *online, *cmdline, *smt;   /* smt: NULL, the kernel does not know it */
                FindingLevel level;
                const char *part;
        } cases[] = {
                { "0-3", "0-3", "quiet", "on", FINDING_OK, "All CPUs that this machine has are online" },
                { "0-3", "0", "quiet", "on", FINDING_WARNING, "CPU 1-3 are offline, and the kernel's command line does not ask" },
                { "0-3", "0", "quiet", "notsupported", FINDING_WARNING, "\"mmiotracectl recover\" brings back all of them" },
                { "0-3", "0-1,3", "quiet", NULL, FINDING_WARNING, "CPU 2 is offline" },
                { "0-3", "0", "maxcpus=1", "on", FINDING_OK, "No CPU is offline but 1-3 (maxcpus=)" },
                { "0-3", "0", "maxcpus=2", "on", FINDING_WARNING, "CPU 1 is offline" },
                { "0-3", "0", "maxcpus=4", "on", FINDING_WARNING, "CPU 1-3 are offline" },
                { "0-3", "0", "maxcpus=many", "on", FINDING_WARNING, "CPU 1-3 are offline" },
                /* These leave no more CPUs present. */
                { "0", "0", "nr_cpus=1", "notsupported", FINDING_OK, "All CPUs" },
                { "0", "0", "maxcpus=0", "notsupported", FINDING_OK, "All CPUs" },
                { "0-7", "0-3", "nosmt", "off", FINDING_OK, "No CPU is offline but 4-7 (SMT is off)" },
                { "0-7", "0,2,4,6", "nosmt=force", "forceoff", FINDING_OK, "1,3,5,7 (SMT is off)" },
                { "0-7", "0", "nosmt", "off", FINDING_WARNING, "CPU 1-7 are offline, and the kernel's command line does not ask for that, "
                  "and that SMT is off explains half of it at the most" },
                { "0-7", "0-1", "maxcpus=4", "off", FINDING_OK, "No CPU is offline but 4-7 (maxcpus=) and 2-3 (SMT is off)" },
                { NULL, "0", "quiet", "on", FINDING_NOTE, "is not known" },
        };

        for (size_t i = 0; i < ELEMENTS(cases); i++) {
                _cleanup_rig_ Rig rig;

                rig_make(&rig);
                if (cases[i].present)
                        fake_file(&rig.machine.tree, "sys/devices/system/cpu/present", cases[i].present);
                else
                        fake_remove(&rig.machine.tree, "sys/devices/system/cpu/present");
                fake_file(&rig.machine.tree, "sys/devices/system/cpu/online", cases[i].online);
                fake_file(&rig.machine.tree, "proc/cmdline", cases[i].cmdline);
                if (cases[i].smt)
                        fake_file(&rig.machine.tree, "sys/devices/system/cpu/smt/control", cases[i].smt);
                assert_finding(&rig, "cpus-offline", cases[i].level, ERROR_NONE, cases[i].part);
                /* Whatever is online, it is said whether that can go. */
                if (streq(cases[i].online, "0"))
                        assert_ok(&rig, "cpus-stay", "No other CPU is online");
        }
}

/* They are off because it traces. */
Test(preflight, cpus_offline_for_a_session) {
        _cleanup_findings_ Findings f = {};
        _cleanup_rig_ Rig rig;

        rig_make(&rig);
        fake_file(&rig.machine.tree, "sys/devices/system/cpu/present", "0-3\n");
        (void) error_set(&rig.busy, ERROR_ALREADY_RUNNING, "Session 3 is capturing; end it with \"stop\".");
        f = look(&rig);
        cr_expect_null(find(&f, "cpus-offline"));
        error_done(&rig.busy);
}

Test(preflight, room) {
        _cleanup_free_ char *big = NULL, *path = NULL;
        _cleanup_rig_ Rig rig;

        rig_make(&rig);
        rig.options.buffer_bytes = 3072 * MIB;
        assert_blocker(&rig, "ring-memory", ERROR_NO_MEMORY, "3.0G");
        rig.options.buffer_bytes = 4 * KIB;
        assert_blocker(&rig, "ring-memory", ERROR_INVALID_ARGUMENTS, "64.0K");
        rig.options.buffer_bytes = 8 * MIB;
        assert_ok(&rig, "ring-memory", "8.0M");
        rig.options.buffer_bytes = 0;

        assert_ok(&rig, "disk-space", "There is room for 51");
        rig.options.n_expected = 20000000;
        assert_warning(&rig, "disk-space", "20000000 events take");
        rig.options.n_expected = 1000;
        assert_ok(&rig, "disk-space", "");
        rig.context.config.storage.max_use.bytes = 1 * MIB;
        assert_blocker(&rig, "disk-space", ERROR_NO_SPACE, "MaxUse=");
        /* A start removes what it may, to make room. */
        big = calloc(1, 20 * MIB);
        cr_assert_not_null(big);
        path = below(rig.machine.tree.root, "archive");
        write_bytes(path, big, 20 * MIB);
        rig.context.config.storage.max_use.bytes = 30 * MIB;
        assert_blocker(&rig, "disk-space", ERROR_NO_SPACE, "MaxUse=");
        rig.spare_bytes = 20 * MIB;
        assert_note(&rig, "disk-space", "a start removes the others");
}

Test(preflight, driver) {
        _cleanup_rig_ Rig rig;

        rig_make(&rig);
        rig_add_driver(&rig);
        assert_ok(&rig, "driver", "e1000e is known, version 3.2.6-k");
        rig.options.driver = (char *) "nosuchdriver";
        assert_blocker(&rig, "driver", ERROR_NO_SUCH_DRIVER, "called \"nosuchdriver\" on this kernel");
        rig.options.driver = (char *) "../e1000e";
        assert_blocker(&rig, "driver", ERROR_INVALID_ARGUMENTS, "not the name of a driver");
        rig.options.driver = (char *) "e1000e";
        fake_remove(&rig.machine.tree, "sys/bus/pci/devices/" DEVICE);
        assert_warning(&rig, "driver-devices", "no PCI device that e1000e is known to drive");
}

static void bind_driver(const Rig *rig) {
        fake_module_entry(&rig->machine.tree, "e1000e", "3.2.6-k\n");
        fake_pci_driver(&rig->machine.tree, "e1000e", "e1000e");
        fake_pci_bind(&rig->machine.tree, DEVICE, "e1000e");
        fake_file(&rig->machine.tree, "proc/self/mountinfo", "22 1 0:20 / / rw - rootfs rootfs rw\n");
}

Test(preflight, driver_that_is_bound) {
        _cleanup_rig_ Rig rig;

        rig_make(&rig);
        rig_add_driver(&rig);
        bind_driver(&rig);
        assert_blocker(&rig, "driver-bound", ERROR_DRIVER_BOUND, "unload it first (modprobe -r e1000e), or start with --rebind, "
                       "or insist with --force.");
        cr_expect(is_forcible(&rig, "driver-bound"));
        rig.options.load = true;
        assert_blocker(&rig, "driver-bound", ERROR_DRIVER_BOUND, "e1000e already drives " DEVICE);
        assert_blocker(&rig, "driver-loaded", ERROR_DRIVER_BOUND, "already loaded");
        cr_expect(is_forcible(&rig, "driver-loaded"));
        rig.options.load = false;
        rig.options.rebind = true;
        assert_ok(&rig, "driver-bound", "drives " DEVICE);
        assert_ok(&rig, "driver-in-use", "");
        assert_ok(&rig, "other-driver", "");
}

/* All of them are named, as far as that is a sentence still. */
Test(preflight, devices_that_are_bound) {
        _cleanup_rig_ Rig rig;

        rig_make(&rig);
        rig_add_driver(&rig);
        bind_driver(&rig);
        for (unsigned i = 3; i < 7; i++) {
                char bdf[16];

                (void) snprintf(bdf, sizeof bdf, "0000:00:%02x.0", i);
                fake_pci_device(&rig.machine.tree, bdf, "8086:10d3", "020000");
                fake_pci_bind(&rig.machine.tree, bdf, "e1000e");
        }
        assert_blocker(&rig, "driver-bound", ERROR_DRIVER_BOUND,
                       "drives 0000:00:02.0, 0000:00:03.0, 0000:00:04.0, 0000:00:05.0, 0000:00:06.0: what");
        for (unsigned i = 7; i < 9; i++) {
                char bdf[16];

                (void) snprintf(bdf, sizeof bdf, "0000:00:%02x.0", i);
                fake_pci_device(&rig.machine.tree, bdf, "8086:10d3", "020000");
                fake_pci_bind(&rig.machine.tree, bdf, "e1000e");
        }
        assert_blocker(&rig, "driver-bound", ERROR_DRIVER_BOUND, "0000:00:06.0 and 2 more: what");
        rig.options.rebind = true;
        assert_ok(&rig, "driver-bound", "drives 0000:00:02.0, 0000:00:03.0, ");
}

/* On another bus than PCI a driver has its devices all the same. */
Test(preflight, driver_that_is_bound_elsewhere) {
        _cleanup_rig_ Rig rig;

        rig_make(&rig);
        fake_module_file(&rig.machine.tree, "gpio", "name=gpio\nalias=platform:gpio");
        if (!fake_depmod(&rig.machine.tree, "kernel/drivers/serial.ko\n", ""))
                cr_skip_test("depmod is missing");
        fake_module_entry(&rig.machine.tree, "gpio", NULL);
        rig.options.driver = (char *) "gpio";
        assert_ok(&rig, "driver-bound", "No device is bound");
        assert_warning(&rig, "driver-devices", "no PCI device");
        assert_note(&rig, "driver-loaded", "already loaded");
        fake_bus_bind(&rig.machine.tree, "platform", "gpio-keys.1", "gpio-keys", "gpio");
        fake_bus_bind(&rig.machine.tree, "acpi", "INT34C5:00", "gpio-acpi", "gpio");
        assert_blocker(&rig, "driver-bound", ERROR_DRIVER_BOUND,
                       "gpio already drives INT34C5:00 (acpi), gpio-keys.1 (platform): what it has mapped cannot be traced any more; unload it "
                       "first (modprobe -r gpio)");
        cr_expect(is_forcible(&rig, "driver-bound"));
        assert_note(&rig, "driver-devices", "gpio has no device on the PCI bus, but INT34C5:00 (acpi), gpio-keys.1 (platform)");
        rig.options.rebind = true;
        assert_blocker(&rig, "driver-bound", ERROR_DRIVER_NOT_BOUND, "start without --rebind");
        rig.options.rebind = false;
        fake_bus_bind(&rig.machine.tree, "platform", "serial.0", "serial", NULL);
        rig.options.driver = (char *) "serial";
        assert_blocker(&rig, "driver-bound", ERROR_DRIVER_BOUND, "serial already drives serial.0 (platform)");
}

Test(preflight, driver_that_is_in_use) {
        _cleanup_rig_ Rig rig;

        rig_make(&rig);
        rig_add_driver(&rig);
        bind_driver(&rig);
        rig.options.rebind = true;
        fake_file(&rig.machine.tree, DEVICE_DIR "/block/sda/dev", "8:0\n");
        fake_link(&rig.machine.tree, "sys/dev/block/8:0", DEVICE_DIR "/block/sda");
        fake_file(&rig.machine.tree, "proc/self/mountinfo", "22 1 8:0 / /home rw - ext4 /dev/sda rw\n");
        assert_blocker(&rig, "driver-in-use", ERROR_DEVICE_IN_USE, "\"/home\", which would be gone");
        cr_expect_not(is_forcible(&rig, "driver-in-use"));
}

Test(preflight, driver_that_is_not_bound) {
        _cleanup_rig_ Rig rig;

        rig_make(&rig);
        rig_add_driver(&rig);
        rig.options.rebind = true;
        assert_blocker(&rig, "driver-bound", ERROR_DRIVER_NOT_BOUND, "nothing to rebind; start with --load");
        rig.options.rebind = false;
        rig.options.load = true;
        assert_ok(&rig, "driver-bound", "");
        assert_ok(&rig, "driver-loaded", "is not loaded");
        rig.options.load = false;
        fake_module_entry(&rig.machine.tree, "e1000e", NULL);
        assert_note(&rig, "driver-loaded", "already loaded");
}

Test(preflight, driver_that_is_built_in) {
        _cleanup_rig_ Rig rig;

        rig_make(&rig);
        fake_pci_device(&rig.machine.tree, DEVICE, "8086:10d3", "020000");
        if (!fake_depmod(&rig.machine.tree, "kernel/drivers/e1000e.ko\n", "e1000e.alias=pci:v00008086d000010D3sv*sd*bc*sc*i*\n"))
                cr_skip_test("depmod is missing");
        rig.options.driver = (char *) "e1000e";
        assert_note(&rig, "driver-built-in", "built into this kernel");
        rig.options.load = true;
        assert_blocker(&rig, "driver-built-in", ERROR_LOAD_FAILED, "cannot be loaded; bind a device to it");
        rig.options.load = false;
        fake_pci_driver(&rig.machine.tree, "e1000e", NULL);
        fake_pci_bind(&rig.machine.tree, DEVICE, "e1000e");
        assert_blocker(&rig, "driver-bound", ERROR_DRIVER_BOUND, "start with --rebind, or insist with --force.");
}

Test(preflight, blacklists) {
        _cleanup_rig_ Rig rig;

        rig_make(&rig);
        rig_add_driver(&rig);
        assert_ok(&rig, "driver-blacklisted", "not blacklisted");
        fake_file(&rig.machine.tree, "proc/cmdline", "modprobe.blacklist=a,e1000e\n");
        assert_note(&rig, "driver-blacklisted", "on the kernel's command line");
        rig.options.load = true;
        assert_ok(&rig, "driver-blacklisted", "on the kernel's command line");
        fake_file(&rig.machine.tree, "proc/cmdline", "module_blacklist=e1000e\n");
        assert_blocker(&rig, "driver-blacklisted", ERROR_LOAD_FAILED, "modprobe.blacklist=e1000e");
        rig.options.load = false;
        assert_warning(&rig, "driver-blacklisted", "modprobe.blacklist=e1000e");
}

Test(preflight, initramfs) {
        _cleanup_findings_ Findings f = {};
        _cleanup_rig_ Rig rig;

        rig_make(&rig);
        rig_add_driver(&rig);
        assert_ok(&rig, "driver-initramfs", "e1000e is in no initramfs that this machine");
        script(&rig, "#!/bin/sh\necho usr/lib/modules/6.1/e1000e.ko\n");
        assert_note(&rig, "driver-initramfs", "boot with modprobe.blacklist=e1000e");
        /* After an upgrade, the next boot is not that of this kernel. */
        script(&rig, "#!/bin/sh\ncase $1 in *99.1*) echo usr/lib/modules/99.1/e1000e.ko ;; *) echo none ;; esac\n");
        assert_ok(&rig, "driver-initramfs", "in no initramfs");
        fake_file(&rig.machine.tree, "boot/initrd.img-99.1", "");
        fake_file(&rig.machine.tree, "boot/vmlinuz-99.1", "");
        assert_note(&rig, "driver-initramfs", "e1000e is in the initramfs (initrd.img-99.1), and may be loaded");
        fake_file(&rig.machine.tree, "proc/cmdline", "modprobe.blacklist=e1000e\n");
        assert_ok(&rig, "driver-initramfs", "keeps it from being loaded");
        /* It takes seconds, and a session begins all the same. */
        rig.start = true;
        f = look(&rig);
        cr_expect_null(find(&f, "driver-initramfs"));
        rig.start = false;
        rig.context.lsinitramfs = NULL;
        assert_note(&rig, "driver-initramfs", "is not known: It takes lsinitramfs");
}

Test(preflight, other_driver) {
        _cleanup_rig_ Rig rig;

        rig_make(&rig);
        rig_add_driver(&rig);
        fake_pci_driver(&rig.machine.tree, "vfio-pci", "vfio_pci");
        fake_pci_bind(&rig.machine.tree, DEVICE, "vfio-pci");
        assert_warning(&rig, "other-driver", DEVICE " (vfio-pci); take it off");
        rig.options.load = true;
        assert_blocker(&rig, "other-driver", ERROR_DRIVER_BOUND, "echo " DEVICE " > /sys/bus/pci/drivers/vfio-pci/unbind");
        cr_expect(is_forcible(&rig, "other-driver"));
        /* Each with what takes it off. */
        fake_pci_device(&rig.machine.tree, "0000:00:03.0", "8086:10d3", "020000");
        fake_pci_driver(&rig.machine.tree, "pci-stub", "pci_stub");
        fake_pci_bind(&rig.machine.tree, "0000:00:03.0", "pci-stub");
        assert_blocker(&rig, "other-driver", ERROR_DRIVER_BOUND,
                       DEVICE " (vfio-pci), 0000:00:03.0 (pci-stub); take them off first (\"echo " DEVICE
                       " > /sys/bus/pci/drivers/vfio-pci/unbind\", \"echo 0000:00:03.0 > /sys/bus/pci/drivers/pci-stub/unbind\")");
        /* One that is free is enough for loading it to have an effect. */
        fake_remove(&rig.machine.tree, "sys/devices/pci0000:00/0000:00:03.0/driver");
        assert_warning(&rig, "other-driver", DEVICE " (vfio-pci); take it off");
}

Test(preflight, bars) {
        static const struct {
                const char *resource, *cmdline;
                const char *id, *part;          /* NULL: all is well */
        } cases[] = {
                { "0x0 0x0 0x0\n", "", "bars-without-memory", "configuration space" },
                { "0x000000000000c000 0x000000000000c01f 0x0000000000040101\n", "", "bars-without-memory", "lspci -v" },
                { "0x00000000feb80100 0x00000000feb801ff 0x0000000000040200\n", "", "bars-unaligned", "middle of a page" },
                { "0x0000000000000000 0x0000000000000000 0x0000000000000000\n"
                  "0x0000004000000000 0x000000403fffffff 0x000000000014220c\n", "", "bars-large", "boot with nohugeiomap" },
                { "0x0000004000000000 0x000000401fffffff 0x000000000014220c\n", "", NULL, NULL },
                { "0x0000004000000000 0x000000401fffffff 0x000000000014220c\n", "nohugeiomap", "bars-large", "can freeze" },
                { "0x0000004000000000 0x000000400fffffff 0x000000000014220c\n", "nohugeiomap", NULL, NULL },
                /* Behind the BARs: the ROM, and windows of a bridge. */
                { "0x00000000feb80000 0x00000000feb9ffff 0x0000000000040200\n0 0 0\n0 0 0\n0 0 0\n0 0 0\n0 0 0\n"
                  "0x00000000feb80100 0x00000000ffffffff 0x0000000000040200\n", "", NULL, NULL },
        };
        static const char *const ids[] = { "bars-without-memory", "bars-unaligned", "bars-large" };

        for (size_t i = 0; i < ELEMENTS(cases); i++) {
                _cleanup_rig_ Rig rig;

                rig_make(&rig);
                rig_add_driver(&rig);
                fake_file(&rig.machine.tree, "proc/cmdline", cases[i].cmdline);
                fake_file(&rig.machine.tree, DEVICE_DIR "/resource", cases[i].resource);
                for (size_t j = 0; j < ELEMENTS(ids); j++)
                        if (cases[i].id && streq(ids[j], cases[i].id))
                                assert_warning(&rig, ids[j], cases[i].part);
                        else
                                assert_ok(&rig, ids[j], "");
        }
}

/* Whether a firmware does the work is a matter of the GPU, not only of the module, which drives old ones, too. */
Test(preflight, gpu_firmware) {
        static const struct {
                const char *driver, *ids, *cmdline;
                FindingLevel level;
                const char *part;
        } cases[] = {
                { "nouveau", "10de:0a65", "", FINDING_OK, "not known" },                /* Tesla */
                { "nouveau", "10de:1c82", "", FINDING_OK, "not known" },                /* Pascal */
                { "nvidia", "10de:1c82", "", FINDING_OK, "not known" },
                { "nvidia", "10de:1d81", "", FINDING_OK, "not known" },                 /* Volta */
                { "nvidia", "10de:1df6", "", FINDING_OK, "not known" },
                { "nvidia", "10de:1e02", "", FINDING_WARNING, "nvidia may have a firmware on the GPU " DEVICE },  /* Turing */
                { "nvidia", "10de:1f02", "", FINDING_WARNING, "open variant always does" },
                { "nvidia", "10de:2184", "", FINDING_WARNING, "NVreg_EnableGpuFirmware=0" },
                { "nvidia", "10de:2204", "", FINDING_WARNING, "nvidia may have a firmware on the GPU " DEVICE },  /* Ampere */
                { "nouveau", "10de:2184", "", FINDING_NOTE, "only with NvGspRm=1" },
                { "nouveau", "10de:2204", "", FINDING_NOTE, "only with NvGspRm=1" },
                { "nouveau", "10de:2204", "nouveau.config=NvGspRm=1", FINDING_WARNING, "boot without that argument" },
                { "nouveau", "10de:1c82", "nouveau.config=NvGspRm=1", FINDING_OK, "not known" },
                { "nouveau", "10de:2684", "", FINDING_WARNING, "from Ada on" },
                { "nouveau", "10de:2331", "", FINDING_WARNING, "from Ada on" },          /* Hopper */
                { "i915", "8086:0102", "", FINDING_OK, "not known" },                   /* Sandy Bridge */
                { "i915", "8086:22b0", "", FINDING_OK, "not known" },                   /* Cherry View */
                { "i915", "8086:1912", "", FINDING_NOTE, "from Alder Lake on" },        /* Skylake */
                { "i915", "8086:0a84", "", FINDING_NOTE, "from Alder Lake on" },        /* Broxton */
                { "i915", "8086:1912", "i915.enable_guc=3", FINDING_WARNING, "i915.enable_guc=0" },
                { "i915", "8086:46a6", "i915.enable_guc=0", FINDING_OK, "not known" },
                { "i915", "8086:46a6", "i915.enable_guc=2", FINDING_OK, "not known" },
                { "xe", "8086:e20b", "", FINDING_WARNING, "xe knows no other way" },
                { "simple", "10de:2204", "", FINDING_OK, "not known" },
        };

        for (size_t i = 0; i < ELEMENTS(cases); i++) {
                _cleanup_rig_ Rig rig;

                rig_make(&rig);
                fake_pci_device(&rig.machine.tree, DEVICE, cases[i].ids, "030000");
                fake_module_file(&rig.machine.tree, "nvidia",
                                 "name=nvidia\nfirmware=nvidia/570.86/gsp_ga10x.bin\nalias=pci:v000010DEd*sv*sd*bc03sc00i*");
                fake_module_file(&rig.machine.tree, "nouveau",
                                 "name=nouveau\nfirmware=nvidia/ad107/gsp/gsp-535.113.01.bin\nalias=pci:v000010DEd*sv*sd*bc03sc*i*");
                fake_module_file(&rig.machine.tree, "i915",
                                 "name=i915\nfirmware=i915/skl_guc_70.1.1.bin\nalias=pci:v00008086d*sv*sd*bc03sc*i*");
                fake_module_file(&rig.machine.tree, "xe", "name=xe\nfirmware=xe/lnl_guc_70.bin\nalias=pci:v00008086d*sv*sd*bc03sc*i*");
                fake_module_file(&rig.machine.tree, "simple",
                                 "name=simple\nfirmware=simple/vbios.bin\nalias=pci:v000010DEd*sv*sd*bc03sc00i*");
                if (!fake_depmod(&rig.machine.tree, "", ""))
                        cr_skip_test("depmod is missing");
                fake_file(&rig.machine.tree, "proc/cmdline", cases[i].cmdline);
                rig.options.driver = (char *) cases[i].driver;
                assert_finding(&rig, "gpu-firmware", cases[i].level, ERROR_NONE, cases[i].part);
        }
}

/* Of several GPUs the one with the most trouble is named. */
Test(preflight, display) {
        _cleanup_rig_ Rig rig;

        rig_make(&rig);
        fake_pci_device(&rig.machine.tree, DEVICE, "10de:1c82", "030000");
        fake_pci_device(&rig.machine.tree, "0000:00:03.0", "10de:2204", "030200");
        fake_module_file(&rig.machine.tree, "nvidia",
                         "name=nvidia\nfirmware=nvidia/570.86/gsp_ga10x.bin\nalias=pci:v000010DEd*sv*sd*bc03sc*i*");
        if (!fake_depmod(&rig.machine.tree, "", ""))
                cr_skip_test("depmod is missing");
        rig.options.driver = (char *) "nvidia";
        assert_warning(&rig, "gpu-firmware", "on the GPU 0000:00:03.0 do much");
        assert_ok(&rig, "boot-framebuffer", "");
        fake_file(&rig.machine.tree, "sys/bus/platform/drivers/simple-framebuffer/simple-framebuffer.0", "");
        assert_note(&rig, "boot-framebuffer", "(simple-framebuffer.0)");
}

static void assert_argument(const char *cmdline, const char *name, const char *expected) {
        _cleanup_free_ char *value = NULL;

        cr_expect_eq(boot_argument_get(cmdline, name, &value), expected != NULL, "%s in %s", name, cmdline);
        cr_expect(streq_ptr(value, expected), "%s in %s: %s", name, cmdline, strempty(value));
}

Test(finding, boot_arguments) {
        assert_argument("a b=1 c", "a", "");
        assert_argument("a b=1 c", "b", "1");
        assert_argument("a b=1 c\n", "c", "");
        assert_argument("a b=1 c", "d", NULL);
        assert_argument("ab b", "a", NULL);
        assert_argument("b=1 b=2", "b", "2");
        assert_argument("b=1 b", "b", "");
        assert_argument("trace-pc=1", "trace_pc", "1");
        assert_argument("a=\"b c=1\" d=2", "c", NULL);
        assert_argument("a=\"b c=1\" d=2", "a", "b c=1");
        assert_argument("\"a=b c\" d", "a", "b c");
        assert_argument("a=b=c", "a", "b=c");
        assert_argument("", "a", NULL);
        assert_argument("  ", "a", NULL);
        cr_expect_eq(boot_argument_lists("x=a,b x=c", "x", "a"), 1);
        cr_expect_eq(boot_argument_lists("x=a,b x=c", "x", "c"), 1);
        cr_expect_eq(boot_argument_lists("x=a,b_c", "x", "b-c"), 1);
        cr_expect_eq(boot_argument_lists("x=a,b", "x", "ab"), 0);
        cr_expect_eq(boot_argument_lists("x", "x", ""), 0);
        cr_expect_eq(boot_argument_lists("y=a", "x", "a"), 0);
        cr_expect(boot_argument_is_true("") && boot_argument_is_true("1") && boot_argument_is_true("Y") && boot_argument_is_true("on"));
        cr_expect_not(boot_argument_is_true("0") || boot_argument_is_true("n") || boot_argument_is_true("off"));
}

Test(finding, sentences) {
        static const struct {
                const char *error, *found, *to_do;
        } cases[] = {
                { "It is so; do that.", "It is so", "do that" },
                { "It is; so; do that.", "It is; so", "do that" },
                { "It is so.", "It is so", "" },
                { "It is so: No such file", "It is so: No such file", "" },
                { "", "", "" },
        };
        _cleanup_findings_ Findings f = {};

        for (size_t i = 0; i < ELEMENTS(cases); i++)
                findings_block_error(&f, "a", false, &(Error) { ERROR_KERNEL, (char *) cases[i].error });
        findings_add(&f, "b", FINDING_NOTE, "%s is\nso", "it");
        cr_assert_eq(f.r, 0);
        cr_assert_eq(f.n_findings, ELEMENTS(cases) + 1);
        for (size_t i = 0; i < ELEMENTS(cases); i++) {
                cr_expect_str_eq(f.findings[i].found, cases[i].found);
                cr_expect_str_eq(f.findings[i].to_do, cases[i].to_do);
                cr_expect_eq(f.findings[i].code, ERROR_KERNEL);
        }
        for (size_t i = 0; i <= ELEMENTS(cases); i += ELEMENTS(cases)) {
                _cleanup_free_ char *sentence = NULL, *found = NULL, *to_do = NULL;

                cr_assert_eq(finding_sentence(f.findings + i, &sentence), 0);
                cr_assert_eq(finding_cells(f.findings + i, &found, &to_do), 0);
                cr_expect_str_eq(sentence, i == 0 ? "It is so; do that." : "it is; so.");
                cr_expect_str_eq(found, i == 0 ? "It is so." : "it is.");
                cr_expect_str_eq(to_do, i == 0 ? "Do that." : "So.");
        }
        cr_expect_eq(findings_worst(&f), FINDING_BLOCKER);
}
