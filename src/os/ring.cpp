#include "os/ring.hpp"

#include "os/clock.hpp"
#include "os/rouser.hpp"

#include <errno.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#if RAMIE_HAS_LIBURING
#include <liburing.h>
#endif

#include <algorithm>
#include <array>
#include <atomic>

namespace ramie::os {

#if RAMIE_HAS_LIBURING
namespace {

// Counts rings that began and that ended. The memory of one that has ended may be the next one's, on another thread:
// the kernel orders the two, and by this ThreadSanitizer knows, which does not see liburing's own calls of the system.
std::atomic<unsigned> turns = 0;

constexpr std::uint64_t cancel_tag = 0, rouser_tag = UINT64_MAX;
// Answers that fit before the kernel has to keep them in a list of its own.
constexpr unsigned answers_per_entry = 8;

std::string because(const char* call, int error) {
  std::string text = std::string(call) + ": " + strerror(error);
  if (error == EPERM) text += " (a container's profile or kernel.io_uring_disabled forbids it)";
  if (error == ENOSYS) text += " (this kernel has none, or a profile hides it)";
  if (error == ENOMEM) text += " (RLIMIT_MEMLOCK before Linux 5.12, or no memory)";
  if (error == EMFILE) text += " (RLIMIT_NOFILE)";
  return text;
}

class kernel_ring final : public ring {
 public:
  kernel_ring() = default;
  ~kernel_ring() override {
    turns.fetch_add(1, std::memory_order_acq_rel);
    if (made_ && !rouser_.is_inherited()) {
      io_uring_queue_exit(&ring_);
    } else if (made_) {
      ::close(ring_.ring_fd);  // its memory is not here
    }
    if (rouser_.number >= 0) ::close(rouser_.number);
  }
  // An empty text: it works.
  std::string set_up(unsigned entries);

  bool push(const io_request& asked, std::uint64_t tag) noexcept override;
  bool push_cancel(std::uint64_t tag) noexcept override;
  int submit() noexcept override;
  int submit_and_wait(std::int64_t due_ns) noexcept override;
  std::size_t take(ring_answer* found, std::size_t most, bool& roused) noexcept override;
  [[nodiscard]] bool has_batch() const noexcept override { return io_uring_sq_ready(&ring_) != 0; }
  [[nodiscard]] int descriptor() const noexcept override { return ring_.ring_fd; }
  int listen() noexcept override;
  void rouse() noexcept override { rouser_.rouse(); }
  int renew() noexcept override;
  [[nodiscard]] bool tells_watchers() const noexcept override { return !defers_; }
  int be_watched() noexcept override;

 private:
  int make(unsigned entries) noexcept;
  std::string lacks();
  std::string try_it();
  void listen_for_rouse() noexcept;

  mutable io_uring ring_{};
  bool made_ = false;
  unsigned entries_ = 0;
  rouser rouser_;
  bool listens_ = false;
  bool knows_poll_first_ = false;
  bool defers_ = false;          // answers wait until the thread enters
  bool is_watched_ = false;      // so they may not
  std::uint64_t roused_by_ = 0;  // the kernel writes the eventfd's counter here
};

// 0 or -errno.
int kernel_ring::make(unsigned entries) noexcept {
  constexpr unsigned plain = IORING_SETUP_CQSIZE | IORING_SETUP_CLAMP;
  constexpr unsigned ways[] = {
      // Answers are put down when the thread enters the kernel for them, all at once. What waits for that is told by a
      // flag in shared memory, so that take() enters only when there is something. Linux 6.1.
      plain | IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN | IORING_SETUP_TASKRUN_FLAG,
      // Whenever it enters the kernel by itself, instead of being interrupted. Linux 5.19.
      plain | IORING_SETUP_COOP_TASKRUN | IORING_SETUP_TASKRUN_FLAG,
      plain,
  };
  int refused = -EINVAL;
  for (const unsigned flags : ways) {
    defers_ = (flags & IORING_SETUP_DEFER_TASKRUN) != 0;
    if (defers_ && is_watched_) continue;
    io_uring_params how{};
    how.cq_entries = entries * answers_per_entry;
    how.flags = flags;
    refused = io_uring_queue_init_params(entries, &ring_, &how);
    knows_poll_first_ = flags != plain;  // came with the second
    if (refused != -EINVAL) break;
  }
  if (refused != 0) return refused;
  made_ = true;
  entries_ = entries;
  turns.fetch_add(1, std::memory_order_acq_rel);
  io_uring_ring_dontfork(&ring_);
  return 0;
}

int kernel_ring::be_watched() noexcept {
  if (!defers_) return 0;
  io_uring before = ring_;
  is_watched_ = true;
  if (const int refused = make(entries_); refused != 0) {
    ring_ = before;
    defers_ = true;
    is_watched_ = false;
    return refused;
  }
  io_uring_queue_exit(&before);
  listens_ = false;
  io_uring_register_ring_fd(&ring_);
  return 0;
}

std::string kernel_ring::set_up(unsigned entries) {
  rouser_.number = eventfd(0, EFD_CLOEXEC);
  if (rouser_.number < 0) return because("eventfd", errno);
  if (const int refused = make(entries); refused != 0) return because("io_uring_setup", -refused);
  if (std::string missing = lacks(); !missing.empty()) return missing;
  if (std::string failed = try_it(); !failed.empty()) return failed;
  io_uring_register_ring_fd(&ring_);  // cheaper entries, where there is such a thing
  listen_for_rouse();
  return "";
}

// What the inherited one holds is not mapped here, so it is only closed, by its number's next file.
int kernel_ring::renew() noexcept {
  kernel_ring fresh;
  fresh.is_watched_ = is_watched_;
  fresh.rouser_.number = eventfd(0, EFD_CLOEXEC);
  if (fresh.rouser_.number < 0) return -errno;
  if (const int refused = fresh.make(entries_); refused != 0) return refused;
  if (const int refused = take_number(fresh.ring_.ring_fd, ring_.ring_fd); refused != 0) return refused;
  const int number = ring_.ring_fd;
  ring_ = fresh.ring_;
  ring_.ring_fd = ring_.enter_ring_fd = number;
  fresh.made_ = false;
  if (const int refused = take_number(fresh.rouser_.number, rouser_.number); refused != 0) return refused;
  fresh.rouser_.number = -1;
  knows_poll_first_ = fresh.knows_poll_first_;
  defers_ = fresh.defers_;
  listens_ = false;
  io_uring_register_ring_fd(&ring_);
  rouser_.renewed();
  return 0;
}

std::string kernel_ring::lacks() {
  // Waits for readiness by itself (5.7); keeps answers that do not fit (5.5); waits with a time limit (5.11).
  constexpr unsigned needed = IORING_FEAT_FAST_POLL | IORING_FEAT_NODROP | IORING_FEAT_EXT_ARG;
  if ((ring_.features & needed) != needed) return "this kernel's io_uring is older than Linux 5.11";
  io_uring_probe* const known = io_uring_get_probe_ring(&ring_);
  if (known == nullptr) return "io_uring_register(IORING_REGISTER_PROBE) is refused";
  std::string missing;
  for (int operation :
       {IORING_OP_READV, IORING_OP_WRITEV, IORING_OP_RECVMSG, IORING_OP_SENDMSG, IORING_OP_RECV, IORING_OP_SEND,
        IORING_OP_ACCEPT, IORING_OP_CONNECT, IORING_OP_POLL_ADD, IORING_OP_ASYNC_CANCEL, IORING_OP_READ}) {
    if (io_uring_opcode_supported(known, operation) == 0)
      missing = "operation " + std::to_string(operation) + " is missing";
  }
  io_uring_free_probe(known);
  return missing;
}

// What it says it can do, done: nothing at all, and waiting for a descriptor.
std::string kernel_ring::try_it() {
  constexpr std::uint64_t nothing = 1, wait = 2;
  io_uring_sqe* one = io_uring_get_sqe(&ring_);
  io_uring_prep_nop(one);
  io_uring_sqe_set_data64(one, nothing);
  one = io_uring_get_sqe(&ring_);
  io_uring_prep_poll_add(one, rouser_.number, readable);
  io_uring_sqe_set_data64(one, wait);
  if (const int given = io_uring_submit(&ring_); given != 2) return because("io_uring_enter", given < 0 ? -given : EIO);
  rouse();
  for (int answers = 0; answers < 2; ++answers) {
    __kernel_timespec limit = {.tv_sec = 5, .tv_nsec = 0};
    io_uring_cqe* answer = nullptr;
    int refused = 0;
    do {
      refused = io_uring_wait_cqe_timeout(&ring_, &answer, &limit);
    } while (refused == -EINTR);
    if (refused != 0) return because("io_uring: a trial operation did not come back", -refused);
    const bool right = answer->user_data == nothing ? answer->res == 0 : answer->res == readable;
    io_uring_cqe_seen(&ring_, answer);
    if (!right) return "io_uring: a trial operation failed";
  }
  [[maybe_unused]] const ssize_t emptied = ::read(rouser_.number, &roused_by_, sizeof roused_by_);
  return "";
}

void kernel_ring::listen_for_rouse() noexcept {
  if (listens_) return;
  io_uring_sqe* one = io_uring_get_sqe(&ring_);
  if (one == nullptr) return;
  io_uring_prep_read(one, rouser_.number, &roused_by_, sizeof roused_by_, 0);
  io_uring_sqe_set_data64(one, rouser_tag);
  listens_ = true;
}

bool kernel_ring::push(const io_request& asked, std::uint64_t tag) noexcept {
  io_uring_sqe* one = io_uring_get_sqe(&ring_);
  if (one == nullptr) return false;
  const int fd = asked.descriptor;
  constexpr auto here = static_cast<__u64>(-1);  // the file's own position
  switch (asked.kind) {
    case io_kind::read:
      io_uring_prep_readv(one, fd, static_cast<iovec*>(asked.memory), asked.count, here);
      break;
    case io_kind::write:
      io_uring_prep_writev(one, fd, static_cast<iovec*>(asked.memory), asked.count, here);
      break;
    case io_kind::receive:
      io_uring_prep_recv(one, fd, asked.memory, asked.count, asked.flags);
      if (asked.likely_waits && knows_poll_first_) one->ioprio |= IORING_RECVSEND_POLL_FIRST;
      break;
    case io_kind::send:
      io_uring_prep_send(one, fd, asked.memory, asked.count, asked.flags | MSG_NOSIGNAL);
      break;
    case io_kind::receive_message:
      io_uring_prep_recvmsg(one, fd, static_cast<msghdr*>(asked.memory),
                            static_cast<unsigned>(asked.flags | MSG_CMSG_CLOEXEC));
      break;
    case io_kind::send_message:
      io_uring_prep_sendmsg(one, fd, static_cast<msghdr*>(asked.memory),
                            static_cast<unsigned>(asked.flags | MSG_NOSIGNAL));
      break;
    case io_kind::accept:
      io_uring_prep_accept(one, fd, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC);
      break;
    case io_kind::connect:
      io_uring_prep_connect(one, fd, static_cast<sockaddr*>(asked.memory), asked.count);
      break;
    case io_kind::readiness:
      io_uring_prep_poll_add(one, fd, static_cast<unsigned>(asked.events));
      break;
  }
  io_uring_sqe_set_data64(one, tag);
  return true;
}

bool kernel_ring::push_cancel(std::uint64_t tag) noexcept {
  io_uring_sqe* one = io_uring_get_sqe(&ring_);
  if (one == nullptr) return false;
  io_uring_prep_cancel64(one, tag, 0);
  io_uring_sqe_set_data64(one, cancel_tag);
  return true;
}

int kernel_ring::submit() noexcept {
  const int before = errno;
  const int given = io_uring_submit(&ring_);
  errno = before;
  return std::min(given, 0);
}

int kernel_ring::listen() noexcept {
  listen_for_rouse();
  if (!listens_) {  // the batch was full
    if (const int refused = submit(); refused != 0) return refused;
    listen_for_rouse();
  }
  return has_batch() ? submit() : 0;
}

int kernel_ring::submit_and_wait(std::int64_t due_ns) noexcept {
  const int before = errno;
  listen_for_rouse();
  constexpr std::int64_t second_ns = 1'000'000'000;
  const std::int64_t left_ns = due_ns == INT64_MAX ? 0 : std::max<std::int64_t>(0, due_ns - monotonic_now_ns());
  __kernel_timespec limit = {.tv_sec = left_ns / second_ns, .tv_nsec = left_ns % second_ns};
  io_uring_cqe* first = nullptr;
  const int given =
      io_uring_submit_and_wait_timeout(&ring_, &first, 1, due_ns == INT64_MAX ? nullptr : &limit, nullptr);
  errno = before;
  return std::min(given, 0);
}

std::size_t kernel_ring::take(ring_answer* found, std::size_t most, bool& roused) noexcept {
  std::array<io_uring_cqe*, 64> answers;
  const int before = errno;
  const unsigned count =
      io_uring_peek_batch_cqe(&ring_, answers.data(), static_cast<unsigned>(std::min(most, answers.size())));
  errno = before;
  std::size_t told = 0;
  for (unsigned i = 0; i < count; ++i) {
    const io_uring_cqe& one = *answers[i];
    if (one.user_data == rouser_tag) {
      roused = true;
      listens_ = false;
    } else if (one.user_data != cancel_tag) {
      found[told++] = {.tag = one.user_data, .result = one.res};
    }
  }
  io_uring_cq_advance(&ring_, count);
  if (told == 0 && count != 0) return take(found, most, roused);
  return told;
}

}  // namespace

std::unique_ptr<ring> ring::open(unsigned entries, std::string& reason) {
  auto made = std::make_unique<kernel_ring>();
  reason = made->set_up(entries);
  if (!reason.empty()) return nullptr;
  return made;
}

#else

std::unique_ptr<ring> ring::open(unsigned, std::string& reason) {
  reason = "ramie was built without liburing (Debian: liburing-dev)";
  return nullptr;
}

#endif

}  // namespace ramie::os
