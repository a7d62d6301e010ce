#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Is the manual page of the bus what the daemon has there? Everything, and nothing else, with the same signature."""

import re
import subprocess
import sys
import xml.etree.ElementTree as ElementTree

FLAGS = {"const": "const", "false": "no signal", "invalidates": "emits invalidation", None: "emits change"}
STANDARD_ERRORS = {"InvalidArgs", "AccessDenied", "InteractiveAuthorizationRequired", "LimitsExceeded"}


def from_daemon(program):
    xml = subprocess.run([program, "--bus-introspect"], check=True, capture_output=True, text=True).stdout
    found = set()
    for interface in ElementTree.fromstring(xml).findall("interface"):
        name = interface.get("name")
        if name.startswith("org.freedesktop.DBus."):
            continue
        for member in interface:
            arguments = [tuple(filter(None, (a.get("direction"), a.get("type"), a.get("name")))) for a in member.findall("arg")]
            if member.tag == "property":
                notes = {a.get("name"): a.get("value") for a in member.findall("annotation")}
                text = f'{member.get("type")}, {FLAGS[notes.get("org.freedesktop.DBus.Property.EmitsChangedSignal")]}'
                text += ", writable" if member.get("access") == "readwrite" else ""
            else:
                text = ", ".join(" ".join(a) for a in arguments)
            found.add(f'{name} {member.tag} {member.get("name")}: {text}')
    return found


class Page:
    def __init__(self, path):
        self.members, self.errors, self.named, self.silent = set(), set(), set(), set()
        interface = kind = method = None
        with open(path, encoding="utf-8") as lines:
            for line in lines.read().split("\n"):
                if line.startswith("# "):
                    interface = line.split()[2] if line.startswith("# INTERFACE ") else line[2:]
                    kind = None
                elif line.startswith("## "):
                    kind = {"Methods": "method", "Properties": "property", "Signals": "signal"}[line[3:]]
                elif interface == "ERRORS" and re.fullmatch(r"\*\w+\*", line):
                    self.errors.add(line.strip("*"))
                elif kind and line.startswith("*"):
                    name, text = re.fullmatch(r"\*(\w+)\*(?:: |\()(.*?)\)?", line).groups()
                    text = text + ")" if kind == "property" and text.count("(") > text.count(")") else text
                    text = re.sub(r"_((?:\w|\\_)+)_", r"\1", text).replace("\\_", "_")
                    self.members.add(f"{interface} {kind} {name}: {text}")
                    if kind == "method":
                        method = f"{interface}.{name}"
                        self.silent.add(method)
                if method and (line.startswith("\tErrors:") or (method not in self.silent and line.startswith("\t"))):
                    self.silent.discard(method)
                    self.named.update(re.findall(r"_(\w+?)_", line))
                    method = None if line.endswith(".") else method


def main():
    program, page_path, error_path = sys.argv[1:]
    page = Page(page_path)
    known = from_daemon(program)
    with open(error_path, encoding="utf-8") as source:
        errors = set(re.findall(r'\{ "(\w+)", E[A-Z]+ \}', source.read()))
    problems = [f"not in the page: {text}" for text in sorted(known - page.members)]
    problems += [f"only in the page: {text}" for text in sorted(page.members - known)]
    problems += [f"the page does not list the error {name}" for name in sorted(errors - page.errors)]
    problems += [f"only in the page: the error {name}" for name in sorted(page.errors - errors)]
    problems += [f"a method has an error that is none: {name}" for name in sorted(page.named - errors - STANDARD_ERRORS)]
    problems += [f"the page does not say what errors {name} has" for name in sorted(page.silent)]
    if len(known) < 20 or len(errors) < 20 or len(page.named) < 20:
        problems.append("too little was found to compare")
    print("1..1")
    print("".join(f"# {problem}\n" for problem in problems) + ("not ok 1" if problems else "ok 1"))
    return bool(problems)


sys.exit(main())
