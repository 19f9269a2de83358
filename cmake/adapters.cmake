# Adapters: each folder adapters/NAME is the library detent::NAME, which links detent::detent and is installed with it.
#   include/    its public headers, installed beside the core's
#   *.cpp       its sources; without any it is header-only
#   needs.cmake, if it cannot do without a package that may be absent, sets `missing` to the package's name: the adapter,
#               its tests and its examples are left out then
#   CMakeLists.txt, if it needs more (a definition, a library), is read after the target detent_NAME was made

file(GLOB adapter_folders CONFIGURE_DEPENDS LIST_DIRECTORIES true ${PROJECT_SOURCE_DIR}/adapters/*)
set(detent_adapters "")
foreach(folder IN LISTS adapter_folders)
  if(NOT IS_DIRECTORY ${folder})
    continue()
  endif()
  get_filename_component(name ${folder} NAME)
  set(missing "")
  include(${folder}/needs.cmake OPTIONAL)
  if(missing)
    message(STATUS "adapters/${name} is left out: it needs ${missing}")
    continue()
  endif()
  file(GLOB sources CONFIGURE_DEPENDS ${folder}/*.cpp ${folder}/*.c)
  if(sources)
    add_library(detent_${name} ${sources})
    target_link_libraries(detent_${name} PUBLIC detent)
    detent_warnings(detent_${name})
    set_target_properties(detent_${name} PROPERTIES VERSION ${PROJECT_VERSION} SOVERSION ${PROJECT_VERSION_MAJOR}
      POSITION_INDEPENDENT_CODE ON)
    set(scope PUBLIC)
  else()
    add_library(detent_${name} INTERFACE)
    target_link_libraries(detent_${name} INTERFACE detent)
    set(scope INTERFACE)
  endif()
  target_include_directories(detent_${name} ${scope}
    $<BUILD_INTERFACE:${folder}/include> $<INSTALL_INTERFACE:${CMAKE_INSTALL_INCLUDEDIR}>)
  set_target_properties(detent_${name} PROPERTIES EXPORT_NAME ${name})
  add_library(detent::${name} ALIAS detent_${name})
  list(APPEND detent_adapters ${name})
  if(EXISTS ${folder}/CMakeLists.txt)
    add_subdirectory(${folder})
  endif()
endforeach()
