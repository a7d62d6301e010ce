/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The programs of doc/examples/, as they are. */

#include "fixture.h"
#include "tool.h"

static Fixture fixture;

static void setup(void) {
        fixture_make(&fixture);
}

static void teardown(void) {
        fixture_done(&fixture);
}

TestSuite(examples, .init = setup, .fini = teardown, .timeout = 120);

/* What it prints: run in an empty folder, with a command that must have run in between. */
static char *run(Fixture *f, const char *program) {
        char *output;

        daemon_start(f);
        machine_record(&f->machine);
        output = tool_output("mkdir -p %s/out && cd %s/out && PATH=$(dirname " CTL_PROGRAM "):$PATH " EXAMPLES_DIR "/%s touch ran",
                        f->machine.tree.root, f->machine.tree.root, program);
        cr_assert(machine_has(&f->machine, "out/ran"));
        wait_until_idle(f);
        assert_session(f, BUS_PATH_SESSION "/_1", "State", "sealed");
        return output;
}

static void assert_archive(Fixture *f) {
        free(tool_output("cd %s/out && tar -xJf mmiotrace-*.tar.xz && grep -q \"before touch\" metadata.json", f->machine.tree.root));
}

Test(examples, shell) {
        free(run(&fixture, "capture.sh"));
        assert_archive(&fixture);
}

Test(examples, python) {
        _cleanup_free_ char *output = run(&fixture, "capture.py");

        cr_assert(strstr(output, " events, 0 lost"), "%s", output);
        assert_archive(&fixture);
}

Test(examples, busctl) {
        _cleanup_free_ char *output = run(&fixture, "capture-busctl.sh");

        cr_assert(strstr(output, "State: s \"sealed\"\nResult: s \"success\"\nEvents: t "), "%s", output);
        cr_assert(strstr(output, "/sessions/1/archive.tar.xz\""), "%s", output);
}
