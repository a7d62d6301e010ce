/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Parts of /sys, /proc and /lib/modules in the test's folder, linked the way the kernel links them. */

#include <elf.h>
#include <limits.h>
#include <sys/wait.h>

#include "test-util.h"

typedef struct FakeTree {
        char *root, *sys, *proc, *modules;
} FakeTree;

#define _cleanup_fake_tree_ _cleanup_(fake_tree_done)

/* Any version will do: depmod takes it for the name of a folder. */
#define KERNEL "6.1.0-fake"
#define MODULES_DIR "lib/modules/" KERNEL

static inline char *below(const char *root, const char *path) {
        char *s;

        cr_assert(asprintf(&s, "%s/%s", root, path) > 0);
        return s;
}

static inline void make_parents(const char *path) {
        _cleanup_free_ char *copy = strdup(path);

        for (char *p = copy + 1; (p = strchr(p, '/')); *p++ = '/') {
                *p = 0;
                cr_assert(mkdir(copy, 0755) == 0 || errno == EEXIST, "%s: %m", copy);
        }
}

static inline void write_bytes(const char *path, const void *data, size_t bytes) {
        _cleanup_close_ int fd = -EBADF;
        struct stat st;

        make_parents(path);
        /* A file of the kernel's stays the same file, also for who has it open, and is never seen empty. */
        if (lstat(path, &st) < 0 || !S_ISREG(st.st_mode) || st.st_nlink > 1)
                (void) unlink(path);
        fd = open(path, O_WRONLY | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0644);
        cr_assert(fd >= 0, "%s: %m", path);
        cr_assert_eq(write_all(fd, data, bytes), 0);
        cr_assert_eq(ftruncate(fd, (off_t) bytes), 0);
}

/* Paths are relative to the root ("sys/…"); folders are made as needed; what is there is replaced. */
static inline void fake_file(const FakeTree *tree, const char *path, const char *text) {
        _cleanup_free_ char *full = below(tree->root, path);

        write_bytes(full, text, strlen(text));
}

static inline void fake_link(const FakeTree *tree, const char *path, const char *target) {
        _cleanup_free_ char *full = below(tree->root, path), *where = below(tree->root, target);

        make_parents(full);
        (void) unlink(full);
        cr_assert_eq(symlink(where, full), 0, "%s: %m", full);
}

static inline void fake_remove(const FakeTree *tree, const char *path) {
        _cleanup_free_ char *full = below(tree->root, path);

        cr_assert_eq(nftw(full, test_remove_entry, 16, FTW_DEPTH | FTW_PHYS), 0);
}

static inline FakeTree fake_tree_make(void) {
        FakeTree tree = {};

        (void) test_dir();
        tree.root = realpath(test_dir_path, NULL);
        cr_assert_not_null(tree.root);
        tree.sys = below(tree.root, "sys");
        tree.proc = below(tree.root, "proc");
        tree.modules = below(tree.root, MODULES_DIR);
        fake_file(&tree, "sys/bus/pci/drivers_probe", "");
        fake_file(&tree, "proc/self/mountinfo", "");
        return tree;
}

static inline void fake_tree_done(FakeTree *tree) {
        free(tree->root);
        free(tree->sys);
        free(tree->proc);
        free(tree->modules);
}

static inline char *fake_read(const FakeTree *tree, const char *path) {
        _cleanup_free_ char *full = below(tree->root, path);
        char *text = NULL;

        cr_assert_eq(read_file_at(AT_FDCWD, full, MIB, &text, NULL), 0, "%s", full);
        return text;
}

static inline void attribute(const FakeTree *tree, const char *folder, const char *name, const char *text) {
        _cleanup_free_ char *path = below(folder, name);

        fake_file(tree, path, text);
}

/* The numbers of a modalias are in capitals (scripts/mod/file2alias.c). */
static inline void print_modalias(char *buf, size_t size, const char *ids, const char *class_id) {
        unsigned vendor, device, class;

        cr_assert_eq(sscanf(ids, "%x:%x", &vendor, &device), 2);
        cr_assert_eq(sscanf(class_id, "%x", &class), 1);
        (void) snprintf(buf,
                        size,
                        "pci:v%08Xd%08Xsv00001AF4sd00001100bc%02Xsc%02Xi%02X\n",
                        vendor,
                        device,
                        class >> 16,
                        class >> 8 & 0xff,
                        class & 0xff);
}

/* A device below devices/pci0000:00, ids as "8086:10d3", and its link below bus/pci/devices. */
static inline void fake_pci_device(const FakeTree *tree, const char *bdf, const char *ids, const char *class_id) {
        char folder[NAME_MAX], link[NAME_MAX], text[NAME_MAX];

        (void) snprintf(folder, sizeof folder, "sys/devices/pci%.*s/%s", (int) strlen(bdf) - 5, bdf, bdf);
        (void) snprintf(link, sizeof link, "sys/bus/pci/devices/%s", bdf);
        (void) snprintf(text, sizeof text, "0x%.4s\n", ids);
        attribute(tree, folder, "vendor", text);
        (void) snprintf(text, sizeof text, "0x%.4s\n", ids + 5);
        attribute(tree, folder, "device", text);
        attribute(tree, folder, "subsystem_vendor", "0x1af4\n");
        attribute(tree, folder, "subsystem_device", "0x1100\n");
        (void) snprintf(text, sizeof text, "0x%s\n", class_id);
        attribute(tree, folder, "class", text);
        attribute(tree, folder, "revision", "0x00\n");
        print_modalias(text, sizeof text, ids, class_id);
        attribute(tree, folder, "modalias", text);
        fake_link(tree, link, folder);
}

/* A driver on the bus. module may be NULL; then it has no link to one. */
static inline void fake_pci_driver(const FakeTree *tree, const char *name, const char *module) {
        char folder[NAME_MAX], path[NAME_MAX + 64], target[NAME_MAX];

        (void) snprintf(folder, sizeof folder, "sys/bus/pci/drivers/%s", name);
        attribute(tree, folder, "bind", "");
        attribute(tree, folder, "unbind", "");
        if (!module)
                return;
        (void) snprintf(path, sizeof path, "%s/module", folder);
        (void) snprintf(target, sizeof target, "sys/module/%s", module);
        fake_link(tree, path, target);
        (void) snprintf(path, sizeof path, "%s/drivers/pci:%s", target, name);
        fake_link(tree, path, folder);
}

static inline void fake_pci_bind(const FakeTree *tree, const char *bdf, const char *driver) {
        char device[NAME_MAX], folder[NAME_MAX], path[NAME_MAX + 64];

        (void) snprintf(device, sizeof device, "sys/devices/pci%.*s/%s", (int) strlen(bdf) - 5, bdf, bdf);
        (void) snprintf(folder, sizeof folder, "sys/bus/pci/drivers/%s", driver);
        (void) snprintf(path, sizeof path, "%s/driver", device);
        fake_link(tree, path, folder);
        (void) snprintf(path, sizeof path, "%s/%s", folder, bdf);
        fake_link(tree, path, device);
}

/* A device on another bus than PCI, and its driver. module may be NULL; then there is no link to one. */
static inline void fake_bus_bind(const FakeTree *tree, const char *bus, const char *device, const char *driver, const char *module) {
        char folder[NAME_MAX], link[NAME_MAX], path[NAME_MAX + 64], target[NAME_MAX];

        (void) snprintf(target, sizeof target, "sys/devices/%s/%s", bus, device);
        attribute(tree, target, "uevent", "");
        (void) snprintf(link, sizeof link, "sys/bus/%s/devices/%s", bus, device);
        fake_link(tree, link, target);
        (void) snprintf(folder, sizeof folder, "sys/bus/%s/drivers/%s", bus, driver);
        attribute(tree, folder, "bind", "");
        (void) snprintf(path, sizeof path, "%s/%s", folder, device);
        fake_link(tree, path, target);
        if (!module)
                return;
        (void) snprintf(path, sizeof path, "%s/module", folder);
        (void) snprintf(target, sizeof target, "sys/module/%s", module);
        fake_link(tree, path, target);
}

/* An entry of a loaded module. */
static inline void fake_module_entry(const FakeTree *tree, const char *name, const char *version) {
        char folder[NAME_MAX];

        (void) snprintf(folder, sizeof folder, "sys/module/%s", name);
        attribute(tree, folder, "initstate", "live\n");
        if (version)
                attribute(tree, folder, "version", version);
}

/* A module's file with lines of "key=value" in it ("alias=pci:…"). The least that depmod and libkmod take for one: a
 * relocatable object with .modinfo and an empty table of symbols. */
static inline void fake_module_file(const FakeTree *tree, const char *name, const char *info) {
        static const char section_names[] = "\0.modinfo\0.symtab\0.strtab\0.shstrtab";
        enum { MODINFO = 1, SYMTAB, STRTAB, SHSTRTAB, N_SECTIONS };
        struct {
                Elf64_Ehdr header;
                Elf64_Shdr sections[N_SECTIONS];
                Elf64_Sym symbol;
                char empty[8];
                char names[sizeof section_names];
                char modinfo[4096];
        } *file = calloc(1, sizeof *file);
        size_t bytes = strlen(info) + 1;
        char path[NAME_MAX];
        _cleanup_free_ char *full = NULL;

        cr_assert(file && bytes <= sizeof file->modinfo);
        memcpy(file->header.e_ident, (unsigned char[]) { 0x7f, 'E', 'L', 'F', ELFCLASS64, ELFDATA2LSB, EV_CURRENT }, 7);
        file->header.e_type = ET_REL;
        file->header.e_machine = EM_X86_64;
        file->header.e_version = EV_CURRENT;
        file->header.e_ehsize = sizeof file->header;
        file->header.e_shoff = offsetof(__typeof__(*file), sections);
        file->header.e_shentsize = sizeof(Elf64_Shdr);
        file->header.e_shnum = N_SECTIONS;
        file->header.e_shstrndx = SHSTRTAB;
        memcpy(file->names, section_names, sizeof section_names);
        memcpy(file->modinfo, info, bytes);
        for (char *p = file->modinfo; (p = strchr(p, '\n')); *p++ = 0)
                ;
        file->sections[MODINFO] = (Elf64_Shdr) {
                .sh_name = 1, .sh_type = SHT_PROGBITS, .sh_flags = SHF_ALLOC,
                .sh_offset = offsetof(__typeof__(*file), modinfo), .sh_size = bytes, .sh_addralign = 1,
        };
        file->sections[SYMTAB] = (Elf64_Shdr) {
                .sh_name = 10, .sh_type = SHT_SYMTAB, .sh_link = STRTAB, .sh_info = 1,
                .sh_offset = offsetof(__typeof__(*file), symbol), .sh_size = sizeof(Elf64_Sym),
                .sh_addralign = 8, .sh_entsize = sizeof(Elf64_Sym),
        };
        file->sections[STRTAB] = (Elf64_Shdr) {
                .sh_name = 18, .sh_type = SHT_STRTAB,
                .sh_offset = offsetof(__typeof__(*file), empty), .sh_size = 1, .sh_addralign = 1,
        };
        file->sections[SHSTRTAB] = (Elf64_Shdr) {
                .sh_name = 26, .sh_type = SHT_STRTAB,
                .sh_offset = offsetof(__typeof__(*file), names), .sh_size = sizeof section_names, .sh_addralign = 1,
        };
        (void) snprintf(path, sizeof path, MODULES_DIR "/kernel/%s.ko", name);
        full = below(tree->root, path);
        write_bytes(full, file, sizeof *file);
        free(file);
}

/* Makes the tables; builtin and builtin_info are the text of modules.builtin and of modules.builtin.modinfo, the latter
 * with a newline where it has a NUL. False where there is no depmod. */
static inline bool fake_depmod(const FakeTree *tree, const char *builtin, const char *builtin_info) {
        _cleanup_free_ char *info = strdup(builtin_info), *path = below(tree->modules, "modules.builtin.modinfo");
        size_t bytes = strlen(info);
        int status;
        pid_t pid;

        fake_file(tree, MODULES_DIR "/modules.builtin", builtin);
        fake_file(tree, MODULES_DIR "/modules.order", "");
        for (char *p = info; (p = strchr(p, '\n')); *p++ = 0)
                ;
        write_bytes(path, info, bytes);

        pid = fork();
        cr_assert(pid >= 0);
        if (pid == 0) {
                execlp("depmod", "depmod", "-b", tree->root, KERNEL, (char *) NULL);
                execl("/usr/sbin/depmod", "depmod", "-b", tree->root, KERNEL, (char *) NULL);
                _exit(127);
        }
        cr_assert_eq(waitpid(pid, &status, 0), pid);
        cr_assert(WIFEXITED(status));
        if (WEXITSTATUS(status) == 127)
                return false;
        cr_assert_eq(WEXITSTATUS(status), 0);
        return true;
}
