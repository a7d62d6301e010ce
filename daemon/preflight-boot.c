/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* How was this kernel booted, and which one is it? The parameters of mmiotrace have no file in /sys (module_param() with
 * mode 0 in arch/x86/mm/mmio-mod.c), so that the command line is all there is of them. */

#include <ctype.h>
#include <fcntl.h>
#include <sys/utsname.h>

#include "boot-arguments.h"
#include "preflight.h"

static bool argument_is_true(const Preflight *p, const char *name) {
        _cleanup_free_ char *value = NULL;

        return boot_argument_get(p->cmdline, name, &value) > 0 && boot_argument_is_true(value);
}

static void check_arguments(const Preflight *p) {
        _cleanup_free_ char *offset = NULL;

        if (argument_is_true(p, "mmiotrace.nommiotrace"))
                findings_block(p->findings, "nommiotrace", ERROR_NOT_SUPPORTED, true,
                               "This kernel was booted with mmiotrace.nommiotrace, which records mappings, but no accesses\n"
                               "boot without it");
        else
                findings_add(p->findings, "nommiotrace", FINDING_OK, "Accesses are recorded, not only mappings");

        if (boot_argument_get(p->cmdline, "mmiotrace.filter_offset", &offset) > 0 && !streq(offset, "0"))
                findings_add(p->findings, "filter-offset", FINDING_WARNING,
                             "This kernel was booted with mmiotrace.filter_offset: only mappings that begin at the physical "
                             "address %s are traced\nboot without it to see all", text_is_clean(offset, false) ? offset : "it names");
        else
                findings_add(p->findings, "filter-offset", FINDING_OK, "Mappings of all addresses are traced");

        if (argument_is_true(p, "mmiotrace.trace_pc"))
                findings_add(p->findings, "trace-pc", FINDING_NOTE,
                             "The log will have the address of the instruction behind each access (mmiotrace.trace_pc)");
        else
                findings_add(p->findings, "trace-pc", FINDING_OK,
                             "The log will not say which instruction made an access\nboot with mmiotrace.trace_pc=1 to have that, "
                             "or start with --stacks");
}

static bool has_word(const char *text, const char *word) {
        size_t l = strlen(word);

        for (const char *p = text; (p = strstr(p, word)); p += l)
                if ((p == text || isspace((unsigned char) p[-1])) && (!p[l] || isspace((unsigned char) p[l])))
                        return true;
        return false;
}

/* What the kernel says of it in debugfs: "none voluntary (full)" (kernel/sched/debug.c, sched_dynamic_show()). */
static char *preemption_in_debugfs(const Preflight *p) {
        _cleanup_free_ char *line = preflight_read(p->context->sys_root, "kernel/debug/sched/preempt");
        char *start = line ? strchr(line, '(') : NULL, *end = start ? strchr(start, ')') : NULL;

        return end ? strndup(start + 1, (size_t) (end - start - 1)) : NULL;
}

/* Which one the kernel was built to take, where it can take another by an argument. */
static char *preemption_in_config(const Preflight *p) {
        static const struct {
                const char *line, *model;
        } models[] = {
                { "\nCONFIG_PREEMPT_NONE=y\n", "none" },
                { "\nCONFIG_PREEMPT_VOLUNTARY=y\n", "voluntary" },
                { "\nCONFIG_PREEMPT=y\n", "full" },
                { "\nCONFIG_PREEMPT_LAZY=y\n", "lazy" },
        };
        _cleanup_free_ char *path = NULL, *text = NULL;
        struct utsname uts;

        if (!p->context->boot_dir || uname(&uts) < 0)
                return NULL;
        if (asprintf(&path, "%s/config-%s", p->context->boot_dir, uts.release) < 0) {
                path = NULL;
                return NULL;
        }
        if (read_file_at(AT_FDCWD, path, MIB, &text, NULL) < 0)
                return NULL;
        for (size_t i = 0; i < ELEMENTS(models); i++)
                if (strstr(text, models[i].line))
                        return strdup(models[i].model);
        return NULL;
}

/* The model that is in use, or NULL where that cannot be known. */
static char *find_preemption(const Preflight *p, const char *version) {
        char *model = NULL;

        if (has_word(version, "PREEMPT"))
                return strdup("full");
        if (!has_word(version, "PREEMPT_DYNAMIC"))
                return strdup("none or voluntary");
        model = preemption_in_debugfs(p);
        if (model)
                return model;
        if (boot_argument_get(p->cmdline, "preempt", &model) > 0)
                return model;
        return preemption_in_config(p);
}

static void check_preemption(const Preflight *p, const char *version) {
        _cleanup_free_ char *model = NULL, *realtime = preflight_read(p->context->sys_root, "kernel/realtime");

        if (has_word(version, "PREEMPT_RT") || streq_ptr(realtime, "1")) {
                findings_block(p->findings, "realtime", ERROR_NOT_SUPPORTED, true,
                               "This is a realtime kernel (PREEMPT_RT), whose mmiotrace takes sleeping locks where it may not sleep, "
                               "which can hang the machine\nboot the same kernel without realtime");
                return;
        }
        findings_add(p->findings, "realtime", FINDING_OK, "This is no realtime kernel");

        model = find_preemption(p, version);
        if (!model || !text_is_clean(model, false))
                findings_add(p->findings, "preemption", FINDING_NOTE,
                             "Whether the kernel preempts itself is not known, and without that nothing drains the ring as long as "
                             "the driver does not sleep\nboot with preempt=full to be sure");
        else if (streq(model, "full"))
                findings_add(p->findings, "preemption", FINDING_OK, "The kernel preempts itself (preempt=full)");
        else
                findings_add(p->findings, "preemption", FINDING_NOTE,
                             "The kernel does not preempt itself (preempt=%s): as long as the driver does not sleep, the ring has "
                             "to hold everything\n%s", model,
                             has_word(version, "PREEMPT_DYNAMIC") ? "boot with preempt=full, or have a large ring (--buffer-size)"
                                                                  : "have a large ring (--buffer-size)");
}

typedef struct Version {
        unsigned major, minor, patch;
} Version;

/* Debian gives its kernels a name that stays when the version does not ("6.1.0-56-amd64"), and says the version in the
 * text behind it ("Debian 6.1.192-1"). */
static bool parse_version(const char *text, const char *release, Version *ret) {
        const char *debian = strstr(text, " Debian ");
        Version v = {};

        if (sscanf(debian ? debian + strlen(" Debian ") : release, "%u.%u.%u", &v.major, &v.minor, &v.patch) < 2)
                return false;
        *ret = v;
        return true;
}

typedef enum Repair {
        REPAIR_UNKNOWN,
        REPAIR_MISSING,
        REPAIR_DONE,
} Repair;

/* The counter of refused events is only cleared when somebody reads it; kernel/trace/trace_mmiotrace.c, mmio_reset_data(),
 * was repaired in these, and upstream before the first series that is newer. Of series in between nothing is known. */
static Repair find_repair(const Version *v) {
        static const Version repaired[] = { { 6, 1, 190 }, { 6, 12, 105 } }, last_unknown = { 6, 19, 0 };

        for (size_t i = 0; i < ELEMENTS(repaired); i++)
                if (v->major == repaired[i].major && v->minor == repaired[i].minor)
                        return v->patch >= repaired[i].patch ? REPAIR_DONE : REPAIR_MISSING;
        if (v->major > last_unknown.major || (v->major == last_unknown.major && v->minor > last_unknown.minor))
                return REPAIR_DONE;
        return REPAIR_UNKNOWN;
}

static void check_version(const Preflight *p, const char *text) {
        char release[65] = "";
        Version v;

        (void) sscanf(text, "Linux version %64s", release);
        if (!parse_version(text, release, &v)) {
                findings_add(p->findings, "lost-counter", FINDING_NOTE,
                             "The version of this kernel is not known: it may tell of lost events that were none");
                return;
        }
        switch (find_repair(&v)) {
        case REPAIR_DONE:
                findings_add(p->findings, "lost-counter", FINDING_OK, "Kernel %u.%u.%u counts lost events right", v.major, v.minor,
                             v.patch);
                break;
        case REPAIR_MISSING:
                findings_add(p->findings, "lost-counter", FINDING_NOTE,
                             "Kernel %u.%u.%u may begin a trace with lost events of an earlier one (repaired in 6.1.190, 6.12.105 and "
                             "after 6.19)\nupdate it when you can; the session's own count of lost events is right",
                             v.major, v.minor, v.patch);
                break;
        default:
                findings_add(p->findings, "lost-counter", FINDING_NOTE,
                             "Whether kernel %u.%u.%u may begin a trace with lost events of an earlier one is not known (repaired in "
                             "6.1.190, 6.12.105 and after 6.19)\nthe session's own count of lost events is right in any case",
                             v.major, v.minor, v.patch);
        }
}

void preflight_boot(const Preflight *p) {
        _cleanup_free_ char *version = preflight_read(p->context->proc_root, "version");

        check_arguments(p);
        check_preemption(p, strempty(version));
        check_version(p, strempty(version));
}
