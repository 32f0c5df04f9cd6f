// A name that lives as long as the program: a string literal, checked when compiling and never copied.
//
// Status: stable.
//
// `std::string(...).c_str()` does not compile here, so a name can be kept in eight bytes and printed from a signal
// handler. Text made at run time is an annotation, not a name.
#pragma once

namespace ramie {

class label {
 public:
  constexpr label() noexcept = default;
  consteval label(const char* literal) : text_(literal) {}  // NOLINT(google-explicit-constructor): `.name = "x"`

  // The literal, or "" for an unnamed thing. Never null.
  [[nodiscard]] constexpr const char* text() const noexcept { return text_; }

 private:
  const char* text_ = "";
};

}  // namespace ramie
