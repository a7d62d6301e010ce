/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "kernel-watch.h"
#include "test-util.h"

static KernelWatch *watch;
static char **told;

static void on_warning(const char *text, void *userdata) {
        cr_assert_eq(strv_extend(&told, text), 0);
}

static void make(char *const *names) {
        cr_assert_eq(kernel_watch_new(names, on_warning, NULL, &watch), 0);
}

static void teardown(void) {
        watch = kernel_watch_free(watch);
        strv_free(told);
        test_done();
}

TestSuite(kernel_watch, .fini = teardown);

static void say(uint64_t stamp_usec, const char *text) {
        cr_assert_eq(kernel_watch_message(watch, &(KernelMessage) {
                        .stamp_usec = stamp_usec,
                        .text = text,
                        .text_bytes = strlen(text),
        }), 0);
}

static void assert_told(size_t i, const char *expected) {
        cr_assert_gt(strv_length(told), i, "There is no warning \"%s\"", expected);
        cr_assert_str_eq(told[i], expected);
}

static char *e1000e[] = { (char *) "e1000e", (char *) "0000:00:01.0", NULL };

/* What 6.1 says of an access over the border of two traced pages: one thing that happened, and why. */
Test(kernel_watch, one_oops_is_one_warning) {
        make(e1000e);
        say(38000001, "mmiotrace: recursive probe hit on CPU 0, for address 0xffffc90000124000. Ignoring.");
        say(38000002, "mmiotrace: previous hit was at 0xffffc90000123ffe.");
        say(38000003, "BUG: unable to handle page fault for address: ffffc90000123ffe");
        say(38000004, "#PF: supervisor write access in kernel mode");
        say(38000005, "Oops: 0002 [#1] PREEMPT SMP NOPTI");
        say(38000006, "CPU: 0 PID: 412 Comm: bash Tainted: G           OE      6.1.0-42-amd64 #1");
        say(38000007, "---[ end trace 0000000000000000 ]---");
        cr_assert_eq(strv_length(told), 3);
        assert_told(0, "A driver made an access that mmiotrace cannot trace, to two of its pages at once, and died of it at "
                       "38.000001: mmiotrace: recursive probe hit on CPU 0, for address 0xffffc90000124000. Ignoring.");
        assert_told(1, "The kernel oopsed at 38.000003: BUG: unable to handle page fault for address: ffffc90000123ffe");
        cr_assert(startswith(told[2], "With an oops the kernel stops recording"));
        /* The next one is another. */
        say(40000000, "Oops: general protection fault, probably for non-canonical address 0xdead: 0000 [#2] PREEMPT SMP NOPTI");
        cr_assert_eq(strv_length(told), 4);
        assert_told(3, "The kernel oopsed at 40.000000: Oops: general protection fault, probably for non-canonical address 0xdead: "
                       "0000 [#2] PREEMPT SMP NOPTI");
}

Test(kernel_watch, trouble_of_every_kind) {
        static const struct {
                const char *text, *told;
        } cases[] = {
                { "BUG: kernel NULL pointer dereference, address: 0000000000000010", "The kernel oopsed" },
                { "kernel BUG at drivers/net/ethernet/intel/e1000e/netdev.c:1!", "The kernel oopsed" },
                { "general protection fault, probably for non-canonical address 0xdead: 0000 [#1]", "With an oops" },
                { "divide error: 0000 [#12] PREEMPT SMP NOPTI", "With an oops" },
                { "BUG: scheduling while atomic: modprobe/77/0x00000002", "The kernel oopsed" },
                { "watchdog: BUG: soft lockup - CPU#0 stuck for 26s! [modprobe:77]", "A CPU was locked up" },
                { "NMI watchdog: Watchdog detected hard LOCKUP on cpu 0", "A CPU was locked up" },
                { "rcu: INFO: rcu_preempt self-detected stall on CPU", "RCU stalled" },
                { "rcu: INFO: rcu_sched detected stalls on CPUs/tasks:", "RCU stalled" },
                { "rcu: INFO: rcu_preempt detected expedited stalls on CPUs/tasks: { 0-... }", "RCU stalled" },
                { "INFO: task kworker/0:1:12 blocked for more than 120 seconds.", "A task was stuck" },
                { "i915 0000:00:02.0: [drm] GPU HANG: ecode 9:1:85dffffb, in glxgears [1234]", "A device hung" },
                { "amdgpu 0000:03:00.0: amdgpu: GPU reset begin!", "A device hung" },
                { "[drm:amdgpu_job_timedout [amdgpu]] *ERROR* ring gfx timeout, signaled seq=1, emitted seq=2", "A device hung" },
                { "radeon 0000:01:00.0: ring 0 stalled for more than 10000msec", "A device hung" },
                { "nouveau 0000:01:00.0: fifo: SCHED_ERROR 0a [CTXSW_TIMEOUT]", "A device hung" },
                { "NVRM: Xid (PCI:0000:01:00): 79, pid=77, GPU has fallen off the bus.", "A device hung" },
                { "e1000e 0000:00:01.0 eth0: Detected Hardware Unit Hang:", "A device hung" },
                { "e1000e 0000:00:01.0: enabling device (0000 -> 0002)", NULL },
                { "mmiotrace: enabled.", NULL },
                { "mmiotrace: Disabling non-boot CPUs...", NULL },
                { "mmiotrace: CPU1 is down.", NULL },
                { "mmiotrace: enabled CPU1.", NULL },
                { "mmiotrace: cannot re-enable CPU1: 1", NULL },
                { "mmiotrace: purging non-iounmapped trace @0xfeb80000, size 0x20000.", NULL },
                { "DEBUG: nothing", "The kernel oopsed" },      /* a word too many is better than one too few */
        };

        make(e1000e);
        for (size_t i = 0; i < ELEMENTS(cases); i++) {
                kernel_watch_free(watch);
                strv_free(TAKE_PTR(told));
                make(e1000e);
                say(1000000, cases[i].text);
                cr_assert_eq(!!told, cases[i].told != NULL, "%s", cases[i].text);
                cr_assert(!cases[i].told || startswith(told[0], cases[i].told), "%s", told[0]);
        }
}

/* In the words of arch/x86/mm/kmmio.c and mmio-mod.c, as 6.1 and 6.12 have them, with what they mean. */
Test(kernel_watch, what_mmiotrace_says) {
        static const struct {
                const char *text, *begin, *part;
        } cases[] = {
                { "mmiotrace: kmalloc failed in ioremap",
                  "mmiotrace could not record a mapping at 1.000000 (mmiotrace: kmalloc failed in ioremap): memory was short", "capture again." },
                { "mmiotrace: unexpected page level 0x3.",
                  "mmiotrace could not watch a page of a mapping at 1.000000 (mmiotrace: unexpected page level 0x3.): ", "nohugeiomap" },
                { "mmiotrace: arming at 0xffffc90040000000 failed.", "mmiotrace could not watch a page of a mapping at ", "nohugeiomap" },
                { "mmiotrace: Unable to set page fault.", "mmiotrace could not watch a page of a mapping at ", "not in the trace" },
                { "mmiotrace: unexpected debug trap on CPU 0.", "mmiotrace met a debug trap that is not its own at ", "gdb" },
                { "mmiotrace: unexpected secondary hit for address 0xffffc90000124000 on CPU 0.",
                  "A driver accessed a page that is not there, in a mapping that is watched at ", "oops" },
                { "mmiotrace: Error taking CPU1 down: -16",
                  "A CPU could not be taken offline at 1.000000 (mmiotrace: Error taking CPU1 down: -16): it is busy, ", "maxcpus=1" },
                { "mmiotrace: Error taking CPU1 down: -28", "A CPU could not be taken offline at ", ": the other CPUs have no interrupt vectors" },
                { "mmiotrace: Error taking CPU1 down: -1", "A CPU could not be taken offline at ", ": it is not one that can be taken offline" },
                { "mmiotrace: Error taking CPU1 down: -95", "A CPU could not be taken offline at ", "confidential guest" },
                { "mmiotrace: Error taking CPU1 down: -5", "A CPU could not be taken offline at ", ": Input/output error: " },
                { "mmiotrace: cannot re-enable CPU12: -5", "A CPU did not come back online at 1.000000 (mmiotrace: cannot re-enable CPU12: -5): "
                  "Input/output error: ", "mmiotracectl recover" },
                { "mmiotrace: multiple CPUs still online, may miss events.", "More than one CPU stayed online at ", "boot with maxcpus=1." },
        };

        for (size_t i = 0; i < ELEMENTS(cases); i++) {
                make(e1000e);
                say(1000000, cases[i].text);
                cr_assert_eq(strv_length(told), 1, "%s", cases[i].text);
                cr_expect(startswith(told[0], cases[i].begin), "%s", told[0]);
                cr_expect(strstr(told[0], cases[i].part), "%s", told[0]);
                cr_expect(told[0][strlen(told[0]) - 1] == '.', "%s", told[0]);
                kernel_watch_free(watch);
                strv_free(TAKE_PTR(told));
        }
        make(NULL);
}

/* One page that cannot be watched is told once, whatever else is said of it; each CPU is one of its own. */
Test(kernel_watch, what_mmiotrace_says_at_once) {
        make(NULL);
        say(1000000, "mmiotrace: unexpected page level 0x3.");
        say(1000001, "------------[ cut here ]------------");
        say(1000002, "mmiotrace: arming at 0xffffc90040000000 failed.");
        say(1000003, "WARNING: CPU: 0 PID: 77 at arch/x86/mm/kmmio.c:211 arm_kmmio_fault_page+0x8e/0xa0");
        say(1000004, "mmiotrace: Unable to set page fault.");
        cr_assert_eq(strv_length(told), 1);
        say(2000000, "mmiotrace: Error taking CPU1 down: -16");
        say(2040000, "mmiotrace: Error taking CPU2 down: -28");
        say(2040001, "mmiotrace: multiple CPUs still online, may miss events.");
        cr_assert_eq(strv_length(told), 3);
        cr_assert(strstr(told[1], "CPU1") && strstr(told[2], "CPU2"));
        /* Another warning of that file counts. */
        say(9000000, "WARNING: CPU: 0 PID: 77 at arch/x86/mm/kmmio.c:208 arm_kmmio_fault_page+0x8e/0xa0");
        cr_assert_eq(strv_length(told), 4);
}

/* It counts if it is about the driver, where it happened or on whose behalf. That a module is loaded says nothing. */
Test(kernel_watch, warnings_are_the_drivers) {
        make(e1000e);
        say(1000000, "WARNING: CPU: 0 PID: 77 at drivers/net/x.c:1 e1000_probe+0x1/0x2 [e1000e]");
        assert_told(0, "The kernel warned at 1.000000: WARNING: CPU: 0 PID: 77 at drivers/net/x.c:1 e1000_probe+0x1/0x2 [e1000e]");
        say(2000000, "WARNING: CPU: 0 PID: 77 at kernel/irq/manage.c:1 free_irq+0x1/0x2");
        say(2000001, "Modules linked in: e1000e psmouse");
        say(2000002, " ? other_function+0x1/0x2 [psmouse]");
        say(2000003, "---[ end trace 0000000000000000 ]---");
        say(2000004, "e1000e 0000:00:01.0: just after it");
        cr_assert_eq(strv_length(told), 1);
        say(3000000, "WARNING: CPU: 0 PID: 77 at kernel/irq/manage.c:2 free_irq+0x1/0x2");
        say(3000001, "Modules linked in: psmouse");
        say(3000002, " e1000e_close+0x1/0x2 [e1000e]");
        say(3000003, " e1000e_more+0x1/0x2 [e1000e]");
        cr_assert_eq(strv_length(told), 2);
        assert_told(1, "The kernel warned at 3.000000: WARNING: CPU: 0 PID: 77 at kernel/irq/manage.c:2 free_irq+0x1/0x2");
        /* Without an end, it has one all the same. */
        say(5000000, "WARNING: CPU: 0 PID: 77 at kernel/irq/manage.c:3 free_irq+0x1/0x2");
        say(7000000, "e1000e 0000:00:01.0: much later");
        cr_assert_eq(strv_length(told), 2);
}

Test(kernel_watch, every_warning_where_no_driver_is_named) {
        make(NULL);
        say(2000000, "WARNING: CPU: 0 PID: 77 at kernel/irq/manage.c:1 free_irq+0x1/0x2");
        cr_assert_eq(strv_length(told), 1);
}

Test(kernel_watch, programs_do_not_count) {
        static const char text[] = "BUG: unable to handle page fault";

        make(NULL);
        cr_assert_eq(kernel_watch_message(watch, &(KernelMessage) { .by_program = true, .text = text, .text_bytes = strlen(text) }), 0);
        cr_assert_null(told);
}

/* A few of each kind; another kind is told all the same. */
Test(kernel_watch, limits) {
        make(NULL);
        for (uint64_t i = 1; i <= 1000; i++)
                say(i * 10 * USEC_PER_SEC, "e1000e 0000:00:01.0 eth0: Detected Hardware Unit Hang:");
        cr_assert_eq(strv_length(told), 6);
        assert_told(4, "A device hung at 50.000000: e1000e 0000:00:01.0 eth0: Detected Hardware Unit Hang:");
        assert_told(5, "A device hung again and again, from 60.000000 on; kernel.log has all of it.");
        say(99999000000, "BUG: something else");
        cr_assert_eq(strv_length(told), 7);
}

/* What a device has put into it must not reach a terminal, and a long one is cut. */
Test(kernel_watch, text_is_made_harmless) {
        _cleanup_free_ char *longer = calloc(1, 1001);

        make(NULL);
        say(1000000, "BUG: \x1b[31mred\nsecond line");
        assert_told(0, "The kernel oopsed at 1.000000: BUG: \\x1b[31mred");
        memset(longer, 'x', 1000);
        memcpy(longer, "GPU HANG", 8);
        say(2000000, longer);
        cr_assert_eq(strlen(told[1]), strlen("A device hung at 2.000000: ") + 200 + 3);
        cr_assert_null(kernel_watch_free(NULL));
}

Test(kernel_watch, from_the_journal) {
        _cleanup_free_ uint8_t *journal = NULL;
        size_t bytes;

        test_data_xz("journal/trouble.journal.xz", &journal, &bytes);
        (void) test_dir();
        test_file("trouble.journal", journal, bytes);
        make(e1000e);
        cr_assert_eq(kernel_watch_run(watch, test_dir_path, "44444444-4444-4444-4444-444444444444", 2000000, false), 0);
        cr_assert_eq(strv_length(told), 3);
        assert_told(0, "The kernel oopsed at 0.000000: BUG: unable to handle page fault for address: ffffc90000123ffe");
        assert_told(2, "A CPU was locked up at 7.000000: watchdog: BUG: soft lockup - CPU#0 stuck for 26s! [modprobe:77]");
        strv_free(TAKE_PTR(told));
        cr_assert_eq(kernel_watch_run(watch, test_dir_path, "11111111-1111-1111-1111-111111111111", 0, false), 0);
        cr_assert_null(told);
        cr_assert_lt(kernel_watch_run(watch, "/nonexistent", "11111111-1111-1111-1111-111111111111", 0, false), 0);
}
