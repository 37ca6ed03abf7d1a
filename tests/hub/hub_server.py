"""A Hub on the loopback interface: as much of its interface as the real client needs for models.

Nothing of the client is replaced: it is given this address. Large files travel by LFS, or by Xet with a
folder in the place of a storage server, which the client's own transfer library knows how to use. Any answer
can be turned into a fault, and the server can break off in the middle of one.
"""

import base64
import contextlib
import json
import re
import socket
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, unquote, urlsplit

from hub_store import LFS_SUFFIXES, Fault, Store, metadata

REPO = r"(?P<repo>(?:spaces/)?[\w.\-]+/[\w.\-]+)"  # a Space is kept as spaces/owner/name
REV = r"(?P<rev>[^/]+)"  # quoted as a whole: refs/pr/1 is refs%2Fpr%2F1
DATE = "2026-11-22T00:00:00.000Z"


SDKS = ("gradio", "docker", "static")
COLORS = ("red", "yellow", "green", "blue", "indigo", "purple", "pink", "gray")


def check_space(data):
    """Raise Fault for what the Hub's reference of Spaces does not allow."""
    if data.get("sdk") not in SDKS or {data.get("colorFrom"), data.get("colorTo")} - {*COLORS, None}:
        raise Fault(400, f"no Space: {data}")
    if len(data.get("short_description", "")) > 60 or not re.fullmatch(r"\d+(\.\d+)+", data["sdk_version"]):
        raise Fault(400, f"no Space: {data}")


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *arguments):
        pass

    def read_body(self):
        if self.headers.get("Transfer-Encoding", "").lower() == "chunked":
            parts = []
            while size := int(self.rfile.readline().split(b";")[0], 16):
                parts.append(self.rfile.read(size))
                self.rfile.readline()
            self.rfile.readline()
            return b"".join(parts)
        return self.rfile.read(int(self.headers.get("Content-Length") or 0))

    def send(self, status, body=b"", headers=None):
        self.send_response(status)
        for key, value in {"Content-Length": str(len(body)), **(headers or {})}.items():
            self.send_header(key, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def json(self, data, status=200, headers=None):
        self.send(status, json.dumps(data).encode(), {"Content-Type": "application/json", **(headers or {})})

    def dispatch(self):
        url = urlsplit(self.path)
        self.query = {key: values[0] for key, values in parse_qs(url.query).items()}
        self.server.log.append(f"{self.command} {unquote(url.path)}")
        try:
            fault = self.server.fault_for(self.server.log[-1])
            if fault == "cut":
                return self.cut(url.path)
            self.body = self.read_body()
            if fault is not None:
                raise Fault(fault, "as the test asked")
            verb = "GET" if self.command == "HEAD" else self.command
            for method, pattern, handler in ROUTES:
                if method == verb and (match := re.fullmatch(pattern, url.path)):
                    self.authorize(writes=handler in WRITING)
                    arguments = {k: unquote(v) for k, v in match.groupdict().items() if v is not None}
                    return handler(self, **arguments)
            raise Fault(404, f"no such route: {self.command} {url.path}")
        except Exception as error:
            if not isinstance(error, Fault):
                error = Fault(501, f"{type(error).__name__}: {error}")
            headers = {"X-Error-Message": str(error).replace("\n", " ")}
            if error.code:
                headers["X-Error-Code"] = error.code
            self.json({"error": str(error)}, error.status, headers)

    do_GET = do_HEAD = do_POST = do_PUT = do_DELETE = dispatch

    def cut(self, path):
        """Take half of what comes, or give half of what is asked for, and be gone."""
        if self.command == "PUT":
            self.rfile.read(int(self.headers["Content-Length"]) // 2)
        elif match := re.fullmatch(rf"/{REPO}/resolve/{REV}/(?P<path>.+)", path):
            repo, revision, name = (unquote(part) for part in match.groups())
            data = self.server.store.files(repo, revision)[name]
            self.send_response(200)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data[: len(data) // 2])
        self.wfile.flush()
        self.close_connection = True
        self.server.gone()

    def authorize(self, writes):
        token = self.headers.get("Authorization", "").removeprefix("Bearer ").strip()
        self.known = token == self.server.token
        if writes and not self.known:
            raise Fault(401, "Invalid username or password.")

    def visible(self, name):
        repo = self.server.store.repo(name)
        if repo["private"] and not self.known:
            raise Fault(404, "Repository not found", "RepoNotFound")
        return repo

    def readable(self, name):
        repo = self.visible(name)
        if repo["gated"] and not self.known:
            raise Fault(403, "Access to this model is restricted", "GatedRepo")
        return repo

    def create_repo(self):
        asked = json.loads(self.body)
        repo = f"{asked.get('organization') or 'me'}/{asked['name']}"
        if asked.get("type") == "space":
            if asked.get("sdk") not in SDKS:
                raise Fault(400, "a Space needs an sdk")
            repo = f"spaces/{repo}"
        private = asked.get("visibility") == "private" or asked.get("private")  # 2.x, 1.x
        self.server.store.create(repo, bool(private))
        self.json({"url": f"{self.server.url}/{repo}", "name": repo, "id": repo})

    def validate_yaml(self):
        asked = json.loads(self.body)
        try:
            data = metadata(asked["content"])
            if asked["repoType"] == "space":
                check_space(data)
        except Exception as error:
            return self.json({"errors": [{"message": str(error)}], "warnings": []}, 400)
        return self.json({"errors": [], "warnings": []})

    def preupload(self, repo, rev):
        store = self.server.store
        current, out = store.repo(repo)["commits"][store.resolve(repo, rev)], []
        for item in json.loads(self.body)["files"]:
            old = current.get(item["path"])
            oid = None if old is None else old["sha256"] if old["lfs"] else old["oid"]
            mode = "lfs" if item["path"].endswith(LFS_SUFFIXES) else "regular"
            out.append({"path": item["path"], "uploadMode": mode, "shouldIgnore": False, "oid": oid})
        self.json({"files": out})

    def lfs_batch(self, repo):
        objects = []
        for item in json.loads(self.body)["objects"]:
            href = f"{self.server.url}/{repo}.git/info/lfs/objects/{item['oid']}"
            there = (self.server.store.objects / item["oid"]).is_file()
            actions = {} if there else {"actions": {"upload": {"href": href}}}
            objects.append({"oid": item["oid"], "size": item["size"], **actions})
        self.json({"transfer": "basic", "objects": objects})

    def lfs_put(self, repo, oid):
        if self.server.store.put(self.body) != oid:
            raise Fault(400, "content does not match its oid")
        self.send(200)

    def xet_token(self, repo, kind, rev=None):
        self.readable(repo)
        url, until = f"local://{self.server.store.cas}", int(time.time()) + 3600
        headers = {"X-Xet-Cas-Url": url, "X-Xet-Access-Token": "local", "X-Xet-Token-Expiration": str(until)}
        self.json({"casUrl": url, "exp": until, "accessToken": "local"}, headers=headers)

    def commit(self, repo, rev):
        store = self.server.store
        head = store.resolve(repo, rev)
        files, header = dict(store.repo(repo)["commits"][head]), {}
        for line in self.body.splitlines():
            item = json.loads(line)
            value = item["value"]
            if item["key"] == "header":
                header = value
            elif item["key"] == "file":
                files[value["path"]] = store.regular(base64.b64decode(value["content"]))
            elif item["key"] == "lfsFile":
                files[value["path"]] = store.large(value["oid"], value["size"])
            else:
                raise Fault(400, f"unknown operation {item['key']!r}")
        if header.get("parentCommit", head) != head:
            raise Fault(412, "A commit has happened since. Please refresh and try again.")
        answer = {"success": True}
        if self.query.get("create_pr"):
            number = 1 + sum(ref.startswith("refs/pr/") for ref in store.repo(repo)["refs"])
            rev = f"refs/pr/{number}"
            answer["pullRequestUrl"] = f"{self.server.url}/{repo}/discussions/{number}"
        commit = store.commit(repo, rev, files)
        self.json({**answer, "commitOid": commit, "commitUrl": f"{self.server.url}/{repo}/commit/{commit}"})

    def create_ref(self, repo, kind, rev):
        store, asked = self.server.store, json.loads(self.body or b"{}")
        name, start = (asked["tag"], rev) if kind == "tag" else (rev, asked.get("startingPoint", "main"))
        if name in store.repo(repo)["refs"]:
            raise Fault(409, f"{kind} {name} exists")
        store.repo(repo)["refs"][name] = store.resolve(repo, start)
        self.json({})

    def info(self, name, revision):
        store, repo = self.server.store, self.visible(name)
        commit = store.resolve(name, revision)
        files = repo["commits"][commit]
        siblings = []
        for path, file in sorted(files.items()):
            item = {"rfilename": path, "size": file["size"], "blobId": file["oid"]}
            if file["lfs"]:
                item["lfs"] = {"sha256": file["sha256"], "size": file["size"], "pointerSize": 134}
            siblings.append(item)
        card = metadata(store.content(files["README.md"]).decode()) if "README.md" in files else {}
        return {
            "id": name, "modelId": name, "author": name.split("/")[0], "sha": commit, "lastModified": DATE,
            "private": repo["private"], "gated": repo["gated"] and "manual", "downloads": 7, "likes": 0,
            "tags": [*(card.get("tags") or []), f"license:{card.get('license')}"],
            "library_name": card.get("library_name"), "cardData": card, "siblings": siblings,
        }  # fmt: skip

    def model_info(self, repo, rev="main"):
        self.json(self.info(repo, rev))

    def list_models(self):
        repos = self.server.store.repos
        infos = [self.info(name, "main") for name, repo in repos.items() if self.known or not repo["private"]]
        if author := self.query.get("author"):
            infos = [info for info in infos if info["author"] == author]
        wanted = parse_qs(urlsplit(self.path).query).get("filter", [])
        self.json([info for info in infos if set(wanted) <= {*info["tags"], info["library_name"]}])

    def tree(self, repo, rev, path=""):
        commit = self.server.store.resolve(repo, rev)
        out = []
        for name, file in sorted(self.readable(repo)["commits"][commit].items()):
            item = {"type": "file", "path": name, "size": file["size"], "oid": file["oid"]}
            if file["lfs"]:
                item["lfs"] = {"oid": file["sha256"], "size": file["size"], "pointerSize": 134}
            if file["xet"]:
                item["xetHash"] = file["xet"]
            out.append(item)
        self.json(out, headers={"X-Repo-Commit": commit})

    def resolve(self, repo, rev, path):
        store = self.server.store
        commit = store.resolve(repo, rev)
        file = self.readable(repo)["commits"][commit].get(path)
        if file is None:
            raise Fault(404, "Entry not found", "EntryNotFound")
        etag = file["sha256"] if file["lfs"] else file["oid"]
        headers = {"X-Repo-Commit": commit, "ETag": f'"{etag}"', "Accept-Ranges": "bytes"}
        if file["lfs"]:
            headers |= {"X-Linked-Etag": f'"{etag}"', "X-Linked-Size": str(file["size"])}
        if file["xet"]:
            route = f"{self.server.url}/api/models/{repo}/xet-read-token/{commit}"
            headers |= {"X-Xet-Hash": file["xet"], "X-Xet-Refresh-Route": route}
            headers["Link"] = f'<{route}>; rel="xet-auth"'
        if self.command == "HEAD":
            return self.send(200, b"", {**headers, "Content-Length": str(file["size"])})
        data, status = self.server.spoilt.get(path, store.content(file)), 200
        if span := re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("Range", "")):
            start, end = int(span[1]), int(span[2] or len(data) - 1)
            headers["Content-Range"] = f"bytes {start}-{end}/{len(data)}"
            data, status = data[start : end + 1], 206
        return self.send(status, data, headers)


H = Handler
API = rf"/api/(?:models/)?{REPO}"
LFS = rf"/{REPO}\.git/info/lfs/objects"
ROUTES = [
    ("POST", r"/api/repos/create", H.create_repo),
    ("POST", r"/api/validate-yaml", H.validate_yaml),
    ("GET", r"/api/models/?", H.list_models),
    ("POST", rf"{API}/preupload/{REV}", H.preupload),
    ("POST", rf"{API}/commit/{REV}", H.commit),
    ("GET", rf"{API}/xet-(?P<kind>read|write)-token(?:/{REV})?", H.xet_token),
    ("POST", rf"{API}/(?P<kind>tag|branch)/{REV}", H.create_ref),
    ("GET", rf"{API}/revision/{REV}", H.model_info),
    ("GET", rf"{API}/tree/{REV}(?:/(?P<path>.*))?", H.tree),
    ("GET", API, H.model_info),
    ("POST", rf"{LFS}/batch", H.lfs_batch),
    ("PUT", rf"{LFS}/(?P<oid>[0-9a-f]{{64}})", H.lfs_put),
    ("GET", rf"/{REPO}/resolve/{REV}/(?P<path>.+)", H.resolve),
]
WRITING = {H.create_repo, H.preupload, H.commit, H.create_ref, H.lfs_batch}


class HubServer(ThreadingHTTPServer):
    """A block in which the Hub answers at `url`; `token` is the one that it knows."""

    daemon_threads = True
    token = "hf_of_the_owner"

    def __init__(self, root, store=None):
        self.store = store or Store(Path(root))
        self.log, self.faults, self.spoilt = [], [], {}
        self.connections = []
        super().__init__(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server_address[1]}"

    def fail(self, request, answer):
        """Answer requests that match a pattern, such as 'POST .*/commit/main', by a status, or "cut"."""
        self.faults.append((request, answer))

    def fault_for(self, request):
        return next((answer for pattern, answer in self.faults if re.fullmatch(pattern, request)), None)

    def gone(self):
        """Take no more connections, and break off those that there are."""
        self.socket.close()
        for connection in self.connections:
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
        threading.Thread(target=self.shutdown, daemon=True).start()

    def process_request(self, request, client_address):
        self.connections.append(request)
        super().process_request(request, client_address)

    def handle_error(self, request, client_address):
        pass  # a client that went away

    def __enter__(self):
        self.thread = threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        self.thread.start()
        return self

    def __exit__(self, *exception):
        self.shutdown()
        self.server_close()
        self.thread.join()
