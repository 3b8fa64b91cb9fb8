"""Contracts: the laws that every plug-in of a kind keeps, as functions; `labelbench check` and the tests call them."""

from labelbench_ray.contracts.checking import check
from labelbench_ray.contracts.law import ContractViolation, Finding, Law, Verdict

__all__ = ["ContractViolation", "Finding", "Law", "Verdict", "check"]
