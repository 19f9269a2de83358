# How our own targets are compiled. Nothing here reaches the targets of those who use the library.

# Warnings, errors when we are the top-level project.
function(detent_warnings target)
  set(common -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wsign-conversion -Wnon-virtual-dtor -Wold-style-cast
             -Wcast-qual -Wcast-align -Wundef -Woverloaded-virtual -Wformat=2 -Wextra-semi -Wimplicit-fallthrough)
  set(gcc -Wduplicated-cond -Wduplicated-branches -Wlogical-op)
  set(clang -Wthread-safety -Wshadow-all -Wno-shadow-field-in-constructor -Wunreachable-code)
  target_compile_options(${target} PRIVATE ${common}
    $<$<CXX_COMPILER_ID:GNU>:${gcc}> $<$<CXX_COMPILER_ID:Clang>:${clang}>)
  if(DETENT_WERROR)
    target_compile_options(${target} PRIVATE -Werror)
    # g++ 12 sees through the sanitizers' instrumentation only half and warns of what cannot happen. The same code is
    # checked without these exceptions in the other presets.
    if(DETENT_SANITIZE AND CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
      target_compile_options(${target} PRIVATE
        -Wno-error=maybe-uninitialized -Wno-error=stringop-overflow -Wno-error=array-bounds)
    endif()
  endif()
endfunction()

# What both variants of the library have alike.
function(detent_library target)
  target_compile_features(${target} PUBLIC cxx_std_20)
  target_include_directories(${target}
    PUBLIC $<BUILD_INTERFACE:${PROJECT_SOURCE_DIR}/include> $<INSTALL_INTERFACE:${CMAKE_INSTALL_INCLUDEDIR}>
    PRIVATE ${PROJECT_SOURCE_DIR}/src)
  target_link_libraries(${target} PUBLIC Threads::Threads)
  # Position independent also when static: a plug-in may link the library into itself.
  set_target_properties(${target} PROPERTIES CXX_EXTENSIONS OFF POSITION_INDEPENDENT_CODE ON
    CXX_VISIBILITY_PRESET hidden VISIBILITY_INLINES_HIDDEN ON)
  detent_warnings(${target})
endfunction()

# C for the targets of ours that need it, of the same family as the C++ compiler: sanitizers of two families do not mix.
# Users of the library need C++ alone.
macro(detent_enable_c)
  if(NOT CMAKE_C_COMPILER AND CMAKE_CXX_COMPILER MATCHES "clang\\+\\+|g\\+\\+")
    string(REGEX REPLACE "clang\\+\\+([^/]*)$" "clang\\1" c_compiler "${CMAKE_CXX_COMPILER}")
    string(REGEX REPLACE "g\\+\\+([^/]*)$" "gcc\\1" c_compiler "${c_compiler}")
    if(EXISTS ${c_compiler})
      set(CMAKE_C_COMPILER ${c_compiler})
    endif()
  endif()
  enable_language(C)
endmacro()
