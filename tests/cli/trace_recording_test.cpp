// Whole files, good and bad, and what the user is told of them.
#include "trace_recording.hpp"

#include <filesystem>
#include <fstream>
#include <string>
#include <system_error>
#include <unistd.h>

#include <gtest/gtest.h>

namespace detent::cli {
namespace {

class trace_recording_test : public testing::Test {
 protected:
  std::filesystem::path file_ =
      std::filesystem::path(testing::TempDir()) / ("detent_trace_recording_test." + std::to_string(getpid()));

  ~trace_recording_test() override { std::filesystem::remove(file_); }

  void write(const std::string& bytes) { std::ofstream(file_, std::ios::binary) << bytes; }

  std::string refusal() {
    try {
      read_recording(file_, std::nullopt);
    } catch (const unusable_trace& refused) {
      return refused.what();
    }
    ADD_FAILURE() << "was not refused";
    return {};
  }
};

const std::string start = "  a-1 [000] .... 1.0: hrtimer_start: hrtimer=1 function=f expires=2000000000\n";

TEST_F(trace_recording_test, lines_are_sorted_and_counted) {
  write("# tracer: nop\r\n" + start + "  a-1 [000] .... 1.1: sched_switch: x\nCPU:0 [LOST 7 EVENTS]\r\n\n" +
        "  a-1 [000] .... 1.2: hrtimer_cancel: hrtimer=1\r\n");
  const auto recording = read_recording(file_, std::nullopt);
  EXPECT_EQ(recording.lines.lines, 6U);
  EXPECT_EQ(recording.lines.events, 2U);
  EXPECT_EQ(recording.lines.headers, 2U);
  EXPECT_EQ(recording.lines.foreign, 1U);
  EXPECT_EQ(recording.trace.counts.lost_events, 7U);
  EXPECT_EQ(recording.trace.operations.size(), 2U);
  EXPECT_EQ(recording.trace.length_ns, 200'000'000);
  ASSERT_EQ(recording.remarks().size(), 2U);
  EXPECT_NE(recording.remarks()[0].find("1 line was of other events"), std::string::npos);
  EXPECT_NE(recording.remarks()[1].find("lost events 1 time (7 events"), std::string::npos);
}

TEST_F(trace_recording_test, the_first_five_malformed_lines_are_told_and_the_others_counted) {
  std::string text = start;
  for (int n = 0; n < 8; ++n) text += "  a-1 [000] .... 1.0: hrtimer_cancel: hrtimer=zebra\n";
  write(text);
  const auto recording = read_recording(file_, std::nullopt);
  EXPECT_EQ(recording.lines.malformed, 8U);
  const auto remarks = recording.remarks();
  ASSERT_EQ(remarks.size(), 6U);
  EXPECT_EQ(remarks[0],
            file_.string() + ":2: malformed event: expected 'hrtimer=' with a hexadecimal address, found 'zebra'");
  EXPECT_EQ(remarks[5], file_.string() + ": and 3 more malformed lines");
}

TEST_F(trace_recording_test, an_empty_file_is_refused_with_a_hint) {
  write("");
  const std::string text = refusal();
  EXPECT_TRUE(text.starts_with(file_.string() + " is empty.")) << text;
  EXPECT_NE(text.find("trace-cmd record"), std::string::npos);
}

TEST_F(trace_recording_test, a_foreign_file_is_refused_with_a_hint) {
  write("root:x:0:0\ndaemon:x:1:1\n");
  EXPECT_TRUE(refusal().starts_with(file_.string() + " holds no timer event among its 2 lines."));
  write("  a-1 [000] .... 12345: timer_cancel: timer=1\n");
  EXPECT_NE(refusal().find(":1: expected a time in seconds"), std::string::npos) << "why no line could be used";
}

TEST_F(trace_recording_test, a_file_cut_before_its_first_line_is_refused) {
  write(std::string("\x28\xb5\x2f\xfd\x24", 5));
  EXPECT_NE(refusal().find("is not readable zstd data"), std::string::npos);
}

TEST_F(trace_recording_test, a_cut_file_is_replayed_as_far_as_it_goes) {
  std::ifstream whole(DETENT_DATA_DIR "/nginx-wrk.ftrace.zst", std::ios::binary);
  std::string bytes(1'000'000, '\0');
  whole.read(bytes.data(), static_cast<std::streamsize>(bytes.size()));
  write(bytes);
  const auto recording = read_recording(file_, std::nullopt);
  EXPECT_EQ(recording.end, text_end::cut_short);
  EXPECT_GT(recording.lines.events, 100'000U);
  EXPECT_EQ(recording.lines.malformed, 0U);
  ASSERT_EQ(recording.remarks().size(), 1U);
  EXPECT_NE(recording.remarks()[0].find("is cut short"), std::string::npos);
}

TEST_F(trace_recording_test, an_unknown_rate_of_jiffies_names_the_file_and_the_option) {
  write("  a-1 [000] .... 1.0: timer_start: timer=1 function=f expires=5 [timeout=1]\n");
  try {
    read_recording(file_, std::nullopt);
    FAIL() << "guessed";
  } catch (const unknown_jiffies_rate& unknown) {
    const std::string text = unknown.what();
    EXPECT_TRUE(text.starts_with(file_.string() + ": "));
    EXPECT_NE(text.find("--hz"), std::string::npos);
  }
  EXPECT_EQ(read_recording(file_, 250).trace.operations[0].delay_ns, 4'000'000);
}

TEST_F(trace_recording_test, a_missing_file_is_named) {
  EXPECT_THROW(read_recording("/nonexistent/trace", std::nullopt), std::system_error);
}

}  // namespace
}  // namespace detent::cli
