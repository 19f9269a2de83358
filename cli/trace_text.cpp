#include "trace_text.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <system_error>

#include <zstd.h>

namespace detent::cli {
namespace {

constexpr std::size_t chunk_bytes = 256 * 1024;
constexpr std::array<unsigned char, 4> zstd_magic = {0x28, 0xb5, 0x2f, 0xfd};

std::FILE* open_file(const std::filesystem::path& file) {
  if (file == "-") return stdin;
  // Opening a folder for reading succeeds on Linux and only the first read fails, with a message about a system call.
  if (std::filesystem::is_directory(file)) throw std::system_error(EISDIR, std::generic_category(), file.string());
  std::FILE* opened = std::fopen(file.c_str(), "rb");
  if (opened == nullptr) throw std::system_error(errno, std::generic_category(), file.string());
  return opened;
}

std::string_view without_carriage_return(std::string_view line) {
  if (!line.empty() && line.back() == '\r') line.remove_suffix(1);
  return line;
}

}  // namespace

void trace_text::closer::operator()(std::FILE* file) const noexcept {
  if (file != stdin) std::fclose(file);
}

void trace_text::closer::operator()(ZSTD_DCtx_s* decoder) const noexcept { ZSTD_freeDCtx(decoder); }

trace_text::trace_text(const std::filesystem::path& file)
    : name_(file.string()), file_(open_file(file)), input_(chunk_bytes), chunk_(chunk_bytes) {
  refill_input();
  const bool compressed =
      input_end_ >= zstd_magic.size() && std::memcmp(input_.data(), zstd_magic.data(), zstd_magic.size()) == 0;
  if (!compressed) return;
  decoder_.reset(ZSTD_createDCtx());
  if (!decoder_) throw std::system_error(ENOMEM, std::generic_category(), "creating a zstd decoder for " + name_);
}

std::optional<text_line> trace_text::next() {
  carried_.clear();
  bool carrying = false;
  while (true) {
    if (chunk_begin_ == chunk_end_ && !refill()) {
      if (!carrying || end_ != text_end::whole) return std::nullopt;
      return text_line{++line_number_, without_carriage_return(carried_)};
    }
    const char* const from = chunk_.data() + chunk_begin_;
    const char* const last = chunk_.data() + chunk_end_;
    const auto* const newline = static_cast<const char*>(std::memchr(from, '\n', chunk_end_ - chunk_begin_));
    const char* const to = newline != nullptr ? newline : last;
    chunk_begin_ = static_cast<std::size_t>((newline != nullptr ? newline + 1 : last) - chunk_.data());
    if (newline != nullptr && !carrying) {
      const std::string_view line{from, static_cast<std::size_t>(to - from)};
      return text_line{++line_number_, without_carriage_return(line.substr(0, longest_line))};
    }
    keep(from, to);
    carrying = true;
    if (newline != nullptr) return text_line{++line_number_, without_carriage_return(carried_)};
  }
}

void trace_text::keep(const char* from, const char* to) {
  const std::size_t room = longest_line - std::min(longest_line, carried_.size());
  carried_.append(from, std::min(room, static_cast<std::size_t>(to - from)));
}

bool trace_text::refill() {
  chunk_begin_ = chunk_end_ = 0;
  if (decoder_) {
    if (!refill_from_frame()) return false;
  } else {
    if (input_begin_ == input_end_ && !refill_input()) return false;
    std::swap(input_, chunk_);
    chunk_end_ = input_end_;
    input_begin_ = input_end_ = 0;
  }
  bytes_ += chunk_end_;
  return true;
}

bool trace_text::refill_input() {
  input_begin_ = 0;
  input_end_ = std::fread(input_.data(), 1, input_.size(), file_.get());
  if (input_end_ == 0 && std::ferror(file_.get()) != 0) {
    throw std::system_error(errno, std::generic_category(), "reading " + name_);
  }
  return input_end_ != 0;
}

bool trace_text::refill_from_frame() {
  if (end_ != text_end::whole) return false;
  while (true) {
    if (input_begin_ == input_end_) refill_input();
    ZSTD_inBuffer in{input_.data(), input_end_, input_begin_};
    ZSTD_outBuffer out{chunk_.data(), chunk_.size(), 0};
    const bool at_end = input_begin_ == input_end_;
    if (at_end && !inside_frame_) return false;
    const std::size_t rest = ZSTD_decompressStream(decoder_.get(), &out, &in);
    input_begin_ = in.pos;
    chunk_end_ = out.pos;
    if (ZSTD_isError(rest) != 0) {
      end_ = text_end::damaged;
      damage_ = ZSTD_getErrorName(rest);
      return out.pos != 0;
    }
    inside_frame_ = rest != 0;
    if (out.pos != 0) return true;
    if (at_end) {
      // The file has no more bytes and the decoder holds none back, yet the frame is not over: somebody cut the file.
      if (inside_frame_) end_ = text_end::cut_short;
      return false;
    }
  }
}

}  // namespace detent::cli
