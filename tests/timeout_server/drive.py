#!/usr/bin/env python3
"""Drives examples/timeout_server from outside, with curl and wrk: drive.py PROGRAM"""

import http.client
import itertools
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import unittest

PROGRAM = ""
PATIENCE = 60  # A shared machine may stop for seconds.
SHORT = os.environ.get("DETENT_SHORT", "0") not in ("", "0")
SECONDS_OF_LOAD = 2 if SHORT else 4


class Server:
    """One run of the program. With `listening`, a socket of ours, it inherits that; with `notify`, it speaks to that."""

    def __init__(self, folder, *options, listening=None, notify=None):
        self.queue = os.path.join(folder, "queue")
        # Who runs the tests in the background may have them ignore signals, and what they start.
        command = ["env", "--default-signal=INT,HUP,TERM", PROGRAM, "--queue", self.queue, *options]
        environment = dict(os.environ)
        environment.pop("NOTIFY_SOCKET", None)
        if notify is not None:
            environment["NOTIFY_SOCKET"] = notify
        inherited = []
        if listening is not None:
            inherited = [listening.fileno()]
            take = f'export LISTEN_FDS=1 LISTEN_PID=$$; exec "$0" "$@" 3<&{inherited[0]}'
            command = ["sh", "-c", take, *command]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                                        pass_fds=inherited, env=environment)
        line = self.process.stdout.readline()
        self.port = int(re.fullmatch(r"listening on 127\.0\.0\.1:(\d+)\n", line).group(1))
        self.url = f"http://127.0.0.1:{self.port}"

    def curl(self, path, *options):
        """The status and the body."""
        told = subprocess.run(["curl", "-s", "-w", "\n%{http_code}", *options, self.url + path], capture_output=True,
                              text=True, timeout=PATIENCE, check=True).stdout
        body, status = told.rsplit("\n", 1)
        return int(status), body

    def connect(self):
        return socket.create_connection(("127.0.0.1", self.port), timeout=PATIENCE)

    def stop(self):
        self.process.send_signal(signal.SIGTERM)

    def end(self, succeeded=False):
        """What the server told at its end, after checking what holds at every orderly end. One that is `succeeded` by
        another may leave its queue while that one is within a line."""
        out, err = self.process.communicate(timeout=PATIENCE)
        assert self.process.returncode == 0, (self.process.returncode, out, err)
        told = json.loads(out)
        counts = told["ledger"]
        assert counts["accepted"] == counts["answered"] + counts["gone"] + counts["abandoned"], counts
        assert told["shutdown"]["took_ns"] <= told["shutdown"]["limit_ns"], told["shutdown"]
        assert told["shutdown"]["complete"], err
        assert told["shutdown"]["threads_left"] == [] and told["shutdown"]["files_left"] == [], err
        if not succeeded:
            with open(self.queue, encoding="utf-8") as file:
                text = file.read()
            assert text == "" or text.endswith("\n"), text[-100:]
        return told

    def lines(self):
        with open(self.queue, encoding="utf-8") as file:
            return file.read().splitlines()


def start_wrk(url, seconds=SECONDS_OF_LOAD, connections=32):
    return subprocess.Popen(["wrk", "-t2", f"-c{connections}", f"-d{seconds}s", url], stdout=subprocess.PIPE, text=True)


class TimeoutServer(unittest.TestCase):
    def setUp(self):
        self.servers = []
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = folder.name

    def tearDown(self):
        for server in self.servers:
            if server.process.poll() is None:
                server.process.kill()
                server.process.communicate()

    def start(self, *options, **inherited):
        self.servers.append(Server(self.folder, *options, **inherited))
        return self.servers[-1]

    def test_help(self):
        told = subprocess.run([PROGRAM, "--help"], capture_output=True, text=True, timeout=PATIENCE, check=True)
        self.assertIn("--port", told.stdout)

    def test_serves(self):
        server = self.start("--request-ms", "10000")
        self.assertEqual(server.curl("/"), (200, "hello\n"))
        self.assertEqual(server.curl("/nothing")[0], 404)
        self.assertEqual(server.curl("/items", "-d", "one")[0], 200)
        self.assertEqual(server.curl("/items", "-d", "x" * 70000)[0], 413)
        self.assertIn("one", server.lines())
        # Two requests in one piece over one connection are answered in their order.
        with server.connect() as client:
            client.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\nGET /x HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
            told = b"".join(iter(lambda: client.recv(4096), b""))
        self.assertEqual(re.findall(rb"HTTP/1.1 (\d+)", told), [b"200", b"404"])
        with server.connect() as client:
            client.sendall(b"nonsense\r\n\r\n")
            self.assertIn(b" 400 ", client.recv(4096))
        server.stop()
        self.assertEqual(server.end()["ledger"]["answered"], 7)

    def ask(self, server, text):
        """All that comes back for `text` until the server hangs up."""
        with server.connect() as client:
            client.sendall(text)
            client.shutdown(socket.SHUT_WR)
            return b"".join(iter(lambda: client.recv(4096), b""))

    def test_answers_head_as_get_without_a_body(self):
        server = self.start()
        head, body = self.ask(server, b"HEAD / HTTP/1.0\r\n\r\n").split(b"\r\n\r\n")
        self.assertEqual((head, body), (self.ask(server, b"GET / HTTP/1.0\r\n\r\n").split(b"\r\n\r\n")[0], b""))
        self.assertIn(b" 200 ", head)
        self.assertIn(b"Content-Length: 6\r\n", head)
        head, body = self.ask(server, b"HEAD /nothing HTTP/1.0\r\n\r\n").split(b"\r\n\r\n")
        self.assertIn(b" 404 ", head)
        self.assertEqual(body, b"")
        server.stop()
        server.end()

    def test_wants_one_host(self):
        server = self.start()
        for header, status in ((b"", b"400"), (b"Host: a\r\nHost: b\r\n", b"400"), (b"Host:\r\n", b"200"),
                               (b"hOsT: a\r\n", b"200"), (b"X-Host: a\r\n", b"400")):
            told = self.ask(server, b"GET / HTTP/1.1\r\n" + header + b"Connection: close\r\n\r\n")
            self.assertEqual(told.split()[1], status, header)
        self.assertEqual(self.ask(server, b"GET / HTTP/1.0\r\n\r\n").split()[1], b"200")
        server.stop()
        server.end()

    def test_meets_the_expectation_of_a_body(self):
        server = self.start()
        post = b"POST /items HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"
        with server.connect() as client:
            client.sendall(post + b"Content-Length: 3\r\nExpect: 100-Continue\r\n\r\n")
            self.assertEqual(client.recv(4096), b"HTTP/1.1 100 Continue\r\n\r\n")
            client.sendall(b"one")
            self.assertIn(b" 200 ", client.recv(4096))
        # Who sends the body with the header needs no word; who has too much to send is told before it does.
        told = self.ask(server, post + b"Content-Length: 3\r\nExpect: 100-continue\r\n\r\ntwo")
        self.assertEqual(told.split()[1], b"200")
        told = self.ask(server, post + b"Content-Length: 70000\r\nExpect: 100-continue\r\n\r\n")
        self.assertEqual(told.split()[1], b"413")
        told = self.ask(server, post + b"Content-Length: 3\r\nExpect: a miracle\r\n\r\n")
        self.assertEqual(told.split()[1], b"417")
        server.stop()
        server.end()
        self.assertEqual([line for line in server.lines() if not line.startswith("statistics ")], ["one", "two"])

    def test_ends_by_each_of_its_signals(self):
        for asked in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            server = self.start()
            self.assertEqual(server.curl("/"), (200, "hello\n"))
            server.process.send_signal(asked)
            told = server.end()
            self.assertEqual((told["ledger"]["answered"], told["shutdown"]["stops_asked"]), (1, 1), asked)

    def test_tells_systemd_where_its_socket_has_no_file(self):
        """A NOTIFY_SOCKET that begins with @ is of the abstract namespace."""
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd:
            systemd.settimeout(PATIENCE)
            systemd.bind(f"\0detent-{os.getpid()}")
            server = self.start(notify=f"@detent-{os.getpid()}")
            self.assertEqual(systemd.recv(4096), b"READY=1")
            server.stop()
            server.end()
            systemd.setblocking(False)
            told = []
            with self.assertRaises(BlockingIOError):
                while True:
                    told.append(systemd.recv(4096))
        self.assertTrue(any(b"STOPPING=1" in one for one in told), told)
        self.assertTrue(any(b"EXTEND_TIMEOUT_USEC=" in one for one in told), told)

    def test_tries_the_upstream_again(self):
        server = self.start("--request-ms", "20000")
        for key in ("a", "b", "c"):
            self.assertEqual(server.curl("/upstream/" + key), (200, f"value of {key}\n"))
        server.stop()
        self.assertEqual(server.end()["ledger"]["retries"], 6)

    def test_answers_by_the_deadline(self):
        server = self.start("--request-ms", "200", "--statistics-ms", "3600000")
        self.assertEqual(server.curl("/upstream/never"), (504, "too late\n"))
        self.assertEqual(server.curl("/"), (200, "hello\n"))
        server.stop()
        told = server.end()
        self.assertEqual(told["ledger"]["deadlines_passed"], 1)
        for part in told["shutdown"]["parts"]:
            self.assertEqual(part["state"], "finished", part)

    def test_every_read_postpones_the_idle_timeout(self):
        server = self.start("--idle-ms", "1500")
        with server.connect() as client:
            for byte in b"GET / HTTP/1.1\r\nHost:x\r\n\r\n":  # Longer than the limit in all.
                client.sendall(bytes([byte]))
                time.sleep(0.1)
            self.assertIn(b"hello", client.recv(4096))
            self.assertEqual(client.recv(4096), b"")  # It says nothing more.
        server.stop()
        self.assertEqual(server.end()["ledger"]["idle_closed"], 1)

    def test_a_client_that_stalls_cannot_hold_it_up(self):
        server = self.start("--linger-ms", "200", "--request-ms", "3600000", "--stop-ms", "8000")
        with server.connect() as half, server.connect() as waits, server.connect() as idle:
            half.sendall(b"POST /items HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\nha")
            waits.sendall(b"GET /upstream/never HTTP/1.1\r\nHost: x\r\n\r\n")
            idle.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
            self.assertIn(b"hello", idle.recv(4096))
            server.stop()
            told = server.end()
        self.assertEqual(told["ledger"]["abandoned"], 1)  # The one whose deadline is in an hour.
        self.assertEqual(told["ledger"]["idle_closed"], 2)
        states = {part["name"]: part["state"] for part in told["shutdown"]["parts"]}
        self.assertEqual(states["door"], "cancelled")
        self.assertEqual(states["disk"], "finished")

    def drip(self, client):
        """Sends a byte every 50 ms until the server has closed, and answers after which time that was."""
        begin = time.monotonic()
        try:
            while time.monotonic() < begin + PATIENCE:
                client.sendall(b"a")
                time.sleep(0.05)
        except OSError:
            pass
        return time.monotonic() - begin

    def test_a_client_that_drips_cannot_stay_after_its_last_answer(self):
        server = self.start("--idle-ms", "500")
        with server.connect() as client:
            client.sendall(b"nonsense\r\n\r\n")
            self.assertIn(b" 400 ", client.recv(4096))
            self.assertLess(self.drip(client), PATIENCE)
        server.stop()
        self.assertEqual(server.end()["ledger"]["idle_closed"], 1)

    def test_a_client_that_drips_cannot_hold_it_up(self):
        server = self.start("--linger-ms", "200", "--stop-ms", "120000")
        with server.connect() as client:
            client.sendall(b"GET / HTTP/1.1\r\nX: ")
            while json.loads(server.curl("/ledger")[1])["connections"] < 2:
                pass
            server.stop()
            self.drip(client)
        told = server.end()
        self.assertEqual(told["ledger"]["idle_closed"], 1)
        self.assertEqual({part["name"]: part["state"] for part in told["shutdown"]["parts"]}["door"], "finished")

    def test_a_second_signal_shortens(self):
        server = self.start("--linger-ms", "3600000", "--stop-ms", "3600000", "--hurry-ms", "16000")
        with server.connect() as idle:
            idle.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
            self.assertIn(b"hello", idle.recv(4096))
            server.stop()
            time.sleep(0.2)
            server.stop()
            told = server.end()["shutdown"]
        self.assertEqual(told["stops_asked"], 2)
        states = {part["name"]: part["state"] for part in told["parts"]}
        self.assertEqual((states["door"], states["disk"]), ("cancelled", "finished"))

    def test_ends_in_time_when_the_disk_takes_nothing(self):
        """The disk's task never comes back: the server ends all the same, in time, and destroys nothing under it."""
        queue = os.path.join(self.folder, "queue")
        os.mkfifo(queue)
        server = self.start("--request-ms", "200", "--stop-ms", "3000")
        for _ in range(2):  # More than a pipe holds.
            self.assertEqual(server.curl("/items", "-d", "x" * 50000)[0] in (200, 504), True)
        server.stop()
        out, err = server.process.communicate(timeout=3 + PATIENCE)
        self.assertEqual(server.process.returncode, 1, err)
        told = json.loads(out)["shutdown"]
        self.assertEqual({part["name"]: part["state"] for part in told["parts"]}["disk"], "abandoned")
        self.assertIn("append: unfinished", err)

    def test_acknowledged_items_are_stored(self):
        """Clients post until the server is gone: what it acknowledged is in the file, once."""
        server = self.start()
        acknowledged = []

        def post(name):
            client = http.client.HTTPConnection("127.0.0.1", server.port, timeout=PATIENCE)
            for number in range(1_000_000):
                try:
                    client.request("POST", "/items", f"{name}-{number}")
                    if client.getresponse().read() == b"stored\n":
                        acknowledged.append(f"{name}-{number}")
                except (OSError, http.client.HTTPException):
                    return

        clients = [threading.Thread(target=post, args=(name,)) for name in range(6)]
        for client in clients:
            client.start()
        while len(acknowledged) < 300:
            time.sleep(0.01)
        server.stop()
        told = server.end()
        for client in clients:
            client.join()
        self.assertEqual(told["ledger"]["abandoned"], 0)
        stored = server.lines()
        self.assertEqual(len(stored), len(set(stored)))
        self.assertEqual(set(acknowledged) - set(stored), set())

    @unittest.skipUnless(shutil.which("wrk"), "wrk is not installed")
    def test_loses_no_accepted_request_under_load(self):
        server = self.start()
        wrk = start_wrk(server.url + "/")
        time.sleep(SECONDS_OF_LOAD / 2)
        server.stop()
        counts = server.end()["ledger"]
        wrk.communicate(timeout=PATIENCE)
        self.assertGreater(counts["answered"], 0)
        self.assertEqual((counts["gone"], counts["abandoned"]), (0, 0))

    @unittest.skipUnless(shutil.which("wrk"), "wrk is not installed")
    def test_hands_its_socket_over(self):
        """wrk over two servers, one after the other, sees no error at all."""
        with socket.create_server(("127.0.0.1", 0), backlog=512) as listening:
            patient = ("--linger-ms", "5000", "--stop-ms", "40000")
            first = self.start(*patient, "--statistics-ms", "3600000", listening=listening)
            wrk = start_wrk(first.url + "/")
            time.sleep(SECONDS_OF_LOAD / 2)
            second = self.start(*patient, listening=listening)
            first.stop()
            told = first.end(succeeded=True)["ledger"]
            report, _ = wrk.communicate(timeout=PATIENCE)
            second.stop()
            last = second.end()["ledger"]
        self.assertNotIn("Socket errors", report)
        self.assertNotIn("Non-2xx", report)
        requests = int(re.search(r"(\d+) requests in", report).group(1))
        self.assertEqual((told["gone"], told["abandoned"]), (0, 0))
        self.assertGreater(told["answered"], 0)
        self.assertGreater(last["answered"], 0)
        self.assertGreaterEqual(told["answered"] + last["answered"], requests)

    def test_hands_its_disk_queue_over(self):
        """A chain of servers has one queue; clients post large lines all the time: what was acknowledged is stored."""
        acknowledged = []
        refused = []
        over = threading.Event()

        def post(name, port):
            client = None
            for number in itertools.count():
                if over.is_set():
                    return
                try:
                    if client is None:
                        client = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE)
                    client.request("POST", "/items", f"{name}-{number} " + "x" * 30000)
                    answer = client.getresponse()
                    if answer.read() == b"stored\n":
                        acknowledged.append(f"{name}-{number}")
                    else:
                        refused.append(answer.status)
                    if answer.getheader("Connection") == "close":
                        client = client.close()
                except (OSError, http.client.HTTPException) as error:
                    refused.append(repr(error))
                    client = None

        with socket.create_server(("127.0.0.1", 0), backlog=512) as listening:
            options = ("--linger-ms", "20000", "--stop-ms", "90000", "--request-ms", "20000")
            server = self.start(*options, listening=listening)
            clients = [threading.Thread(target=post, args=(name, server.port)) for name in range(4)]
            for client in clients:
                client.start()
            for _ in range(3 if SHORT else 6):
                enough = len(acknowledged) + 50
                while len(acknowledged) < enough and server.process.poll() is None:
                    time.sleep(0.01)
                successor = self.start(*options, listening=listening)
                server.stop()
                self.assertEqual(server.end(succeeded=True)["ledger"]["abandoned"], 0)
                server = successor
            over.set()
            for client in clients:
                client.join()
            server.stop()
            server.end()
        self.assertEqual(refused, [])
        stored = [line.split()[0] for line in server.lines() if not line.startswith("statistics ")]
        self.assertEqual(len(stored), len(set(stored)))
        self.assertEqual(set(acknowledged) - set(stored), set())


if __name__ == "__main__":
    PROGRAM = os.path.abspath(sys.argv.pop(1))
    unittest.main()
