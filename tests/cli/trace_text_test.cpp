// Lines of plain and compressed files, whole and cut.
#include "trace_text.hpp"

#include <filesystem>
#include <fstream>
#include <string>
#include <system_error>
#include <unistd.h>
#include <vector>

#include <gtest/gtest.h>
#include <zstd.h>

namespace detent::cli {
namespace {

class trace_text_test : public testing::Test {
 protected:
  std::filesystem::path file_ =
      std::filesystem::path(testing::TempDir()) / ("detent_trace_text_test." + std::to_string(getpid()));

  ~trace_text_test() override { std::filesystem::remove(file_); }

  void write(const std::string& bytes) { std::ofstream(file_, std::ios::binary) << bytes; }

  static std::string compress(const std::string& text) {
    std::string bytes(ZSTD_compressBound(text.size()), '\0');
    bytes.resize(ZSTD_compress(bytes.data(), bytes.size(), text.data(), text.size(), 3));
    return bytes;
  }

  static std::vector<std::string> lines_of(trace_text& text) {
    std::vector<std::string> lines;
    while (const auto line = text.next()) {
      lines.emplace_back(line->text);
      EXPECT_EQ(line->number, lines.size());
    }
    return lines;
  }

  /// Numbers that do not compress to nothing, so that a compressed file can be cut at a telling place.
  static std::string many_lines(std::size_t count) {
    std::string text;
    std::uint64_t state = 1;
    for (std::size_t at = 0; at < count; ++at) {
      state = state * 6364136223846793005U + 1442695040888963407U;
      text += std::to_string(state) + "\n";
    }
    return text;
  }
};

TEST_F(trace_text_test, lines_of_a_plain_file) {
  write("one\n\ntwo\nthree");
  trace_text text{file_};
  EXPECT_EQ(lines_of(text), (std::vector<std::string>{"one", "", "two", "three"}));
  EXPECT_EQ(text.end(), text_end::whole);
  EXPECT_EQ(text.bytes(), 14U);
}

TEST_F(trace_text_test, carriage_returns_belong_to_the_line_end) {
  write("one\r\ntwo\r\n\r\nthree\r");
  trace_text text{file_};
  EXPECT_EQ(lines_of(text), (std::vector<std::string>{"one", "two", "", "three"}));
}

TEST_F(trace_text_test, an_empty_file_has_no_line) {
  write("");
  trace_text text{file_};
  EXPECT_TRUE(lines_of(text).empty());
  EXPECT_EQ(text.end(), text_end::whole);
}

TEST_F(trace_text_test, lines_cross_chunks) {
  const std::string all = many_lines(100'000);
  for (const std::string& bytes : {all, compress(all)}) {
    write(bytes);
    trace_text text{file_};
    std::string joined;
    for (const std::string& line : lines_of(text)) joined += line + "\n";
    EXPECT_EQ(joined, all);
    EXPECT_EQ(text.bytes(), all.size());
    EXPECT_EQ(text.end(), text_end::whole);
  }
}

TEST_F(trace_text_test, a_very_long_line_keeps_its_beginning) {
  write("short\nlong" + std::string(3'000'000, 'x') + "\nafter\n");
  trace_text text{file_};
  const auto lines = lines_of(text);
  ASSERT_EQ(lines.size(), 3U);
  EXPECT_EQ(lines[1].size(), trace_text::longest_line);
  EXPECT_TRUE(lines[1].starts_with("longx"));
  EXPECT_EQ(lines[2], "after");
}

TEST_F(trace_text_test, several_frames_are_one_text) {
  write(compress("one\ntw") + compress("o\nthree\n"));
  trace_text text{file_};
  EXPECT_EQ(lines_of(text), (std::vector<std::string>{"one", "two", "three"}));
  EXPECT_EQ(text.end(), text_end::whole);
}

TEST_F(trace_text_test, a_cut_file_gives_its_whole_lines) {
  const std::string all = many_lines(50'000);
  const std::string bytes = compress(all);
  write(bytes.substr(0, bytes.size() / 2));
  trace_text text{file_};
  const auto lines = lines_of(text);
  EXPECT_EQ(text.end(), text_end::cut_short);
  ASSERT_GT(lines.size(), 1000U);
  ASSERT_LT(lines.size(), 50'000U);
  std::string joined;
  for (const std::string& line : lines) joined += line + "\n";
  EXPECT_TRUE(all.starts_with(joined)) << "the last line must not be half a line";
}

TEST_F(trace_text_test, a_damaged_file_gives_what_was_before) {
  std::string bytes = compress(many_lines(50'000));
  for (std::size_t at = bytes.size() / 2; at < bytes.size() / 2 + 64; ++at) bytes[at] = static_cast<char>(~bytes[at]);
  write(bytes);
  trace_text text{file_};
  EXPECT_FALSE(lines_of(text).empty());
  EXPECT_EQ(text.end(), text_end::damaged);
  EXPECT_FALSE(text.damage().empty());
}

TEST_F(trace_text_test, every_cut_of_a_small_file_ends) {
  const std::string bytes = compress("one\ntwo\nthree\n");
  for (std::size_t length = 4; length < bytes.size(); ++length) {
    write(bytes.substr(0, length));
    trace_text text{file_};
    lines_of(text);
    EXPECT_NE(text.end(), text_end::whole) << length;
  }
}

TEST_F(trace_text_test, a_file_that_cannot_be_opened_is_named) {
  try {
    trace_text text{"/nonexistent/trace"};
    FAIL() << "opened";
  } catch (const std::system_error& error) {
    EXPECT_NE(std::string(error.what()).find("/nonexistent/trace"), std::string::npos);
  }
  EXPECT_THROW(trace_text{std::filesystem::path(testing::TempDir())}, std::system_error);
}

}  // namespace
}  // namespace detent::cli
