// The reference model under libFuzzer: the bytes are the choices that the dice of tests/stress/reference_test.cpp make.
//
// ./dev fuzz builds and runs it. A difference is printed as a test to be pasted there, then the process aborts, and
// libFuzzer keeps the bytes.
#include "reference/comparison.hpp"
#include "reference/ledger.hpp"

#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <optional>

namespace {

// Written when the process ends. libFuzzer ends by exit.
std::optional<reference::ledger> book;

}  // namespace

extern "C" int LLVMFuzzerInitialize(int*, char***);
extern "C" int LLVMFuzzerInitialize(int*, char***) {
  book.emplace("fuzzer");
  return 0;
}

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size);
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
  reference::byte_source from(bytes, size);
  const auto start = static_cast<std::uint64_t>(from.below(static_cast<int>(reference::start_count)));
  const auto callbacks = static_cast<std::uint64_t>(from.below(65536));
  reference::comparison both(reference::start_of(start), callbacks);
  while (!from.is_empty()) {
    if (both.play(reference::draw(from, both.model()))) continue;
    std::fputs(reference::tell(both).c_str(), stderr);
    book->note_difference();
    book.reset();
    std::abort();
  }
  return 0;
}
