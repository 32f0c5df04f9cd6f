#!/usr/bin/env python3
"""Runs PROGRAM in a network and a file system view of its own, where 127.0.0.1:53 is dnsmasq with a zone of ours.

The C library asks only the servers of /etc/resolv.conf, at port 53: so it takes namespaces. Where there are none, or
no dnsmasq, PROGRAM runs all the same, without RAMIE_TEST_ZONE, and says what it skips.
usage: names_world.py PROGRAM [arguments]
"""
import ctypes
import fcntl
import os
import pathlib
import shutil
import socket
import struct
import subprocess
import sys
import tempfile
import time

MS_BIND, MS_REC, MS_PRIVATE = 0x1000, 0x4000, 0x40000


def mount_over(source, target):
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.mount(str(source).encode(), target.encode(), None, MS_BIND, None):
        raise OSError(ctypes.get_errno(), f"mount over {target}")


def loopback_up():
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as one:
        flags = struct.unpack("16sh", fcntl.ioctl(one, 0x8913, struct.pack("16sh", b"lo", 0)))[1]
        fcntl.ioctl(one, 0x8914, struct.pack("16sh", b"lo", flags | 1))


def plain(command, why):
    print(f"skipped: names of a zone: {why}", flush=True)
    sys.exit(subprocess.run(command).returncode)


def inside(command):
    folder = pathlib.Path(tempfile.mkdtemp(prefix="ramie-names-"))
    server, silent = None, socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    try:
        libc = ctypes.CDLL(None)
        libc.mount(None, b"/", None, MS_REC | MS_PRIVATE, None)
        loopback_up()
        files = {"resolv.conf": "nameserver 127.0.0.1\noptions timeout:1 attempts:1\n",
                 "hosts": "127.0.0.1 localhost\n::1 both.test\n127.0.0.1 both.test\n",
                 "nsswitch.conf": "hosts: files dns\nservices: files\n"}
        for name, text in files.items():
            (folder / name).write_text(text)
            if not os.path.exists("/etc/" + name) and name != "nsswitch.conf":
                plain(command, f"no /etc/{name} to mount over")
            if os.path.exists("/etc/" + name):
                mount_over(folder / name, "/etc/" + name)
        silent.bind(("127.0.0.1", 5300))  # takes questions and never answers
        server = subprocess.Popen(
            [shutil.which("dnsmasq", path="/usr/sbin:/sbin:" + os.environ["PATH"]), "--keep-in-foreground", "--conf-file=/dev/null",
             "--user=" + ("root" if os.getuid() == 0 else ""), "--group=", "--pid-file=", "--no-hosts", "--no-resolv", "--port=53",
             "--listen-address=127.0.0.1", "--bind-interfaces", "--local=/example.test/", "--server=/silent.test/127.0.0.1#5300",
             "--host-record=four.example.test,192.0.2.4", "--host-record=six.example.test,2001:db8::6",
             "--host-record=two.example.test,192.0.2.2,2001:db8::2"],
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        for _ in range(200):
            if server.poll() is not None:
                plain(command, "dnsmasq: " + server.stdout.read().strip())
            with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
                if probe.connect_ex(("127.0.0.1", 53)) == 0:
                    break
            time.sleep(0.05)
        return subprocess.run(command, env={**os.environ, "RAMIE_TEST_ZONE": "1"}).returncode
    finally:
        if server is not None:
            server.terminate()
            server.wait()
        silent.close()
        shutil.rmtree(folder, ignore_errors=True)


if os.environ.pop("RAMIE_NAMES_INSIDE", None):
    sys.exit(inside(sys.argv[1:]))
if not shutil.which("dnsmasq", path="/usr/sbin:/sbin:" + os.environ["PATH"]):
    plain(sys.argv[1:], "no dnsmasq here (dnsmasq-base)")
unshare = ["unshare", "--net", "--mount"] + ([] if os.getuid() == 0 else ["--map-root-user"])
tried = subprocess.run([*unshare, "true"], capture_output=True, text=True)
if tried.returncode != 0:
    plain(sys.argv[1:], "no namespaces here: " + tried.stderr.strip())
sys.exit(subprocess.run([*unshare, sys.executable, __file__, *sys.argv[1:]],
                        env={**os.environ, "RAMIE_NAMES_INSIDE": "1"}).returncode)
