// seccomp_run PROGRAM [ARGUMENT...]: runs a program as a container with a forbidding profile would.
//
// userfaultfd, process_madvise and io_uring_setup answer EPERM, as in the default profiles of the container engines;
// all else is allowed. The filter survives exec and is inherited by children. Exit 126: the filter was refused, 127: no
// program.
//
// There is no twin of this for mlockall(MCL_FUTURE): memory locks are lost on exec, so a program under test has to lock
// itself, and the tests that need it do so in their own process.
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <cstddef>
#include <cstdio>

namespace {

#if defined(__x86_64__)
constexpr unsigned architecture = AUDIT_ARCH_X86_64;
#elif defined(__aarch64__)
constexpr unsigned architecture = AUDIT_ARCH_AARCH64;
#endif

constexpr sock_filter load(unsigned offset) { return BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offset); }
constexpr sock_filter answer(unsigned action) { return BPF_STMT(BPF_RET | BPF_K, action); }
constexpr sock_filter if_equal(unsigned value, unsigned char then_skip, unsigned char else_skip) {
  return BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, value, then_skip, else_skip);
}

}  // namespace

int main(int argument_count, char** arguments) {
  if (argument_count < 2) {
    std::fputs("usage: seccomp_run PROGRAM [ARGUMENT...]\n", stderr);
    return 2;
  }
  sock_filter code[] = {
      load(offsetof(seccomp_data, arch)), if_equal(architecture, 0, 4),        load(offsetof(seccomp_data, nr)),
      if_equal(SYS_userfaultfd, 3, 0),    if_equal(SYS_process_madvise, 2, 0), if_equal(SYS_io_uring_setup, 1, 0),
      answer(SECCOMP_RET_ALLOW),          answer(SECCOMP_RET_ERRNO | EPERM),
  };
  const sock_fprog filter = {.len = sizeof code / sizeof *code, .filter = code};
  if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 || prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter) != 0) {
    std::perror("seccomp_run: prctl");
    return 126;
  }
  execvp(arguments[1], arguments + 1);
  std::perror(arguments[1]);
  return 127;
}
