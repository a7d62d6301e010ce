/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <ctype.h>
#include <fcntl.h>

#include "displays.h"
#include "sysfs.h"

#define MODES_MAX_BYTES (64 * KIB)
#define EDID_BLOCK_BYTES 128
#define DESCRIPTOR_BYTES 18

static bool has_suffix(const char *s, const char *suffix) {
        size_t l = strlen(s), n = strlen(suffix);

        return l >= n && streq(s + l - n, suffix);
}

int displays_list_edids(int dir_fd, char ***ret) {
        _cleanup_strv_ char **all = NULL, **edids = NULL;
        int r;

        r = sysfs_list_at(dir_fd, ".", &all);
        STRV_FOREACH(name, all)
                if (r >= 0 && startswith(*name, DISPLAYS_EDID_PREFIX) && has_suffix(*name, DISPLAYS_EDID_SUFFIX))
                        r = strv_extend(&edids, *name);
        if (r < 0)
                return r;
        *ret = TAKE_PTR(edids);
        return 0;
}

static int remove_edids(int dir_fd) {
        _cleanup_strv_ char **names = NULL;
        int r;

        r = displays_list_edids(dir_fd, &names);
        STRV_FOREACH(name, names)
                if (r >= 0 && unlinkat(dir_fd, *name, 0) < 0 && errno != ENOENT)
                        r = -errno;
        return r;
}

/* An attribute, or why there is none; borrowed until the next call. */
static const char *show(int fd, const char *name, char **line) {
        int r;

        free(TAKE_PTR(*line));
        r = read_line_at(fd, name, line);
        if (r < 0)
                return "unavailable";
        return text_is_clean(*line, false) ? *line : "not printable";
}

static bool is_tv(const char *connector) {
        static const char *const types[] = { "-TV-", "-Composite-", "-SVIDEO-", "-Component-" };

        for (size_t i = 0; i < ELEMENTS(types); i++)
                if (strstr(connector, types[i]))
                        return true;
        return false;
}

/* The text of a descriptor, up to its newline. */
static void print_text(FILE *f, const uint8_t *p, size_t bytes) {
        for (size_t i = 0; i < bytes && p[i] != '\n' && p[i]; i++)
                fputc(isprint(p[i]) ? p[i] : '?', f);
}

/* Three letters of five bits for the maker, the number of the model, the name, and when it was made. */
static void print_monitor(FILE *f, const uint8_t *edid) {
        unsigned maker = (unsigned) edid[8] << 8 | edid[9];
        static const uint8_t name[] = { 0x00, 0x00, 0x00, 0xfc };

        fputs("\tmonitor: ", f);
        for (int shift = 10; shift >= 0; shift -= 5) {
                unsigned letter = maker >> shift & 0x1f;

                fputc(letter >= 1 && letter <= 26 ? (int) ('A' + letter - 1) : '?', f);
        }
        fprintf(f, " %02x%02x", edid[11], edid[10]);
        for (size_t at = 54; at + DESCRIPTOR_BYTES < EDID_BLOCK_BYTES; at += DESCRIPTOR_BYTES)
                if (memcmp(edid + at, name, sizeof name) == 0) {
                        fputs(" \"", f);
                        print_text(f, edid + at + 5, DESCRIPTOR_BYTES - 5);
                        fputc('"', f);
                }
        fprintf(f, ", of %u\n", 1990u + edid[17]);
}

static int save_edid(int dir_fd, int fd, const char *connector, FILE *f) {
        _cleanup_free_ char *edid = NULL, *name = NULL;
        size_t bytes = 0;
        int r;

        r = read_file_at(fd, "edid", DISPLAYS_EDID_MAX_BYTES, &edid, &bytes);
        if (r == -ENOMEM)
                return r;
        if (r < 0) {
                fprintf(f, "\tEDID: unavailable: %s\n", strerrordesc_np(-r));
                return 0;
        }
        if (bytes == 0) {
                fputs("\tEDID: none\n", f);
                return 0;
        }
        if (bytes >= EDID_BLOCK_BYTES)
                print_monitor(f, (const uint8_t *) edid);
        if (asprintf(&name, DISPLAYS_EDID_PREFIX "%s" DISPLAYS_EDID_SUFFIX, connector) < 0) {
                name = NULL;
                return -ENOMEM;
        }
        fprintf(f, "\tEDID: %s\n", name);
        return write_file_atomic_at(dir_fd, name, edid, bytes);
}

static void print_modes(FILE *f, int fd) {
        _cleanup_free_ char *modes = NULL;

        if (read_file_at(fd, "modes", MODES_MAX_BYTES, &modes, NULL) < 0 || isempty(modes))
                return;
        for (char *p = modes; *p; p++)
                *p = *p == '\n' ? ' ' : *p;
        if (text_is_clean(modes, false))
                fprintf(f, "\tmodes: %s\n", modes);
}

/* The card that it is on is the connector's device, and that one's is on the bus. */
static int print_connector(int dir_fd, int drm_fd, const char *connector, FILE *f) {
        _cleanup_free_ char *line = NULL, *card = NULL;
        _cleanup_close_ int fd = openat(drm_fd, connector, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

        if (fd < 0) {
                fprintf(f, "%s: unavailable: %s\n", connector, strerrordesc_np(errno));
                return 0;
        }
        fprintf(f, "%s", connector);
        if (sysfs_link_name_at(fd, "device/device", &card) >= 0 && text_is_clean(card, false))
                fprintf(f, " of %s", card);
        if (is_tv(connector))
                fputs(" (TV output)", f);
        fprintf(f, ": %s", show(fd, "status", &line));
        fprintf(f, ", %s", show(fd, "enabled", &line));
        fprintf(f, ", DPMS %s\n", show(fd, "dpms", &line));
        print_modes(f, fd);
        return save_edid(dir_fd, fd, connector, f);
}

/* "card0-HDMI-A-1": what has no dash is the card itself. It becomes the name of a file. */
static bool is_connector(const char *name) {
        static const char letters[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_";

        return startswith(name, "card") && strchr(name, '-') && strspn(name, letters) == strlen(name);
}

/* The mode that each of them has now. */
static int print_framebuffers(FILE *f, const char *sys_root) {
        _cleanup_strv_ char **names = NULL;
        _cleanup_free_ char *path = NULL, *line = NULL;
        _cleanup_close_ int fd = -EBADF;
        int r;

        if (asprintf(&path, "%s/class/graphics", sys_root) < 0) {
                path = NULL;
                return -ENOMEM;
        }
        fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        r = fd < 0 ? -errno : sysfs_list_at(fd, ".", &names);
        if (r == -ENOMEM)
                return r;
        STRV_FOREACH(name, names) {
                _cleanup_close_ int fb_fd = -EBADF;

                if (!startswith(*name, "fb") || !isdigit((unsigned char) (*name)[2]) || !text_is_clean(*name, false))
                        continue;
                fb_fd = openat(fd, *name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
                if (fb_fd < 0)
                        continue;
                fprintf(f, "%s: %s", *name, show(fb_fd, "name", &line));
                fprintf(f, ", mode %s", show(fb_fd, "modes", &line));
                fprintf(f, ", size %s\n", show(fb_fd, "virtual_size", &line));
        }
        return 0;
}

int displays_collect(int dir_fd, const Context *context, char **ret) {
        _cleanup_strv_ char **names = NULL;
        _cleanup_free_ char *path = NULL, *text = NULL;
        _cleanup_close_ int fd = -EBADF;
        unsigned n = 0;
        size_t bytes;
        FILE *f;
        int r;

        r = remove_edids(dir_fd);
        if (r < 0)
                return r;
        if (asprintf(&path, "%s/class/drm", context->sys_root) < 0) {
                path = NULL;
                return -ENOMEM;
        }
        fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        r = fd < 0 ? -errno : sysfs_list_at(fd, ".", &names);
        if (r < 0)
                return r == -ENOENT ? -ENODATA : r;
        f = open_memstream(&text, &bytes);
        if (!f)
                return -ENOMEM;
        STRV_FOREACH(name, names)
                if (r >= 0 && is_connector(*name)) {
                        r = print_connector(dir_fd, fd, *name, f);
                        n++;
                }
        if (r >= 0)
                r = print_framebuffers(f, context->sys_root);
        if (fclose(f) != 0 && r >= 0)
                r = -ENOMEM;
        if (r < 0)
                return r;
        if (n == 0)
                return -ENODATA;
        *ret = TAKE_PTR(text);
        return 0;
}
