/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <inttypes.h>

#include "symbols.h"
#include "test-util.h"

TestSuite(symbols, .fini = test_done);

static int load(const char *kallsyms, const char *modules, Symbols **ret) {
        if (kallsyms)
                test_file("kallsyms", kallsyms, strlen(kallsyms));
        if (modules)
                test_file("modules", modules, strlen(modules));
        (void) test_dir();
        cr_assert_eq(chdir(test_dir_path), 0);
        return symbols_load(kallsyms ? "kallsyms" : NULL, modules ? "modules" : NULL, ret);
}

static void assert_found(const Symbols *s, uint64_t address, const char *name, const char *module, uint64_t offset) {
        Symbol symbol;

        cr_assert_eq(symbols_find(s, address, &symbol), 1, "0x%" PRIx64, address);
        cr_expect_str_eq(symbol.name, name, "0x%" PRIx64 " is in %s", address, symbol.name);
        cr_expect(streq_ptr(symbol.module, module), "0x%" PRIx64 " is in module %s", address, strempty(symbol.module));
        cr_expect_eq(symbol.offset, offset);
}

static void assert_not_found(const Symbols *s, uint64_t address) {
        Symbol symbol;

        cr_expect_eq(symbols_find(s, address, &symbol), 0, "0x%" PRIx64, address);
}

/* The module's lines are not in order, and the last one has no newline. */
static const char some[] =
        "0000000000000000 A fixed_percpu_data\n"
        "ffffffff81000000 T _stext\n"
        "ffffffff81000000 T _text\n"
        "ffffffff81000100 t local_one\n"
        "ffffffff81000200 D some_data\n"
        "ffffffff81000300 t alias_local\n"
        "ffffffff81000300 W alias_weak\n"
        "ffffffff81000300 T alias_global\n"
        "ffffffffc0001000 t second\t[driver]\n"
        "ffffffffc0000000 t first\t[driver]\n"
        "ffffffffc0000800 d table\t[driver]\n"
        "ffffffffc0005000 T other\t[another]";

Test(symbols, functions) {
        _cleanup_(symbols_freep) Symbols *s = NULL;

        cr_assert_eq(load(some, NULL, &s), 0);
        assert_found(s, 0xffffffff81000001, "_stext", NULL, 1);
        assert_found(s, 0xffffffff81000150, "local_one", NULL, 0x50);
        /* Data is passed over. */
        assert_found(s, 0xffffffff81000210, "local_one", NULL, 0x110);
        assert_found(s, 0xffffffff81000310, "alias_global", NULL, 0x10);
        assert_found(s, 0xffffffffc0000900, "first", "driver", 0x900);
        assert_found(s, 0xffffffffc0001004, "second", "driver", 4);
        assert_found(s, 0xffffffffc0005004, "other", "another", 4);
        /* A call that is a function's last instruction. */
        assert_found(s, 0xffffffff81000100, "_stext", NULL, 0x100);
        /* In front of all, and far behind the last one. */
        assert_not_found(s, 0xffffffff81000000);
        assert_not_found(s, 0x1000);
        assert_not_found(s, 0);
        assert_not_found(s, 0xffffffffc0105001);
        assert_not_found(s, UINT64_MAX);
        assert_found(s, 0xffffffffc0105000, "other", "another", 0x100000);
        assert_not_found(s, 0xffffffff90000000);
}

Test(symbols, sections) {
        static const char modules[] =
                "another .data 0xffffffffc0006000\n"
                "driver .init.text 0xffffffffc0002000\n"
                "driver .text 0xffffffffc0000000\n";
        _cleanup_(symbols_freep) Symbols *s = NULL;

        cr_assert_eq(load(some, modules, &s), 0);
        assert_found(s, 0xffffffffc0000010, "first", "driver", 0x10);
        assert_found(s, 0xffffffffc0001010, "second", "driver", 0x10);
        /* No function of it is known any more once the module is loaded. */
        assert_found(s, 0xffffffffc0002010, ".init.text", "driver", 0x10);
        assert_found(s, 0xffffffffc0005010, "other", "another", 0x10);
        /* Behind the module's data there is no code. */
        assert_not_found(s, 0xffffffffc0006010);
        s = symbols_free(s);

        cr_assert_eq(load(NULL, modules, &s), 0);
        assert_found(s, 0xffffffffc0001010, ".text", "driver", 0x1010);
        assert_not_found(s, 0xffffffff81000150);
}

Test(symbols, bad_files) {
        static const struct {
                const char *kallsyms, *modules;
                int r;
        } table[] = {
                { "", NULL, 0 },
                { "", "", 0 },
                { "unavailable: kernel.kptr_restrict is 2\n", NULL, -ENODATA },
                { "0000000000000000 T _text\n0000000000000000 t first\t[driver]\n", NULL, -ENODATA },
                { some, "unavailable: no\n", -ENODATA },
                { some, "driver .text 0x0\n", -ENODATA },
                { "ffffffff81000000\n", NULL, -EBADMSG },
                { "ffffffff81000000 T\n", NULL, -EBADMSG },
                { "ffffffff81000000 T \n", NULL, -EBADMSG },
                { "ffffffff81000000T_text\n", NULL, -EBADMSG },
                { "fffffffff81000000 T _text\n", NULL, -EBADMSG },
                { " T _text\n", NULL, -EBADMSG },
                { "not a symbol\n", NULL, -EBADMSG },
                { "\n", NULL, -EBADMSG },
                { "ffffffff81000000 T f\tdriver\n", NULL, -EBADMSG },
                { "ffffffff81000000 T f\t[driver\n", NULL, -EBADMSG },
                { "ffffffff81000000 T \t[driver]\n", NULL, -EBADMSG },
                { "ffffffff81000000 T f\t[\n", NULL, -EBADMSG },
                { some, "driver\n", -EBADMSG },
                { some, "driver .text\n", -EBADMSG },
                { some, "driver .text 12\n", -EBADMSG },
                { some, "driver .text 0x\n", -EBADMSG },
                { some, "driver .text 0x12 \n", -EBADMSG },
                { some, " .text 0x12\n", -EBADMSG },
                { some, "driver  0x12\n", -EBADMSG },
        };

        for (size_t i = 0; i < ELEMENTS(table); i++) {
                _cleanup_(symbols_freep) Symbols *s = NULL;

                cr_expect_eq(load(table[i].kallsyms, table[i].modules, &s), table[i].r, "no. %zu", i);
                cr_expect_eq(!s, table[i].r < 0);
        }
}

Test(symbols, missing_file) {
        Symbols *s = NULL;

        cr_expect_eq(symbols_load("/nonexistent/kallsyms", NULL, &s), -ENOENT);
        cr_expect_null(s);
}

/* As many as a kernel with large drivers has, in the worst order. */
Test(symbols, many) {
        enum { N = 300000 };
        _cleanup_(symbols_freep) Symbols *s = NULL;
        _cleanup_free_ char *text = NULL;
        uint64_t begun_usec;
        size_t bytes, n = 0;
        FILE *f;

        f = open_memstream(&text, &bytes);
        cr_assert_not_null(f);
        for (unsigned i = N; i-- > 0;)
                fprintf(f, "%016" PRIx64 " t function_%u\t[driver]\n", UINT64_C(0xffffffffc0000000) + i * 16, i);
        cr_assert_eq(fclose(f), 0);
        begun_usec = now_monotonic_usec();
        cr_assert_eq(load(text, NULL, &s), 0);
        for (unsigned i = 0; i < N; i++) {
                Symbol symbol;
                char name[32];

                (void) snprintf(name, sizeof name, "function_%u", i);
                n += symbols_find(s, UINT64_C(0xffffffffc0000000) + i * 16 + 5, &symbol) == 1 &&
                        symbol.offset == 5 && streq(symbol.name, name);
        }
        cr_assert_eq(n, N);
        cr_log_info("%d symbols read and found in %" PRIu64 " ms", N, (now_monotonic_usec() - begun_usec) / USEC_PER_MSEC);
}
