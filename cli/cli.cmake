# The page of `detent replay --html` is embedded into the program: its own three files, and uPlot as npm has put it into
# cli/node_modules (./dev does that; by hand: npm --prefix cli ci). Without uPlot the program is built all the same, and
# refuses --html with the reason.

set(page ${CMAKE_CURRENT_LIST_DIR}/page)
set(uplot ${CMAKE_CURRENT_LIST_DIR}/node_modules/uplot/dist)

foreach(part IN ITEMS html css js)
  file(READ ${page}/page.${part} page_${part})
endforeach()
set(plot_css "")
set(plot_js "")
# The glob is looked at before every build, so that the page gets its library when npm brings it later.
file(GLOB uplot_files CONFIGURE_DEPENDS ${uplot}/uPlot.iife.min.js)
if(uplot_files)
  file(READ ${uplot}/uPlot.min.css plot_css)
  file(READ ${uplot}/uPlot.iife.min.js plot_js)
else()
  message(STATUS "uPlot is not in cli/node_modules: `detent replay --html` will be refused (npm --prefix cli ci)")
endif()
set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS ${page}/page.html ${page}/page.css ${page}/page.js)

configure_file(${page}/page_parts.cpp.in ${PROJECT_BINARY_DIR}/cli/page_parts.cpp @ONLY)
target_sources(detent_cli_parts PRIVATE ${PROJECT_BINARY_DIR}/cli/page_parts.cpp)

# Where the tests find the shipped recording.
target_compile_definitions(detent_cli_parts INTERFACE DETENT_DATA_DIR="${PROJECT_SOURCE_DIR}/data")
