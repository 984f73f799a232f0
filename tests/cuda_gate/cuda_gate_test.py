#!/usr/bin/env python3
"""Tests of tools/cuda_gate.py and tools/cubin.py on kernels.cu, compiled for sm_86 and sm_90a."""

import pathlib
import sys
import tempfile
import unittest

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent.parent / "tools"))

import cubin
import cuda_gate

KERNELS = HERE / "kernels.cu"
ROOMY = {"kernel": ".*", "registers": 255, "local_bytes": 1 << 20, "why": "for the test"}


class BranchTest(unittest.TestCase):
    """The words and the distances are nvdisasm's."""

    def test_sm_86_counts_from_bit_34(self):
        self.assertEqual(cubin.branch_offset(0x0000171000008947, 0x000FEA0003800000, 86), 0x1710)
        self.assertEqual(cubin.branch_offset(0xFFFFF2D000008947, 0x001FEA000383FFFF, 86), -0xD30)

    def test_sm_90_keeps_eight_bits_apart(self):
        self.assertEqual(cubin.branch_offset(0x0000000000440947, 0x000FEA0003800000, 90), 0x110)
        self.assertEqual(cubin.branch_offset(0xFFFFFFFC00C48947, 0x000FEC000383FFFF, 90), -0xF0)


class OutputTest(unittest.TestCase):
    def test_reads_what_ptxas_says(self):
        found, warnings = cuda_gate.parse_output(
            "ptxas warning : Potential Performance Loss: wgmma.mma_async (C7510)\n"
            "ptxas info    : 0 bytes gmem\n"
            "ptxas info    : Compiling entry function '_Z1fv' for 'sm_86'\n"
            "ptxas info    : Function properties for _Z1gv\n"
            "    48 bytes stack frame, 0 bytes spill stores, 0 bytes spill loads\n"
            "ptxas info    : Function properties for _Z1fv\n"
            "    16 bytes stack frame, 4 bytes spill stores, 8 bytes spill loads\n"
            "ptxas info    : Used 40 registers, used 1 barriers, 64 bytes cumulative stack size, 1024 bytes smem\n"
        )

        self.assertEqual(found, {"_Z1fv": (40, 64, 12, 1024)})
        self.assertEqual(len(warnings), 1)


class NameTest(unittest.TestCase):
    def test_leaves_out_namespaces_and_parameters(self):
        for demangled, name in {
            "void trellis::cuda::(anonymous namespace)::gemv<4, (trellis::exl3::Codebook)2>(int (*)(), float)":
                "gemv<4, (Codebook)2>",
            "void trellis::cuda::embed<__half>(int const*, __half const*)": "embed<__half>",
            "reversed(int*)": "reversed",
            "plain_c_name": "plain_c_name",
        }.items():
            self.assertEqual(cuda_gate.short_name(demangled), name)


class GateTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.TemporaryDirectory()
        cls.compiler = cuda_gate.Compiler(cuda_gate.find_nvcc(), pathlib.Path(cls.folder.name))
        cls.kernels = []
        for arch in ("86", "90a"):
            found, complaints = cuda_gate.measure(cls.compiler, KERNELS, arch)
            assert not complaints, complaints
            cls.kernels.extend(found)

    @classmethod
    def tearDownClass(cls):
        cls.folder.cleanup()

    def named(self, name):
        found = [kernel for kernel in self.kernels if name in kernel.name]
        self.assertEqual([kernel.arch for kernel in found], ["86", "90a"])
        return found

    def complaints(self, name, **limits):
        return list(cuda_gate.check(self.named(name), [{**ROOMY, **limits}]))

    def test_a_spill_is_never_allowed(self):
        complaints = self.complaints("too_many_values")

        self.assertEqual(len(complaints), 2)
        for complaint in complaints:
            self.assertRegex(complaint, r"too_many_values: sm_\w+: spills \d+ bytes")

    def test_local_memory_has_to_be_allowed(self):
        self.assertEqual(self.complaints("local_table"), [])
        for complaint in self.complaints("local_table", local_bytes=0):
            self.assertIn("uses 256 bytes of local memory", complaint)
        self.assertEqual(len(self.complaints("local_table", local_bytes=0)), 2)

    def test_registers_are_held_to_their_budget(self):
        most = max(kernel.registers for kernel in self.named("dot_products<8>"))

        self.assertEqual(self.complaints("dot_products<8>", registers=most), [])
        self.assertEqual(len(self.complaints("dot_products<8>", registers=8)), 2)

    def test_shared_memory_is_held_to_its_budget(self):
        self.assertEqual(self.complaints("reversed", shared_bytes=1024), [])
        self.assertIn("1024 bytes of shared memory", self.complaints("reversed", shared_bytes=512)[0])

    def test_opcodes_are_required_and_forbidden(self):
        self.assertEqual(self.complaints("dot_products<4>", require=["IDP", "LDG"], forbid=["LDL", "STL"]), [])
        self.assertIn("has no IMMA", self.complaints("dot_products<4>", require=["IMMA"])[0])
        self.assertIn("has 4 IDP", self.complaints("dot_products<4>", forbid=["IDP"])[0])
        self.assertRegex(self.complaints("local_table", forbid=["STL"])[0], r"has \d+ STL")

    def test_the_main_loop_holds_as_many_dot_products_as_the_source(self):
        for ops in (4, 8):
            for kernel in self.named(f"dot_products<{ops}>"):
                loop = kernel.code.main_loop("IDP")
                self.assertEqual(kernel.code.count("IDP", loop), ops)
                self.assertEqual(kernel.code.count("LDG", loop), ops)

    def test_instructions_are_counted_by_weight(self):
        # Each dot product takes itself and a load; the rest of the loop is shared among eight.
        rule = {"opcode": "IDP", "weights": 4, "most": 1.0}
        for kernel in self.named("dot_products<8>"):
            spent = cuda_gate.per_weight(kernel, rule)
            self.assertGreater(spent, 2 / 4)
            self.assertLess(spent, 4 / 4)
        self.assertEqual(self.complaints("dot_products<8>", instructions_per_weight=rule), [])
        self.assertEqual(len(self.complaints("dot_products<8>", instructions_per_weight={**rule, "most": 0.5})), 2)
        self.assertIn(
            "has no loop with IDP", self.complaints("reversed", instructions_per_weight=rule)[0]
        )
        self.assertIn(
            "has LDG in its main loop",
            self.complaints("dot_products<8>", instructions_per_weight=rule, loop_forbid=["LDG"])[0],
        )

    def test_the_first_budget_that_fits_counts(self):
        budgets = [{**ROOMY, "kernel": "dot_products<4>", "archs": ["86"], "registers": 1}, ROOMY]

        complaints = list(cuda_gate.check(self.named("dot_products<4>"), budgets))

        self.assertEqual(len(complaints), 1)
        self.assertIn("sm_86: takes", complaints[0])

    def test_a_budget_without_a_kernel_is_named(self):
        budgets = [{**ROOMY, "kernel": "dot_product<"}, ROOMY]

        self.assertEqual(
            list(cuda_gate.check_names(self.kernels, budgets)),
            ['budget "dot_product<": no kernel has this name'],
        )

    def test_a_source_that_did_not_change_is_not_compiled_again(self):
        class Refusal(cuda_gate.Compiler):
            def __init__(self, other):
                self.nvcc, self.folder, self.key = "/no/such/nvcc", other.folder, other.key

        found, complaints = cuda_gate.measure(Refusal(self.compiler), KERNELS, "86")

        self.assertEqual(complaints, [])
        self.assertEqual(len(found), 5)


if __name__ == "__main__":
    unittest.main()
