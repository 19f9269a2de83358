// report_json: a worker's report as words and as a JSON value, for reports that contain it, and how they say durations.
#pragma once

#include <detent/time.hpp>
#include <detent/worker_report.hpp>

#include <string>

#include <nlohmann/json.hpp>

DETENT_BEGIN_NAMESPACE
namespace detail {

// duration::max() is no limit: "no limit" in words, null in JSON.
std::string in_ms(duration d);
nlohmann::json limit_of(duration d);

nlohmann::json to_json(const worker_report& report);
void write_text(const worker_report& report, const std::string& indent, std::string& to);

}  // namespace detail
DETENT_END_NAMESPACE
