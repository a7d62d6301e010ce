/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <pci/pci.h>
#include <setjmp.h>
#include <stdarg.h>

#include "pci-names.h"

struct PciNames {
        struct pci_access *access;
};

/* libpci reports a failure by a callback that must not return: its own prints and calls exit(), and the code behind
 * each call goes on as if it never came back (a failed allocation is used). The callback gets no pointer of ours, so
 * the way out of it can only be found through something that outlives the stack frame: one pointer for each thread,
 * set for the length of a call into libpci and NULL otherwise.
 *
 * Leaving by longjmp() is safe here because of what can fail in looking up names, and where (lib/names-parse.c,
 * lib/init.c of 3.9): a mistake in pci.ids is reported after the file was closed, with the names before it in place;
 * and memory that is short before anything was linked anywhere, so that at worst what the one call had allocated (and
 * the open file of names) is lost. No lock is held, and nothing of ours is in between: the callers keep no variable across the jump that they
 * change after it was armed. pci_init(), which would open the bus, is never called. */
typedef struct Escape {
        jmp_buf where;
        char reason[256];
} Escape;

static _Thread_local Escape *escape;

static _noreturn_ void on_error(char *format, ...) _printf_(1, 2);
static void on_message(char *format, ...) _printf_(1, 2);

static void on_error(char *format, ...) {
        va_list ap;

        /* Nothing calls libpci without having set this. */
        if (!escape)
                abort();
        va_start(ap, format);
        (void) vsnprintf(escape->reason, sizeof escape->reason, format, ap);
        va_end(ap);
        escape->reason[strcspn(escape->reason, "\n")] = 0;
        longjmp(escape->where, 1);
}

static void on_message(char *format, ...) {
}

/* Its own function, so that nothing else is live at setjmp(). Returns 1 when there was a file, 0 when there was none,
 * -EBADMSG with the reason when there was a mistake in it. */
static int load(struct pci_access *access, Escape *here) {
        int r;

        if (setjmp(here->where) != 0) {
                escape = NULL;
                return -EBADMSG;
        }
        escape = here;
        r = pci_load_name_list(access);
        escape = NULL;
        return r > 0;
}

int pci_names_new(const char *ids_path, PciNames **ret, char **ret_problem) {
        _cleanup_pci_names_ PciNames *names = NULL;
        _cleanup_free_ char *problem = NULL;
        Escape here = {};
        int r;

        names = calloc(1, sizeof *names);
        if (!names)
                return -ENOMEM;
        /* The one call that nothing can be set up for: it exits if there is no memory for some hundred bytes. */
        names->access = pci_alloc();
        names->access->error = on_error;
        names->access->warning = on_message;
        names->access->debug = on_message;
        if (ids_path) {
                char *copy = strdup(ids_path);

                if (!copy)
                        return -ENOMEM;
                pci_set_name_list_path(names->access, copy, 1);
        }
        /* Neither ~/.pciids-cache nor, ever, the network. */
        names->access->id_lookup_mode = 0;

        r = load(names->access, &here);
        if (r == 0)
                r = asprintf(&problem, "%s cannot be read", names->access->id_file_name);
        else if (r < 0)
                r = asprintf(&problem, "%s", here.reason);
        if (r < 0) {
                problem = NULL;
                return -ENOMEM;
        }
        *ret = TAKE_PTR(names);
        if (ret_problem)
                *ret_problem = TAKE_PTR(problem);
        return 0;
}

PciNames *pci_names_free(PciNames *names) {
        if (!names)
                return NULL;
        /* Writes the cache of names from the network, were there any; frees, and cannot fail. */
        if (names->access)
                pci_cleanup(names->access);
        free(names);
        return NULL;
}

/* As load(). The numbers that flags do not call for are not looked at. */
static const char *look_up(
                struct pci_access *access, Escape *here, char *buf, int size, int flags, const unsigned ids[4]) {
        const char *s;

        if (setjmp(here->where) != 0) {
                escape = NULL;
                return NULL;
        }
        escape = here;
        s = pci_lookup_name(
                        access, buf, size, flags, (int) ids[0], (int) ids[1], (int) ids[2], (int) ids[3]);
        escape = NULL;
        return s;
}

static int name_of(PciNames *names, int flags, const unsigned ids[4], char **ret) {
        char buf[512], *copy;
        Escape here = {};
        const char *s;

        s = look_up(names->access, &here, buf, sizeof buf, flags, ids);
        if (*here.reason)
                return -ENOMEM;
        /* A list may be in another encoding, which no reader of ours expects. */
        if (!s || !text_is_clean(s, false)) {
                *ret = NULL;
                return 0;
        }
        copy = strdup(s);
        if (!copy)
                return -ENOMEM;
        *ret = copy;
        return 0;
}

int pci_names_class(PciNames *names, unsigned class_id, char **ret) {
        return name_of(names, PCI_LOOKUP_CLASS | PCI_LOOKUP_MIXED, (unsigned[4]) { class_id }, ret);
}

int pci_names_device(PciNames *names, unsigned vendor, unsigned device, char **ret) {
        return name_of(names,
                        PCI_LOOKUP_VENDOR | PCI_LOOKUP_DEVICE | PCI_LOOKUP_MIXED,
                        (unsigned[4]) { vendor, device },
                        ret);
}

int pci_names_subsystem(
                PciNames *names,
                unsigned vendor,
                unsigned device,
                unsigned subsystem_vendor,
                unsigned subsystem_device,
                char **ret) {
        return name_of(names,
                        PCI_LOOKUP_SUBSYSTEM | PCI_LOOKUP_VENDOR | PCI_LOOKUP_DEVICE | PCI_LOOKUP_MIXED,
                        (unsigned[4]) { vendor, device, subsystem_vendor, subsystem_device },
                        ret);
}

int pci_names_plain_vendor(PciNames *names, unsigned vendor, char **ret) {
        return name_of(names, PCI_LOOKUP_VENDOR | PCI_LOOKUP_NO_NUMBERS, (unsigned[4]) { vendor }, ret);
}

int pci_names_plain_device(PciNames *names, unsigned vendor, unsigned device, char **ret) {
        return name_of(names, PCI_LOOKUP_DEVICE | PCI_LOOKUP_NO_NUMBERS, (unsigned[4]) { vendor, device }, ret);
}
