// left: what a process has by now that it should not keep: threads, descriptors, memory that nothing leads to. Two such
// lists are compared, per plan: none of it says which worker it belongs to.
#pragma once

#include <detent/version.hpp>

#include <optional>
#include <string>
#include <vector>

DETENT_BEGIN_NAMESPACE
namespace detail {

struct possessions {
  std::vector<std::string> threads;  // "id name"
  std::vector<std::string> files;    // "number target"
  // What the leak sanitizer tells, a paragraph for each place of allocation. None: the program is built without it.
  std::optional<std::vector<std::string>> memory;
};

std::vector<std::string> threads_now();
std::vector<std::string> files_now();
possessions possessions_now();
// What is in `now` and was not in `before`.
possessions added_since(const possessions& before, const possessions& now);

}  // namespace detail
DETENT_END_NAMESPACE
