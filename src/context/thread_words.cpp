#include <ramie/context/control_block.hpp>

namespace ramie::inline v0::context {

// suspend() on such a thread takes the slow path, which makes a real root and says what is wrong.
control_block unmet_root = {running, nullptr, 0, 0, 0, 0, 0, 0, nullptr};

__thread thread_words ramie_thread_words_v0 = {&unmet_root, nullptr, nullptr, nullptr, 0, nullptr, nullptr,
                                               0,           nullptr, nullptr, 0,       0, nullptr, nullptr};

}  // namespace ramie::inline v0::context
