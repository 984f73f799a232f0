"""Reads the machine code of kernels out of a cubin: an ELF file with one .text section a kernel.

Instructions of Volta and later have 128 bits, of which the low 9 name the operation; what stands above
them tells the forms of its operands apart. The names and the place of a branch's target were read off
nvdisasm's output for sm_86 and sm_90a.
"""

import dataclasses
import struct

INSTRUCTION_BYTES = 16
BRANCH = 0x147
OPCODES = {
    0x002: "MOV", 0x005: "CS2R", 0x006: "VOTE", 0x007: "SEL", 0x008: "FSEL", 0x009: "FMNMX", 0x00B: "FSETP",
    0x00C: "ISETP", 0x010: "IADD3", 0x011: "LEA", 0x012: "LOP3", 0x013: "IABS", 0x016: "PRMT", 0x017: "IMNMX",
    0x019: "SHF", 0x01A: "SGXT", 0x01C: "PLOP3", 0x020: "FMUL", 0x021: "FADD", 0x023: "FFMA", 0x024: "IMAD",
    0x025: "IMAD.WIDE", 0x026: "IDP", 0x027: "IMAD.HI", 0x028: "DMUL", 0x029: "DADD", 0x02B: "DFMA",
    0x02D: "PREEXIT", 0x02E: "ACQBULK", 0x02F: "ELECT", 0x030: "HADD2", 0x031: "HFMA2", 0x032: "HMUL2",
    0x035: "HFMA2", 0x036: "VIADD", 0x037: "IMMA", 0x03B: "LDSM", 0x03C: "HMMA", 0x03E: "F2FP", 0x040: "HMNMX2",
    0x044: "STSM", 0x045: "I2FP", 0x048: "VIMNMX", 0x082: "UMOV", 0x086: "VOTEU", 0x08C: "UISETP", 0x090: "UIADD3",
    0x091: "ULEA", 0x092: "ULOP3", 0x097: "UIADD3", 0x099: "USHF", 0x0A4: "UIMAD", 0x0A5: "UIMAD.WIDE", 0x0B9: "ULDC",
    0x0CA: "R2UR", 0x100: "FLO", 0x101: "BREV", 0x102: "FCHK", 0x105: "F2I", 0x106: "I2F", 0x108: "MUFU",
    0x109: "POPC", 0x110: "F2F", 0x118: "NOP", 0x119: "S2R", 0x11A: "DEPBAR", 0x11C: "B2R", 0x11D: "BAR",
    0x141: "BSYNC", 0x143: "CALL", 0x144: "CALL", 0x145: "BSSY", BRANCH: "BRA", 0x148: "WARPSYNC", 0x14D: "EXIT",
    0x150: "RET", 0x15D: "NANOSLEEP", 0x181: "LDG", 0x182: "LDC", 0x183: "LDL", 0x184: "LDS", 0x185: "ST",
    0x186: "STG", 0x187: "STL", 0x188: "STS", 0x189: "SHFL", 0x18C: "ATOMS", 0x18E: "RED", 0x18F: "CCTL",
    0x192: "MEMBAR", 0x1A1: "MATCH", 0x1A3: "ATOMG", 0x1A7: "SYNCS", 0x1A8: "ATOMG", 0x1A9: "ATOMG", 0x1AB: "ERRBAR",
    0x1AC: "LDCU", 0x1AE: "LDGSTS", 0x1AF: "LDGDEPBAR", 0x1B2: "SYNCS", 0x1BA: "UBLKCP", 0x1C3: "S2UR",
    0x1C4: "REDUX", 0x1C5: "WARPGROUP", 0x1C6: "FENCE", 0x1C8: "USETMAXREG", 0x1F0: "HGMMA",
}  # fmt: skip


@dataclasses.dataclass(frozen=True)
class Loop:
    """The instructions from the target of a backward branch to the branch, both included."""

    begin: int
    end: int

    def holds(self, other):
        return self != other and self.begin <= other.begin and other.end <= self.end


class Code:
    """What one kernel executes, in the order of its addresses."""

    def __init__(self, text, compute_capability):
        words = list(struct.iter_unpack("<QQ", text))
        self.opcodes = [OPCODES.get(low & 0x1FF, hex(low & 0x1FF)) for low, _ in words]
        self.loops = []
        for index, (low, high) in enumerate(words):
            if low & 0x1FF == BRANCH:
                target = index + 1 + branch_offset(low, high, compute_capability) // INSTRUCTION_BYTES
                if target < index:  # one to itself is what fills the end of a kernel
                    self.loops.append(Loop(target, index + 1))
        while self.opcodes and self.opcodes[-1] in ("NOP", "BRA"):  # that end
            self.opcodes.pop()

    def count(self, opcode, loop=None):
        opcodes = self.opcodes[loop.begin : loop.end] if loop else self.opcodes
        return opcodes.count(opcode)

    def main_loop(self, opcode):
        """Of the innermost loops that hold an opcode the one that holds most of it, or None."""
        candidates = [loop for loop in self.loops if self.count(opcode, loop)]
        innermost = [loop for loop in candidates if not any(loop.holds(other) for other in candidates)]
        return max(innermost, key=lambda loop: self.count(opcode, loop), default=None)


def branch_offset(low, high, compute_capability):
    """Bytes from the end of a branch to its target: 48 bits in units of 4, from sm_90 on with 8 more below them."""
    bits, width = (low | high << 64) >> 34 & (1 << 48) - 1, 48
    if compute_capability >= 90:
        bits, width = bits << 8 | low >> 16 & 0xFF, 56
    return 4 * (bits - (1 << width) if bits >> (width - 1) else bits)


def read_kernels(data, compute_capability):
    """Code by mangled name. data: the bytes of a cubin."""
    if data[:4] != b"\x7fELF":
        raise ValueError("no ELF file")
    table, (count, names_index) = struct.unpack_from("<Q", data, 0x28)[0], struct.unpack_from("<HH", data, 0x3C)
    sections = [struct.unpack_from("<IIQQQQ", data, table + 64 * index) for index in range(count)]
    names = sections[names_index][4]
    kernels = {}
    for name_offset, _, _, _, offset, size in sections:
        name = data[names + name_offset : data.index(b"\0", names + name_offset)].decode()
        if name.startswith(".text."):
            kernels[name[len(".text.") :]] = Code(data[offset : offset + size], compute_capability)
    return kernels
