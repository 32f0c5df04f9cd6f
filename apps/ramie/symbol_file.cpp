#ifdef RAMIE_HAS_LIBDW

#include "symbol_file.hpp"

#include <cxxabi.h>
#include <dwarf.h>
#include <elfutils/libdw.h>
#include <elfutils/libdwfl.h>
#include <fmt/core.h>

#include <cstdlib>
#include <string_view>
#include <utility>

namespace ramie::app {

namespace {

std::string demangled(const char* name) {
  int status = 0;
  const std::unique_ptr<char, decltype(&std::free)> text(abi::__cxa_demangle(name, nullptr, nullptr, &status),
                                                         &std::free);
  return status == 0 ? text.get() : name;
}

// The entry that a copy of it (an inlined call, a definition outside its class) refers to, where scopes are named.
Dwarf_Die declaration_of(Dwarf_Die entry) {
  for (unsigned which : {DW_AT_abstract_origin, DW_AT_specification}) {
    Dwarf_Attribute attribute;
    Dwarf_Die other;
    if (dwarf_formref_die(dwarf_attr(&entry, which, &attribute), &other) != nullptr) entry = other;
  }
  return entry;
}

// "shop::(anonymous namespace)::till::add": for functions without a linkage name, which says this and more.
std::string qualified_name(Dwarf_Die entry) {
  entry = declaration_of(entry);
  const char* plain = dwarf_diename(&entry);
  std::string name = plain == nullptr ? "" : plain;
  Dwarf_Die* scopes = nullptr;
  const int count = dwarf_getscopes_die(&entry, &scopes);
  const std::unique_ptr<Dwarf_Die, decltype(&std::free)> owner(scopes, &std::free);
  for (int at = 1; at < count; ++at) {
    const int tag = dwarf_tag(&scopes[at]);
    if (tag != DW_TAG_namespace && tag != DW_TAG_class_type && tag != DW_TAG_structure_type) continue;
    const char* scope = dwarf_diename(&scopes[at]);
    name = fmt::format("{}::{}", scope == nullptr ? "(anonymous namespace)" : scope, name);
  }
  return name;
}

std::string name_of(Dwarf_Die& entry) {
  Dwarf_Attribute attribute;
  for (unsigned which : {DW_AT_linkage_name, DW_AT_MIPS_linkage_name}) {
    const char* linkage = dwarf_formstring(dwarf_attr_integrate(&entry, which, &attribute));
    if (linkage != nullptr) return demangled(linkage);
  }
  return qualified_name(entry);
}

// The name in the symbol table, "" where it was stripped.
std::string symbol_at(Dwfl_Module* module, Dwarf_Addr address) {
  GElf_Off offset = 0;
  GElf_Sym symbol;
  const char* plain = dwfl_module_addrinfo(module, address, &offset, &symbol, nullptr, nullptr, nullptr);
  if (plain == nullptr) return "";
  const std::string name = plain;
  return demangled(name.substr(0, name.find('@')).c_str());  // without its version, "@@GLIBC_2.34"
}

// An address as one compilation unit's debug information counts it; no unit where there is none.
struct unit_address {
  Dwarf_Die* unit = nullptr;
  Dwarf_Addr address = 0;
};

// libdw searches by .debug_aranges, which clang does not write; then every unit is asked.
unit_address find_unit(Dwfl_Module* module, Dwarf_Addr address) {
  Dwarf_Addr bias = 0;
  Dwarf_Die* unit = dwfl_module_addrdie(module, address, &bias);
  if (unit != nullptr) return {unit, address - bias};
  while ((unit = dwfl_module_nextcu(module, unit, &bias)) != nullptr)
    if (dwarf_haspc(unit, address - bias) > 0) return {unit, address - bias};
  return {};
}

// The calls that were inlined at the address, by debug information: the innermost, and the function that holds it.
struct scopes_at {
  std::string inlined;
  std::string holder;
};

scopes_at find_scopes(const unit_address& at) {
  scopes_at found;
  if (at.unit == nullptr) return found;
  Dwarf_Die* scopes = nullptr;
  const int count = dwarf_getscopes(at.unit, at.address, &scopes);
  const std::unique_ptr<Dwarf_Die, decltype(&std::free)> owner(scopes, &std::free);
  for (int scope = 0; scope < count && found.holder.empty(); ++scope) {
    const int tag = dwarf_tag(&scopes[scope]);
    if (tag == DW_TAG_inlined_subroutine && found.inlined.empty()) found.inlined = name_of(scopes[scope]);
    if (tag == DW_TAG_subprogram) found.holder = name_of(scopes[scope]);
  }
  return found;
}

// "add()", or "add() (inlined into sum())".
std::string function_at(Dwfl_Module* module, Dwarf_Addr address, const unit_address& at) {
  scopes_at scopes = find_scopes(at);
  // The symbol has the parameters' types also where debug information has only a plain name.
  if (std::string symbol = symbol_at(module, address); !symbol.empty()) scopes.holder = std::move(symbol);
  if (scopes.holder.empty()) scopes.holder = "??";
  return scopes.inlined.empty() ? scopes.holder : fmt::format("{} (inlined into {})", scopes.inlined, scopes.holder);
}

std::string line_at(const unit_address& at) {
  Dwarf_Line* line = at.unit == nullptr ? nullptr : dwarf_getsrc_die(at.unit, at.address);
  const char* file = line == nullptr ? nullptr : dwarf_linesrc(line, nullptr, nullptr);
  int number = 0;
  if (file == nullptr || dwarf_lineno(line, &number) != 0) return "??:0";
  const std::string_view path = file;
  return fmt::format("{}:{}", path.substr(path.rfind('/') + 1), number);
}

const Dwfl_Callbacks& callbacks() {
  static const Dwfl_Callbacks table = [] {
    Dwfl_Callbacks made = {};
    made.find_elf = dwfl_build_id_find_elf;
    made.find_debuginfo = dwfl_standard_find_debuginfo;
    made.section_address = dwfl_offline_section_address;
    return made;
  }();
  return table;
}

}  // namespace

void symbol_files::closer::operator()(Dwfl* session) const { dwfl_end(session); }

symbol_files::file& symbol_files::open(const std::string& path) {
  const auto [place, is_new] = files_.try_emplace(path);
  file& opened = place->second;
  if (!is_new) return opened;
  opened.session.reset(dwfl_begin(&callbacks()));
  if (!opened.session) return opened;
  dwfl_report_begin(opened.session.get());
  Dwfl_Module* module = dwfl_report_offline(opened.session.get(), path.c_str(), path.c_str(), -1);
  dwfl_report_end(opened.session.get(), nullptr, nullptr);
  GElf_Addr bias = 0;
  if (module == nullptr || dwfl_module_getelf(module, &bias) == nullptr) return opened;
  opened.module = module;
  opened.bias = bias;
  return opened;
}

std::string symbol_files::describe(const std::string& path, std::uint64_t offset) {
  const file& opened = open(path);
  if (opened.module == nullptr) return "?? ??:0";
  const Dwarf_Addr address = offset + opened.bias;
  const unit_address at = find_unit(opened.module, address);
  return function_at(opened.module, address, at) + ' ' + line_at(at);
}

}  // namespace ramie::app

#endif
