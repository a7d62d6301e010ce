/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <getopt.h>
#include <sys/stat.h>

#include "boot-bus.h"
#include "daemon.h"
#include "introspect-bus.h"
#include "log.h"
#include "names.h"
#include "recover.h"
#include "util.h"

/* RestartPreventExitStatus= of the units that recover. */
#define EXIT_NEEDS_BOOT 3

static void help(void) {
        puts("mmiotraced [OPTION]\n"
             "\n"
             "Captures what drivers do to their hardware, with the kernel's mmiotrace tracer.\n"
             "It is started by systemd or D-Bus and controlled by mmiotracectl(1).\n"
             "\n"
             "     --boot         Begin the session that this boot was armed for, and exit\n"
             "     --recover      Do not run: end the session that a dead daemon has left, put\n"
             "                    the machine back, and exit; 1 if that is not possible, 3 if it takes\n"
             "                    a boot\n"
             "     --if-stopped   With --recover, from a unit: only if it is being stopped, or has\n"
             "                    failed too often\n"
             "     --if-gone      With --recover: only if no daemon is on its way\n"
             "     --bus-introspect [INTERFACE]\n"
             "                    Write the introspection data of all interfaces, or of one, and exit\n"
             "  -h --help         Show this\n"
             "     --version      Show the version\n"
             "\n"
             "Environment: STATE_DIRECTORY (default /var/lib/mmiotraced) holds the sessions,\n"
             "RUNTIME_DIRECTORY (default /run/mmiotraced) what has to be undone,\n"
             "CONFIGURATION_DIRECTORY (default /etc/mmiotraced) what arms the next boot,\n"
             "TRACING_DIRECTORY (default: where it is mounted) is tracefs.");
}

static const char *directory(const char *variable, const char *otherwise) {
        return secure_getenv(variable) ?: otherwise;
}

static int introspect_to_stdout(const char *interface) {
        int r = introspect_bus_write(interface, stdout);

        if (r >= 0 && fflush(stdout) != 0)
                r = -errno;
        if (r == -ENOENT)
                fprintf(stderr, "mmiotraced has no interface \"%s\" on the bus; without a name, it shows all.\n", interface);
        else if (r < 0)
                fprintf(stderr, "Cannot write the introspection data: %s\n", strerrordesc_np(-r));
        return r < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}

int main(int argc, char *argv[]) {
        static const struct option options[] = {
                { "boot", no_argument, NULL, 'b' },
                { "bus-introspect", no_argument, NULL, 'i' },
                { "help", no_argument, NULL, 'h' },
                { "version", no_argument, NULL, 'v' },
                { "recover", no_argument, NULL, 'r' },
                { "if-stopped", no_argument, NULL, 's' },
                { "if-gone", no_argument, NULL, 'g' },
                {},
        };
        static const char *const dropin_dirs[] = {
                CONFIG_FILE ".d", "/run/mmiotraced/mmiotraced.conf.d", VENDOR_CONFIG_FILE ".d", NULL,
        };
        Context context = {
                .tracing_dir = secure_getenv("TRACING_DIRECTORY"),
                .sys_root = "/sys",
                .proc_root = "/proc",
                .passwd_file = "/etc/passwd",
                .boot_dir = "/boot",
                .lsinitramfs = "/usr/bin/lsinitramfs",
                .pstore_dir = "/var/lib/systemd/pstore",
                .state_dir = directory("STATE_DIRECTORY", "/var/lib/mmiotraced"),
                .runtime_dir = directory("RUNTIME_DIRECTORY", "/run/mmiotraced"),
                .config_dir = directory("CONFIGURATION_DIRECTORY", "/etc/mmiotraced"),
                .seal_program = SEAL_PROGRAM,
                .upload_socket = UPLOAD_SOCKET,
                .inspect_socket = INSPECT_SOCKET,
                .config_places = { CONFIG_FILE, dropin_dirs },
                .config = CONFIG_DEFAULT,
        };
        _cleanup_error_ Error error = {};
        bool boot = false, introspect = false, recover = false;
        RecoverWhen when = RECOVER_NOW;
        int c, r;

        while ((c = getopt_long(argc, argv, "h", options, NULL)) >= 0)
                switch (c) {
                case 'b':
                        boot = true;
                        break;
                case 'i':
                        introspect = true;
                        break;
                case 'h':
                        help();
                        return EXIT_SUCCESS;
                case 'v':
                        puts("mmiotraced " PROJECT_VERSION);
                        return EXIT_SUCCESS;
                case 'r':
                        recover = true;
                        break;
                case 's':
                        when = RECOVER_IF_STOPPED;
                        break;
                case 'g':
                        when = RECOVER_IF_GONE;
                        break;
                default:
                        return 2;
                }
        if (introspect && optind + 1 >= argc)
                return introspect_to_stdout(argv[optind]);
        if (optind < argc) {
                fputs("mmiotraced takes no arguments; see --help.\n", stderr);
                return 2;
        }
        umask(0077);
        log_set_level(LOG_INFO);
        r = config_load(&context.config_places, &context.config, &error);
        if (r < 0)
                log_send(LOG_ERR, "MESSAGE=Every setting is at its default: %s", error.text ?: strerrordesc_np(-r),
                                "MESSAGE_ID=" MESSAGE_CONFIG_INVALID);
        if (recover) {
                /* systemd takes no descriptors from a process that is not the service's main one. */
                (void) unsetenv("NOTIFY_SOCKET");
                r = recover_run(&context, when, secure_getenv("SERVICE_RESULT"), secure_getenv("EXIT_STATUS"));
        } else
                r = boot ? boot_run(&context) : daemon_run(&context);
        config_done(&context.config);
        return r == -ENOTRECOVERABLE ? EXIT_NEEDS_BOOT : r < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}
