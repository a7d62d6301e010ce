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

static void print_rows(FILE *f, const uint8_t *bytes, size_t n_bytes) {
        for (size_t i = 0; i < n_bytes; i++) {
                if (i % ROW_BYTES == 0)
                        fprintf(f, "%s%02zx:", i > 0 ? "\n" : "", i);
                fprintf(f, " %02x", bytes[i]);
        }
        fputs("\n\n", f);
}

static int parse_digits(const char *digits, uint8_t buffer[static CONFIG_SPACE_MAX_BYTES], size_t *ret_bytes) {
        size_t l = strlen(digits);

        if (l % 2 != 0 || l > 2 * (size_t) CONFIG_SPACE_MAX_BYTES || strspn(digits, "0123456789abcdef") != l)
                return -EBADMSG;
        for (size_t i = 0; i < l / 2; i++)
                if (sscanf(digits + 2 * i, "%2hhx", buffer + i) != 1)
                        return -EBADMSG;
        *ret_bytes = l / 2;
        return 0;
}

static int print_device(FILE *f, const char *sys_root, const char *line, bool with_domain, PciNames *names) {
        _cleanup_(pci_device_done) PciDevice device = {};
        _cleanup_free_ char *bdf = strndup(line, strcspn(line, " "));
        _cleanup_close_ int fd = -EBADF;
        uint8_t buffer[CONFIG_SPACE_MAX_BYTES];
        const char *rest = strchr(line, ' ');
        size_t bytes = 0;
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
        r = parse_digits(rest, buffer, &bytes);
        if (r >= 0)
                print_rows(f, buffer, bytes);
        return r;
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

/* "3f0: 00 ..." Returns how many bytes there were, -EBADMSG if it is no such line. */
static int parse_row(const char *line, ConfigSpace *c) {
        unsigned long at;
        char *p;
        int n = 0;

        at = strtoul(line, &p, 16);
        if (p == line || *p != ':' || at != c->n_bytes)
                return -EBADMSG;
        for (p++; *p == ' '; n++) {
                char *end;
                unsigned long value = strtoul(p + 1, &end, 16);

                if (end != p + 3 || value > 0xff || c->n_bytes >= CONFIG_SPACE_MAX_BYTES)
                        return -EBADMSG;
                c->bytes[c->n_bytes++] = (uint8_t) value;
                p = end;
        }
        return n;
}

static bool is_title(const char *line) {
        unsigned a, b, c, d;

        return sscanf(line, "%x:%x:%x.%u ", &a, &b, &c, &d) == 4 || sscanf(line, "%x:%x.%u ", &a, &b, &c) == 3;
}

int config_space_next(const char **text, ConfigSpace *ret) {
        *ret = (ConfigSpace) {};
        for (const char *line = *text; *line; line = strchrnul(line, '\n'), line += *line == '\n') {
                if (!ret->title) {
                        ret->title = is_title(line) ? line : NULL;
                        continue;
                }
                if (parse_row(line, ret) > 0)
                        continue;
                *text = line;
                return 1;
        }
        *text += strlen(*text);
        return ret->title ? 1 : 0;
}

void config_space_print(FILE *f, const ConfigSpace *c) {
        fprintf(f, "%.*s\n", (int) strcspn(c->title, "\n"), c->title);
        print_rows(f, c->bytes, c->n_bytes);
}

size_t config_space_find_vpd(const ConfigSpace *c) {
        /* Pointers are of whole words. No list is longer than there is room for. */
        size_t at = c->n_bytes >= 256 && c->bytes[0x06] & 0x10 ? c->bytes[0x34] & 0xfc : 0;

        for (unsigned n = 0; at >= 0x40 && n < 48; n++, at = c->bytes[at + 1] & 0xfc)
                if (c->bytes[at] == 0x03)
                        return at;
        return 0;
}

size_t config_space_find_serial(const ConfigSpace *c) {
        size_t at = 0x100;

        for (unsigned n = 0; at >= 0x100 && at + 12 <= c->n_bytes && n < 960; n++) {
                const uint8_t *p = c->bytes + at;

                if (p[0] == 0x03 && p[1] == 0x00)
                        return at + 4;
                at = (size_t) (p[2] >> 4 | p[3] << 4) & 0xffc;
        }
        return 0;
}
