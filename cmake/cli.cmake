# The `detent` program. Its parts are a library of their own, so that tests/cli can link them without main().

find_package(CLI11 CONFIG)
find_package(nlohmann_json CONFIG)
find_package(PkgConfig)
if(PkgConfig_FOUND)
  pkg_check_modules(zstd IMPORTED_TARGET libzstd)
endif()
if(NOT (CLI11_FOUND AND nlohmann_json_FOUND AND zstd_FOUND))
  message(WARNING "the `detent` program is left out: it needs CLI11, nlohmann_json and libzstd (./dev run installs them)")
  return()
endif()

# A sanitizer run is there to find races, so the program gets the chaos points then.
if(DETENT_SANITIZE AND TARGET detent_proof)
  set(cli_library detent_proof)
else()
  set(cli_library detent)
endif()

file(GLOB_RECURSE cli_sources CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/cli/*.cpp)
list(FILTER cli_sources EXCLUDE REGEX "/node_modules/")
set(cli_parts ${cli_sources})
list(FILTER cli_parts EXCLUDE REGEX "/main\\.cpp$")
if(NOT TARGET detent_scripting OR NOT cli_library STREQUAL "detent")
  list(FILTER cli_parts EXCLUDE REGEX "/script_(group|engines)\\.cpp$")
endif()

add_library(detent_cli_parts STATIC ${cli_parts})
target_include_directories(detent_cli_parts PUBLIC ${PROJECT_SOURCE_DIR}/cli)
target_link_libraries(detent_cli_parts PUBLIC ${cli_library} CLI11::CLI11 nlohmann_json::nlohmann_json PkgConfig::zstd)
# The engines are made of the plain library, which does not mix with the proof build.
if(TARGET detent_scripting AND cli_library STREQUAL "detent")
  target_link_libraries(detent_cli_parts PUBLIC detent_scripting)
  target_compile_definitions(detent_cli_parts PRIVATE DETENT_WITH_SCRIPTS=1)
  if(TARGET detent_lua)
    target_link_libraries(detent_cli_parts PRIVATE detent_lua)
    target_compile_definitions(detent_cli_parts PRIVATE DETENT_WITH_LUA=1)
  endif()
  if(TARGET detent_javascript)
    target_link_libraries(detent_cli_parts PRIVATE detent_javascript)
    target_compile_definitions(detent_cli_parts PRIVATE DETENT_WITH_JAVASCRIPT=1)
  endif()
endif()
detent_warnings(detent_cli_parts)

add_executable(detent_cli ${PROJECT_SOURCE_DIR}/cli/main.cpp)
target_link_libraries(detent_cli PRIVATE detent_cli_parts)
set_target_properties(detent_cli PROPERTIES OUTPUT_NAME detent RUNTIME_OUTPUT_DIRECTORY ${PROJECT_BINARY_DIR}/bin)
detent_warnings(detent_cli)

# The program's own additions (files to embed, for example) stay in its folder.
include(${PROJECT_SOURCE_DIR}/cli/cli.cmake OPTIONAL)

if(DETENT_INSTALL)
  install(TARGETS detent_cli)
endif()
