// report: what was explored, as a table on the terminal and as a page.
#pragma once

#include "explore/scenario.hpp"
#include "explore/search.hpp"
#include "explore/weakening.hpp"

#include <cstdint>
#include <string>
#include <vector>

namespace detent::explore {

class report {
 public:
  explicit report(const search_options& how);
  void begin(const char* scenario);
  void add(const scenario& of, const search_result& result);
  void finish();
  bool write(const std::string& file) const;
  bool is_violated() const noexcept { return violated_ != 0; }
  static void show_progress(std::uint64_t executions);

 private:
  struct row {
    scenario of;
    search_result result;
  };
  std::string verdict_of(const search_result& result) const;
  const search_options how_;
  std::vector<row> rows_;
  std::uint64_t executions_ = 0;
  std::uint64_t redundant_ = 0;
  double seconds_ = 0;
  std::size_t violated_ = 0;
};

class weakening_report {
 public:
  void add(const weakened_half& it, const weakening_result& result);
  void finish(std::vector<line_never_reached> never_reached);
  bool write(const std::string& file) const;
  std::size_t missed() const noexcept { return missed_; }
  std::size_t open() const noexcept { return open_; }

 private:
  struct row {
    std::string name;
    std::string transition;
    std::string key;
    weakening_result result;
  };
  std::string verdict_of(const row& of) const;

  const std::map<std::string, std::string> reasons_ = read_reasons();
  std::vector<row> rows_;
  std::vector<line_never_reached> never_reached_;
  std::size_t missed_ = 0;
  std::size_t open_ = 0;  // noticed by none, and nobody says why
};

}  // namespace detent::explore
