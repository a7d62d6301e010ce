#!/usr/bin/python3 -B
# SPDX-License-Identifier: LGPL-2.1-or-later

"""OpenStack Swift with its S3 interface, all of it below one folder: a store that checks signatures
and the hash of the content, and knows uploads in parts.

usage: s3server.py FOLDER PORT CERT KEY     (and the three ports behind PORT; ends with SIGTERM)
"""

import os
import pwd
import signal
import sys

# Before anything of eventlet: it would look for name servers.
os.environ["EVENTLET_NO_GREENDNS"] = "yes"

USER, SECRET, REGION = "test:uploader", "open-sesame-4711", "eu-test-1"

COMMON = """
[DEFAULT]
bind_ip = 127.0.0.1
bind_port = {port}
workers = 0
swift_dir = {folder}
user = {user}
log_address = {folder}/no-such-log
log_level = WARNING
"""

STORAGE = COMMON + """
devices = {folder}/devices
mount_check = false
[pipeline:main]
pipeline = {kind}-server
[app:{kind}-server]
use = egg:swift#{kind}
"""

PROXY = COMMON + """
cert_file = {cert}
key_file = {key}
[pipeline:main]
pipeline = catch_errors gatekeeper cache s3api tempauth slo proxy-server
[app:proxy-server]
use = egg:swift#proxy
account_autocreate = true
[filter:catch_errors]
use = egg:swift#catch_errors
[filter:gatekeeper]
use = egg:swift#gatekeeper
[filter:cache]
paste.filter_factory = s3server:make_cache
[filter:s3api]
use = egg:swift#s3api
location = {region}
[filter:tempauth]
use = egg:swift#tempauth
user_{user_key} = {secret} .admin
[filter:slo]
use = egg:swift#slo
"""


class Cache(dict):
    """What Swift wants of memcached, as long as there is one process."""

    def __bool__(self):
        return True

    def get(self, key, raise_on_error=False):
        return dict.get(self, key)

    def set(self, key, value, **_):
        self[key] = value

    def incr(self, key, delta=1, **_):
        self[key] = int(self.get(key) or 0) + delta
        return self[key]

    def decr(self, key, delta=1, **_):
        return self.incr(key, -delta)

    def delete(self, key, server_key=None):
        self.pop(key, None)


def make_cache(global_conf, **local_conf):
    cache = Cache()

    def make_filter(app):
        def call(env, start_response):
            env["swift.cache"] = cache
            return app(env, start_response)
        return call
    return make_filter


def write(folder, name, text, **values):
    path = os.path.join(folder, name)
    with open(path, "w") as f:
        f.write(text.format(folder=folder, user=pwd.getpwuid(os.getuid()).pw_name, **values))
    return path


def main(folder, port, cert, key):
    from swift.common import storage_policy, utils
    from swift.common.ring import RingBuilder
    from swift.common.wsgi import run_wsgi

    os.makedirs(os.path.join(folder, "devices", "disk"))
    utils.SWIFT_CONF_FILE = write(folder, "swift.conf", "[swift-hash]\nswift_hash_path_suffix = test\n")
    utils.HASH_PATH_SUFFIX = b"test"
    storage_policy.reload_storage_policies()

    files = []
    for i, kind in enumerate(("account", "container", "object"), 1):
        builder = RingBuilder(part_power=2, replicas=1, min_part_hours=0)
        builder.add_dev({"id": 0, "region": 1, "zone": 1, "ip": "127.0.0.1", "port": port + i, "device": "disk", "weight": 1})
        builder.rebalance()
        builder.get_ring().save(os.path.join(folder, kind + ".ring.gz"))
        files.append((kind, write(folder, kind + ".conf", STORAGE, kind=kind, port=port + i)))
    files.append(("proxy", write(folder, "proxy.conf", PROXY, port=port, cert=cert, key=key, region=REGION, secret=SECRET,
                                 user_key=USER.replace(":", "_"))))

    # Not by their process group: Swift begins a session of its own in each.
    pids = []

    def end(*_):
        for pid in pids:
            os.kill(pid, signal.SIGKILL)
        sys.exit(1)

    signal.signal(signal.SIGTERM, end)
    for kind, path in files:
        pid = os.fork()
        if pid == 0:
            signal.signal(signal.SIGTERM, signal.SIG_DFL)
            sys.exit(run_wsgi(path, kind + "-server", verbose=True))
        pids.append(pid)
    ended, _ = os.wait()
    pids.remove(ended)
    end()


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), *sys.argv[3:])
