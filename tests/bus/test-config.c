/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The settings of a daemon that runs: where each is from, and how they change. */

#include <signal.h>
#include <sys/stat.h>

#include "ctl.h"
#include "users.h"

static Fixture fixture;

static void setup(void) {
        fixture_make(&fixture);
}

static void teardown(void) {
        fixture_done(&fixture);
}

TestSuite(config, .init = setup, .fini = teardown, .timeout = 60);

/* "VALUE FILE:LINE" of a key, the file without its folder; "" for one that is not there. */
static char *get_setting(Fixture *f, const char *section, const char *key) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = manager_call(f, "GetConfig", "a{sv}", 0);
        const char *s, *k, *value, *file;
        char *text = NULL;
        uint32_t line;

        cr_assert_gt(sd_bus_message_enter_container(reply, 'a', "(ssssu)"), 0);
        while (sd_bus_message_read(reply, "(ssssu)", &s, &k, &value, &file, &line) > 0)
                if (streq(s, section) && streq(k, key)) {
                        cr_assert_null(text, "%s= is there twice", key);
                        cr_assert_gt(asprintf(&text, "%s %s:%u", value, strrchr(file, '/') ?: file, line), 0);
                }
        return text ?: strdup("");
}

static void assert_setting(Fixture *f, const char *section, const char *key, const char *expected) {
        _cleanup_free_ char *text = get_setting(f, section, key);

        cr_assert_str_eq(text, expected);
}

static void configure(Fixture *f, const char *text) {
        fake_file(&f->machine.tree, "mmiotraced.conf", text);
}

Test(config, where_settings_are_from) {
        Fixture *f = &fixture;
        _cleanup_ctl_ Ctl table = {}, json = {};

        configure(f, "[Seal]\nLevel=3\nFastLevel=none\n[Target lab]\nURL=https://a.example/?token=x\nMethod=post\n");
        fake_file(&f->machine.tree, "mmiotraced.conf.d/a.conf", "[Submit]\nAttempts=4\n");
        daemon_start(f);
        assert_setting(f, "Seal", "Level", "3 /mmiotraced.conf:2");
        assert_setting(f, "Seal", "FastLevel", "0 :0");
        assert_setting(f, "Submit", "Attempts", "4 /a.conf:2");
        assert_setting(f, "Target lab", "URL", "https://a.example/?… /mmiotraced.conf:5");
        table = CTL(f, "config");
        cr_assert_eq(table.status, 0, "%s", table.err);
        cr_assert(startswith(table.out, "SECTION    KEY             VALUE "), "%s", table.out);
        cr_assert(strstr(table.out, "\nSeal       FastLevel       0 "), "%s", table.out);
        cr_assert(strstr(table.out, "/mmiotraced.conf:2\n"), "%s", table.out);
        cr_assert_not(strstr(table.out, "token"), "%s", table.out);
        json = CTL(f, "config", "--json=short");
        cr_assert(startswith(json.out, "[{\"section\":\"Capture\",\"key\":\"BufferSize\",\"value\":\"auto\",\"file\":\"\",\"line\":0},"),
                        "%s", json.out);
        cr_assert(strstr(json.out, "/mmiotraced.conf.d/a.conf\",\"line\":2}"), "%s", json.out);
        daemon_stop(f);
}

/* Nothing is cut that says something, as long as there is room for it. */
Test(config, on_a_narrow_terminal) {
        Fixture *f = &fixture;
        _cleanup_ctl_ Ctl table = {}, full = {};

        configure(f, "");
        fake_file(&f->machine.tree, "mmiotraced.conf.d/50-the-laboratory-of-the-university.conf",
                        "[Storage]\nMaxSessionSize=2G\n[Target lab]\nURL=https://traces.example.com/{archive}\n");
        daemon_start(f);
        cr_assert_eq(setenv("LC_ALL", "C.UTF-8", 1), 0);
        table = CTL_BEGIN_ON_TERMINAL(f, "config", "--no-pager");
        ctl_end(&table);
        assert_ended(&table, 0);
        assert_contains(table.out, "Target lab URL             https://traces.example.com/{archive} …iversity.conf:4\r\n");
        assert_contains(table.out, "Storage    MaxUse          by size of disk ");
        assert_contains(table.out, "Storage    KeepFree        by size of disk ");
        assert_contains(table.out, "Storage    MaxSessionSize  2G ");
        full = CTL_BEGIN_ON_TERMINAL(f, "config", "--no-pager", "-l");
        ctl_end(&full);
        assert_ended(&full, 0);
        assert_contains(full.out, "/mmiotraced.conf.d/50-the-laboratory-of-the-university.conf:4\r\n");
        cr_assert_not(strstr(full.out, "…"), "%s", full.out);
        daemon_stop(f);
}

/* Which file it is in, and that nobody else can read that, says nothing to the bus. */
Test(config, targets_are_for_who_may_manage) {
        static const struct {
                uid_t uid;
                PolkitAnswer answer;
                bool in_full;
        } callers[] = {
                { 0, POLKIT_NO, true },
                { 65534, POLKIT_NO, false },
                { 65534, POLKIT_PASSWORD, false },
                { 65534, POLKIT_YES, true },
        };
        Fixture *f = &fixture;

        if (geteuid() != 0)
                cr_skip_test("Not run: only root can become another user.");
        configure(f, "[Seal]\nLevel=3\n[Target lab]\nURL=https://a.example/private/\nHeader=X-Private: 1\n"
                     "[Target drop]\nURL=https://b.example/private/\nMethod=post\n");
        daemon_start(f);
        fixture_be_polkit(f);
        for (size_t i = 0; i < ELEMENTS(callers); i++) {
                _cleanup_free_ char *text = NULL;

                f->polkit_answer = callers[i].answer;
                text = ask_as(f, callers[i].uid, BUS_PATH, BUS_INTERFACE_MANAGER, "GetConfig");
                cr_assert(strstr(text, "\"Target lab\"") && strstr(text, "\"Target drop\"") && strstr(text, "\"post\"") &&
                                strstr(text, "\"Level\""), "%s", text);
                cr_assert_eq(!strstr(text, "\"put\""), callers[i].in_full, "%s", text);
                cr_assert_eq(!!strstr(text, "rivate"), callers[i].in_full, "%s", text);
        }
        daemon_stop(f);
}

Test(config, reload) {
        Fixture *f = &fixture;
        size_t n_changes;

        daemon_start(f);
        configure(f, "[Seal]\nLevel=3\n");
        assert_setting(f, "Seal", "Level", "6 :0");
        n_changes = f->n_changes;
        expect_ok(manager_call(f, "Reload", "a{sv}", 0));
        assert_setting(f, "Seal", "Level", "3 /mmiotraced.conf:2");
        wait_until(f, f->n_changes > n_changes);

        /* By the signal, which is told of by the same change. */
        n_changes = f->n_changes;
        configure(f, "[Seal]\nLevel=4\n");
        cr_assert_eq(kill(f->daemon_pid, SIGHUP), 0);
        wait_until(f, f->n_changes > n_changes);
        assert_setting(f, "Seal", "Level", "4 /mmiotraced.conf:2");
        daemon_stop(f);
}

/* What cannot be read changes nothing. */
Test(config, reload_of_what_cannot_be_read) {
        Fixture *f = &fixture;

        configure(f, "[Seal]\nLevel=3\n");
        daemon_start(f);
        configure(f, "[Seal]\nLevel=4\n");
        fake_file(&f->machine.tree, "mmiotraced.conf.d/a.conf/not-a-file", "");
        _cleanup_free_ char *text = expect_error(manager_call(f, "Reload", "a{sv}", 0), "Failed");
        cr_assert(strstr(text, "a.conf is not a file"), "%s", text);
        assert_setting(f, "Seal", "Level", "3 /mmiotraced.conf:2");
        cr_assert_eq(kill(f->daemon_pid, SIGHUP), 0);
        assert_error(manager_call(f, "Reload", "a{sv}", 0), "Failed");
        assert_setting(f, "Seal", "Level", "3 /mmiotraced.conf:2");
        daemon_stop(f);
}

/* A session ends as it was begun. */
Test(config, reload_during_a_session) {
        Fixture *f = &fixture;
        size_t n_changes;

        daemon_start(f);
        free(expect_path(session_start(f, 0)));
        configure(f, "[Capture]\nSyncBytes=1M\n[Target lab]\nURL=https://a.example/\n");
        expect_ok(manager_call(f, "Reload", "a{sv}", 0));
        configure(f, "[Capture]\nSyncBytes=2M\n");
        expect_ok(manager_call(f, "Reload", "a{sv}", 0));
        assert_setting(f, "Capture", "SyncBytes", "4M :0");
        n_changes = f->n_changes;
        session_stop(f);
        wait_until(f, f->n_changes > n_changes);
        assert_setting(f, "Capture", "SyncBytes", "2M /mmiotraced.conf:2");
        assert_setting(f, "Target lab", "URL", "");

        machine_list_clocks(&f->machine);
        free(expect_path(session_start(f, 0)));
        daemon_stop(f);
}
