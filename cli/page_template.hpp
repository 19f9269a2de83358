// A self-contained web page from a template and what belongs into it.
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <nlohmann/json_fwd.hpp>

namespace detent::cli {

/// `text` with each {{name}} replaced by the part of that name. What is put in is never searched again.
std::string filled_page(std::string_view text, const std::vector<std::pair<std::string_view, std::string_view>>& parts);

/// JSON that no text in it can turn into markup, for a script element.
std::string json_for_script(const nlohmann::json& json);

}  // namespace detent::cli
