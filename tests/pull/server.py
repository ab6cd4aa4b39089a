#!/usr/bin/env python3
"""A server that does to downloads what networks, mirrors and enemies do.

server.py CONTENT OTHER LOG: serves the bytes of the file CONTENT, and those of OTHER where a path is
to change. Prints its port, appends a line for each request to LOG, and ends with its standard input.
A second port, 0 where openssl is missing, speaks HTTPS with a certificate that nobody has signed. A path names what to do and with which number: /break/1000 breaks off after 1000 bytes.
"""
import http.server
import ssl
import subprocess
import sys
import threading
import time
from pathlib import Path

CONTENT, OTHER, LOG = (Path(name) for name in sys.argv[1:4])
MODIFIED = "Wed, 21 Oct 2015 07:28:00 GMT"
counts = {}
lock = threading.Lock()


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *arguments):
        pass

    def do_GET(self):
        if self.path.startswith("http:"):
            self.path = "/proxied"
        kind, _, number = self.path.strip("/").partition("/")
        with lock:
            self.turn = counts[self.path] = counts.get(self.path, 0) + 1
            with LOG.open("a") as log:
                print(self.path, self.headers.get("Range", "-"), self.headers.get("If-Range", "-"),
                      file=log)
        self.number = int(number) if number.isdigit() else 0
        self.close_connection = True
        try:
            getattr(self, "do_" + kind.replace("-", "_"))()
        except (BrokenPipeError, ConnectionResetError):
            pass

    # --- parts of answers

    def head(self, code, headers):
        self.send_response(code)
        for name, value in headers.items():
            self.send_header(name, str(value))
        self.send_header("Connection", "close")
        self.end_headers()

    def asked(self, validators):
        """The first byte that is asked for, where the condition holds; None: the whole file."""
        wanted, condition = self.headers.get("Range"), self.headers.get("If-Range")
        if not wanted or (condition and condition not in validators):
            return None
        return int(wanted.removeprefix("bytes=").rstrip("-"))

    def give(self, data, headers, first=None, most=None):
        """Answers with data, or from byte `first` on, but breaks off after `most` bytes."""
        rest = data[first or 0:]
        if first is not None and not rest:
            self.head(416, {"Content-Range": f"bytes */{len(data)}", "Content-Length": 0})
            return
        headers = {"Content-Length": len(rest), **headers}
        if first is not None:
            headers["Content-Range"] = f"bytes {first}-{len(data) - 1}/{len(data)}"
        self.head(200 if first is None else 206, headers)
        self.wfile.write(rest[:most])

    # --- what a good server does, and one on a bad line

    def do_plain(self):
        self.give(CONTENT.read_bytes(), {"ETag": '"one"'}, self.asked(['"one"']))

    def do_break(self):
        self.give(CONTENT.read_bytes(), {"ETag": '"one"'}, self.asked(['"one"']), self.number)

    def do_break_modified(self):
        self.give(CONTENT.read_bytes(), {"Last-Modified": MODIFIED}, self.asked([MODIFIED]),
                  self.number)

    def do_break_unnamed(self):
        self.give(CONTENT.read_bytes(), {}, self.asked([]), self.number if self.turn < 3 else None)

    def do_break_weak(self):
        self.give(CONTENT.read_bytes(), {"ETag": 'W/"one"'}, self.asked([]),
                  self.number if self.turn < 3 else None)

    def do_reset(self):
        """Not even a head, the first times."""
        if self.turn > 2:
            self.do_plain()

    def do_drip(self):
        data = CONTENT.read_bytes()
        first = self.asked(['"one"'])
        self.give(data, {"ETag": '"one"'}, first, 0)
        step = len(data) // 100
        for begin in range(first or 0, len(data), step):
            self.wfile.write(data[begin:begin + step])
            time.sleep(0.01)

    def do_chunked(self):
        self.chunks([CONTENT.read_bytes()], True)

    def do_chunked_break(self):
        self.chunks([CONTENT.read_bytes()[:self.number]], False)

    def chunks(self, pieces, end):
        self.head(200, {"Transfer-Encoding": "chunked"})
        for piece in pieces:
            self.wfile.write(b"%x\r\n%s\r\n" % (len(piece), piece))
        if end:
            self.wfile.write(b"0\r\n\r\n")

    def do_unframed(self):
        self.head(200, {})
        self.wfile.write(CONTENT.read_bytes()[:self.number or None])

    def do_stall(self):
        """Sends some bytes and falls silent; /stall/0 has not even a head. Later it is well again."""
        if self.turn > 1:
            return self.do_plain()
        if self.number:
            self.give(CONTENT.read_bytes(), {"ETag": '"one"'}, None, self.number)
        self.wfile.flush()
        time.sleep(10)

    def do_silence(self):
        time.sleep(10)

    # --- codes and redirections

    def do_status(self):
        self.head(self.number, {"Content-Length": 5})
        self.wfile.write(b"sorry")

    def do_busy(self):
        if self.turn > 2:
            return self.do_plain()
        self.head(self.number, {"Content-Length": 0})

    def redirect(self, to):
        self.head(302, {"Location": to, "Content-Length": 5, "ETag": '"of the redirection"'})
        self.wfile.write(b"there")

    def do_redirect(self):
        self.redirect(f"/redirect/{self.number - 1}" if self.number > 1 else "/break/40000")

    def do_loop(self):
        self.redirect("/loop")

    def do_to_file(self):
        self.redirect("file:///etc/passwd")

    def do_to_ftp(self):
        self.redirect("ftp://127.0.0.1/x")

    def do_to_http(self):
        self.redirect(f"http://127.0.0.1:{plain_port}/plain")

    def do_to_nowhere(self):
        self.head(302, {"Content-Length": 0})

    # --- lies

    def do_longer(self):
        self.give(CONTENT.read_bytes(), {"Content-Length": CONTENT.stat().st_size + 1000})

    def do_longer_part(self):
        """A part that is longer than it says."""
        data, first = CONTENT.read_bytes(), self.asked(['"one"'])
        if first is None:
            return self.give(data, {"ETag": '"one"'}, None, self.number)
        self.head(206, {"Content-Length": len(data), "ETag": '"one"',
                        "Content-Range": f"bytes {first}-{len(data) - 1}/{len(data)}"})
        self.wfile.write(data)

    def do_shorter(self):
        self.give(CONTENT.read_bytes(), {"Content-Length": CONTENT.stat().st_size - 1000})

    def do_huge(self):
        self.head(200, {"Content-Length": 1 << 62})
        self.wfile.write(CONTENT.read_bytes())

    def do_endless(self):
        self.chunks((b"x" * 65536 for _ in range(10000)), True)

    def do_corrupt(self):
        data = bytearray(CONTENT.read_bytes())
        data[self.number] ^= 1
        self.give(bytes(data), {"ETag": '"one"'}, self.asked(['"one"']))

    def do_empty(self):
        self.give(b"", {"ETag": '"one"'})

    def do_empty_later(self):
        if self.turn == 1:
            return self.give(CONTENT.read_bytes(), {"ETag": '"one"'}, None, self.number)
        self.give(b"", {"ETag": '"two"'})

    def do_no_ranges(self):
        self.give(CONTENT.read_bytes(), {"ETag": '"one"'}, None,
                  self.number if self.turn == 1 else None)

    def do_wrong_range(self):
        """Answers with another part than the one asked for, once."""
        first = self.asked(['"one"'])
        if first is not None and self.turn == 2:
            first += 1
        self.give(CONTENT.read_bytes(), {"ETag": '"one"'}, first,
                  self.number if self.turn < 4 else None)

    def do_unasked_part(self):
        self.give(CONTENT.read_bytes(), {"ETag": '"one"'}, 100)

    def do_no_such_part(self):
        """Refuses every part."""
        if self.headers.get("Range"):
            self.head(416, {"Content-Range": "bytes */77", "Content-Length": 0})
        else:
            self.give(CONTENT.read_bytes(), {"ETag": '"one"'}, None,
                      self.number if self.turn == 1 else None)

    def do_changes(self):
        """Another file than the first time, as a good server says it."""
        if self.turn == 1:
            return self.give(OTHER.read_bytes(), {"ETag": '"two"'}, None, self.number)
        self.give(CONTENT.read_bytes(), {"ETag": '"one"'}, self.asked(['"one"']))

    def do_changes_rudely(self):
        """... by one that does not look at If-Range."""
        if self.turn == 1:
            return self.give(OTHER.read_bytes(), {"ETag": '"two"'}, None, self.number)
        self.give(CONTENT.read_bytes(), {"ETag": '"one"'}, self.asked(['"one"', '"two"']))

    def do_changes_unseen(self):
        """... by one that does not say it."""
        if self.turn == 1:
            return self.give(OTHER.read_bytes(), {"ETag": '"one"'}, None, self.number)
        self.do_plain()

    def do_proxied(self):
        """Asked as a proxy."""
        self.head(403, {"Content-Length": 0})

    def do_garbage(self):
        self.wfile.write(b"\0\1\2 this is no HTTP\r\n" * 100)

    def do_long_head(self):
        self.send_response(200)
        for i in range(20000):
            self.send_header(f"X-{i}", "x" * 100)
        self.end_headers()


def start(context=None):
    """Starts a server; returns its port."""
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    if context:
        server.socket = context.wrap_socket(server.socket, server_side=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server.server_address[1]


def unsigned_context():
    """A key and a certificate, in one file that is gone again; None without openssl."""
    pem = Path("server.pem")
    try:
        subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt",
                        "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2", "-subj",
                        "/CN=127.0.0.1", "-keyout", pem, "-out", "server.crt"],
                       check=True, stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain("server.crt", pem)
        return context
    except (OSError, subprocess.CalledProcessError):
        return None
    finally:
        for path in (pem, Path("server.crt")):
            path.unlink(missing_ok=True)


plain_port = start()
secure = unsigned_context()
print(plain_port, start(secure) if secure else 0, flush=True)
sys.stdin.read()
