// heard_child: a child process as in child.hpp, and what it wrote to stderr.
#pragma once

#include <cstdlib>
#include <fcntl.h>
#include <fstream>
#include <sstream>
#include <string>
#include <support/child.hpp>
#include <unistd.h>

namespace support {

struct heard {
  child_end end;
  std::string text;
};

template <class F>
heard in_heard_child(F body) {
  std::string path = testing::TempDir() + "detent-child-XXXXXX";
  const int file = ::mkstemp(path.data());
  const child_end end = in_child([&] {
    ::dup2(file, STDERR_FILENO);
    return body();
  });
  ::close(file);
  std::ifstream in(path);
  std::ostringstream text;
  text << in.rdbuf();
  ::unlink(path.c_str());
  return {end, text.str()};
}

}  // namespace support
