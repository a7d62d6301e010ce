/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "config.h"
#include "test-util.h"

TestSuite(config, .fini = test_done);

static Config load(const char *text) {
        _cleanup_free_ char *path = NULL;
        Config config = { .buffer_bytes = 1, .seal_level = 99 };

        test_file("mmiotraced.conf", text, strlen(text));
        cr_assert(asprintf(&path, "%s/mmiotraced.conf", test_dir_path) > 0);
        cr_assert_eq(config_load(path, &config), 0);
        return config;
}

static void assert_config(const char *text, uint64_t buffer_bytes, unsigned seal_level) {
        const Config config = load(text);

        cr_assert_eq(config.buffer_bytes, buffer_bytes, "%s", text);
        cr_assert_eq(config.seal_level, seal_level, "%s", text);
}

Test(config, defaults) {
        Config config = { .buffer_bytes = 1, .seal_level = 99 };

        cr_assert_eq(config_load("/nonexistent/mmiotraced.conf", &config), 0);
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
                const Config config = load(table[i].text);

                cr_expect_eq(config.sync_usec, table[i].sync_usec, "%s", table[i].text);
                cr_expect_eq(config.sync_bytes, table[i].sync_bytes, "%s", table[i].text);
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
                const Config config = load(table[i].text);

                cr_expect_eq(config.fast_level, table[i].fast_level, "%s", table[i].text);
                cr_expect_eq(config.seal_level, 6, "%s", table[i].text);
        }
}

/* A bad line costs its own value and no other. */
Test(config, bad_values) {
        assert_config("[Capture]\nBufferSize=much\n[Seal]\nLevel=3\n", 0, 3);
        assert_config("[Capture]\nBufferSize=-1\n[Seal]\nLevel=10\n", 0, 6);
        assert_config("[Capture]\nBufferSize=\n[Seal]\nLevel=\n", 0, 6);
        assert_config("[Seal]\nLevel=2\nLevel=high\n", 0, 2);
}

Test(config, unknown_keys) {
        assert_config("[Capture]\nBuffersize=1M\nColour=red\n[Seal]\nLevel=3\n", 0, 3);
        assert_config("[Nowhere]\nBufferSize=1M\nLevel=3\n", 0, 6);
        assert_config("Level=3\n[Capture]\nLevel=3\n[Seal]\nBufferSize=1M\n", 0, 6);
}

Test(config, storage) {
        Config config = load("[Storage]\nMaxUse=7G\nKeepFree=5%\n");

        cr_assert(config.storage.max_use.set);
        cr_assert_eq(config.storage.max_use.bytes, 7 * 1024 * MIB);
        cr_assert_eq(config.storage.keep_free.percent, 5);
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
