// left: lists from /proc, and from the leak sanitizer where the program is built with it.
#include "left.hpp"

#include <algorithm>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <mutex>
#include <sstream>
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

// Whether the thread of this line of "stat" is on its way out: the kernel lists it a moment longer than its join takes.
bool is_exiting(const std::string& stat) {
  constexpr unsigned long exiting = 0x4;         // the kernel's PF_EXITING
  const std::size_t name_end = stat.rfind(')');  // The name may contain anything.
  if (name_end == std::string::npos) return true;
  std::istringstream rest(stat.substr(name_end + 1));
  std::string passed;
  for (int field = 3; field < 9; ++field) rest >> passed;
  unsigned long flags = exiting;
  rest >> flags;
  return (flags & exiting) != 0;
}

std::string first_line_of(const std::filesystem::path& path) {
  std::string line;
  std::ifstream file(path);
  std::getline(file, line);
  return line;
}

// A thread gets its name when it runs: its number tells whether it is the same.
bool has_lower_number(const std::string& thread, const std::string& other) {
  return thread.substr(0, thread.find(' ')) < other.substr(0, other.find(' '));
}

}  // namespace

std::vector<std::string> threads_now() {
  std::vector<std::string> all;
  std::error_code ignored;
  for (const auto& entry : std::filesystem::directory_iterator("/proc/self/task", ignored)) {
    const std::string name = first_line_of(entry.path() / "comm");
    if (is_exiting(first_line_of(entry.path() / "stat"))) continue;
    all.push_back(entry.path().filename().string() + " " + name);
  }
  std::sort(all.begin(), all.end(), &has_lower_number);
  return all;
}

std::vector<std::string> files_now() {
  std::vector<std::string> all;
  std::error_code ignored;
  const std::string listing = "/proc/" + std::to_string(::getpid()) + "/fd";
  for (const auto& entry : std::filesystem::directory_iterator("/proc/self/fd", ignored)) {
    // The descriptor of this very listing is gone when it is looked at.
    std::error_code gone;
    const auto target = std::filesystem::read_symlink(entry.path(), gone);
    if (gone || target.string() == listing) continue;
    all.push_back(entry.path().filename().string() + " " + target.string());
  }
  std::sort(all.begin(), all.end());
  return all;
}

namespace {

// The leak sanitizer writes its list and does not hand it out: this writes it into memory. What another thread has to
// report meanwhile would go there too, so it is done only where a first look has found something.
std::string leaks_as_told() {
  const int file = ::memfd_create("leaks", MFD_CLOEXEC);
  if (file < 0) return {};
  const auto report_to = [](std::intptr_t descriptor) {
    __sanitizer_set_report_fd(reinterpret_cast<void*>(descriptor));  // NOLINT(performance-no-int-to-ptr): its way.
  };
  report_to(file);
  static_cast<void>(__lsan_do_recoverable_leak_check());
  report_to(STDERR_FILENO);
  std::string told;
  char piece[4096];
  for (ssize_t count = 0; (count = ::pread(file, piece, sizeof piece, static_cast<off_t>(told.size()))) > 0;) {
    told.append(piece, static_cast<std::size_t>(count));
  }
  ::close(file);
  return told;
}

std::optional<std::vector<std::string>> memory_now() {
  if (&__lsan_do_recoverable_leak_check == nullptr) return std::nullopt;
  static std::mutex one_at_a_time;
  const std::lock_guard locked(one_at_a_time);
  std::vector<std::string> all;
  if (__lsan_do_recoverable_leak_check() == 0) return all;
  const bool told_elsewhere = &__sanitizer_get_report_path == nullptr || &__sanitizer_set_report_fd == nullptr ||
                              *__sanitizer_get_report_path() != '\0';
  std::istringstream told(told_elsewhere ? std::string() : leaks_as_told());
  std::string paragraph;
  for (std::string line; std::getline(told, line);) {
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
