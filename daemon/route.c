/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <arpa/inet.h>
#include <fcntl.h>
#include <limits.h>
#include <net/if.h>
#include <net/route.h>
#include <netinet/in.h>

#include "route.h"

#define ROUTES_MAX_BYTES (16 * MIB)

typedef struct Best {
        char interface[IF_NAMESIZE];
        int prefix;             /* bits, -1 before the first match */
        unsigned metric;
} Best;

static void best_offer(Best *best, const char *interface, unsigned flags, int prefix, unsigned metric) {
        if (!(flags & RTF_UP) || (flags & RTF_REJECT) || streq(interface, "lo"))
                return;
        if (prefix < best->prefix || (prefix == best->prefix && metric >= best->metric))
                return;
        *best = (Best) { .prefix = prefix, .metric = metric };
        (void) stpncpy(best->interface, interface, sizeof best->interface - 1);
}

/* A line of net/ipv4/fib_trie.c, fib_route_seq_show: the addresses are the bytes of the packet, printed as one number
 * of this machine, so that they compare with s_addr as it is. The first line names the columns and does not parse. */
static void best_offer_ipv4(Best *best, const char *line, struct in_addr address) {
        unsigned destination, flags, metric, mask;
        char interface[IF_NAMESIZE];

        if (sscanf(line, "%15s %x %*x %x %*u %*u %u %x", interface, &destination, &flags, &metric, &mask) != 5)
                return;
        if ((address.s_addr & mask) == destination)
                best_offer(best, interface, flags, __builtin_popcount(mask), metric);
}

static int hex_digit(char c) {
        return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* A line of net/ipv6/route.c, ipv6_route_native_seq_show. */
static void best_offer_ipv6(Best *best, const char *line, const struct in6_addr *address) {
        char destination[33], interface[IF_NAMESIZE];
        unsigned prefix, metric, flags;

        if (sscanf(line,
                            "%32s %x %*32s %*x %*32s %x %*x %*x %x %15s",
                            destination,
                            &prefix,
                            &metric,
                            &flags,
                            interface) != 5)
                return;
        if (strlen(destination) != 32 || prefix > 128)
                return;
        for (unsigned bit = 0; bit < prefix; bit++) {
                int digit = hex_digit(destination[bit / 4]);
                unsigned is = address->s6_addr[bit / 8] >> (7 - bit % 8) & 1;

                if (digit < 0 || ((unsigned) digit >> (3 - bit % 4) & 1) != is)
                        return;
        }
        best_offer(best, interface, flags, (int) prefix, metric);
}

static int read_routes(const char *proc_root, const char *name, char **ret) {
        _cleanup_free_ char *path = NULL;

        if (asprintf(&path, "%s/net/%s", proc_root, name) < 0) {
                path = NULL;
                return -ENOMEM;
        }
        return read_file_at(AT_FDCWD, path, ROUTES_MAX_BYTES, ret, NULL);
}

/* What stands behind "%" is the interface itself, or its number. */
static int interface_of_scope(const char *scope, char **ret) {
        char name[IF_NAMESIZE];
        uint64_t index;
        char *copy;

        if (parse_u64(scope, &index) >= 0) {
                if (index == 0 || index > UINT_MAX || !if_indextoname((unsigned) index, name))
                        return -ENETUNREACH;
                scope = name;
        }
        if (isempty(scope) || strlen(scope) >= IF_NAMESIZE || strchr(scope, '/') || streq(scope, ".") ||
                        streq(scope, ".."))
                return -EINVAL;
        copy = strdup(scope);
        if (!copy)
                return -ENOMEM;
        *ret = copy;
        return 0;
}

int network_interface_to(const char *proc_root, const char *address, char **ret) {
        _cleanup_free_ char *text = NULL, *routes = NULL;
        Best best = { .prefix = -1 };
        struct in6_addr ipv6;
        struct in_addr ipv4;
        char *state = NULL, *scope, *copy;
        bool is_ipv4;
        int r;

        text = strdup(address);
        if (!text)
                return -ENOMEM;
        scope = strchr(text, '%');
        if (scope)
                *scope++ = 0;

        is_ipv4 = inet_pton(AF_INET, text, &ipv4) == 1;
        if (!is_ipv4) {
                if (inet_pton(AF_INET6, text, &ipv6) != 1)
                        return -EINVAL;
                if (IN6_IS_ADDR_V4MAPPED(&ipv6)) {
                        /* How a server that listens on IPv6 names its IPv4 peers. */
                        memcpy(&ipv4, ipv6.s6_addr + 12, sizeof ipv4);
                        is_ipv4 = true;
                }
        }
        if (scope)
                return is_ipv4 ? -EINVAL : interface_of_scope(scope, ret);

        /* Without this, the default route would claim them: the loopback's routes are in another table. */
        if (is_ipv4 ? ntohl(ipv4.s_addr) >> 24 == IN_LOOPBACKNET : IN6_IS_ADDR_LOOPBACK(&ipv6))
                return -ENETUNREACH;

        r = read_routes(proc_root, is_ipv4 ? "route" : "ipv6_route", &routes);
        if (r == -ENOENT)
                /* A kernel without this protocol has no route. */
                return -ENETUNREACH;
        if (r < 0)
                return r;
        for (char *line = strtok_r(routes, "\n", &state); line; line = strtok_r(NULL, "\n", &state)) {
                if (is_ipv4)
                        best_offer_ipv4(&best, line, ipv4);
                else
                        best_offer_ipv6(&best, line, &ipv6);
        }
        if (best.prefix < 0)
                return -ENETUNREACH;
        copy = strdup(best.interface);
        if (!copy)
                return -ENOMEM;
        *ret = copy;
        return 0;
}
