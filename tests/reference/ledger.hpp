// What a long run of the reference model compared, one line appended by the program itself when it ends:
// DETENT_LEDGER names the file, DETENT_COMMIT the sources. Without DETENT_LEDGER the line goes to stderr only.
#pragma once

#include "reference/comparison.hpp"

#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <sys/stat.h>

namespace reference {

class ledger {
 public:
  explicit ledger(const char* driver) : driver_(driver), begun_(std::chrono::steady_clock::now()) {}
  ledger(const ledger&) = delete;
  ledger& operator=(const ledger&) = delete;
  ~ledger() { write(); }

  void note_difference() { ++differences_; }

 private:
  void write() const {
    const char* commit = std::getenv("DETENT_COMMIT");
    const std::chrono::duration<double> took = std::chrono::steady_clock::now() - begun_;
    char line[256];
    std::snprintf(
        line, sizeof line, "%s,%s,%llu,%llu,%llu,%.0f,%llu\n", commit == nullptr ? "unknown" : commit, driver_.c_str(),
        static_cast<unsigned long long>(compared.scripts), static_cast<unsigned long long>(compared.operations),
        static_cast<unsigned long long>(compared.events), took.count(), static_cast<unsigned long long>(differences_));
    std::fprintf(stderr, "commit,driver,scripts,operations,events,seconds,differences\n%s", line);
    const char* path = std::getenv("DETENT_LEDGER");
    if (path == nullptr) return;
    struct stat there {};
    const bool is_new = ::stat(path, &there) != 0;
    std::FILE* file = std::fopen(path, "a");
    if (file == nullptr) {
      std::fprintf(stderr, "%s cannot be written\n", path);
      return;
    }
    if (is_new) std::fputs("commit,driver,scripts,operations,events,seconds,differences\n", file);
    std::fputs(line, file);
    std::fclose(file);
  }

  std::string driver_;
  std::chrono::steady_clock::time_point begun_;
  std::uint64_t differences_ = 0;
};

}  // namespace reference
