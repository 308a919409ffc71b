#!/usr/bin/env python3
"""How fast recordings are registered, and rehearsed, against a MariaDB of its own.

    benches/register.py [--register 1000] [--rehearse 10000] [--moodle] [--receiver PATH]

Starts a MariaDB with data on disk and with its usual durability, lays Pod's tables out in it (and
Moodle's with --moodle), fills a ledger with recordings that wait to be registered, and runs
`register` and `register --dry-run` with destination.kind external. The program prints how many
questions it asked for each recording. In the end every recording must have exactly one row for each
owner.
"""

import argparse
import hashlib
import json
import os
import pathlib
import pwd
import re
import shutil
import socket
import sqlite3
import subprocess
import sys
import tempfile
import time

HERE = pathlib.Path(__file__).resolve().parent.parent
SCHEMAS = HERE / "tests/src/databases/schemas"
WORDS = {
    "id": "bigint NOT NULL AUTO_INCREMENT PRIMARY KEY",
    "int_id": "int NOT NULL AUTO_INCREMENT PRIMARY KEY",
    "small": "tinyint", "flag": "tinyint(1)", "yes": "1", "no": "0", "text": "longtext",
    "moment": "datetime(6)", "datetime": "datetime", "span": "bigint", "prefix": "mdl_",
}
OWNERS = 200
MOODLE = "moodle.univ.example"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--register", type=int, default=1000)
    parser.add_argument("--rehearse", type=int, default=10000)
    parser.add_argument("--moodle", action="store_true", help="owners come from a Moodle database")
    target = os.environ.get("CARGO_TARGET_DIR", HERE / "target")
    parser.add_argument("--receiver", default=pathlib.Path(target) / "release/bbb2pod-receiver")
    args = parser.parse_args()
    scratch = pathlib.Path(tempfile.mkdtemp(prefix="bbb2pod-bench-"))
    os.chmod(scratch, 0o755)
    server = Server(scratch)
    try:
        for name, count, options in (("register", args.register, []), ("rehearse", args.rehearse, ["--dry-run"])):
            measure(args, scratch / name, server, name, count, options)
    finally:
        server.end()
        shutil.rmtree(scratch, ignore_errors=True)


def measure(args, folder, server, name, count, options):
    folder.mkdir()
    pod = server.database(f"pod_{name}", "pod.sql")
    owners = [f"teacher{n}" for n in range(OWNERS)]
    users = ", ".join(f"('!', 0, '{owner}', '', '', '', 1, 1, NOW())" for owner in [*owners, "bbb-archive"])
    server.run(pod, "INSERT INTO auth_user (password, is_superuser, username, first_name, last_name, email, "
                    f"is_staff, is_active, date_joined) VALUES {users};")
    more = ""
    if args.moodle:
        moodle = server.database(f"moodle_{name}", "moodle.sql", "moodle_recordings.sql")
        fill_moodle(server, moodle, owners, count)
        more = (f"owners:\n  chain: [moodle]\n  otherwise: bbb-archive\n  moodle:\n    databases:\n"
                f"      main: {{url: '{server.url(moodle)}', servers: [{MOODLE}]}}\n")
    settings = folder / "receiver.yml"
    settings.write_text("".join(f"{key}: {value}\n" for key, value in {
        "database": f"sqlite://{folder}/ledger.db", "spool_dir": folder / "spool", "archive_dir": folder / "archive",
        "media_dir": folder / "media", "work_dir": folder / "work", "public_url": "https://bbb2pod.univ.example",
    }.items()) + more + (
        f"destination: {{kind: external, database: {{url: '{server.url(pod)}'}}, default_owner: bbb-archive, "
        "convert: on-demand}\n"))
    receiver = [str(args.receiver)]
    # Makes the ledger.
    subprocess.run([*receiver, "node", "add", "bbb1", "--config", settings], check=True, capture_output=True)
    fill_ledger(folder, count)
    began = time.monotonic()
    done = subprocess.run([*receiver, "register", *options, "--config", settings], capture_output=True, text=True)
    took = time.monotonic() - began
    if done.returncode != 0:
        sys.exit(f"{name}: exit code {done.returncode}\n{done.stderr[-2000:]}")
    rows = server.run(pod, "SELECT COUNT(*), COUNT(DISTINCT source_url, owner_id) FROM import_video_externalrecording;")
    all_rows, distinct = map(int, rows.split())
    expected = 0 if options else count
    if all_rows != distinct or all_rows != expected:
        sys.exit(f"{name}: {all_rows} rows, {distinct} of them distinct, expected {expected}")
    print(f"{name}: {count} recordings in {took:.2f} s; {done.stderr.strip().splitlines()[-1]}")


def fill_ledger(folder, count):
    """Recordings in the archive and in the ledger, as an import leaves them."""
    archive = folder / "archive"
    manifests = archive / "manifests/presentation"
    manifests.mkdir(parents=True)
    database = sqlite3.connect(folder / "ledger.db")
    now = int(time.time() * 1000)
    for number in range(count):
        started = 1554230749920 + number * 1000
        record = f"{hashlib.sha1(str(number).encode()).hexdigest()}-{started}"
        path, content = f"presentation/{record}/metadata.xml", hashlib.sha256(record.encode()).hexdigest()
        digest = hashlib.sha256(f"{content}  {path}\n".encode()).hexdigest()
        title = f"Lecture {number}"
        stamp = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(started / 1000))
        (manifests / f"{record}.json").write_text(json.dumps({
            "schema": 1, "digest": digest, "record_id": record, "format": "presentation", "node": "bbb1",
            "hook_version": "0", "published_at": stamp, "events_seen": False, "moderators": [],
            "files": [{"path": path, "size": 1, "modified": stamp, "sha256": content}],
            "metadata": {
                "record_id": record, "state": "published", "published": True, "start": stamp, "end": None,
                "participants": 2, "external_meeting_id":
                    f"meeting-{number % OWNERS}-{number % OWNERS + 1}-{number % OWNERS + 1}",
                "meeting_name": title, "breakout_of": None,
                "playback": [{"format": "presentation", "duration_ms": 3600000, "size_bytes": 1,
                              "link": f"https://bbb1/playback/presentation/2.3/{record}"}],
                "meta": {"bbb-origin": "Moodle", "bbb-origin-server-name": MOODLE},
            },
        }))
        database.execute("INSERT INTO recordings (record_id, node, title, started_at, stage, created_at, updated_at) "
                         "VALUES (?, 'bbb1', ?, ?, 'register', ?, ?)", (record, title, started, now, now))
        database.execute("INSERT INTO formats (record_id, format, digest, bytes, published_at, archived_at) "
                         "VALUES (?, 'presentation', ?, 1, ?, ?)", (record, digest, started, now))
        database.execute("INSERT INTO media (record_id, source_format, source_digest) VALUES (?, 'presentation', ?)",
                         (record, digest))
    database.commit()
    database.close()


def fill_moodle(server, moodle, owners, count):
    """An activity for each teacher, and its recordings. Every other one names its moderator, the
    others a role that three people have in the course, one of whom joined each meeting."""
    by_name, by_role = (
        lambda number: {"selectiontype": "user", "selectionid": str(number), "role": "moderator"},
        lambda _: {"selectiontype": "role", "selectionid": "editingteacher", "role": "moderator"},
    )
    statements = [insert(server, moodle, "mdl_modules", id=9, name="bigbluebuttonbn"),
                  insert(server, moodle, "mdl_role", id=3, shortname="editingteacher")]
    for number, owner in enumerate(owners, 1):
        rules = json.dumps([(by_role if number % 2 else by_name)(number)])
        statements.append(insert(server, moodle, "mdl_user", id=number, username=owner, email=f"{owner}@univ.example"))
        statements.append(insert(server, moodle, "mdl_bigbluebuttonbn", id=number, course=number,
                                 name=f"Activity {number}", meetingid=f"meeting-{number - 1}", participants=rules))
        statements.append(insert(server, moodle, "mdl_course_modules", id=number, course=number, module=9,
                                 instance=number))
        for kind, level in ((0, 50), (1, 70)):
            context = 10 + 2 * number + kind
            statements.append(insert(server, moodle, "mdl_context", id=context, contextlevel=level, instanceid=number,
                                     path=f"/1/2/{context}"))
        for holder in range(3):
            statements.append(insert(server, moodle, "mdl_role_assignments", roleid=3, contextid=10 + 2 * number,
                                     userid=(number + holder - 1) % OWNERS + 1))
    server.run(moodle, "\n".join(statements))
    for first in range(0, count, 1000):
        statements = []
        for number in range(first, min(first + 1000, count)):
            activity, started = number % OWNERS + 1, 1554230749920 + number * 1000
            record = f"{hashlib.sha1(str(number).encode()).hexdigest()}-{started}"
            statements.append(insert(server, moodle, "mdl_bigbluebuttonbn_recordings", courseid=activity,
                                     bigbluebuttonbnid=activity, recordingid=record, status=2, imported=0))
            statements.append(insert(server, moodle, "mdl_bigbluebuttonbn_logs", courseid=activity,
                                     bigbluebuttonbnid=activity, userid=activity, timecreated=started // 1000 + 60,
                                     meetingid=f"meeting-{activity - 1}-{activity}-{activity}", log="Join"))
        server.run(moodle, "\n".join(statements))


COLUMNS = {}


def insert(server, database, table, **values):
    """A row with these values, and with something in every other column that must be given."""
    if (database, table) not in COLUMNS:
        told = server.run(database, "SELECT column_name, data_type FROM information_schema.columns WHERE "
                                    f"table_schema = DATABASE() AND table_name = '{table}' AND is_nullable = 'NO' "
                                    "AND column_default IS NULL AND extra = '';")
        COLUMNS[database, table] = dict(line.split("\t") for line in told.splitlines())
    for column, kind in COLUMNS[database, table].items():
        values.setdefault(column, 0 if "int" in kind or kind == "decimal" else "")
    texts = [str(value) if isinstance(value, int) else "'" + value.replace("'", "''") + "'" for value in values.values()]
    return f"INSERT INTO {table} ({', '.join(values)}) VALUES ({', '.join(texts)});"


class Server:
    """A MariaDB on a free port, ended with this program."""

    def __init__(self, scratch):
        self.folder = scratch / "mariadb"
        self.folder.mkdir()
        # It refuses to run as root.
        self.account = "nobody" if os.geteuid() == 0 else pwd.getpwuid(os.geteuid()).pw_name
        if os.geteuid() == 0:
            shutil.chown(self.folder, self.account)
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        setup = self.folder / "setup.sql"
        setup.write_text("CREATE USER IF NOT EXISTS bench@'%' IDENTIFIED BY 'bench';\nGRANT ALL ON *.* TO bench@'%';\n")
        data = f"--datadir={self.folder}/data"
        subprocess.run(["mariadb-install-db", "--no-defaults", "--skip-test-db", f"--user={self.account}",
                        "--auth-root-authentication-method=normal", data], check=True, capture_output=True)
        self.process = subprocess.Popen(
            ["/usr/sbin/mariadbd", "--no-defaults", data, f"--user={self.account}", f"--socket={self.folder}/socket",
             f"--pid-file={self.folder}/pid", "--bind-address=127.0.0.1", f"--port={self.port}",
             f"--init-file={setup}", "--skip-name-resolve"],
            stdout=subprocess.DEVNULL, stderr=open(scratch / "mariadb.log", "w"))
        for _ in range(600):
            if subprocess.run(self.client(), input="SELECT 1;", text=True, capture_output=True).returncode == 0:
                return
            time.sleep(0.1)
        sys.exit((scratch / "mariadb.log").read_text())

    def client(self):
        return ["mariadb", "--no-defaults", "-h", "127.0.0.1", "-P", str(self.port), "-u", "bench", "-pbench",
                "--default-character-set=utf8mb4", "-N", "-B"]

    def run(self, database, sql):
        command = [*self.client(), *([database] if database else [])]
        done = subprocess.run(command, input=sql, text=True, capture_output=True)
        if done.returncode != 0:
            sys.exit(f"{sql[:200]}: {done.stderr}")
        return done.stdout

    def database(self, name, *schemas):
        self.run(None, f"CREATE DATABASE {name} CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_ci;")
        for schema in schemas:
            text = (SCHEMAS / schema).read_text()
            self.run(name, re.sub(r"\{(\w+)\}", lambda word: WORDS[word[1]], text))
        return name

    def url(self, database):
        return f"mysql://bench:bench@127.0.0.1:{self.port}/{database}"

    def end(self):
        self.process.terminate()
        self.process.wait()


if __name__ == "__main__":
    main()
