#include "peer_list.hpp"

#include <fstream>
#include <sstream>
#include <stdexcept>
#include <unistd.h>

namespace detent::bench {
namespace {

std::vector<std::string> split(const std::string& text, char at) {
  std::vector<std::string> parts;
  std::istringstream in(text);
  for (std::string part; std::getline(in, part, at);) parts.push_back(part);
  return parts;
}

std::string why_missing(const std::string& program) {
  std::ifstream told(program + ".reason");
  std::string reason;
  std::getline(told, reason);
  return reason.empty() ? "its program was not built" : reason;
}

}  // namespace

std::vector<peer_entry> read_peers(const std::string& file) {
  std::ifstream in(file);
  if (!in) throw std::runtime_error("cannot read " + file + ": build the target `bench`");
  std::vector<peer_entry> peers;
  for (std::string line; std::getline(in, line);) {
    std::vector<std::string> parts = split(line, '|');
    parts.resize(4);
    const bool runs = parts[3].empty() && access(parts[2].c_str(), X_OK) == 0;
    if (!runs && parts[3].empty()) parts[3] = why_missing(parts[2]);
    for (const std::string& row : split(parts[1], ',')) peers.push_back({row, parts[2], runs ? "" : parts[3]});
  }
  return peers;
}

}  // namespace detent::bench
