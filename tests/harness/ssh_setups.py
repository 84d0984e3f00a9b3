"""The ways in which people reach a workstation by SSH, each made for real: one server, many ports
with rules of their own, and a client's configuration for each set-up.

with ssh_setups.client(ground, monkeypatch) as client:
    host = setup.build(client)      writes `client.config`, which POSTRUN_SSH_CONFIG then names
    client.plain_ssh(host)          what `ssh` itself makes of it

A set-up is reached, or refused with some words of ssh's. `control` are options without which plain
ssh does something else than run a command (a terminal multiplexer, a forwarding); the project's own
SSH must do without them. OpenSSH takes `~` from the password database, not from HOME: everything
here has absolute paths.
"""

import contextlib
import os
import pwd
import re
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path

import pytest

from harness.sshd import HOST, Sshd, free_port, make_key

USER = pwd.getpwuid(os.getuid()).pw_name
# What each port of the server does otherwise than the first.
_RULES = {
    "one_session": "MaxSessions 1",
    "noisy": 'SetEnv "HOME={folder}/noisy"',
    "noisy_stderr": 'SetEnv "HOME={folder}/noisy_stderr"',
    "own_keys": "AuthorizedKeysFile {folder}/own_keys",
    "certificates": "AuthorizedKeysFile none\n    TrustedUserCAKeys {folder}/user_ca.pub",
    "few_tries": "MaxAuthTries 2",
    "wrapped": 'ForceCommand exec sh -c "$SSH_ORIGINAL_COMMAND"',
    "no_shell": "ForceCommand echo This account is not available.; exit 1",
    "shell_ends": "ForceCommand exit 0",
    "sftp": "ForceCommand internal-sftp",
}
_PROFILES = {
    "noisy": "echo Welcome to the bench\n",
    "noisy_stderr": "echo Welcome to the bench >&2\n",
}


class Ending(Enum):
    """What becomes of a set-up in this project."""

    REACHED = "reached"
    REFUSED = "refused"
    OUTAGE = "outage"
    COPY_REFUSED = "copy refused"  # probes are answered, rsync is not


class Ground:
    """The server, and the keys that the set-ups need. Everything is in `folder`."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.ports = {rule: free_port() for rule in _RULES}
        self.server = Sshd(folder / "sshd")
        self.ports["plain"] = self.server.port
        self.server.set_options(self._server_options())
        for name in ("host_ca", "user_ca", "stranger", "certified"):
            make_key(folder / name)
        make_key(folder / "locked", passphrase="secret")
        authorized = self.server.folder / "user_key.pub"
        with authorized.open("a") as keys:
            keys.write((folder / "locked.pub").read_text())
        self._sign("-s", "user_ca", "-I", "user", "-n", USER, "certified.pub")
        shutil.copy(self.server.folder / "host_key.pub", folder / "host.pub")
        self._sign("-s", "host_ca", "-h", "-I", "host", "-n", "127.0.0.1,bench.corp", "host.pub")
        for name, script in _PROFILES.items():
            (folder / name).mkdir()
            (folder / name / ".bashrc").write_text(script)

    def logins(self) -> int:
        """Return how often anybody logged in."""
        return (self.server.folder / "sshd.log").read_text().count("Accepted publickey")

    def _server_options(self) -> str:
        ports = [f"ListenAddress 127.0.0.1:{self.ports[rule]}\n" for rule in _RULES]
        text = f"{''.join(ports)}HostCertificate {self.folder}/host-cert.pub\n"
        # The fastest, by both of its names: there are many logins.
        text += "KexAlgorithms curve25519-sha256,curve25519-sha256@libssh.org\n"
        text += "AcceptEnv POSTRUN_TEST\nSubsystem sftp internal-sftp\n"
        if has_ipv6():
            text += f"ListenAddress [::1]:{self.ports['plain']}\n"
        for name, rule in _RULES.items():
            lines = rule.format(folder=self.folder)
            text += f"Match LocalPort {self.ports[name]}\n    {lines}\n"
        return text

    def _sign(self, *words: str) -> None:
        subprocess.run(["ssh-keygen", "-q", *words], cwd=self.folder, check=True)


@dataclass
class Client:
    """One configuration of ssh, being written; what was started for it ends with `ends`."""

    ground: Ground
    folder: Path
    patch: pytest.MonkeyPatch
    ends: contextlib.ExitStack
    master: subprocess.Popen[bytes] | None = None
    _logins_before: int = 0
    _checks: list[Callable[[], None]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.call_config("config")

    def call_config(self, name: str) -> None:
        """Give the file that POSTRUN_SSH_CONFIG names a name."""
        self.config = self.folder / name
        self.patch.setenv("POSTRUN_SSH_CONFIG", str(self.config))

    @property
    def runtime(self) -> Path:
        """Return the folder that XDG_RUNTIME_DIR names."""
        return self.folder / "run"

    @property
    def known_hosts(self) -> Path:
        """Return the file of host keys; it knows each port of the server."""
        return self.folder / "known_hosts"

    def host_key(self) -> str:
        """Return type and key of the server."""
        return " ".join((self.ground.folder / "host.pub").read_text().split()[:2])

    def key(self, name: str) -> Path:
        """Return one of the ground's private keys."""
        return self.ground.folder / name

    def block(self, name: str = HOST, port: str = "plain", **options: str | None) -> str:
        """Return a block of the configuration; options replace or (None) remove what works."""
        working: dict[str, str | None] = {
            "HostName": "127.0.0.1",
            "Port": str(self.ground.ports[port]),
            "User": USER,
            "IdentityFile": str(self.ground.server.folder / "user_key"),
            "IdentitiesOnly": "yes",
            "UserKnownHostsFile": str(self.known_hosts),
            "GlobalKnownHostsFile": "/dev/null",
        }
        lines = [f"Host {name}\n"]
        for key, value in (working | options).items():
            if value is not None:
                lines.append(f"    {key} {value}\n")
        return "".join(lines)

    def write(self, *parts: str) -> str:
        """Write the configuration; return the name of the host in it."""
        self.config.write_text("".join(parts))
        return HOST

    def put(self, name: str, text: str) -> Path:
        """Write another file; return its path."""
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        return path

    def ssh(self, *words: str) -> subprocess.CompletedProcess[str]:
        """Run ssh with this configuration."""
        command = ["ssh", "-F", str(self.config), "-o", "BatchMode=yes"]
        command += ["-o", "StrictHostKeyChecking=yes", *words]
        # ssh that forks into the background keeps pipes open: its words go to a file.
        with tempfile.TemporaryFile("w+") as errors:
            done = subprocess.run(
                command, stdin=subprocess.DEVNULL, stdout=errors, stderr=errors, timeout=30
            )
            errors.seek(0)
            return subprocess.CompletedProcess(command, done.returncode, "", errors.read())

    def plain_ssh(self, host: str, *options: str) -> subprocess.CompletedProcess[str]:
        """Run `true` on a host."""
        return self.ssh(*options, "--", host, "true")

    def start_agent(self, *keys: Path) -> Path:
        """Start an agent that holds these keys; return its socket."""
        path = self.folder / "agent"
        agent = subprocess.Popen(["ssh-agent", "-D", "-a", str(path)], stdout=subprocess.DEVNULL)
        self.ends.callback(_end, agent)
        _await(path.exists)
        environment = {**os.environ, "SSH_AUTH_SOCK": str(path)}
        subprocess.run(["ssh-add", "-q", *map(str, keys)], env=environment, check=True)
        return path

    def open_master(self, host: str) -> None:
        """Open a control connection as its user would, and see afterwards that it still serves."""
        command = ["ssh", "-F", str(self.config), "-M", "-N", host]
        self.master = subprocess.Popen(command, stdin=subprocess.DEVNULL)
        self.ends.callback(_end, self.master)
        _await(lambda: self.is_open(host))
        self._checks.append(lambda: _assert(self.is_open(host), "the user's master is gone"))

    def logins(self) -> int:
        """Return how often anybody logged in since this client was made."""
        return self.ground.logins() - self._logins_before

    def check(self) -> None:
        """See after the project's SSH that it left alone what it must, and left nothing behind."""
        for check in self._checks:
            check()
        assert [path for path in self.runtime.rglob("*") if path.is_socket()] == []

    def is_open(self, host: str) -> bool:
        """Return whether a control connection of the user's is open."""
        return self.ssh("-O", "check", host).returncode == 0

    def keep(self, path: Path) -> None:
        """See afterwards that a file has the same bytes, or is still missing."""
        before = path.read_bytes() if path.exists() else None

        def check() -> None:
            after = path.read_bytes() if path.exists() else None
            _assert(before == after, f"{path.name} was changed")

        self._checks.append(check)


@dataclass(frozen=True)
class Setup:
    """One way to reach a workstation, or to be refused by it."""

    name: str
    build: Callable[[Client], str]
    ending: Ending = Ending.REACHED
    words: str = ""  # a regular expression for what ssh or rsync says of a refusal
    control: tuple[str, ...] = ()
    # Whether plain ssh takes this name of a host: not `host:port`, and [::1] only in a newer one.
    has_control: bool = True
    since: tuple[int, int] = (0, 0)  # the first OpenSSH that has it
    needs_ipv6: bool = False

    @property
    def is_refused(self) -> bool:
        """Return whether something of it is refused, so that no waiting helps."""
        return self.ending in (Ending.REFUSED, Ending.COPY_REFUSED)

    def skip_where_impossible(self) -> None:
        """Skip the test on a machine that cannot have this set-up."""
        if openssh_version() < self.since:
            pytest.skip(f"OpenSSH {self.since[0]}.{self.since[1]} or newer")
        if self.needs_ipv6 and not has_ipv6():
            pytest.skip("no IPv6 on this machine")


SETUPS: dict[str, Setup] = {}


def _add(name: str, build: Callable[[Client], str], **facts: object) -> None:
    assert name not in SETUPS
    SETUPS[name] = Setup(name, build, **facts)  # type: ignore[arg-type]


def _setup(**facts: object) -> Callable[[Callable[[Client], str]], Callable[[Client], str]]:
    """Register a set-up under its function's name."""

    def register(build: Callable[[Client], str]) -> Callable[[Client], str]:
        _add(build.__name__.strip("_"), build, **facts)
        return build

    return register


def _options(name: str, port: str = "plain", *, facts: object = None, **options: str) -> None:
    """Register a set-up that is the working block with some options changed.

    `{folder}` is the client's folder, `{ground}` that of the server's keys.
    """

    def build(client: Client) -> str:
        places = {"folder": client.folder, "ground": client.ground.folder}
        changed = {key: value.format(**places) for key, value in options.items()}
        return client.write(client.block(port=port, **changed))

    _add(name, build, **(facts if isinstance(facts, dict) else {}))


def _refused(words: str, **more: object) -> dict[str, object]:
    return {"ending": Ending.REFUSED, "words": words, **more}


# --- where the configuration stands


@_setup()
def _include(client: Client) -> str:
    other = client.put("more/bench", client.block())
    return client.write(f"Include {other}\n")


@_setup()
def _include_by_pattern(client: Client) -> str:
    client.put("conf.d/10-other", "Host other\n    Port 1\n")
    client.put("conf.d/20-bench", client.block())
    return client.write(f"Include {client.folder}/conf.d/*\nInclude {client.folder}/none/*\n")


@_setup()
def _include_in_a_host_block(client: Client) -> str:
    client.put("port", f"Port {client.ground.ports['plain']}\n")
    return client.write(f"Host bench\n    Include {client.folder}/port\n", client.block(Port=None))


@_setup()
def _match_final_all(client: Client) -> str:
    return client.write(client.block(), "Match final all\n    ServerAliveInterval 20\n")


@_setup()
def _match_host(client: Client) -> str:
    port = client.ground.ports["plain"]
    match = f"Match originalhost bench host 127.0.0.1 user {USER}\n    Port {port}\n"
    return client.write(client.block(Port=None), match)


@_setup()
def _match_exec(client: Client) -> str:
    ports = client.ground.ports
    answers = f'Match host 127.0.0.1 exec "test -d {client.folder}"\n    Port {ports["plain"]}\n'
    does_not = f'Match host 127.0.0.1 exec "test -d {client.folder}/none"\n    Port 1\n'
    return client.write(client.block(Port=None), does_not, answers)


@_setup(since=(9, 4))
def _match_localnetwork(client: Client) -> str:
    port = client.ground.ports["plain"]
    match = f"Match localnetwork 127.0.0.0/8\n    Port {port}\n"
    return client.write(client.block(Port=None), match)


@_setup()
def _patterns_with_negation(client: Client) -> str:
    not_bench = "Host !bench *\n    Port 1\n    ProxyCommand false\n"
    return client.write(not_bench, client.block("b?nch !other", HostName="127.0.0.1"))


@_setup()
def _two_blocks_and_defaults(client: Client) -> str:
    port = client.ground.ports["plain"]
    mine = f"Host bench\n    Port {port}\n"
    return client.write(mine, client.block("bench other", Port="1"), "Host *\n    User nobody\n")


@_setup()
def _equals_quotes_comments(client: Client) -> str:
    key = client.ground.server.folder / "user_key"
    block = client.block(IdentityFile=None)
    return client.write(block, f'    identityfile="{key}"   # the key\n\n# the end\n')


@_setup()
def _canonicalize_hostname(client: Client) -> str:
    port = client.ground.ports["plain"]
    head = "CanonicalizeHostname always\nCanonicalizeMaxDots 0\n"
    block = client.block(Port=None)
    return client.write(head, block, f"Match canonical host 127.0.0.1\n    Port {port}\n")


@_setup()
def _configuration_with_a_blank(client: Client) -> str:
    client.call_config("my own config")
    return client.write(client.block())


@_setup()
def _configuration_with_a_quote(client: Client) -> str:
    client.call_config('hui\'s "config"')
    return client.write(client.block())


@_setup(since=(9, 4))
def _match_tagged(client: Client) -> str:
    port = client.ground.ports["plain"]
    return client.write(
        client.block(Port=None, Tag="desk"), f"Match tagged desk\n    Port {port}\n"
    )


_options("address_family", AddressFamily="inet")
_options("connect_timeout", ConnectTimeout="20", ConnectionAttempts="2")
_options("compression", Compression="yes")
_options("set_env", SetEnv="POSTRUN_TEST=yes", SendEnv="LANG LC_*")
_options("bind_address", BindAddress="127.0.0.1")
_options("server_alive", ServerAliveInterval="30", TCPKeepAlive="no")
_options("log_level_quiet", LogLevel="QUIET")
_options("log_level_debug", LogLevel="DEBUG3")
_options("batch_mode_no", BatchMode="no", StrictHostKeyChecking="ask")
_options("escape_and_visual_key", EscapeChar="none", VisualHostKey="yes")
_options("ignored_option", IgnoreUnknown="UseKeychain,AddKeys*", UseKeychain="yes")


@_setup()
def _environment_in_paths(client: Client) -> str:
    client.patch.setenv("POSTRUN_TEST_KEYS", str(client.ground.server.folder))
    return client.write(client.block(IdentityFile="${POSTRUN_TEST_KEYS}/user_key"))


@_setup()
def _tokens_in_paths(client: Client) -> str:
    shutil.copy(client.ground.server.folder / "user_key", client.folder / f"bench-{USER}")
    client.put("known-bench", client.known_hosts.read_text())
    known = f"{client.folder}/known-%k"
    key = f"{client.folder}/%n-%r"
    # %k is what the host's key is looked up by.
    client.put("known-bench", f"bench {client.host_key()}\n")
    return client.write(
        client.block(IdentityFile=key, UserKnownHostsFile=known, HostKeyAlias="bench")
    )


# --- what a host may be called


@_setup()
def _name_with_user(client: Client) -> str:
    client.write(client.block(User="nobody-here"))
    return f"{USER}@bench"


@_setup()
def _uri(client: Client) -> str:
    client.write(client.block("*", HostName=None, Port=None, User=None))
    return f"ssh://{USER}@127.0.0.1:{client.ground.ports['plain']}"


@_setup()
def _uri_of_a_name(client: Client) -> str:
    client.write(client.block())
    return "ssh://bench"


@_setup(has_control=False)
def _name_with_port(client: Client) -> str:
    client.write(client.block("*", HostName=None, Port=None, User=None))
    return f"{USER}@127.0.0.1:{client.ground.ports['plain']}"


@_setup(needs_ipv6=True)
def _ipv6(client: Client) -> str:
    client.write(client.block("*", HostName=None))
    return "::1"


@_setup(needs_ipv6=True)
def _ipv6_with_user(client: Client) -> str:
    client.write(client.block("*", HostName=None, User=None))
    return f"{USER}@::1"


@_setup(needs_ipv6=True, has_control=False)
def _ipv6_uri(client: Client) -> str:
    client.write(client.block("*", HostName=None, Port=None))
    return f"ssh://{USER}@[::1]:{client.ground.ports['plain']}"


@_setup(needs_ipv6=True)
def _ipv6_behind_a_name(client: Client) -> str:
    return client.write(client.block(HostName="::1"))


# --- keys of the user


@_setup()
def _several_identities(client: Client) -> str:
    stranger = f"Host *\n    IdentityFile {client.key('stranger')}\n    IdentityFile /no/such/key\n"
    return client.write(stranger, client.block(PubkeyAuthentication="yes"))


@_setup()
def _identity_agent(client: Client) -> str:
    agent = client.start_agent(client.ground.server.folder / "user_key")
    block = client.block(IdentityFile=None, IdentitiesOnly=None)
    return client.write(block, f"    IdentityAgent {agent}\n")


@_setup()
def _agent_of_the_environment(client: Client) -> str:
    agent = client.start_agent(client.ground.server.folder / "user_key")
    client.patch.setenv("SSH_AUTH_SOCK", str(agent))
    return client.write(client.block(IdentityFile=None, IdentitiesOnly=None))


@_setup()
def _agent_with_many_keys(client: Client) -> str:
    """IdentitiesOnly keeps the agent's other keys back, which would be too many."""
    strangers = [client.key(name) for name in ("stranger", "host_ca", "user_ca")]
    right = client.ground.server.folder / "user_key"
    agent = client.start_agent(*strangers, right)
    public = client.put("wanted.pub", right.with_suffix(".pub").read_text().splitlines()[0] + "\n")
    changed = {"IdentityAgent": str(agent), "IdentityFile": str(public)}
    return client.write(client.block(port="few_tries", **changed))


@_setup(**_refused("Too many authentication failures"))
def _too_many_keys(client: Client) -> str:
    strangers = [client.key(name) for name in ("stranger", "host_ca", "user_ca")]
    agent = client.start_agent(*strangers)
    block = client.block(port="few_tries", IdentitiesOnly=None, IdentityAgent=str(agent))
    return client.write(block)


@_setup()
def _passphrase_key_in_an_agent(client: Client) -> str:
    key = client.folder / "key"
    shutil.copy(client.key("locked"), key)
    shutil.copy(client.key("locked.pub"), client.folder / "key.pub")
    unlock = ["ssh-keygen", "-q", "-p", "-P", "secret", "-N", "", "-f", str(key)]
    subprocess.run(unlock, check=True, stdout=subprocess.DEVNULL)
    agent = client.start_agent(key)
    return client.write(
        client.block(IdentityFile=str(client.key("locked")), IdentityAgent=str(agent))
    )


@_setup()
def _user_certificate(client: Client) -> str:
    changed = {
        "IdentityFile": str(client.key("certified")),
        "CertificateFile": str(client.key("certified-cert.pub")),
    }
    return client.write(client.block(port="certificates", **changed))


_options(
    "passphrase_key_without_agent",
    IdentityFile="{ground}/locked",
    facts=_refused(r"Permission denied \("),
)
_options("wrong_key", IdentityFile="{ground}/stranger", facts=_refused(r"Permission denied \("))
_options(
    "wrong_key_and_quiet",
    IdentityFile="{ground}/stranger",
    LogLevel="QUIET",
    facts=_refused(r"Permission denied \(", control=("-o", "LogLevel=ERROR")),
)
_options("wrong_user", User="nobody-here", facts=_refused(r"Permission denied \("))
_options(
    "passwords_only",
    PreferredAuthentications="password,keyboard-interactive",
    facts=_refused(r"Permission denied \("),
)


@_setup(**_refused(r"Permission denied \("))
def _key_that_others_may_read(client: Client) -> str:
    key = client.put("open_key", (client.ground.server.folder / "user_key").read_text())
    key.chmod(0o644)
    return client.write(client.block(IdentityFile=str(key)))


# --- keys of the host


@_setup()
def _host_key_alias(client: Client) -> str:
    client.known_hosts.write_text(f"the-alias {client.host_key()}\n")
    return client.write(client.block(HostKeyAlias="the-alias"))


@_setup(since=(8, 5))
def _known_hosts_command(client: Client) -> str:
    client.put("keys_of_bench", client.known_hosts.read_text())
    client.known_hosts.write_text("")
    command = f"/bin/cat {client.folder}/keys_of_%n"
    return client.write(client.block(KnownHostsCommand=command))


@_setup()
def _hashed_known_hosts(client: Client) -> str:
    hash_them = ["ssh-keygen", "-q", "-H", "-f", str(client.known_hosts)]
    subprocess.run(hash_them, check=True, capture_output=True)
    return client.write(client.block())


@_setup()
def _two_known_hosts_files(client: Client) -> str:
    empty = client.put("known_hosts_empty", "")
    return client.write(client.block(UserKnownHostsFile=f"/no/such {empty} {client.known_hosts}"))


@_setup()
def _global_known_hosts(client: Client) -> str:
    everyones = client.put("everyones", client.known_hosts.read_text())
    return client.write(
        client.block(UserKnownHostsFile="/dev/null", GlobalKnownHostsFile=str(everyones))
    )


@_setup()
def _authority_of_other_hosts(client: Client) -> str:
    authority = (client.ground.folder / "host_ca.pub").read_text()
    _append(client.known_hosts, f"@cert-authority *.corp.example {authority}")
    return client.write(client.block())


@_setup()
def _authority_of_this_host(client: Client) -> str:
    authority = (client.ground.folder / "host_ca.pub").read_text()
    client.known_hosts.write_text(f"@cert-authority *.corp,[127.0.0.1]:* {authority}")
    return client.write(client.block())


@_setup()
def _authority_and_alias(client: Client) -> str:
    authority = (client.ground.folder / "host_ca.pub").read_text()
    client.known_hosts.write_text(f"@cert-authority *.corp {authority}")
    return client.write(client.block(HostKeyAlias="bench.corp"))


@_setup()
def _damaged_lines_of_other_hosts(client: Client) -> str:
    known = client.known_hosts.read_text()
    damaged = "other ssh-ed25519 AAAAC3Nza!!\nhalf ssh-ed\n\x00\xff\nthird ssh-rsa\n@strange a b\n"
    client.known_hosts.write_text(damaged + known + "last ssh-ed25519 AAAA")
    return client.write(client.block())


@_setup()
def _known_hosts_stay_as_they_are(client: Client) -> str:
    client.keep(client.known_hosts)
    return client.write(client.block(UpdateHostKeys="yes", HashKnownHosts="yes"))


@_setup(**_refused("is marked as revoked"))
def _revoked_host_key(client: Client) -> str:
    _append(client.known_hosts, f"@revoked * {client.host_key()}\n")
    return client.write(client.block())


@_setup(**_refused("Host key verification failed"))
def _revoked_by_file(client: Client) -> str:
    revoked = client.put("revoked", f"{client.host_key()}\n")
    return client.write(client.block(RevokedHostKeys=str(revoked)))


@_setup(**_refused("Host key verification failed"))
def _unknown_host_key(client: Client) -> str:
    client.known_hosts.write_text("")
    client.keep(client.known_hosts)
    return client.write(client.block())


@_setup(**_refused("Host key verification failed"))
def _unknown_host_key_that_the_user_accepts(client: Client) -> str:
    client.known_hosts.write_text("")
    client.keep(client.known_hosts)
    return client.write(client.block(StrictHostKeyChecking="no"))


@_setup(**_refused("HAS CHANGED"))
def _changed_host_key(client: Client) -> str:
    stranger = " ".join((client.ground.folder / "stranger.pub").read_text().split()[:2])
    known = client.known_hosts.read_text().replace(client.host_key(), stranger)
    client.known_hosts.write_text(known)
    return client.write(client.block())


# --- the way there


@_setup()
def _proxy_jump(client: Client) -> str:
    return client.write(client.block("hop", "no_shell"), client.block(ProxyJump="hop"))


@_setup()
def _two_jumps(client: Client) -> str:
    hops = client.block("hop", "no_shell") + client.block("second-hop", "noisy")
    return client.write(hops, client.block(ProxyJump="hop,second-hop"))


@_setup()
def _proxy_command(client: Client) -> str:
    ssh = f"ssh -F {client.config} -W %h:%p hop"
    return client.write(client.block("hop", "no_shell"), client.block(ProxyCommand=ssh))


@_setup(**_refused("Host key verification failed"))
def _unknown_jump_host(client: Client) -> str:
    hop = client.block("hop", UserKnownHostsFile="/dev/null")
    return client.write(hop, client.block(ProxyJump="hop"))


@_setup(**_refused(r"Permission denied \("))
def _refused_by_the_jump_host(client: Client) -> str:
    hop = client.block("hop", User="nobody-here")
    return client.write(hop, client.block(ProxyJump="hop"))


@_setup()
def _open_connection(client: Client) -> str:
    """The only way in: no key is accepted any more."""
    keys = client.ground.folder / "own_keys"
    keys.write_text((client.ground.server.folder / "user_key.pub").read_text())
    control = {"ControlPath": f"{client.folder}/%C", "ControlMaster": "auto"}
    client.write(client.block(port="own_keys", **control))
    client.open_master(HOST)
    keys.write_text("")
    return HOST


@_setup()
def _open_connection_to_the_jump_host(client: Client) -> str:
    """As where a gate asks for a one-time code."""
    keys = client.ground.folder / "own_keys"
    keys.write_text((client.ground.server.folder / "user_key.pub").read_text())
    hop = client.block("hop", "own_keys", ControlPath=f"{client.folder}/hop")
    client.write(hop, client.block(ProxyJump="hop"))
    client.open_master("hop")
    keys.write_text("")
    return HOST


@_setup()
def _open_connection_with_one_session(client: Client) -> str:
    client.write(client.block(port="one_session", ControlPath=f"{client.folder}/open"))
    client.open_master(HOST)
    return HOST


@_setup()
def _open_connection_of_config_no(client: Client) -> str:
    client.write(client.block(ControlPath=f"{client.folder}/open", ControlMaster="no"))
    client.open_master(HOST)
    return HOST


@_setup(control=("-o", "ControlPath=none"))
def _control_master_auto(client: Client) -> str:
    """Ours is not left behind in the user's place."""
    path = client.folder / "own"
    client.keep(path)
    control = {"ControlMaster": "auto", "ControlPersist": "600", "ControlPath": str(path)}
    return client.write(client.block(**control))


@_setup()
def _control_socket_of_a_dead_master(client: Client) -> str:
    path = client.folder / "own"
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(path))
    return client.write(client.block(ControlPath=str(path)))


@_setup(control=("-o", "ControlPath=none"))
def _control_path_too_long(client: Client) -> str:
    path = f"{client.folder}/{'long' * 30}"
    return client.write(client.block(ControlPath=path, ControlMaster="auto"))


_options("one_session", "one_session")
_options("forced_command_that_runs_ours", "wrapped")
_options(
    "no_common_algorithm",
    KexAlgorithms="diffie-hellman-group14-sha256",
    facts=_refused("Unable to negotiate with"),
)


# --- what a host block does besides


_options(
    "remote_command", RemoteCommand="exec sleep 30", facts={"control": ("-o", "RemoteCommand=none")}
)
_options("request_tty", RequestTTY="force")
_options(
    "session_type_none",
    SessionType="none",
    facts={"control": ("-o", "SessionType=default"), "since": (8, 7)},
)
_options(
    "session_type_subsystem",
    SessionType="subsystem",
    facts={"control": ("-o", "SessionType=default"), "since": (8, 7)},
)
_options("stdin_null", StdinNull="yes", facts={"since": (8, 7)})
_options("fork_after_authentication", ForkAfterAuthentication="yes", facts={"since": (8, 7)})
_options("forward_agent", ForwardAgent="yes")
_options("forward_x11", ForwardX11="yes", ForwardX11Trusted="yes")


@_setup(control=("-o", "ClearAllForwardings=yes"))
def _forward_of_a_port_in_use(client: Client) -> str:
    port = client.ground.ports["plain"]
    forward = {"LocalForward": f"127.0.0.1:{port} 127.0.0.1:1", "ExitOnForwardFailure": "yes"}
    return client.write(client.block(**forward))


@_setup(control=("-o", "ClearAllForwardings=yes"))
def _remote_and_dynamic_forward(client: Client) -> str:
    port = client.ground.ports["plain"]
    forward = {"RemoteForward": f"127.0.0.1:{port} 127.0.0.1:1", "ExitOnForwardFailure": "yes"}
    return client.write(client.block(DynamicForward=f"127.0.0.1:{port}", **forward))


@_setup(control=("-o", "PermitLocalCommand=no"))
def _local_command(client: Client) -> str:
    touched = client.folder / "touched"
    client.keep(touched)
    return client.write(client.block(PermitLocalCommand="yes", LocalCommand=f"touch {touched}"))


@_setup(control=("-o", "PermitLocalCommand=no"))
def _local_command_that_prints(client: Client) -> str:
    return client.write(client.block(PermitLocalCommand="yes", LocalCommand="echo hello"))


# --- what the login shell does


_options(
    "noisy_shell",
    "noisy",
    facts={"ending": Ending.COPY_REFUSED, "words": "is your shell clean"},
)
_options("noisy_on_stderr", "noisy_stderr")
_options("no_shell", "no_shell", facts=_refused("This account is not available"))
_options("shell_that_ends", "shell_ends", facts=_refused(""))
_options("sftp_only", "sftp", facts=_refused("This service allows sftp connections only"))


# --- what is no set-up at all


_options("bad_option", Bogus="yes", facts=_refused("Bad configuration option"))
_options("bad_value", Port="many", facts=_refused("Bad port"))
_options("port_closed", Port="1", facts={"ending": Ending.OUTAGE, "words": "Connection refused"})
_options(
    "proxy_command_that_fails",
    ProxyCommand="false",
    facts={"ending": Ending.OUTAGE, "words": "closed by|Broken pipe|banner exchange"},
)
_options(
    "unresolvable_name",
    HostName="no-such-host.invalid",
    facts=_refused("Could not resolve hostname"),
)


@contextlib.contextmanager
def client(ground: Ground, patch: pytest.MonkeyPatch) -> Iterator[Client]:
    """Yield a client whose configuration is empty, and which knows the server's key."""
    # A socket's path must be short: not below pytest's folders.
    with (
        tempfile.TemporaryDirectory(prefix="ssh-", dir="/tmp") as name,
        contextlib.ExitStack() as ends,
    ):
        made = Client(ground, Path(name), patch, ends, _logins_before=ground.logins())
        names = [f"[127.0.0.1]:{port}" for port in ground.ports.values()]
        names.append(f"[::1]:{ground.ports['plain']}")
        made.known_hosts.write_text(f"{','.join(names)} {made.host_key()}\n")
        made.runtime.mkdir(mode=0o700)
        patch.setenv("XDG_RUNTIME_DIR", str(made.runtime))
        patch.delenv("SSH_AUTH_SOCK", raising=False)
        yield made


def openssh_version() -> tuple[int, int]:
    """Return the version of this machine's ssh."""
    said = subprocess.run(["ssh", "-V"], capture_output=True, text=True, check=True).stderr
    found = re.search(r"OpenSSH_(\d+)\.(\d+)", said)
    assert found, said
    return int(found[1]), int(found[2])


def has_ipv6() -> bool:
    """Return whether ::1 is an address of this machine."""
    try:
        with socket.socket(socket.AF_INET6) as probe:
            probe.bind(("::1", 0))
    except OSError:
        return False
    return True


def _append(path: Path, text: str) -> None:
    with path.open("a") as out:
        out.write(text)


def _end(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    process.wait(60)


def _await(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < deadline, "not within 10 s"
        time.sleep(0.02)


def _assert(condition: bool, words: str) -> None:
    assert condition, words


@pytest.fixture(scope="module")
def ground(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ground]:
    """Yield the servers and keys of all set-ups, which the tests of one module share."""
    made = Ground(tmp_path_factory.mktemp("ground"))
    made.server.start()
    try:
        yield made
    finally:
        made.server.stop()
