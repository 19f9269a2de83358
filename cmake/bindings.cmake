# Bindings: engines and languages over the adapters. Each needs a package of its own, and without it is left out by name.
# They are parts of the `detent` program and of the tests, and are not installed.

find_package(PkgConfig)

# One engine of `detent run`: bindings/NAME over the package of that name.
function(add_script_engine name package debian_package)
  if(PkgConfig_FOUND)
    pkg_check_modules(${name} IMPORTED_TARGET ${package})
  endif()
  if(NOT ${name}_FOUND)
    message(STATUS "the engine in bindings/${name} is left out: it needs ${debian_package} (./dev test installs it)")
    return()
  endif()
  file(GLOB sources CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/bindings/${name}/*.cpp)
  add_library(detent_${name} STATIC ${sources})
  target_link_libraries(detent_${name} PUBLIC detent_scripting PRIVATE PkgConfig::${name} ${CMAKE_DL_LIBS})
  detent_warnings(detent_${name})
endfunction()

if(IS_DIRECTORY ${PROJECT_SOURCE_DIR}/bindings/engine)
  file(GLOB sources CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/bindings/engine/*.cpp)
  add_library(detent_scripting STATIC ${sources})
  target_link_libraries(detent_scripting PUBLIC detent_script detent_modes)
  target_include_directories(detent_scripting PUBLIC ${PROJECT_SOURCE_DIR})
  detent_warnings(detent_scripting)

  # Compiled as C++, as Debian has it too: an error of a script passes by destructors.
  add_script_engine(lua lua5.4-c++ liblua5.4-dev)

  add_script_engine(javascript javascriptcoregtk-4.1 libjavascriptcoregtk-4.1-dev)
  if(TARGET detent_javascript)
    set(here ${PROJECT_SOURCE_DIR}/bindings/javascript)
    file(READ ${here}/prelude.js prelude)
    set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS ${here}/prelude.js)
    configure_file(${here}/prelude.cpp.in ${PROJECT_BINARY_DIR}/javascript/prelude.cpp @ONLY)
    target_sources(detent_javascript PRIVATE ${PROJECT_BINARY_DIR}/javascript/prelude.cpp)
  endif()
endif()
