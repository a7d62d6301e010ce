/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <ctype.h>
#include <inttypes.h>
#include <systemd/sd-journal.h>

#include "kernel-log.h"

#define EXCERPT_MAX_BYTES (16 * MIB)

struct KernelLog {
        sd_journal *journal;
        sd_id128_t boot_id;
};

KernelLog *kernel_log_free(KernelLog *log) {
        if (!log)
                return NULL;
        sd_journal_close(log->journal);
        free(log);
        return NULL;
}

static int match_boot(KernelLog *log, const char *boot_id) {
        char match[] = "_BOOT_ID=0123456789abcdef0123456789abcdef";
        int r;

        /* The kernel writes it with dashes, the journal without. */
        r = sd_id128_from_string(boot_id, &log->boot_id);
        if (r < 0)
                return r;
        (void) sd_id128_to_string(log->boot_id, strchr(match, '=') + 1);
        r = sd_journal_add_match(log->journal, match, 0);
        return r < 0 ? r : sd_journal_add_match(log->journal, "_TRANSPORT=kernel", 0);
}

int kernel_log_open(const char *journal_dir, const char *boot_id, KernelLog **ret) {
        _cleanup_(kernel_log_freep) KernelLog *log = calloc(1, sizeof(KernelLog));
        int r;

        if (!log)
                return -ENOMEM;
        if (journal_dir)
                r = sd_journal_open_directory(&log->journal, journal_dir, 0);
        else
                r = sd_journal_open(&log->journal, SD_JOURNAL_LOCAL_ONLY | SD_JOURNAL_SYSTEM);
        if (r >= 0)
                r = match_boot(log, boot_id);
        if (r < 0)
                return r;
        *ret = TAKE_PTR(log);
        return 0;
}

/* -ENOENT: the message has no such field. */
static int get_field(sd_journal *journal, const char *name, const char **ret, size_t *ret_bytes) {
        size_t bytes, skip = strlen(name) + 1;
        const void *data;
        int r;

        r = sd_journal_get_data(journal, name, &data, &bytes);
        if (r < 0)
                return r;
        if (bytes < skip)
                return -EBADMSG;
        *ret = (const char *) data + skip;
        *ret_bytes = bytes - skip;
        return 0;
}

static int get_number(sd_journal *journal, const char *name, uint64_t *ret) {
        const char *text;
        char copy[24];
        size_t bytes;
        int r;

        r = get_field(journal, name, &text, &bytes);
        if (r < 0)
                return r;
        (void) snprintf(copy, sizeof copy, "%.*s", (int) MIN(bytes, sizeof copy), text);
        return parse_u64(copy, ret);
}

int kernel_log_next(KernelLog *log, KernelMessage *ret) {
        KernelMessage m = { .priority = 6, .text = "" };
        sd_id128_t boot_id;
        uint64_t priority, facility;
        int r;

        r = sd_journal_next(log->journal);
        if (r <= 0)
                return r;
        r = sd_journal_get_monotonic_usec(log->journal, &m.monotonic_usec, &boot_id);
        if (r < 0)
                return r;
        if (get_number(log->journal, "_SOURCE_MONOTONIC_TIMESTAMP", &m.stamp_usec) < 0)
                m.stamp_usec = m.monotonic_usec;
        if (get_number(log->journal, "PRIORITY", &priority) >= 0 && priority <= 7)
                m.priority = (unsigned) priority;
        /* Only the kernel itself has facility 0: printk.c, devkmsg_write(), gives LOG_USER to what claims that. */
        m.by_program = get_number(log->journal, "SYSLOG_FACILITY", &facility) >= 0 && facility != 0;
        r = get_field(log->journal, "MESSAGE", &m.text, &m.text_bytes);
        if (r < 0 && r != -ENOENT)
                return r;
        *ret = m;
        return 1;
}

static bool same_letter(char a, char b) {
        return a == b || (a == '-' && b == '_') || (a == '_' && b == '-');
}

int kernel_log_seek(KernelLog *log, uint64_t from_usec) {
        return sd_journal_seek_monotonic_usec(log->journal, log->boot_id, from_usec);
}

int kernel_log_wait(KernelLog *log) {
        int r;

        r = sd_journal_wait(log->journal, UINT64_MAX);
        return r < 0 ? r : 0;
}

bool kernel_message_names(const KernelMessage *m, const char *name) {
        size_t l = strlen(name);

        for (size_t i = 0; i + l <= m->text_bytes; i++) {
                size_t n = 0;

                if (i > 0 && isalnum((unsigned char) m->text[i - 1]))
                        continue;
                while (n < l && same_letter(m->text[i + n], name[n]))
                        n++;
                if (n == l && (i + l == m->text_bytes || !isalnum((unsigned char) m->text[i + l])))
                        return true;
        }
        return false;
}

static bool is_wanted(const KernelLogExcerpt *q, const KernelMessage *m) {
        if (m->monotonic_usec >= q->from_usec)
                return true;
        STRV_FOREACH(name, q->names)
                if (kernel_message_names(m, *name))
                        return true;
        return false;
}

/* A device can put anything into a message: what is no plain text is printed as escapes. */
void kernel_log_print_text(FILE *f, const char *text, size_t bytes) {
        _cleanup_free_ char *copy = strndup(text, bytes);

        if (copy && strlen(copy) == bytes && text_is_clean(copy, true)) {
                fputs(copy, f);
                return;
        }
        for (size_t i = 0; i < bytes; i++)
                if (text[i] < ' ' || text[i] == 0x7f)
                        fprintf(f, "\\x%02x", (unsigned char) text[i]);
                else
                        fputc(text[i], f);
}

int kernel_message_quote(const KernelMessage *m, size_t max_bytes, char **ret) {
        const char *end = memchr(m->text, '\n', m->text_bytes);
        size_t bytes = end ? (size_t) (end - m->text) : m->text_bytes, n;
        _cleanup_free_ char *text = NULL;
        FILE *f;

        f = open_memstream(&text, &n);
        if (!f)
                return -ENOMEM;
        kernel_log_print_text(f, m->text, MIN(bytes, max_bytes));
        if (bytes > max_bytes)
                fputs("...", f);
        if (fclose(f) != 0)
                return -ENOMEM;
        *ret = TAKE_PTR(text);
        return 0;
}

/* Each line of a message bears its stamp, so that none of them can pass for another message. */
static int format_message(const KernelMessage *m, char **ret, size_t *ret_bytes) {
        const char *line = m->text, *end = m->text + m->text_bytes;
        FILE *f;

        f = open_memstream(ret, ret_bytes);
        if (!f)
                return -ENOMEM;
        do {
                const char *line_end = memchr(line, '\n', (size_t) (end - line)) ?: end;

                fprintf(f, "[%5" PRIu64 ".%06" PRIu64 "] ", m->stamp_usec / USEC_PER_SEC, m->stamp_usec % USEC_PER_SEC);
                kernel_log_print_text(f, line, (size_t) (line_end - line));
                fputc('\n', f);
                line = line_end + 1;
        } while (line < end);
        return fclose(f) != 0 ? -ENOMEM : 0;
}

/* Messages, with the oldest dropped for what comes when they are too many. */
typedef struct Excerpt {
        char **lines;
        size_t n_lines, n_dropped;
        uint64_t bytes;
} Excerpt;

static void excerpt_done(Excerpt *e) {
        for (size_t i = 0; i < e->n_lines; i++)
                free(e->lines[i]);
        free(e->lines);
}

static int excerpt_add(Excerpt *e, const KernelMessage *m) {
        _cleanup_free_ char *lines = NULL;
        size_t bytes = 0;
        char **grown;
        int r;

        r = format_message(m, &lines, &bytes);
        if (r < 0)
                return r;
        if (e->n_lines % 1024 == 0) {
                grown = reallocarray(e->lines, e->n_lines + 1024, sizeof(char *));
                if (!grown)
                        return -ENOMEM;
                e->lines = grown;
        }
        e->lines[e->n_lines++] = TAKE_PTR(lines);
        e->bytes += bytes;
        while (e->bytes > EXCERPT_MAX_BYTES) {
                e->bytes -= strlen(e->lines[e->n_dropped]);
                free(TAKE_PTR(e->lines[e->n_dropped]));
                e->n_dropped++;
        }
        return 0;
}

static int excerpt_join(const Excerpt *e, char **ret) {
        _cleanup_free_ char *text = NULL;
        size_t bytes;
        FILE *f;

        f = open_memstream(&text, &bytes);
        if (!f)
                return -ENOMEM;
        if (e->n_dropped > 0)
                fprintf(f, "%zu older messages are left out\n", e->n_dropped);
        for (size_t i = e->n_dropped; i < e->n_lines; i++)
                fputs(e->lines[i], f);
        if (fclose(f) != 0)
                return -ENOMEM;
        *ret = TAKE_PTR(text);
        return 0;
}

int kernel_log_format(const KernelLogExcerpt *q, char **ret) {
        _cleanup_(kernel_log_freep) KernelLog *log = NULL;
        _cleanup_(excerpt_done) Excerpt excerpt = {};
        bool any = false;
        KernelMessage m;
        int r;

        r = kernel_log_open(q->journal_dir, q->boot_id, &log);
        while (r >= 0 && (r = kernel_log_next(log, &m)) > 0) {
                any = true;
                if (is_wanted(q, &m))
                        r = excerpt_add(&excerpt, &m);
        }
        if (r < 0)
                return r;
        return any ? excerpt_join(&excerpt, ret) : -ENODATA;
}
