// Both printers of the kernel's timer events, and what the parser says of lines that it cannot read.
#include "trace_event.hpp"

#include <ostream>
#include <string>
#include <string_view>
#include <variant>

#include <gtest/gtest.h>

namespace detent::cli {
namespace {

struct readable {
  std::string_view name;
  std::string_view line;
  trace_event expected;
};

void PrintTo(const readable& row, std::ostream* out) { *out << row.name; }

class readable_lines : public testing::TestWithParam<readable> {};

TEST_P(readable_lines, give_the_event) {
  const parsed_line parsed = parse_trace_line(GetParam().line);
  ASSERT_TRUE(std::holds_alternative<trace_event>(parsed)) << "alternative " << parsed.index();
  const trace_event& event = std::get<trace_event>(parsed);
  const trace_event& expected = GetParam().expected;
  EXPECT_EQ(event.family, expected.family);
  EXPECT_EQ(event.verb, expected.verb);
  EXPECT_EQ(event.was_armed, expected.was_armed);
  EXPECT_EQ(event.cpu, expected.cpu);
  EXPECT_EQ(event.time_ns, expected.time_ns);
  EXPECT_EQ(event.address, expected.address);
  EXPECT_EQ(event.function, expected.function);
  EXPECT_EQ(event.expires, expected.expires);
  EXPECT_EQ(event.timeout_jiffies, expected.timeout_jiffies);
  EXPECT_EQ(event.now, expected.now);
}

constexpr auto wheel = timer_family::wheel;
constexpr auto hrtimer = timer_family::hrtimer;
constexpr auto start = trace_verb::start;
constexpr auto cancel = trace_verb::cancel;
constexpr auto expire = trace_verb::expire_entry;

const readable rows[] = {
    {"ftrace_timer_start",
     "             wrk-32356   [000] D.s2.  3767.722029: timer_start: timer=00000000c234adba "
     "function=reqsk_timer_handler expires=4295834419 [timeout=250] bucket_expiry=4295834424 cpu=0 idx=103 flags=P",
     {wheel, start, false, 0, 3767'722'029'000, 0xc234adba, "reqsk_timer_handler", 4295834419, 250, 0}},
    {"ftrace_timer_cancel",
     "             wrk-32356   [000] d.s3.  3767.722048: timer_cancel: timer=00000000c234adba",
     {wheel, cancel, false, 0, 3767'722'048'000, 0xc234adba, "", 0, 0, 0}},
    {"ftrace_timer_expire",
     "          rec.sh-32353   [001] .ns..  3772.764025: timer_expire_entry: timer=00000000d9ff94c0 "
     "function=process_timeout now=4295835430 baseclk=4295835430",
     {wheel, expire, false, 1, 3772'764'025'000, 0xd9ff94c0, "process_timeout", 0, 0, 4295835430}},
    {"ftrace_hrtimer_start_takes_the_soft_limit",
     "         timeout-32355   [000] d..2.  3767.718457: hrtimer_start: hrtimer=00000000912ffa8a "
     "function=posix_timer_fn "
     "expires=3775718454026 softexpires=3775718404026 mode=ABS was_armed=0",
     {hrtimer, start, false, 0, 3767'718'457'000, 0x912ffa8a, "posix_timer_fn", 3775718404026, 0, 0}},
    {"ftrace_hrtimer_start_over_armed",
     "  <idle>-0 [003] d.h2. 1.000001: hrtimer_start: hrtimer=1 function=f expires=5 softexpires=4 mode=ABS|HARD "
     "was_armed=1",
     {hrtimer, start, true, 3, 1'000'001'000, 1, "f", 4, 0, 0}},
    {"ftrace_hrtimer_cancel",
     "           nginx-32352   [000] d..1.  3767.722336: hrtimer_cancel: hrtimer=0000000035f55ced",
     {hrtimer, cancel, false, 0, 3767'722'336'000, 0x35f55ced, "", 0, 0, 0}},
    {"ftrace_hrtimer_expire",
     "             cc1-32341   [001] d.h..  3767.720018: hrtimer_expire_entry: hrtimer=000000000661a7b4 "
     "function=tick_nohz_handler now=3767720015524",
     {hrtimer, expire, false, 1, 3767'720'018'000, 0x661a7b4, "tick_nohz_handler", 0, 0, 3767720015524}},
    {"ftrace_with_the_thread_group",
     "  <idle>-0       (-----) [001] d.h..  7.5: timer_cancel: timer=ffff8881",
     {wheel, cancel, false, 1, 7'500'000'000, 0xffff8881, "", 0, 0, 0}},
    {"report_timer_start",
     "          <idle>-0     [001]   123.456789: timer_start:          timer=0xffff88813bc1b2c0 "
     "function=tcp_write_timer expires=4294967400 [timeout=51] cpu=1 idx=45 flags=",
     {wheel, start, false, 1, 123'456'789'000, 0xffff88813bc1b2c0, "tcp_write_timer", 4294967400, 51, 0}},
    {"report_with_flags_and_nanoseconds",
     "          <idle>-0     [001] d.h1.   123.456789012: timer_cancel:         timer=0xffff88813bc1b2c0",
     {wheel, cancel, false, 1, 123'456'789'012, 0xffff88813bc1b2c0, "", 0, 0, 0}},
    {"report_hrtimer_start_has_no_mode",
     "  <idle>-0     [000]   9.000000: hrtimer_start:        hrtimer=0xffff8880 function=tick_sched_timer/0x0 "
     "expires=9004000000 softexpires=9004000000",
     {hrtimer, start, false, 0, 9'000'000'000, 0xffff8880, "tick_sched_timer", 9004000000, 0, 0}},
    {"report_hrtimer_expire_names_the_function_last",
     "  <idle>-0     [000]   9.004003: hrtimer_expire_entry: hrtimer=0xffff8880 now=9004001234 "
     "function=tick_sched_timer/0x0",
     {hrtimer, expire, false, 0, 9'004'003'000, 0xffff8880, "tick_sched_timer", 0, 0, 9004001234}},
    {"function_in_a_module",
     "  kworker/0:1-99 [000] .... 1.5: timer_start: timer=1 function=gc_worker [nf_conntrack] expires=10 [timeout=7] "
     "flags=D|I",
     {wheel, start, false, 0, 1'500'000'000, 1, "gc_worker [nf_conntrack]", 10, 7, 0}},
    {"function_without_a_name",
     "  x-1 [000] .... 1.5: timer_start: timer=1 function= expires=10 [timeout=7]",
     {wheel, start, false, 0, 1'500'000'000, 1, "(no function)", 10, 7, 0}},
    {"old_kernel_with_an_offset",
     "  <idle>-0     [000]  1.5: timer_start: timer=c1 function=delayed_work_timer_fn+0x0 expires=10 [timeout=-3]",
     {wheel, start, false, 0, 1'500'000'000, 0xc1, "delayed_work_timer_fn", 10, -3, 0}},
    {"task_name_with_spaces_and_a_dash",
     "   my - task x-77  [002] ..... 2.000000: timer_cancel: timer=ab",
     {wheel, cancel, false, 2, 2'000'000'000, 0xab, "", 0, 0, 0}},
    {"task_name_with_brackets_and_colons",
     "  a[1]: b: [12]-5  [002] ..... 2.000000: timer_cancel: timer=ab",
     {wheel, cancel, false, 2, 2'000'000'000, 0xab, "", 0, 0, 0}},
    {"task_name_that_is_an_event",
     " timer_cancel:-5  [002] ..... 2.000000: timer_expire_entry: timer=ab function=f now=3",
     {wheel, expire, false, 2, 2'000'000'000, 0xab, "f", 0, 0, 3}},
    {"instant_before_the_zero_of_its_clock",
     "  x-1 [000] .... 1.5: hrtimer_start: hrtimer=1 function=f expires=18446744073709551615 "
     "softexpires=18446744073709551615 mode=ABS",
     {hrtimer, start, false, 0, 1'500'000'000, 1, "f", -1, 0, 0}},
};

INSTANTIATE_TEST_SUITE_P(trace_event, readable_lines, testing::ValuesIn(rows),
                         [](const auto& row) { return std::string(row.param.name); });

struct unreadable {
  std::string_view name;
  std::string_view line;
  std::string_view complaint;
};

void PrintTo(const unreadable& row, std::ostream* out) { *out << row.name; }

class malformed_lines : public testing::TestWithParam<unreadable> {};

TEST_P(malformed_lines, say_what_was_expected) {
  const parsed_line parsed = parse_trace_line(GetParam().line);
  ASSERT_TRUE(std::holds_alternative<malformed_line>(parsed)) << "alternative " << parsed.index();
  EXPECT_EQ(std::get<malformed_line>(parsed).expected, GetParam().complaint);
}

const unreadable complaints[] = {
    {"address_missing", "  x-1 [000] .... 1.5: timer_cancel: ",
     "expected 'timer=' with a hexadecimal address, found 'nothing of the kind'"},
    {"address_hidden", "  x-1 [000] .... 1.5: timer_cancel: timer=(____ptrval____)",
     "expected 'timer=' with a hexadecimal address, found '(____ptrval____)'"},
    {"function_missing", "  x-1 [000] .... 1.5: timer_start: timer=1 expires=5 [timeout=1]",
     "expected 'function=' with the name of a function, found 'nothing of the kind'"},
    {"expires_is_no_number", "  x-1 [000] .... 1.5: timer_start: timer=1 function=f expires=soon [timeout=1]",
     "expected 'expires=' with a number, found 'soon'"},
    {"timeout_missing", "  x-1 [000] .... 1.5: timer_start: timer=1 function=f expires=5",
     "expected 'timeout=' with a number, found 'nothing of the kind'"},
    {"now_is_cut", "  x-1 [000] .... 1.5: hrtimer_expire_entry: hrtimer=1 function=f now=",
     "expected 'now=' with a number, found ''"},
    {"number_too_large", "  x-1 [000] .... 1.5: timer_expire_entry: timer=1 function=f now=99999999999999999999",
     "expected 'now=' with a number, found '99999999999999999999'"},
    {"time_in_cycles", "  x-1 [000] .... 123456789: timer_cancel: timer=1",
     "expected a time in seconds such as 3767.718457: before 'timer_cancel:', found '  x-1 [000] .... 123456789: '"},
    {"cpu_missing", "  x-1 .... 1.5: hrtimer_cancel: hrtimer=1",
     "expected a CPU in brackets such as [001] before 'hrtimer_cancel:', found '  x-1 .... 1.5: '"},
    {"cpu_impossible", "  x-1 [70000] .... 1.5: timer_cancel: timer=1",
     "expected a CPU in brackets such as [001] before 'timer_cancel:', found '  x-1 [70000] .... 1.5: '"},
};

INSTANTIATE_TEST_SUITE_P(trace_event, malformed_lines, testing::ValuesIn(complaints),
                         [](const auto& row) { return std::string(row.param.name); });

TEST(trace_event, headers_are_told_apart) {
  for (const std::string_view line : {"# tracer: nop", "#", "", "   ", "##### CPU 1 buffer started ####", "cpus=2",
                                      "version = 6", "CPU 3 is empty", "trace-cmd: No such file"}) {
    EXPECT_TRUE(std::holds_alternative<header_line>(parse_trace_line(line))) << line;
  }
}

TEST(trace_event, other_lines_are_foreign) {
  for (const std::string_view line :
       {"  x-1 [000] d.... 1.5: sched_switch: prev_comm=x ==> next_comm=timer_start",
        "  x-1 [000] d.... 1.5: timer_expire_exit: timer=1", "  x-1 [000] d.... 1.5: hrtimer_init: hrtimer=1 clockid=1",
        "root:x:0:0:root:/root:/bin/bash", "say timer_start in prose", "my_timer_start: x", "\xff\xfe\x01 [", "[[[[",
        "[0]", "CPU:1 nothing"}) {
    EXPECT_TRUE(std::holds_alternative<foreign_line>(parse_trace_line(line))) << line;
  }
}

TEST(trace_event, lost_markers_of_both_printers) {
  struct row {
    std::string_view line;
    std::uint32_t cpu;
    std::optional<std::uint64_t> events;
  };
  for (const row& one : {row{"CPU:1 [LOST 123 EVENTS]", 1, 123}, row{"CPU:12 [LOST EVENTS]", 12, std::nullopt},
                         row{"CPU:0 [77 EVENTS DROPPED]", 0, 77}, row{"CPU:0 [EVENTS DROPPED]", 0, std::nullopt}}) {
    const parsed_line parsed = parse_trace_line(one.line);
    ASSERT_TRUE(std::holds_alternative<lost_marker>(parsed)) << one.line;
    EXPECT_EQ(std::get<lost_marker>(parsed).cpu, one.cpu);
    EXPECT_EQ(std::get<lost_marker>(parsed).events, one.events);
  }
}

TEST(trace_event, every_beginning_of_a_line_is_judged_without_harm) {
  const std::string line(rows[0].line);
  for (std::size_t length = 0; length < line.size(); ++length) {
    const parsed_line parsed = parse_trace_line(std::string_view{line}.substr(0, length));
    const bool names_event = length > line.find("timer_start:") + 11;
    const bool complete = length >= line.find("] bucket");
    EXPECT_TRUE(names_event || !std::holds_alternative<malformed_line>(parsed)) << length;
    EXPECT_TRUE(!complete || std::holds_alternative<trace_event>(parsed)) << length;
  }
}

}  // namespace
}  // namespace detent::cli
