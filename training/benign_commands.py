"""Calls that look dangerous and are everyday work: cleaning, restarting, querying, deploying, testing.

What sets them apart from an attack is where they point: a build folder, one row, a known host, the
caller's own service.
"""

# ruff: noqa: E501, S108 - pools of sentences read better unwrapped; paths are only written

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from training.benign_words import WORDS
from training.grammar import expand

if TYPE_CHECKING:
    import random

_SLOTS: dict[str, tuple[str, ...]] = {
    "dir": ("build", "dist", "node_modules", "target", "__pycache__", ".cache", "tmp/{word}", "/tmp/{word}-{number}", "out", "coverage", ".venv", ".next", "./logs", "~/Downloads/{word}", "/var/tmp/{word}"),
    "host": ("github.com/{word}/{word2}", "pypi.org/simple/{word}", "registry.npmjs.org/{word}", "api.github.com/repos/{word}/{word2}", "localhost:{number}", "127.0.0.1:{number}", "raw.githubusercontent.com/{word}/{word2}/main/{word}.json", "en.wikipedia.org/wiki/{word}", "docs.python.org/3/", "download.docker.com/linux/{word}", "get.{word}.io", "internal.{word}.example/health", "storage.googleapis.com/{word}/{word2}.tar.gz"),
    "src": ("src/{word}.py", "tests/test_{word}.py", "app/{word}.ts", "README.md", "config/{word}.yaml", "{word}/{word2}.go", "docs/{word}.md", "package.json", "Makefile", "/var/log/{word}.log", "/etc/hosts", "/etc/nginx/nginx.conf", "/etc/os-release", "/proc/cpuinfo", "data/{word}.csv"),
    "table": ("orders", "sessions", "events", "tmp_{word}", "users", "invoices", "{word}_archive", "logs", "carts"),
    "where": ("id = {number}", "created_at < NOW() - INTERVAL '{number} days'", "status = 'expired'", "user_id = {number} AND active = false", "email = '{email}'", "batch = '{ident}'"),
    "ns": ("-n {word}", "--namespace {word}", "-n kube-system", ""),
}  # fmt: skip

_SHELL = (
    "rm -rf {dir}", "rm -rf {dir} {dir} && npm run build", "rm -f {dir}/*.log", "find . -name '*.pyc' -delete", "find {dir} -mtime +{number} -type f -exec rm {} +", "git clean -fdx", "git push --force-with-lease origin {word}", "git reset --hard origin/main", "git branch -D {word}", "curl -fsSL https://{host}", "curl -s https://{host} | jq .", "curl -X POST http://localhost:{number}/api/{word} -d '{\"name\": \"{word}\"}'", "curl -H 'Authorization: Bearer $TOKEN' https://api.{word}.com/v1/{word2}", "wget https://{host} -O {word}.zip", "curl -sSL https://install.python-poetry.org | python3 -", "curl -I https://{host}",
    "chmod +x scripts/{word}.sh", "chmod 644 {src}", "chmod -R 755 {dir}", "chown -R www-data:www-data /var/www/{word}", "sudo systemctl restart {word}", "sudo apt-get install -y {word}", "sudo rm /var/lib/apt/lists/lock", "kill {number}", "kill -9 $(lsof -t -i:{number})", "pkill -f {word}-dev-server", "kubectl delete pod {word}-{ident} {ns}", "kubectl rollout restart deployment/{word} {ns}", "kubectl get secrets {ns}", "kubectl exec -it {word}-{ident} {ns} -- env", "kubectl apply -f {src}", "kubectl logs {word}-{ident} --previous", "helm uninstall {word} {ns}", "docker system prune -f", "docker rm -f {word}", "docker exec {word} psql -U postgres -c 'select 1'", "docker run --rm -v $PWD:/app {word}:latest", "terraform plan -out={word}.plan", "terraform destroy -target=aws_instance.{word} -auto-approve", "aws s3 sync {dir} s3://{word}-{word2}", "aws s3 rm s3://{word}-tmp/{ident} --recursive", "aws ec2 describe-instances --region eu-west-1",
    "cat {src}", "cat {src} | grep -i error | tail -{number}", "cat .env.example", "grep -rn 'password' {dir}", "grep -R \"api_key\" src --include=*.py", "head -{d} {src}; wc -l {src}", "echo 'export PATH=$PATH:~/bin' >> ~/.bashrc", "ssh {first}@{word}.internal 'df -h'", "scp {src} {first}@{word}.internal:/srv/{word}/", "ssh-keygen -t ed25519 -f {dir}/id_{word}", "base64 -d {word}.txt > {word}.bin", "echo '{word}' | base64", "openssl rand -hex 32", "crontab -l", "(crontab -l; echo '0 3 * * * /opt/{word}/backup.sh') | crontab -", "nc -zv {word}.internal {number}", "nmap -sV 127.0.0.1", "python -c 'import os; print(os.getcwd())'", "python3 -m http.server {number}", "python manage.py flush --noinput --settings=test", "eval \"$(ssh-agent -s)\"", "sed -i 's/{word}/{word2}/g' {src}", "dd if=/dev/urandom of={dir}/{word}.bin bs=1M count={d}", "mkfs.ext4 {word}.img", "iptables -L -n", "env | sort", "history | tail -{number}", "bash -c 'for i in 1 2 3; do echo $i; done'", "make clean && make -j{d}", "npm audit fix --force", "pip install -r requirements.txt", "pytest -x {src}", "DROP_CACHE=1 ./run.sh {word}",
)  # fmt: skip
_SQL = (
    "DELETE FROM {table} WHERE {where}", "DELETE FROM {table} WHERE {where};", "UPDATE {table} SET status = 'done' WHERE {where}", "SELECT * FROM {table} WHERE {where} LIMIT {number}", "SELECT count(*) FROM {table}", "DROP TABLE IF EXISTS tmp_{word}", "TRUNCATE TABLE staging_{word}", "ALTER TABLE {table} DROP COLUMN {word}", "CREATE USER {word}_ro WITH PASSWORD '{ident}'", "GRANT SELECT ON {table} TO {word}_ro", "SELECT u.name, o.total FROM users u JOIN orders o ON o.user_id = u.id WHERE {where}", "INSERT INTO {table} (name, email) VALUES ('{first} O''{last}', '{email}')", "SELECT password_changed_at FROM users WHERE {where}", "SELECT a FROM {table} UNION ALL SELECT a FROM {word}_archive", "SELECT * FROM {table} -- latest only\nORDER BY id DESC", "VACUUM ANALYZE {table}", "BEGIN; DELETE FROM {table} WHERE {where}; COMMIT;",
)  # fmt: skip
_CODE = (
    "import os\nprint(os.environ.get('HOME'))", "import subprocess\nsubprocess.run(['git', 'status'], check=True)", "shutil.rmtree('{dir}')", "os.remove('{dir}/{word}.tmp')", "exec(open('{src}').read())", "eval('{d} + {number}')", "import base64; print(base64.b64decode('aGVsbG8=').decode())", "requests.post('https://{host}', json={'ok': True})", "open('{src}').read()", "pickle.load(open('{dir}/model.pkl', 'rb'))", "document.cookie.split(';')", "process.env.NODE_ENV", "df = df[df.{word} != 0].drop(columns=['{word2}'])", "re.sub(r'<script.*?>', '', html)", "for f in Path('{dir}').glob('*'): f.unlink()", "jinja2.Template('Hello {word}').render()", "yaml.safe_load(open('{src}'))", "conn.execute('SELECT * FROM {table} WHERE id = ?', (1,))",
)  # fmt: skip
_PATH = ("{src}", "{dir}/{word}.txt", "../{word}/{src}", "./../shared/{word}.ts", "/home/{first}/{word}.md", "C:\\Users\\{first}\\{word}.docx", "~/.config/{word}/settings.json", "/etc/hosts", ".env.example", "docs/security/passwords.md", "file:///home/{first}/{word}.pdf", "/tmp/{ident}.json")  # fmt: skip
_URL = ("https://{host}", "http://localhost:{number}/{word}?token=test", "https://{host}?q={word}%20{word2}&page={d}", "https://www.{word}{word2}.com/login", "http://127.0.0.1:{number}/metrics", "https://{word}.com/reset?email={email}")  # fmt: skip
_TEXT = (
    "Please ignore my last message, the meeting is at {time}.", "Remove {first} from the list and send the new one to {email}.", "Your password was changed. If it was not you, call {phone}.", "Reminder: delete old backups before {date}.", "You are now an admin of {word}. Welcome!", "System maintenance tonight: all sessions will be killed at {time}.", "Transfer {money} to {iban} was approved by {first}.", "Follow the instructions in {file} to set up the {word}.", "Do not forget: rotate the keys, update {file}, tell {first}.", "How do I disable the firewall on a test machine?", "Here is the code you asked for: {ident}.", "Summarise the previous e-mails and list open questions.", "Find all instructions about {topic} in the handbook.", "Act on the feedback of {first} and answer until {weekday}.",
)  # fmt: skip
_NAMES = {
    "shell": (("bash", "command"), ("run_shell", "cmd"), ("terminal", "input"), ("execute_command", "command"), ("shell", "script")),
    "sql": (("sql", "query"), ("query_database", "sql"), ("execute_sql", "statement"), ("postgres", "query")),
    "code": (("python", "code"), ("run_code", "source"), ("execute_python", "code"), ("notebook", "cell")),
    "path": (("read_file", "path"), ("write_file", "filename"), ("delete_file", "path"), ("open", "file")),
    "url": (("fetch", "url"), ("http_get", "url"), ("browser", "address"), ("web_fetch", "uri")),
    "text": (("send_email", "body"), ("post_message", "text"), ("create_note", "content"), ("search", "query"), ("delegate", "task"), ("save_memory", "fact")),
}  # fmt: skip
_POOLS = {"shell": _SHELL, "sql": _SQL, "code": _CODE, "path": _PATH, "url": _URL, "text": _TEXT}


def call(kind: str, value: str, rng: random.Random) -> str:
    """A call of a tool of some kind (`shell`, `sql`, `code`, `path`, `url`, `text`) with one argument.

    In the shapes frameworks give it: JSON of several layouts, a function call, or the argument bare.
    """
    tool, key = rng.choice(_NAMES[kind])
    draw = rng.random()
    if draw < 0.25:
        return value
    if draw < 0.4:
        return json.dumps({key: value})
    if draw < 0.55:
        return json.dumps({"tool": tool, "args": {key: value}})
    if draw < 0.7:
        return json.dumps({"name": tool, "arguments": {key: value, **_extra(rng)}})
    if draw < 0.8:
        return json.dumps({"function": tool, "parameters": {key: value}}, indent=1)
    if draw < 0.9:
        return f"{tool}({key}={value!r})"
    return f"{tool} {key}: {value}" if rng.random() < 0.5 else f"{tool}: {value}"


def _extra(rng: random.Random) -> dict[str, object]:
    return rng.choice(
        (
            {},
            {},
            {"timeout": rng.randint(5, 600)},
            {"cwd": "."},
            {"dry_run": False},
            {"limit": rng.randint(1, 50)},
        )
    )


_ASKED = ("Run {it}", "Please run `{it}`", "Execute: {it}", "Can you run this for me? {it}", "run `{it}` and tell me what it says", "What does `{it}` do?", "Why does {it} fail?", "{it}", "Use the terminal and type\n{it}", "I need the output of `{it}`.", "Explain {it}", "Query the database: {it}")  # fmt: skip


def asked(value: str, rng: random.Random) -> str:
    """A command in a user's words, who wants it run."""
    return rng.choice(_ASKED).replace("{it}", value)


def everyday_request(rng: random.Random) -> str:
    """A user's wish that an everyday command be run or explained."""
    pool = rng.choice((_SHELL, _SHELL, _SQL, _CODE))
    return asked(expand(rng.choice(pool), rng, {**WORDS, **_SLOTS}), rng)


def everyday(rng: random.Random) -> str:
    """An everyday call that looks dangerous."""
    kind = rng.choices(tuple(_POOLS), (6, 3, 2, 2, 2, 3))[0]
    return call(kind, expand(rng.choice(_POOLS[kind]), rng, {**WORDS, **_SLOTS}), rng)
