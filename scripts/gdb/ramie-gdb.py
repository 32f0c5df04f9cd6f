"""Fibers in gdb: of a running process or of its core file, whatever the optimization, without debug information.

    (gdb) source /usr/local/share/ramie/ramie-gdb.py
    (gdb) ramie fibers            one line per fiber: id, name, state, home thread, stack in use, where it was made
    (gdb) ramie bt ID             the backtrace of one
    (gdb) ramie bt all            of all that have a stack

Nothing in the process is changed, not even registers: an unwinder tells gdb that the caller of the selected thread's
newest frame is the parked fiber, and gdb walks on from there; that one frame is left out of what is printed. What is
where, the library says itself, in ramie_gdb_layout_v0 (src/fiber/debugger_layout.hpp).
"""
import re
import struct

import gdb
import gdb.unwinder

NONE = 0xFFFFFFFF
LOST, RUNNING, CREATED, ENDED = 0, 1, 3, 5
TAG_TRANSFERRED, TAG_MASK = 2, 7

# Registers by processor: program counter, stack pointer, frame pointer, the other one that a switch saves, and the one
# that a thread's words lie near to (on which side of it).
PROCESSORS = {
    "i386:x86-64": ("rip", "rsp", "rbp", "rbx", "fs_base", -1),
    "aarch64": ("pc", "sp", "x29", "x19", "tpidr", +1),
}


def read(address, length):
    return bytes(gdb.selected_inferior().read_memory(address, length))


def word(address):
    return struct.unpack("<Q", read(address, 8))[0]


def half(address):
    return struct.unpack("<I", read(address, 4))[0]


def text(address):
    if address == 0:
        return ""
    found = b""
    while b"\0" not in found and len(found) < 1024:
        page_rest = 4096 - (address + len(found)) % 4096
        found += read(address + len(found), min(page_rest, 128))
    return found.split(b"\0")[0].decode(errors="replace")


def processor():
    name = gdb.selected_inferior().architecture().name() if hasattr(gdb.Inferior, "architecture") else \
        gdb.selected_frame().architecture().name()
    if name not in PROCESSORS:
        raise gdb.GdbError("ramie: no knowledge of the processor %s" % name)
    return PROCESSORS[name]


def register(frame, name):
    return int(frame.read_register(name)) & 0xFFFFFFFFFFFFFFFF


class Layout:
    """What ramie_gdb_layout_v0 says."""

    def __init__(self):
        try:
            address = int(gdb.parse_and_eval("(unsigned long)&ramie_gdb_layout_v0"))
        except gdb.error:
            raise gdb.GdbError("ramie: this program has no symbol ramie_gdb_layout_v0: it is not linked with libramie-fiber, "
                               "has been stripped, or is not loaded yet")
        try:
            fields = struct.unpack("<IIQQ26I", read(address, 24 + 26 * 4))
        except gdb.MemoryError:
            raise gdb.GdbError("ramie: the program does not run; start it or load a core file")
        (_, self.is_root_flag, self.chunk_count, self.chunks) = fields[:4]
        (self.blocks, self.blocks_per_chunk, self.block_bytes, self.cold, self.cold_bytes) = fields[4:9]
        (self.word, self.home, self.resumer_sp, self.flags, self.id, self.low, self.high) = fields[9:16]
        (self.name, self.file, self.line, self.slot, self.held_resumer_sp) = fields[16:21]
        (self.colour, self.current) = fields[21:23]
        (self.pc, self.saved, self.fp, self.sp, self.resumer, self.bytes, self.resumer_bytes) = fields[23:30]


class Fiber:
    def __init__(self, layout, address, block, cold):
        at = lambda offset: struct.unpack_from("<Q", block, offset)[0]
        self.address = address
        self.word, self.home, self.id = at(layout.word), at(layout.home), at(layout.id)
        self.low, self.high = at(layout.low), at(layout.high)
        self.is_root = struct.unpack_from("<I", block, layout.flags)[0] & layout.is_root_flag != 0
        self.name = text(struct.unpack_from("<Q", cold, layout.name)[0])
        self.file = text(struct.unpack_from("<Q", cold, layout.file)[0])
        self.line = struct.unpack_from("<I", cold, layout.line)[0]
        held = struct.unpack_from("<Q", cold, layout.held_resumer_sp)[0]
        self.resumer_sp = held or at(layout.resumer_sp)
        slot = struct.unpack_from("<Q", cold, layout.slot)[0]
        self.top = self.high
        if slot != 0 and not self.is_root:
            self.top -= struct.unpack("<H", read(slot + layout.colour, 2))[0]
        self.parked = None  # where it waits: the stack pointer, and whether it waits for one that it resumed
        self.thread = None  # the gdb thread that runs on its stack now
        if self.word & 1 == 0 and self.word != LOST:
            self.parked = (self.word & ~TAG_MASK, False)

    def state(self):
        if self.word in (LOST, RUNNING, CREATED, ENDED):
            if self.word == RUNNING:
                return "resuming" if self.parked else "running"
            return {LOST: "left behind", CREATED: "created", ENDED: "terminated"}[self.word]
        return "transferred" if self.word & TAG_TRANSFERRED else "suspended"

    def has_child(self):
        """Whether resumer_sp means something: it runs, or has left by transfer after it was resumed."""
        return self.resumer_sp != 0 and (self.word == RUNNING or self.state() == "transferred")


def all_fibers(layout):
    """Every fiber and every thread's root, oldest first."""
    fibers = []
    for number in range(word(layout.chunk_count)):
        chunk = word(layout.chunks + 8 * number)
        blocks = read(chunk + layout.blocks, layout.blocks_per_chunk * layout.block_bytes)
        colds = read(chunk + layout.cold, layout.blocks_per_chunk * layout.cold_bytes)
        for at in range(layout.blocks_per_chunk):
            block = blocks[at * layout.block_bytes:(at + 1) * layout.block_bytes]
            if struct.unpack_from("<Q", block, layout.id)[0] != 0:
                cold = colds[at * layout.cold_bytes:(at + 1) * layout.cold_bytes]
                fibers.append(Fiber(layout, chunk + layout.blocks + at * layout.block_bytes, block, cold))
    # A fiber that waits for another has left its place in the other's block.
    by_address = {fiber.address: fiber for fiber in fibers}
    for fiber in fibers:
        if fiber.has_child():
            resumer = by_address.get(word(fiber.resumer_sp + layout.resumer))
            if resumer is not None:
                resumer.parked = (fiber.resumer_sp, True)
    find_threads(fibers)
    return sorted(fibers, key=lambda fiber: fiber.id)


def with_each_thread(visit):
    """Calls visit(thread, newest frame) for each thread; the selection is as before afterwards."""
    chosen, frame = gdb.selected_thread(), gdb.selected_frame()
    try:
        for thread in gdb.selected_inferior().threads():
            thread.switch()
            visit(thread, gdb.newest_frame())
    finally:
        chosen.switch()
        frame.select()


def find_threads(fibers):
    """Which threads run on which stacks, and whose home is which thread."""
    _, sp_name, _, _, base_name, side = processor()
    bases = {}

    def look(thread, frame):
        sp = register(frame, sp_name)
        for fiber in fibers:
            if fiber.parked is None and fiber.low <= sp <= fiber.high and fiber.high != 0:
                fiber.thread = thread
        try:
            bases[thread.num] = register(frame, base_name)
        except (ValueError, gdb.error):
            pass

    with_each_thread(look)
    # A thread's words are in its static thread-local storage, which lies right beside its thread pointer.
    for fiber in fibers:
        distances = [((fiber.home - base) * side, number) for number, base in bases.items()]
        near = [entry for entry in distances if entry[0] >= 0]
        fiber.home_thread = min(near)[1] if near and fiber.home != 0 else None


class ParkedUnwinder(gdb.unwinder.Unwinder):
    """Claims one frame, the newest of a thread, and names the parked fiber as its caller."""

    class Id:
        def __init__(self, sp, pc):
            self.sp, self.pc = sp, pc

    def __init__(self):
        super().__init__("ramie-parked")
        self.real = None  # pc and sp of the frame to claim; None: claim nothing
        self.registers = {}

    def __call__(self, pending):
        if self.real is None:
            return None
        pc_name, sp_name = processor()[:2]
        if (register(pending, pc_name), register(pending, sp_name)) != self.real:
            return None
        # Its identity lies below the fiber's stack pointer, or gdb takes the caller for corrupt.
        kind = gdb.lookup_type("long").pointer()
        value = lambda number: gdb.Value(number).cast(gdb.lookup_type("unsigned long"))
        info = pending.create_unwind_info(self.Id(value(self.registers[sp_name] - 16).cast(kind),
                                                  value(self.real[0]).cast(kind)))
        for name, content in self.registers.items():
            info.add_saved_register(name, value(content))
        return info


unwinder = ParkedUnwinder()
gdb.unwinder.register_unwinder(None, unwinder, replace=True)


def parked_registers(layout, fiber):
    pc_name, sp_name, fp_name, saved_name = processor()[:4]
    place, is_resumer = fiber.parked
    if layout.pc == NONE:
        raise gdb.GdbError("ramie: this build's way of switching stacks is not known to the debugger")
    if layout.sp != NONE:
        sp = word(place + layout.sp)
    else:
        sp = place + (layout.resumer_bytes if is_resumer else layout.bytes)
    return {pc_name: word(place + layout.pc), sp_name: sp, fp_name: word(place + layout.fp),
            saved_name: word(place + layout.saved)}


def parked_backtrace(layout, fiber):
    pc_name, sp_name = processor()[:2]
    registers = parked_registers(layout, fiber)
    if registers[pc_name] == 0:
        return "  its stack is not in this core file (gdb's gcore stops at a guard page; the kernel's cores have it)"
    newest, chosen = gdb.newest_frame(), gdb.selected_frame()
    real = (register(newest, pc_name), register(newest, sp_name))
    unwinder.registers = registers
    unwinder.real = real
    gdb.invalidate_cached_frames()
    try:
        # Functions inlined into the newest frame are frames of their own, with the same stack pointer.
        skip, frame = 0, gdb.newest_frame()
        while frame is not None and register(frame, sp_name) == real[1]:
            skip, frame = skip + 1, frame.older()
        lines = gdb.execute("backtrace", to_string=True).splitlines()
    finally:
        unwinder.real = None
        gdb.invalidate_cached_frames()
        chosen.select()
    shown, seen = [], 0
    for line in lines:
        match = re.match(r"#(\d+)(\s+)(.*)", line)
        if match:
            seen = int(match.group(1)) + 1
            line = "#%-2d %s" % (int(match.group(1)) - skip, match.group(3))
        if seen > skip:
            shown.append(line)
    return "\n".join(shown)


def running_backtrace(fiber):
    chosen, frame = gdb.selected_thread(), gdb.selected_frame()
    try:
        fiber.thread.switch()
        return gdb.execute("backtrace", to_string=True).rstrip()
    finally:
        chosen.switch()
        frame.select()


def need_process():
    if gdb.selected_thread() is None:
        raise gdb.GdbError("ramie: the program does not run; start it or load a core file")


def made_at(fiber):
    return "%s:%d" % (fiber.file, fiber.line) if fiber.file else "-"


def stack_use(fiber):
    if fiber.high == 0 or fiber.is_root:
        return "-"
    if fiber.parked:
        used = fiber.top - fiber.parked[0]
    elif fiber.thread is not None:
        chosen, frame = gdb.selected_thread(), gdb.selected_frame()
        fiber.thread.switch()
        used = fiber.top - register(gdb.newest_frame(), processor()[1])
        chosen.switch()
        frame.select()
    else:
        return "-"
    return "%d of %d" % (used, fiber.top - fiber.low)


class RamieCommand(gdb.Command):
    """Fibers: "ramie fibers" lists them, "ramie bt ID" and "ramie bt all" show their stacks."""

    def __init__(self):
        super().__init__("ramie", gdb.COMMAND_STACK, gdb.COMPLETE_NONE, True)


class RamieFibers(gdb.Command):
    """ramie fibers: lists the fibers of the process, oldest first.

Columns: id, name, state, the gdb number of the thread that it lives on, bytes of stack in use of how many, and where it
was made. A thread's own stack is a fiber named "root". "resuming" waits for a fiber that it has resumed."""

    def __init__(self):
        super().__init__("ramie fibers", gdb.COMMAND_STACK, gdb.COMPLETE_NONE)

    def invoke(self, argument, from_tty):
        need_process()
        rows = [("id", "name", "state", "thread", "stack in use", "made at")]
        for fiber in all_fibers(Layout()):
            rows.append((str(fiber.id), fiber.name or "-", fiber.state(), str(fiber.home_thread or "-"),
                         stack_use(fiber), made_at(fiber)))
        widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]) - 1)]
        for row in rows:
            gdb.write("  ".join([cell.ljust(width) for cell, width in zip(row, widths)] + [row[-1]]) + "\n")
        gdb.write("%d fibers\n" % (len(rows) - 1))


class RamieBacktrace(gdb.Command):
    """ramie bt ID|all: the backtrace of the fiber with this id ("ramie fibers" shows it), or of all that have a stack.

Settings of gdb's own backtrace hold here: "set backtrace limit", "set print frame-arguments"."""

    def __init__(self):
        super().__init__("ramie bt", gdb.COMMAND_STACK, gdb.COMPLETE_NONE)

    def invoke(self, argument, from_tty):
        need_process()
        layout = Layout()
        fibers = all_fibers(layout)
        wanted = argument.strip().lstrip("#")
        if wanted == "all":
            chosen = [fiber for fiber in fibers if fiber.parked or fiber.thread]
        elif wanted.isdigit():
            chosen = [fiber for fiber in fibers if fiber.id == int(wanted)]
            if not chosen:
                raise gdb.GdbError("ramie: no fiber #%s; \"ramie fibers\" lists them" % wanted)
        else:
            raise gdb.GdbError("usage: ramie bt ID|all")
        for fiber in chosen:
            gdb.write("fiber #%d '%s', %s, made at %s\n" % (fiber.id, fiber.name, fiber.state(), made_at(fiber)))
            if fiber.parked:
                gdb.write(parked_backtrace(layout, fiber) + "\n")
            elif fiber.thread:
                gdb.write(running_backtrace(fiber) + "\n")
            else:
                gdb.write("  has no stack here\n")


RamieCommand()
RamieFibers()
RamieBacktrace()
