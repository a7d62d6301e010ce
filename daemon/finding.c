/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <ctype.h>

#include "finding.h"

static const char *const levels[_FINDING_LEVEL_MAX] = {
        [FINDING_OK] = "ok",
        [FINDING_NOTE] = "note",
        [FINDING_WARNING] = "warning",
        [FINDING_BLOCKER] = "blocker",
};

const char *finding_level_to_string(FindingLevel level) {
        return levels[level];
}

int finding_level_from_string(const char *s, FindingLevel *ret) {
        for (size_t i = 0; i < ELEMENTS(levels); i++)
                if (streq(s, levels[i])) {
                        *ret = (FindingLevel) i;
                        return 0;
                }
        return -EINVAL;
}

static void finding_done(Finding *finding) {
        free(finding->id);
        free(finding->found);
        free(finding->to_do);
}

void findings_done(Findings *f) {
        for (size_t i = 0; i < f->n_findings; i++)
                finding_done(f->findings + i);
        free(f->findings);
        *f = (Findings) {};
}

static void add(Findings *f, const Finding *finding, const char *found, size_t found_bytes, const char *to_do) {
        Finding *grown, copy = *finding;

        if (f->r < 0)
                return;
        copy.id = strdup(finding->id);
        copy.found = strndup(found, found_bytes);
        copy.to_do = strdup(to_do);
        grown = copy.id && copy.found && copy.to_do ? reallocarray(f->findings, f->n_findings + 1, sizeof(Finding)) : NULL;
        if (!grown) {
                finding_done(&copy);
                f->r = -ENOMEM;
                return;
        }
        f->findings = grown;
        f->findings[f->n_findings++] = copy;
}

static void add_format(Findings *f, const Finding *finding, const char *format, va_list ap) {
        _cleanup_free_ char *text = NULL;
        size_t found_bytes;

        if (vasprintf(&text, format, ap) < 0) {
                text = NULL;
                f->r = f->r < 0 ? f->r : -ENOMEM;
                return;
        }
        found_bytes = strcspn(text, "\n");
        add(f, finding, text, found_bytes, text[found_bytes] ? text + found_bytes + 1 : "");
}

void findings_add(Findings *f, const char *id, FindingLevel level, const char *format, ...) {
        va_list ap;

        va_start(ap, format);
        add_format(f, &(Finding) { .id = (char *) id, .level = level }, format, ap);
        va_end(ap);
}

void findings_block(Findings *f, const char *id, ErrorCode code, bool forcible, const char *format, ...) {
        va_list ap;

        va_start(ap, format);
        add_format(f, &(Finding) { .id = (char *) id, .level = FINDING_BLOCKER, .code = code, .forcible = forcible }, format, ap);
        va_end(ap);
}

void findings_block_error(Findings *f, const char *id, bool forcible, const Error *error) {
        const Finding finding = {
                .id = (char *) id,
                .level = FINDING_BLOCKER,
                .code = error->code == ERROR_NONE ? ERROR_FAILED : error->code,
                .forcible = forcible,
        };
        _cleanup_free_ char *text = strdup(strempty(error->text));
        char *end = NULL;
        size_t l;

        if (!text) {
                f->r = f->r < 0 ? f->r : -ENOMEM;
                return;
        }
        l = strlen(text);
        if (l > 0 && text[l - 1] == '.')
                text[--l] = 0;
        for (char *p = text; (p = strstr(p, "; ")); p++)
                end = p;
        add(f, &finding, text, end ? (size_t) (end - text) : l, end ? end + 2 : "");
}

const char *finding_phrase(Error *error, int r) {
        size_t l = strlen(strempty(error->text));

        if (l == 0)
                return strerrordesc_np(-r);
        if (error->text[l - 1] == '.')
                error->text[l - 1] = 0;
        return error->text;
}

void findings_take(Findings *f, const char *id, FindingLevel level, const char *found, const char *to_do) {
        add(f, &(Finding) { .id = (char *) id, .level = level }, found, strlen(found), to_do);
}

int finding_advice(const Finding *finding, char **ret) {
        char *s;

        if (asprintf(&s, "%s%s", finding->to_do,
                            finding->level == FINDING_BLOCKER && finding->forcible ? ", or insist with --force" : "") < 0)
                return -ENOMEM;
        *ret = s;
        return 0;
}

int finding_sentence(const Finding *finding, char **ret) {
        _cleanup_free_ char *advice = NULL;
        char *s;
        int r;

        r = finding_advice(finding, &advice);
        if (r < 0)
                return r;
        if (asprintf(&s, "%s%s%s.", finding->found, *advice ? "; " : "", advice) < 0)
                return -ENOMEM;
        *ret = s;
        return 0;
}

int finding_cells(const Finding *finding, char **ret_found, char **ret_to_do) {
        _cleanup_free_ char *found = NULL, *advice = NULL;
        char *to_do;
        int r;

        r = finding_advice(finding, &advice);
        if (r < 0)
                return r;
        if (asprintf(&found, "%s.", finding->found) < 0) {
                found = NULL;
                return -ENOMEM;
        }
        if (asprintf(&to_do, "%s%s", advice, *advice ? "." : "") < 0)
                return -ENOMEM;
        *to_do = (char) toupper((unsigned char) *to_do);
        *ret_found = TAKE_PTR(found);
        *ret_to_do = to_do;
        return 0;
}

FindingLevel findings_worst(const Findings *f) {
        FindingLevel worst = FINDING_OK;

        for (size_t i = 0; i < f->n_findings; i++)
                worst = MAX(worst, f->findings[i].level);
        return worst;
}
