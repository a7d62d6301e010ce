/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Calls of every method of every object, with arguments that nobody in his right mind would send: what there is to call is
 * what the daemon says of itself, and so are the options. It may neither die nor hang nor grow, also where polkit says
 * anything and the caller leaves in between; what it refuses changes nothing, and an error is one that the manual page lists
 * for the method.
 *
 * FUZZ_SEED repeats a run, FUZZ_CALLS makes it longer. */

#include <fcntl.h>
#include <sys/prctl.h>
#include <sys/random.h>
#include <sys/socket.h>

#include "fixture.h"
#include "users.h"

#define NOBODY 65534
#define CALLS 10000
/* Of a daemon that answers at once, whatever the machine does meanwhile. */
#define ANSWER_USEC (60 * USEC_PER_SEC)
#define GROWTH_MAX_BYTES (512 * KIB)
#define TARGETS_MAX 256
/* Variants in variants: as deep as dbus-daemon lets through (64 containers in all), and on. */
#define DEPTH_MAX 70

static Fixture fixture;

static void setup(void) {
        fixture_make(&fixture);
}

static void teardown(void) {
        fixture_done(&fixture);
}

TestSuite(fuzz, .init = setup, .fini = teardown, .timeout = 300);

/* A method, or a property that is written. */
typedef struct Target {
        char path[128], interface[64], member[64], types[64];
        bool is_property;
} Target;

typedef struct Fuzz {
        const char *address;
        sd_bus *bus;
        uint64_t state;         /* of xorshift64 */
        Target targets[TARGETS_MAX];
        size_t n_targets;
        char **keys;            /* of options, as the daemon tells them */
        char *page;             /* the manual */
        char *huge;
} Fuzz;

static uint64_t draw(Fuzz *z, uint64_t n) {
        z->state ^= z->state << 13;
        z->state ^= z->state >> 7;
        z->state ^= z->state << 17;
        return z->state % n;
}

_noreturn_ _printf_(1, 2) static void die(const char *format, ...) {
        va_list ap;

        va_start(ap, format);
        vfprintf(stderr, format, ap);
        va_end(ap);
        fputc('\n', stderr);
        _exit(EXIT_FAILURE);
}

static const char *draw_string(Fuzz *z) {
        static const char *const strings[] = {
                "", "x", "e1000e", "../../../../etc/passwd", "/", "%s%n%x", "a\nR 4 1.0 1 0x1 0xdeadbeef 0 0", "\033[2J", "\t", "\x7f",
                "-", "newest", "oldest", "18446744073709551616", "ä€𝄞", "a b", ".", "..", "a\\x2d", "default", "https://", "https://drop.example/",
                "org.freedesktop.MmioTrace1.Manager", "State", "file:///etc/shadow", ":1.0",
        };

        switch (draw(z, 300)) {
        case 0:
                return z->huge;                                         /* 1 MiB */
        case 1:
                return z->huge + MIB - 16384 - draw(z, 3);              /* about the longest description */
        case 2:
                return z->huge + MIB - 512 - draw(z, 3);                /* and the longest mark */
        default:
                return strings[draw(z, ELEMENTS(strings))];
        }
}

static const char *draw_option(Fuzz *z) {
        return draw(z, 4) == 0 ? draw_string(z) : z->keys[draw(z, strv_length(z->keys))];
}

static const char *draw_path(Fuzz *z) {
        static const char *const paths[] = {
                "/", BUS_PATH, BUS_PATH_SESSION, BUS_PATH_SESSION "/_1", BUS_PATH_SESSION "/_2", BUS_PATH_SESSION "/_4294967295",
                BUS_PATH_SESSION "/_4294967296", BUS_PATH_SESSION "/_01", BUS_PATH_SESSION "/_", BUS_PATH_JOB "/_1",
                BUS_PATH_JOB "/_2", BUS_PATH_SESSION "/_1/_1", "/org/freedesktop/LogControl1",
        };

        return paths[draw(z, ELEMENTS(paths))];
}

static uint64_t draw_number(Fuzz *z) {
        static const uint64_t numbers[] = {
                0, 1, 2, 64, 65535, UINT32_MAX, UINT64_C(1) << 32, INT64_MAX, (uint64_t) INT64_MAX + 1, UINT64_MAX - 1, UINT64_MAX,
        };

        return draw(z, 3) == 0 ? z->state : numbers[draw(z, ELEMENTS(numbers))];
}

/* A descriptor of one kind or another; the message has its own copy of it. */
static int append_fd(Fuzz *z, sd_bus_message *m) {
        _cleanup_close_ int fd = -EBADF;
        int fds[2];

        switch (draw(z, 3)) {
        case 0:
                fd = open("/dev/null", O_RDWR | O_CLOEXEC);
                break;
        case 1:
                fd = open("/", O_PATH | O_CLOEXEC);
                break;
        default:
                if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) < 0)
                        return -errno;
                safe_close(fds[1]);
                fd = fds[0];
        }
        return sd_bus_message_append_basic(m, 'h', &fd);
}

static int append_basic(Fuzz *z, sd_bus_message *m, char type) {
        uint64_t number = draw_number(z);
        double real = draw(z, 2) ? 0.5 : -1e308 * 10;
        int flag = (int) draw(z, 2);
        const char *text;

        switch (type) {
        case 's':
                text = draw_string(z);
                return sd_bus_message_append_basic(m, 's', text);
        case 'o':
                text = draw_path(z);
                return sd_bus_message_append_basic(m, 'o', text);
        case 'g':
                return sd_bus_message_append_basic(m, 'g', draw(z, 2) ? "a{sv}" : "");
        case 'h':
                return append_fd(z, m);
        case 'b':
                return sd_bus_message_append_basic(m, 'b', &flag);
        case 'd':
                return sd_bus_message_append_basic(m, 'd', &real);
        default:
                return sd_bus_message_append_basic(m, type, &number);
        }
}

static int append(Fuzz *z, sd_bus_message *m, const char *types, unsigned depth);

/* Where the one complete type at the beginning ends. */
static const char *skip_type(const char *types) {
        unsigned depth = 0;

        while (*types == 'a')
                types++;
        do {
                depth += *types == '(' || *types == '{';
                depth -= *types == ')' || *types == '}';
                types++;
        } while (depth > 0 && *types);
        return types;
}

static int append_variant(Fuzz *z, sd_bus_message *m, unsigned depth) {
        static const char *const contents[] = { "s", "b", "t", "u", "o", "h", "d", "as", "a{sv}", "(ss)", "aas", "ay", "g" };
        const char *types = depth < DEPTH_MAX && draw(z, 6) == 0 ? "v" : contents[draw(z, ELEMENTS(contents))];
        int r;

        /* Once it goes down, it goes nearly all the way, or further. */
        if (depth > 3 && depth < DEPTH_MAX && draw(z, 30) > 0)
                types = "v";
        r = sd_bus_message_open_container(m, 'v', types);
        if (r >= 0)
                r = append(z, m, types, depth + 1);
        return r < 0 ? r : sd_bus_message_close_container(m);
}

static int append_array(Fuzz *z, sd_bus_message *m, const char *types, unsigned depth) {
        size_t n = draw(z, 4) == 0 ? 0 : draw(z, 100) == 0 ? 100 : 1 + draw(z, 2);
        const char *end = skip_type(types);
        char content[64] = {};
        int r;

        memcpy(content, types, (size_t) (end - types));
        r = sd_bus_message_open_container(m, 'a', content);
        for (size_t i = 0; i < n && r >= 0; i++)
                r = append(z, m, content, depth + 1);
        return r < 0 ? r : sd_bus_message_close_container(m);
}

/* Arguments of these types, with values that may be anything. */
static int append(Fuzz *z, sd_bus_message *m, const char *types, unsigned depth) {
        int r = 0;

        while (*types && r >= 0) {
                const char *end = skip_type(types);
                char content[64] = {};

                if (*types == 'a')
                        r = append_array(z, m, types + 1, depth);
                else if (*types == 'v')
                        r = append_variant(z, m, depth + 1);
                else if (*types == '(' || *types == '{') {
                        memcpy(content, types + 1, (size_t) (end - types - 2));
                        r = sd_bus_message_open_container(m, *types == '(' ? 'r' : 'e', content);
                        if (r >= 0 && *types == '{' && content[0] == 's') {
                                r = sd_bus_message_append_basic(m, 's', draw_option(z));
                                memmove(content, content + 1, strlen(content));
                        }
                        if (r >= 0)
                                r = append(z, m, content, depth + 1);
                        if (r >= 0)
                                r = sd_bus_message_close_container(m);
                } else
                        r = append_basic(z, m, *types);
                types = end;
        }
        return r;
}

static bool read_attribute(const char *line, const char *name, char *ret, size_t size) {
        char pattern[32];
        const char *p;

        (void) snprintf(pattern, sizeof pattern, " %s=\"", name);
        p = strstr(line, pattern);
        if (!p)
                return false;
        p += strlen(pattern);
        (void) snprintf(ret, size, "%.*s", (int) strcspn(p, "\""), p);
        return true;
}

static Target *add_target(Fuzz *z, const char *path, const char *interface, bool is_property) {
        Target *t = z->targets + z->n_targets++;

        if (z->n_targets > TARGETS_MAX)
                die("There is more on the bus than the test has room for.");
        *t = (Target) { .is_property = is_property };
        (void) snprintf(t->path, sizeof t->path, "%s", path);
        (void) snprintf(t->interface, sizeof t->interface, "%s", interface);
        return t;
}

/* What can be called at a path, and below it: sd-bus prints one element a line. */
static void look(Fuzz *z, const char *path) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
        char interface[64] = "", node[64], type[32], direction[8], *line, *state = NULL;
        _cleanup_free_ char *copy = NULL;
        Target *t = NULL;
        const char *xml;

        if (sd_bus_call_method(z->bus, BUS_NAME, path, "org.freedesktop.DBus.Introspectable", "Introspect", NULL, &reply, NULL) < 0 ||
            sd_bus_message_read(reply, "s", &xml) < 0)
                die("%s cannot be looked at.", path);
        copy = strdup(xml);
        for (line = strtok_r(copy, "\n", &state); line; line = strtok_r(NULL, "\n", &state)) {
                if (strstr(line, "<interface "))
                        (void) read_attribute(line, "name", interface, sizeof interface);
                else if (strstr(line, "<method ")) {
                        t = add_target(z, path, interface, false);
                        (void) read_attribute(line, "name", t->member, sizeof t->member);
                } else if (strstr(line, "<property ")) {
                        t = add_target(z, path, interface, true);
                        (void) read_attribute(line, "name", t->member, sizeof t->member);
                        (void) read_attribute(line, "type", t->types, sizeof t->types);
                } else if (strstr(line, "<signal "))
                        t = NULL;
                else if (t && strstr(line, "<arg ") && read_attribute(line, "direction", direction, sizeof direction) &&
                         streq(direction, "in") && read_attribute(line, "type", type, sizeof type) &&
                         strlen(t->types) + strlen(type) < sizeof t->types)
                        (void) strcat(t->types, type);
                else if (strstr(line, "<node ") && read_attribute(line, "name", node, sizeof node)) {
                        _cleanup_free_ char *below = NULL;

                        if (asprintf(&below, "%s/%s", streq(path, "/") ? "" : path, node) < 0)
                                die("no memory");
                        look(z, below);
                }
        }
}

/* The keys that a method takes are in the sentence by which it refuses another. */
static void learn_keys(Fuzz *z, const Target *t) {
        const char *before = strstr(t->types, "a{sv}");
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *m = NULL;
        sd_bus_error e = SD_BUS_ERROR_NULL;
        char *list, *state = NULL;
        int r;

        if (t->is_property || !before || !startswith(t->interface, "org.freedesktop.MmioTrace1."))
                return;
        r = sd_bus_message_new_method_call(z->bus, &m, BUS_NAME, t->path, t->interface, t->member);
        for (const char *type = t->types; type < before && r >= 0; type++)
                r = append_basic(z, m, *type);
        if (r >= 0)
                r = sd_bus_message_append(m, "a{sv}", 1, "?", "s", "");
        if (r >= 0)
                r = sd_bus_call(z->bus, m, ANSWER_USEC, &e, NULL);
        list = strstr(strempty(e.message), "; it has ");
        if (r >= 0 || !list)
                die("%s.%s does not say what options it has: %s", t->interface, t->member, strempty(e.message));
        list += strlen("; it has ");
        if (!streq(list, "none at all."))
                for (char *word = strtok_r(list, " ,.", &state); word; word = strtok_r(NULL, " ,.", &state))
                        if (!streq(word, "and") && !strv_contains(z->keys, word) && strv_extend(&z->keys, word) < 0)
                                die("no memory");
        sd_bus_error_free(&e);
}

/* Wrong types now and then: other ones, too few, too many. */
static const char *draw_types(Fuzz *z, const char *types, char *buf, size_t size) {
        static const char *const others[] = { "", "s", "v", "a{sv}", "a{ss}", "sa{sv}", "h", "aaaaaaaas", "(((s)))", "ay", "ao", "a{sv}s" };

        switch (draw(z, 8)) {
        case 0:
                return others[draw(z, ELEMENTS(others))];
        case 1:
                (void) snprintf(buf, size, "%s%s", types, others[draw(z, ELEMENTS(others))]);
                return buf;
        default:
                return types;
        }
}

/* Is it an error that the page has for that method, or for all of them? */
static bool error_is_known(const Fuzz *z, const Target *t, const char *name) {
        static const char *const common[] = {
                SD_BUS_ERROR_INVALID_ARGS, SD_BUS_ERROR_ACCESS_DENIED, SD_BUS_ERROR_INTERACTIVE_AUTHORIZATION_REQUIRED,
                SD_BUS_ERROR_LIMITS_EXCEEDED, SD_BUS_ERROR_UNKNOWN_OBJECT, BUS_ERROR_PREFIX "Failed",
        };
        const char *section, *method, *end, *found, *short_name = startswith(name, BUS_ERROR_PREFIX);
        char text[128];

        if (t->is_property || startswith(t->interface, "org.freedesktop.DBus"))
                return startswith(name, "org.freedesktop.DBus.Error.");
        for (size_t i = 0; i < ELEMENTS(common); i++)
                if (streq(name, common[i]))
                        return true;
        if (!short_name)
                return false;
        (void) snprintf(text, sizeof text, "\n# INTERFACE %s\n", t->interface);
        section = strstr(z->page, text);
        (void) snprintf(text, sizeof text, "\n*%s*(", t->member);
        method = section ? strstr(section, text) : NULL;
        method = method ? strstr(method, "\tErrors:") : NULL;
        end = method ? strstr(method, "\n\n") : NULL;
        (void) snprintf(text, sizeof text, "_%s_", short_name);
        found = end ? strstr(method, text) : NULL;
        return found && found < end;
}

static void connect_again(Fuzz *z) {
        sd_bus_close_unref(z->bus);
        z->bus = NULL;
        if (sd_bus_new(&z->bus) < 0 || sd_bus_set_address(z->bus, z->address) < 0 || sd_bus_set_bus_client(z->bus, true) < 0 ||
            sd_bus_negotiate_fds(z->bus, true) < 0 || sd_bus_start(z->bus) < 0)
                die("Cannot connect to the bus.");
}

/* The bus itself throws out who sends too much, or too many descriptors: that says nothing of the daemon. */
static void survive_the_bus(Fuzz *z, const Target *t) {
        connect_again(z);
        if (sd_bus_call_method(z->bus, BUS_NAME, BUS_PATH, "org.freedesktop.DBus.Peer", "Ping", NULL, NULL, NULL) < 0)
                die("%s.%s: the daemon has died", t->interface, t->member);
}

/* Sends one call, and returns whether it was done. Now and then it does not stay for the answer. */
static bool strike(Fuzz *z, bool may_leave) {
        const Target *t = z->targets + draw(z, z->n_targets);
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *m = NULL;
        sd_bus_error e = SD_BUS_ERROR_NULL;
        char types[128];
        bool done;
        int r;

        if (t->is_property) {
                r = sd_bus_message_new_method_call(z->bus, &m, BUS_NAME, t->path, "org.freedesktop.DBus.Properties", "Set");
                if (r >= 0)
                        r = sd_bus_message_append(m, "ss", t->interface, t->member);
                if (r >= 0)
                        r = append_variant(z, m, 0);
        } else {
                r = sd_bus_message_new_method_call(z->bus, &m, BUS_NAME, draw(z, 30) ? t->path : draw_path(z), t->interface, t->member);
                if (r >= 0)
                        r = append(z, m, draw_types(z, t->types, types, sizeof types), 0);
        }
        /* What this library itself does not send, nobody can be hurt by. */
        if (r < 0)
                return false;
        if (may_leave && draw(z, 20) == 0) {
                if (sd_bus_message_set_allow_interactive_authorization(m, true) < 0 || sd_bus_send(z->bus, m, NULL) < 0)
                        return false;
                (void) sd_bus_flush(z->bus);
                connect_again(z);
                return false;
        }
        if (may_leave)
                (void) sd_bus_message_set_allow_interactive_authorization(m, (int) draw(z, 2));
        r = sd_bus_call(z->bus, m, ANSWER_USEC, &e, NULL);
        if (r == -ENOTCONN || r == -ECONNRESET || (r < 0 && sd_bus_error_has_name(&e, SD_BUS_ERROR_DISCONNECTED))) {
                sd_bus_error_free(&e);
                survive_the_bus(z, t);
                return false;
        }
        if (r < 0 && !sd_bus_error_is_set(&e))
                die("%s.%s: %s", t->interface, t->member, strerrordesc_np(-r));
        if (r < 0 && (streq(e.name, SD_BUS_ERROR_NO_REPLY) || streq(e.name, SD_BUS_ERROR_SERVICE_UNKNOWN) ||
                      streq(e.name, SD_BUS_ERROR_TIMEOUT)))
                die("%s.%s: the daemon has died or hangs: %s", t->interface, t->member, e.name);
        if (r < 0 && !streq(e.name, SD_BUS_ERROR_UNKNOWN_METHOD) && !streq(e.name, SD_BUS_ERROR_UNKNOWN_INTERFACE) &&
            !error_is_known(z, t, e.name))
                die("%s.%s: the manual page does not list %s (%s)", t->interface, t->member, e.name, e.message);
        if (r < 0 && isempty(e.message))
                die("%s.%s: %s without a sentence", t->interface, t->member, e.name);
        done = r >= 0;
        sd_bus_error_free(&e);
        return done;
}

static char *look_at_all(Fuzz *z) {
        char *text = snapshot(z->bus);

        if (!text)
                die("The state cannot be read.");
        return text;
}

static size_t count_fds(pid_t pid) {
        _cleanup_closedir_ DIR *d = NULL;
        char path[64];
        size_t n = 0;

        (void) snprintf(path, sizeof path, "/proc/%d/fd", pid);
        d = opendir(path);
        while (d && readdir(d))
                n++;
        return n;
}

static uint64_t environment_number(const char *name, uint64_t otherwise) {
        const char *text = getenv(name);
        uint64_t n;

        return text && parse_u64(text, &n) >= 0 && n > 0 ? n : otherwise;
}

static uint64_t seed(void) {
        uint64_t n;

        cr_assert_eq(getrandom(&n, sizeof n, 0), (ssize_t) sizeof n);
        n = environment_number("FUZZ_SEED", n | 1);
        fprintf(stderr, "FUZZ_SEED=%llu\n", (unsigned long long) n);
        return n;
}

static void fuzz_open(Fuzz *z, const char *address, uid_t uid, uint64_t start) {
        FILE *f = fopen(MANUAL_PAGE, "re");
        size_t size = 0;

        z->state = start;
        if (!f || getdelim(&z->page, &size, 0, f) < 0)
                die("Cannot read " MANUAL_PAGE ": %m");
        (void) fclose(f);
        z->huge = malloc(MIB + 1);
        memset(z->huge, 'x', MIB);
        z->huge[MIB] = 0;
        if (!become_user(uid))
                die("Cannot call as %u.", uid);
        z->address = address;
        connect_again(z);
        look(z, "/");
        if (z->n_targets < 50)
                die("There are only %zu things to call.", z->n_targets);
        for (size_t i = 0; i < z->n_targets; i++)
                learn_keys(z, z->targets + i);
        if (strv_length(z->keys) < 20)
                die("There are only %zu options.", strv_length(z->keys));
}

/* Whatever is refused, nothing of it has an effect. Of all this, nobody may do more than read. */
_noreturn_ static void fuzz_as_nobody(const char *address, uint64_t start, uint64_t n_calls) {
        _cleanup_free_ char *before = NULL;
        Fuzz z = {};

        fuzz_open(&z, address, NOBODY, start);
        before = look_at_all(&z);
        for (uint64_t i = 0; i < n_calls; i++) {
                _cleanup_free_ char *now = NULL;

                (void) strike(&z, false);
                if (i % 200 != 199)
                        continue;
                now = look_at_all(&z);
                if (!streq(now, before))
                        die("Something has changed within the calls %llu to %llu:\n%s\nwas:\n%s", (unsigned long long) i - 199,
                                        (unsigned long long) i, now, before);
        }
        _exit(EXIT_SUCCESS);
}

/* Whoever gets some of it; each call gets an answer, and in the end the daemon is still there. */
_noreturn_ static void fuzz_as(uid_t uid, const char *address, uint64_t start, uint64_t n_calls) {
        uint64_t n_done = 0;
        Fuzz z = {};

        fuzz_open(&z, address, uid, start);
        for (uint64_t i = 0; i < n_calls; i++)
                n_done += strike(&z, true);
        free(look_at_all(&z));
        fprintf(stderr, "%llu calls, %llu of them were done\n", (unsigned long long) n_calls, (unsigned long long) n_done);
        _exit(EXIT_SUCCESS);
}

/* All of it counts now. */
_noreturn_ static void fuzz_as_root(const char *address, uint64_t start, uint64_t n_calls) {
        fuzz_as(geteuid(), address, start, n_calls);
}

/* Some of it does, as polkit says. */
_noreturn_ static void fuzz_as_somebody(const char *address, uint64_t start, uint64_t n_calls) {
        fuzz_as(NOBODY, address, start, n_calls);
}

static int on_end(sd_event_source *source, const siginfo_t *si, void *userdata) {
        *(int *) userdata = si->si_code == CLD_EXITED ? si->si_status : 255;
        return 0;
}

static void run(Fixture *f, void (*body)(const char *address, uint64_t start, uint64_t n_calls), uint64_t start, uint64_t n_calls) {
        sd_event_source *source = NULL;
        sigset_t mask;
        int status = -1;
        pid_t pid;

        sigemptyset(&mask);
        sigaddset(&mask, SIGCHLD);
        cr_assert_eq(sigprocmask(SIG_BLOCK, &mask, NULL), 0);
        pid = fork();
        cr_assert_geq(pid, 0);
        if (pid == 0) {
                (void) prctl(PR_SET_PDEATHSIG, SIGKILL);
                body(f->address, start, n_calls);
        }
        cr_assert_geq(sd_event_add_child(f->event, &source, pid, WEXITED, on_end, &status), 0);
        while (status < 0)
                cr_assert_geq(sd_event_run(f->event, UINT64_MAX), 0);
        sd_event_source_unref(source);
        cr_assert_eq(status, 0);
}

/* One that is being sealed, so that there is a job, and one that captures. */
static void begin(Fixture *f) {
        _cleanup_free_ char *program = below(f->machine.tree.root, "seal");

        fake_file(&f->machine.tree, "seal",
                        "#!/bin/sh\ncase $(pwd) in */1) exec tail -f /dev/null ;; *) exec " SEAL_PROGRAM " \"$@\" ;; esac\n");
        cr_assert_eq(chmod(program, 0755), 0);
        f->seal_program = program;
        daemon_start(f);
        f->seal_program = NULL;
        free(expect_path(session_start(f, 0)));
        session_stop(f);
        wait_for_session(f, BUS_PATH_SESSION "/_1", "sealing");
        machine_list_clocks(&f->machine);
        free(expect_path(session_start(f, 0)));
}

Test(fuzz, refused) {
        Fixture *f = &fixture;
        uint64_t start = seed(), n_calls = environment_number("FUZZ_CALLS", CALLS), before_bytes;
        size_t n_fds;

        if (geteuid() != 0)
                cr_skip_test("Not run: only root can become another user.");
        /* Else the C library keeps more of the heap after each large message, and a leak would not show for that. */
        cr_assert_eq(setenv("MALLOC_MMAP_THRESHOLD_", "65536", 1), 0);
        begin(f);
        /* What is allocated once for all, is. */
        run(f, fuzz_as_nobody, start, n_calls / 4);
        before_bytes = daemon_rss_bytes(f);
        n_fds = count_fds(f->daemon_pid);
        run(f, fuzz_as_nobody, start + 1, n_calls);
        cr_assert_eq(count_fds(f->daemon_pid), n_fds);
        if (!SANITIZED)
                cr_assert_leq(daemon_rss_bytes(f), before_bytes + GROWTH_MAX_BYTES, "from %llu to %llu bytes",
                                (unsigned long long) before_bytes, (unsigned long long) daemon_rss_bytes(f));
        assert_session(f, BUS_PATH_SESSION "/_2", "State", "capturing");
        session_stop(f);
}

static bool has_workers(Fixture *f) {
        _cleanup_free_ char *path = NULL, *children = NULL;

        cr_assert_gt(asprintf(&path, "/proc/%d/task/%d/children", f->daemon_pid, f->daemon_pid), 0);
        cr_assert_eq(read_file_at(AT_FDCWD, path, MIB, &children, NULL), 0);
        return !isempty(children);
}

/* Ends and removes whatever there is, so that only what is kept by mistake is still there. */
static void tidy(Fixture *f) {
        for (;;) {
                _cleanup_free_ char *state = get_string(f, BUS_PATH, BUS_INTERFACE_MANAGER, "State");

                if (streq(state, "idle"))
                        break;
                sd_bus_message_unref(manager_call(f, "Stop", "a{sv}", 0));
        }
        for (;;) {
                _cleanup_strv_ char **paths = list_sessions(f);

                if (!paths)
                        break;
                STRV_FOREACH(path, paths) {
                        sd_bus_message_unref(session_call(f, *path, "SetProtected", "ba{sv}", false, 0));
                        /* Not while its archive is being made. */
                        sd_bus_message_unref(session_call(f, *path, "Remove", "a{sv}", 0));
                }
        }
        sd_bus_message_unref(manager_call(f, "Disarm", "a{sv}", 0));
        /* They look at the disk, or bring something to it, and nobody tells when they are done. */
        for (uint64_t deadline_usec = now_monotonic_usec() + WAIT_USEC; has_workers(f);) {
                cr_assert_lt(now_monotonic_usec(), deadline_usec);
                free(get_string(f, BUS_PATH, BUS_INTERFACE_MANAGER, "State"));
        }
}

/* Of what was permitted, nothing is kept that is not on the bus any more. */
static void assert_no_growth(Fixture *f, void (*body)(const char *address, uint64_t start, uint64_t n_calls)) {
        uint64_t start = seed(), n_calls = environment_number("FUZZ_CALLS", CALLS) / 4, before_bytes;
        size_t n_fds;

        cr_assert_eq(setenv("MALLOC_MMAP_THRESHOLD_", "65536", 1), 0);
        f->polkit_seed = (unsigned) start;
        f->polkit_answer = POLKIT_RANDOM;
        daemon_start(f);
        fixture_be_polkit(f);
        free(expect_path(session_start(f, 0)));
        run(f, body, start, n_calls);
        tidy(f);
        before_bytes = daemon_rss_bytes(f);
        n_fds = count_fds(f->daemon_pid);
        machine_list_clocks(&f->machine);
        free(expect_path(session_start(f, 0)));
        run(f, body, start + 1, n_calls);
        tidy(f);
        cr_assert_eq(count_fds(f->daemon_pid), n_fds);
        fprintf(stderr, "from %llu to %llu bytes\n", (unsigned long long) before_bytes, (unsigned long long) daemon_rss_bytes(f));
        if (!SANITIZED)
                cr_assert_leq(daemon_rss_bytes(f), before_bytes + GROWTH_MAX_BYTES);
}

Test(fuzz, permitted) {
        assert_no_growth(&fixture, fuzz_as_root);
}

Test(fuzz, permitted_by_polkit) {
        if (geteuid() != 0)
                cr_skip_test("Not run: only root can become another user.");
        assert_no_growth(&fixture, fuzz_as_somebody);
}
