"""Transcribes the sample in a process that cannot reach a network, and tells whether anything tried to.

``python -m earshot.cli._sealed`` prints one JSON object. ``earshot doctor --offline`` runs it. Two guards:
Python's audit events, which name whoever uses a socket, and on Linux a seccomp filter in the kernel, which
ends the process at the first internet socket of any library, Python or not.
"""

from __future__ import annotations

import ctypes
import json
import os
import platform
import signal
import struct
import sys
from typing import Any

_AUDIT_ARCH = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}  # linux/audit.h
_SOCKET_CALL = {"x86_64": 41, "aarch64": 198}  # asm/unistd.h
_AF_INET, _AF_INET6 = 2, 10
_PR_SET_NO_NEW_PRIVS, _PR_SET_SECCOMP, _SECCOMP_MODE_FILTER = 38, 22, 2  # linux/prctl.h
_KILL_PROCESS, _ALLOW = 0x80000000, 0x7FFF0000  # linux/seccomp.h
_LOAD, _JUMP_IF_EQUAL, _RETURN = 0x20, 0x15, 0x06  # linux/bpf_common.h

KILLED_BY_FILTER = -int(getattr(signal, "SIGSYS", 31))


def forbid_sockets() -> list[str]:
    """From now on every use of Python's sockets fails. Returns the list to which the attempts are added."""
    attempts: list[str] = []

    def guard(event: str, arguments: tuple[Any, ...]) -> None:
        if event.startswith("socket."):
            attempts.append(f"{event} {arguments[1:]}")
            raise PermissionError(f"{event} while sockets are forbidden")

    sys.addaudithook(guard)
    return attempts


def forbid_internet_sockets_in_kernel() -> bool:
    """Have Linux end this process when anything opens an IPv4 or IPv6 socket. False where it cannot.

    Needs no rights; holds for the process, its threads and children, for good.
    """
    machine = platform.machine()
    if sys.platform != "linux" or machine not in _SOCKET_CALL or struct.calcsize("P") != 8:
        return False
    program = _filter(_AUDIT_ARCH[machine], _SOCKET_CALL[machine])
    code = ctypes.create_string_buffer(program, len(program))
    header = ctypes.create_string_buffer(struct.pack("@HxxxxxxP", len(program) // 8, ctypes.addressof(code)))
    prctl = ctypes.CDLL(None, use_errno=True).prctl
    prctl.argtypes = [ctypes.c_int, *[ctypes.c_ulong] * 4]
    if prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0):
        return False
    return not prctl(_PR_SET_SECCOMP, _SECCOMP_MODE_FILTER, ctypes.addressof(header), 0, 0)


def _filter(architecture: int, socket_call: int) -> bytes:
    """Classic BPF over struct seccomp_data: call number at 0, architecture at 4, first argument at 16."""
    instructions = [
        (_LOAD, 0, 0, 4),
        (_JUMP_IF_EQUAL, 0, 6, architecture),
        (_LOAD, 0, 0, 0),
        (_JUMP_IF_EQUAL, 0, 4, socket_call),
        (_LOAD, 0, 0, 16),
        (_JUMP_IF_EQUAL, 1, 0, _AF_INET),
        (_JUMP_IF_EQUAL, 0, 1, _AF_INET6),
        (_RETURN, 0, 0, _KILL_PROCESS),
        (_RETURN, 0, 0, _ALLOW),
    ]
    return b"".join(struct.pack("<HBBI", *instruction) for instruction in instructions)


def main() -> None:
    """Close the doors, then do the work. A library's own notes on standard output do not matter."""
    is_kernel_guarded = forbid_internet_sockets_in_kernel()
    attempts = forbid_sockets()
    from earshot.cli._sample import hear_sample

    engine = sys.argv[1] if len(sys.argv) > 1 else "moonshine"
    heard = hear_sample(engine)
    result = {
        "attempts": attempts,
        "is_kernel_guarded": is_kernel_guarded,
        "is_unplugged": os.environ.get("EARSHOT_UNPLUGGED") == "1",
        "text": heard.text,
        "is_right": heard.is_right,
    }
    print(json.dumps(result))


if __name__ == "__main__":
    main()
