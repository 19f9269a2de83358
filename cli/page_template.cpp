#include "page_template.hpp"

#include <cstddef>

#include <nlohmann/json.hpp>

namespace detent::cli {

/// '<' stands only inside of strings in JSON; escaped, no text from a trace can end the script element that holds it.
std::string json_for_script(const nlohmann::json& json) {
  // A task or file name need not be UTF-8.
  const std::string plain = json.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
  std::string escaped;
  escaped.reserve(plain.size());
  for (const char c : plain) {
    if (c == '<') {
      escaped += "\\u003c";
    } else {
      escaped += c;
    }
  }
  return escaped;
}

std::string filled_page(std::string_view text,
                        const std::vector<std::pair<std::string_view, std::string_view>>& parts) {
  // One pass over the template: what is put in is never searched again, for a script may hold two braces as well.
  std::string page;
  std::string_view rest = text;
  while (true) {
    const std::size_t open = rest.find("{{");
    page += rest.substr(0, open);
    if (open == std::string_view::npos) return page;
    rest.remove_prefix(open + 2);
    const std::size_t close = rest.find("}}");
    for (const auto& [name, part] : parts) {
      if (rest.substr(0, close) == name) page += part;
    }
    rest.remove_prefix(close + 2);
  }
}

}  // namespace detent::cli
