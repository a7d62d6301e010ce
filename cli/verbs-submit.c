/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* "submit": shows what would go out and where to, has it sent by the daemon, and stays until it is there. */

#include <inttypes.h>

#include "archive-view.h"
#include "names.h"
#include "session-view.h"
#include "table.h"
#include "text.h"
#include "verbs.h"
#include "wait.h"

#define KEY_COLUMNS 11

/* Of https://nouveau.freedesktop.org/MmioTrace.html. */
#define NOUVEAU_ADDRESS "mmio.dumps@gmail.com"

typedef struct TargetView {
        char *name, *method, *address;
} TargetView;

typedef struct TargetList {
        TargetView *targets;
        size_t n_targets;
} TargetList;

static void target_list_done(TargetList *l) {
        for (size_t i = 0; i < l->n_targets; i++) {
                free(l->targets[i].name);
                free(l->targets[i].method);
                free(l->targets[i].address);
        }
        free(l->targets);
}

static int target_list_get(const Client *c, sd_bus_error *error, TargetList *l) {
        _cleanup_message_ sd_bus_message *reply = NULL;
        const char *name, *method, *address;
        int r;

        r = sd_bus_get_property(c->bus, BUS_NAME, BUS_PATH, BUS_INTERFACE_MANAGER, "Targets", error, &reply, "a(sss)");
        if (r >= 0)
                r = sd_bus_message_enter_container(reply, 'a', "(sss)");
        if (r < 0)
                return r;
        while ((r = sd_bus_message_read(reply, "(sss)", &name, &method, &address)) > 0) {
                TargetView *grown = reallocarray(l->targets, l->n_targets + 1, sizeof *grown), *t;

                if (!grown)
                        return -ENOMEM;
                l->targets = grown;
                t = grown + l->n_targets++;
                *t = (TargetView) { strdup(name), strdup(method), strdup(address) };
                if (!t->name || !t->method || !t->address)
                        return -ENOMEM;
        }
        return r;
}

/* All of the address, which only those hear who may submit. Whom it is refused to, the daemon tells when it comes to that. */
static int target_complete(const Client *c, TargetView *t) {
        _cleanup_message_ sd_bus_message *reply = NULL;
        const char *address;
        char *copy;
        int r;

        r = sd_bus_call_method(c->bus, BUS_NAME, BUS_PATH, BUS_INTERFACE_MANAGER, "GetTarget", NULL, &reply, "sa{sv}", t->name, 0);
        if (r >= 0)
                r = sd_bus_message_read(reply, "ss", NULL, &address);
        if (r < 0)
                return r;
        copy = strdup(address);
        if (!copy)
                return -ENOMEM;
        free(t->address);
        t->address = copy;
        return 0;
}

static int names_of(const TargetList *l, char **ret) {
        _cleanup_free_ char *text = NULL;
        size_t bytes;
        FILE *f = open_memstream(&text, &bytes);

        if (!f)
                return -ENOMEM;
        for (size_t i = 0; i < l->n_targets; i++)
                fprintf(f, "%s%s", i > 0 ? ", " : "", l->targets[i].name);
        if (fclose(f) != 0)
                return -ENOMEM;
        *ret = TAKE_PTR(text);
        return 0;
}

/* What it goes to: one of the targets, or the URL that was given; neither if there is no target at all. */
typedef struct Choice {
        TargetView *target;
        const char *url;
} Choice;

/* Returns EXIT_SUCCESS or the exit status. */
static int choose(const Client *c, const TargetList *l, Choice *ret) {
        _cleanup_free_ char *names = NULL;

        if (c->to && strstr(c->to, "://")) {
                *ret = (Choice) { .url = c->to };
                return EXIT_SUCCESS;
        }
        for (size_t i = 0; i < l->n_targets; i++)
                if (c->to ? streq(c->to, l->targets[i].name) : l->n_targets == 1) {
                        *ret = (Choice) { .target = l->targets + i };
                        return EXIT_SUCCESS;
                }
        if (names_of(l, &names) < 0)
                return client_fail_errno(c, -ENOMEM, "Cannot look for the target");
        if (c->to)
                return client_fail(c, EXIT_FAILURE, "NoSuchTarget",
                                "Targets are sections [Target NAME] in /etc/mmiotraced/mmiotraced.conf.",
                                l->n_targets > 0 ? "There is no target '%s'; there are: %s" : "There is no target '%s'.%s", c->to,
                                names);
        if (l->n_targets > 1)
                return client_fail_usage(c, NULL, "There are several targets, name one with --to: %s", names);
        *ret = (Choice) {};
        return EXIT_SUCCESS;
}

/* The session with that ID; without one the last that has an archive. Returns EXIT_SUCCESS or the exit status. */
static int find_session(const Client *c, const char *id, char **ret_path, SessionView **ret) {
        _cleanup_bus_error_ sd_bus_error error = SD_BUS_ERROR_NULL;
        _cleanup_strv_ char **paths = NULL;
        _cleanup_free_ char *path = NULL;
        int r;

        if (id) {
                r = client_session_path(c, id, &path);
                if (r != EXIT_SUCCESS)
                        return r;
                r = session_view_get(c->bus, path, &error, ret);
                if (r < 0)
                        return client_fail_session(c, id, r, &error);
                *ret_path = TAKE_PTR(path);
                return EXIT_SUCCESS;
        }
        r = client_list_sessions(c, &error, &paths);
        for (size_t i = strv_length(paths); i > 0 && r >= 0; i--) {
                _cleanup_session_view_ SessionView *v = NULL;

                r = session_view_get(c->bus, paths[i - 1], &error, &v);
                if (r < 0 || isempty(v->archive))
                        continue;
                *ret_path = strdup(paths[i - 1]);
                if (!*ret_path)
                        return client_fail_errno(c, -ENOMEM, "Cannot look for the session");
                *ret = TAKE_PTR(v);
                return EXIT_SUCCESS;
        }
        if (r < 0)
                return client_fail_bus(c, r, &error);
        return client_fail(c, EXIT_NO_SESSION, "NoSuchSession", "See which sessions there are: mmiotracectl list",
                        "There is no session with an archive.");
}

/* Without it being asked for, so that nothing goes out of which nobody has seen what it is. Returns whether there is
 * something to show: that it cannot be read is said. */
static bool read_archive(const Client *c, const char *path, ArchiveView *ret) {
        _cleanup_bus_error_ sd_bus_error error = SD_BUS_ERROR_NULL;
        _cleanup_close_ int fd = -EBADF;
        _cleanup_free_ char *name = NULL;
        int r;

        /* It comes as an open file, and what has one in it never arrives over ssh. */
        if (c->host) {
                client_say(c, "What is in the archive is shown on %s only: ssh %s mmiotracectl submit --dry-run %s", c->host,
                                c->host, strrchr(path, '_') + 1);
                return false;
        }
        r = client_open_archive(c, path, true, &error, &name, &fd);
        if (r >= 0)
                r = archive_view_read(fd, ret);
        if (r < 0)
                client_complain(NULL, "What is in the archive cannot be shown: %s",
                                error.message ?: strerrordesc_np(-r) ?: "unknown error");
        return r >= 0;
}

static int print_plan(const Client *c, const SessionView *v, const ArchiveView *archive, const Choice *choice) {
        Page p = { .f = c->talk, .terminal = &c->terminal, .key_columns = KEY_COLUMNS };

        page_add(&p, "Session", STYLE_NONE, "%" PRIu32, v->id);
        page_add(&p, "Archive", STYLE_NONE, "%s", v->archive);
        page_add(&p, "Size", STYLE_NONE, "%s", FORMAT_BYTES(v->archive_bytes));
        if (choice->target)
                page_add(&p, "Target", STYLE_ATTENTION, "%s: %s", choice->target->name, choice->target->address);
        else if (choice->url)
                page_add(&p, "Target", STYLE_ATTENTION, "%.*s", (int) strcspn(choice->url, "?"), choice->url);
        else
                page_add(&p, "Target", STYLE_ATTENTION, "none is configured: it is written to a file");
        if (archive && p.r >= 0)
                p.r = archive_view_print_files(archive, v->keep_raw, c->talk, &c->terminal);
        page_add(&p, "Note", STYLE_NONE,
                        "The log holds all that went through the registers, which can be network addresses and serial numbers.");
        return p.r;
}

/* A yes, and nothing else, is a yes. */
static bool confirm(void) {
        char answer[16];

        fputs("Send it? [y/N] ", stderr);
        fflush(stderr);
        if (!fgets(answer, sizeof answer, stdin))
                return false;
        answer[strcspn(answer, "\n")] = 0;
        return strcasecmp(answer, "y") == 0 || strcasecmp(answer, "yes") == 0;
}

static const char *state_of(const SessionView *v) {
        if (submission_view_is_there(&v->submission))
                return v->submission.state;
        return !isempty(v->submit_error) ? "failed" : "done";
}

static int print_json(const Client *c, const SessionView *v, const char *state) {
        const ReceiptView *receipt = streq(state, "done") ? receipt_list_last(&v->receipts) : NULL;
        _cleanup_json_ json_object *o = json_object_new_object();
        int r = o ? 0 : -ENOMEM;

        if (r >= 0)
                r = json_add(o, "session", json_object_new_uint64(v->id));
        if (r >= 0)
                r = json_add(o, "state", json_object_new_string(state));
        if (r >= 0)
                r = json_add(o, "archive", json_object_new_string(v->archive));
        if (r >= 0)
                r = json_add(o, "archive_bytes", json_object_new_uint64(v->archive_bytes));
        if (r >= 0 && receipt)
                r = json_add(o, "where", json_object_new_string(receipt->where));
        if (r >= 0 && receipt)
                r = json_add(o, "sha256", json_object_new_string(receipt->sha256));
        if (r >= 0)
                r = json_add(o, "error", json_object_new_string(submission_view_is_there(&v->submission) ?
                                                v->submission.last_error : v->submit_error));
        return r < 0 ? r : client_print_json(c, o);
}

static int say_result(const Client *c, const SessionView *v) {
        const ReceiptView *receipt = receipt_list_last(&v->receipts);
        const char *state = state_of(v);
        _cleanup_free_ char *hint = NULL;
        int r = 0;

        if (c->json != JSON_OFF)
                r = print_json(c, v, state);
        if (r < 0)
                return client_fail_errno(c, r, "Cannot show the result");
        if (streq(state, "failed")) {
                client_complain(NULL, "The archive was not sent: %s", v->submit_error);
                return EXIT_FAILURE;
        }
        if (submission_view_is_there(&v->submission)) {
                if (asprintf(&hint, "How it goes: mmiotracectl status %" PRIu32 "; to end it: mmiotracectl submit --cancel %" PRIu32,
                                    v->id, v->id) < 0)
                        hint = NULL;
                client_complain(hint, "It did not work yet, and is tried again: %s", v->submission.last_error);
                return EXIT_NOT_SENT;
        }
        client_say(c, "The archive of session %" PRIu32 " is at %s: %s", v->id, receipt ? receipt->target : "",
                        receipt ? receipt->where : "");
        return EXIT_SUCCESS;
}

static int cancel_job(const Client *c, const char *job, sd_bus_error *error) {
        return sd_bus_call_method(c->bus, BUS_NAME, job, BUS_INTERFACE_JOB, "Cancel", error, NULL, "a{sv}", 0);
}

static int cancel(const Client *c, const SessionView *v) {
        _cleanup_bus_error_ sd_bus_error error = SD_BUS_ERROR_NULL;
        int r;

        if (!submission_view_is_there(&v->submission))
                return client_fail(c, EXIT_FAILURE, "NotRunning", NULL, "Session %" PRIu32 " is not being submitted.", v->id);
        r = cancel_job(c, v->submission.job, &error);
        if (r < 0)
                return client_fail_bus(c, r, &error);
        if (c->json != JSON_OFF) {
                r = print_json(c, v, "cancelled");
                return r < 0 ? client_fail_errno(c, r, "Cannot show the result") : EXIT_SUCCESS;
        }
        client_say(c, "The submission of session %" PRIu32 " is cancelled.", v->id);
        return EXIT_SUCCESS;
}

static int request(const Client *c, Wait *w, const char *path, const Choice *choice, sd_bus_error *error, char **ret_job) {
        _cleanup_message_ sd_bus_message *m = NULL, *reply = NULL;
        const char *job;
        int r;

        r = sd_bus_message_new_method_call(c->bus, &m, BUS_NAME, BUS_PATH, BUS_INTERFACE_MANAGER, "Submit");
        if (r >= 0)
                r = sd_bus_message_append(m, "oa{sv}", path, 1, choice->url ? "url" : "target", "s",
                                choice->url ?: choice->target->name);
        if (r >= 0)
                r = wait_call(w, m, error, &reply);
        if (r >= 0)
                r = sd_bus_message_read_basic(reply, 'o', &job);
        if (r < 0)
                return r;
        *ret_job = strdup(job);
        return *ret_job ? 0 : -ENOMEM;
}

/* The job that has begun although its answer was not waited for: the daemon answers this question after that call. */
static int find_job(const Client *c, const char *path, char **ret) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
        _cleanup_bus_error_ sd_bus_error ignored = SD_BUS_ERROR_NULL;
        const char *job;
        int r;

        r = sd_bus_get_property(c->bus, BUS_NAME, path, BUS_INTERFACE_SESSION, "Submission", &ignored, &reply, "(ssotus)");
        if (r >= 0)
                r = sd_bus_message_read(reply, "(ssotus)", NULL, NULL, &job, NULL, NULL, NULL);
        if (r < 0 || streq(job, "/"))
                return r < 0 ? r : -ENOENT;
        *ret = strdup(job);
        return *ret ? 0 : -ENOMEM;
}

/* Who presses Ctrl-C does not want it to go out. */
static int interrupted(const Client *c, const char *path, const char *answered) {
        _cleanup_bus_error_ sd_bus_error error = SD_BUS_ERROR_NULL;
        _cleanup_free_ char *found = NULL;
        const char *job = answered;

        if (!job && find_job(c, path, &found) >= 0)
                job = found;
        if (!job)
                return client_fail(c, EXIT_INTERRUPTED, "Interrupted", "See whether it has begun: mmiotracectl list",
                                "Interrupted before the daemon answered.");
        if (cancel_job(c, job, &error) < 0)
                return client_fail(c, EXIT_INTERRUPTED, "Interrupted", "See what became of it: mmiotracectl list",
                                "Interrupted, but it cannot be cancelled: %s", strempty(error.message));
        return client_fail(c, EXIT_INTERRUPTED, "Interrupted", NULL, "Interrupted; the submission is cancelled.");
}

static int submit(const Client *c, const char *path, const SessionView *v, const Choice *choice) {
        _cleanup_bus_error_ sd_bus_error error = SD_BUS_ERROR_NULL;
        _cleanup_session_view_ SessionView *after = NULL;
        _cleanup_free_ char *job = NULL;
        _cleanup_wait_ Wait *w = NULL;
        int r;

        r = wait_new(c->bus, &w);
        if (r < 0)
                return client_fail_errno(c, r, "Cannot prepare the call");
        r = request(c, w, path, choice, &error, &job);
        if (r >= 0 && !c->no_block)
                r = wait_submission(w, path, job, c->wait, v->archive_bytes, &error, &after);
        w = wait_free(w);
        if (r == -EINTR && !sd_bus_error_is_set(&error))
                return interrupted(c, path, job);
        if (r < 0)
                return client_fail_bus(c, r, &error);
        if (!c->no_block)
                return say_result(c, after);
        if (c->json != JSON_OFF) {
                r = print_json(c, v, "running");
                return r < 0 ? client_fail_errno(c, r, "Cannot show the result") : EXIT_SUCCESS;
        }
        client_say(c, "Session %" PRIu32 " is being submitted. How it goes: mmiotracectl status %" PRIu32, v->id, v->id);
        return EXIT_SUCCESS;
}

static int print_by_hand_json(const Client *c, const SessionView *v, const char *file, const char *text) {
        _cleanup_json_ json_object *o = json_object_new_object();
        int r = o ? 0 : -ENOMEM;

        if (r >= 0)
                r = json_add(o, "session", json_object_new_uint64(v->id));
        if (r >= 0)
                r = json_add(o, "state", json_object_new_string("exported"));
        if (r >= 0)
                r = json_add(o, "file", json_object_new_string(file));
        if (r >= 0)
                r = json_add(o, "address", json_object_new_string(NOUVEAU_ADDRESS));
        if (r >= 0)
                r = json_add(o, "text", json_object_new_string(text));
        return r < 0 ? r : client_print_json(c, o);
}

/* Without a target: what a person needs to send it. */
static int submit_by_hand(const Client *c, const char *path, const SessionView *v, const ArchiveView *archive) {
        const ArchiveHeadFile *description = archive ? archive_head_find(&archive->head, ARCHIVE_DESCRIPTION_NAME) : NULL;
        const char *text = strempty(description ? description->data : v->description);
        _cleanup_free_ char *shown = NULL;
        uint64_t bytes;
        int r;

        r = export_archive(c, strrchr(path, '_') + 1, path, NULL, &shown, &bytes);
        if (r != EXIT_SUCCESS)
                return r;
        if (c->json != JSON_OFF) {
                r = print_by_hand_json(c, v, shown, text);
                return r < 0 ? client_fail_errno(c, r, "Cannot show the result") : EXIT_SUCCESS;
        }
        client_say(c, "No target is configured, so nothing was sent. The archive is in %s (%s).", shown, FORMAT_BYTES(bytes));
        client_say(c, "Send it to whoever asked for it. The Nouveau project takes traces of NVIDIA's driver: " NOUVEAU_ADDRESS);
        client_say(c, "This can be the text of the mail:");
        client_say(c, "%s", "");
        while (!c->quiet && *text) {
                size_t l = strcspn(text, "\n");
                _cleanup_free_ char *line = strndup(text, l);

                client_say(c, "%s", strempty(line));
                text += l + (text[l] == '\n');
        }
        return EXIT_SUCCESS;
}

static int fail_by_hand_there(const Client *c, const SessionView *v) {
        _cleanup_free_ char *hint = NULL;

        if (asprintf(&hint, "Send it to an address by --to https://…, or fetch it: ssh %s mmiotracectl export %" PRIu32 " - > FILE",
                            c->host, v->id) < 0)
                hint = NULL;
        return client_fail(c, EXIT_FAILURE, "NoSuchTarget", hint,
                        "No target is configured on %s, and an archive does not come over --host to be sent by hand.", c->host);
}

int verb_submit(Client *c, int argc, char *argv[]) {
        _cleanup_bus_error_ sd_bus_error error = SD_BUS_ERROR_NULL;
        _cleanup_(target_list_done) TargetList targets = {};
        _cleanup_archive_view_ ArchiveView archive = {};
        _cleanup_session_view_ SessionView *v = NULL;
        _cleanup_free_ char *path = NULL;
        bool readable = false, by_hand, ask;
        Choice choice = {};
        int r;

        r = find_session(c, argc > 1 ? argv[1] : NULL, &path, &v);
        if (r != EXIT_SUCCESS)
                return r;
        if (c->cancel)
                return cancel(c, v);
        if (isempty(v->archive))
                return client_fail(c, EXIT_FAILURE, "NoArchive", NULL, "Session %" PRIu32 " has no archive; it is %s.", v->id, v->state);
        r = target_list_get(c, &error, &targets);
        if (r < 0)
                return client_fail_bus(c, r, &error);
        r = choose(c, &targets, &choice);
        if (r != EXIT_SUCCESS)
                return r;
        by_hand = !choice.target && !choice.url;
        if (by_hand && c->host)
                return fail_by_hand_there(c, v);
        /* What is written to a file here goes nowhere. */
        ask = !by_hand && !c->yes && !c->dry_run;
        if (ask && (c->json != JSON_OFF || c->quiet || !isatty(STDIN_FILENO) || !isatty(STDOUT_FILENO) || !isatty(STDERR_FILENO)))
                return client_fail_usage(c, "See what would be sent: mmiotracectl submit --dry-run",
                                "Nobody can be asked here whether it may go out: --yes is needed.");
        /* Only for somebody to see it, or to send it on: opening it takes a permission of its own. */
        if (by_hand || (c->json == JSON_OFF && !c->quiet))
                readable = read_archive(c, path, &archive);
        if (c->json == JSON_OFF && !c->quiet) {
                if (choice.target)
                        (void) target_complete(c, choice.target);
                r = print_plan(c, v, readable ? &archive : NULL, &choice);
                if (r < 0)
                        return client_fail_errno(c, r, "Cannot show what would be sent");
        }
        if (c->dry_run) {
                r = c->json != JSON_OFF ? print_json(c, v, "dry-run") : 0;
                return r < 0 ? client_fail_errno(c, r, "Cannot show what would be sent") : EXIT_SUCCESS;
        }
        if (ask && !confirm()) {
                client_say(c, "Nothing was sent.");
                return EXIT_FAILURE;
        }
        if (by_hand)
                return submit_by_hand(c, path, v, readable ? &archive : NULL);
        return submit(c, path, v, &choice);
}
