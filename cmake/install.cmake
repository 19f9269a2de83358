# Install rules. Everything is found relative to where it lies, so that an installed copy may be moved.

include(CMakePackageConfigHelpers)

set(package_dir ${CMAKE_INSTALL_LIBDIR}/cmake/detent)

install(TARGETS detent EXPORT detentTargets)
install(DIRECTORY include/detent DESTINATION ${CMAKE_INSTALL_INCLUDEDIR} FILES_MATCHING PATTERN "*.h" PATTERN "*.hpp")
foreach(name IN LISTS detent_adapters)
  install(TARGETS detent_${name} EXPORT detentTargets)
  install(DIRECTORY adapters/${name}/include/ DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}
    FILES_MATCHING PATTERN "*.h" PATTERN "*.hpp")
endforeach()
install(EXPORT detentTargets NAMESPACE detent:: DESTINATION ${package_dir})

# Before 1.0 a minor version may break; from then on only a major one.
if(PROJECT_VERSION_MAJOR EQUAL 0)
  set(compatibility SameMinorVersion)
else()
  set(compatibility SameMajorVersion)
endif()
configure_package_config_file(cmake/detentConfig.cmake.in ${PROJECT_BINARY_DIR}/package/detentConfig.cmake
  INSTALL_DESTINATION ${package_dir})
write_basic_package_version_file(${PROJECT_BINARY_DIR}/package/detentConfigVersion.cmake COMPATIBILITY ${compatibility})
install(FILES ${PROJECT_BINARY_DIR}/package/detentConfig.cmake ${PROJECT_BINARY_DIR}/package/detentConfigVersion.cmake
  DESTINATION ${package_dir})

# pkg-config: the prefix is computed from where the .pc file lies.
file(RELATIVE_PATH pc_to_prefix /prefix/${CMAKE_INSTALL_LIBDIR}/pkgconfig /prefix)
set(pc_cflags "")
if(detent_kind STREQUAL "SHARED_LIBRARY")
  set(pc_cflags " -DDETENT_SHARED=1")
endif()
configure_file(cmake/detent.pc.in ${PROJECT_BINARY_DIR}/package/detent.pc @ONLY)
install(FILES ${PROJECT_BINARY_DIR}/package/detent.pc DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig)
