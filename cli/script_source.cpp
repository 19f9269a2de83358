#include "script_source.hpp"

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <system_error>

namespace detent::cli {

std::string read_script(const std::string& name, script_source& into) {
  errno = 0;
  std::ifstream stream(name, std::ios::binary);
  if (!stream) return std::strerror(errno != 0 ? errno : EIO);
  std::error_code ignored;
  if (std::filesystem::is_directory(name, ignored)) return "it is a directory";
  std::ostringstream text;
  text << stream.rdbuf();
  into = {name, text.str()};
  return {};
}

}  // namespace detent::cli
