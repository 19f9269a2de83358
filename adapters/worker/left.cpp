// left: lists from /proc, and from the leak sanitizer where the program is built with it.
#include "left.hpp"

#include <algorithm>
#include <cerrno>
#include <cstdint>
#include <cstdlib>
#include <dirent.h>
#include <fcntl.h>
#include <iterator>
#include <memory>
#include <mutex>
#include <new>
#include <string>
#include <string_view>
#include <sys/mman.h>
#include <unistd.h>
#include <utility>

// Of the sanitizers' runtime, which the program has or has not, whatever this library was built with.
// NOLINTBEGIN(bugprone-reserved-identifier,readability-identifier-naming): its names.
extern "C" {
[[gnu::weak]] int __lsan_do_recoverable_leak_check();
[[gnu::weak]] const char* __sanitizer_get_report_path();
[[gnu::weak]] void __sanitizer_set_report_fd(void* descriptor);
}
// NOLINTEND(bugprone-reserved-identifier,readability-identifier-naming)

DETENT_BEGIN_NAMESPACE
namespace detail {

namespace {

// Streams and directory iterators leave out without a word what they lack memory for, or end the program: all of it is
// read by hand.
std::string first_line_of(const std::string& path) {
  const int file = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (file < 0) return {};
  char text[1024];
  const ssize_t count = ::read(file, text, sizeof text);
  ::close(file);
  const std::string_view all(text, count < 0 ? 0 : static_cast<std::size_t>(count));
  return std::string(all.substr(0, all.find('\n')));
}

// Calls `each` with the name of every entry.
template <class F>
void go_through(const char* folder, F each) {
  struct closer {
    void operator()(DIR* opened) const noexcept { ::closedir(opened); }
  };
  const std::unique_ptr<DIR, closer> opened(::opendir(folder));
  if (opened == nullptr && errno == ENOMEM) throw std::bad_alloc();
  if (opened == nullptr) return;
  while (const dirent* const entry = ::readdir(opened.get())) {  // NOLINT(concurrency-mt-unsafe): nobody else's.
    if (entry->d_name[0] != '.') each(std::string(entry->d_name));
  }
}

// Whether the thread of this line of "stat" is on its way out: the kernel lists it a moment longer than its join takes.
bool is_exiting(const std::string& stat) {
  constexpr unsigned long exiting = 0x4;     // the kernel's PF_EXITING
  std::size_t at = stat.rfind(')');          // The name may contain anything.
  for (int field = 2; field < 9; ++field) {  // Each begins behind a space.
    if (at == std::string::npos) return true;
    at = stat.find(' ', at + 1);
  }
  if (at == std::string::npos) return true;
  return (std::strtoul(stat.c_str() + at, nullptr, 10) & exiting) != 0;
}

// A thread gets its name when it runs: its number tells whether it is the same.
bool has_lower_number(const std::string& thread, const std::string& other) {
  return thread.substr(0, thread.find(' ')) < other.substr(0, other.find(' '));
}

}  // namespace

std::vector<std::string> threads_now() {
  std::vector<std::string> all;
  go_through("/proc/self/task", [&](const std::string& number) {
    const std::string folder = "/proc/self/task/" + number;
    const std::string name = first_line_of(folder + "/comm");
    if (!is_exiting(first_line_of(folder + "/stat"))) all.push_back(number + " " + name);
  });
  std::sort(all.begin(), all.end(), &has_lower_number);
  return all;
}

std::vector<std::string> files_now() {
  std::vector<std::string> all;
  const std::string listing = "/proc/" + std::to_string(::getpid()) + "/fd";
  go_through("/proc/self/fd", [&](const std::string& number) {
    char text[4096];
    const ssize_t length = ::readlink(("/proc/self/fd/" + number).c_str(), text, sizeof text);
    const std::string_view target(text, length < 0 ? 0 : static_cast<std::size_t>(length));
    // The descriptor of this very listing is none of the program's.
    if (length >= 0 && target != listing) all.push_back(number + " " + std::string(target));
  });
  std::sort(all.begin(), all.end());
  return all;
}

namespace {

// The leak sanitizer writes its list and does not hand it out: this writes it into memory. What another thread has to
// report meanwhile would go there too, so it is done only where a first look has found something. Answers whether
// something is found still.
bool list_leaks(std::string& told) {
  const int file = ::memfd_create("leaks", MFD_CLOEXEC);
  if (file < 0) return true;
  const auto report_to = [](std::intptr_t descriptor) {
    __sanitizer_set_report_fd(reinterpret_cast<void*>(descriptor));  // NOLINT(performance-no-int-to-ptr): its way.
  };
  report_to(file);
  const bool found = __lsan_do_recoverable_leak_check() != 0;
  report_to(STDERR_FILENO);
  char piece[4096];
  try {
    for (ssize_t count = 0; (count = ::pread(file, piece, sizeof piece, static_cast<off_t>(told.size()))) > 0;) {
      told.append(piece, static_cast<std::size_t>(count));
    }
  } catch (const std::bad_alloc&) {
    ::close(file);
    throw;
  }
  ::close(file);
  return found;
}

std::optional<std::vector<std::string>> memory_now() {
  if (&__lsan_do_recoverable_leak_check == nullptr) return std::nullopt;
  static std::mutex one_at_a_time;
  const std::lock_guard locked(one_at_a_time);
  std::vector<std::string> all;
  if (__lsan_do_recoverable_leak_check() == 0) return all;
  const bool told_elsewhere = &__sanitizer_get_report_path == nullptr || &__sanitizer_set_report_fd == nullptr ||
                              *__sanitizer_get_report_path() != '\0';
  // What a thread held at the first look, and nothing else led to, is not lost: the second one decides.
  std::string told;
  if (!(told_elsewhere ? __lsan_do_recoverable_leak_check() != 0 : list_leaks(told))) return all;
  std::string paragraph;
  for (std::string_view rest = told; !rest.empty();) {
    const std::string line(rest.substr(0, rest.find('\n')));
    rest.remove_prefix(std::min(rest.size(), line.size() + 1));
    if (line.find(" leak of ") != std::string::npos) {
      paragraph = line;
    } else if (!paragraph.empty() && !line.empty()) {
      paragraph += "\n" + line;
    } else if (!paragraph.empty()) {
      all.push_back(std::exchange(paragraph, {}));
    }
  }
  if (all.empty()) all.emplace_back("some; the leak sanitizer has told it where it reports");
  std::sort(all.begin(), all.end());
  return all;
}

}  // namespace

possessions possessions_now() { return {threads_now(), files_now(), memory_now()}; }

possessions added_since(const possessions& before, const possessions& now) {
  possessions added;
  std::set_difference(now.threads.begin(), now.threads.end(), before.threads.begin(), before.threads.end(),
                      std::back_inserter(added.threads), &has_lower_number);
  std::set_difference(now.files.begin(), now.files.end(), before.files.begin(), before.files.end(),
                      std::back_inserter(added.files));
  if (now.memory) {
    added.memory.emplace();
    if (before.memory) {
      std::set_difference(now.memory->begin(), now.memory->end(), before.memory->begin(), before.memory->end(),
                          std::back_inserter(*added.memory));
    }
  }
  return added;
}

}  // namespace detail
DETENT_END_NAMESPACE
