/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <ini.h>

#include "config.h"
#include "log.h"
#include "names.h"
#include "ring-size.h"

#define ATTEMPTS_MAX 1000
#define RETRY_LEAST_USEC (100 * USEC_PER_MSEC)
#define RETRY_MOST_USEC (30 * 86400 * USEC_PER_SEC)
#define TARGETS_MAX 64
/* inih takes no more than 50 bytes for the name of a section. */
#define TARGET_NAME_MAX 40

typedef struct Reader {
        FILE *file;
        const char *path;
        unsigned line;
        bool cut;               /* the line is longer than inih takes */
        Config *config;
        int r;
} Reader;

/* Debian builds inih without line numbers for the handler: so they are counted where lines are read. What is left of a
 * line that was cut comes as the next one. */
static char *read_counted(char *buf, int size, void *stream) {
        Reader *r = stream;

        if (!r->cut)
                r->line++;
        if (!fgets(buf, size, r->file))
                return NULL;
        r->cut = !strchr(buf, '\n') && strlen(buf) == (size_t) size - 1;
        return buf;
}

static void warn_line(const Reader *r, const char *what, const char *text) {
        log_send(LOG_WARNING, "MESSAGE=%s:%u: %s \"%s\", ignoring", r->path, r->line, what, text,
                        "MESSAGE_ID=" MESSAGE_CONFIG_INVALID, "CONFIG_FILE=%s", r->path, "CONFIG_LINE=%u", r->line);
}

/* What that line has set. */
static void note(Reader *r, const char *section, const char *key, const char *value) {
        const Setting setting = { (char *) section, (char *) key, (char *) value, (char *) r->path, r->line };

        if (r->r >= 0)
                r->r = settings_add(&r->config->settings, &setting);
}

static int parse_buffer_size(const char *value, Config *c) {
        uint64_t bytes;
        int r;

        if (streq(value, "auto")) {
                c->buffer_bytes = 0;
                return 0;
        }
        r = parse_size(value, &bytes);
        if (r < 0)
                return r;
        if (bytes < RING_LEAST_BYTES)
                return -ERANGE;
        c->buffer_bytes = bytes;
        return 0;
}

/* One of these words, in *ret its place among them. */
static int parse_word(const char *value, const char *const *words, size_t n_words, unsigned *ret) {
        for (size_t i = 0; i < n_words; i++)
                if (streq(value, words[i])) {
                        *ret = (unsigned) i;
                        return 0;
                }
        return -EINVAL;
}

static int parse_source(const char *value, Config *c) {
        static const char *const sources[] = { [SOURCE_AUTO] = "auto", [SOURCE_RAW] = "raw", [SOURCE_TEXT] = "text" };

        return parse_word(value, sources, ELEMENTS(sources), &c->source);
}

static int parse_oops_dump(const char *value, Config *c) {
        static const char *const dumps[] = {
                [OOPS_DUMP_UNCHANGED] = "no", [OOPS_DUMP_ALL] = "yes", [OOPS_DUMP_ORIG_CPU] = "orig_cpu",
        };

        return parse_word(value, dumps, ELEMENTS(dumps), &c->oops_dump);
}

static int parse_when_full(const char *value, Config *c) {
        static const char *const policies[] = { [WHEN_FULL_STOP] = "stop", [WHEN_FULL_KEEP_NEWEST] = "keep-newest" };

        return parse_word(value, policies, ELEMENTS(policies), &c->when_full);
}

/* Less than that would only keep disk and drain busy. */
static int parse_sync_interval(const char *value, Config *c) {
        uint64_t usec;
        int r;

        r = parse_span(value, &usec);
        if (r < 0)
                return r;
        if (usec < 100 * USEC_PER_MSEC || usec > 3600 * USEC_PER_SEC)
                return -ERANGE;
        c->sync_usec = usec;
        return 0;
}

static int parse_sync_bytes(const char *value, Config *c) {
        uint64_t bytes;
        int r;

        r = parse_size(value, &bytes);
        if (r < 0)
                return r;
        if (bytes < 64 * KIB)
                return -ERANGE;
        c->sync_bytes = bytes;
        return 0;
}

static int parse_preset(const char *value, unsigned *ret) {
        uint64_t level;

        if (parse_u64(value, &level) < 0 || level > 9)
                return -EINVAL;
        *ret = (unsigned) level;
        return 0;
}

static int parse_level(const char *value, Config *c) {
        return parse_preset(value, &c->seal_level);
}

static int parse_fast_level(const char *value, Config *c) {
        return parse_preset(value, &c->fast_level);
}

static int parse_attempts(const char *value, Config *c) {
        uint64_t n;

        if (parse_u64(value, &n) < 0 || n == 0 || n > ATTEMPTS_MAX)
                return -EINVAL;
        c->n_attempts = (unsigned) n;
        return 0;
}

static int parse_pause(const char *value, uint64_t *ret_usec) {
        uint64_t usec;

        if (parse_span(value, &usec) < 0 || usec < RETRY_LEAST_USEC || usec > RETRY_MOST_USEC)
                return -EINVAL;
        *ret_usec = usec;
        return 0;
}

static int parse_retry(const char *value, Config *c) {
        return parse_pause(value, &c->retry_usec);
}

static int parse_retry_max(const char *value, Config *c) {
        return parse_pause(value, &c->retry_max_usec);
}

static int parse_share(const char *value, StorageSize *ret) {
        if (!isempty(value))
                return storage_size_parse(value, ret);
        *ret = (StorageSize) {};
        return 0;
}

static int parse_max_use(const char *value, Config *c) {
        return parse_share(value, &c->storage.max_use);
}

static int parse_keep_free(const char *value, Config *c) {
        return parse_share(value, &c->storage.keep_free);
}

static int parse_max_session_size(const char *value, Config *c) {
        return parse_share(value, &c->storage.max_session);
}

static const struct {
        const char *section, *key;
        int (*parse)(const char *value, Config *config);
        const char *otherwise;  /* as one would write it; "": it depends on the disk */
} keys[] = {
        { "Capture", "BufferSize", parse_buffer_size, "auto" },
        { "Capture", "DumpOnOops", parse_oops_dump, "no" },
        { "Capture", "Source", parse_source, "auto" },
        { "Capture", "SyncBytes", parse_sync_bytes, "4M" },
        { "Capture", "SyncIntervalSec", parse_sync_interval, "1s" },
        { "Storage", "KeepFree", parse_keep_free, "" },
        { "Storage", "MaxSessionSize", parse_max_session_size, "" },
        { "Storage", "MaxUse", parse_max_use, "" },
        { "Storage", "WhenFull", parse_when_full, "stop" },
        { "Seal", "FastLevel", parse_fast_level, "0" },
        { "Seal", "Level", parse_level, "6" },
        { "Submit", "Attempts", parse_attempts, "10" },
        { "Submit", "RetrySec", parse_retry, "30s" },
        { "Submit", "RetryMaxSec", parse_retry_max, "1h" },
};

static bool name_is_valid(const char *name) {
        return *name && strlen(name) <= TARGET_NAME_MAX &&
                        strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-") == strlen(name);
}

/* The target of that section, new or begun before. */
static Target *get_target(Config *c, const char *name) {
        _cleanup_(target_freep) Target *t = NULL;
        Target **grown;

        for (size_t i = 0; i < c->n_targets; i++)
                if (streq(c->targets[i]->name, name))
                        return c->targets[i];
        if (!name_is_valid(name) || c->n_targets == TARGETS_MAX || target_new(name, &t) < 0)
                return NULL;
        grown = reallocarray(c->targets, c->n_targets + 1, sizeof(Target *));
        if (!grown)
                return NULL;
        c->targets = grown;
        return c->targets[c->n_targets++] = TAKE_PTR(t);
}

static void on_target_key(Reader *r, const char *section, const char *target_name, const char *name, const char *value) {
        _cleanup_free_ char *shown = NULL;
        Target *t = get_target(r->config, target_name);
        int k;

        if (!t) {
                warn_line(r, "a target cannot have the name, or is one too many,", target_name);
                return;
        }
        k = target_set(t, name, value);
        t->broken = t->broken || r->cut;
        /* The value stays out of the journal: it may be a password in a wrong place. */
        if (k == -ENOENT)
                warn_line(r, "unknown key", name);
        else if (k < 0)
                warn_line(r, "bad value of", name);
        else if (r->cut)
                warn_line(r, "line too long for", name);
        if (t->broken)
                return;
        if (isempty(value) || !target_key_is_list(name))
                settings_remove(&r->config->settings, section, name);
        if (isempty(value))
                return;
        k = target_show(name, value, &shown);
        if (k < 0)
                r->r = k;
        else
                note(r, section, name, shown);
}

/* Only what is whole is used: half a target could send to where nobody is meant to read. */
static void drop_broken_targets(Config *c) {
        size_t n = 0;

        for (size_t i = 0; i < c->n_targets; i++) {
                _cleanup_error_ Error error = {};
                Target *t = c->targets[i];
                char section[sizeof "Target " + TARGET_NAME_MAX];
                const Setting *first;

                if (target_check(t, &error) >= 0) {
                        c->targets[n++] = t;
                        continue;
                }
                (void) snprintf(section, sizeof section, "Target %s", t->name);
                first = settings_find(&c->settings, section, NULL);
                log_send(LOG_WARNING, "MESSAGE=%s%starget \"%s\" is not used: %s", first ? first->file : "", first ? ": " : "",
                                t->name, strempty(error.text), "MESSAGE_ID=" MESSAGE_CONFIG_INVALID);
                settings_remove(&c->settings, section, NULL);
                target_free(t);
        }
        c->n_targets = n;
}

static int on_key(void *user, const char *section, const char *name, const char *value) {
        const char *target = startswith(section, "Target ");
        char what[128];
        Reader *r = user;

        if (target) {
                on_target_key(r, section, target, name, value);
                return 1;
        }
        for (size_t i = 0; i < ELEMENTS(keys); i++) {
                if (!streq(section, keys[i].section) || !streq(name, keys[i].key))
                        continue;
                if (keys[i].parse(isempty(value) ? keys[i].otherwise : value, r->config) < 0) {
                        warn_line(r, "bad value", value);
                        return 1;
                }
                settings_remove(&r->config->settings, section, name);
                if (!isempty(value))
                        note(r, section, name, value);
                return 1;
        }
        /* It may well be one of another section. */
        (void) snprintf(what, sizeof what, "[%s] has no key", section);
        warn_line(r, what, name);
        return 1;
}

static int read_file(const char *path, Config *c, Error *error) {
        _cleanup_fclose_ FILE *file = NULL;
        Reader reader = { .path = path, .config = c };
        int r, line;

        r = config_open(path, &file, error);
        if (r < 0 || !file)
                return r;
        reader.file = file;
        /* A positive result is the first line that is no line of such a file; what can be read is kept. */
        line = ini_parse_stream(read_counted, &reader, on_key, &reader);
        if (ferror(file))
                return error_set_errno(error, ERROR_FAILED, -EIO, "Cannot read %s", path);
        if (line > 0)
                log_send(LOG_WARNING, "MESSAGE=%s:%i: neither a section nor KEY=VALUE, ignoring, with more such lines "
                                "if there are any",
                                path, line, "MESSAGE_ID=" MESSAGE_CONFIG_INVALID, "CONFIG_FILE=%s", path, "CONFIG_LINE=%i", line);
        return reader.r;
}

int config_load(const ConfigPlaces *places, Config *ret, Error *error) {
        _cleanup_config_ Config c = CONFIG_DEFAULT;
        _cleanup_strv_ char **dropins = NULL;
        int r;

        r = config_dropins(places, &dropins, error);
        if (r >= 0)
                r = read_file(places->file, &c, error);
        STRV_FOREACH(path, dropins)
                if (r >= 0)
                        r = read_file(*path, &c, error);
        if (r < 0)
                return error_set_errno(error, ERROR_FAILED, r, "Cannot read the configuration");
        drop_broken_targets(&c);
        *ret = c;
        c = (Config) {};
        return 0;
}

int config_list(const Config *c, SettingList *ret) {
        _cleanup_settings_ SettingList l = {};
        int r = 0;

        for (size_t i = 0; i < ELEMENTS(keys) && r >= 0; i++) {
                const Setting otherwise = { (char *) keys[i].section, (char *) keys[i].key, (char *) keys[i].otherwise, NULL, 0 };

                r = settings_add(&l, settings_find(&c->settings, keys[i].section, keys[i].key) ?: &otherwise);
        }
        for (size_t i = 0; i < c->settings.n_items && r >= 0; i++)
                if (startswith(c->settings.items[i].section, "Target "))
                        r = settings_add(&l, c->settings.items + i);
        if (r < 0)
                return r;
        *ret = l;
        l = (SettingList) {};
        return 0;
}

void config_done(Config *c) {
        for (size_t i = 0; i < c->n_targets; i++)
                target_free(c->targets[i]);
        free(c->targets);
        c->targets = NULL;
        c->n_targets = 0;
        settings_done(&c->settings);
}

const Target *config_find_target(const Config *c, const char *name) {
        for (size_t i = 0; i < c->n_targets; i++)
                if (streq(c->targets[i]->name, name))
                        return c->targets[i];
        return NULL;
}
