/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The daemon, on a machine that is a folder (see machine.h). The daemon that is installed has no such door. */

#include <sys/stat.h>

#include "daemon.h"
#include "names.h"
#include "recover.h"

static char *below(const char *root, const char *name) {
        char *path;

        if (asprintf(&path, "%s/%s", root, name) < 0)
                abort();
        return path;
}

int main(int argc, char *argv[]) {
        int r;

        if (argc != 4 && argc != 5) {
                fputs("usage: test-daemon ROOT MODULE_DIR SEAL_PROGRAM [--recover]\n", stderr);
                return 2;
        }
        _cleanup_free_ char *tracing_dir = below(argv[1], "tracing"), *sys_root = below(argv[1], "sys"),
                            *proc_root = below(argv[1], "proc"), *state_dir = below(argv[1], "state"),
                            *runtime_dir = below(argv[1], "run"), *journal_dir = below(argv[1], "journal"),
                            *config_file = below(argv[1], "mmiotraced.conf");
        Config config = CONFIG_DEFAULT;

        umask(0077);
        (void) config_load(config_file, &config);
        const Context context = {
                .tracing_dir = tracing_dir,
                .sys_root = sys_root,
                .proc_root = proc_root,
                .module_dir = argv[2],
                .journal_dir = journal_dir,
                .state_dir = state_dir,
                .runtime_dir = runtime_dir,
                .seal_program = argv[3],
                .config = config,
        };
        r = argc == 5 ? recover_run(&context, false) : daemon_run(&context);
        return r < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}
