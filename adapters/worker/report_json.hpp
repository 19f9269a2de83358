// report_json: a worker's report as a JSON value, for reports that contain it.
#pragma once

#include <detent/worker_report.hpp>

#include <nlohmann/json.hpp>

DETENT_BEGIN_NAMESPACE
namespace detail {

nlohmann::json to_json(const worker_report& report);
void write_text(const worker_report& report, const std::string& indent, std::string& to);

}  // namespace detail
DETENT_END_NAMESPACE
