/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <fcntl.h>
#include <sys/mman.h>

#include "config-space.h"
#include "inspector.h"
#include "pci-device.h"
#include "questions.h"
#include "sysfs.h"

#define ROW_BYTES 16
#define ANSWER_MAX_BYTES (64 * MIB)

static int read_config(const char *sys_root, const char *bdf, uint8_t buffer[static CONFIG_SPACE_MAX_BYTES], size_t *ret_bytes) {
        _cleanup_close_ int fd = -EBADF, config_fd = -EBADF;
        size_t n = 0;

        fd = pci_device_open(sys_root, bdf);
        if (fd < 0)
                return fd;
        config_fd = openat(fd, "config", O_RDONLY | O_CLOEXEC);
        if (config_fd < 0)
                return -errno;
        while (n < CONFIG_SPACE_MAX_BYTES) {
                ssize_t l = pread(config_fd, buffer + n, CONFIG_SPACE_MAX_BYTES - n, (off_t) n);

                if (l < 0 && errno == EINTR)
                        continue;
                if (l < 0)
                        return -errno;
                if (l == 0)
                        break;
                n += (size_t) l;
        }
        if (n == 0)
                return -ENODATA;
        *ret_bytes = n;
        return 0;
}

int config_space_read(const char *sys_root, FILE *f) {
        _cleanup_strv_ char **devices = NULL;
        uint8_t buffer[CONFIG_SPACE_MAX_BYTES];
        int r;

        r = pci_device_list(sys_root, &devices);
        if (r < 0)
                return r;
        STRV_FOREACH(bdf, devices) {
                size_t bytes = 0;

                r = read_config(sys_root, *bdf, buffer, &bytes);
                if (r < 0) {
                        fprintf(f, "%s - %s\n", *bdf, strerrordesc_np(-r));
                        continue;
                }
                fprintf(f, "%s ", *bdf);
                for (size_t i = 0; i < bytes; i++)
                        fprintf(f, "%02x", buffer[i]);
                fputc('\n', f);
        }
        return 0;
}

/* As this process may. */
static int read_lines(const char *sys_root, char **ret) {
        _cleanup_free_ char *lines = NULL;
        size_t bytes;
        FILE *f = open_memstream(&lines, &bytes);
        int r;

        if (!f)
                return -ENOMEM;
        r = config_space_read(sys_root, f);
        if (fclose(f) != 0 && r >= 0)
                r = -ENOMEM;
        if (r < 0)
                return r;
        *ret = TAKE_PTR(lines);
        return 0;
}

static int ask(const char *inspect_socket, char **ret, Error *error) {
        _cleanup_close_ int fd = memfd_create("config-space", MFD_CLOEXEC);
        char path[64];
        int r;

        r = fd < 0 ? -errno : inspector_ask(inspect_socket, QUESTION_CONFIG_SPACE, fd, error);
        if (r < 0)
                return r;
        (void) snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
        return read_file_at(AT_FDCWD, path, ANSWER_MAX_BYTES, ret, NULL);
}

static int print_rows(FILE *f, const char *digits) {
        size_t l = strlen(digits);

        if (l % 2 != 0 || l > 2 * (size_t) CONFIG_SPACE_MAX_BYTES || strspn(digits, "0123456789abcdef") != l)
                return -EBADMSG;
        for (size_t i = 0; i < l; i += 2) {
                if (i / 2 % ROW_BYTES == 0)
                        fprintf(f, "%s%02zx:", i > 0 ? "\n" : "", i / 2);
                fprintf(f, " %.2s", digits + i);
        }
        fputs("\n\n", f);
        return 0;
}

static int print_device(FILE *f, const char *sys_root, const char *line, bool with_domain, PciNames *names) {
        _cleanup_(pci_device_done) PciDevice device = {};
        _cleanup_free_ char *bdf = strndup(line, strcspn(line, " "));
        _cleanup_close_ int fd = -EBADF;
        const char *rest = strchr(line, ' ');
        int r;

        if (!bdf)
                return -ENOMEM;
        if (!rest || !pci_address_is_valid(bdf))
                return -EBADMSG;
        fputs(pci_device_short_name(bdf, with_domain), f);
        r = fd = pci_device_open(sys_root, bdf);
        if (r >= 0)
                r = pci_device_read(fd, &device);
        if (r >= 0)
                r = pci_device_print_title(f, &device, names);
        if (r == -ENOMEM)
                return r;
        if (r < 0)
                fputs(" ?\n", f);
        rest++;
        if (*rest == '-') {
                fprintf(f, "\tunavailable:%s\n\n", text_is_clean(rest, false) ? rest + 1 : "");
                return 0;
        }
        return print_rows(f, rest);
}

static int format(const char *sys_root, char *lines, PciNames *names, FILE *f) {
        bool with_domain = false;
        char *state = NULL;
        int r = 0;

        for (const char *line = lines; line; line = strchr(line, '\n')) {
                line += *line == '\n';
                with_domain |= *line && !startswith(line, "0000:");
        }
        for (char *line = strtok_r(lines, "\n", &state); line && r >= 0; line = strtok_r(NULL, "\n", &state))
                r = print_device(f, sys_root, line, with_domain, names);
        return r;
}

int config_space_collect(const char *sys_root, const char *inspect_socket, PciNames *names, char **ret) {
        _cleanup_free_ char *lines = NULL, *text = NULL;
        _cleanup_error_ Error error = {};
        bool asked = false;
        size_t bytes;
        FILE *f;
        int r;

        if (inspect_socket)
                asked = ask(inspect_socket, &lines, &error) >= 0;
        r = asked ? 0 : read_lines(sys_root, &lines);
        if (r < 0)
                return r;
        f = open_memstream(&text, &bytes);
        if (!f)
                return -ENOMEM;
        r = format(sys_root, lines, names, f);
        if (inspect_socket && !asked)
                fprintf(f, "unavailable: what is behind the first 64 bytes: %s\n", strempty(error.text));
        if (fclose(f) != 0 && r >= 0)
                r = -ENOMEM;
        if (r < 0)
                return r;
        *ret = TAKE_PTR(text);
        return 0;
}
