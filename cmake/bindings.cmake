# Bindings: engines and languages over the adapters. Each needs a package of its own, and without it is left out by name.
# They are parts of the `detent` program and of the tests, and are not installed.

find_package(PkgConfig)
if(PkgConfig_FOUND AND IS_DIRECTORY ${PROJECT_SOURCE_DIR}/bindings/lua)
  pkg_check_modules(lua IMPORTED_TARGET lua5.4)
  if(lua_FOUND)
    file(GLOB lua_sources CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/bindings/lua/*.cpp)
    add_library(detent_lua STATIC ${lua_sources})
    target_link_libraries(detent_lua PUBLIC detent_script detent_modes PkgConfig::lua)
    target_include_directories(detent_lua PUBLIC ${PROJECT_SOURCE_DIR})
    detent_warnings(detent_lua)
  else()
    message(STATUS "the Lua engine is left out: it needs liblua5.4-dev (./dev test installs it)")
  endif()
endif()
