// The lines of a trace file, plain or compressed with zstd.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

struct ZSTD_DCtx_s;

namespace detent::cli {

/// One line without its line end. `text` stays valid until the next line is read.
struct text_line {
  std::uint64_t number = 0;  ///< counted from 1
  std::string_view text;
};

/// How the file ended. Everything but `whole` still gave every line that could be read.
enum class text_end {
  whole,
  cut_short,  ///< the .zst file ends in the middle of a frame
  damaged,    ///< the .zst file holds bytes that are not zstd data; `damage()` says what zstd made of them
};

/// Reads a file line by line. Whether it is compressed is seen from its first bytes, not from its name, so that a
/// renamed or piped file works too ("-" is the standard input). Memory is bounded: a line keeps its first
/// `longest_line` bytes.
///
/// One thread at a time. The constructor throws `std::system_error` when the file cannot be opened, `next` when it
/// cannot be read any further.
class trace_text {
 public:
  static constexpr std::size_t longest_line = 64 * 1024;

  explicit trace_text(const std::filesystem::path& file);

  /// The next line, or nothing at the end. LF and CRLF end a line; the last line needs no end, except in a file that
  /// was cut short: half a line there is what the cut left of it, and is dropped.
  std::optional<text_line> next();

  text_end end() const noexcept { return end_; }
  const std::string& damage() const noexcept { return damage_; }
  std::uint64_t bytes() const noexcept { return bytes_; }  ///< of text, after decompression

 private:
  struct closer {
    void operator()(std::FILE* file) const noexcept;
    void operator()(ZSTD_DCtx_s* decoder) const noexcept;
  };

  bool refill();
  bool refill_input();
  bool refill_from_frame();
  void keep(const char* from, const char* to);

  std::string name_;
  std::unique_ptr<std::FILE, closer> file_;
  std::unique_ptr<ZSTD_DCtx_s, closer> decoder_;  // empty for plain text
  std::vector<char> input_;                       // bytes as they lie in the file
  std::size_t input_begin_ = 0;
  std::size_t input_end_ = 0;
  std::vector<char> chunk_;  // text; for a plain file it changes places with input_
  std::size_t chunk_begin_ = 0;
  std::size_t chunk_end_ = 0;
  std::string carried_;  // the beginning of a line that crosses chunks
  std::uint64_t line_number_ = 0;
  std::uint64_t bytes_ = 0;
  bool inside_frame_ = false;
  text_end end_ = text_end::whole;
  std::string damage_;
};

}  // namespace detent::cli
