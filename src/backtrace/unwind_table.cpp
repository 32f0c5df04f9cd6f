#include "backtrace/unwind_table.hpp"

#include "backtrace/byte_reader.hpp"

#include <dlfcn.h>
#include <features.h>

// C++'s own; only its address is wanted.
extern "C" int __gxx_personality_v0(int, int, unsigned long, void*, void*);

// The tables are the Linux Standard Base's .eh_frame and .eh_frame_hdr, their instructions those of DWARF 5,
// section 6.4.2.
namespace ramie::backtrace {

namespace {

#if defined(__GLIBC__) && __GLIBC_PREREQ(2, 35)
const void* find_object(std::uintptr_t pc) noexcept {
  dl_find_object found;
  return _dl_find_object(reinterpret_cast<void*>(pc), &found) == 0 ? found.dlfo_link_map : nullptr;
}

// The .eh_frame_hdr of the object that holds the address, or null.
const std::uint8_t* find_table(std::uintptr_t pc, bool& in_object) noexcept {
  dl_find_object found;
  in_object = _dl_find_object(reinterpret_cast<void*>(pc), &found) == 0;
  return in_object ? static_cast<const std::uint8_t*>(found.dlfo_eh_frame) : nullptr;
}
#else
// Older libraries have no search that is safe in a handler: frame pointers only.
const void* find_object(std::uintptr_t) noexcept { return nullptr; }
const std::uint8_t* find_table(std::uintptr_t, bool& in_object) noexcept {
  in_object = true;
  return nullptr;
}
#endif

// How an address is written down: DW_EH_PE_*. Only what compilers write into .eh_frame.
namespace encoding {
constexpr std::uint8_t absolute = 0x00, udata4 = 0x03, udata8 = 0x04, sdata4 = 0x0b, sdata8 = 0x0c;
constexpr std::uint8_t relative_to_here = 0x10, relative_to_table = 0x30, indirect = 0x80, omitted = 0xff;
constexpr std::uint8_t uleb = 0x01;
constexpr std::uint8_t format = 0x0f;
}  // namespace encoding

// A number in this encoding's format, without what it is relative to. False: a format not known here.
bool read_number(byte_reader& reader, std::uint8_t how, std::uint64_t& number) noexcept {
  switch (how & encoding::format) {
    case encoding::absolute:
    case encoding::udata8:
    case encoding::sdata8:
      number = reader.fixed<std::uint64_t>();
      return true;
    case encoding::uleb:
      number = reader.unsigned_leb();
      return true;
    case encoding::udata4:
      number = reader.fixed<std::uint32_t>();
      return true;
    case encoding::sdata4:
      number = static_cast<std::uint64_t>(static_cast<std::int64_t>(reader.fixed<std::int32_t>()));
      return true;
    default:
      return false;
  }
}

// The same with what it is relative to: an address. Zero stays zero: it means none.
bool read_address(byte_reader& reader, std::uint8_t how, std::uintptr_t& address) noexcept {
  const auto here = reinterpret_cast<std::uintptr_t>(reader.at());
  std::uint64_t number = 0;
  if (!read_number(reader, how & ~encoding::indirect, number)) return false;
  if (number != 0) {
    if ((how & 0x70) == encoding::relative_to_here) {
      number += here;
    } else if ((how & 0x70) != encoding::absolute) {
      return false;
    }
    if ((how & encoding::indirect) != 0) number = *reinterpret_cast<const std::uintptr_t*>(number);
  }
  address = number;
  return true;
}

// The last entry of the header's table that begins at or below `pc`, or null. All linkers write it with 4-byte
// distances from the header; a table of another kind counts as none.
const std::uint8_t* search_table(const std::uint8_t* header, std::uintptr_t pc) noexcept {
  constexpr std::uint8_t expected_table = encoding::relative_to_table | encoding::sdata4;
  if (header[0] != 1 || header[2] != encoding::udata4 || header[3] != expected_table) return nullptr;
  std::uint64_t ignored = 0;
  byte_reader reader(header + 4, header + 4 + 8 + 4);
  if (!read_number(reader, header[1], ignored)) return nullptr;
  const auto count = reader.fixed<std::uint32_t>();
  const std::uint8_t* entries = reader.at();
  const auto distance = static_cast<std::int64_t>(pc - reinterpret_cast<std::uintptr_t>(header));
  const auto entry = [entries](std::uint32_t at, std::uint32_t column) {
    std::int32_t number = 0;
    __builtin_memcpy(&number, entries + std::size_t{8} * at + std::size_t{4} * column, sizeof number);
    return number;
  };
  std::uint32_t low = 0;
  std::uint32_t high = count;
  while (low < high) {
    const std::uint32_t middle = low + (high - low) / 2;
    if (entry(middle, 0) <= distance)
      low = middle + 1;
    else
      high = middle;
  }
  return low == 0 ? nullptr : header + entry(low - 1, 1);
}

// One length-prefixed record: where its contents begin and end.
byte_reader open_record(const std::uint8_t* at, bool& wide) noexcept {
  byte_reader head(at, at + 12);
  std::uint64_t length = head.fixed<std::uint32_t>();
  wide = length == 0xffffffff;
  if (wide) length = head.fixed<std::uint64_t>();
  return {head.at(), head.at() + length};
}

// What the functions of one kind share (a "CIE").
struct common_part {
  std::uint64_t code_step = 1;
  std::int64_t data_step = 1;
  std::uint64_t return_column = 0;
  std::uint8_t address_encoding = encoding::absolute;
  std::uint8_t language_encoding = encoding::omitted;
  std::uintptr_t personality = 0;
  bool has_augmentation = false;
  bool signal_frame = false;
  byte_reader instructions = {nullptr, nullptr};
};

bool read_augmentation(const char* letters, byte_reader& reader, common_part& common) noexcept {
  if (*letters == '\0') return true;
  if (*letters != 'z') return false;
  common.has_augmentation = true;
  const std::uint64_t length = reader.unsigned_leb();
  byte_reader data = reader;
  reader.skip(length);
  for (++letters; *letters != '\0'; ++letters) {
    switch (*letters) {
      case 'R':
        common.address_encoding = data.byte();
        break;
      case 'S':
        common.signal_frame = true;
        break;
      case 'L':
        common.language_encoding = data.byte();
        break;
      case 'P': {
        const std::uint8_t how = data.byte();
        if (how != encoding::omitted && !read_address(data, how, common.personality)) return false;
        break;
      }
      case 'B':  // aarch64: the other signing key; the signature is stripped either way
      case 'G':
        break;
      default:
        return true;  // unknown letters: their data is behind, and skipped
    }
  }
  return !data.failed();
}

bool read_common_part(const std::uint8_t* at, common_part& common) noexcept {
  bool wide = false;
  byte_reader reader = open_record(at, wide);
  if (wide ? reader.fixed<std::uint64_t>() != 0 : reader.fixed<std::uint32_t>() != 0) return false;
  const std::uint8_t version = reader.byte();
  if (version != 1 && version != 3) return false;
  const auto* letters = reinterpret_cast<const char*>(reader.at());
  while (reader.byte() != 0) {
  }
  common.code_step = reader.unsigned_leb();
  common.data_step = reader.signed_leb();
  common.return_column = version == 1 ? reader.byte() : reader.unsigned_leb();
  if (!read_augmentation(letters, reader, common)) return false;
  common.instructions = reader;
  return !reader.failed() && common.return_column < register_count;
}

// One function's part (an "FDE").
struct function_part {
  common_part common;
  std::uintptr_t begin = 0;
  std::uintptr_t bytes = 0;
  std::uintptr_t language_data = 0;
  byte_reader instructions = {nullptr, nullptr};
};

bool read_function_part(const std::uint8_t* at, function_part& function) noexcept {
  bool wide = false;
  byte_reader reader = open_record(at, wide);
  const std::uint8_t* here = reader.at();
  const std::uint64_t back = wide ? reader.fixed<std::uint64_t>() : reader.fixed<std::uint32_t>();
  if (back == 0 || !read_common_part(here - back, function.common)) return false;
  const std::uint8_t how = function.common.address_encoding;
  std::uintptr_t begin = 0;
  std::uint64_t bytes = 0;
  if (!read_address(reader, how, begin) || !read_number(reader, how & encoding::format & ~0x08, bytes)) return false;
  if (function.common.has_augmentation) {
    const std::uint64_t length = reader.unsigned_leb();
    byte_reader data = reader;
    reader.skip(length);
    const std::uint8_t language = function.common.language_encoding;
    if (language != encoding::omitted && !read_address(data, language, function.language_data)) return false;
  }
  function.begin = begin;
  function.bytes = bytes;
  function.instructions = reader;
  return !reader.failed();
}

// Call frame instructions.
enum instruction : std::uint8_t {
  cfa_advance = 0x40,  // these three carry an operand in their low six bits
  cfa_offset = 0x80,
  cfa_restore = 0xc0,
  cfa_nop = 0x00,
  cfa_set_loc,
  cfa_advance1,
  cfa_advance2,
  cfa_advance4,
  cfa_offset_extended,
  cfa_restore_extended,
  cfa_undefined,
  cfa_same_value,
  cfa_register,
  cfa_remember_state,
  cfa_restore_state,
  cfa_def_cfa,
  cfa_def_cfa_register,
  cfa_def_cfa_offset,
  cfa_def_cfa_expression,
  cfa_expression,
  cfa_offset_extended_sf,
  cfa_def_cfa_sf,
  cfa_def_cfa_offset_sf,
  cfa_val_offset,
  cfa_val_offset_sf,
  cfa_val_expression,
  cfa_negate_ra_state = 0x2d,  // aarch64: the return address is signed from here; it is always stripped
  cfa_gnu_args_size,
  cfa_gnu_negative_offset_extended,
};

// Runs the instructions of one function up to one of its addresses.
class row_builder {
 public:
  row_builder(const function_part& function, std::uintptr_t pc, unwind_row& row) noexcept
      : common_(function.common), pc_(pc), at_(function.begin), row_(row) {}

  bool build(const function_part& function) noexcept {
    if (!run(common_.instructions, true)) return false;
    first_ = row_;
    return run(function.instructions, false);
  }

 private:
  bool run(byte_reader reader, bool in_common_part) noexcept {
    while (reader.more() && at_ <= pc_) {
      const std::uint8_t code = reader.byte();
      const std::uint8_t operand = code & 0x3f;
      switch (code & 0xc0) {
        case cfa_advance:
          advance(operand);
          continue;
        case cfa_offset:
          set(operand, rule::of(rule_kind::saved_at, factored(reader.unsigned_leb())));
          continue;
        case cfa_restore:
          if (!in_common_part) restore(operand);
          continue;
        default:
          break;
      }
      if (!(move(code, reader) || define_frame(code, reader) || define_register(code, reader) || keep(code, reader)))
        return false;
    }
    return !reader.failed();
  }

  bool move(std::uint8_t code, byte_reader& reader) noexcept {
    switch (code) {
      case cfa_nop:
      case cfa_negate_ra_state:
        return true;
      case cfa_gnu_args_size:
        reader.unsigned_leb();
        return true;
      case cfa_advance1:
        advance(reader.byte());
        return true;
      case cfa_advance2:
        advance(reader.fixed<std::uint16_t>());
        return true;
      case cfa_advance4:
        advance(reader.fixed<std::uint32_t>());
        return true;
      default:
        return false;  // cfa_set_loc: no compiler writes it
    }
  }

  bool define_frame(std::uint8_t code, byte_reader& reader) noexcept {
    switch (code) {
      case cfa_def_cfa:
        frame_register(reader.unsigned_leb());
        frame_offset(static_cast<std::int64_t>(reader.unsigned_leb()));
        return true;
      case cfa_def_cfa_sf:
        frame_register(reader.unsigned_leb());
        frame_offset(reader.signed_leb() * common_.data_step);
        return true;
      case cfa_def_cfa_register:
        frame_register(reader.unsigned_leb());
        return true;
      case cfa_def_cfa_offset:
        frame_offset(static_cast<std::int64_t>(reader.unsigned_leb()));
        return true;
      case cfa_def_cfa_offset_sf:
        frame_offset(reader.signed_leb() * common_.data_step);
        return true;
      case cfa_def_cfa_expression:
        row_.frame_address = expression(rule_kind::value_expression, reader);
        return true;
      default:
        return false;
    }
  }

  bool define_register(std::uint8_t code, byte_reader& reader) noexcept {
    if (code != cfa_offset_extended && code != cfa_offset_extended_sf && code != cfa_gnu_negative_offset_extended &&
        code != cfa_restore_extended && code != cfa_undefined && code != cfa_same_value && code != cfa_register &&
        code != cfa_expression && code != cfa_val_expression && code != cfa_val_offset && code != cfa_val_offset_sf)
      return false;
    const std::uint64_t number = reader.unsigned_leb();
    switch (code) {
      case cfa_offset_extended:
        set(number, rule::of(rule_kind::saved_at, factored(reader.unsigned_leb())));
        break;
      case cfa_offset_extended_sf:
        set(number, rule::of(rule_kind::saved_at, reader.signed_leb() * common_.data_step));
        break;
      case cfa_gnu_negative_offset_extended:
        set(number, rule::of(rule_kind::saved_at, -factored(reader.unsigned_leb())));
        break;
      case cfa_val_offset:
        set(number, rule::of(rule_kind::frame_plus, factored(reader.unsigned_leb())));
        break;
      case cfa_val_offset_sf:
        set(number, rule::of(rule_kind::frame_plus, reader.signed_leb() * common_.data_step));
        break;
      case cfa_restore_extended:
        restore(number);
        break;
      case cfa_undefined:
        set(number, rule::of(rule_kind::undefined, 0));
        break;
      case cfa_same_value:
        set(number, {});
        break;
      case cfa_register:
        set(number, rule::of(rule_kind::in_register, static_cast<std::int64_t>(reader.unsigned_leb())));
        break;
      case cfa_expression:
        set(number, expression(rule_kind::saved_expression, reader));
        break;
      default:
        set(number, expression(rule_kind::value_expression, reader));
        break;
    }
    return true;
  }

  bool keep(std::uint8_t code, byte_reader&) noexcept {
    if (code == cfa_remember_state) {
      if (depth_ == remembered_.size()) return false;
      remembered_[depth_++] = row_;
      return true;
    }
    if (code != cfa_restore_state || depth_ == 0) return false;
    row_ = remembered_[--depth_];
    return true;
  }

  void advance(std::uint64_t steps) noexcept { at_ += steps * common_.code_step; }
  [[nodiscard]] std::int64_t factored(std::uint64_t number) const noexcept {
    return static_cast<std::int64_t>(number) * common_.data_step;
  }
  void set(std::uint64_t number, rule how) noexcept {
    if (number < register_count) row_.registers[number] = how;  // the others (vector registers) name no frame
  }
  void restore(std::uint64_t number) noexcept {
    if (number < register_count) row_.registers[number] = first_.registers[number];
  }
  void frame_register(std::uint64_t number) noexcept {
    row_.base = static_cast<std::uint16_t>(number);
    row_.frame_address.kind = rule_kind::frame_plus;
  }
  void frame_offset(std::int64_t offset) noexcept { row_.frame_address.value = offset; }
  static rule expression(rule_kind kind, byte_reader& reader) noexcept {
    const std::uint64_t bytes = reader.unsigned_leb();
    rule how;
    how.kind = kind;
    how.code_bytes = static_cast<std::uint16_t>(bytes <= UINT16_MAX ? bytes : 0);
    how.code = reader.at();
    reader.skip(bytes);
    return how;
  }

  const common_part& common_;
  std::uintptr_t pc_;
  std::uintptr_t at_;
  unwind_row& row_;
  unwind_row first_;
  std::array<unwind_row, 3> remembered_ = {};
  std::size_t depth_ = 0;
};

}  // namespace

const void* object_of(std::uintptr_t pc) noexcept { return find_object(pc); }

// The table of C++: for each range of calls a place to go when one of them throws (0: nowhere), and what may be caught
// there. A call that no range covers must not throw: std::terminate.
bool unwinding_runs_code(std::uintptr_t return_address, const unwind_row& row) noexcept {
  if (row.personality == 0) return false;
  if (row.personality != reinterpret_cast<std::uintptr_t>(&__gxx_personality_v0)) return true;
  if (row.language_data == 0) return false;
  const auto* data = reinterpret_cast<const std::uint8_t*>(row.language_data);
  constexpr std::size_t enough = std::size_t{1} << 30;  // the table does not say how long it is
  byte_reader reader(data, data + enough);
  if (reader.byte() != encoding::omitted) return true;  // landing pads elsewhere: nobody writes that
  if (reader.byte() != encoding::omitted) reader.unsigned_leb();
  const std::uint8_t how = reader.byte();
  const std::uint64_t length = reader.unsigned_leb();
  byte_reader calls(reader.at(), reader.at() + length);
  const std::uintptr_t call = return_address - 1 - row.function;
  while (calls.more()) {
    std::uint64_t begin = 0, bytes = 0, landing_pad = 0;
    if (!read_number(calls, how, begin) || !read_number(calls, how, bytes) || !read_number(calls, how, landing_pad)) {
      return true;
    }
    calls.unsigned_leb();
    if (call < begin) return true;
    if (call < begin + bytes) return landing_pad != 0;
  }
  return true;
}

bool in_loaded_code(std::uintptr_t pc) noexcept {
  bool in_object = false;
  find_table(pc, in_object);
  return in_object;
}

bool find_unwind_row(std::uintptr_t pc, unwind_row& row) noexcept {
  bool in_object = false;
  const std::uint8_t* header = find_table(pc, in_object);
  if (header == nullptr) return false;
  const std::uint8_t* record = search_table(header, pc);
  function_part function;
  if (record == nullptr || !read_function_part(record, function)) return false;
  if (pc < function.begin || pc - function.begin >= function.bytes) return false;
  row = {};
  row.return_column = static_cast<std::uint16_t>(function.common.return_column);
  row.signal_frame = function.common.signal_frame;
  row.function = function.begin;
  row.personality = function.common.personality;
  row.language_data = function.language_data;
  return row_builder(function, pc, row).build(function);
}

}  // namespace ramie::backtrace
