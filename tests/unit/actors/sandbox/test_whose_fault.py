"""Whose fault a sandbox's death was."""

from __future__ import annotations

import signal

import pytest

from actors.sandbox.launcher import fault_of
from protocol.sandbox import Fault

CORE_DUMPED = 0x80


@pytest.mark.parametrize("number", [signal.SIGSEGV, signal.SIGABRT, signal.SIGSYS, signal.SIGXCPU, signal.SIGBUS])
@pytest.mark.parametrize("core", [0, CORE_DUMPED])
@pytest.mark.parametrize("deadline_hit", [False, True])
def test_what_only_a_script_can_bring_about_is_the_scripts(number: int, core: int, deadline_hit: bool) -> None:
    assert fault_of(number | core, 0.0, deadline_hit) is Fault.SCRIPT


def test_a_deadline_with_cpu_used_is_the_scripts() -> None:
    assert fault_of(signal.SIGKILL, 1.0, True) is Fault.SCRIPT


def test_a_deadline_without_cpu_used_is_not() -> None:
    assert fault_of(signal.SIGKILL, 0.001, True) is Fault.OUTSIDE


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_a_kill_from_elsewhere_is_not_the_scripts_whatever_cpu_it_used(number: int) -> None:
    assert fault_of(number, 10.0, False) is Fault.OUTSIDE


@pytest.mark.parametrize("code", [0, 70])
def test_an_exit_is_not_the_scripts(code: int) -> None:
    assert fault_of(code << 8, 10.0, False) is Fault.OUTSIDE
