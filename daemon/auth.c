/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <inttypes.h>

#include "auth.h"
#include "log.h"
#include "names.h"
#include "quota.h"
#include "targets.h"
#include "util.h"

#define POLKIT "org.freedesktop.PolicyKit1"
#define POLKIT_PATH "/org/freedesktop/PolicyKit1/Authority"
#define POLKIT_AUTHORITY POLKIT ".Authority"
#define POLKIT_ALLOW_INTERACTION 1U     /* CheckAuthorizationFlags in polkit's D-Bus reference */

/* A person types a password meanwhile. Root is never asked for. */
static const Quota queries_quota = { .all = 64, .user = 4, .root = 0 };
#define ANSWER_USEC (2 * 60 * USEC_PER_SEC)

/* One question, and then its answer, until the message has been dispatched again. */
typedef struct Query {
        Auth *auth;
        struct Query *next;
        sd_bus_message *message;
        const char *action;             /* a literal of auth.h */
        char *subject;                  /* what it is about, of the details that polkit was given */
        uid_t uid;
        bool quiet;                     /* nobody is asked for a password */
        char cancellation_id[32];
        sd_bus_slot *slot;              /* of the call to polkit; NULL: it is answered */
        sd_bus_track *track;            /* of the sender, until it is answered */
        sd_event_source *forget;
        int result;                     /* 1: yes; negative: what the handler returns, with error */
        sd_bus_error error;
} Query;

/* Of one user: so many are told of in a while, as whoever is refused can try again at once. */
typedef struct Refusals {
        uid_t uid;
        uint64_t since_usec;            /* monotonic; 0: of nobody yet */
        unsigned n;
} Refusals;

#define REFUSALS_TOLD 5
#define REFUSALS_USEC (60 * USEC_PER_SEC)
#define REFUSALS_USERS 32

struct Auth {
        sd_bus *connection;
        Query *queries;
        uint64_t last_cancellation;
        Refusals refusals[REFUSALS_USERS];
};

static void query_free(Query *q) {
        for (Query **p = &q->auth->queries; *p; p = &(*p)->next)
                if (*p == q) {
                        *p = q->next;
                        break;
                }
        sd_event_source_disable_unref(q->forget);
        sd_bus_slot_unref(q->slot);
        sd_bus_track_unref(q->track);
        sd_bus_message_unref(q->message);
        sd_bus_error_free(&q->error);
        free(q->subject);
        free(q);
}
DEFINE_CLEANUP(Query *, query_free)

/* The answers that a message has had, and the questions that are still open for it. */
static void forget_message(Auth *a, const sd_bus_message *m) {
        for (Query *q = a->queries, *next; q; q = next) {
                next = q->next;
                if (q->message == m)
                        query_free(q);
        }
}

static void query_cancel(Query *q) {
        (void) sd_bus_call_method_async(q->auth->connection, NULL, POLKIT, POLKIT_PATH, POLKIT_AUTHORITY,
                        "CancelCheckAuthorization", NULL, NULL, "s", q->cancellation_id);
}

int auth_new(sd_bus *connection, Auth **ret) {
        Auth *a = calloc(1, sizeof(Auth));

        if (!a)
                return -ENOMEM;
        a->connection = sd_bus_ref(connection);
        *ret = a;
        return 0;
}

Auth *auth_free(Auth *a) {
        if (!a)
                return NULL;
        while (a->queries) {
                if (a->queries->slot)
                        query_cancel(a->queries);
                query_free(a->queries);
        }
        sd_bus_unref(a->connection);
        free(a);
        return NULL;
}

int auth_caller_uid(sd_bus_message *m, uid_t *ret) {
        sd_bus_creds *creds = NULL;
        int r;

        r = sd_bus_query_sender_creds(m, SD_BUS_CREDS_EUID, &creds);
        if (r >= 0)
                r = sd_bus_creds_get_euid(creds, ret);
        sd_bus_creds_unref(creds);
        return r;
}

/* The answers that a message has had go once it was dispatched with them, unless it has asked for more. */
static int on_forget(sd_event_source *source, void *userdata) {
        Query *q = userdata;

        for (const Query *other = q->auth->queries; other; other = other->next)
                if (other->message == q->message && other->slot)
                        return sd_event_source_set_enabled(source, SD_EVENT_OFF);
        query_free(q);
        return 0;
}

static int answer(Query *q) {
        sd_event *event = sd_bus_get_event(q->auth->connection);
        int r;

        q->slot = sd_bus_slot_unref(q->slot);
        /* An empty track that lives on calls its handler again and again. */
        q->track = sd_bus_track_unref(q->track);
        r = sd_bus_message_rewind(q->message, true);
        if (r >= 0)
                r = sd_bus_enqueue_for_read(q->auth->connection, q->message);
        /* Of all the answers of this message: those before may have been kept for this one. */
        for (Query *other = q->auth->queries; other && r >= 0; other = other->next) {
                if (other->message != q->message)
                        continue;
                if (other->forget) {
                        r = sd_event_source_set_enabled(other->forget, SD_EVENT_ONESHOT);
                        continue;
                }
                r = sd_event_add_defer(event, &other->forget, on_forget, other);
                /* Behind the dispatch of the message, which has the bus's priority. */
                if (r >= 0)
                        r = sd_event_source_set_priority(other->forget, SD_EVENT_PRIORITY_IDLE);
        }
        if (r < 0) {
                (void) sd_bus_reply_method_errno(q->message, r, NULL);
                forget_message(q->auth, q->message);
        }
        return 0;
}

/* An absent polkit, or one that fails, is a no. */
static int read_answer(sd_bus_message *reply, sd_bus_error *ret_error) {
        int authorized, challenge, r;

        if (sd_bus_message_is_method_error(reply, SD_BUS_ERROR_NO_REPLY))
                return sd_bus_error_set(ret_error, SD_BUS_ERROR_ACCESS_DENIED,
                                "Nobody has permitted this within two minutes, so it is not done; try again.");
        if (sd_bus_message_is_method_error(reply, NULL))
                return sd_bus_error_set(ret_error, SD_BUS_ERROR_ACCESS_DENIED,
                                "Only root may do this here: polkit, which could permit it to others, gave no answer.");
        r = sd_bus_message_enter_container(reply, 'r', "bba{ss}");
        if (r >= 0)
                r = sd_bus_message_read(reply, "bb", &authorized, &challenge);
        if (r < 0)
                return sd_bus_error_set(ret_error, SD_BUS_ERROR_ACCESS_DENIED, "polkit gave an answer that is none.");
        if (authorized)
                return 1;
        if (challenge)
                return sd_bus_error_set(ret_error, SD_BUS_ERROR_INTERACTIVE_AUTHORIZATION_REQUIRED,
                                "An administrator has to permit this, and nobody could be asked for a password.");
        return sd_bus_error_set(ret_error, SD_BUS_ERROR_ACCESS_DENIED, "You are not permitted to do this.");
}

/* Those of that user, who takes the place of the one who was there first, if need be. */
static Refusals *find_refusals(Auth *a, uid_t uid) {
        Refusals *oldest = a->refusals;

        for (size_t i = 0; i < REFUSALS_USERS; i++) {
                if (a->refusals[i].since_usec > 0 && a->refusals[i].uid == uid)
                        return a->refusals + i;
                if (a->refusals[i].since_usec < oldest->since_usec)
                        oldest = a->refusals + i;
        }
        *oldest = (Refusals) { .uid = uid };
        return oldest;
}

static void log_refusal(const Query *q) {
        Refusals *known = find_refusals(q->auth, q->uid);
        uint64_t now_usec = now_monotonic_usec();
        char more[64] = "";

        if (known->since_usec == 0 || now_usec - known->since_usec >= REFUSALS_USEC) {
                if (known->n > REFUSALS_TOLD)
                        (void) snprintf(more, sizeof more, " (and %u times before, not told of)", known->n - REFUSALS_TOLD);
                known->since_usec = now_usec;
                known->n = 0;
        }
        if (known->n++ < REFUSALS_TOLD)
                log_send(LOG_NOTICE, "MESSAGE=User %u wanted to %s, and was refused%s: %s", q->uid,
                                startswith(q->action, "org.freedesktop.MmioTrace."), more, q->error.message,
                                "MESSAGE_ID=" MESSAGE_REFUSED, FIELD_CALLER_UID "=%u", q->uid, FIELD_ACTION "=%s", q->action);
}

static int on_answer(sd_bus_message *reply, void *userdata, sd_bus_error *ret_error) {
        Query *q = userdata;

        q->result = read_answer(reply, &q->error);
        /* sd-bus waits no longer, but polkit does, with a dialog on the screen that nothing would come of. */
        if (sd_bus_message_is_method_error(reply, SD_BUS_ERROR_NO_REPLY))
                query_cancel(q);
        log_send(LOG_DEBUG, "MESSAGE=polkit was asked whether user %u may %s: %s", q->uid, q->action,
                        q->result > 0 ? "yes" : q->error.message, FIELD_CALLER_UID "=%u", q->uid);
        if (q->result < 0 && !q->quiet)
                log_refusal(q);
        return answer(q);
}

/* Nobody is there to be answered. What was answered before has waited for this one. */
static int on_caller_gone(sd_bus_track *track, void *userdata) {
        Query *q = userdata;

        query_cancel(q);
        forget_message(q->auth, q->message);
        return 0;
}

bool auth_is_plain(const char *name) {
        return name[strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-")] == 0;
}

static int append_detail(sd_bus_message *m, const char *key, const char *value) {
        return isempty(value) ? 0 : sd_bus_message_append(m, "{ss}", key, value);
}

/* polkit takes them from root only, which the daemon is but in tests. */
static int append_details(sd_bus_message *m, const AuthDetails *d) {
        static const AuthDetails none = {};
        _cleanup_free_ char *url = NULL, *message = NULL;
        char session[16] = "";
        int r;

        d = d ?: &none;
        if (d->session_id > 0)
                (void) snprintf(session, sizeof session, "%u", d->session_id);
        if (d->url && !(url = strndup(d->url, target_public_bytes(d->url))))
                return -ENOMEM;
        if (d->purpose && asprintf(&message, "Authentication is required to %s", d->purpose) < 0) {
                message = NULL;
                return -ENOMEM;
        }
        r = sd_bus_message_open_container(m, 'a', "{ss}");
        if (r >= 0)
                r = append_detail(m, "polkit.message", message);
        if (r >= 0)
                r = append_detail(m, "session", session);
        if (r >= 0 && d->driver && auth_is_plain(d->driver))
                r = append_detail(m, "driver", d->driver);
        if (r >= 0)
                r = append_detail(m, "target", d->target);
        if (r >= 0)
                r = append_detail(m, "url", url);
        return r < 0 ? r : sd_bus_message_close_container(m);
}

static int ask(Query *q, const AuthDetails *details) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *m = NULL;
        sd_bus *connection = q->auth->connection;
        const char *sender = sd_bus_message_get_sender(q->message);
        bool interactive = !q->quiet && sd_bus_message_get_allow_interactive_authorization(q->message) > 0;
        int r;

        r = sd_bus_track_new(connection, &q->track, on_caller_gone, q);
        if (r >= 0)
                r = sd_bus_track_add_sender(q->track, q->message);
        if (r >= 0)
                r = sd_bus_message_new_method_call(connection, &m, POLKIT, POLKIT_PATH, POLKIT_AUTHORITY,
                                "CheckAuthorization");
        /* The bus name is the one subject that cannot be another process by the time that polkit looks. */
        if (r >= 0)
                r = sd_bus_message_append(m, "(sa{sv})s", "system-bus-name", 1, "name", "s", sender, q->action);
        if (r >= 0)
                r = append_details(m, details);
        if (r >= 0)
                r = sd_bus_message_append(m, "us", interactive ? POLKIT_ALLOW_INTERACTION : 0, q->cancellation_id);
        if (r >= 0)
                r = sd_bus_call_async(connection, &q->slot, m, on_answer, q, ANSWER_USEC);
        return r;
}

/* While somebody looked for a password, the session that a call means by itself may have become another one, or the target
 * another address: the answer is not for those. */
static int make_subject(const AuthDetails *d, char **ret) {
        char *subject;

        if (asprintf(&subject, "%u %s %s", d ? d->session_id : 0, d ? strempty(d->target) : "", d ? strempty(d->url) : "") < 0)
                return -ENOMEM;
        *ret = subject;
        return 0;
}

static const Query *find_query(const Auth *a, const sd_bus_message *m, const char *action, const char *subject) {
        for (const Query *q = a->queries; q; q = q->next)
                if (q->message == m && streq(q->action, action) && streq(q->subject, subject))
                        return q;
        return NULL;
}

static int check_limits(const Auth *a, uid_t uid, sd_bus_error *ret_error) {
        QuotaUse use = {};

        for (const Query *q = a->queries; q; q = q->next)
                if (q->slot)
                        quota_count(&use, uid, q->uid);
        if (quota_allows(&queries_quota, &use, uid))
                return 0;
        return sd_bus_error_set(ret_error, SD_BUS_ERROR_LIMITS_EXCEEDED,
                        "Too many calls wait for an authorization already; answer or cancel those first.");
}

static int check(Auth *a, sd_bus_message *m, const char *action, uid_t owner_uid, const AuthDetails *details, bool quiet,
        sd_bus_error *ret_error) {
        _cleanup_(query_freep) Query *q = NULL;
        _cleanup_free_ char *subject = NULL;
        const Query *known;
        uid_t uid;
        int r;

        r = make_subject(details, &subject);
        if (r < 0)
                return r;
        known = find_query(a, m, action, subject);
        if (known)
                return known->result > 0 ? 1 : sd_bus_error_copy(ret_error, &known->error);
        r = auth_caller_uid(m, &uid);
        if (r < 0)
                return r;
        if (uid == 0 || uid == getuid() || uid == owner_uid)
                return 1;
        r = check_limits(a, uid, ret_error);
        if (r < 0)
                return r;

        q = calloc(1, sizeof(Query));
        if (!q)
                return -ENOMEM;
        *q = (Query) { .auth = a, .next = a->queries, .message = sd_bus_message_ref(m), .action = action,
                .subject = TAKE_PTR(subject), .uid = uid, .quiet = quiet };
        a->queries = q;
        (void) snprintf(q->cancellation_id, sizeof q->cancellation_id, "mmiotraced-%" PRIu64, ++a->last_cancellation);
        r = ask(q, details);
        if (r < 0)
                return r;
        (void) TAKE_PTR(q);
        return 0;
}

int auth_check(Auth *a, sd_bus_message *m, const char *action, const AuthDetails *details, sd_bus_error *ret_error) {
        return check(a, m, action, (uid_t) -1, details, false, ret_error);
}

int auth_check_owner(Auth *a, sd_bus_message *m, const char *action, uid_t owner_uid, const AuthDetails *details,
        sd_bus_error *ret_error) {
        return check(a, m, action, owner_uid, details, false, ret_error);
}

int auth_check_quietly(Auth *a, sd_bus_message *m, const char *action) {
        sd_bus_error ignored = SD_BUS_ERROR_NULL;
        int r;

        r = check(a, m, action, (uid_t) -1, NULL, true, &ignored);
        sd_bus_error_free(&ignored);
        return r;
}
