/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The daemon, on a machine that is a folder (see machine.h). The daemon that is installed has no such door. */

#include <fcntl.h>
#include <printf.h>
#include <stdarg.h>
#include <sys/stat.h>
#include <systemd/sd-journal.h>

#include "boot-steps.h"
#include "daemon.h"
#include "names.h"
#include "recover.h"

static char *below(const char *root, const char *name) {
        char *path;

        if (asprintf(&path, "%s/%s", root, name) < 0)
                abort();
        return path;
}

static int messages_fd = -EBADF;

/* One field of a message; what it takes of the arguments is gone then. */
static void print_field(FILE *out, const char *format, va_list *ap) {
        int types[16];
        va_list now;
        size_t n = parse_printf_format(format, ELEMENTS(types), types);

        va_copy(now, *ap);
        fputc(' ', out);
        vfprintf(out, format, now);
        va_end(now);
        for (size_t i = 0; i < n; i++)
                if ((types[i] & ~PA_FLAG_MASK) == PA_STRING || (types[i] & (PA_FLAG_PTR | PA_FLAG_LONG | PA_FLAG_LONG_LONG)))
                        (void) va_arg(*ap, uint64_t);
                else if ((types[i] & ~PA_FLAG_MASK) == PA_DOUBLE)
                        (void) va_arg(*ap, double);
                else
                        (void) va_arg(*ap, int);
}

/* Instead of the library's: nothing of a test goes into the journal, and a test can see what would. One line a message. */
int sd_journal_send_with_location(const char *file, const char *line, const char *func, const char *format, ...) {
        _cleanup_free_ char *text = NULL;
        size_t bytes;
        FILE *out = open_memstream(&text, &bytes);
        va_list ap;

        if (!out)
                return -ENOMEM;
        va_start(ap, format);
        for (; format; format = va_arg(ap, const char *))
                print_field(out, format, &ap);
        va_end(ap);
        fputc('\n', out);
        if (fclose(out) != 0)
                return -ENOMEM;
        /* In one piece, as workers do it, too. */
        return write(messages_fd, text, bytes) < 0 ? -errno : 0;
}

int main(int argc, char *argv[]) {
        bool boot = argc == 5 && streq(argv[4], "--boot");
        int r;

        if (argc != 4 && argc != 5) {
                fputs("usage: test-daemon ROOT MODULE_DIR SEAL_PROGRAM [--boot | --recover | --if-stopped]\n", stderr);
                return 2;
        }
        _cleanup_free_ char *tracing_dir = below(argv[1], "tracing"), *sys_root = below(argv[1], "sys"),
                            *proc_root = below(argv[1], "proc"), *state_dir = below(argv[1], "state"),
                            *runtime_dir = below(argv[1], "run"), *journal_dir = below(argv[1], "journal"), *pstore_dir = below(argv[1], "pstore"),
                            *config_dir = below(argv[1], "etc"), *config_file = below(argv[1], "mmiotraced.conf"),
                            *dropin_dir = below(argv[1], "mmiotraced.conf.d"),
                            *passwd_file = below(argv[1], "etc/passwd"),
                            *messages = below(argv[1], "messages"),
                            *upload_socket = below(argv[1], "upload.socket"), *module = NULL;
        const char *const dropin_dirs[] = { dropin_dir, NULL };
        Context context = {
                .tracing_dir = tracing_dir,
                .sys_root = sys_root,
                .proc_root = proc_root,
                .passwd_file = passwd_file,
                .module_dir = argv[2],
                .journal_dir = journal_dir,
                .pstore_dir = pstore_dir,
                .state_dir = state_dir,
                .runtime_dir = runtime_dir,
                .config_dir = config_dir,
                .seal_program = argv[3],
                .upload_socket = upload_socket,
                .config_places = { config_file, dropin_dirs },
                .config = CONFIG_DEFAULT,
        };
        _cleanup_error_ Error error = {};

        umask(0077);
        messages_fd = open(messages, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
        (void) config_load(&context.config_places, &context.config, &error);
        error_done(&error);

        if (boot) {
                r = boot_begin(&context, &module, &error);
                fprintf(stderr, "boot: %i %s\n", r, module ?: strempty(error.text));
        } else
                r = argc == 5 ? recover_run(&context, streq(argv[4], "--if-stopped") ? RECOVER_IF_STOPPED : RECOVER_NOW,
                                        getenv("SERVICE_RESULT"), getenv("EXIT_STATUS")) :
                                daemon_run(&context);
        config_done(&context.config);
        return r < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}
