# What only the top-level project may decide, for all its targets at once.

if(NOT CMAKE_BUILD_TYPE)
  set(CMAKE_BUILD_TYPE Release CACHE STRING "Build type" FORCE)
endif()

find_program(DETENT_CCACHE ccache)
if(DETENT_CCACHE AND NOT CMAKE_CXX_COMPILER_LAUNCHER)
  set(CMAKE_CXX_COMPILER_LAUNCHER ${DETENT_CCACHE})
endif()

if(DETENT_SANITIZE)
  add_compile_options(-fsanitize=${DETENT_SANITIZE} -fno-omit-frame-pointer)
  add_link_options(-fsanitize=${DETENT_SANITIZE})
  if(CMAKE_CXX_COMPILER_ID STREQUAL "Clang")
    # Its runtime is a static archive with an operator new of its own; a test that counts allocations brings another.
    add_link_options(-Wl,--allow-multiple-definition)
  endif()
  if(DETENT_SANITIZE MATCHES "undefined")
    add_compile_options(-fno-sanitize-recover=all)
  endif()
endif()

# The public headers change with this, so every target of ours is compiled alike.
if(DETENT_NO_EXCEPTIONS)
  add_compile_options(-fno-exceptions -fno-rtti)
endif()
