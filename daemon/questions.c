/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <ctype.h>
#include <fcntl.h>
#include <inttypes.h>
#include <sys/socket.h>
#include <sys/time.h>

#include "config-space.h"
#include "holders-scan.h"
#include "questions.h"

#define KALLSYMS_MAX_BYTES (256 * MIB)

/* Whoever connects has the question at hand. */
#define ASK_SECONDS 5
#define ANSWER_SECONDS 60

typedef struct Answer {
        char *text;
        size_t bytes;
} Answer;

static void answer_done(Answer *a) {
        free(a->text);
}

static int fail_hidden(const char *proc_root, Error *error) {
        _cleanup_free_ char *path = NULL, *restrict_value = NULL;

        if (asprintf(&path, "%s/sys/kernel/kptr_restrict", proc_root) < 0) {
                path = NULL;
                return -ENOMEM;
        }
        if (read_line_at(AT_FDCWD, path, &restrict_value) >= 0 && streq(restrict_value, "2"))
                return error_set(error, ERROR_KERNEL,
                                "The kernel hides its addresses from everybody, as kernel.kptr_restrict is 2; \"sysctl "
                                "kernel.kptr_restrict=1\" shows them to root.");
        return error_set(error, ERROR_KERNEL, "The kernel hides its addresses from a process without CAP_SYSLOG.");
}

static bool has_address(const char *text) {
        for (const char *line = text; *line; line = strchr(line, '\n') ? strchr(line, '\n') + 1 : "") {
                const char *digit = line + strspn(line, "0");

                if (isxdigit((unsigned char) *digit))
                        return true;
        }
        return false;
}

static int answer_kallsyms(const char *proc_root, const char *sys_root, Answer *ret, Error *error) {
        _cleanup_free_ char *path = NULL;
        _cleanup_(answer_done) Answer a = {};
        int r;

        if (asprintf(&path, "%s/kallsyms", proc_root) < 0) {
                path = NULL;
                return -ENOMEM;
        }
        r = read_file_at(AT_FDCWD, path, KALLSYMS_MAX_BYTES, &a.text, &a.bytes);
        if (r == -ENOENT)
                return error_set(error, ERROR_NOT_SUPPORTED,
                                "This kernel does not name its functions: it was built without CONFIG_KALLSYMS.");
        if (r < 0)
                return error_set_errno(error, ERROR_KERNEL, r, "Cannot read %s", path);
        if (!has_address(a.text))
                return fail_hidden(proc_root, error);
        *ret = a;
        a = (Answer) {};
        return 0;
}

static int is_name(const struct dirent *entry) {
        if (streq(entry->d_name, ".") || streq(entry->d_name, ".."))
                return 0;
        /* Lines and words have to stay what they are. */
        for (const char *p = entry->d_name; *p; p++)
                if (!isgraph((unsigned char) *p))
                        return 0;
        return 1;
}

/* The names in a folder, in order; none if it is not there. */
static int list_folder(int dir_fd, const char *path, char ***ret) {
        _cleanup_strv_ char **names = NULL;
        struct dirent **entries = NULL;
        int n, r = 0;

        n = scandirat(dir_fd, path, &entries, is_name, alphasort);
        if (n < 0 && errno != ENOENT)
                return -errno;
        for (int i = 0; i < n; i++) {
                if (r >= 0)
                        r = strv_extend(&names, entries[i]->d_name);
                free(entries[i]);
        }
        free(entries);
        if (r < 0)
                return r;
        *ret = TAKE_PTR(names);
        return 0;
}

static int print_sections(FILE *f, int modules_fd, const char *module, bool *any_address) {
        _cleanup_strv_ char **sections = NULL;
        _cleanup_free_ char *folder = NULL;
        _cleanup_close_ int fd = -EBADF;
        int r;

        if (asprintf(&folder, "%s/sections", module) < 0) {
                folder = NULL;
                return -ENOMEM;
        }
        /* Built-in ones have none, and others may go while we look. Beside the modules there is a file "compression". */
        fd = openat(modules_fd, folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (fd < 0)
                return errno == ENOENT || errno == ENOTDIR ? 0 : -errno;
        r = list_folder(fd, ".", &sections);
        if (r < 0)
                return r;
        STRV_FOREACH(section, sections) {
                _cleanup_free_ char *line = NULL;
                uint64_t address;

                r = read_line_at(fd, *section, &line);
                if (r == -ENOENT || r == -ENODEV)
                        continue;
                if (r < 0)
                        return r;
                if (parse_u64(line, &address) < 0)
                        return -EBADMSG;
                *any_address |= address != 0;
                fprintf(f, "%s %s 0x%" PRIx64 "\n", module, *section, address);
        }
        return 0;
}

static int answer_module_sections(const char *proc_root, const char *sys_root, Answer *ret, Error *error) {
        _cleanup_strv_ char **modules = NULL;
        _cleanup_(answer_done) Answer a = {};
        _cleanup_free_ char *path = NULL;
        _cleanup_close_ int fd = -EBADF;
        bool any_address = false;
        FILE *f;
        int r;

        if (asprintf(&path, "%s/module", sys_root) < 0) {
                path = NULL;
                return -ENOMEM;
        }
        fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        r = fd < 0 ? -errno : list_folder(fd, ".", &modules);
        if (r < 0)
                return error_set_errno(error, ERROR_KERNEL, r, "Cannot list the modules in %s", path);
        f = open_memstream(&a.text, &a.bytes);
        if (!f)
                return -ENOMEM;
        STRV_FOREACH(module, modules)
                if (r >= 0)
                        r = print_sections(f, fd, *module, &any_address);
        if (fclose(f) != 0)
                r = -ENOMEM;
        if (r < 0)
                return error_set_errno(error, ERROR_KERNEL, r, "Cannot read where the sections of the modules are");
        if (a.bytes > 0 && !any_address)
                return fail_hidden(proc_root, error);
        *ret = a;
        a = (Answer) {};
        return 0;
}

static int answer_trace_holders(const char *proc_root, const char *sys_root, Answer *ret, Error *error) {
        _cleanup_(answer_done) Answer a = {};
        FILE *f;
        int r;

        f = open_memstream(&a.text, &a.bytes);
        if (!f)
                return -ENOMEM;
        r = holders_scan(proc_root, sys_root, f, error);
        if (fclose(f) != 0)
                r = -ENOMEM;
        if (r < 0)
                return r;
        *ret = a;
        a = (Answer) {};
        return 0;
}

static int answer_config_space(const char *proc_root, const char *sys_root, Answer *ret, Error *error) {
        _cleanup_(answer_done) Answer a = {};
        FILE *f;
        int r;

        f = open_memstream(&a.text, &a.bytes);
        if (!f)
                return -ENOMEM;
        r = config_space_read(sys_root, f);
        if (fclose(f) != 0)
                r = -ENOMEM;
        if (r < 0)
                return error_set_errno(error, ERROR_KERNEL, r, "Cannot list the PCI devices");
        *ret = a;
        a = (Answer) {};
        return 0;
}

static const struct {
        const char *name;
        int (*answer)(const char *proc_root, const char *sys_root, Answer *ret, Error *error);
} questions[] = {
        { QUESTION_KALLSYMS, answer_kallsyms },
        { QUESTION_MODULE_SECTIONS, answer_module_sections },
        { QUESTION_TRACE_HOLDERS, answer_trace_holders },
        { QUESTION_CONFIG_SPACE, answer_config_space },
};

static int check_peer(int fd, Error *error) {
        const struct timeval ask = { .tv_sec = ASK_SECONDS }, answer = { .tv_sec = ANSWER_SECONDS };
        socklen_t length = sizeof(struct ucred);
        struct ucred peer;

        if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &length) < 0)
                return error_set_errno(error, ERROR_FAILED, -errno, "Cannot find out who asks");
        if (peer.uid != 0)
                return error_set(error, ERROR_INVALID_ARGUMENTS, "Only root is answered, not user %u.", peer.uid);
        if (setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &ask, sizeof ask) < 0 ||
            setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &answer, sizeof answer) < 0)
                return error_set_errno(error, ERROR_FAILED, -errno, "Cannot limit the time that the client has");
        return 0;
}

static int read_question(int fd, char ret[static QUESTION_MAX_BYTES + 1], Error *error) {
        size_t n = 0;

        for (;;) {
                ssize_t l = recv(fd, ret + n, QUESTION_MAX_BYTES + 1 - n, 0);

                if (l < 0 && errno == EINTR)
                        continue;
                if (l < 0)
                        return error_set_errno(error, ERROR_INVALID_ARGUMENTS, -errno, "No question came");
                for (ssize_t i = 0; i < l; i++, n++)
                        if (ret[n] == '\n') {
                                ret[n] = 0;
                                return 0;
                        }
                if (l == 0 || n > QUESTION_MAX_BYTES)
                        return error_set(error, ERROR_INVALID_ARGUMENTS, "A question is one line of at most %d bytes.",
                                        QUESTION_MAX_BYTES);
        }
}

static int send_all(int fd, const char *data, size_t bytes) {
        while (bytes > 0) {
                ssize_t n = send(fd, data, bytes, MSG_NOSIGNAL);

                if (n < 0 && errno == EINTR)
                        continue;
                if (n < 0)
                        return -errno;
                data += n;
                bytes -= (size_t) n;
        }
        return 0;
}

static int serve(int fd, const char *proc_root, const char *sys_root, Error *error) {
        char question[QUESTION_MAX_BYTES + 1], head[32];
        _cleanup_(answer_done) Answer a = {};
        int r;

        r = check_peer(fd, error);
        if (r >= 0)
                r = read_question(fd, question, error);
        if (r < 0)
                return r;
        for (size_t i = 0; i < ELEMENTS(questions); i++) {
                if (!streq(question, questions[i].name))
                        continue;
                r = questions[i].answer(proc_root, sys_root, &a, error);
                if (r < 0)
                        return r;
                (void) snprintf(head, sizeof head, "ok %zu\n", a.bytes);
                r = send_all(fd, head, strlen(head));
                if (r >= 0)
                        r = send_all(fd, strempty(a.text), a.bytes);
                return r < 0 ? error_set_errno(error, ERROR_FAILED, r, "The client did not take the answer") : 0;
        }
        return error_set(error, ERROR_INVALID_ARGUMENTS, "There is no question of that name.");
}

int questions_serve(int fd, const char *proc_root, const char *sys_root, Error *error) {
        _cleanup_free_ char *line = NULL;
        int r;

        r = serve(fd, proc_root, sys_root, error);
        if (r >= 0)
                return 0;
        if (asprintf(&line, "error %s\n", error->text ?: strerrordesc_np(-r)) < 0) {
                line = NULL;
                return r;
        }
        (void) send_all(fd, line, strlen(line));
        return r;
}
