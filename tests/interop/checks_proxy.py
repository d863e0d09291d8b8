"""Our echo server behind a reverse proxy, over HTTP/1.1."""

import asyncio
import contextlib
import os
import re
import shutil
import socket

from checks_client import LINES, ask
from checks_deflate import proxied
from checks_server import echo_results
from harness import ARTIFACTS, HERE, lines_of, our_server, started

UNPACKED = HERE / ".venv" / "debian"  # where ./run has put what it got from apt-get

NGINX = """\
daemon off; master_process off; pid {directory}/nginx.pid; error_log {directory}/nginx.log;
events {{ }}
http {{
    access_log off;
    client_body_temp_path {directory}/body; proxy_temp_path {directory}/proxy;
    fastcgi_temp_path {directory}/fastcgi; uwsgi_temp_path {directory}/uwsgi;
    scgi_temp_path {directory}/scgi;
    server {{
        listen 127.0.0.1:{port};
        location / {{
            proxy_pass http://{backend};
            proxy_http_version 1.1;
            proxy_set_header Upgrade $http_upgrade;
            proxy_set_header Connection "upgrade";
        }}
    }}
}}
"""

HAPROXY = """\
defaults
    mode http
    timeout connect 5s
    timeout client 30s
    timeout server 30s
    timeout tunnel 30s
listen echo
    bind 127.0.0.1:{port}
    server echo {backend}
"""

PROXIES = {
    "nginx": (NGINX, ["-c", "{config}", "-p", "{directory}", "-e", "{directory}/nginx.log"]),
    "haproxy": (HAPROXY, ["-db", "-f", "{config}"]),
}


async def proxy_checks(report, name, clients):
    program = find(name)
    if not program:
        return report.skip(name, "it is not installed and apt-get did not bring it")
    libraries = ":".join(str(it) for it in UNPACKED.glob("usr/lib/*-linux-*"))
    program = ("env", f"LD_LIBRARY_PATH={libraries}", program)
    version = await lines_of([*program, "-v"], 10)
    if not re.search(r"version:? \S*\d", version[0], re.IGNORECASE):
        return report.skip(name, f"it does not start: {version[0]}")
    print(f"proxy: {version[0]}", flush=True)
    config, options = PROXIES[name]
    async with our_server("echo", "--deflate") as (backend, _):
        port = free_port()
        path = ARTIFACTS / f"{name}.conf"
        values = {"port": port, "backend": backend, "directory": ARTIFACTS, "config": path}
        path.write_text(config.format(**values))
        command = [*program, *(option.format(**values) for option in options)]
        async with started(command):
            if not await listens(port):
                return report.check(f"{name} -> echo", "the proxy does not listen")
            url = f"ws://127.0.0.1:{port}/ws"
            for client in clients:
                lines = await lines_of([*client.command, "echo", url])
                echo_results(report, f"{client.name} -> {name} -> echo", client, lines)
            received, said, _ = await ask([url], LINES)
            problem = None if "closed with 1000" in said else said
            report.equal(f"client -> {name} -> echo: echo", received, LINES)
            report.check(f"client -> {name} -> echo: close", problem)
            await proxied(report, name, clients, f"127.0.0.1:{port}")


def find(name):
    unpacked = UNPACKED / "usr" / "sbin" / name
    return shutil.which(name, path=f"{os.environ['PATH']}:/usr/sbin") or (
        unpacked if unpacked.exists() else None
    )


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


async def listens(port):
    for _ in range(100):
        with contextlib.suppress(OSError):
            _, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.close()
            return True
        await asyncio.sleep(0.1)
    return False
