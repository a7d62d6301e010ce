/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <fcntl.h>
#include <sys/stat.h>

#include "config.h"
#include "test-util.h"

TestSuite(config, .fini = test_done);

static Config load(const char *text) {
        _cleanup_free_ char *path = NULL;
        Config config = { .buffer_bytes = 1, .seal_level = 99 };

        test_file("mmiotraced.conf", text, strlen(text));
        cr_assert(asprintf(&path, "%s/mmiotraced.conf", test_dir_path) > 0);
        cr_assert_eq(config_load(&(ConfigPlaces) { .file = path }, &config, NULL), 0);
        return config;
}

static void assert_config(const char *text, uint64_t buffer_bytes, unsigned seal_level) {
        _cleanup_config_ Config config = load(text);

        cr_assert_eq(config.buffer_bytes, buffer_bytes, "%s", text);
        cr_assert_eq(config.seal_level, seal_level, "%s", text);
}

Test(config, defaults) {
        Config config = { .buffer_bytes = 1, .seal_level = 99 };

        cr_assert_eq(config_load(&(ConfigPlaces) { .file = "/nonexistent/mmiotraced.conf" }, &config, NULL), 0);
        cr_assert_eq(config.buffer_bytes, 0);
        cr_assert_eq(config.seal_level, 6);
        assert_config("", 0, 6);
        assert_config("# nothing\n\n[Capture]\n[Seal]\n", 0, 6);
}

Test(config, values) {
        assert_config("[Capture]\nBufferSize=64M\n\n[Seal]\nLevel=9\n", 64 * MIB, 9);
        assert_config("[Seal]\nLevel = 0\n[Capture]\nBufferSize = 131072", 128 * KIB, 0);
        assert_config("[Capture]\nBufferSize=64M\nBufferSize=auto\n", 0, 6);
        assert_config("[Capture]\n# BufferSize=1M\n;BufferSize=2M\nBufferSize=3M\n", 3 * MIB, 6);
}

Test(config, sync) {
        static const struct {
                const char *text;
                uint64_t sync_usec, sync_bytes;
        } table[] = {
                { "", USEC_PER_SEC, 4 * MIB },
                { "[Capture]\nSyncIntervalSec=250ms\nSyncBytes=1M\n", 250 * USEC_PER_MSEC, MIB },
                { "[Capture]\nSyncIntervalSec=5\nSyncBytes=65536\n", 5 * USEC_PER_SEC, 64 * KIB },
                { "[Capture]\nSyncIntervalSec=99ms\nSyncBytes=63K\n", USEC_PER_SEC, 4 * MIB },
                { "[Capture]\nSyncIntervalSec=2h\nSyncBytes=\n", USEC_PER_SEC, 4 * MIB },
                { "[Capture]\nSyncIntervalSec=often\nSyncBytes=much\n", USEC_PER_SEC, 4 * MIB },
        };

        for (size_t i = 0; i < ELEMENTS(table); i++) {
                _cleanup_config_ Config config = load(table[i].text);

                cr_expect_eq(config.sync_usec, table[i].sync_usec, "%s", table[i].text);
                cr_expect_eq(config.sync_bytes, table[i].sync_bytes, "%s", table[i].text);
        }
}

Test(config, oops_dump) {
        static const struct {
                const char *text;
                OopsDump oops_dump;
        } table[] = {
                { "", OOPS_DUMP_UNCHANGED },
                { "[Capture]\nDumpOnOops=yes\n", OOPS_DUMP_ALL },
                { "[Capture]\nDumpOnOops=orig_cpu\n", OOPS_DUMP_ORIG_CPU },
                { "[Capture]\nDumpOnOops=yes\nDumpOnOops=no\n", OOPS_DUMP_UNCHANGED },
                { "[Capture]\nDumpOnOops=2\n", OOPS_DUMP_UNCHANGED },
        };

        for (size_t i = 0; i < ELEMENTS(table); i++) {
                _cleanup_config_ Config config = load(table[i].text);

                cr_expect_eq(config.oops_dump, table[i].oops_dump, "%s", table[i].text);
        }
}

Test(config, fast_level) {
        static const struct {
                const char *text;
                unsigned fast_level;
        } table[] = {
                { "", 0 },
                { "[Seal]\nFastLevel=2\n", 2 },
                { "[Seal]\nFastLevel=2\nFastLevel=10\n", 2 },
                { "[Seal]\nFastLevel=quick\n", 0 },
        };

        for (size_t i = 0; i < ELEMENTS(table); i++) {
                _cleanup_config_ Config config = load(table[i].text);

                cr_expect_eq(config.fast_level, table[i].fast_level, "%s", table[i].text);
                cr_expect_eq(config.seal_level, 6, "%s", table[i].text);
        }
}

/* A bad line costs its own value and no other. */
Test(config, bad_values) {
        assert_config("[Capture]\nBufferSize=much\n[Seal]\nLevel=3\n", 0, 3);
        assert_config("[Capture]\nBufferSize=-1\n[Seal]\nLevel=10\n", 0, 6);
        assert_config("[Capture]\nBufferSize=\n[Seal]\nLevel=\n", 0, 6);
        /* With which every session would be refused. */
        assert_config("[Capture]\nBufferSize=63K\n[Seal]\nLevel=3\n", 0, 3);
        assert_config("[Capture]\nBufferSize=64K\nBufferSize=0\n[Seal]\nLevel=3\n", 65536, 3);
        assert_config("[Seal]\nLevel=2\nLevel=high\n", 0, 2);
}

Test(config, unknown_keys) {
        assert_config("[Capture]\nBuffersize=1M\nColour=red\n[Seal]\nLevel=3\n", 0, 3);
        assert_config("[Nowhere]\nBufferSize=1M\nLevel=3\n", 0, 6);
        assert_config("Level=3\n[Capture]\nLevel=3\n[Seal]\nBufferSize=1M\n", 0, 6);
}

Test(config, storage) {
        _cleanup_config_ Config config = load("[Storage]\nMaxUse=7G\nKeepFree=5%\n");

        cr_assert(config.storage.max_use.set);
        cr_assert_eq(config.storage.max_use.bytes, 7 * 1024 * MIB);
        cr_assert_eq(config.storage.keep_free.percent, 5);
        config_done(&config);
        cr_assert_not(config.storage.max_session.set);
        config = load("[Storage]\nMaxSessionSize=300M\n");
        cr_assert_eq(config.storage.max_session.bytes, 300 * MIB);
        cr_assert_eq(config.when_full, WHEN_FULL_STOP);
        config_done(&config);
        config = load("[Storage]\nWhenFull=keep-newest\nWhenFull=newest\n");
        cr_assert_eq(config.when_full, WHEN_FULL_KEEP_NEWEST);
        config_done(&config);
        config = load("[Storage]\nMaxUse=\nKeepFree=101%\n[Capture]\nMaxUse=1G\n");
        cr_assert_not(config.storage.max_use.set);
        cr_assert_not(config.storage.keep_free.set);
}

Test(config, junk) {
        char *long_line = malloc(100000);

        assert_config("what is this\n[Seal\n]\nLevel=1\n[Seal]\n=\n\x01\xff\nLevel=4\n", 0, 4);
        memset(long_line, 'x', 100000);
        memcpy(long_line, "[Seal]\nLevel=5\n#", 16);
        memcpy(long_line + 99900, "\n[Capture]\nBufferSize=1M\n", 26);
        assert_config(long_line, MIB, 5);
        free(long_line);
}

static void assert_submit(const char *text, unsigned n_attempts, uint64_t retry_sec, uint64_t retry_max_sec) {
        _cleanup_config_ Config config = load(text);

        cr_assert_eq(config.n_attempts, n_attempts, "%s", text);
        cr_assert_eq(config.retry_usec, retry_sec * USEC_PER_SEC, "%s", text);
        cr_assert_eq(config.retry_max_usec, retry_max_sec * USEC_PER_SEC, "%s", text);
}

Test(config, submit) {
        assert_submit("", 10, 30, 3600);
        assert_submit("[Submit]\nAttempts=3\nRetrySec=1\nRetryMaxSec=7s\n", 3, 1, 7);
        assert_submit("[Submit]\nAttempts=0\nRetrySec=0\nRetryMaxSec=never\n", 10, 30, 3600);
}

/* One that is not whole is not there. */
Test(config, targets) {
        static const char sections[] =
                        "[Target lab]\nURL=https://a.example/in/\nHeader=X-A: 1\nHeader=X-B: 2\n"
                        "[Target half]\nMethod=post\n"
                        "[Target typo]\nURL=https://b.example/in/\nCaFile=/etc/ssl/lab.pem\n"
                        "[Target a name]\nURL=https://c.example/in/\n"
                        "[Target mail-2.x]\nURL=smtps://d.example\nFrom=a@d.example\nTo=b@d.example\n"
                        "[Target lab]\nTimeoutSec=5\n";
        _cleanup_config_ Config config = load(sections);

        cr_assert_eq(config.n_targets, 2);
        cr_assert_str_eq(config.targets[0]->name, "lab");
        cr_assert_str_eq(config.targets[1]->name, "mail-2.x");
        cr_assert_eq(config.targets[0]->timeout_usec, 5 * USEC_PER_SEC);
        cr_assert_eq(strv_length(config.targets[0]->headers), 2);
        cr_assert_eq(config_find_target(&config, "lab"), config.targets[0]);
        cr_assert_null(config_find_target(&config, "half"));
        cr_assert_null(config_find_target(&config, "typo"));
}

/* The library cuts long lines, and an address that was cut is another address. */
Test(config, target_with_long_line) {
        _cleanup_free_ char *text = NULL;
        char path[300];

        memset(path, 'x', sizeof path - 1);
        path[sizeof path - 1] = 0;
        cr_assert(asprintf(&text, "[Target lab]\nURL=https://a.example/%s/\n[Target next]\nURL=https://a.example/\n", path) > 0);
        _cleanup_config_ Config config = load(text);

        cr_assert_eq(config.n_targets, 1);
        cr_assert_str_eq(config.targets[0]->name, "next");
}

/* Three folders, the strongest first. */
static Config load_all(void) {
        static const char *const names[] = { "etc", "run", "vendor" };
        _cleanup_free_ char *file = NULL;
        char dirs[ELEMENTS(names)][sizeof test_dir_path + 16];
        const char *pointers[ELEMENTS(names) + 1] = {};
        _cleanup_error_ Error error = {};
        Config config;

        (void) test_dir();
        cr_assert_gt(asprintf(&file, "%s/mmiotraced.conf", test_dir_path), 0);
        for (size_t i = 0; i < ELEMENTS(names); i++) {
                (void) snprintf(dirs[i], sizeof dirs[i], "%s/%s", test_dir_path, names[i]);
                pointers[i] = dirs[i];
        }
        cr_assert_eq(config_load(&(ConfigPlaces) { file, pointers }, &config, &error), 0, "%s", strempty(error.text));
        return config;
}

static void put(const char *name, const char *text) {
        _cleanup_free_ char *folder = strndup(name, strcspn(name, "/"));

        cr_assert(!strchr(name, '/') || mkdirat(test_dir(), folder, 0755) == 0 || errno == EEXIST);
        test_file(name, text, strlen(text));
}

static void assert_origin(const Config *config, const char *section, const char *key, const char *value, const char *file, unsigned line) {
        const Setting *s = settings_find(&config->settings, section, key);

        cr_assert_not_null(s, "%s=", key);
        cr_assert_str_eq(s->value, value);
        cr_assert(startswith(s->file, test_dir_path) && strstr(s->file, file), "%s", s->file);
        cr_assert_eq(s->line, line);
}

/* By name over all folders, after the main file; of the same name only the strongest folder's. */
Test(config, dropins) {
        put("mmiotraced.conf", "[Seal]\nLevel=1\n[Submit]\nAttempts=2\nRetrySec=5\n");
        put("vendor/10-a.conf", "[Seal]\nLevel=2\nFastLevel=2\n");
        put("run/20-b.conf", "[Seal]\nLevel=3\n");
        put("vendor/20-b.conf", "[Seal]\nLevel=4\nFastLevel=4\n");
        put("etc/05-c.conf", "[Seal]\nLevel=5\n[Submit]\nAttempts=7\n");
        put("etc/.hidden.conf", "[Seal]\nLevel=9\n");
        put("etc/30-d.conf~", "[Seal]\nLevel=9\n");
        put("etc/40-e", "[Seal]\nLevel=9\n");
        _cleanup_config_ Config config = load_all();

        cr_assert_eq(config.seal_level, 3);
        cr_assert_eq(config.fast_level, 2);
        cr_assert_eq(config.n_attempts, 7);
        assert_origin(&config, "Seal", "Level", "3", "/run/20-b.conf", 2);
        assert_origin(&config, "Seal", "FastLevel", "2", "/vendor/10-a.conf", 3);
        assert_origin(&config, "Submit", "Attempts", "7", "/etc/05-c.conf", 4);
        assert_origin(&config, "Submit", "RetrySec", "5", "/mmiotraced.conf", 5);
        cr_assert_null(settings_find(&config.settings, "Submit", "RetryMaxSec"));
}

Test(config, dropins_that_are_hidden) {
        put("vendor/10-a.conf", "[Seal]\nLevel=2\n");
        put("vendor/20-b.conf", "[Seal]\nFastLevel=3\n");
        put("run/20-b.conf", "");
        put("etc/x.conf", "");
        cr_assert_eq(symlinkat("/dev/null", test_dir(), "etc/10-a.conf"), 0);
        cr_assert_eq(symlinkat("/nonexistent", test_dir(), "etc/15-a.conf"), 0);
        _cleanup_config_ Config config = load_all();

        cr_assert_eq(config.seal_level, 6);
        cr_assert_eq(config.fast_level, 0);
}

/* Whatever cannot be read might have said something: then nothing counts. */
Test(config, dropin_that_cannot_be_read) {
        const char *dirs[] = { test_dir_path, NULL };
        _cleanup_error_ Error error = {};
        Config config = { .seal_level = 99 };

        put("a.conf", "[Seal]\nLevel=2\n");
        cr_assert_eq(mkfifoat(test_dir(), "b.conf", 0600), 0);
        cr_assert_lt(config_load(&(ConfigPlaces) { "/nonexistent/main.conf", dirs }, &config, &error), 0);
        cr_assert(strstr(error.text, "/b.conf is not a file"), "%s", error.text);
        cr_assert_eq(config.seal_level, 99);
}

/* The lines are those of an editor, also behind one that comes in pieces. */
Test(config, lines_are_counted) {
        char text[1200] = "#";

        memset(text + 1, 'x', 999);
        strcpy(text + 1000, "\n[Seal]\nLevel=high\nLevel=2\nLevel=\nFastLevel=3\n");
        _cleanup_config_ Config config = load(text);

        assert_origin(&config, "Seal", "FastLevel", "3", "/mmiotraced.conf", 6);
        /* An empty value is the default again. */
        cr_assert_null(settings_find(&config.settings, "Seal", "Level"));
        cr_assert_eq(config.seal_level, 6);
}

/* A drop-in changes a target, and what is shown of it holds no secret. */
Test(config, targets_in_dropins) {
        static const struct {
                const char *key, *value;
        } expected[] = {
                { "Method", "post" },
                { "SecretFile", "/etc/lab.secret" },
                { "URL", "https://b.example/in?…" },
                { "Header", "X-Key: …" },
        };
        put("mmiotraced.conf", "[Target lab]\nURL=https://a.example/in\nMethod=post\nHeader=X-Old: a\nSecretFile=/etc/lab.secret\n"
                               "[Target half]\nMethod=post\n");
        put("etc/lab.conf", "[Target lab]\nURL=https://b.example/in?token=abc\nHeader=\nHeader=X-Key: abc\n");
        _cleanup_config_ Config config = load_all();
        _cleanup_settings_ SettingList l = {};
        size_t n = 0;

        cr_assert_eq(config.n_targets, 1);
        cr_assert_str_eq(config.targets[0]->url, "https://b.example/in?token=abc");
        cr_assert_eq(strv_length(config.targets[0]->headers), 1);
        cr_assert_eq(config_list(&config, &l), 0);
        for (size_t i = 0; i < l.n_items; i++) {
                if (!startswith(l.items[i].section, "Target "))
                        continue;
                cr_assert_str_eq(l.items[i].section, "Target lab");
                cr_assert_lt(n, ELEMENTS(expected));
                cr_assert_str_eq(l.items[i].key, expected[n].key);
                cr_assert_str_eq(l.items[i].value, expected[n].value);
                n++;
        }
        cr_assert_eq(n, ELEMENTS(expected));
}

/* The sample has every key at its default: with all of them taken in, nothing is another than without. */
Test(config, sample) {
        _cleanup_free_ char *sample = NULL, *text = NULL;
        _cleanup_settings_ SettingList l = {}, defaults = {};
        _cleanup_config_ Config config = {}, otherwise = load("");
        size_t bytes = 0, n = 0;
        FILE *f;

        cr_assert_eq(read_file_at(AT_FDCWD, TEST_DATA_DIR "/../../data/mmiotraced.conf", MIB, &sample, NULL), 0);
        f = open_memstream(&text, &bytes);
        for (const char *line = sample; *line; line += strcspn(line, "\n") + 1) {
                const char *key = *line == '#' ? line + 1 : line;
                size_t l_bytes = strcspn(key, "\n");

                if (startswith(key, "[Target "))
                        break;
                if (*key == '[' || (*key >= 'A' && *key <= 'Z'))
                        fprintf(f, "%.*s\n", (int) l_bytes, key);
        }
        cr_assert_eq(fclose(f), 0);
        config = load(text);
        cr_assert_eq(config_list(&otherwise, &defaults), 0);
        cr_assert_eq(config_list(&config, &l), 0);
        cr_assert_eq(l.n_items, defaults.n_items);
        for (size_t i = 0; i < l.n_items; i++) {
                cr_assert_str_eq(l.items[i].value, defaults.items[i].value, "%s=", l.items[i].key);
                cr_assert_null(defaults.items[i].file);
                n += l.items[i].file || isempty(l.items[i].value);
        }
        cr_assert_eq(n, l.n_items, "Not every key is in the sample.");
        settings_done(&config.settings);
        settings_done(&otherwise.settings);
        cr_assert_eq(memcmp(&config, &otherwise, sizeof config), 0);
        cr_assert_eq(memcmp(&otherwise, &CONFIG_DEFAULT, sizeof config), 0);
}
