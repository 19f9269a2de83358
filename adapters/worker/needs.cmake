# The reports' JSON is written by nlohmann_json.
find_package(nlohmann_json CONFIG QUIET)
if(NOT nlohmann_json_FOUND)
  set(missing "nlohmann_json (nlohmann-json3-dev)")
endif()
