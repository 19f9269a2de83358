#include "trace_recording.hpp"

#include "trace_event.hpp"

#include <utility>
#include <variant>

namespace detent::cli {
namespace {

constexpr std::string_view how_to_record =
    "\n  Record one with:  trace-cmd record -e timer:timer_start -e timer:timer_cancel -e timer:timer_expire_entry \\\n"
    "                      -e timer:hrtimer_start -e timer:hrtimer_cancel -e timer:hrtimer_expire_entry sleep 5\n"
    "                    trace-cmd report > my.trace\n"
    "  or copy /sys/kernel/tracing/trace while these events are enabled; data/README.md shows both ways.";

std::string count_of(std::uint64_t count, std::string_view one, std::string_view many) {
  return std::to_string(count).append(" ").append(count == 1 ? one : many);
}

/// Sorts each parsed line to where it is counted.
struct line_sorter {
  trace_recording& recording;
  trace_life& life;
  std::uint64_t number;

  void operator()(const header_line&) const { ++recording.lines.headers; }
  void operator()(const foreign_line&) const { ++recording.lines.foreign; }
  void operator()(const lost_marker& marker) const { life.add(marker); }
  void operator()(const trace_event& event) const {
    ++recording.lines.events;
    life.add(event);
  }
  void operator()(const malformed_line& line) const {
    ++recording.lines.malformed;
    if (recording.malformed.size() < trace_recording::most_notes)
      recording.malformed.push_back({number, line.expected});
  }
};

std::string why_unusable(const trace_recording& recording) {
  const line_counts& lines = recording.lines;
  std::string text = recording.file;
  if (lines.lines == 0) {
    text += recording.end == text_end::whole ? " is empty" : " is not readable zstd data (" + recording.damage + ")";
  } else {
    text += " holds no timer event among its " + count_of(lines.lines, "line", "lines");
  }
  for (const malformed_note& note : recording.malformed) {
    text += "\n  " + recording.file + ":" + std::to_string(note.line) + ": " + note.expected;
  }
  return text.append(".").append(how_to_record);
}

}  // namespace

std::vector<std::string> trace_recording::remarks() const {
  std::vector<std::string> remarks;
  for (const malformed_note& note : malformed) {
    remarks.push_back(file + ":" + std::to_string(note.line) + ": malformed event: " + note.expected);
  }
  if (lines.malformed > malformed.size()) {
    remarks.push_back(file + ": and " +
                      count_of(lines.malformed - malformed.size(), "more malformed line", "more malformed lines"));
  }
  if (lines.foreign > 0) {
    remarks.push_back(file + ": " + count_of(lines.foreign, "line was", "lines were") +
                      " of other events or no trace lines; skipped");
  }
  if (end == text_end::cut_short) {
    remarks.push_back(file + " is cut short: the compressed data ends early; replaying the " +
                      count_of(lines.lines, "line", "lines") + " before the cut");
  } else if (end == text_end::damaged) {
    remarks.push_back(file + " is damaged (" + damage + "); replaying the " + count_of(lines.lines, "line", "lines") +
                      " before the damage");
  }
  if (trace.counts.lost_markers > 0) {
    remarks.push_back(file + ": the recorder lost events " + count_of(trace.counts.lost_markers, "time", "times") +
                      " (" + count_of(trace.counts.lost_events, "event", "events") + " as far as it knows)");
  }
  return remarks;
}

trace_recording read_recording(const std::filesystem::path& file, std::optional<std::uint32_t> hz) {
  trace_recording recording;
  recording.file = file.string();
  trace_text text{file};
  trace_life life;
  while (const auto line = text.next()) {
    ++recording.lines.lines;
    std::visit(line_sorter{recording, life, line->number}, parse_trace_line(line->text));
  }
  recording.end = text.end();
  recording.damage = text.damage();
  if (recording.end == text_end::cut_short) recording.damage = "it ends inside the compressed data";
  if (recording.lines.events == 0) throw unusable_trace{why_unusable(recording)};
  try {
    recording.trace = life.finish(hz);
  } catch (const unknown_jiffies_rate& unknown) {
    throw unknown_jiffies_rate{recording.file + ": " + unknown.what()};
  }
  return recording;
}

}  // namespace detent::cli
