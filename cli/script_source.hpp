// A script as it is on the disk.
#pragma once

#include <string>

namespace detent::cli {

struct script_source {
  std::string name;
  std::string text;
};

/// Reads the file of this name; otherwise answers why not, and changes nothing.
std::string read_script(const std::string& name, script_source& into);

}  // namespace detent::cli
