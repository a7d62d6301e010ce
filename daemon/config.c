/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <ini.h>
#include <systemd/sd-journal.h>

#include "config.h"

typedef struct Reader {
        FILE *file;
        const char *path;
        unsigned line;
        Config config;
} Reader;

/* Debian builds inih without line numbers for the handler: so they are counted where lines are read. */
static char *read_counted(char *buf, int size, void *stream) {
        Reader *r = stream;

        r->line++;
        return fgets(buf, size, r->file);
}

static void warn_line(const Reader *r, const char *what, const char *text) {
        (void) sd_journal_send("MESSAGE=%s:%u: %s \"%s\", ignoring", r->path, r->line, what, text, "PRIORITY=4",
                        "CONFIG_FILE=%s", r->path, "CONFIG_LINE=%u", r->line, NULL);
}

static int parse_buffer_size(const char *value, Config *c) {
        if (streq(value, "auto")) {
                c->buffer_bytes = 0;
                return 0;
        }
        return parse_size(value, &c->buffer_bytes);
}

static int parse_source(const char *value, Config *c) {
        static const char *const sources[] = { [SOURCE_AUTO] = "auto", [SOURCE_RAW] = "raw", [SOURCE_TEXT] = "text" };

        for (size_t i = 0; i < ELEMENTS(sources); i++)
                if (streq(value, sources[i])) {
                        c->source = (CaptureSource) i;
                        return 0;
                }
        return -EINVAL;
}

static int parse_level(const char *value, Config *c) {
        uint64_t level;

        if (parse_u64(value, &level) < 0 || level > 9)
                return -EINVAL;
        c->seal_level = (unsigned) level;
        return 0;
}

static const struct {
        const char *section, *key;
        int (*parse)(const char *value, Config *config);
} keys[] = {
        { "Capture", "BufferSize", parse_buffer_size },
        { "Capture", "Source", parse_source },
        { "Seal", "Level", parse_level },
};

static int on_key(void *user, const char *section, const char *name, const char *value) {
        Reader *r = user;

        for (size_t i = 0; i < ELEMENTS(keys); i++) {
                if (!streq(section, keys[i].section) || !streq(name, keys[i].key))
                        continue;
                if (keys[i].parse(value, &r->config) < 0)
                        warn_line(r, "bad value", value);
                return 1;
        }
        warn_line(r, "unknown key", name);
        return 1;
}

int config_load(const char *path, Config *ret) {
        _cleanup_fclose_ FILE *file = NULL;
        Reader r = { .path = path, .config = CONFIG_DEFAULT };

        file = r.file = fopen(path, "re");
        if (!file && errno != ENOENT)
                return -errno;
        /* A positive result is the first line that is no line of such a file; what can be read is kept. */
        if (file && ini_parse_stream(read_counted, &r, on_key, &r) > 0)
                (void) sd_journal_send("MESSAGE=%s: has lines that are neither sections nor KEY=VALUE, ignoring those", path,
                                "PRIORITY=4", "CONFIG_FILE=%s", path, NULL);
        *ret = r.config;
        return 0;
}
