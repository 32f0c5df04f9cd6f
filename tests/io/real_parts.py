#!/usr/bin/env python3
"""Sockets between our programs and others': curl, wrk and raw peers at the sample site, our client at nginx.

usage: real_parts.py SITE CLIENT [SANITIZER]     RAMIE_IO=epoll|uring chooses how both wait
Loopback only; ports are chosen free, files lie in a folder of their own, and what is started here is stopped by its
number.
"""
import gzip
import os
import pathlib
import re
import resource
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time

site_program, client_program = sys.argv[1:3]
sanitizer = sys.argv[3] if len(sys.argv) > 3 else ""
path = "/usr/sbin:/sbin:" + os.environ["PATH"]
faults = []


def check(good, what):
    if not good:
        faults.append(what)
        print("FAULT:", what, flush=True)


def skipped(what, why):
    print(f"skipped: {what}: {why}", flush=True)


def free_port():
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


class Site:
    def __init__(self, *options, descriptors=None):
        limit = (lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (descriptors, descriptors))) if descriptors else None
        self.process = subprocess.Popen([site_program, "--port", str(free_port()), *options], stdout=subprocess.PIPE,
                                        stderr=subprocess.STDOUT, text=True, preexec_fn=limit)
        self.said = []
        while True:
            line = self.process.stdout.readline()
            self.said.append(line)
            found = re.search(r"open http://127\.0\.0\.1:(\d+)/", line)
            if found:
                self.port = int(found[1])
                break
            if not line:
                raise SystemExit("the site did not start: " + "".join(self.said))

    def connect(self):
        return socket.create_connection(("127.0.0.1", self.port), timeout=20)

    def url(self, target="/"):
        return f"http://127.0.0.1:{self.port}{target}"

    def stop(self):
        """What it said; the last line has the counts."""
        self.process.send_signal(signal.SIGTERM)
        if sanitizer == "thread":
            # It may keep a signal that comes just before a call blocks until that call has returned.
            try:
                self.process.wait(timeout=5)
            except subprocess.TimeoutExpired:
                self.process.send_signal(signal.SIGTERM)
        try:
            rest = self.process.communicate(timeout=30)[0]
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.communicate()
            check(False, "the site did not stop within 30 s")
            return ""
        check(self.process.returncode == 0, f"the site ended with {self.process.returncode}: {rest[-300:]}")
        return "".join(self.said) + rest

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.stop()


def all_of(peer):
    data = b""
    try:
        while part := peer.recv(65536):
            data += part
    except ConnectionResetError:
        data += b"(reset)"
    return data


GET = b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"
LAST = b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"


def raw(site, text):
    with site.connect() as peer:
        peer.sendall(text)
        return all_of(peer)


def one_answer(peer):
    """Of a connection that stays: header and body."""
    data = b""
    while b"\r\n\r\n" not in data:
        part = peer.recv(65536)
        if not part:
            return data, b""
        data += part
    head, body = data.split(b"\r\n\r\n", 1)
    size = int(re.search(rb"Content-Length: (\d+)", head)[1])
    while len(body) < size:
        body += peer.recv(65536)
    return head, body


def curl():
    if not shutil.which("curl"):
        return skipped("the sample site and curl", "no curl here")
    with Site() as site:
        told = subprocess.run(["curl", "-sS", "--max-time", "20", "-o", os.devnull, "-o", os.devnull, "-w",
                               "%{http_code} %{num_connects} %{size_download}\n", site.url(), site.url("/live")],
                              capture_output=True, text=True)
        lines = [line.split() for line in told.stdout.splitlines()]
        check([line[:2] for line in lines] == [["200", "1"], ["200", "0"]], f"curl, two on a connection: {told}")
        told = subprocess.run(["curl", "-sS", "--max-time", "20", "-I", site.url("/how")], capture_output=True, text=True)
        check(" 200 " in told.stdout and re.search(r"Content-Length: [1-9]", told.stdout), f"curl, HEAD: {told}")
        told = subprocess.run(["curl", "-s", "--max-time", "20", "-w", "%{http_code}", "-o", os.devnull, site.url("/no")],
                              capture_output=True, text=True)
        check(told.stdout == "404", f"curl, a page that is not there: {told}")


def raw_peers():
    with Site("--request-ms", "400", "--idle-ms", "600") as site:
        with site.connect() as peer:
            peer.sendall(b"HEAD / HTTP/1.1\r\nHost: localhost\r\n\r\n" + LAST)  # both at once
            answers = all_of(peer)
        check(answers.count(b"HTTP/1.1 200") == 2 and answers.count(b"<!doctype") == 1, f"HEAD, then GET: {answers[:300]}")
        check(raw(site, b"this is no request\r\n\r\n").startswith(b"HTTP/1.1 400"), "no request is 400")
        check(raw(site, b"DELETE / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").startswith(b"HTTP/1.1 405"), "DELETE is 405")
        large = raw(site, b"GET / HTTP/1.1\r\nX-Large: " + b"a" * (1 << 20) + b"\r\n\r\n")
        check(large.startswith(b"HTTP/1.1 431") and not large.endswith(b"(reset)"), f"a header of 1 MiB: {large[:100]}")
        check(raw(site, b"GET / HT").startswith(b"HTTP/1.1 408"), "who does not finish a request is cut off")
        check(raw(site, b"") == b"", "who says nothing is cut off")
        with site.connect() as slow:
            for byte in GET[:-1]:
                slow.sendall(bytes([byte]))  # quick enough, byte by byte
            slow.sendall(GET[-1:])
            check(one_answer(slow)[0].startswith(b"HTTP/1.1 200"), "a request byte by byte")
        with site.connect() as gone:
            gone.sendall(GET * 50)  # and leaves without reading
        check(raw(site, LAST).startswith(b"HTTP/1.1 200"), "the site goes on")
        said = site.stop()
        check(re.search(r" 2 cut off", said), f"two were cut off: {said[-200:]}")


def refusals():
    with Site("--connections", "2") as site:
        with site.connect() as first, site.connect() as second:
            for peer in (first, second):
                peer.sendall(GET)
                one_answer(peer)
            third = raw(site, GET)
            check(third.startswith(b"HTTP/1.1 503") and b"Retry-After: 1" in third, f"too many connections: {third}")
        time.sleep(0.1)
        check(raw(site, LAST).startswith(b"HTTP/1.1 200"), "a place is free again")
    if sanitizer:
        print(f"skipped: a site without descriptors: {sanitizer} needs some itself to look at an object")
        return
    with Site(descriptors=32) as site:
        peers = [site.connect() for _ in range(48)]
        answers = []
        for peer in peers:
            peer.sendall(GET)
            answers.append(one_answer(peer)[0] if len(answers) < 10 else peer.recv(4096))
        good = sum(one.startswith(b"HTTP/1.1 200") for one in answers)
        busy = sum(one.startswith(b"HTTP/1.1 503") and b"Retry-After: 1" in one for one in answers)
        check(good >= 10 and busy >= 10 and good + busy == 48, f"out of descriptors: {good} served, {busy} got 503")
        for peer in peers:
            peer.close()
        time.sleep(0.2)
        check(raw(site, LAST).startswith(b"HTTP/1.1 200"), "descriptors are free again")


def stopping():
    with Site("--grace-ms", "3000") as site:
        with site.connect() as idle, site.connect() as late:
            idle.sendall(GET)
            one_answer(idle)
            late.sendall(GET[:20])
            time.sleep(0.2)
            site.process.send_signal(signal.SIGTERM)
            check(idle.recv(1) == b"", "an idle connection is closed at once")
            late.sendall(GET[20:])
            check(all_of(late).startswith(b"HTTP/1.1 200"), "a request that runs is finished")
    with Site("--grace-ms", "200") as site, site.connect() as stuck:
        stuck.sendall(GET[:20])
        time.sleep(0.2)
        site.stop()  # checks that it ends, and well
    with Site() as site:
        told = subprocess.run([site_program, "--port", str(site.port), "--once"], capture_output=True, text=True, timeout=30)
        check(f"Port {site.port} is taken" in told.stdout and "HTTP/1.1 200" in told.stdout and told.returncode == 0,
              f"a port that is taken: {told}")


def wrk():
    if not shutil.which("wrk"):
        return skipped("the sample site and wrk", "no wrk here")
    with Site("--quiet") as site:
        told = subprocess.run(["wrk", "-t1", "-c50", "-d1s", site.url()], capture_output=True, text=True, timeout=60).stdout
        check("Socket errors" not in told and "Non-2xx" not in told, f"wrk: {told}")
        theirs = int(re.search(r"(\d+) requests in", told)[1])
        said = site.stop()
        ours = int(re.search(r"(\d+) requests on", said)[1])
        # Those that were on their way when wrk stopped counting: one for each connection.
        check(theirs <= ours <= theirs + 60, f"wrk counts {theirs} requests, the site {ours}")
        print(f"wrk: {theirs} requests, the site {ours}")


class Nginx:
    def __init__(self, folder):
        self.port = free_port()
        (folder / "site").mkdir()
        (folder / "site/small.html").write_text("small\n" * 100)
        (folder / "site/large.bin").write_bytes(bytes(range(256)) * 4096)
        (folder / "site/slow.bin").write_bytes(bytes(range(256)) * 4096)
        (folder / "nginx.conf").write_text(f"""
daemon off; master_process on; worker_processes 1; pid {folder}/pid; error_log {folder}/error.log;
{"user root;" if os.getuid() == 0 else ""}
events {{ worker_connections 1024; }}
http {{
  access_log off; default_type text/html; gzip on; gzip_types text/html; gzip_min_length 1;
  client_body_temp_path {folder}/1; proxy_temp_path {folder}/2; fastcgi_temp_path {folder}/3;
  uwsgi_temp_path {folder}/4; scgi_temp_path {folder}/5;
  server {{ listen 127.0.0.1:{self.port} backlog=1024; root {folder}/site; location /slow.bin {{ limit_rate 64k; }} }}
}}
""")
        self.process = subprocess.Popen([shutil.which("nginx", path=path), "-p", str(folder), "-c", str(folder / "nginx.conf"),
                                         "-e", str(folder / "error.log")], stderr=subprocess.PIPE, text=True)
        for _ in range(400):
            if self.process.poll() is not None:
                raise SystemExit("nginx: " + self.process.stderr.read())
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", self.port)) == 0:
                    return
            time.sleep(0.02)

    def worker(self):
        return int(pathlib.Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text().split()[0])

    def stop(self):
        self.process.terminate()
        self.process.communicate(timeout=30)


def nginx():
    if not shutil.which("nginx", path=path):
        return skipped("our client and nginx", "no nginx here (nginx-light)")
    folder = pathlib.Path(tempfile.mkdtemp(prefix="ramie-nginx-"))
    server = Nginx(folder)
    try:
        name = f"localhost:{server.port}"

        def ask(*arguments):
            return subprocess.run([client_program, arguments[0], name, *arguments[1:]], capture_output=True, timeout=60)

        told = ask("get", "/small.html", "200", "200", "600")
        check(told.returncode == 0, f"200 requests at once: {told}")
        told = ask("get", "/large.bin", "20", "4", str(1 << 20))
        check(told.returncode == 0, f"bodies of 1 MiB: {told}")
        told = ask("chunked", "/small.html")
        check(told.returncode == 0 and gzip.decompress(told.stdout) == b"small\n" * 100, f"a body in chunks: {told}")
        with subprocess.Popen([client_program, "cut", name, "/slow.bin"], stdout=subprocess.PIPE, text=True) as client:
            check(client.stdout.readline() == "reading\n", "the client reads")
            os.kill(server.worker(), signal.SIGKILL)
            error = client.communicate(timeout=30)[0].strip()
            check(client.returncode == 0, f"a server that dies in the middle: {error}")
            print("a server that dies in the middle:", error)
    finally:
        server.stop()
        shutil.rmtree(folder, ignore_errors=True)


for part in (curl, raw_peers, refusals, stopping, wrk, nginx):
    began = time.monotonic()
    part()
    print(f"{part.__name__}: {time.monotonic() - began:.1f} s", flush=True)
sys.exit(1 if faults else 0)
