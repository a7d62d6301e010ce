#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""A session from Python: captures while a command runs, and writes the archive into the current folder.
usage: capture.py COMMAND… (needs python3-dbus)"""

import os, subprocess, sys, time, dbus

NAME, FOREVER = "org.freedesktop.MmioTrace", 2**31 / 1000 - 1
bus = dbus.SystemBus()
manager = dbus.Interface(bus.get_object(NAME, "/org/freedesktop/MmioTrace"), NAME + "1.Manager")
# Start answers when the capture runs, Stop when the machine is restored: no limit of time for them.
path = manager.Start({"description": "capture.py " + sys.argv[1]}, signature="a{sv}", timeout=FOREVER)
session = bus.get_object(NAME, path)
get = lambda key: session.Get(NAME + "1.Session", key, dbus_interface=dbus.PROPERTIES_IFACE)
try:
    manager.Mark("before " + sys.argv[1], {}, signature="sa{sv}")
    subprocess.run(sys.argv[1:], check=True)
finally:
    manager.Stop({}, signature="a{sv}", timeout=FOREVER)
while get("Job") != "/":  # A program with a main loop waits for the signal JobRemoved instead.
    time.sleep(0.2)
name, fd = session.OpenArchive({}, signature="a{sv}", dbus_interface=NAME + "1.Session")
with os.fdopen(fd.take(), "rb") as archive, open(name, "xb") as copy:
    copy.write(archive.read())
print(f"{name}: {get('Events')} events, {get('LostEvents')} lost")
