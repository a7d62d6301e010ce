#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# What the kernel's command line can spoil, all at once: see preflight.sh.

set -uo pipefail
# shellcheck source=SCRIPTDIR/common.sh
. "$(dirname "$0")/common.sh"
# shellcheck source=SCRIPTDIR/findings.sh
. "$(dirname "$0")/findings.sh"

[ -z "$(ls -A "$tracing")" ] || give_up "tracefs is not empty"
# Its own files are there from now on.
mmiotracectl -q list >/tmp/answer || give_up "the daemon does not answer"
finds lockdown lockdown blocker 'confidentiality.*lockdown=integrity' --driver e1000e --load
found nommiotrace nommiotrace blocker 'records mappings, but no accesses.*insist with --force'
found filter-offset filter-offset warning 0xfeb80000
found trace-pc trace-pc note 'address of the instruction'
found preemption preemption ok preempt=full
found cpus cpus note 'CPU 0 will record, and 1-2'
found cpus-stay cpus-stay warning 'CPU 1 cannot.*isolcpus='
found cpus-offline cpus-offline ok 'No CPU is offline but 3 .maxcpus='
found module-blacklist driver-blacklisted blocker modprobe.blacklist=e1000e
finds large-bar bars-large warning 'more?.*nohugeiomap|larger than 256M' --driver nvme
found bound driver-bound blocker 'nvme already drives'
[ "$(</sys/devices/system/cpu/online)" = 0-2 ] || not_ok cpus-online "$(</sys/devices/system/cpu/online)"
finish
