/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <ctype.h>

#include "targets.h"

#define MAIL_MAX_BYTES (25 * MIB)
#define PART_BYTES (64 * MIB)
/* S3 takes no part that is smaller, but for the last, and none that is larger. */
#define PART_LEAST_BYTES (5 * MIB)
#define PART_MOST_BYTES (5 * 1024 * MIB)
#define TIMEOUT_USEC (60 * USEC_PER_SEC)
#define TIMEOUT_MOST_USEC (86400 * USEC_PER_SEC)

static const char *const methods[_TARGET_METHOD_MAX] = {
        [TARGET_PUT] = "put",
        [TARGET_POST] = "post",
        [TARGET_S3] = "s3",
        [TARGET_MAIL] = "mail",
};

const char *target_method_to_string(TargetMethod method) {
        return method >= 0 && method < _TARGET_METHOD_MAX ? methods[method] : NULL;
}

TargetMethod target_method_from_string(const char *s) {
        for (TargetMethod i = 0; i < _TARGET_METHOD_MAX; i++)
                if (streq(methods[i], s))
                        return i;
        return _TARGET_METHOD_INVALID;
}

int target_new(const char *name, Target **ret) {
        _cleanup_(target_freep) Target *t = calloc(1, sizeof(Target));

        if (!t)
                return -ENOMEM;
        *t = (Target) {
                .name = strdup(name),
                .method = _TARGET_METHOD_INVALID,
                .part_bytes = PART_BYTES,
                .timeout_usec = TIMEOUT_USEC,
        };
        if (!t->name)
                return -ENOMEM;
        *ret = TAKE_PTR(t);
        return 0;
}

Target *target_free(Target *t) {
        if (!t)
                return NULL;
        free(t->name);
        free(t->url);
        free(t->user);
        free(t->secret_file);
        free(t->secret_header);
        free(t->ca_file);
        strv_free(t->headers);
        free(t->file_field);
        free(t->description_field);
        free(t->region);
        free(t->from);
        strv_free(t->to);
        free(t);
        return NULL;
}

static bool is_visible(const char *s) {
        for (; *s; s++)
                if (!isgraph((unsigned char) *s))
                        return false;
        return true;
}

/* A name of a header or of a field of a form. */
static bool is_token(const char *s, size_t bytes) {
        for (size_t i = 0; i < bytes; i++)
                if (!isalnum((unsigned char) s[i]) && s[i] != '-' && s[i] != '_')
                        return false;
        return bytes > 0;
}

static int set(char **p, const char *value) {
        char *copy = strdup(value);

        if (!copy)
                return -ENOMEM;
        free(*p);
        *p = copy;
        return 0;
}

/* Placeholders are checked later, when it is known whether there have to be any. */
static int set_url(Target *t, const char *value) {
        const char *host = startswith(value, "https://") ?: startswith(value, "smtps://") ?: startswith(value, "smtp://");
        size_t host_bytes;

        if (!host || !is_visible(value) || strpbrk(value, "\"<>\\^`|#"))
                return -EINVAL;
        host_bytes = strcspn(host, "/?");
        /* A password in it would be seen by everybody who may read the file, and by the journal. */
        if (host_bytes == 0 || memchr(host, '@', host_bytes) || memchr(host, '{', host_bytes))
                return -EINVAL;
        return set(&t->url, value);
}

static int set_method(Target *t, const char *value) {
        TargetMethod method = target_method_from_string(value);

        if (method < 0)
                return -EINVAL;
        t->method = method;
        return 0;
}

static int set_user(Target *t, const char *value) {
        return isempty(value) || !text_is_clean(value, false) ? -EINVAL : set(&t->user, value);
}

static int set_path(char **p, const char *value) {
        return *value != '/' || !text_is_clean(value, false) ? -EINVAL : set(p, value);
}

static int set_secret_file(Target *t, const char *value) {
        return set_path(&t->secret_file, value);
}

static int set_ca_file(Target *t, const char *value) {
        return set_path(&t->ca_file, value);
}

static int set_secret_header(Target *t, const char *value) {
        return is_token(value, strlen(value)) ? set(&t->secret_header, value) : -EINVAL;
}

static int add_header(Target *t, const char *value) {
        const char *colon = strchr(value, ':');

        if (isempty(value)) {
                strv_free(t->headers);
                t->headers = NULL;
                return 0;
        }
        if (!colon || !is_token(value, (size_t) (colon - value)) || !text_is_clean(value, false))
                return -EINVAL;
        /* This file may be read by all. */
        if (strncasecmp(value, "Authorization:", strlen("Authorization:")) == 0)
                return -EINVAL;
        return strv_extend(&t->headers, value);
}

static int set_file_field(Target *t, const char *value) {
        return is_token(value, strlen(value)) ? set(&t->file_field, value) : -EINVAL;
}

static int set_description_field(Target *t, const char *value) {
        return is_token(value, strlen(value)) ? set(&t->description_field, value) : -EINVAL;
}

static int set_region(Target *t, const char *value) {
        return is_token(value, strlen(value)) ? set(&t->region, value) : -EINVAL;
}

static bool is_address(const char *s) {
        const char *at = strchr(s, '@');

        return at && at > s && at[1] && !strchr(at + 1, '@') && is_visible(s) && !strpbrk(s, "\"<>()[]\\,;:");
}

static int set_from(Target *t, const char *value) {
        return is_address(value) ? set(&t->from, value) : -EINVAL;
}

static int add_to(Target *t, const char *value) {
        _cleanup_free_ char *copy = strdup(value);
        char *next = copy, *address;
        int r;

        if (!copy)
                return -ENOMEM;
        if (isempty(value)) {
                strv_free(t->to);
                t->to = NULL;
        }
        while ((address = strsep(&next, ", "))) {
                if (!*address)
                        continue;
                r = is_address(address) ? strv_extend(&t->to, address) : -EINVAL;
                if (r < 0)
                        return r;
        }
        return 0;
}

static int set_start_tls(Target *t, const char *value) {
        if (!streq(value, "yes") && !streq(value, "no"))
                return -EINVAL;
        t->plain = streq(value, "no");
        return 0;
}

static int set_max_size(Target *t, const char *value) {
        return parse_size(value, &t->max_bytes);
}

static int set_part_size(Target *t, const char *value) {
        uint64_t bytes;

        if (parse_size(value, &bytes) < 0 || bytes < PART_LEAST_BYTES || bytes > PART_MOST_BYTES)
                return -EINVAL;
        t->part_bytes = bytes;
        return 0;
}

static int set_timeout(Target *t, const char *value) {
        uint64_t usec;

        /* libcurl counts in seconds. */
        if (parse_span(value, &usec) < 0 || usec < USEC_PER_SEC || usec > TIMEOUT_MOST_USEC)
                return -EINVAL;
        t->timeout_usec = usec;
        return 0;
}

static const struct {
        const char *key;
        int (*set)(Target *target, const char *value);
        bool is_list;
} keys[] = {
        { "URL", set_url },
        { "Method", set_method },
        { "User", set_user },
        { "SecretFile", set_secret_file },
        { "SecretHeader", set_secret_header },
        { "CAFile", set_ca_file },
        { "Header", add_header, true },
        { "FileField", set_file_field },
        { "DescriptionField", set_description_field },
        { "Region", set_region },
        { "PartSize", set_part_size },
        { "From", set_from },
        { "To", add_to, true },
        { "StartTLS", set_start_tls },
        { "MaxSize", set_max_size },
        { "TimeoutSec", set_timeout },
};

int target_set(Target *t, const char *key, const char *value) {
        int r = -ENOENT;

        for (size_t i = 0; i < ELEMENTS(keys); i++)
                if (streq(key, keys[i].key))
                        r = keys[i].set(t, value);
        t->broken = t->broken || r < 0;
        return r;
}

bool target_key_is_list(const char *key) {
        for (size_t i = 0; i < ELEMENTS(keys); i++)
                if (streq(key, keys[i].key))
                        return keys[i].is_list;
        return false;
}

int target_show(const char *key, const char *value, char **ret) {
        /* A token often stands in a query, or in a header of its own. */
        size_t l = streq(key, "URL") ? strcspn(value, "?") : streq(key, "Header") ? strcspn(value, ":") + 1 : strlen(value);

        l = MIN(l, strlen(value));
        return asprintf(ret, "%.*s%s", (int) l, value, value[l] ? streq(key, "URL") ? "?…" : " …" : "") < 0 ? -ENOMEM : 0;
}

int target_new_from_url(const char *url, Target **ret, Error *error) {
        _cleanup_free_ char *name = strndup(url, strcspn(url, "?"));
        _cleanup_(target_freep) Target *t = NULL;
        _cleanup_error_ Error why = {};
        int r;

        r = name ? target_new(name, &t) : -ENOMEM;
        if (r < 0)
                return r;
        t->once = true;
        if (!startswith(url, "https://") || target_set(t, "URL", url) < 0)
                return error_set(error, ERROR_INVALID_ARGUMENTS,
                                "An address to submit to is https://HOST/PATH, without a user or a password in it.");
        if (target_check(t, &why) < 0)
                return error_set(error, ERROR_INVALID_ARGUMENTS, "That address cannot be used: %s.", strempty(why.text));
        *ret = TAKE_PTR(t);
        return 0;
}

static const char *const placeholders[] = { "{archive}", "{vendor}", "{device}", "{driver}" };

/* The index of the placeholder at p, or -ENOENT. */
static int find_placeholder(const char *p) {
        for (size_t i = 0; i < ELEMENTS(placeholders); i++)
                if (startswith(p, placeholders[i]))
                        return (int) i;
        return -ENOENT;
}

static int check_placeholders(const Target *t, Error *error) {
        for (const char *p = t->url; (p = strpbrk(p, "{}"));) {
                int i = find_placeholder(p);

                if (i < 0)
                        return error_set(error, ERROR_INVALID_ARGUMENTS,
                                        "its URL= has a placeholder that there is not; there are {archive}, {vendor}, {device} "
                                        "and {driver}");
                p += strlen(placeholders[i]);
        }
        return 0;
}

static int check_mail(const Target *t, Error *error) {
        if (!t->from || !t->to)
                return error_set(error, ERROR_INVALID_ARGUMENTS, "a mail needs From= and To=");
        if (strchr(t->url, '{') || strchr(strstr(t->url, "://") + 3, '/'))
                return error_set(error, ERROR_INVALID_ARGUMENTS, "the URL= of a mail server is a host, and perhaps a port");
        if (t->plain && startswith(t->url, "smtps:"))
                return error_set(error, ERROR_INVALID_ARGUMENTS, "StartTLS=no goes with smtp:// only");
        if (t->plain && t->secret_file)
                return error_set(error, ERROR_INVALID_ARGUMENTS, "with StartTLS=no the password would go in the clear");
        if (!!t->user != !!t->secret_file)
                return error_set(error, ERROR_INVALID_ARGUMENTS, "User= and SecretFile= go together");
        return 0;
}

static int check_web(const Target *t, Error *error) {
        const char *path = strchr(t->url + strlen("https://"), '/');

        if (t->user && !t->secret_file)
                return error_set(error, ERROR_INVALID_ARGUMENTS, "User= needs a SecretFile=");
        if (t->method == TARGET_POST)
                return 0;
        /* Else each archive would take the place of the one before. */
        if (!t->once && (!path || (!strstr(path, "{archive}") && (strchr(path, '?') || path[strlen(path) - 1] != '/'))))
                return error_set(error, ERROR_INVALID_ARGUMENTS, "its URL= has to hold {archive}, or to end with \"/\"");
        if (t->method == TARGET_S3 && (!t->user || t->secret_header))
                return error_set(error, ERROR_INVALID_ARGUMENTS,
                                "an S3 store needs User= (the access key) and SecretFile= (the secret key)");
        /* libcurl 7.88 signs queries wrongly unless they are sorted and complete. */
        if (t->method == TARGET_S3 && strchr(t->url, '?'))
                return error_set(error, ERROR_INVALID_ARGUMENTS, "the URL= of an S3 store has no \"?\"");
        return 0;
}

int target_check(Target *t, Error *error) {
        bool is_mail;
        int r;

        if (t->broken)
                return error_set(error, ERROR_INVALID_ARGUMENTS, "not every line of it was understood");
        if (!t->url)
                return error_set(error, ERROR_INVALID_ARGUMENTS, "it has no URL=");
        is_mail = startswith(t->url, "smtp");
        if (t->method < 0)
                t->method = is_mail ? TARGET_MAIL : TARGET_PUT;
        if (is_mail != (t->method == TARGET_MAIL))
                return error_set(error, ERROR_INVALID_ARGUMENTS, "its Method= and the kind of its URL= do not go together");
        if (t->secret_header && (!t->secret_file || t->user))
                return error_set(error, ERROR_INVALID_ARGUMENTS, "SecretHeader= is for a SecretFile= without User=");
        r = check_placeholders(t, error);
        if (r >= 0)
                r = is_mail ? check_mail(t, error) : check_web(t, error);
        if (r < 0)
                return r;
        if (is_mail && t->max_bytes == 0)
                t->max_bytes = MAIL_MAX_BYTES;
        if (!t->region)
                r = set(&t->region, "us-east-1");
        if (r >= 0 && !t->file_field)
                r = set(&t->file_field, "file");
        return r;
}

/* As RFC 3986 §2.3 has it, and as S3 has it for what it signs. */
static void print_encoded(FILE *f, const char *s) {
        for (; *s; s++)
                if (isalnum((unsigned char) *s) || strchr("-._~", *s))
                        fputc(*s, f);
                else
                        fprintf(f, "%%%02X", (unsigned) (unsigned char) *s);
}

int target_expand(const Target *t, const TargetValues *v, char **ret) {
        const char *const values[ELEMENTS(placeholders)] = {
                v->archive, v->vendor ?: "none", v->device ?: "none", v->driver ?: "all",
        };
        size_t bytes = 0, l = strlen(t->url);
        _cleanup_free_ char *text = NULL;
        FILE *f;

        f = open_memstream(&text, &bytes);
        if (!f)
                return -ENOMEM;
        for (const char *p = t->url; *p;) {
                int i = *p == '{' ? find_placeholder(p) : -ENOENT;

                if (i >= 0) {
                        print_encoded(f, values[i]);
                        p += strlen(placeholders[i]);
                } else
                        fputc(*p++, f);
        }
        if ((t->method == TARGET_PUT || t->method == TARGET_S3) && t->url[l - 1] == '/')
                print_encoded(f, v->archive);
        if (fclose(f) != 0)
                return -ENOMEM;
        *ret = TAKE_PTR(text);
        return 0;
}

int target_address(const Target *t, char **ret) {
        _cleanup_free_ char *text = NULL;
        size_t bytes = 0;
        FILE *f;

        f = open_memstream(&text, &bytes);
        if (!f)
                return -ENOMEM;
        if (t->method == TARGET_MAIL)
                STRV_FOREACH(to, t->to)
                        fprintf(f, "%s%s", to == t->to ? "" : ", ", *to);
        else
                fprintf(f, "%.*s", (int) strcspn(t->url, "?"), t->url);
        if (fclose(f) != 0)
                return -ENOMEM;
        *ret = TAKE_PTR(text);
        return 0;
}

int target_public_address(const Target *t, char **ret) {
        _cleanup_strv_ char **domains = NULL;
        _cleanup_free_ char *text = NULL;
        size_t bytes = 0;
        int r = 0;
        FILE *f;

        if (t->method != TARGET_MAIL) {
                text = strndup(t->url, target_public_bytes(t->url));
                if (!text)
                        return -ENOMEM;
                *ret = TAKE_PTR(text);
                return 0;
        }
        STRV_FOREACH(to, t->to)
                if (r >= 0 && !strv_contains(domains, strchr(*to, '@') + 1))
                        r = strv_extend(&domains, strchr(*to, '@') + 1);
        if (r < 0)
                return r;
        f = open_memstream(&text, &bytes);
        if (!f)
                return -ENOMEM;
        STRV_FOREACH(domain, domains)
                fprintf(f, "%s%s", domain == domains ? "" : ", ", *domain);
        if (fclose(f) != 0)
                return -ENOMEM;
        *ret = TAKE_PTR(text);
        return 0;
}

size_t target_public_bytes(const char *name_or_address) {
        const char *host = strstr(name_or_address, "://");

        if (!host)
                return strlen(name_or_address);
        host += strlen("://");
        return (size_t) (host - name_or_address) + strcspn(host, "/?");
}
