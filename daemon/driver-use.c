/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What would go with a driver's devices: a search from everything in use (mounts, swap, one interface) down to the PCI
 * device below it, by the real paths in /sys. The other way round it would miss what is stacked on top. */

#include <fcntl.h>
#include <limits.h>

#include "driver.h"
#include "route.h"
#include "sysfs.h"

/* Deeper than anybody stacks dm, md, VLANs, bonds and bridges; ends the search if links ever went in a circle. */
#define DEPTH_MAX 16
#define MOUNTS_MAX_BYTES (16 * MIB)

typedef struct Search {
        const char *sys_root, *proc_root;
        char *const *devices;
        char **paths;           /* the real path of each device, in the same order */
} Search;

static void search_done(Search *search) {
        strv_free(search->paths);
}

/* The device that path lies below, or NULL. */
static const char *search_covers(const Search *search, const char *path) {
        for (size_t i = 0; search->paths[i]; i++)
                if (path_is_below(path, search->paths[i]))
                        return search->devices[i];
        return NULL;
}

/* All of the functions below return 1 and set ret_device when what they look at hangs on one of the devices, 0 when it
 * does not or is not there, and a negative errno when that cannot be told. */

/* sysfs_real_path() for what may be gone or may never have been there: 0 without it, 1 with it. */
static int real_path_if_any(const char *sys_root, const char *path, char **ret) {
        int r;

        r = sysfs_real_path(sys_root, ret, "%s", path);
        if (r == -ENOENT || r == -ENOTDIR)
                return 0;
        return r < 0 ? r : 1;
}

static int list_if_any(const char *path, char ***ret) {
        int r;

        r = sysfs_list_at(AT_FDCWD, path, ret);
        return r == -ENOENT ? 0 : r;
}

static int joined(char **ret, const char *folder, const char *name) {
        if (asprintf(ret, "%s/%s", folder, name) < 0) {
                *ret = NULL;
                return -ENOMEM;
        }
        return 0;
}

static int block_in_use(const Search *search, const char *path, unsigned depth, const char **ret_device);

/* Follows the links in a folder whose names begin with prefix. */
static int linked_blocks_in_use(
                const Search *search,
                const char *folder,
                const char *prefix,
                unsigned depth,
                const char **ret_device) {
        _cleanup_strv_ char **entries = NULL;
        int r;

        r = list_if_any(folder, &entries);
        if (r < 0)
                return r;
        STRV_FOREACH(entry, entries) {
                _cleanup_free_ char *link = NULL, *real = NULL;

                if (!startswith(*entry, prefix))
                        continue;
                r = joined(&link, folder, *entry);
                if (r < 0)
                        return r;
                real = realpath(link, NULL);
                /* The folder itself may be what such a link leads back to. */
                if (!real || path_is_below(real, folder))
                        continue;
                r = block_in_use(search, real, depth + 1, ret_device);
                if (r != 0)
                        return r;
        }
        return 0;
}

/* path is the real path of a disk, a partition, or whatever else a disk is a link to. */
static int block_in_use(const Search *search, const char *path, unsigned depth, const char **ret_device) {
        _cleanup_free_ char *disk = NULL, *parent = NULL, *partition = NULL, *slaves = NULL;
        const char *device = search_covers(search, path);
        char *slash;
        int r;

        if (device) {
                *ret_device = device;
                return 1;
        }
        if (depth > DEPTH_MAX)
                return -ELOOP;

        disk = strdup(path);
        if (!disk)
                return -ENOMEM;
        r = joined(&partition, path, "partition");
        if (r < 0)
                return r;
        slash = strrchr(disk, '/');
        if (slash && access(partition, F_OK) == 0)
                *slash = 0;

        r = joined(&slaves, disk, "slaves");
        if (r < 0)
                return r;
        r = linked_blocks_in_use(search, slaves, "", depth, ret_device);
        if (r != 0)
                return r;

        /* With multipath, the kernel's default, an NVMe disk with more than one controller lies below a virtual
         * subsystem, whose links name the controllers (drivers/nvme/host/core.c, nvme_init_subsystem). */
        parent = strdup(disk);
        if (!parent)
                return -ENOMEM;
        slash = strrchr(parent, '/');
        if (!slash)
                return 0;
        *slash = 0;
        slash = strrchr(parent, '/');
        if (!slash || !startswith(slash + 1, "nvme-subsys"))
                return 0;
        return linked_blocks_in_use(search, parent, "nvme", depth, ret_device);
}

static int block_number_in_use(const Search *search, const char *number, const char **ret_device) {
        _cleanup_free_ char *real = NULL;
        int r;

        r = sysfs_real_path(search->sys_root, &real, "dev/block/%s", number);
        if (r < 0)
                return r == -ENOENT ? 0 : r;
        return block_in_use(search, real, 0, ret_device);
}

/* Finds the name in /sys of /dev/mapper/NAME where the nodes in /dev are out of sight (PrivateDevices=) or are no
 * links. 0: there is none. */
static int mapper_find(const Search *search, const char *name, char **ret) {
        _cleanup_strv_ char **blocks = NULL;
        _cleanup_free_ char *folder = NULL;
        int r;

        r = joined(&folder, search->sys_root, "class/block");
        if (r >= 0)
                r = list_if_any(folder, &blocks);
        if (r < 0)
                return r;
        STRV_FOREACH(block, blocks) {
                _cleanup_free_ char *attribute = NULL, *value = NULL;

                if (asprintf(&attribute, "%s/%s/dm/name", folder, *block) < 0) {
                        attribute = NULL;
                        return -ENOMEM;
                }
                if (read_line_at(AT_FDCWD, attribute, &value) < 0 || !streq(value, name))
                        continue;
                *ret = strdup(*block);
                return *ret ? 1 : -ENOMEM;
        }
        return 0;
}

/* The name in /sys of a path in /dev. 0: it does not look like one. */
static int block_name(const Search *search, const char *path, char **ret) {
        _cleanup_free_ char *real = realpath(path, NULL);
        const char *name;
        int r;

        name = startswith(real ?: path, "/dev/");
        if (isempty(name))
                return 0;
        if (startswith(name, "mapper/")) {
                r = mapper_find(search, startswith(name, "mapper/"), ret);
                if (r != 0)
                        return r;
        }
        *ret = strdup(name);
        if (!*ret)
                return -ENOMEM;
        /* How the kernel writes a name like "cciss/c0d0" (lib/kobject.c, kobject_set_name_vargs). */
        for (char *p = *ret; *p; p++)
                if (*p == '/')
                        *p = '!';
        return 1;
}

static int block_name_in_use(const Search *search, const char *name, const char **ret_device) {
        _cleanup_free_ char *real = NULL;
        int r;

        r = sysfs_real_path(search->sys_root, &real, "class/block/%s", name);
        if (r < 0)
                return r == -ENOENT ? 0 : r;
        return block_in_use(search, real, 0, ret_device);
}

static int block_path_in_use(const Search *search, const char *path, const char **ret_device) {
        _cleanup_free_ char *name = NULL;
        int r;

        r = block_name(search, path, &name);
        return r <= 0 ? r : block_name_in_use(search, name, ret_device);
}

/* A btrfs lies on any number of disks and names one of them. All are in /sys/fs/btrfs/UUID/devices; where the one that
 * is named cannot be found among them, every mounted btrfs counts. */
static int btrfs_in_use(const Search *search, const char *source, const char **ret_device) {
        _cleanup_free_ char *folder = NULL, *name = NULL;
        _cleanup_strv_ char **uuids = NULL;
        int r;

        r = block_name(search, source, &name);
        if (r >= 0)
                r = joined(&folder, search->sys_root, "fs/btrfs");
        if (r >= 0)
                r = list_if_any(folder, &uuids);
        if (r < 0)
                return r;
        for (int only_named = 1; only_named >= 0; only_named--) {
                bool found = false;

                STRV_FOREACH(uuid, uuids) {
                        _cleanup_free_ char *devices = NULL;
                        _cleanup_strv_ char **disks = NULL;

                        if (asprintf(&devices, "%s/%s/devices", folder, *uuid) < 0) {
                                devices = NULL;
                                return -ENOMEM;
                        }
                        r = list_if_any(devices, &disks);
                        if (r < 0)
                                return r;
                        if (only_named && !(name && strv_contains(disks, name)))
                                continue;
                        found = true;
                        r = linked_blocks_in_use(search, devices, "", 0, ret_device);
                        if (r != 0)
                                return r;
                }
                if (found)
                        return 0;
        }
        return 0;
}

/* A bcachefs names all of its disks in one source, "/dev/sda:/dev/sdb"; others name one. */
static int sources_in_use(const Search *search, const char *source, const char **ret_device) {
        _cleanup_free_ char *copy = strdup(source);
        char *path = copy, *next;
        int r;

        if (!copy)
                return -ENOMEM;
        for (; path; path = next) {
                next = strstr(path, ":/dev/");
                if (next)
                        *next++ = 0;
                r = block_path_in_use(search, path, ret_device);
                if (r != 0)
                        return r;
        }
        return 0;
}

/* Folders of a host that a virtual machine mounts by a tag. virtiofs shows its tags in newer kernels only, so that
 * each of its devices counts. */
static int tag_in_use(const Search *search, const char *type, const char *tag, const char **ret_device) {
        _cleanup_free_ char *folder = NULL;
        _cleanup_strv_ char **devices = NULL;
        int r;

        r = joined(&folder, search->sys_root, "bus/virtio/devices");
        if (r >= 0)
                r = list_if_any(folder, &devices);
        if (r < 0)
                return r;
        STRV_FOREACH(device, devices) {
                _cleanup_free_ char *path = NULL, *attribute = NULL, *value = NULL, *real = NULL;
                const char *covering;

                r = joined(&path, folder, *device);
                if (r < 0)
                        return r;
                r = joined(&attribute, path, streq(type, "9p") ? "mount_tag" : "driver");
                if (r < 0)
                        return r;
                if (streq(type, "9p")) {
                        if (read_line_at(AT_FDCWD, attribute, &value) < 0 || !streq(value, tag))
                                continue;
                } else if (sysfs_link_name_at(AT_FDCWD, attribute, &value) < 0 || !streq(value, "virtiofs"))
                        continue;
                real = realpath(path, NULL);
                covering = real ? search_covers(search, real) : NULL;
                if (covering) {
                        *ret_device = covering;
                        return 1;
                }
        }
        return 0;
}

static int interface_in_use(const Search *search, const char *interface, unsigned depth, const char **ret_device) {
        _cleanup_free_ char *relative = NULL, *real = NULL, *folder = NULL;
        _cleanup_strv_ char **entries = NULL;
        int r;

        if (isempty(interface) || *interface == '.' || strchr(interface, '/'))
                return -EINVAL;
        if (depth > DEPTH_MAX)
                return -ELOOP;
        if (asprintf(&relative, "class/net/%s/device", interface) < 0) {
                relative = NULL;
                return -ENOMEM;
        }
        r = real_path_if_any(search->sys_root, relative, &real);
        if (r < 0)
                return r;
        if (r > 0 && search_covers(search, real)) {
                *ret_device = search_covers(search, real);
                return 1;
        }

        /* Bridges, bonds, VLANs and the like name what they stand on (net/core/dev.c, netdev_adjacent_sysfs_add). */
        if (asprintf(&folder, "%s/class/net/%s", search->sys_root, interface) < 0) {
                folder = NULL;
                return -ENOMEM;
        }
        r = list_if_any(folder, &entries);
        if (r < 0)
                return r;
        STRV_FOREACH(entry, entries) {
                const char *lower = startswith(*entry, "lower_");

                if (!lower)
                        continue;
                r = interface_in_use(search, lower, depth + 1, ret_device);
                if (r != 0)
                        return r;
        }
        return 0;
}

/* A file system over the network hangs on the interface that leads to its server, which its options name. */
static int server_in_use(const Search *search, const char *options, const char **ret_device) {
        _cleanup_free_ char *copy = strdup(options), *interface = NULL;
        const char *address = NULL;
        char *state = NULL;
        int r;

        if (!copy)
                return -ENOMEM;
        for (char *o = strtok_r(copy, ",", &state); o && !address; o = strtok_r(NULL, ",", &state))
                address = startswith(o, "addr=");
        if (!address)
                return 0;
        r = network_interface_to(search->proc_root, address, &interface);
        if (r == -ENETUNREACH || r == -EINVAL)
                return 0;
        return r < 0 ? r : interface_in_use(search, interface, 0, ret_device);
}

/* Undoes what the kernel does to blanks and backslashes (fs/seq_file.c, mangle_path): "\040" is a blank. */
static void unescape(char *s) {
        char *out = s;

        while (*s) {
                if (s[0] == '\\' && s[1] >= '0' && s[1] <= '3' && s[2] >= '0' && s[2] <= '7' && s[3] >= '0' &&
                                s[3] <= '7') {
                        *out++ = (char) ((s[1] - '0') << 6 | (s[2] - '0') << 3 | (s[3] - '0'));
                        s += 4;
                } else
                        *out++ = *s++;
        }
        *out = 0;
}

/* The parts of a line of mountinfo that are needed here (fs/proc_namespace.c, show_mountinfo). */
typedef struct Mount {
        char *number, *point, *type, *source, *options;
} Mount;

static int mount_parse(char *line, Mount *ret) {
        char *fields[6], *rest = line;
        Mount mount = {};

        for (size_t i = 0; i < ELEMENTS(fields); i++) {
                fields[i] = strsep(&rest, " ");
                if (!fields[i])
                        return -EBADMSG;
        }
        /* Any number of optional fields up to a hyphen. */
        for (const char *field = strsep(&rest, " "); !streq_ptr(field, "-"); field = strsep(&rest, " "))
                if (!field)
                        return -EBADMSG;
        mount.number = fields[2];
        mount.point = fields[4];
        mount.type = strsep(&rest, " ");
        mount.source = strsep(&rest, " ");
        mount.options = rest;
        if (!mount.type || !mount.source || !mount.options)
                return -EBADMSG;
        unescape(mount.point);
        unescape(mount.source);
        *ret = mount;
        return 0;
}

static int mount_in_use(const Search *search, const Mount *mount, const char **ret_device) {
        /* Major 0 is for file systems that are not on one block device (fs/super.c, get_anon_bdev). */
        if (!startswith(mount->number, "0:"))
                return block_number_in_use(search, mount->number, ret_device);
        if (streq(mount->type, "btrfs"))
                return btrfs_in_use(search, mount->source, ret_device);
        if (streq(mount->type, "9p") || streq(mount->type, "virtiofs"))
                return tag_in_use(search, mount->type, mount->source, ret_device);
        if (startswith(mount->source, "/dev/"))
                return sources_in_use(search, mount->source, ret_device);
        return server_in_use(search, mount->options, ret_device);
}

static int refuse(Error *error, const char *device, const char *what, const char *instead) {
        return error_set(error,
                        ERROR_DEVICE_IN_USE,
                        "The device %s %s, which would be gone when the driver is taken off it; %s.",
                        device,
                        what,
                        instead);
}

static int check_mounts(const Search *search, const char *text_path, char *text, Error *error) {
        char *state = NULL;
        int r;

        for (char *line = strtok_r(text, "\n", &state); line; line = strtok_r(NULL, "\n", &state)) {
                _cleanup_free_ char *what = NULL;
                const char *device = NULL;
                Mount mount;

                r = mount_parse(line, &mount);
                if (r < 0)
                        return error_set_errno(error, ERROR_FAILED, r, "Cannot understand %s", text_path);
                r = mount_in_use(search, &mount, &device);
                if (r < 0)
                        return error_set_errno(error,
                                        ERROR_FAILED,
                                        r,
                                        "Cannot find out which device a mounted file system (%s) is on",
                                        text_is_clean(mount.point, false) ? mount.point : "?");
                if (r == 0)
                        continue;
                if (text_is_clean(mount.point, false))
                        r = asprintf(&what, "carries the file system mounted on \"%s\"", mount.point);
                else
                        r = asprintf(&what, "carries a mounted file system (unprintable characters in its path)");
                if (r < 0) {
                        what = NULL;
                        return error_set_errno(error, ERROR_FAILED, -ENOMEM, "Cannot check what is mounted");
                }
                return refuse(error,
                                device,
                                what,
                                streq(mount.point, "/") ? "boot from another device to trace this driver"
                                                        : "unmount it first");
        }
        return 0;
}

static int check_swaps(const Search *search, const char *text_path, char *text, Error *error) {
        char *state = NULL;
        int r;

        for (char *line = strtok_r(text, "\n", &state); line; line = strtok_r(NULL, "\n", &state)) {
                size_t l = strcspn(line, " \t");
                const char *device = NULL;

                /* The line of column names, and files on what is mounted, and so found there. */
                if (!startswith(line, "/dev/"))
                        continue;
                line[l] = 0;
                unescape(line);
                r = block_path_in_use(search, line, &device);
                if (r < 0)
                        return error_set_errno(
                                        error, ERROR_FAILED, r, "Cannot find out which device is in %s", text_path);
                if (r > 0)
                        return refuse(error, device, "holds active swap", "turn that off first (\"swapoff\")");
        }
        return 0;
}

/* Reads a table of the kernel and has it checked; with optional, it may be missing. */
static int check_table(
                const Search *search,
                const char *name,
                bool optional,
                int (*check)(const Search *search, const char *text_path, char *text, Error *error),
                Error *error) {
        _cleanup_free_ char *path = NULL, *text = NULL;
        int r;

        r = joined(&path, search->proc_root, name);
        if (r < 0)
                return error_set_errno(error, ERROR_FAILED, r, "Cannot find out what uses the devices");
        r = read_file_at(AT_FDCWD, path, MOUNTS_MAX_BYTES, &text, NULL);
        if (r == -ENOENT && optional)
                return 0;
        if (r < 0)
                return error_set_errno(error, ERROR_FAILED, r, "Cannot learn from %s what uses the devices", path);
        return check(search, path, text, error);
}

int driver_check_rebind(
                const char *sys_root,
                const char *proc_root,
                const Driver *driver,
                const char *caller_interface,
                Error *error) {
        _cleanup_(search_done) Search search = {
                .sys_root = sys_root,
                .proc_root = proc_root,
                .devices = driver->devices,
        };
        const char *device = NULL;
        int r;

        if (strv_length(driver->devices) == 0)
                return 0;
        STRV_FOREACH(bdf, driver->devices) {
                _cleanup_free_ char *real = NULL;

                r = sysfs_real_path(sys_root, &real, "bus/pci/devices/%s", *bdf);
                if (r >= 0)
                        r = strv_extend(&search.paths, real);
                if (r < 0)
                        return error_set_errno(error, ERROR_FAILED, r, "Cannot find the device %s", *bdf);
        }

        r = check_table(&search, "self/mountinfo", false, check_mounts, error);
        if (r < 0)
                return r;
        /* A kernel without swap has no such file. */
        r = check_table(&search, "swaps", true, check_swaps, error);
        if (r < 0 || !caller_interface)
                return r;

        r = interface_in_use(&search, caller_interface, 0, &device);
        if (r < 0)
                return error_set_errno(
                                error, ERROR_FAILED, r, "Cannot find out which device your network interface is on");
        if (r > 0) {
                _cleanup_free_ char *what = NULL;

                if (asprintf(&what,
                                    "is behind the network interface \"%s\" that you are connected over",
                                    caller_interface) < 0) {
                        what = NULL;
                        return error_set_errno(error, ERROR_FAILED, -ENOMEM, "Cannot check the network interface");
                }
                return refuse(error, device, what, "connect over another one, or work at the console");
        }
        return 0;
}
