#include "script_source.hpp"

#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <unistd.h>
#include <utility>

namespace detent::cli {

namespace {

// All that can be read, or why not. What was read before an error is no script: the rest of it may be what matters.
int read_all(int file, std::string& text) {
  char part[65536];
  for (;;) {
    const ssize_t count = read(file, part, sizeof part);
    if (count == 0) return 0;
    if (count > 0) text.append(part, static_cast<std::size_t>(count));
    if (count < 0 && errno != EINTR) return errno;
  }
}

}  // namespace

std::string read_script(const std::string& name, script_source& into) {
  const int file = open(name.c_str(), O_RDONLY | O_CLOEXEC);
  if (file < 0) return std::strerror(errno);
  std::string text;
  const int error = read_all(file, text);
  close(file);
  if (error == EISDIR) return "it is a directory";
  if (error != 0) return std::strerror(error);
  into = {name, std::move(text)};
  return {};
}

}  // namespace detent::cli
